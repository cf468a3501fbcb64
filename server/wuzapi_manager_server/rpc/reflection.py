"""grpc.reflection, in the versions v1 and v1alpha: how tools like grpcurl learn the API from the server itself."""

from collections.abc import Sequence

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as V1ALPHA
from grpc_reflection.v1alpha.reflection import aio
from grpc_reflection.v1alpha.reflection_pb2_grpc import add_ServerReflectionServicer_to_server

V1 = "grpc.reflection.v1.ServerReflection"

_OLD, _NEW = "grpc.reflection.v1alpha", "grpc.reflection.v1"


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Serves reflection of `services` (full names) and of itself. The library has v1alpha only."""
    _describe_v1()
    servicer = aio.ReflectionServicer((*services, V1ALPHA, V1))
    add_ServerReflectionServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]  # has no types
    # v1 is v1alpha under another name: its messages are the same on the wire.
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(V1, {"ServerReflectionInfo": handler}),))


def _describe_v1() -> None:
    """Makes the descriptor of v1 from that of v1alpha, so that tools can describe every service that is listed."""
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = file.name.replace("v1alpha", "v1")
    file.package = _NEW
    for message in file.message_type:
        _rename(message)
    for method in file.service[0].method:
        method.input_type = method.input_type.replace(_OLD, _NEW)
        method.output_type = method.output_type.replace(_OLD, _NEW)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


def _rename(message: DescriptorProto) -> None:
    for field in message.field:
        if field.type_name:
            field.type_name = field.type_name.replace(_OLD, _NEW)

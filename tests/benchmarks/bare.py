"""A grpc.aio server on uvloop with one empty RPC and nothing around it: the measure of what gRPC itself costs here."""

import asyncio
import sys

import grpc
import uvloop
from grpc_health.v1 import health, health_pb2_grpc

from wuzapi_manager_server.rpc.server import new_server

METHOD = "/benchmark.Empty/Call"


async def _empty(_request: bytes, _context: object) -> bytes:
    return b""


async def _serve(port: int) -> None:
    server = new_server([], message_bytes=4 << 20, share_port=False)
    call: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_empty)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("benchmark.Empty", {"Call": call}),))
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))

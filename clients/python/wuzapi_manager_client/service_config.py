"""The service's own retry policy, in the JSON that gRPC takes as a channel's service config.

Retried on UNAVAILABLE, with a backoff that gRPC draws at random: reads (the RPCs that the protos mark NO_SIDE_EFFECTS),
and creates and sends, whose request_id makes a second try give the first one's answer. Other writes are not retried:
nobody could say whether the first try had happened. A call's timeout holds for all its tries together.
"""

import json

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from wuzapi_manager.v1 import branding_pb2, connection_pb2, maintenance_pb2, record_pb2, relay_pb2

MAX_ATTEMPTS = 4

_FILES = (connection_pb2, branding_pb2, record_pb2, relay_pb2, maintenance_pb2)
_RETRY_POLICY = {
    "maxAttempts": MAX_ATTEMPTS,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_NOT_ALWAYS = frozenset({"wuzapi_manager.v1.RelayService.Call"})
"""Takes a request_id for sends alone."""
_RETRY_THROTTLING = {"maxTokens": 20, "tokenRatio": 0.2}


def is_retried(method: MethodDescriptor) -> bool:
    """Whether a failed try of it may be repeated without a second effect."""
    if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
        return True
    if method.full_name in _NOT_ALWAYS:
        return False
    return "request_id" in method.input_type.fields_by_name and not method.client_streaming


def service_config() -> str:
    """The service config for a channel's option `grpc.service_config`."""
    services = [service for file in _FILES for service in file.DESCRIPTOR.services_by_name.values()]
    names = [
        {"service": service.full_name, "method": method.name}
        for service in services
        for method in service.methods
        if is_retried(method)
    ]
    return json.dumps(
        {
            "methodConfig": [{"name": names, "retryPolicy": _RETRY_POLICY}],
            "retryThrottling": _RETRY_THROTTLING,
        }
    )

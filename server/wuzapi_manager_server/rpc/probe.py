"""Asks a running server of this machine whether it is ready, or whether it answers."""

import ipaddress
import socket

import grpc
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc

from wuzapi_manager_server.errors import CannotStart
from wuzapi_manager_server.rpc.health_names import LIVENESS, READINESS
from wuzapi_manager_server.settings import Settings, join_address

_SECONDS = 5.0


def probe(settings: Settings, *, liveness: bool = False) -> tuple[bool, str]:
    """Whether the server of these settings is ready, and a sentence that says so. Waits at most 5 s.

    With `liveness`, whether its process answers, also while it is not ready or stops.

    With TLS the server's own certificate is what is trusted; where callers must show one (mTLS) it is shown as well.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "[::]": "::1"}.get(settings.grpc_host, settings.grpc_host)  # noqa: S104 - asked, not bound
    address = join_address(host, settings.grpc_port)
    with _channel(settings, address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=LIVENESS if liveness else READINESS)
        try:
            status = stub.Check(request, timeout=_SECONDS).status  # type: ignore[attr-defined]  # missing from the stubs
        except grpc.RpcError:
            return False, f"No answer from {address}: is the server running, with these settings?"
    if status == health_pb2.HealthCheckResponse.SERVING:
        return True, f"{address} answers" if liveness else f"{address} is ready"
    return False, f"{address} answers but is not ready: its log says why"


def _channel(settings: Settings, address: str) -> grpc.Channel:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return grpc.insecure_channel(address)
    try:
        chain = settings.tls_cert_file.read_bytes()
        name = _name_in(chain)
        credentials = (
            grpc.ssl_channel_credentials(chain, settings.tls_key_file.read_bytes(), chain)
            if settings.tls_client_ca_file
            else grpc.ssl_channel_credentials(chain)
        )
    except (OSError, ValueError):
        raise CannotStart("TLS_CERT_FILE or TLS_KEY_FILE cannot be read: check both files") from None
    return grpc.secure_channel(address, credentials, options=(("grpc.ssl_target_name_override", name),))


def _name_in(chain: bytes) -> str:
    """A name or address that the certificate is made for, as the core compares it. CannotStart where it has none."""
    certificate = x509.load_pem_x509_certificate(chain)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:  # only then does the subject's name count
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        found = [str(each.value) for each in common]
    else:
        found = [*names.get_values_for_type(x509.DNSName), *map(_written, names.get_values_for_type(x509.IPAddress))]
    if not found:
        raise CannotStart("The certificate of TLS_CERT_FILE has neither a DNS name nor an address: issue one that has")
    return found[0]


def _written(address: object) -> str:
    """An address as the system writes it."""
    assert isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)  # noqa: S101 - networks are for CAs alone
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - versions of IP
    return socket.inet_ntop(family, address.packed)

"""What the client says to the server about itself."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from tests.integration.client.service import Service, running
from wuzapi_manager.v1.branding_pb2 import Branding, GetBrandingResponse
from wuzapi_manager_client import WuzapiManager, errors


def test_a_user_is_known_by_the_token(service: Service, me: WuzapiManager) -> None:
    """A user's token travels as `token`, with the language, and nothing as `authorization`."""
    me.get_branding()
    metadata = service.seen[0].metadata
    assert (metadata["token"], metadata["accept-language"]) == ("token-of-ana", "en")
    assert "authorization" not in metadata


def test_the_admin_is_known_by_the_authorization(service: Service, admin: WuzapiManager) -> None:
    """The administrator's token travels as a Bearer, in Portuguese by default."""
    admin.get_branding()
    metadata = service.seen[0].metadata
    assert (metadata["authorization"], metadata["accept-language"]) == ("Bearer the-administrators-token", "pt-BR")
    assert "token" not in metadata


def test_nobody_sends_no_token(service: Service) -> None:
    """Without tokens the client is anyone."""
    with WuzapiManager(service.address) as client:
        client.get_branding()
    assert not {"token", "authorization"} & service.seen[0].metadata.keys()


def test_every_call_has_a_deadline(service: Service) -> None:
    """The client's timeout holds where the call says none."""
    with WuzapiManager(service.address, timeout=30.0) as client:
        client.get_branding()
        client.get_branding(timeout=3.0)
    assert 20 < service.seen[0].time_remaining <= 30.5
    assert 1 < service.seen[1].time_remaining <= 3.5


def test_work_on_the_whole_database_has_an_hour(service: Service) -> None:
    """Or the client's timeout, where that is longer, unless the call says another.

    gRPC rounds a time on the wire up, one of a thousand seconds or more to the next ten.
    """
    with WuzapiManager(service.address) as client:
        client.create_backup()
        client.check_integrity(timeout=3.0)
    with WuzapiManager(service.address, timeout=7_200.0) as client:
        client.restore_backup("a")
    assert 3_590 < service.seen[0].time_remaining <= 3_610.5
    assert 1 < service.seen[1].time_remaining <= 3.5
    assert 7_190 < service.seen[2].time_remaining <= 7_210.5


@pytest.mark.parametrize("token", ["", "has space", "line\nbreak", "ação-token", "tab\ttab"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    """Such a token is a ValueError at once, which does not show it."""
    with pytest.raises(ValueError, match="printable ASCII") as first:
        WuzapiManager(token=token)
    with pytest.raises(ValueError, match="printable ASCII") as second:
        WuzapiManager(admin_token=token)
    assert not token or token not in f"{first.value} {second.value}"


def test_a_client_is_one_caller() -> None:
    """A user's and the administrator's token together are refused."""
    with pytest.raises(ValueError, match="not both"):
        WuzapiManager(token="token-of-ana", admin_token="the-administrators-token")


def test_a_closed_client_does_not_call(service: Service) -> None:
    """After its block the client refuses calls."""
    with WuzapiManager(service.address) as client:
        client.get_branding()
    with pytest.raises(ValueError, match="closed"):
        client.get_branding()


def test_many_threads_share_a_client(service: Service, me: WuzapiManager) -> None:
    """Calls of many threads at once all get their own answers."""
    service.answers["GetBranding"] = GetBrandingResponse(branding=Branding(app_name="x"))
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: me.get_branding().app_name, range(100)))
    assert names == ["x"] * 100


def test_tls_protects_the_way(tmp_path: Path) -> None:
    """With credentials the client speaks TLS and checks the certificate; without TLS it does not get through."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    with running(credentials) as service:
        address = service.address.replace("127.0.0.1", "localhost")
        trusted = grpc.ssl_channel_credentials(certificate.read_bytes())
        with WuzapiManager(address, token="token-of-ana", tls=trusted) as client:
            client.get_branding()
        for tls in (None, True):
            with WuzapiManager(address, token="token-of-ana", tls=tls) as client, pytest.raises(errors.Unavailable):
                client.get_branding(timeout=2.0)
    assert len(service.seen) == 1

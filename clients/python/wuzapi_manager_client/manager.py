"""The client itself."""

from typing import Self

import grpc

from wuzapi_manager_client.audit import AuditCalls
from wuzapi_manager_client.backup_files import BackupFileCalls
from wuzapi_manager_client.backups import BackupCalls
from wuzapi_manager_client.branding import BrandingCalls
from wuzapi_manager_client.connections import ConnectionCalls
from wuzapi_manager_client.maintenance import MaintenanceCalls
from wuzapi_manager_client.metadata import MetadataCalls
from wuzapi_manager_client.records import RecordCalls
from wuzapi_manager_client.relay import RelayCalls
from wuzapi_manager_client.service_config import service_config
from wuzapi_manager_client.sessions import SessionCalls
from wuzapi_manager_client.transfer import TransferCalls

_MAX_ANSWER_BYTES = 64 * 1024 * 1024  # the service may be set to give more than the 4 MiB that gRPC takes


class WuzapiManager(
    ConnectionCalls,
    BrandingCalls,
    RecordCalls,
    TransferCalls,
    RelayCalls,
    SessionCalls,
    MaintenanceCalls,
    MetadataCalls,
    AuditCalls,
    BackupCalls,
    BackupFileCalls,
):
    """A client of the WUZAPI Manager data service, for one caller. Made once and kept; safe to use from many threads.

        with WuzapiManager("127.0.0.1:50051", admin_token=...) as admin:
            connection = admin.create_connection(
                name="CRM",
                sqlite={"database": "crm.db", "table_name": "customers"},
                user_link_field="owner",
                assigned_users=[ana],
            )
        with WuzapiManager("127.0.0.1:50051", token=...) as me:
            for record in me.list_records(connection.id, filter=eq("city", "Recife"), order_by="name"):
                print(record.fields["name"])
            me.send_text("+55 81 99999-0001", "Olá!")

    `token` is a user's WUZAPI token, `admin_token` the administrator's; without either only the branding can be read.
    `timeout` is the seconds that a call may take, all its tries together, where the call itself says nothing else. Work
    on a whole database and whole files (exports, imports, uploads, downloads) have an hour. A send of long media is two
    calls: `timeout` bounds the send, and the upload before it has an hour of its own.
    `tls` is True for TLS with the certificates of the machine, or credentials of gRPC; without it the way is not
    protected. `language` ("pt-BR" or "en") is that of `localized_message` in errors, and of texts such as the steps of
    `test_connection`.

    Every call raises a ManagerError (see wuzapi_manager_client.errors) when it fails. Reads, creates and sends are
    tried again when the service cannot be reached; other writes are not.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        token: str | None = None,
        admin_token: str | None = None,
        timeout: float = 10.0,
        tls: bool | grpc.ChannelCredentials | None = None,
        language: str = "pt-BR",
    ) -> None:
        if token is not None and admin_token is not None:
            raise ValueError("Give token or admin_token, not both: a client calls as one caller")
        metadata = [("accept-language", language)]
        if token is not None:
            metadata.append(("token", _checked("token", token)))
        if admin_token is not None:
            metadata.append(("authorization", f"Bearer {_checked('admin_token', admin_token)}"))
        options = [
            ("grpc.service_config", service_config()),
            ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
        ]
        if tls:
            credentials = grpc.ssl_channel_credentials() if tls is True else tls
            channel = grpc.secure_channel(address, credentials, options)
        else:
            channel = grpc.insecure_channel(address, options)
        super().__init__(channel, tuple(metadata), timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection. Calls under way are cancelled, later ones raise ValueError."""
        self._channel.close()


def _checked(name: str, token: str) -> str:
    """The token. ValueError, which does not show it, where no header can carry it."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(f"{name} must be printable ASCII without white space, and not empty")
    return token

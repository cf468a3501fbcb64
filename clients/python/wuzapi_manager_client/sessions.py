"""The calls of RelayService for sessions, webhooks and the users of WUZAPI."""

import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from google.protobuf.field_mask_pb2 import FieldMask

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_client.calls import STREAM_TIMEOUT, Calls, new_request_id, texts, translated


class SessionCalls(Calls):
    """Pairs a phone and sets the webhook (users), manages users of WUZAPI (the administrator)."""

    def get_session_status(self, *, timeout: float | None = None) -> pb.Session:
        """The state of one's session."""
        return self._call(self._relay.GetSessionStatus, pb.GetSessionStatusRequest(), timeout).session

    def connect_session(self, events: Sequence[str] = (), *, timeout: float | None = None) -> pb.ConnectSessionResponse:
        """Connects, without waiting for WhatsApp."""
        return self._call(self._relay.ConnectSession, pb.ConnectSessionRequest(events=texts(events)), timeout)

    def disconnect_session(self, *, timeout: float | None = None) -> None:
        """Disconnects; the phone stays paired."""
        self._call(self._relay.DisconnectSession, pb.DisconnectSessionRequest(), timeout)

    def logout_session(self, *, timeout: float | None = None) -> None:
        """Logs out: the phone is no longer paired."""
        self._call(self._relay.LogoutSession, pb.LogoutSessionRequest(), timeout)

    def get_qr_code(self, *, timeout: float | None = None) -> pb.QrCode:
        """The QR code to pair a phone with: `png`, and `text` to print."""
        return self._call(self._relay.GetQrCode, pb.GetQrCodeRequest(), timeout).qr_code

    def pair_phone(self, phone: str, *, timeout: float | None = None) -> str:
        """A code that pairs a phone without a QR code."""
        return self._call(self._relay.PairPhone, pb.PairPhoneRequest(phone=phone), timeout).linking_code

    def watch_session(self, *, timeout: float = STREAM_TIMEOUT) -> Iterator[pb.WatchSessionResponse]:
        """States and fresh QR codes until a phone is paired, or the timeout."""
        with translated():
            stream = self._relay.WatchSession(pb.WatchSessionRequest(), timeout=timeout, metadata=self._metadata)
            try:
                yield from stream
            finally:
                stream.cancel()

    def pair_in_terminal(self, *, timeout: float = 300.0, out: TextIO = sys.stdout) -> str:
        """Connects, draws each QR code in the terminal, and gives the account's JID once a phone has scanned one.

        Empty where nobody did within the timeout.
        """
        self.connect_session()
        for seen in self.watch_session(timeout=timeout):
            if seen.qr_code.text:
                out.write(f"\n{seen.qr_code.text}In WhatsApp: Linked devices, Link a device\n")
                out.flush()
            if seen.state == pb.SESSION_STATE_LOGGED_IN:
                return seen.jid
        return ""

    def get_webhook(self, *, timeout: float | None = None) -> pb.Webhook:
        """Where events are delivered."""
        return self._call(self._relay.GetWebhook, pb.GetWebhookRequest(), timeout).webhook

    def set_webhook(self, url: str, events: Sequence[str], *, timeout: float | None = None) -> pb.Webhook:
        """Sets where events are delivered, and which."""
        request = pb.SetWebhookRequest(webhook=pb.Webhook(url=url, events=texts(events)))
        return self._call(self._relay.SetWebhook, request, timeout).webhook

    def update_webhook(
        self, url: str, events: Sequence[str], *, active: bool = True, timeout: float | None = None
    ) -> pb.Webhook:
        """Changes where events are delivered and which, or switches delivery off."""
        request = pb.UpdateWebhookRequest(webhook=pb.Webhook(url=url, events=texts(events)), active=active)
        return self._call(self._relay.UpdateWebhook, request, timeout).webhook

    def delete_webhook(self, *, timeout: float | None = None) -> None:
        """Ends the delivery of events."""
        self._call(self._relay.DeleteWebhook, pb.DeleteWebhookRequest(), timeout)

    def list_users(self, *, page_size: int = 0, timeout: float | None = None) -> Iterator[pb.WuzapiUser]:
        """All users of WUZAPI, by id; pages are asked for as they are needed."""
        request = pb.ListUsersRequest(page_size=page_size)
        return (user for page in self._pages(self._relay.ListUsers, request, timeout) for user in page.users)

    def get_user(self, identity: str, *, timeout: float | None = None) -> pb.WuzapiUser:
        """A user of WUZAPI. NotFound where there is none of that id."""
        return self._call(self._relay.GetUser, pb.GetUserRequest(id=identity), timeout).user

    def create_user(
        self,
        name: str,
        token: str,
        *,
        webhook: str = "",
        events: Sequence[str] = (),
        timeout: float | None = None,
    ) -> pb.WuzapiUser:
        """Makes a user of WUZAPI. AlreadyExists where the token is another user's."""
        user = pb.WuzapiUser(name=name, token=token, webhook=webhook, events=texts(events))
        request = pb.CreateUserRequest(user=user, request_id=new_request_id())
        return self._call(self._relay.CreateUser, request, timeout).user

    def update_user(
        self, user: pb.WuzapiUser, *, update_mask: Sequence[str] | None = None, timeout: float | None = None
    ) -> pb.WuzapiUser:
        """Changes a user of WUZAPI, by its id: the fields of the mask, without one the populated ones."""
        mask = None if update_mask is None else FieldMask(paths=texts(update_mask))
        return self._call(self._relay.UpdateUser, pb.UpdateUserRequest(user=user, update_mask=mask), timeout).user

    def delete_user(self, identity: str, *, full: bool = True, timeout: float | None = None) -> None:
        """Deletes a user of WUZAPI; without `full` the token goes on working there until WUZAPI is restarted."""
        self._call(self._relay.DeleteUser, pb.DeleteUserRequest(id=identity, full=full), timeout)

    def check_health(self, *, timeout: float | None = None) -> pb.CheckHealthResponse:
        """Whether WUZAPI answers, how fast, and its version. Asks for no token."""
        return self._call(self._relay.CheckHealth, pb.CheckHealthRequest(), timeout)

    def get_relay_config(self, *, timeout: float | None = None) -> pb.GetRelayConfigResponse:
        """Where WUZAPI is, and how long it is waited for. Asks for no token."""
        return self._call(self._relay.GetRelayConfig, pb.GetRelayConfigRequest(), timeout)

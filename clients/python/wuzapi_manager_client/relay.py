"""The calls of RelayService that send messages, ask about people, or make any other call of WUZAPI."""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

from google.protobuf.json_format import MessageToDict

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_client.calls import new_request_id, texts
from wuzapi_manager_client.media import Media, MediaCalls

if TYPE_CHECKING:
    from grpc import UnaryUnaryMultiCallable

_UPLOAD_SECONDS = 100.0  # in which WUZAPI gets what was uploaded, and brings it to WhatsApp


class Answer(NamedTuple):
    """What WUZAPI answered to any call: `data` as Python values; `error` and `code` are empty on success."""

    success: bool
    status: int
    data: Any
    error: str
    code: str


class SendOptions(TypedDict, total=False):
    """What every message may have: an answer to another, mentions, the mark of forwarding; `request_id`, `timeout`.

    Without `request_id` the client makes one, so that its own tries are one message. `timeout` bounds the send, all its
    tries together. Media above 1 MiB is uploaded first, and that upload is not within it: it may take up to an hour.
    To bound it too, call `upload_media` with a `timeout` of its own and send what it gives.
    """

    reply_to: pb.Quote
    mentioned_jids: Sequence[str]
    forwarded: bool
    request_id: str
    timeout: float | None


class RelayCalls(MediaCalls):
    """Sends messages and asks about people (users)."""

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        request_id: str = "",
        timeout: float | None = None,
    ) -> Answer:
        """Any call of WUZAPI: `call("GET", "/newsletter/list")`. An error of WUZAPI is an Answer, no exception.

        The administrator's client calls paths below /admin/, a user's all others. Tokens, proxies and keys are taken
        out of the data. ValueError where `method` is none of GET, POST, PUT and DELETE.
        """
        number = pb.HttpMethod.Value(f"HTTP_METHOD_{method.upper()}")
        request = pb.CallRequest(method=number, path=path, query=query, request_id=request_id)
        if body is not None:
            request.body.update(body)
        response = self._call(self._relay.Call, request, timeout)
        return Answer(response.success, response.status, MessageToDict(response.data), response.error, response.code)

    def send_text(
        self, phone: str, body: str, *, link_preview: bool = False, **options: Unpack[SendOptions]
    ) -> pb.SentMessage:
        """Sends a text. It is one message however often the client tries; Unavailable where that is not known."""
        request = pb.SendTextRequest(phone=phone, body=body, link_preview=link_preview)
        return self._send(self._relay.SendText, request, options)

    def send_image(
        self, phone: str, media: Media, *, caption: str = "", mime_type: str = "", **options: Unpack[SendOptions]
    ) -> pb.SentMessage:
        """Sends an image. `timeout` does not bound the upload of a long one: see SendOptions."""
        request = pb.SendImageRequest(phone=phone, caption=caption, mime_type=mime_type, **self._media(media, "IMAGE"))
        return self._send(self._relay.SendImage, request, options)

    def send_audio(
        self, phone: str, media: Media, *, voice: bool = True, mime_type: str = "", **options: Unpack[SendOptions]
    ) -> pb.SentMessage:
        """Sends a sound, as a voice message unless `voice` is false.

        `timeout` does not bound the upload of a long one: see SendOptions.
        """
        request = pb.SendAudioRequest(phone=phone, voice=voice, mime_type=mime_type, **self._media(media, "AUDIO"))
        return self._send(self._relay.SendAudio, request, options)

    def send_video(
        self, phone: str, media: Media, *, caption: str = "", mime_type: str = "", **options: Unpack[SendOptions]
    ) -> pb.SentMessage:
        """Sends a video. `timeout` does not bound the upload of a long one: see SendOptions."""
        request = pb.SendVideoRequest(phone=phone, caption=caption, mime_type=mime_type, **self._media(media, "VIDEO"))
        return self._send(self._relay.SendVideo, request, options)

    def send_document(
        self, phone: str, media: Media, file_name: str = "", *, caption: str = "", **options: Unpack[SendOptions]
    ) -> pb.SentMessage:
        """Sends a file, under the name of a Path unless `file_name` says another. Long ones go up in a stream first.

        WhatsApp takes 100 MiB; without `timeout` the send of an upload has 100 seconds more than other calls. With it
        the send is bounded, the upload before is not: see SendOptions. Called
        again with the same `request_id` and the same bytes it is the same message, though they are uploaded again.
        """
        name = file_name or (Path(media).name if isinstance(media, PathLike) else "")
        request = pb.SendDocumentRequest(phone=phone, file_name=name, caption=caption, **self._media(media, "DOCUMENT"))
        return self._send(self._relay.SendDocument, request, options)

    def send_sticker(self, phone: str, media: Media, **options: Unpack[SendOptions]) -> pb.SentMessage:
        """Sends a sticker: WebP. `timeout` does not bound the upload of a long one: see SendOptions."""
        return self._send(
            self._relay.SendSticker, pb.SendStickerRequest(phone=phone, **self._media(media, "STICKER")), options
        )

    def send_location(
        self, phone: str, latitude: float, longitude: float, name: str = "", **options: Unpack[SendOptions]
    ) -> pb.SentMessage:
        """Sends a place."""
        request = pb.SendLocationRequest(phone=phone, latitude=latitude, longitude=longitude, name=name)
        return self._send(self._relay.SendLocation, request, options)

    def send_contact(self, phone: str, name: str, vcard: str, **options: Unpack[SendOptions]) -> pb.SentMessage:
        """Sends a contact card."""
        return self._send(self._relay.SendContact, pb.SendContactRequest(phone=phone, name=name, vcard=vcard), options)

    def send_poll(
        self,
        group_jid: str,
        question: str,
        choices: Sequence[str],
        *,
        request_id: str = "",
        timeout: float | None = None,
    ) -> pb.SentMessage:
        """Sends a poll to a group."""
        request = pb.SendPollRequest(phone=group_jid, question=question, options=texts(choices))
        return self._send(self._relay.SendPoll, request, {"request_id": request_id, "timeout": timeout})

    def send_buttons(
        self,
        phone: str,
        title: str,
        buttons: Mapping[str, str],
        *,
        request_id: str = "",
        timeout: float | None = None,
    ) -> pb.SentMessage:
        """Sends a text with up to three buttons, texts by ids."""
        made = [pb.Button(id=identity, text=text) for identity, text in buttons.items()]
        request = pb.SendButtonsRequest(phone=phone, title=title, buttons=made)
        return self._send(self._relay.SendButtons, request, {"request_id": request_id, "timeout": timeout})

    def send_list(self, request: pb.SendListRequest, *, timeout: float | None = None) -> pb.SentMessage:
        """Sends a list to choose from."""
        copy = pb.SendListRequest()
        copy.CopyFrom(request)
        return self._send(self._relay.SendList, copy, {"request_id": request.request_id, "timeout": timeout})

    def edit_message(
        self, phone: str, message_id: str, body: str, *, request_id: str = "", timeout: float | None = None
    ) -> pb.SentMessage:
        """Changes the text of a message that was sent."""
        request = pb.EditMessageRequest(phone=phone, message_id=message_id, body=body)
        return self._send(self._relay.EditMessage, request, {"request_id": request_id, "timeout": timeout})

    def delete_message(self, phone: str, message_id: str, *, timeout: float | None = None) -> None:
        """Takes back a message that was sent."""
        self._call(self._relay.DeleteMessage, pb.DeleteMessageRequest(phone=phone, message_id=message_id), timeout)

    def react(
        self,
        phone: str,
        message_id: str,
        emoji: str,
        *,
        own: bool = False,
        participant: str = "",
        timeout: float | None = None,
    ) -> None:
        """Reacts to a message; "" takes the reaction back."""
        request = pb.ReactRequest(phone=phone, message_id=message_id, emoji=emoji, own=own, participant=participant)
        self._call(self._relay.React, request, timeout)

    def mark_read(
        self, phone: str, message_ids: Sequence[str], *, sender: str = "", timeout: float | None = None
    ) -> None:
        """Marks messages of a chat as read."""
        request = pb.MarkReadRequest(phone=phone, message_ids=texts(message_ids), sender=sender)
        self._call(self._relay.MarkRead, request, timeout)

    def set_chat_presence(self, phone: str, presence: str, *, timeout: float | None = None) -> None:
        """Shows in a chat that one is "composing", "recording" or has "paused"."""
        number = pb.ChatPresence.Value(f"CHAT_PRESENCE_{presence.upper()}")
        self._call(self._relay.SetChatPresence, pb.SetChatPresenceRequest(phone=phone, presence=number), timeout)

    def check_users(self, phones: Sequence[str], *, timeout: float | None = None) -> list[pb.CheckedUser]:
        """Which phones are on WhatsApp."""
        return [*self._call(self._relay.CheckUsers, pb.CheckUsersRequest(phones=texts(phones)), timeout).users]

    def get_user_info(self, phones: Sequence[str], *, timeout: float | None = None) -> list[pb.UserInfo]:
        """What WhatsApp tells of users."""
        return [*self._call(self._relay.GetUserInfo, pb.GetUserInfoRequest(phones=texts(phones)), timeout).users]

    def get_avatar(self, phone: str, *, preview: bool = False, timeout: float | None = None) -> pb.GetAvatarResponse:
        """Where a picture is. NotFound where there is none, or it is hidden."""
        return self._call(self._relay.GetAvatar, pb.GetAvatarRequest(phone=phone, preview=preview), timeout)

    def list_contacts(self, *, page_size: int = 0, timeout: float | None = None) -> Iterator[pb.Contact]:
        """All contacts, by JID; pages are asked for as they are needed."""
        request = pb.ListContactsRequest(page_size=page_size)
        return (item for page in self._pages(self._relay.ListContacts, request, timeout) for item in page.contacts)

    def list_groups(self, *, page_size: int = 0, timeout: float | None = None) -> Iterator[pb.Group]:
        """All groups, by JID; pages are asked for as they are needed."""
        request = pb.ListGroupsRequest(page_size=page_size)
        return (item for page in self._pages(self._relay.ListGroups, request, timeout) for item in page.groups)

    def get_group_info(self, group_jid: str, *, timeout: float | None = None) -> pb.Group:
        """A group."""
        return self._call(self._relay.GetGroupInfo, pb.GetGroupInfoRequest(group_jid=group_jid), timeout).group

    def _send(self, method: "UnaryUnaryMultiCallable[Any, Any]", request: Any, options: SendOptions) -> pb.SentMessage:
        """Sends a request with what its options say, which not every message of the API has in common as a type."""
        if "reply_to" in options:
            request.reply_to.CopyFrom(options["reply_to"])
        if "mentioned_jids" in options:
            request.mentioned_jids.extend(texts(options["mentioned_jids"]))
        if "forwarded" in options:
            request.forwarded = options["forwarded"]
        request.request_id = options.get("request_id") or new_request_id()
        timeout = options.get("timeout")
        if timeout is None and getattr(request, "media_id", False):
            timeout = self._timeout + _UPLOAD_SECONDS
        message: pb.SentMessage = self._call(method, request, timeout).message
        return message

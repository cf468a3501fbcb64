"""What the administrator does with the users of the fake WUZAPI."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes.http_server import Answer, Request
from tests.fakes.wuzapi_answers import refuse, respond, respond_with, to_json
from tests.fakes.wuzapi_users import EVENTS, State

if TYPE_CHECKING:
    from tests.fakes.wuzapi import FakeWuzapi


def list_users(fake: "FakeWuzapi", request: Request) -> Answer:
    """`GET /admin/users`."""
    if not fake.is_admin(request):
        return refuse(401, "unauthorized")
    return respond([fake.as_json(user) for user in list(fake.users.values())])


def get_user(fake: "FakeWuzapi", request: Request, identity: str) -> Answer:
    """`GET /admin/users/{id}`: a list, empty when there is no such user."""
    if not fake.is_admin(request):
        return refuse(401, "unauthorized")
    user = fake.users.get(identity)
    return respond([] if user is None else [fake.as_json(user)])


def create_user(fake: "FakeWuzapi", request: Request) -> Answer:  # noqa: PLR0911 - a return for each refusal
    """`POST /admin/users`."""
    if not fake.is_admin(request):
        return refuse(401, "unauthorized")
    body = _settings(request)
    if body is None:
        return respond_with(400, error="invalid request payload")
    unknown = _unknown_event(body)
    if unknown:
        return respond_with(400, error="invalid event type", details=f"invalid event: {unknown}")
    if len(str(body.get("hmackey", "x" * 32))) < 32:
        return respond_with(400, error="HMAC key must be at least 32 characters long")
    token = str(body.get("token", ""))
    if any(user.token == token for user in fake.users.values()):
        return respond_with(409, error="user with this token already exists")
    identity = fake.add_user(str(body.get("name", "")), token, state=State.NO_CLIENT)
    user = fake.users[identity]
    user.settings = {key: body[key] for key in ("webhook", "expiration", "events", "history") if key in body}
    user.settings["proxy"] = body.get("proxyconfig")
    user.settings["s3"] = body.get("s3config")
    if fake.legacy_status:
        return to_json(200, {"id": int(identity) if fake.integer_ids else identity})
    shown = {k: v for k, v in fake.as_json(user).items() if k not in {"jid", "qrcode", "connected", "loggedIn"}}
    return respond_with(201, data={**shown, "hmac_key": "hmackey" in body})


def update_user(fake: "FakeWuzapi", request: Request, identity: str) -> Answer:
    """`PUT /admin/users/{id}`: what is empty or 0 stays as it is, but the proxy and S3 are replaced as a whole."""
    if not fake.is_admin(request):
        return refuse(401, "unauthorized")
    user = fake.users.get(identity)
    if user is None:
        return respond_with(404, error="user not found")
    body = _settings(request)
    if body is None:
        return respond_with(400, error="invalid request payload")
    unknown = _unknown_event(body)
    if unknown:
        return respond_with(400, error="invalid event type", details=f"invalid event: {unknown}")
    changes = {key: value for key, value in body.items() if value or key in {"proxyconfig", "s3config"}}
    if not changes:
        return respond_with(400, error="no fields to update")
    if "token" in changes:
        fake.keep_stale(replace(user))
    user.name = str(changes.get("name", user.name))
    user.token = str(changes.get("token", user.token))
    user.settings |= {key: changes[key] for key in ("webhook", "expiration", "events") if key in changes}
    proxy, s3 = changes.get("proxyconfig"), changes.get("s3config")
    if isinstance(proxy, dict):
        user.settings["proxy"] = proxy if proxy.get("enabled") else {}
    if isinstance(s3, dict):
        user.settings["s3"] = s3
    return respond_with(200, message="user updated successfully")


def delete_user(fake: "FakeWuzapi", request: Request, identity: str) -> Answer:
    """`DELETE /admin/users/{id}`."""
    if not fake.is_admin(request):
        return refuse(401, "unauthorized")
    user = fake.users.pop(identity, None)
    if user is None:
        return respond_with(404, error="user not found", details="no user with this id")
    fake.keep_stale(user)
    if fake.legacy_status:
        return to_json(200, {"Details": "User deleted successfully"})
    return respond_with(200, data={"id": identity}, details="user deleted successfully")


def delete_user_full(fake: "FakeWuzapi", request: Request, identity: str) -> Answer:
    """`DELETE /admin/users/{id}/full`."""
    if not fake.is_admin(request):
        return refuse(401, "unauthorized")
    user = fake.users.pop(identity, None)
    if user is None:
        return respond_with(404, error="user not found", details="no user with this id")
    data = {"id": identity, "name": user.name, "jid": user.jid}
    return respond_with(200, data=data, details="user instance removed completely")


def _settings(request: Request) -> dict[str, object] | None:
    """The body by keys in lower case, as Go reads it; None where a type is wrong."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    lowered = {key.lower(): value for key, value in body.items()}
    types = {"name": str, "token": str, "webhook": str, "events": str, "hmackey": str, "expiration": int}
    wrong = (key for key, kind in types.items() if key in lowered and not isinstance(lowered[key], kind))
    return None if any(wrong) else lowered


def _unknown_event(body: Mapping[str, object]) -> str:
    given = [name.strip() for name in str(body.get("events", "")).split(",") if name.strip()]
    return next((name for name in given if name not in EVENTS), "")


ADMIN: list[tuple[str, str, Callable[..., Answer]]] = [
    ("GET", r"/admin/users", list_users),
    ("POST", r"/admin/users", create_user),
    ("GET", r"/admin/users/([^/]+)", get_user),
    ("PUT", r"/admin/users/([^/]+)", update_user),
    ("DELETE", r"/admin/users/([^/]+)", delete_user),
    ("DELETE", r"/admin/users/([^/]+)/full", delete_user_full),
]

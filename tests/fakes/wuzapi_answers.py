"""The shapes that WUZAPI answers in."""

import json

from tests.fakes.http_server import Answer

HTML = "text/html; charset=utf-8"
NO_PAGE = Answer(404, b"404 page not found\n", "text/plain; charset=utf-8")


def to_json(status: int, value: object, content_type: str = "application/json") -> Answer:
    """Any JSON."""
    return Answer(status, json.dumps(value).encode(), content_type)


def respond(data: object) -> Answer:
    """The envelope of most calls."""
    return to_json(200, {"code": 200, "data": data, "success": True})


def refuse(status: int, error: str) -> Answer:
    """The envelope of most failures."""
    return to_json(status, {"code": status, "error": error, "success": False})


def respond_with(status: int, **rest: object) -> Answer:
    """The other envelope, of the admin calls that change something."""
    value = {"code": status, **rest, "success": status < 400}
    return to_json(status, value, "application/json; charset=utf-8")

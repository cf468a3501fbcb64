"""The fake WUZAPI answers as the real one does."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.wuzapi import FakeWuzapi, State

ADMIN = "admin-of-the-fake"


@pytest.fixture
def fake() -> Iterator[FakeWuzapi]:
    with FakeWuzapi(admin_token=ADMIN) as server:
        yield server


@pytest.fixture
def http(fake: FakeWuzapi) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fake.url, headers={"authorization": ADMIN}, trust_env=False) as client:
        yield client


def test_a_status_shows_the_user(fake: FakeWuzapi, http: httpx.Client) -> None:
    """A status has both booleans of the session in the lower-case shape of today."""
    identity = fake.add_user("Ana", "token-of-ana", state=State.CONNECTED)
    answer = http.get("/session/status", headers={"token": "token-of-ana"})
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert (data["id"], data["connected"], data["loggedIn"], data["history"]) == (identity, True, False, "0")
    assert re.fullmatch("[0-9a-f]{32}", identity)


def test_an_old_status_has_old_keys(fake: FakeWuzapi, http: httpx.Client) -> None:
    """An old status is capitalized, and a 500 where there is no client."""
    fake.legacy_status = True
    fake.add_user("Ana", "token-of-ana", state=State.CONNECTED)
    fake.add_user("Bia", "token-of-bia", state=State.NO_CLIENT)
    answer = http.get("/session/status", headers={"token": "token-of-ana"})
    assert answer.json()["data"] == {"Connected": True, "LoggedIn": False}
    answer = http.get("/session/status", headers={"token": "token-of-bia"})
    assert (answer.status_code, answer.json()["error"]) == (500, "No session")


def test_a_short_document_breaks_it_down(fake: FakeWuzapi, http: httpx.Client) -> None:
    """It compares 29 bytes without asking whether they are there: the connection ends without an answer."""
    fake.add_user("Ana", "token-of-ana")
    for document in ("http://a.example/b", "x" * 28):
        body = {"Phone": "5581999990001", "Document": document, "FileName": "a"}
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/chat/send/document", headers={"token": "token-of-ana"}, json=body)
    body = {"Phone": "5581999990001", "Document": "x" * 29, "FileName": "a"}
    assert http.post("/chat/send/document", headers={"token": "token-of-ana"}, json=body).status_code == 400
    assert not fake.sent


def test_users_are_made_shown_changed_and_deleted(fake: FakeWuzapi, http: httpx.Client) -> None:
    """The admin calls work on the same users, in their two envelopes."""
    made = http.post("/admin/users", json={"Name": "Ana", "token": "token-of-ana", "events": "Message,QR"})
    assert (made.status_code, made.headers["content-type"]) == (201, "application/json; charset=utf-8")
    identity = made.json()["data"]["id"]
    assert [user["name"] for user in http.get("/admin/users").json()["data"]] == ["Ana"]
    changed = http.put(f"/admin/users/{identity}", json={"name": "Ana Maria", "token": ""})
    assert changed.json() == {"code": 200, "message": "user updated successfully", "success": True}
    shown = http.get(f"/admin/users/{identity}").json()["data"]
    assert [(user["name"], user["token"]) for user in shown] == [("Ana Maria", "token-of-ana")]
    assert http.delete(f"/admin/users/{identity}").json()["details"] == "user deleted successfully"
    assert http.get(f"/admin/users/{identity}").json()["data"] == []
    other = fake.add_user("Bia", "token-of-bia")
    assert http.delete(f"/admin/users/{other}/full").json()["data"]["name"] == "Bia"
    assert not fake.users


def test_integer_ids_are_numbers_in_json(fake: FakeWuzapi, http: httpx.Client) -> None:
    """Old ids are numbers on the wire too."""
    fake.integer_ids = True
    fake.add_user("Ana", "token-of-ana")
    assert [user["id"] for user in http.get("/admin/users").json()["data"]] == [1]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/admin/users", b"{", 400, "invalid request payload"),
        ("POST", "/admin/users", b"[]", 400, "invalid request payload"),
        ("POST", "/admin/users", {"events": ["Message"]}, 400, "invalid request payload"),
        ("POST", "/admin/users", {"events": "Message,Nonsense"}, 400, "invalid event type"),
        ("POST", "/admin/users", {"hmacKey": "short"}, 400, "HMAC key must be at least 32 characters long"),
        ("POST", "/admin/users", {"token": "token-of-ana"}, 409, "user with this token already exists"),
        ("PUT", "/admin/users/ID", b"{", 400, "invalid request payload"),
        ("PUT", "/admin/users/ID", {"name": ""}, 400, "no fields to update"),
        ("PUT", "/admin/users/ID", {"events": "Nonsense"}, 400, "invalid event type"),
        ("PUT", "/admin/users/none", {"name": "x"}, 404, "user not found"),
        ("DELETE", "/admin/users/none", b"", 404, "user not found"),
        ("DELETE", "/admin/users/none/full", b"", 404, "user not found"),
    ],
)
def test_bad_requests_are_refused(
    fake: FakeWuzapi, http: httpx.Client, method: str, path: str, body: object, status: int, error: str
) -> None:
    """Each refusal has WUZAPI's status and text."""
    identity = fake.add_user("Ana", "token-of-ana")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = http.request(method, path.replace("ID", identity), content=content)
    assert (answer.status_code, answer.json()["error"], answer.json()["success"]) == (status, error, False)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/session/status"),
        ("GET", "/admin/users"),
        ("GET", "/admin/users/1"),
        ("POST", "/admin/users"),
        ("PUT", "/admin/users/1"),
        ("DELETE", "/admin/users/1"),
        ("DELETE", "/admin/users/1/full"),
    ],
)
def test_no_token_is_401(http: httpx.Client, method: str, path: str) -> None:
    """Everything but health asks for a token, and takes no Bearer."""
    answer = http.request(method, path, headers={"authorization": f"Bearer {ADMIN}"})
    assert (answer.status_code, answer.json()) == (401, {"code": 401, "error": "unauthorized", "success": False})


def test_an_unknown_path_is_a_page_not_found(http: httpx.Client) -> None:
    """Unknown paths and wrong methods end at the file server, in plain text."""
    for answer in (http.get("/chat/send/template"), http.delete("/session/status"), http.get("/admin/nonsense")):
        assert (answer.status_code, answer.text) == (404, "404 page not found\n")


def test_health_counts_the_users(fake: FakeWuzapi, http: httpx.Client) -> None:
    """Health needs no token and has no envelope."""
    fake.add_user("Ana", "token-of-ana")
    fake.add_user("Bia", "token-of-bia", state=State.CONNECTED)
    fake.add_user("Caio", "token-of-caio", state=State.NO_CLIENT)
    health = http.get("/health", headers={"authorization": ""}).json()
    assert (health["status"], health["total_users"], health["connected_users"], health["logged_in_users"]) == (
        "ok",
        3,
        2,
        1,
    )


def test_a_closed_fake_cuts_open_connections(fake: FakeWuzapi, http: httpx.Client) -> None:
    """After it is closed nobody is answered, not even on a connection that was open."""
    http.get("/health")
    fake.close()
    with pytest.raises(httpx.TransportError):
        http.get("/health")


def test_a_delay_is_cut_short_by_closing(fake: FakeWuzapi, http: httpx.Client) -> None:
    """A long delay does not hold up the end of a test."""
    fake.delay = 3600.0
    with pytest.raises(httpx.TimeoutException):
        http.get("/health", timeout=0.2)
    fake.close()
    assert len(fake.requests) == 1


def test_it_runs_as_a_program() -> None:
    """The program prints settings and tokens that work, and ends when it is interrupted."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "tests.fakes.wuzapi", "--port", "0", "--admin-token", ADMIN]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(7)]
        settings = dict(line.split("=") for line in lines[1:3])
        assert settings["WUZAPI_ADMIN_TOKEN"] == ADMIN
        tokens = [line.split()[0] for line in lines[4:]]
        with httpx.Client(base_url=settings["WUZAPI_BASE_URL"], trust_env=False) as client:
            assert len(client.get("/admin/users", headers={"authorization": ADMIN}).json()["data"]) == 3
            states = [client.get("/session/status", headers={"token": token}).json()["data"] for token in tokens]
        assert [state["loggedIn"] for state in states] == [True, True, False]
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[0] == "\n0 messages were taken\n"
        assert process.returncode == 0


def test_a_port_that_is_taken_is_told(fake: FakeWuzapi) -> None:
    """One sentence with what to do, and no traceback."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "tests.fakes.wuzapi", "--port", str(fake.port)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Port {fake.port} cannot be had (Address already in use): give another as --port\n"

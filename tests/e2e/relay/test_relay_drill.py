"""The drill of lost answers: whatever is lost and whoever is killed, each message has exactly one WhatsApp id.

`RELAY_DRILL_SENDS` says how many are sent (100; the whole drill, `make drill`, is 1,000).
"""

import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from uuid import uuid4

import grpc
import pytest

from tests.contract.calls import Caller, channel_to
from tests.contract.server import ADMIN_TOKEN
from tests.fakes.http_server import Request
from tests.fakes.wuzapi import FakeWuzapi, Lost
from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.settings import Settings

_SENDS = int(os.environ.get("RELAY_DRILL_SENDS") or 100)
_AT_ONCE = 8
_KILLS = 3 if _SENDS < 1000 else 10
_SECONDS = 400.0
_AGAIN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
TOKEN = "token-of-the-drill"


class Service:
    """A server that is killed and started again on the same data and port."""

    def __init__(self, folder: Path, wuzapi_url: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
        self._environment = {
            **inherited,
            "GRPC_PORT": "0",
            "SQLITE_DB_PATH": str(folder / "wuzapi.db"),
            "WUZAPI_BASE_URL": wuzapi_url,
            "WUZAPI_ADMIN_TOKEN": ADMIN_TOKEN,
            "REQUEST_TIMEOUT": "1s",
        }
        self._log = folder / "server.log"
        self.address = ""
        self.start()

    def start(self) -> None:
        """Starts it, on the port that it had."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wuzapi_manager_server", "serve"],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        announced = self._process.stdout.readline()
        assert announced.startswith("listening on "), self._log.read_text()
        self.address = announced.removeprefix("listening on ").strip()
        self._environment["GRPC_PORT"] = self.address.rpartition(":")[2]

    def kill(self) -> None:
        """Kill -9."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.mark.timeout(480)
def test_every_message_arrives_under_exactly_one_id(tmp_path: Path) -> None:
    """Random lost answers, retries of clients and kill -9 in between: WUZAPI holds every message, each under one id."""
    random = Random(7)
    lock = threading.Lock()

    def lose(request: Request) -> Lost | None:
        with lock:
            if request.path != "/chat/send/text" or random.random() > 0.3:
                return None
            return random.choice([Lost.BEFORE, Lost.AFTER, Lost.HALF, Lost.LATE, Lost.TWICE])

    with FakeWuzapi() as wuzapi:
        wuzapi.late = 1.3
        wuzapi.add_user("drill", TOKEN)
        wuzapi.lose = lose
        service = Service(tmp_path, wuzapi.url)
        try:
            answered = _sent(service, wuzapi)
        finally:
            service.kill()
        ids = defaultdict(set)
        for sent in wuzapi.sent:
            ids[sent.body["body"]].add(sent.id)
    assert set(ids) == set(answered) == {f"message {number}" for number in range(_SENDS)}
    assert {body: {identity} for body, identity in answered.items()} == ids
    assert len({identity for of_one in ids.values() for identity in of_one}) == _SENDS
    assert len(wuzapi.sent) > _SENDS, "nothing was sent again: the drill lost no answers"


def _sent(service: Service, wuzapi: FakeWuzapi) -> dict[str, str]:
    """Sends all, by clients that repeat until they are answered; the id of each message."""
    give_up = threading.Event()
    timer = threading.Timer(_SECONDS, give_up.set)
    timer.start()
    channel = channel_to(service.address)
    relay = Caller(channel, {"token": TOKEN}).relay

    def send(number: int) -> tuple[str, str]:
        request = pb.SendTextRequest(phone="5581999990001", body=f"message {number}", request_id=str(uuid4()))
        while not give_up.is_set():
            try:
                return request.body, relay.SendText(request, timeout=10.0).message.id
            except grpc.RpcError as error:
                if error.code() not in _AGAIN:
                    raise
                give_up.wait(0.05)
        raise AssertionError(f"{request.body} was never answered")

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = [pool.submit(send, number) for number in range(_SENDS)]
        for kill in range(_KILLS):
            reached = _SENDS * (kill + 1) // (_KILLS + 1)
            while sum(future.done() for future in waiting) < reached and not give_up.wait(0.02):
                pass
            service.kill()
            service.start()
        answered = dict(future.result() for future in waiting)
    timer.cancel()
    channel.close()
    return answered

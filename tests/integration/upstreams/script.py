"""An HTTP server that gives the answers that a test writes down, one after the other; the last one stays."""

from pathlib import Path

from tests.fakes.http_server import Answer, FakeServer, Request

OK = Answer(200, b'{"ok":true}')


class Script(FakeServer):
    """`answers` may be changed at any time."""

    def __init__(self, *answers: Answer, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__(certificate=certificate)
        self.answers = list(answers) or [OK]

    def answer(self, _: Request) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

"""What may stand before a NocoDB and fail: a proxy that passes everything on to a real one, but for its faults."""

from collections.abc import Callable

import httpx

from tests.fakes.http_server import Answer, FakeServer, Request

_NOT_PASSED_ON = frozenset({"host", "connection", "content-length", "accept-encoding"})
_SECONDS = 60.0


class NocodbProxy(FakeServer):
    """Passes requests on to the NocoDB at `target`; `fault` may answer in its place."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.fault: Callable[[Request], Answer | None] = lambda _: None
        self._http = httpx.Client(base_url=target, timeout=_SECONDS, trust_env=False)

    def answer(self, request: Request) -> Answer:
        """See FakeServer."""
        faulty = self.fault(request)
        if faulty is not None:
            return faulty
        headers = {name: value for name, value in request.headers.items() if name not in _NOT_PASSED_ON}
        told = self._http.request(request.method, request.path, headers=headers, content=request.body or None)
        return Answer(told.status_code, told.content, told.headers.get("content-type", ""))

    def close(self) -> None:
        """See FakeServer."""
        super().close()
        self._http.close()


def blind(answer: Answer, *, after: int = 1) -> Callable[[Request], Answer | None]:
    """A fault: so many writes of records are passed on, and whoever reads records from then on gets that answer."""
    writes = 0

    def fault(request: Request) -> Answer | None:
        nonlocal writes
        if not of_records(request):
            return None
        if request.method == "GET":
            return answer if writes >= after else None
        writes += 1
        return None

    return fault


def refusing(answer: Answer, *, after: int) -> Callable[[Request], Answer | None]:
    """A fault: so many writes of records are passed on, and those that follow get that answer."""
    writes = 0

    def fault(request: Request) -> Answer | None:
        nonlocal writes
        if request.method == "GET" or not of_records(request):
            return None
        writes += 1
        return answer if writes > after else None

    return fault


def of_records(request: Request) -> bool:
    """Whether it reads or writes records of a table."""
    return request.path.partition("?")[0].endswith("/records")

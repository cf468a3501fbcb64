"""A caller whose every answer and every refusal is looked at, whole, before anything is made of it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import grpc
from google.protobuf.message import Message

from tests.contract.calls import Refusal
from wuzapi_manager.v1.record_pb2_grpc import RecordServiceStub

_EXPECTED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}


class Refused(Exception):
    """The service refused the call, with one of the codes that it may refuse with."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code}: {refusal.message}")
        self.code = refusal.code


class Watched:
    """Stands for the stub. `look` gets the bytes of everything that comes back; refusals become `Refused`."""

    def __init__(self, stub: RecordServiceStub, look: Callable[[bytes], None]) -> None:
        self._stub = stub
        self._look = look

    @classmethod
    def stub(cls, stub: RecordServiceStub, look: Callable[[bytes], None]) -> RecordServiceStub:
        """The stub, watched."""
        return cast("RecordServiceStub", cls(stub, look))

    def __getattr__(self, name: str) -> Callable[[object], object]:
        method = getattr(self._stub, name)

        def call(request: object) -> object:
            try:
                answer = method(request)
                if isinstance(answer, Message):
                    self._look(answer.SerializeToString())
                    return answer
                return self._streamed(answer)
            except grpc.RpcError as error:
                raise self._refused(error) from None

        return call

    def _streamed(self, answers: Iterable[Any]) -> Iterator[Message]:
        try:
            for answer in answers:
                self._look(answer.SerializeToString())
                yield answer
        except grpc.RpcError as error:
            raise self._refused(error) from None

    def _refused(self, error: grpc.RpcError) -> Refused:
        refusal = Refusal().read(error)
        assert refusal.code in _EXPECTED, f"{refusal.code}: {refusal.message}"
        for said in (refusal.message, *refusal.trailers.values()):
            self._look(said.encode() if isinstance(said, str) else said)
        return Refused(refusal)

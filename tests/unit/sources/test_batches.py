"""Writes of many items in several requests: what becomes of each."""

from collections.abc import Sequence

import pytest

from wuzapi_manager_server.errors import ConnectionFailed, OutcomeUnknown, QueryFailed, Text
from wuzapi_manager_server.sources.base import Outcome
from wuzapi_manager_server.sources.batches import judged_in_parts

REFUSED = QueryFailed(Text("no", "não"))
LOST = OutcomeUnknown(Text("lost", "perdido"))
Items = list[str | QueryFailed]


class Server:
    """Writes words, a part all or none; `bad` ones are refused, `lost` ones are written without an answer."""

    def __init__(self) -> None:
        self.written: list[str] = []

    async def write(self, words: Sequence[str]) -> list[Outcome]:
        if "bad" in words:
            raise REFUSED
        self.written += words
        if "lost" in words:
            raise LOST
        return [Outcome(None)] * len(words)


def said(outcomes: Sequence[Outcome]) -> str:
    """A letter an item: done, refused, lost, or not tried."""
    letters = {type(None): "d", QueryFailed: "r", OutcomeUnknown: "l", ConnectionFailed: "-"}
    return "".join(letters[type(outcome.error)] for outcome in outcomes)


@pytest.mark.parametrize(
    ("items", "stop", "told", "written"),
    [
        (["a", "b", "c"], False, "ddd", "a b c"),
        (["a", "bad", "c", "d"], False, "drdd", "a c d"),
        (["a", "bad", "c", "d"], True, "dr--", "a"),
        (["a", "b", "bad", "d"], True, "ddr-", "a b"),
        ([REFUSED, "b"], False, "rd", "b"),
        ([REFUSED, "b"], True, "r-", ""),
        (["a", REFUSED, "c"], False, "drd", "a c"),
        (["a", REFUSED, "c"], True, "dr-", "a"),
        (["bad", REFUSED, "c"], True, "r--", ""),
        (["a", "b", "lost", "d", "e"], False, "ddll-", "a b lost d"),
        (["a", "b", "lost", REFUSED, "e"], False, "ddlrl", "a b lost e"),
        (["a", "b", "lost", REFUSED, "e"], True, "ddl--", "a b lost"),
    ],
)
async def test_each_item_has_its_outcome(items: Items, stop: bool, told: str, written: str) -> None:
    """Parts of two; a refused part is tried one by one; with `stop` nothing is sent behind what was refused."""
    server = Server()
    assert said(await judged_in_parts(items, 2, server.write, stop=stop)) == told
    assert server.written == written.split()

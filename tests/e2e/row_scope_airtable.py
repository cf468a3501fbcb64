"""Airtable under the row-scope properties: tables of a fake, which encodes our reading of its documents."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from tests.e2e.row_scope_engine import COLUMNS, Raw, Row
from tests.fakes.airtable import TOKEN, FakeAirtable, FakeField, FakeTable
from wuzapi_manager.v1 import connection_pb2 as connections

_BASE = "appOfTheRowScope1"
_RECORD_ID = "record_id"
_TEXT: Mapping[str, object] = {"result": {"type": "singleLineText"}}


class _Link(NamedTuple):
    """A type of link fields: how Airtable calls it, what it may hold, and the text that a cell is to the service."""

    kind: str
    options: Mapping[str, object]
    holds: tuple[type, ...] = (str,)
    nested: bool = False
    text: Callable[[Raw], str] = str


def _digits(cell: Raw) -> str:
    """Of a number without decimals: those are for show, and a fraction may stand there."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


_LINKS: Mapping[str, _Link] = {
    "line": _Link("singleLineText", {}),
    "lines": _Link("multilineText", {}),
    "email": _Link("email", {}),
    "rich": _Link("richText", {}),
    "phone": _Link("phoneNumber", {}),
    "choice": _Link("singleSelect", {}),
    "computed text": _Link("formula", _TEXT),
    "whole number": _Link("number", {"precision": 0}, (int, float), text=_digits),
    "number": _Link("number", {"precision": 8}, (int, float), text=lambda cell: str(float(str(cell)))),
    "computed": _Link("formula", {}, (str, int, float)),
    "choices": _Link("multipleSelects", {}, nested=True),
    "looked up": _Link("multipleLookupValues", {}, nested=True),
}


class AirtableEngine:
    """Tables in one base of this fake. Its formulas take texts for the same whatever their case, ids too."""

    link_types: ClassVar = tuple(_LINKS)
    texts: ClassVar = frozenset({"line", "lines", "rich"})
    searched: ClassVar = frozenset({"line", "lines", "email", "rich", "phone", "choice", "computed text"})
    keys: ClassVar = ("integer", "record id")
    given: ClassVar = {"integer": "a", "record id": _RECORD_ID}

    def __init__(self, fake: FakeAirtable) -> None:
        self._fake = fake
        self._made: dict[str, FakeTable] = {}

    def make(
        self,
        name: str,
        key: str,
        link_type: str,
        rows: Sequence[Sequence[Raw]],
        *,
        replacing: bool = False,  # noqa: ARG002 - nothing in Airtable replaces records
    ) -> None:
        """See Engine."""
        link = _LINKS[link_type]
        taken = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        taken = [cells for cells in taken if cells["owner"] is None or isinstance(cells["owner"], link.holds)]
        options = dict(link.options)
        if link_type == "choice":
            options["choices"] = [{"name": owner} for owner in {cells["owner"] for cells in taken} if owner]
        whole = FakeField("", "number", {"precision": 0})
        kinds = {
            "a": FakeField("", "autoNumber" if key == "integer" else "singleLineText"),
            "b": whole,
            "owner": FakeField("", link.kind, options),
            "n": whole,
            "tag": whole,
        }
        text = FakeField("", "multilineText")
        fields = [(column, kinds.get(column, text)) for column in COLUMNS]
        with self._fake.lock:
            table = self._fake.make(_BASE, name, [FakeField(column, f.type, f.options) for column, f in fields])
            for at, cells in enumerate(taken):
                table.put(_stored(cells, key, link), _record_id(at) if key == "record id" else "")
        self._made[name] = table

    def rows(self, name: str) -> list[Row]:
        """See Engine: lists as JSON, empty cells null."""
        with self._fake.lock:
            table = self._made[name]
            held = [(each, dict(cells)) for each, cells in table.records.items()]
        own = (_RECORD_ID,) if table.fields[0].type != "autoNumber" else ()
        return [
            {**{column: _read(cells.get(column)) for column in COLUMNS}, **dict.fromkeys(own, each)}
            for each, cells in held
        ]

    def drop(self, name: str) -> None:
        """See Engine."""
        with self._fake.lock:
            del self._fake.bases[_BASE][self._made.pop(name).id]

    def source_of(self, name: str) -> connections.Connection:
        """See Engine."""
        return connections.Connection(
            airtable=connections.AirtableSource(
                base_url=self._fake.url, base_id=_BASE, api_key=TOKEN, table_id=self._made[name].id
            )
        )

    def owns(self, value: str, cell: Raw, link_type: str) -> bool:
        """See Engine: numbers are their digits, a number with decimals shows one at least; lists are nobody's."""
        link = _LINKS[link_type]
        return cell is not None and not link.nested and link.text(cell) == value


def _record_id(at: int) -> str:
    """Ids that differ in nothing but case, two and two."""
    return f"rec{'aB' if at % 2 else 'Ab'}{at // 2:012}"


def _stored(cells: Row, key: str, link: _Link) -> dict[str, object]:
    """What Airtable holds of a row: numbers in fields of text as texts, its own numbers as it gives them."""
    stored: dict[str, object] = dict(cells)
    if key == "integer":
        del stored["a"]
    if cells["note"] is not None:
        stored["note"] = str(cells["note"])
    if link.nested and cells["owner"] is not None:
        stored["owner"] = [cells["owner"]]
    return stored


def _read(cell: object) -> Raw:
    return cell if cell is None or isinstance(cell, int | float | str) else json.dumps(cell)

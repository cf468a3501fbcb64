"""An Airtable of our own: an HTTP server that answers as we read Airtable's documents.

It encodes that reading, so a test that passes against it proves nothing of Airtable itself. Held here: lists in pages
of at most 100 with an opaque offset, by GET or POST; empty cells left out of every answer; writes of at most 10; PATCH
 that merges and PUT that clears; unknown fields refused; bases and tables with their fields; the shapes of its
errors; 429 above `rate` requests a second and base, with a pause until it lets calls in again.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import cast
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.airtable_formula import BadFormula, Value, holds
from tests.fakes.http_server import Answer, FakeServer, Request

TOKEN = "pat-of-the-tests"
SCOPES = frozenset({"data.records:read", "data.records:write", "schema.bases:read"})
COMPUTED = frozenset(
    {"autoNumber", "formula", "rollup", "count", "createdTime", "lastModifiedTime", "multipleLookupValues"}
)
_TAKES: Mapping[str, tuple[type, ...]] = {
    "number": (int, float),
    "currency": (int, float),
    "percent": (int, float),
    "duration": (int, float),
    "rating": (int,),
    "checkbox": (bool,),
    "multipleSelects": (list,),
    "multipleRecordLinks": (list,),
    "multipleAttachments": (list,),
}
_PAGE = 100
_ITERATORS = 64
_WRITE = 10


@dataclass
class FakeField:
    """A field of a table."""

    name: str
    type: str = "singleLineText"
    options: Mapping[str, object] = field(default_factory=dict)
    id: str = ""


@dataclass
class FakeTable:
    """A table: cells of records stand by the names of fields. `hidden` is as good as deleted."""

    id: str
    name: str
    fields: list[FakeField]
    records: dict[str, dict[str, Value]] = field(default_factory=dict)
    hidden: bool = False
    last_number: int = 0

    def put(self, cells: Mapping[str, Value], record_id: str = "") -> str:
        """Makes a record behind the API's back; an autoNumber that is left out is given."""
        record_id = record_id or new_id("rec")
        self.records[record_id] = {name: value for name, value in cells.items() if not _empty(value)}
        for each in self.fields:
            if each.type == "autoNumber":
                given = cells.get(each.name)
                number = given if isinstance(given, int) else self.last_number + 1
                self.records[record_id][each.name] = number
                self.last_number = max(self.last_number, number)
        return record_id

    def field_of(self, name_or_id: object) -> FakeField | None:
        """The field of that name or id."""
        return next((each for each in self.fields if name_or_id in (each.name, each.id)), None)


_numbers = count(1)


def new_id(prefix: str) -> str:
    """An id as Airtable's are spelled: `prefix` and 14 letters or digits. Later ones are not larger ones."""
    number = next(_numbers)
    return f"{prefix}{(number * 2654435761) % 10**7:07}{number:07}"


def _empty(value: Value) -> bool:
    return value is None or value is False or value in ("", [])


class _Refused(Exception):
    def __init__(self, status: int, kind: str) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind


class FakeAirtable(FakeServer):
    """`bases` has tables by base and table id, `tokens` scopes by token.

    `rate` is how many requests a base takes in a second (0: any number), `pause` for how many seconds it refuses after
    more; `trouble` holds answers to give first, whatever is asked, and `fault` may answer in its place. Who changes
    tables while it runs holds `lock`.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.bases: dict[str, dict[str, FakeTable]] = {}
        self.tokens: dict[str, frozenset[str]] = {TOKEN: SCOPES}
        self.rate = 0
        self.pause = 30.0
        self.trouble: list[Answer] = []
        self.fault: Callable[[Request], Answer | None] = lambda _: None
        self.lock = threading.RLock()
        self._iterators: dict[int, list[str]] = {}
        self._recent: dict[str, list[float]] = {}
        self._paused: dict[str, float] = {}

    def make(self, base: str, name: str, fields: Iterable[FakeField]) -> FakeTable:
        """A table in a base."""
        made = list(fields)
        for each in made:
            each.id = each.id or new_id("fld")
        table = FakeTable(new_id("tbl"), name, made)
        self.bases.setdefault(base, {})[table.id] = table
        return table

    def answer(self, request: Request) -> Answer:
        """See FakeServer."""
        with self.lock:
            if self.trouble:
                return self.trouble.pop(0)
            faulty = self.fault(request)
            if faulty is not None:
                return faulty
            try:
                return _answer(200, self._answered(request))
            except _Refused as refused:
                if refused.status == 429:
                    return _answer(429, {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "Rate limit exceeded"}]})
                return _answer(refused.status, {"error": {"type": refused.kind, "message": "words of Airtable"}})

    def _answered(self, request: Request) -> object:  # noqa: PLR0911 - a table: one return a route
        url = urlsplit(request.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        query = parse_qs(url.query, keep_blank_values=True)
        if parts[:1] != ["v0"] or len(parts) < 3:
            raise _Refused(404, "NOT_FOUND")
        scopes = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if scopes is None:
            raise _Refused(401, "AUTHENTICATION_REQUIRED")
        base = parts[2] if parts[1] == "meta" and parts[2] == "bases" and len(parts) > 3 else parts[1]
        if parts[1] == "meta":
            return self._meta(parts[2:], scopes)
        self._limit(base)
        table = self.bases.get(base, {}).get(parts[2])
        if table is None or table.hidden:
            raise _Refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")
        reads = request.method == "GET" or parts[3:] == ["listRecords"]
        if ("data.records:read" if reads else "data.records:write") not in scopes:
            raise _Refused(403, "INVALID_PERMISSIONS")
        body = _parsed(request.body)
        match request.method, parts[3:]:
            case "GET", []:
                return self._listed(table, _spelled_out(query))
            case "POST", ["listRecords"]:
                return self._listed(table, body)
            case "GET", [record_id]:
                return _record(table, _known(table, record_id), by_id="returnFieldsByFieldId" in query)
            case "POST", []:
                return self._written(table, body, clear=False)
            case ("PATCH" | "PUT") as method, []:
                return self._written(table, body, clear=method == "PUT")
            case "DELETE", []:
                return self._deleted(table, query.get("records[]", []))
            case "DELETE", [record_id]:
                return self._deleted(table, [record_id])["records"][0]
        raise _Refused(404, "NOT_FOUND")

    def _limit(self, base: str) -> None:
        now = time.monotonic()
        recent = [at for at in self._recent.get(base, []) if at > now - 1]
        self._recent[base] = [*recent, now]
        if self.rate and len(recent) >= self.rate:
            self._paused[base] = now + self.pause
        if self._paused.get(base, 0) > now:
            raise _Refused(429, "")

    def _meta(self, parts: list[str], scopes: frozenset[str]) -> object:
        if "schema.bases:read" not in scopes:
            raise _Refused(403, "INVALID_PERMISSIONS")
        match parts:
            case ["bases"]:
                return {"bases": [{"id": each, "name": each, "permissionLevel": "create"} for each in self.bases]}
            case ["bases", base, "tables"] if base in self.bases:
                self._limit(base)
                return {"tables": [_described(each) for each in self.bases[base].values() if not each.hidden]}
        raise _Refused(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")

    def _listed(self, table: FakeTable, asked: Mapping[str, object]) -> object:
        wanted = cast("list[str]", asked.get("fields", [each.id for each in table.fields]))
        if any(table.field_of(each) is None for each in wanted):
            raise _Refused(422, "UNKNOWN_FIELD_NAME")
        names = {each.name for each in map(table.field_of, wanted) if each}
        number, begin = _place(str(asked["offset"])) if asked.get("offset") else (next(_numbers), 0)
        found = self._iterators.get(number) if begin else self._found(table, asked)
        if found is None:
            raise _Refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
        end = begin + min(int(cast("int", asked.get("pageSize", _PAGE))), _PAGE)
        by_id = asked.get("returnFieldsByFieldId") in (True, "true", "1")
        there = [each for each in found[begin:end] if each in table.records]
        answer: dict[str, object] = {"records": [_record(table, each, by_id=by_id, names=names) for each in there]}
        if len(found) > end:
            self._iterators[number] = found
            while len(self._iterators) > _ITERATORS:
                del self._iterators[next(iter(self._iterators))]
            answer["offset"] = f"itr{number}/rec{end}"
        return answer

    def _found(self, table: FakeTable, asked: Mapping[str, object]) -> list[str]:
        """The ids of the records that are asked for, in order: what an offset goes on in."""
        formula = cast("str", asked.get("filterByFormula", ""))
        found = [each for each in table.records if not formula or self._holds(formula, table, each)]
        for order in reversed(cast("list[Mapping[str, str]]", asked.get("sort", []))):
            by = table.field_of(order["field"])
            if by is None:
                raise _Refused(422, "UNKNOWN_FIELD_NAME")
            found.sort(
                key=lambda each: _rank(table.records[each].get(by.name)), reverse=order.get("direction") == "desc"
            )
        return found[: int(cast("int", asked.get("maxRecords", len(found))))]

    def _holds(self, formula: str, table: FakeTable, record_id: str) -> bool:
        cells = {each.name: table.records[record_id].get(each.name) for each in table.fields}
        try:
            return holds(formula, record_id, cells)
        except BadFormula:
            raise _Refused(422, "INVALID_FILTER_BY_FORMULA") from None

    def _written(self, table: FakeTable, body: Mapping[str, object], *, clear: bool) -> object:
        records = body.get("records")
        if not isinstance(records, list) or not 0 < len(records) <= _WRITE:
            raise _Refused(422, "INVALID_RECORDS")
        rows = [(each.get("id"), _taken(table, each.get("fields"))) for each in records]
        for record_id, _ in rows:
            if record_id is not None:
                _known(table, record_id)
        done = []
        for record_id, cells in rows:
            if record_id is None:
                record_id = table.put(cells)  # noqa: PLW2901 - made just now
            else:
                held = table.records[record_id]
                if clear:
                    for each in table.fields:
                        if each.type not in COMPUTED:
                            held.pop(each.name, None)
                held.update(cells)
                table.records[record_id] = {name: value for name, value in held.items() if not _empty(value)}
            done.append(_record(table, record_id, by_id=bool(body.get("returnFieldsByFieldId"))))
        return {"records": done}

    @staticmethod
    def _deleted(table: FakeTable, ids: list[str]) -> dict[str, list[object]]:
        if not 0 < len(ids) <= _WRITE:
            raise _Refused(422, "INVALID_RECORDS")
        for each in ids:
            _known(table, each)
        for each in ids:
            del table.records[each]
        return {"records": [{"id": each, "deleted": True} for each in ids]}


def _place(offset: str) -> tuple[int, int]:
    found = re.fullmatch(r"itr(\d+)/rec(\d+)", offset)
    if found is None:
        raise _Refused(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    return int(found[1]), int(found[2])


def _answer(status: int, body: object) -> Answer:
    return Answer(status, json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def _parsed(body: bytes) -> Mapping[str, object]:
    try:
        return cast("Mapping[str, object]", json.loads(body or b"{}"))
    except ValueError:
        raise _Refused(422, "INVALID_REQUEST_BODY") from None


def _spelled_out(query: Mapping[str, list[str]]) -> Mapping[str, object]:
    """What the parameters of a URL say, as a body would."""
    asked: dict[str, object] = {name: values[0] for name, values in query.items() if "[" not in name}
    if "fields[]" in query:
        asked["fields"] = query["fields[]"]
    return asked


def _known(table: FakeTable, record_id: str) -> str:
    if record_id not in table.records:
        raise _Refused(404, "NOT_FOUND")
    return record_id


def _taken(table: FakeTable, cells: object) -> dict[str, Value]:
    """The cells that a write sets, by name; without typecast each must be of its field's own type."""
    taken: dict[str, Value] = {}
    for key, value in cast("Mapping[str, Value]", cells or {}).items():
        by = table.field_of(key)
        if by is None:
            raise _Refused(422, "UNKNOWN_FIELD_NAME")
        kinds = _TAKES.get(by.type, (str,))
        if by.type in COMPUTED or not (
            value is None or (isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)))
        ):
            raise _Refused(422, "INVALID_VALUE_FOR_COLUMN")
        choices = by.options.get("choices")
        if choices is not None and value is not None:
            names = {each["name"] for each in cast("list[Mapping[str, str]]", choices)}
            if not names.issuperset(value if isinstance(value, list) else [value]):
                raise _Refused(422, "INVALID_MULTIPLE_CHOICE_OPTIONS")
        taken[by.name] = value
    return taken


def _record(table: FakeTable, record_id: str, *, by_id: bool, names: Iterable[str] | None = None) -> dict[str, object]:
    cells = table.records[record_id]
    shown = [each for each in table.fields if each.name in cells and (names is None or each.name in names)]
    return {
        "id": record_id,
        "createdTime": "2026-01-01T00:00:00.000Z",
        "fields": {each.id if by_id else each.name: cells[each.name] for each in shown},
    }


def _described(table: FakeTable) -> dict[str, object]:
    fields = [
        {"id": each.id, "name": each.name, "type": each.type, **({"options": each.options} if each.options else {})}
        for each in table.fields
    ]
    return {"id": table.id, "name": table.name, "primaryFieldId": fields[0]["id"], "fields": fields, "views": []}


def _rank(value: Value) -> tuple[int, float, str]:
    if value is None:
        return (0, 0.0, "")
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0.0, str(value))

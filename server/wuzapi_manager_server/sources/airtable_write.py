"""Writes to Airtable: ten records a request, all of them or none, and each compared with what came back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Cell, Json, Owner, Row
from wuzapi_manager_server.domain.values import to_json
from wuzapi_manager_server.errors import (
    OutcomeUnknown,
    QueryFailed,
    ServiceError,
    Text,
    WrittenOtherwise,
    record_not_found,
)
from wuzapi_manager_server.sources.airtable_api import AirtableApi, Altered, Hidden, unknown
from wuzapi_manager_server.sources.airtable_match import is_owned
from wuzapi_manager_server.sources.airtable_schema import Layout
from wuzapi_manager_server.sources.airtable_values import from_cell
from wuzapi_manager_server.sources.base import Change, Guard, Outcome
from wuzapi_manager_server.sources.batches import in_parts, judged_in_parts

T = TypeVar("T")
G = TypeVar("G")
_AT_ONCE = 10


class Found(NamedTuple):
    """A record: its own id, by which it is written, and its row."""

    id: str
    row: Row


def admitted(found: Sequence[Found | None], guards: Sequence[Guard | None]) -> list[Found]:
    """The records, all of them there and let through by their guards: NotFound (with its place) or Conflict else."""
    there: list[Found] = []
    for at, (each, guard) in enumerate(zip(found, guards, strict=True)):
        if each is None:
            raise record_not_found(at)
        if guard:
            guard(each.row)
        there.append(each)
    return there


class Writer:
    """Writes; see in_parts. Hidden and Altered may stand in outcomes too, of records that were not written."""

    def __init__(self, api: AirtableApi) -> None:
        self._api = api

    async def insert(
        self,
        rows: Sequence[Mapping[str, Cell]],
        owner: Owner | None,
        layout: Layout,
        deadline: Deadline,
        *,
        stop: bool = False,
    ) -> list[Outcome]:
        """Makes records. One that comes back as somebody else's is deleted again and refused.

        With `stop` none behind the first that is refused.
        """

        def prepare(row: Mapping[str, Cell]) -> _Item:
            _insist_on_owner(row, owner, layout)
            return _Item("", row, _fields(row, layout))

        async def made(items: Sequence[_Item]) -> list[Outcome]:
            answer = await self._api.written("POST", layout.table.name, [{"fields": i.fields} for i in items], deadline)
            outcomes = []
            for item, (identifier, row) in zip(items, _rows(answer, len(items), layout), strict=True):
                if is_owned(row, owner, layout.table):
                    outcomes.append(_kept(item, row, layout))
                else:
                    outcomes.append(await taken_back(identifier))
            return outcomes

        async def taken_back(identifier: str) -> Outcome:
            try:
                await self._api.deleted(layout.table.name, [identifier], deadline)
            except (ServiceError, Hidden, Altered):
                return Outcome(None, _left_there(owner))
            return Outcome(None, _not_the_owners(owner))

        return await _each(rows, prepare, made, stop=stop)

    async def update(
        self,
        there: Sequence[Found],
        changes: Sequence[Change],
        owner: Owner | None,
        layout: Layout,
        deadline: Deadline,
    ) -> list[Outcome]:
        """Changes the named cells of records and leaves the others."""

        def prepare(item: tuple[Found, Change]) -> _Item:
            found, change = item
            return _Item(found.id, change.values, _fields(change.values, layout))

        async def changed(items: Sequence[_Item]) -> list[Outcome]:
            bodies: list[Mapping[str, Json]] = [{"id": item.id, "fields": item.fields} for item in items]
            answer = await self._api.written("PATCH", layout.table.name, bodies, deadline)
            back = dict(_rows(answer, len(items), layout))
            if set(back) != {item.id for item in items}:
                raise unknown()
            return [
                _kept(item, back[item.id], layout)
                if is_owned(back[item.id], owner, layout.table)
                else Outcome(None, _not_the_owners(owner))
                for item in items
            ]

        return await _each(list(zip(there, changes, strict=True)), prepare, changed)

    async def delete(self, there: Sequence[Found], layout: Layout, deadline: Deadline) -> list[Outcome]:
        """Deletes records."""

        async def gone(items: Sequence[Found]) -> list[Outcome]:
            await self._api.deleted(layout.table.name, [item.id for item in items], deadline)
            return [Outcome(None)] * len(items)

        return await _in_parts(there, gone, alone=len(there) == 1)


class _Item(NamedTuple):
    """A record to write: its id (none yet), the cells meant, and what is sent for them."""

    id: str
    cells: Mapping[str, Cell]
    fields: dict[str, Json]


_FAILURES = (ServiceError, Hidden, Altered)


async def _each(
    given: Sequence[G],
    prepare: Callable[[G], T],
    work: Callable[[Sequence[T]], Awaitable[list[Outcome]]],
    *,
    stop: bool = False,
) -> list[Outcome]:
    """The outcome of each, of which those that cannot even be sent are refused alone. Raises where there is but one."""
    ready: list[T | ServiceError] = []
    for item in given:
        try:
            ready.append(prepare(item))
        except QueryFailed as refusal:
            if len(given) == 1:
                raise
            ready.append(refusal)
    return await judged_in_parts(ready, _AT_ONCE, work, failures=_FAILURES, stop=stop)


async def _in_parts(
    items: Sequence[T], work: Callable[[Sequence[T]], Awaitable[list[Outcome]]], *, alone: bool
) -> list[Outcome]:
    return await in_parts(items, _AT_ONCE, work, failures=_FAILURES, alone=alone)


def _fields(cells: Mapping[str, Cell], layout: Layout) -> dict[str, Json]:
    table = layout.table
    return {layout.field_id(name): from_cell(cell, table.columns[table.index[name]]) for name, cell in cells.items()}


def _rows(answer: Mapping[str, Json], count: int, layout: Layout) -> list[tuple[str, Row]]:
    """The records of an answer; OutcomeUnknown where they are not as many as were written."""
    records = answer.get("records")
    rows = [
        (str(record["id"]), row)
        for record in (records if isinstance(records, list) else [])
        if isinstance(record, dict) and (row := layout.row(record)) is not None
    ]
    if len(rows) != count:
        raise unknown()
    return rows


def _kept(item: _Item, row: Row, layout: Layout) -> Outcome:
    """The row; or that Airtable keeps other values than were sent."""
    index = layout.table.index
    other = sorted(name for name, cell in item.cells.items() if to_json(row.cells[index[name]]) != to_json(cell))
    if not other:
        return Outcome(row)
    names = ", ".join(repr(name) for name in other)
    return Outcome(
        None,
        WrittenOtherwise(
            Text(
                f"The record was written, but Airtable keeps another value of {names}",
                f"O registro foi gravado, mas o Airtable guardou outro valor em {names}",
            ),
            suggestion=Text("Read the record, and check the fields' settings", "Leia o registro e confira os campos"),
        ),
    )


def _insist_on_owner(cells: Mapping[str, Cell], owner: Owner | None, layout: Layout) -> None:
    """Refuses, before it is sent, a row whose link field would not hold the owner's very text."""
    if owner is not None and owner.column in cells:
        blank: list[Cell] = [None] * len(layout.table.columns)
        blank[layout.table.index[owner.column]] = cells[owner.column]
        if is_owned(Row((), (), tuple(blank)), owner, layout.table):
            return
        raise _not_the_owners(owner)


def _left_there(owner: Owner | None) -> OutcomeUnknown:
    """A record was made that is not the owner's, and it could not be deleted again."""
    column = owner.column if owner else ""
    return OutcomeUnknown(
        Text(
            f"The link field {column!r} does not keep this user's value, and the record made may be there still",
            f"O campo '{column}' não guarda este valor, e o registro criado talvez ainda exista",
        ),
        suggestion=Text("Look for it in Airtable, and delete it", "Procure-o no Airtable e exclua-o"),
    )


def _not_the_owners(owner: Owner | None) -> QueryFailed:
    column = owner.column if owner else ""
    return QueryFailed(
        Text(f"The link field {column!r} does not keep this user's value", f"O campo '{column}' não guarda este valor"),
        suggestion=Text("Choose a text field as user_link_field", "Escolha um campo de texto como user_link_field"),
    )

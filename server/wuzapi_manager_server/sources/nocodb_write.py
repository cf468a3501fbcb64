"""Writing rows of a NocoDB table.

NocoDB answers 200 in several cases where nothing was written, so each write is read back and compared; what is not
there as it was asked for is refused. There are no transactions: between the reading of a row and its change somebody
else may change it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.row_scope import RowScope, is_owners
from wuzapi_manager_server.domain.table import Cell, Json, Key, Owner, Row, Scalar
from wuzapi_manager_server.errors import (
    AlreadyExists,
    OutcomeUnknown,
    QueryFailed,
    ServiceError,
    Text,
    record_not_found,
)
from wuzapi_manager_server.sources.base import Change, Guard, Outcome
from wuzapi_manager_server.sources.nocodb_api import Gone, Refusal, outcome_unknown, refused, table_gone
from wuzapi_manager_server.sources.nocodb_read import Reader
from wuzapi_manager_server.sources.nocodb_table import BATCH, NocoTable
from wuzapi_manager_server.sources.nocodb_values import to_cell, to_value

Values = Mapping[str, Cell]


@dataclass(frozen=True)
class Writer:
    """Writes one table as it was described, in requests of at most 100 rows."""

    reader: Reader
    owner: Owner | None
    deadline: Deadline

    @property
    def table(self) -> NocoTable:
        """The table."""
        return self.reader.table

    async def insert(self, rows: Sequence[Values]) -> list[Outcome]:
        """Makes rows: each for itself, in their order."""
        self._insist_on_key()
        ready: list[dict[str, Json] | ServiceError] = [self._prepared(row) for row in rows]
        if len(rows) == 1 and isinstance(refusal := ready[0], ServiceError):
            raise refusal
        outcomes: list[Outcome | None] = [
            Outcome(None, one) if isinstance(one, ServiceError) else None for one in ready
        ]
        places = [at for at, one in enumerate(ready) if isinstance(one, dict)]
        # An answer to many rows of a composite key is an error, although they were made.
        size = BATCH if len(self.table.keys) == 1 else 1
        for begin in range(0, len(places), size):
            part = places[begin : begin + size]
            made = await self._made([(rows[at], cast("dict[str, Json]", ready[at])) for at in part], begun=begin > 0)
            for at, outcome in zip(part, made, strict=True):
                outcomes[at] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    async def update(self, changes: Sequence[Change]) -> list[Outcome]:
        """Changes rows. NotFound, and what the guards raise, before anything is changed."""
        self._insist_on_key()
        await self._there([(change.key, change.guard) for change in changes])
        bodies = [self._change(change) for change in changes]
        outcomes: list[Outcome] = []
        for begin in range(0, len(changes), BATCH):
            part = changes[begin : begin + BATCH]
            try:
                await self._send("PATCH", [body for body in bodies[begin : begin + BATCH] if body])
            except (Refusal, Gone, AlreadyExists) as error:
                outcomes += await self._changed_singly(part, bodies[begin : begin + BATCH], self._told(error))
                continue
            except ServiceError as error:
                outcomes += self._given_up(error, changes[begin:], first=begin == 0)
                return outcomes
            outcomes += await self._changed(part)
        return outcomes

    async def delete(self, keys: Sequence[tuple[Key, Guard | None]]) -> list[Outcome]:
        """Deletes rows. NotFound, and what the guards raise, before anything is deleted."""
        self._insist_on_key()
        await self._there(keys)
        outcomes: list[Outcome] = []
        for begin in range(0, len(keys), BATCH):
            part = [key for key, _ in keys[begin : begin + BATCH]]
            try:
                await self._send("DELETE", [self._named(key) for key in part])
            except (Refusal, Gone, AlreadyExists) as error:
                del error  # what is still there tells
            except ServiceError as error:
                outcomes += self._given_up(error, keys[begin:], first=begin == 0)
                return outcomes
            left = await self.reader.many(part, None, self.deadline)
            outcomes += [Outcome(None, refused(self.table.table.name) if key in left else None) for key in part]
        return outcomes

    def _insist_on_key(self) -> None:
        """Without a primary key NocoDB would change every row."""
        if not self.table.keys:
            raise refused(self.table.table.name)

    def _prepared(self, row: Values) -> "dict[str, Json] | ServiceError":
        """What to send for a new row, by column id; or why it cannot be sent."""
        try:
            found = {name: self.table.by_name[name] for name in row}
            self._insist_on_owner(row)
            for each in self.table.keys:
                if row.get(each.column.name) is None and not each.column.has_default:
                    raise _no_key(each.column.name)
                if row.get(each.column.name) == "":
                    raise _empty_key(each.column.name)
            for name, column in found.items():
                if column.column.read_only and row[name] is not None:
                    raise _read_only(name)
            return {
                column.id: to_value(row[name], column.column)
                for name, column in found.items()
                if not column.column.read_only
            }
        except ServiceError as error:
            return error

    def _insist_on_owner(self, row: Values) -> None:
        """QueryFailed where the link column would give another text back than the owner's: it would be another's."""
        if self.owner is None or self.owner.column not in row:
            return
        column = self.table.by_name[self.owner.column].column
        if not is_owners(to_cell(to_value(row[column.name], column), column), self.owner):
            raise QueryFailed(
                Text(
                    f"The link field {column.name!r} cannot hold this user's value",
                    f"O campo '{column.name}' não comporta o valor deste usuário",
                ),
                suggestion=Text("Choose another user_link_value", "Escolha outro user_link_value"),
            )

    async def _made(self, rows: Sequence[tuple[Values, dict[str, Json]]], *, begun: bool) -> list[Outcome]:
        """Makes a request's worth of rows: all or none by NocoDB, then each for itself where it refuses."""
        single = len(rows) == 1
        if single and await self._is_taken(rows[0][0]):
            return [Outcome(None, _taken())]
        try:
            bodies = [body for _, body in rows]
            # Alone, a row of a text key is answered by the bare key, which is no JSON.
            answer = await self._post(bodies[0] if len(self.table.keys) > 1 else cast("Json", bodies))
        except (Refusal, Gone, AlreadyExists) as error:
            if single:
                return [Outcome(None, self._told(error))]
            return [outcome for row in rows for outcome in await self._made([row], begun=begun)]
        except ServiceError as error:
            if not begun:
                raise
            return [Outcome(None, error)] * len(rows)
        keys = self._keys(answer, [values for values, _ in rows])
        found = await self.reader.many(keys, None, self.deadline)
        return [self._as_asked(found.get(key), values) for key, (values, _) in zip(keys, rows, strict=True)]

    async def _is_taken(self, values: Values) -> bool:
        """Whether the key of a new row, where the row gives it, is another row's already."""
        key = self._given_key(values)
        return key is not None and bool(await self.reader.many([key], None, self.deadline))

    def _given_key(self, values: Values) -> Key | None:
        if not all(values.get(each.column.name) is not None for each in self.table.keys):
            return None
        return tuple(_scalar(to_value(values[each.column.name], each.column)) for each in self.table.keys)

    def _keys(self, answer: Json, rows: Sequence[Values]) -> list[Key]:
        """The keys of the rows made: those that the rows gave, else those in the answer."""
        answers = answer if isinstance(answer, list) else [answer]
        if len(answers) != len(rows):
            raise outcome_unknown()
        keys = []
        for values, one in zip(rows, answers, strict=True):
            names = self.table.table.primary_key
            told = tuple(_scalar(one.get(name)) for name in names) if isinstance(one, dict) else (_scalar(one),)
            keys.append(self._given_key(values) or told)
        if len(set(keys)) != len(keys):
            raise outcome_unknown()
        return keys

    def _as_asked(self, row: Row | None, values: Values) -> Outcome:
        """The row read back, or an error where it is not what was asked for."""
        if row is None:
            return Outcome(None, outcome_unknown())
        if not RowScope(self.owner, must_stamp=False).admits(row, self.table.table):
            return Outcome(None, _not_kept(self.owner.column if self.owner else ""))
        for name, cell in values.items():
            if self.table.cell(row, name) != cell and not (
                cell is None and self.table.by_name[name].column.has_default
            ):
                return Outcome(None, _not_kept(name))
        return Outcome(row)

    def _change(self, change: Change) -> dict[str, Json]:
        """What to send for a change, by column id, with the key."""
        body = self._named(change.key)
        keys = dict(zip(self.table.table.primary_key, change.key, strict=True))
        for name, cell in change.values.items():
            column = self.table.by_name[name]
            value = to_value(cell, column.column)
            if name in keys:
                if value != keys[name]:
                    raise QueryFailed(
                        Text(
                            f"{name!r} is the key, which NocoDB does not change",
                            f"Campo '{name}' é a chave, que o NocoDB não altera",
                        )
                    )
            elif column.column.read_only:
                raise _read_only(name)
            else:
                body[column.id] = value
        return body

    def _named(self, key: Key) -> dict[str, Json]:
        """A key as writes take it. QueryFailed for one that NocoDB would take apart."""
        if len(key) > 1 and any("," in part for part in key if isinstance(part, str)):
            raise QueryFailed(
                Text(
                    "NocoDB cannot change a record whose composite key holds a comma",
                    "O NocoDB não altera um registro cuja chave composta contém vírgula",
                )
            )
        parts = cast("Sequence[Json]", key)
        return dict(zip(self.table.table.primary_key, parts, strict=True))

    async def _there(self, targets: Sequence[tuple[Key, Guard | None]]) -> dict[Key, Row]:
        """The rows to change as they are; nothing is changed where one is not there or its guard refuses."""
        found = await self.reader.many([key for key, _ in targets], self.owner, self.deadline)
        for at, (key, guard) in enumerate(targets):
            if key not in found:
                raise record_not_found(at)
            if guard is not None:
                guard(found[key])
        return found

    async def _changed(self, changes: Sequence[Change]) -> list[Outcome]:
        found = await self.reader.many([change.key for change in changes], None, self.deadline)
        return [self._as_asked(found.get(change.key), change.values) for change in changes]

    async def _changed_singly(
        self, changes: Sequence[Change], bodies: Sequence[dict[str, Json]], error: ServiceError
    ) -> list[Outcome]:
        """NocoDB refused them together, and changed none: each for itself."""
        if len(changes) == 1:
            return [Outcome(None, error)]
        outcomes: list[Outcome] = []
        for change, body in zip(changes, bodies, strict=True):
            try:
                await self._send("PATCH", [body])
            except (Refusal, Gone, AlreadyExists) as refusal:
                outcomes.append(Outcome(None, self._told(refusal)))
            else:
                outcomes += await self._changed([change])
        return outcomes

    def _given_up(self, error: ServiceError, left: Sequence[object], *, first: bool) -> list[Outcome]:
        """What becomes of the items of a batch when a request fails as a whole: raised where none was done before."""
        if first and not isinstance(error, OutcomeUnknown):
            raise error
        if first and len(left) <= BATCH:
            raise error
        return [Outcome(None, error)] * len(left)

    def _told(self, error: Refusal | Gone | AlreadyExists) -> ServiceError:
        if isinstance(error, AlreadyExists):
            return error
        if isinstance(error, Gone) and error.what != "RECORD_NOT_FOUND":
            return table_gone(self.table.table.name)
        return refused(self.table.table.name)

    async def _post(self, body: Json) -> Json:
        return await self.reader.api.write("POST", self._path, body, self.deadline)

    async def _send(self, method: str, bodies: "Sequence[dict[str, Json]]") -> None:
        await self.reader.api.write(method, self._path, cast("Json", list(bodies)), self.deadline)

    @property
    def _path(self) -> tuple[str, ...]:
        return ("tables", self.table.table.name, "records")


def _scalar(value: Json) -> Scalar:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _taken() -> AlreadyExists:
    return AlreadyExists(Text("The key is taken", "A chave já existe"))


def _no_key(name: str) -> QueryFailed:
    return QueryFailed(
        Text(f"{name!r} is the key: a record cannot be made without", f"Campo '{name}' é a chave e é obrigatório")
    )


def _empty_key(name: str) -> QueryFailed:
    return QueryFailed(
        Text(
            f"{name!r} is the key, and NocoDB does not find a record again whose key is empty",
            f"Campo '{name}' é a chave, e o NocoDB não reencontra um registro com chave vazia",
        )
    )


def _read_only(name: str) -> QueryFailed:
    return QueryFailed(
        Text(f"NocoDB does not take values for {name!r}", f"O NocoDB não aceita valores para o campo '{name}'")
    )


def _not_kept(name: str) -> QueryFailed:
    return QueryFailed(
        Text(
            f"NocoDB accepted the write, but {name!r} does not hold what was written",
            f"O NocoDB aceitou a gravação, mas o campo '{name}' não contém o valor gravado",
        ),
        suggestion=Text(
            "A constraint or the column's type may refuse it; read the record to see what it is now",
            "Uma restrição ou o tipo da coluna pode recusar o valor; leia o registro para ver como está",
        ),
        metadata={"column": name},
    )

"""Keeps the branding: every change is a revision, and the newest counts."""

from peewee import SQL

from wuzapi_manager_server.domain.branding import Branding
from wuzapi_manager_server.errors import etag_mismatch
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import intact
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.models import BrandingRevision, Clock, compiled, moment_of, moment_text, named

_B = BrandingRevision
_FIELDS = [field.name for field in _B._meta.sorted_fields if field.name not in {"id", "created_at", "updated_at"}]  # noqa: SLF001 - Peewee's documented place of a model's fields
_COLUMNS = [_B.id, _B.created_at, *(getattr(_B, name) for name in _FIELDS)]
_CURRENT = compiled(_B.select(_B.id).order_by(_B.id.desc()).limit(SQL("1")))
_BY_REVISION = compiled(_B.select(*_COLUMNS).where((_B.id == named("revision")) & intact(_B)))


class BrandingStore:
    """Keeps the revisions of the branding. Reads run anywhere, `add` within `Database.write`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def current_revision(self) -> int:
        """The newest revision; 0 while there is none."""
        found = self._database.rows(_CURRENT)
        return int(found[0][0]) if found else 0

    def get(self, revision: int) -> Branding | None:
        """The branding of a revision; None when there is none."""
        found = self._database.rows(_BY_REVISION, {"revision": revision})
        return _branding(found[0]) if found else None

    def page(self, before_revision: int | None, limit: int) -> list[Branding]:
        """Revisions, newest first, older than `before_revision`."""
        query = _B.select(*_COLUMNS).where(intact(_B)).order_by(_B.id.desc()).limit(limit)
        if before_revision is not None:
            query = query.where(_B.id < before_revision)
        return [_branding(row) for row in self._database.fetch(query)]

    def add(self, branding: Branding, expected_revision: int | None) -> Branding:
        """Stores a new revision. Conflict where `expected_revision` is given and not the newest."""
        current = self.current_revision()
        if expected_revision is not None and expected_revision != current:
            raise etag_mismatch(str(current))
        now = moment_text(self._clock())
        values = {name: getattr(branding, name) for name in _FIELDS}
        rows = self._database.fetch(_B.insert(**values, created_at=now, updated_at=now).returning(*_COLUMNS))
        return _branding(rows[0])


def _branding(row: tuple[object, ...]) -> Branding:
    revision, created_at, *values = row
    try:
        time = moment_of(str(created_at))
    except ValueError as error:
        raise faults.corrupt() from error
    named_values = {name: str(value) for name, value in zip(_FIELDS, values, strict=True)}
    return Branding(revision=int(str(revision)), update_time=time, **named_values)

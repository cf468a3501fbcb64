"""What administrators do with the branding."""

from collections.abc import Callable
from dataclasses import replace

from wuzapi_manager_server.domain.audit import branding_facts
from wuzapi_manager_server.domain.audit import changed as changed_deed
from wuzapi_manager_server.domain.branding import Branding
from wuzapi_manager_server.domain.branding_rules import kept
from wuzapi_manager_server.errors import NotFound, Text, etag_mismatch
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.branding import BrandingStore
from wuzapi_manager_server.storage.database import Database


class Brandings:
    """The use cases of BrandingService. There is one branding; every change makes a revision."""

    def __init__(self, database: Database, store: BrandingStore, audit: AuditStore) -> None:
        self._database = database
        self.store = store
        self._audit = audit

    def current(self) -> Branding:
        """The current branding; the defaults while nothing was ever set."""
        return self.store.get(self.store.current_revision()) or Branding()

    async def update(self, etag: str, merge: Callable[[Branding], Branding], *, validate_only: bool) -> Branding:
        """Makes a revision of what `merge` makes of the current one. An empty etag means whatever is current."""

        def changed() -> Branding:
            current = self.current()
            if etag and etag != current.etag:
                raise etag_mismatch(current.etag)
            branding = kept(merge(current))
            if validate_only:
                return branding
            added = self.store.add(branding, current.revision)
            self._audit.record(changed_deed("branding", branding_facts(current), branding_facts(added)))
            return added

        return changed() if validate_only else await self._database.write(changed)

    async def reset(self, etag: str, *, validate_only: bool) -> Branding:
        """Makes a revision of the defaults."""
        return await self.update(etag, lambda _current: Branding(), validate_only=validate_only)

    async def roll_back(self, revision: int, etag: str, *, validate_only: bool) -> Branding:
        """Makes a revision of an earlier one. NotFound where there is no such revision."""

        def earlier(current: Branding) -> Branding:
            found = self.store.get(revision)
            if found is None:
                raise NotFound(
                    Text(f"There is no branding revision {revision}", f"Revisão de branding {revision} não encontrada"),
                    metadata={"revision": str(revision)},
                )
            return replace(found, revision=current.revision)

        return await self.update(etag, earlier, validate_only=validate_only)

"""What administrators do with the branding."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from wuzapi_manager_server.domain.audit import branding_facts
from wuzapi_manager_server.domain.audit import changed as changed_deed
from wuzapi_manager_server.domain.branding import Branding
from wuzapi_manager_server.domain.branding_rules import kept, sanitized
from wuzapi_manager_server.errors import NotFound, Text, Violation, etag_mismatch
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

    async def update(
        self,
        etag: str,
        merge: Callable[[Branding], Branding],
        *,
        page: str | None,
        also: Sequence[Violation] = (),
        validate_only: bool,
    ) -> Branding:
        """Makes a revision of what `merge` makes of the current one. An empty etag means whatever is current.

        `page` is the home page that `merge` puts there; None where it leaves the one that is. InvalidInput with every
        violation, after those that were found before.
        """
        clean = None if page is None else await asyncio.to_thread(sanitized, page)

        def changed() -> Branding:
            current = self.current()
            if etag and etag != current.etag:
                raise etag_mismatch(current.etag)
            merged = merge(current)
            branding = kept(merged, merged.custom_home_html if clean is None else clean, also)
            if validate_only:
                return branding
            added = self.store.add(branding, current.revision)
            self._audit.record(changed_deed("branding", branding_facts(current), branding_facts(added)))
            return added

        return changed() if validate_only else await self._database.write(changed)

    async def reset(self, etag: str, *, validate_only: bool) -> Branding:
        """Makes a revision of the defaults."""
        return await self.update(
            etag, lambda current: Branding(revision=current.revision), page="", validate_only=validate_only
        )

    async def roll_back(self, revision: int, etag: str, *, validate_only: bool) -> Branding:
        """Makes a revision of an earlier one. NotFound where there is no such revision."""
        found = self.store.get(revision)
        if found is None:
            raise NotFound(
                Text(f"There is no branding revision {revision}", f"Revisão de branding {revision} não encontrada"),
                metadata={"revision": str(revision)},
            )
        return await self.update(
            etag,
            lambda current: replace(found, revision=current.revision),
            page=found.custom_home_html,
            validate_only=validate_only,
        )

"""Takes over the database of the Node.js application that this service replaces: a plan first, then the deed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from wuzapi_manager_server.domain.adopted_metadata import metadata_of
from wuzapi_manager_server.domain.adoption import Adopted, branding_of, connection_of
from wuzapi_manager_server.domain.audit import (
    COMMAND_LINE,
    Actor,
    acting_as,
    branding_facts,
    changed,
    connection_facts,
    created,
)
from wuzapi_manager_server.domain.branding import Branding
from wuzapi_manager_server.domain.connection import Connection, Source
from wuzapi_manager_server.domain.connection_rules import violations_of
from wuzapi_manager_server.errors import AlreadyExists, Text
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.branding import BrandingStore
from wuzapi_manager_server.storage.connections import ConnectionStore
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.metadata import MetadataStore
from wuzapi_manager_server.storage.original import Original

Refuses = Callable[[Source], Text | None]

ADOPTED = "system.adopted."
"""The beginning of the metadata key that tells that a file was adopted; a digest of it ends the key."""

_CONNECTING = Actor(action="/wuzapi_manager.v1.ConnectionService/CreateConnection", peer=COMMAND_LINE)
_BRANDING = Actor(action="/wuzapi_manager.v1.BrandingService/UpdateBranding", peer=COMMAND_LINE)


@dataclass(frozen=True)
class Plan:
    """What comes over and what stays behind, with notes on each; and why none of it can, where it came before."""

    comes: tuple[Adopted, ...]
    stays: tuple[Adopted, ...]
    branding: Branding | None
    branding_notes: tuple[str, ...]
    metadata: Mapping[str, str]
    metadata_notes: tuple[str, ...]
    marks: tuple[str, ...]
    refusal: AlreadyExists | None


def planned(
    original: Original,
    file_name: str,
    refuses: Refuses,
    keys: Mapping[str, datetime],
    all_users: Sequence[str] | None,
) -> Plan:
    """What adopting would do; changes nothing.

    `refuses` says why a source may not lie where it does; `keys` are those of the metadata here, and since when. What
    the original showed to all users comes over for `all_users`, or without these for the users that it names.
    """
    adopted = [_judged(connection_of(row, file_name), refuses, all_users) for row in original.connections]
    branding, about_branding = branding_of(original.branding) if original.branding else (None, ())
    values, about_metadata = metadata_of(original.metadata, keys)
    marks = tuple(ADOPTED + digest for digest in original.digests)
    return Plan(
        comes=tuple(each for each in adopted if each.connection is not None),
        stays=tuple(each for each in adopted if each.connection is None),
        branding=branding,
        branding_notes=about_branding,
        metadata=values,
        metadata_notes=about_metadata,
        marks=marks,
        refusal=_refusal([keys[mark] for mark in marks if mark in keys]),
    )


async def adopt(
    plan: Plan,
    database: Database,
    connections: ConnectionStore,
    brandings: BrandingStore,
    metadata: MetadataStore,
    audits: AuditStore,
) -> list[Connection]:
    """Does what was planned, all or nothing, and gives the connections made, in order. The audit log tells of each.

    AlreadyExists where a file that held the same was adopted before.
    """

    def work() -> list[Connection]:
        refusal = _refusal([found.create_time for mark in plan.marks if (found := metadata.get(mark))])
        if refusal is not None:
            raise refusal
        with acting_as(_CONNECTING):
            made = [_made(each.connection, connections, audits) for each in plan.comes if each.connection is not None]
        if plan.branding is not None:
            before = brandings.get(brandings.current_revision()) or Branding()
            added = brandings.add(plan.branding, None)
            with acting_as(_BRANDING):
                audits.record(changed("branding", branding_facts(before), branding_facts(added)))
        for key, value in plan.metadata.items():
            if metadata.get(key) is None:  # nobody has set it since
                metadata.set(key, value)
        metadata.set(plan.marks[0], str(len(made)))
        return made

    return await database.write(work)


def _made(connection: Connection, connections: ConnectionStore, audits: AuditStore) -> Connection:
    made = connections.create(connection)
    told = replace(made, source=connection.source)  # it tells whether a secret was given
    audits.record(created(f"connections/{made.id}", connection_facts(told, audits.handle)))
    return made


def _refusal(adopted: Sequence[datetime]) -> AlreadyExists | None:
    """Why a file is not adopted that was before, at these moments."""
    if not adopted:
        return None
    return AlreadyExists(
        Text(
            f"This file was adopted before, at {adopted[0]:%Y-%m-%d %H:%M} UTC",
            f"Este arquivo já foi adotado em {adopted[0]:%d/%m/%Y %H:%M} UTC",
        ),
        suggestion=Text("Nothing is left to do", "Não há nada a fazer"),
    )


def _judged(adopted: Adopted, refuses: Refuses, all_users: Sequence[str] | None) -> Adopted:
    connection = adopted.connection
    if connection is None:
        return adopted
    refusal = refuses(connection.source)
    if refusal is not None:
        return Adopted(adopted.label, notes=(refusal.en,))
    if not adopted.everyone:
        return adopted
    if all_users is None:
        note = "it was shown to every user: now only to those that it names (--admin-means-everyone assigns all)"
        return replace(adopted, notes=(*adopted.notes, note))
    everyone = tuple(dict.fromkeys((*connection.assigned_users, *all_users)))
    shown = replace(connection, assigned_users=everyone)
    wrong = tuple(f"{violation.field} {violation.text.en}" for violation in violations_of(shown))
    if wrong:
        return Adopted(adopted.label, notes=wrong)
    return replace(adopted, connection=shown, notes=(*adopted.notes, f"all {len(all_users)} users of WUZAPI get it"))

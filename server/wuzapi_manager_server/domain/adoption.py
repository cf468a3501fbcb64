"""What a row of the original application's database becomes here, or why it becomes nothing.

Facts about its columns are those of databases found in the field; its documents differ in places. Texts are for the
operator's terminal, and hold no secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wuzapi_manager_server.domain.adopted_json import Unkept, kept_json
from wuzapi_manager_server.domain.adopted_mappings import mappings_of
from wuzapi_manager_server.domain.adopted_row import Record, no_texts, text_of
from wuzapi_manager_server.domain.adopted_source import (
    LINK_FIELDS,
    NEEDED,
    SHOWS_OWN_TABLES,
    kind_of,
    names_own_tables,
    port_notes,
    port_problems,
    source_of,
)
from wuzapi_manager_server.domain.branding import DEFAULT_APP_NAME, Branding
from wuzapi_manager_server.domain.branding_rules import kept
from wuzapi_manager_server.domain.connection import Connection, ConnectionStatus
from wuzapi_manager_server.domain.connection_rules import violations_of
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import InvalidInput

EVERYONE = "admin"
"""In the original a user of this name among the assigned ones means every user."""

BRANDING = (
    "app_name",
    "logo_url",
    "primary_color",
    "secondary_color",
    "custom_home_html",
    "support_phone",
    "og_image_url",
)
"""The columns of a branding that are taken over."""


@dataclass(frozen=True)
class Adopted:
    """One thing of the original: what it becomes (None where it stays behind), and what the operator should know."""

    label: str
    connection: Connection | None = None
    everyone: bool = False
    notes: tuple[str, ...] = ()


def connection_of(row: Record, file_name: str) -> Adopted:
    """What a row of `database_connections` becomes; `file_name` is that of the database it stands in."""
    name = text_of(row, "name")
    kind = kind_of(row)
    label = f"connection {row.get('id')} {name!r} ({kind or 'no type'})"
    if kind not in LINK_FIELDS:
        return Adopted(label, notes=no_texts(row, ("type",)) or ("this service has no source of that type",))
    if kind == "SQLITE" and names_own_tables(row, file_name):
        return Adopted(label, notes=(SHOWS_OWN_TABLES,))
    unread = no_texts(row, NEEDED[kind]) or port_problems(kind, row)
    if unread:
        return Adopted(label, notes=unread)
    link_field = text_of(row, "user_link_field") or LINK_FIELDS[kind]
    try:
        mapped = mappings_of(row.get("field_mappings"), link_field)
    except Unkept as error:
        return Adopted(label, notes=(f"its text of field mappings {error}: without them every column would be shown",))
    users, everyone, about_users = _users(row)
    view, about_view = _view(row)
    status, about_status = _status(row)
    connection = Connection(
        name=name,
        source=source_of(kind, row),
        status=status,
        assigned_users=users,
        user_link_field=link_field,
        field_mappings=mapped.mappings,
        view_configuration=view,
    )
    notes = (*about_users, *mapped.notes, *about_view, *about_status, *port_notes(kind, row))
    wrong = tuple(f"{violation.field} {violation.text.en}" for violation in violations_of(connection))
    if wrong:
        return Adopted(label, notes=wrong)
    return Adopted(label, connection, everyone, notes)


def branding_of(row: Record) -> tuple[Branding, tuple[str, ...]]:
    """The branding of a row, without what is not valid here, which the notes name."""
    given = {field: text_of(row, field) for field in BRANDING}
    unread = no_texts(row, BRANDING)
    try:
        return kept(_branding(given)), unread
    except InvalidInput as error:
        notes = (*unread, *(f"{violation.field} {violation.text.en}" for violation in error.violations))
        bad = {violation.field.removeprefix("branding.") for violation in error.violations}
        return kept(_branding({field: "" if field in bad else value for field, value in given.items()})), notes


def _branding(given: Mapping[str, str]) -> Branding:
    return Branding(
        app_name=given["app_name"] or DEFAULT_APP_NAME,
        logo_url=given["logo_url"],
        primary_color=given["primary_color"],
        secondary_color=given["secondary_color"],
        custom_home_html=given["custom_home_html"],
        support_phone=given["support_phone"],
        og_image_url=given["og_image_url"],
    )


def _users(row: Record) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """The assigned users, whether `admin` is among them, and notes."""
    raw = text_of(row, "assigned_users")
    try:
        found = kept_json(raw) if raw else []
    except Unkept as error:
        return (), False, (f"its text of assigned users {error} and stays behind: assign them anew",)
    items = found if isinstance(found, list) else [found]
    texts = [str(item).strip() for item in items if isinstance(item, str | int) and not isinstance(item, bool)]
    users = tuple(dict.fromkeys(text for text in texts if text and text != EVERYONE))
    notes = (
        (f"{len(items) - len(texts)} assigned users are no texts and stay behind",) if len(texts) < len(items) else ()
    )
    return users, EVERYONE in texts, notes


def _view(row: Record) -> tuple[Mapping[str, Json], tuple[str, ...]]:
    raw, mode = text_of(row, "view_configuration"), text_of(row, "default_view_mode")
    notes = [f"{note} and stays behind" for note in no_texts(row, ("view_configuration", "default_view_mode"))]
    view: dict[str, Json] = {}
    if raw not in {"", "null", "undefined"}:
        try:
            found = kept_json(raw)
        except Unkept as error:
            notes.append(f"its view configuration {error} and stays behind")
        else:
            if isinstance(found, dict):
                view = found
            else:
                notes.append("its view configuration is no JSON object and stays behind")
    return {**view, "defaultViewMode": mode} if mode else view, tuple(notes)


def _status(row: Record) -> tuple[ConnectionStatus, tuple[str, ...]]:
    text = text_of(row, "status").upper()
    if text in ConnectionStatus.__members__:
        return ConnectionStatus(text), ()
    notes = no_texts(row, ("status",))
    return ConnectionStatus.INACTIVE, (f"its status {text.lower()!r} is none of this service",) if text else notes

"""A page of the records of a table, as Airtable gives it."""

from collections.abc import Mapping
from typing import NamedTuple

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.sources.airtable_api import AirtableApi, garbage
from wuzapi_manager_server.sources.airtable_schema import Layout
from wuzapi_manager_server.sources.airtable_write import Found


class Page(NamedTuple):
    """Records, and where the next ones are; empty where there are none."""

    found: list[Found]
    offset: str


async def page(
    api: AirtableApi,
    asked: Mapping[str, Json],
    narrowed: str | None,
    layout: Layout,
    deadline: Deadline,
    columns: set[str] | None = None,
) -> Page:
    """The records for which a formula holds (None: all), with those columns (None: all)."""
    wanted = [
        field
        for field, column in zip(layout.field_ids, layout.table.columns, strict=True)
        if field is not None and (columns is None or column.name in columns)
    ]
    body: dict[str, Json] = {**asked, "returnFieldsByFieldId": True}
    # Every answer names its fields: one that is gone is refused then, and not taken for an empty one.
    body["fields"] = list(wanted or [field for field in layout.field_ids if field is not None][:1])
    if narrowed is not None:
        body["filterByFormula"] = narrowed
    return _page_of(await api.listed(layout.table.name, body, deadline), layout)


def _page_of(answer: Mapping[str, Json], layout: Layout) -> Page:
    records, offset = answer.get("records"), answer.get("offset", "")
    if not isinstance(records, list) or not isinstance(offset, str):
        raise garbage()
    found = []
    for record in records:
        row = layout.row(record) if isinstance(record, dict) else None
        if row is None or not isinstance(record, dict):
            raise garbage()
        found.append(Found(str(record["id"]), row))
    return Page(found, offset)

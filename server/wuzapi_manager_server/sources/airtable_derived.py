"""What the computed fields of an Airtable base are computed from, as its metadata tells.

A field may be computed from one of another table that is computed from one of its own: all tables of the base count.
"""

import re
from collections.abc import Mapping, Sequence

from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.sources.derived import all_sources

_LINKS = "multipleRecordLinks"
_STORED = frozenset(
    {
        *("singleLineText", "multilineText", "richText", "email", "url", "phoneNumber", "number", "currency"),
        *("percent", "rating", "duration", "checkbox", "date", "dateTime", "singleSelect", "multipleSelects"),
        *("singleCollaborator", "multipleCollaborators", "multipleAttachments", "barcode", "externalSyncSource"),
        *("autoNumber", "count", "createdTime", "lastModifiedTime", "createdBy", "lastModifiedBy", _LINKS),
    }
)
"""Types whose values tell nothing of other fields' values."""

_SHOWN = frozenset({"lookup", "multipleLookupValues", "rollup"})
_ID = re.compile(r"\bfld\w+")


def derived(tables: Sequence[Mapping[str, Json]]) -> dict[str, frozenset[str] | None]:
    """The ids of the fields that each computed field is computed from, by its id; None where that is not known."""
    primary = {str(table.get("id")): table.get("primaryFieldId") for table in tables}
    fields = {
        str(field.get("id")): field
        for table in tables
        if isinstance(all_fields := table.get("fields"), list)
        for field in all_fields
        if isinstance(field, dict)
    }
    computed = [identifier for identifier, field in fields.items() if field.get("type") not in _STORED]
    direct = {each: _named(fields[each]) for each in computed}
    for each, field in fields.items():
        if field.get("type") == _LINKS:  # what a formula says of it are the names of the records
            name = primary.get(str(_options(field).get("linkedTableId")))
            direct[each] = frozenset({name}) if isinstance(name, str) else frozenset()
    return {each: all_sources(each, direct) for each in computed}


def _options(field: Mapping[str, Json]) -> Mapping[str, Json]:
    options = field.get("options")
    return options if isinstance(options, dict) else {}


def _named(field: Mapping[str, Json]) -> frozenset[str] | None:
    """The ids of the fields that one names; None where that is not told."""
    options = _options(field)
    told, shown = options.get("referencedFieldIds"), options.get("fieldIdInLinkedTable")
    if not (isinstance(shown, str) if field.get("type") in _SHOWN else isinstance(told, list)):
        return None
    named = [*(told if isinstance(told, list) else ()), shown, *_ID.findall(str(options.get("formula", "")))]
    return frozenset(each for each in named if isinstance(each, str))

"""What the computed columns of a NocoDB table are computed from, as its metadata tells.

Formulas name columns by their ids, lookups and rollups the column that they show of related records. Where the records
that a lookup or a formula shows as a whole are of the same table, anything may be in them.
"""

import re
from collections.abc import Mapping, Sequence

from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.sources.derived import all_sources

_FORMULAS = frozenset({"Formula", "Button"})
_SHOWN = {
    "Lookup": "fk_lookup_column_id",
    "Rollup": "fk_rollup_column_id",
    "QrCode": "fk_qr_value_column_id",
    "Barcode": "fk_barcode_value_column_id",
}
_RELATED = "LinkToAnotherRecord"
_ENDS = ("fk_child_column_id", "fk_parent_column_id")
_WORD = re.compile(r"\w+")
_BY_ID = re.compile(r"\{\{(\w+)\}\}")
_BY_TITLE = re.compile(r"\{([^{}]+)\}")


def derived(metas: Sequence[Mapping[str, Json]], table: Json) -> dict[str, frozenset[str] | None]:
    """The titles of the columns that each computed column is computed from, by its id; None where that is not known.

    `metas` are all columns of the table, `table` is its id.
    """
    titles = {str(meta["id"]): str(meta["title"]) for meta in metas}
    relations = {str(meta["id"]): _options(meta) for meta in metas if meta["uidt"] in (_RELATED, "Links")}
    direct = {
        str(meta["id"]): _named(meta, titles, relations, table)
        for meta in metas
        if meta["uidt"] in _FORMULAS | _SHOWN.keys() | {_RELATED}
    }
    found = {}
    for identifier in direct:
        sources = all_sources(identifier, direct)
        found[identifier] = None if sources is None else frozenset(titles[each] for each in sources)
    return found


def _options(meta: Mapping[str, Json]) -> Mapping[str, Json]:
    options = meta.get("colOptions")
    return options if isinstance(options, dict) else {}


def _named(
    meta: Mapping[str, Json], titles: Mapping[str, str], relations: Mapping[str, Mapping[str, Json]], table: Json
) -> frozenset[str] | None:
    """The ids of the table's own columns that a computed one names; None where that is not told."""
    kind, options = str(meta["uidt"]), _options(meta)
    if kind == _RELATED:
        related = options.get("fk_related_model_id")
        return None if related in (None, table) else _ends(options) & titles.keys()
    if kind in _SHOWN:
        shown = options.get(_SHOWN[kind])
        if not isinstance(shown, str):
            return None
        # A relation's two ends are equal: who shows the other table's shows this one's.
        ends = _ends(relations.get(str(options.get("fk_relation_column_id")), {}))
        return (ends if shown in ends else frozenset({shown})) & titles.keys()
    return _of_formula(options, titles)


def _ends(relation: Mapping[str, Json]) -> frozenset[str]:
    return frozenset(str(relation[end]) for end in _ENDS if relation.get(end))


def _of_formula(options: Mapping[str, Json], titles: Mapping[str, str]) -> frozenset[str] | None:
    """The columns in a formula, which old versions of NocoDB name by their titles."""
    texts = [text for name in ("formula", "formula_raw") if isinstance(text := options.get(name), str)]
    if not texts or not {name for text in texts for name in _BY_ID.findall(text)} <= titles.keys():
        return None
    by_title = {title for text in texts for title in _BY_TITLE.findall(text)}
    by_id = {word for text in texts for word in _WORD.findall(text)}
    return frozenset(each for each, title in titles.items() if each in by_id or title in by_title)

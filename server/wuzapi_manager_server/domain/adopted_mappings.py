"""Field mappings of the original application, in this service's words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from wuzapi_manager_server.domain.adopted_json import kept_json
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation

_NOTHING = {"", "null", "undefined"}
_TEXT = 1_024
_MAX_LENGTH = 2**32 - 1  # what a message can carry


class Mapped(NamedTuple):
    """Mappings that come over, and notes on what of them does not."""

    mappings: tuple[FieldMapping, ...]
    notes: tuple[str, ...]


def mappings_of(raw: object, link_field: str) -> Mapped:
    """The mappings of a `field_mappings` text: a list of columns, or an object of column by field.

    Items without a column or a label are void, as in the original. A mapping of the link field stays behind, since the
    tokens in it never leave, and so do a second mapping of the same column and patterns that are not RE2's.

    Unkept for a text that cannot be read: no mapping at all would show every column, also those that it hid.
    """
    text = raw.strip() if isinstance(raw, str) else ""
    if text in _NOTHING:
        return Mapped((), ())
    return _without_clashes(list(_items(kept_json(text))), link_field)


def _items(found: object) -> Iterator[tuple[FieldMapping, tuple[str, ...]]]:
    if isinstance(found, Mapping):
        for field, column in found.items():
            if isinstance(column, str) and field.strip() and column.strip():
                yield FieldMapping(field, column), ()
    elif isinstance(found, Sequence) and not isinstance(found, str):
        for item in found:
            if isinstance(item, Mapping) and _words(item, "columnName") and _words(item, "label"):
                yield _mapping(item)


def _mapping(item: Mapping[str, object]) -> tuple[FieldMapping, tuple[str, ...]]:
    column = _words(item, "columnName")
    visible, editable = item.get("visible") is not False, item.get("editable") is not False
    required = item.get("required") is True
    notes = []
    if required and not (visible and editable):
        notes.append(f"{column!r} cannot be required, for it is hidden or not editable")
    if item.get("format") not in (None, ""):
        notes.append(f"the format of {column!r} stays behind")
    validation, dropped = _validation(item.get("validation"))
    notes += [f"the {part} of {column!r} stays behind: this service cannot check it" for part in dropped]
    mapping = FieldMapping(
        field=column,
        column=column,
        label=_words(item, "label")[:_TEXT],
        type=_words(item, "type")[:_TEXT],
        visible=visible,
        editable=editable,
        required=required and visible and editable,
        helper_text=_words(item, "helperText")[:_TEXT],
        show_in_card=item.get("showInCard") is True,
        validation=validation,
    )
    return mapping, tuple(notes)


def _validation(raw: object) -> tuple[Validation, list[str]]:
    """The rules that hold here too, and the names of those that do not."""
    rules = raw if isinstance(raw, Mapping) else {}
    wanted: dict[str, object] = {
        "pattern": rules.get("pattern") or "",
        "min_length": _first(rules, "minLength", "min_length") or 0,
        "max_length": _first(rules, "maxLength", "max_length") or 0,
        "min": rules.get("min"),
        "max": rules.get("max"),
        "options": _options(rules.get("options")),
    }
    known = Validation()
    dropped = []
    for part, value in wanted.items():
        rule = _rule(known, part, value)
        if rule is None:
            dropped.append(part)
        else:
            known = rule
    return known, dropped


def _options(raw: object) -> tuple[str, ...] | None:
    """The options as texts; None where they are no list of texts and numbers."""
    if not raw:
        return ()
    if not isinstance(raw, list) or any(
        isinstance(each, bool) or not isinstance(each, str | int | float) for each in raw
    ):
        return None
    return tuple(map(str, raw))


def _rule(known: Validation, part: str, value: object) -> Validation | None:
    """The rules with one more; None where that is none, or contradicts the others."""
    match part, value:
        case "pattern", str():
            made = replace(known, pattern=value)
        case "min_length", int() if not isinstance(value, bool) and 0 <= value <= _MAX_LENGTH:
            made = replace(known, min_length=value)
        case "max_length", int() if not isinstance(value, bool) and 0 <= value <= _MAX_LENGTH:
            made = replace(known, max_length=value)
        case (("min" | "max"), None):
            return known
        case "min", int() | float() if not isinstance(value, bool):
            made = replace(known, min=float(value))
        case "max", int() | float() if not isinstance(value, bool):
            made = replace(known, max=float(value))
        case "options", tuple():
            made = replace(known, options=value)
        case _:
            return None
    return None if any(made.violations()) else made


def _without_clashes(items: Sequence[tuple[FieldMapping, tuple[str, ...]]], link_field: str) -> Mapped:
    kept: list[FieldMapping] = []
    notes: list[str] = []
    for mapping, of_it in items:
        if mapping.column == link_field:
            notes.append(f"{mapping.column!r} is the link field, which holds tokens and is never shown")
        elif any(mapping.field == other.field or mapping.column == other.column for other in kept):
            notes.append(f"{mapping.column!r} is mapped twice: the first counts")
        else:
            kept.append(mapping)
            notes += of_it
    return Mapped(tuple(kept), tuple(notes))


def _words(item: Mapping[str, object], name: str) -> str:
    value = item.get(name)
    return value.strip() if isinstance(value, str) else ""


def _first(rules: Mapping[str, object], *names: str) -> object:
    return next((rules[name] for name in names if rules.get(name) is not None), None)

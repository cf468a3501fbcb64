"""Texts and names of fields as Airtable's formulas spell them."""

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text(value: str) -> str | None:
    """The literal of a text; None where it holds a control character."""
    if _CONTROL.search(value):
        return None
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def field(name: str) -> str | None:
    """The reference to a field; None for names that cannot be written surely."""
    if _CONTROL.search(name) or name.count("}") > 1 or "\\" in name or "{" in name:
        return None
    return "{" + name.replace("}", "\\}") + "}"

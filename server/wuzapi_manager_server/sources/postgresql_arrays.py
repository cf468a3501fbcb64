"""Arrays as PostgreSQL writes them (https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO)."""

from collections.abc import Callable, Iterator

from wuzapi_manager_server.domain.table import Cell


def parse(text: str, element: Callable[[str], Cell], delimiter: str = ",") -> list[Cell] | str:
    """The elements, nested as the array is; the text itself where its places are not counted from 1."""
    if not text.startswith("{"):
        return text
    top: list[Cell] = []
    stack = [top]
    for part, quoted in _pieces(text, delimiter):
        if quoted:
            stack[-1].append(element(part))
        elif part == "{":
            inner: list[Cell] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif part == "}":
            stack.pop()
        else:
            stack[-1].append(None if part.upper() == "NULL" else element(part))
    (array,) = top
    return array if isinstance(array, list) else text


def _pieces(text: str, delimiter: str) -> Iterator[tuple[str, bool]]:
    """Braces and elements in order, each with whether it stood in quotes."""
    at = 0
    while at < len(text):
        char = text[at]
        if char in "{}":
            yield char, False
            at += 1
        elif char == delimiter:
            at += 1
        elif char == '"':
            part, at = _quoted(text, at + 1)
            yield part, True
        else:
            end = at
            while end < len(text) and text[end] not in "{}" + delimiter:
                end += 1
            yield text[at:end], False
            at = end


def _quoted(text: str, at: int) -> tuple[str, int]:
    """The element that begins behind a quote, and the place behind its end."""
    pieces: list[str] = []
    while True:
        end = at
        while text[end] not in '"\\':
            end += 1
        pieces.append(text[at:end])
        if text[end] == '"':
            return "".join(pieces), end + 1
        pieces.append(text[end + 1])
        at = end + 2


def spell(items: object, element: Callable[[object], str], delimiter: str = ",", *, nested: bool = True) -> str:
    """The array of such elements; lists within are further dimensions where `nested`."""
    match items:
        case None:
            return "NULL"
        case list():
            inner = (
                spell(item, element, delimiter, nested=nested)
                if nested or not isinstance(item, list)
                else _escaped(element(item))
                for item in items
            )
            return "{" + delimiter.join(inner) + "}"
        case _:
            return _escaped(element(items))


def _escaped(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

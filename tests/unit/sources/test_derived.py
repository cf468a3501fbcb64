"""What computed columns are computed from, as the metadata of Airtable and NocoDB tells it."""

import pytest

from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.sources import airtable_derived, nocodb_derived
from wuzapi_manager_server.sources.derived import all_sources, of_expressions
from wuzapi_manager_server.sources.sqlite_ddl import declarations


def test_sources_are_followed_to_their_end() -> None:
    """By any number of steps, also in a circle; one that is not known makes all that comes of it unknown."""
    direct: dict[str, frozenset[str] | None] = {
        "a": frozenset("b"),
        "b": frozenset("cd"),
        "d": frozenset("b"),
        "x": frozenset("ay"),
        "y": None,
    }
    assert all_sources("a", direct) == frozenset("bcd")
    assert all_sources("c", direct) == frozenset()
    assert all_sources("x", direct) is None


def field(identifier: str, kind: str, **options: Json) -> dict[str, Json]:
    return {"id": identifier, "name": identifier, "type": kind, "options": options}


def of_airtable(*fields: dict[str, Json]) -> frozenset[str] | None:
    """What the first of the fields is computed from, in a table whose other fields lead to another and back."""
    more = [
        field("fldOwner", "singleLineText"),
        field("fldUp", "formula", referencedFieldIds=["fldOwner"], result={"type": "singleLineText"}),
        field("fldUnclear", "button"),
        field("fldSelf", "multipleRecordLinks", linkedTableId="tblOne"),
        field("fldFar", "multipleRecordLinks", linkedTableId="tblTwo"),
    ]
    far = [
        field("fldName", "singleLineText"),
        field("fldBack", "multipleLookupValues", recordLinkFieldId="fldX", fieldIdInLinkedTable="fldOwner"),
    ]
    one: dict[str, Json] = {"id": "tblOne", "primaryFieldId": "fldOwner", "fields": [*fields, *more]}
    two: dict[str, Json] = {"id": "tblTwo", "primaryFieldId": "fldName", "fields": list(far)}
    return airtable_derived.derived([one, two, {"id": "tblOdd", "fields": "none"}])[str(fields[0]["id"])]


@pytest.mark.parametrize(
    ("computed", "expected"),
    [
        (field("fldF", "formula", referencedFieldIds=["fldUp"]), {"fldUp", "fldOwner"}),
        (field("fldF", "formula", referencedFieldIds=[], formula="{fldOwner}&'!'"), {"fldOwner"}),
        (field("fldF", "formula", referencedFieldIds=[]), set()),
        (field("fldF", "formula", referencedFieldIds=None), None),
        (field("fldF", "formula", referencedFieldIds="fldOwner"), None),
        (field("fldF", "formula", referencedFieldIds=["fldUnclear"]), None),
        (field("fldF", "formula", referencedFieldIds=["fldSelf"]), {"fldSelf", "fldOwner"}),
        (field("fldF", "formula", referencedFieldIds=["fldFar"]), {"fldFar", "fldName"}),
        (
            field("fldL", "multipleLookupValues", recordLinkFieldId="fldSelf", fieldIdInLinkedTable="fldOwner"),
            {"fldOwner"},
        ),
        (
            field("fldL", "multipleLookupValues", recordLinkFieldId="fldFar", fieldIdInLinkedTable="fldBack"),
            {"fldBack", "fldOwner"},
        ),
        (field("fldL", "multipleLookupValues", recordLinkFieldId="fldSelf"), None),
        (field("fldR", "rollup", fieldIdInLinkedTable="fldOwner", referencedFieldIds=[]), {"fldOwner"}),
        (field("fldR", "rollup", referencedFieldIds=[]), None),
        (field("fldA", "aiText", referencedFieldIds=["fldOwner"]), {"fldOwner"}),
        (field("fldN", "someFutureType"), None),
    ],
)
def test_fields_of_airtable_tell_their_sources(computed: dict[str, Json], expected: set[str] | None) -> None:
    """Formulas, lookups and rollups name fields by id, through other tables too; what tells nothing is not known."""
    assert of_airtable(computed) == expected


def meta(identifier: str, kind: str, **options: Json) -> dict[str, Json]:
    return {"id": identifier, "title": f"T {identifier}", "uidt": kind, "colOptions": options or None}


METAS = [
    meta("cId", "ID"),
    meta("cOwner", "SingleLineText"),
    meta("cUp", "Formula", formula="UPPER({{cOwner}})"),
    meta("cLinks", "Links", fk_related_model_id="m", fk_child_column_id="cId", fk_parent_column_id="cId"),
    meta("cSelf", "LinkToAnotherRecord", fk_related_model_id="m", fk_child_column_id="cX", fk_parent_column_id="cId"),
    meta("cFar", "LinkToAnotherRecord", fk_related_model_id="z", fk_child_column_id="cId", fk_parent_column_id="cZ"),
    meta(
        "cUser", "LinkToAnotherRecord", fk_related_model_id="z", fk_child_column_id="cOwner", fk_parent_column_id="cT"
    ),
    meta("cQr", "QrCode", fk_qr_value_column_id="cOwner"),
]


@pytest.mark.parametrize(
    ("computed", "expected"),
    [
        (meta("c", "Formula", formula="CONCAT({{cUp}}, '!')"), {"T cUp", "T cOwner"}),
        (meta("c", "Formula", formula="CONCAT({T cOwner}, '!')"), {"T cOwner"}),
        (meta("c", "Formula", formula="NOW()"), set()),
        (meta("c", "Formula", formula="CONCAT({{cGone}})"), None),
        (meta("c", "Formula"), None),
        (meta("c", "Formula", formula="{{cLinks}} + 1"), {"T cLinks"}),
        (meta("c", "Formula", formula="CONCAT({{cSelf}})"), None),
        (meta("c", "Formula", formula="CONCAT({{cFar}})"), {"T cFar", "T cId"}),
        (meta("c", "Formula", formula="CONCAT({{cUser}})"), {"T cUser", "T cOwner"}),
        (meta("c", "Lookup", fk_relation_column_id="cLinks", fk_lookup_column_id="cOwner"), {"T cOwner"}),
        (meta("c", "Lookup", fk_relation_column_id="cLinks", fk_lookup_column_id="cUp"), {"T cUp", "T cOwner"}),
        (meta("c", "Lookup", fk_relation_column_id="cLinks", fk_lookup_column_id="cSelf"), None),
        (meta("c", "Lookup", fk_relation_column_id="cLinks", fk_lookup_column_id="cQr"), {"T cQr", "T cOwner"}),
        (meta("c", "Lookup", fk_relation_column_id="cUser", fk_lookup_column_id="cName"), set()),
        (meta("c", "Lookup", fk_relation_column_id="cUser", fk_lookup_column_id="cT"), {"T cOwner"}),
        (meta("c", "Lookup", fk_relation_column_id="cLinks"), None),
        (meta("c", "Rollup", fk_relation_column_id="cLinks", fk_rollup_column_id="cOwner"), {"T cOwner"}),
        (meta("c", "Rollup"), None),
    ],
)
def test_columns_of_nocodb_tell_their_sources(computed: dict[str, Json], expected: set[str] | None) -> None:
    """Formulas, lookups and rollups name columns by id; whole records of the same table may hold anything."""
    assert nocodb_derived.derived([computed, *METAS], "m")["c"] == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("upper(Owner)", {"owner"}),
        ("""concat(`owner`,_utf8mb4'!')""", {"owner"}),
        ("""("owner" || 'x')""", {"owner"}),
        ("lower([OWNER])", {"owner"}),
        ("owners + 1", None),
        ("shout || 'x'", {"shout", "owner"}),
        ("unclear", None),
        ("now()", None),
        (None, None),
        ('("a ""b"" c" || \'\')', {'a "b" c'}),
        ('`a "b" c`', {'a "b" c'}),
        ("length(ação)", {"Ação"}),
    ],
)
def test_generated_columns_tell_their_sources(expression: str | None, expected: set[str] | None) -> None:
    """A name in the expression is a source, in any quotes and any case; who names no column is not understood."""
    generated = {"new": expression, "shout": "upper(owner)", "unclear": None}
    found = of_expressions(["id", "owner", "shout", "unclear", 'a "b" c', "Ação", "new"], generated)
    assert found["new"] == (None if expected is None else frozenset(expected))


def test_the_statement_that_made_a_table_tells_its_columns() -> None:
    """Whatever quotes, comments and parentheses stand in it, each column has its own text behind its name."""
    statement = """CREATE TABLE "odd (,) name" ( -- a comment, (
        id INTEGER PRIMARY KEY, "a ""b"" c" TEXT DEFAULT ',)', /* , owner */ [c,d] AS (coalesce(id, 'x', (1))) STORED,
        `e``f` TEXT GENERATED ALWAYS AS ("id"), 'g' NUMERIC(10, 2), CHECK (owner > 1), UNIQUE (id)) WITHOUT ROWID
        """
    found = {name: " ".join(text.split()) for name, text in declarations(statement).items()}
    assert found == {
        "id": "INTEGER PRIMARY KEY",
        'a "b" c': "TEXT DEFAULT ',)'",
        "c,d": "AS (coalesce(id, 'x', (1))) STORED",
        "e`f": 'TEXT GENERATED ALWAYS AS ("id")',
        "g": "NUMERIC(10, 2)",
        "check": "(owner > 1)",
        "unique": "(id)",
    }

"""What rows of the original application become."""

import json

import orjson
import pytest

from tests.integration.adopt.original import NOCODB, OWN_TABLES, POSTGRES, SECRETS
from wuzapi_manager_server.domain.adopted_mappings import mappings_of
from wuzapi_manager_server.domain.adopted_metadata import metadata_of
from wuzapi_manager_server.domain.adoption import branding_of, connection_of
from wuzapi_manager_server.domain.connection import (
    Connection,
    ConnectionStatus,
    Mysql,
    Nocodb,
    Postgresql,
    Sqlite,
    UserLinkValue,
)
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation
from wuzapi_manager_server.domain.table import Json


def adopted(**columns: object) -> Connection:
    """The connection that a row becomes."""
    made = connection_of(columns, "original.db").connection
    assert made is not None
    return made


def test_nocodb_row_falls_back_to_the_general_columns() -> None:
    """Token, project and table come from password, database and table name where their own columns are empty."""
    made = adopted(**NOCODB)
    assert made.source == Nocodb("https://nocodb.example.com", "p_base", "m_table", SECRETS[0])
    assert made.user_link_field == "ChatWootToken"
    assert made.user_link_value is UserLinkValue.TOKEN
    assert made.status is ConnectionStatus.CONNECTED
    own = {"nocodb_token": "own", "nocodb_project_id": "p2", "nocodb_table_id": "t2"}
    assert adopted(**NOCODB | own).source == Nocodb("https://nocodb.example.com", "p2", "t2", "own")


def test_users_are_trimmed_texts_each_once() -> None:
    """Numbers and padded texts are users; the same user counts once."""
    assert adopted(**NOCODB).assigned_users == ("7", SECRETS[2])


def test_admin_among_users_is_nobody() -> None:
    """The word that meant every user assigns nobody, and is told."""
    found = connection_of(POSTGRES, "original.db")
    assert found.everyone
    assert found.connection is not None
    assert found.connection.assigned_users == ("a1b2",)


@pytest.mark.parametrize("users", ["", "null", "not json", "{}", "[null, true, [1]]", None])
def test_odd_users_are_nobody(users: str | None) -> None:
    """What is no list of texts or numbers assigns nobody."""
    assert adopted(**NOCODB | {"assigned_users": users}).assigned_users == ()


@pytest.mark.parametrize(
    ("kind", "link", "source"),
    [("POSTGRES", "user_token", Postgresql), ("postgresql", "user_token", Postgresql), ("MYSQL", "user_token", Mysql)],
)
def test_sql_servers(kind: str, link: str, source: type) -> None:
    """Both names of PostgreSQL count, and the default link field is that of the type."""
    made = adopted(**POSTGRES | {"type": kind})
    assert isinstance(made.source, source)
    assert made.user_link_field == link
    assert made.source.secret == SECRETS[1]


def test_mysql_with_the_default_port_is_told() -> None:
    """5432 is what the original put where nobody chose a port."""
    assert any("3306" in note for note in connection_of(POSTGRES | {"type": "MYSQL", "port": 5432}, "x.db").notes)


@pytest.mark.parametrize(
    "database",
    [
        *("wuzapi.db", "./data/wuzapi.db", "C:\\app\\wuzapi.db", "copy.db", "/x/copy.db", "WUZAPI.DB", "Copy.DB"),
        *("file:wuzapi.db?mode=ro", "FILE:///srv/data/WuzAPI.db", "file:data%2Fwuzapi.db?cache=shared", "wuzapi.db?x"),
    ],
)
def test_the_application_s_own_tables_stay_behind(database: str) -> None:
    """The row that shows the application's own tables never becomes a connection, whatever its path or table."""
    row = OWN_TABLES | {"database_name": database, "table_name": "anything"}
    found = connection_of(row, "copy.db")
    assert found.connection is None
    assert "passwords" in found.notes[0]


@pytest.mark.parametrize("table", ["database_connections", "Database_Connections", 'main."database_connections"'])
def test_the_table_of_connections_stays_behind_in_any_file(table: str) -> None:
    """A copy of the application's database under another name has the passwords too."""
    found = connection_of(OWN_TABLES | {"database_name": "leads.db", "table_name": table}, "copy.db")
    assert found.connection is None
    assert "passwords" in found.notes[0]


@pytest.mark.parametrize(
    ("port", "kept"), [(None, 0), ("", 0), (" 5433 ", 5433), (5433, 5433), (5433.0, 5433), ("0005433", 5433)]
)
def test_ports_that_are_one(port: object, kept: int) -> None:
    """A whole number, however it is kept; none is the type's own."""
    made = adopted(**POSTGRES | {"port": port})
    assert isinstance(made.source, Postgresql)
    assert made.source.port == kept


@pytest.mark.parametrize("port", ["abc", 5432.7, "5432.7", "٥٤٣٢", "9" * 5_000, -1, 65_536, float("inf")])
def test_ports_that_are_none(port: object) -> None:
    """A row does not come over with another port than it had: it is told."""
    found = connection_of(POSTGRES | {"port": port}, "x.db")
    assert found.connection is None
    assert "port" in found.notes[0]
    assert len(found.notes[0]) < 100


def test_another_sqlite_row_comes_over() -> None:
    """Any other file is a source."""
    assert adopted(**OWN_TABLES | {"database_name": "leads.db", "table_name": "leads"}).source == Sqlite(
        "leads.db", "leads"
    )


def test_unknown_types_stay_behind() -> None:
    """There is no source for the original's API rows."""
    assert connection_of(NOCODB | {"type": "API"}, "x.db").connection is None


def test_what_is_not_valid_here_stays_behind_with_its_reasons() -> None:
    """Every violation is told; a masked secret is one."""
    found = connection_of(NOCODB | {"host": "javascript:x", "password": "********", "name": ""}, "x.db")
    assert found.connection is None
    assert [note.split()[0] for note in found.notes] == ["name", "nocodb.host", "nocodb.token"]


def test_no_secret_is_in_what_is_told() -> None:
    """Labels and notes hold no password, token or user."""
    for row in (NOCODB, POSTGRES, NOCODB | {"host": SECRETS[0] * 2, "assigned_users": SECRETS[2]}):
        found = connection_of(row, "x.db")
        assert not any(secret in text for secret in SECRETS for text in (found.label, *found.notes))


def test_views_come_over() -> None:
    """The configuration as it is, and the default view beside it."""
    made = adopted(**NOCODB)
    assert made.view_configuration == {
        "kanban": {"enabled": True, "statusField": "etapa"},
        "defaultViewMode": "kanban",
    }
    assert adopted(**NOCODB | {"view_configuration": "[1]", "default_view_mode": None}).view_configuration == {}


def test_mappings_of_a_list() -> None:
    """Columns keep their names; what is void, double or the link field stays behind, and each loss is told."""
    mapped = mappings_of(NOCODB["field_mappings"], "ChatWootToken")
    assert mapped.mappings == (
        FieldMapping(
            "nome",
            "nome",
            "Nome",
            "text",
            required=True,
            helper_text="Como no documento",
            show_in_card=True,
            validation=Validation("^[A-Z].*$", min_length=2),
        ),
        FieldMapping("codigo", "codigo", "Código", visible=False),
        FieldMapping("cep", "cep", "CEP"),
    )
    told = " ".join(mapped.notes)
    assert all(part in told for part in ("format of 'nome'", "twice", "link field", "'codigo' cannot be required"))
    assert "the pattern of 'cep'" in told
    assert "the min of 'cep'" in told


@pytest.mark.parametrize("options", [[{"value": 1}], [None], [True], "a,b"])
def test_options_that_are_no_texts_stay_behind(options: Json) -> None:
    """They are not guessed at, and it is told; numbers are texts."""
    mapped = mappings_of(json.dumps([{"columnName": "a", "label": "A", "validation": {"options": options}}]), "")
    assert mapped.mappings[0].validation == Validation()
    assert mapped.notes == ("the options of 'a' stays behind: this service cannot check it",)
    kept = mappings_of('[{"columnName": "a", "label": "A", "validation": {"options": ["x", 1]}}]', "")
    assert kept.mappings[0].validation.options == ("x", "1")


def test_mappings_of_an_object() -> None:
    """The original application's form: column by field."""
    assert mappings_of('{"numero": "order_number", "": "x", "y": 3}', "").mappings == (
        FieldMapping("numero", "order_number"),
    )


@pytest.mark.parametrize("raw", [None, "", " ", "null", "undefined", "3", '"x"', "[1, null]", 7])
def test_no_mappings(raw: object) -> None:
    """What holds no mapping means that every column is itself."""
    assert mappings_of(raw, "") == ((), ())


TOO_LARGE = "1" * 23
UNKEPT = {
    "no JSON": ("{", "is no JSON"),
    "no number": ('{"a": NaN}', "is no JSON"),
    "too deep to be read": ("[" * 100_000, "has more than 32 levels"),
    "too deep to be sent": ("[" * 33 + "]" * 33, "has more than 32 levels"),
    "beyond 64 bits": (f'[{{"columnName": "a", "label": "b", "validation": {{"min": {TOO_LARGE}}}}}]', "too large"),
    "beyond a double": (f'{{"a": {"9" * 400}}}', "holds a number that is too large"),
    "beyond Python": (f'{{"a": -{"9" * 5_000}}}', "holds a number that is too large"),
    "infinite": ('{"a": 1e400}', "holds a number that is too large"),
    "half a character": (r'[{"columnName": "a", "label": "\ud800"}]', "holds a character that is none"),
    "half a character in a name": (r'{"\udfff": "a"}', "holds a character that is none"),
}


@pytest.mark.parametrize("case", UNKEPT)
def test_a_row_stays_behind_whose_mappings_cannot_be_kept(case: str) -> None:
    """Without them every column would be shown, also those that they hide; it is told why they cannot be kept."""
    raw, why = UNKEPT[case]
    found = connection_of(NOCODB | {"field_mappings": raw}, "x.db")
    assert found.connection is None
    assert "field mappings" in found.notes[0]
    assert why in found.notes[0]


@pytest.mark.parametrize("case", UNKEPT)
def test_views_and_users_that_cannot_be_kept_stay_behind_alone(case: str) -> None:
    """The rest of the row comes over, to nobody where the users are what is left; it is told why."""
    raw, why = UNKEPT[case]
    for column, name in (("view_configuration", "view configuration"), ("assigned_users", "assigned users")):
        found = connection_of(NOCODB | {column: raw}, "x.db")
        assert found.connection is not None
        assert any(name in note and why in note for note in found.notes)
        kept = found.connection.assigned_users if column == "assigned_users" else found.connection.view_configuration
        assert kept in ((), {"defaultViewMode": "kanban"})
        orjson.dumps((found.connection.view_configuration, found.connection.field_mappings))


@pytest.mark.parametrize("value", [-(2**63), 2**64 - 1, 1.5e300, "\U0001f600", [[]] * 3])
def test_what_can_be_kept_is(value: Json) -> None:
    """All whole numbers of 64 bits, all doubles and texts come through as they are."""
    view = json.dumps({"a": value})
    made = adopted(**NOCODB | {"view_configuration": view, "default_view_mode": None})
    assert made.view_configuration == {"a": value}


@pytest.mark.parametrize("column", ["name", "type", "host", "password", "assigned_users", "field_mappings"])
def test_a_row_stays_behind_with_bytes_in_it(column: str) -> None:
    """What is a BLOB, or a text that is none, is not guessed at: the column is named."""
    found = connection_of(NOCODB | {column: b"[]\xff"}, "x.db")
    assert found.connection is None
    assert found.notes == (f"its {column} is no text",)


def test_bytes_that_a_row_can_do_without_stay_behind_alone() -> None:
    """The view and the status are for people: the row comes over, and it is told."""
    found = connection_of(NOCODB | dict.fromkeys(("view_configuration", "default_view_mode", "status"), b"x"), "x.db")
    assert found.connection is not None
    assert found.connection.view_configuration == {}
    told = " ".join(found.notes)
    assert all(f"its {column} is no text" in told for column in ("view_configuration", "default_view_mode", "status"))


def test_lengths_that_no_message_can_carry_stay_behind() -> None:
    """A rule of such a length would keep the connection from ever being listed."""
    lengths = {"minLength": 2**32, "maxLength": 2**32 - 1}
    mapped = mappings_of(json.dumps([{"columnName": "a", "label": "A", "validation": lengths}]), "")
    assert mapped.mappings[0].validation == Validation(max_length=2**32 - 1)
    assert mapped.notes == ("the min_length of 'a' stays behind: this service cannot check it",)


def test_branding_keeps_what_is_valid() -> None:
    """A bad colour and a script URL stay behind alone, each with its reason; HTML is sanitized."""
    row = {
        "app_name": "Loja São João",
        "logo_url": "javascript:alert(1)",
        "primary_color": "#a0b1c2",
        "secondary_color": "red",
        "custom_home_html": "<p onclick='x()'>Oi</p><script>x()</script>",
        "support_phone": None,
    }
    made, notes = branding_of(row)
    assert (made.app_name, made.logo_url, made.primary_color, made.secondary_color) == (
        "Loja São João",
        "",
        "#A0B1C2",
        "",
    )
    assert made.custom_home_html == "<p>Oi</p>"
    assert [note.split()[0] for note in notes] == ["branding.logo_url", "branding.secondary_color"]


def test_branding_leaves_bytes_behind() -> None:
    """A name that is no text gives way to the default, and it is told."""
    made, notes = branding_of({"app_name": b"\xff", "primary_color": "#a0b1c2"})
    assert (made.app_name, made.primary_color) == ("WUZAPI", "#A0B1C2")
    assert notes == ("its app_name is no text",)


def test_values_of_any_kind_are_survived() -> None:
    """Columns of any kind of value are read as texts, never crashed on."""
    row: dict[str, object] = dict.fromkeys([*NOCODB, "username", "port"], 3.5)
    assert connection_of(row | {"type": b"x"}, "x.db").connection is None
    odd = {"type": "MYSQL", "assigned_users": json.dumps({"a": 1}), "port": 3306.0}
    assert connection_of(row | odd, "x.db").connection


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("schema_version", "2", "is the original's own"),
        ("system.install", "x", "is the original's own"),
        ("taken", "x", "is set here already"),
        ("a key", "x", "its key must be 1 to 100 letters"),
        ("a" * 101, "x", "its key must be 1 to 100 letters"),
        ("chave_é", "x", "its key must be 1 to 100 letters"),
        (None, "x", "its key is required"),
        (b"key", "x", "its key is no text"),
        ("bytes", b"x", "its value is no text"),
        ("long", "é" * 32_769, "its value has 65538 bytes"),
    ],
)
def test_metadata_that_no_caller_could_set_stays_behind(key: object, value: object, why: str) -> None:
    """The rules are those of SetMetadata; why is told, and the key shortly."""
    comes, notes = metadata_of([{"key": key, "value": value}], {"taken"})
    assert comes == {}
    assert len(notes) == 1
    assert why in notes[0]
    assert len(notes[0]) < 200


@pytest.mark.parametrize(("value", "kept"), [("x", "x"), (" x ", " x "), (0, "0"), (1.5, "1.5"), (None, ""), ("", "")])
def test_metadata_comes_over_as_it_is(value: object, kept: str) -> None:
    """Numbers are texts here, zero too."""
    assert metadata_of([{"key": "a.b-c_1", "value": value}], ()) == ({"a.b-c_1": kept}, ())

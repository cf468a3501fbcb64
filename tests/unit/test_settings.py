"""Settings: the environment, `.env`, and what is wrong with them."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.settings import BadSettings, Setting, Settings, join_address, load, table
from wuzapi_manager_server.upstreams.addresses import AddressGuard


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting comes from where the tests happen to run."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def row(name: str) -> Setting:
    return next(each for each in table(load()) if each.variable == name)


def test_defaults_are_the_documented_ones() -> None:
    """Without any setting the documented defaults hold, and none is secret."""
    settings = load()
    assert (settings.grpc_host, settings.grpc_port, settings.grpc_workers) == ("127.0.0.1", 50051, 1)
    assert (settings.grpc_max_message_bytes, settings.grpc_max_deadline) == (4 << 20, 60.0)
    assert settings.sqlite_cache_size == 4000
    assert settings.mmap_size == 268435456
    assert settings.address == "127.0.0.1:50051"
    assert settings.secrets == ()
    assert {each.origin for each in table(settings)} == {"default"}
    assert all(each.value == each.default and each.help and each.allowed for each in table(settings))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("SHUTDOWN_GRACE", "60", 60.0),
        ("SHUTDOWN_GRACE", "60s", 60.0),
        ("SHUTDOWN_GRACE", "500ms", 0.5),
        ("SHUTDOWN_GRACE", " 1.5 MIN ", 90.0),
        ("SHUTDOWN_GRACE", "2h", 7200.0),
        ("SQLITE_TIMEOUT", "5s", 5000),
        ("SQLITE_TIMEOUT", "0", 0),
        ("SLOW_QUERY_MS", "250", 250),
        ("GRPC_MAX_MESSAGE_BYTES", "4194304", 4 << 20),
        ("GRPC_MAX_MESSAGE_BYTES", "4 MiB", 4 << 20),
        ("GRPC_MAX_MESSAGE_BYTES", "500kB", 500_000),
        ("SQLITE_MMAP_SIZE", "0", 0),
        ("SQLITE_WAL_MODE", "false", False),
        ("SQLITE_WAL_MODE", "0", False),
        ("SQLITE_FOREIGN_KEYS", "no", False),
        ("SQLITE_SYNCHRONOUS", "full", "FULL"),
        ("LOG_LEVEL", "WARNING", "warning"),
        ("SQLITE_CACHE_SIZE", "-2000", -2000),
        ("METRICS_PORT", "0", 0),
        ("WUZAPI_BASE_URL", "https://wuzapi.example/api/", "https://wuzapi.example/api"),
        ("GRPC_PORT", "", 50051),
    ],
)
def test_values_are_read_as_people_write_them(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object
) -> None:
    """Times, sizes, switches and names in any usual form; empty is unset; 0 and false mean what they say."""
    monkeypatch.setenv(name, text)
    assert getattr(load(), name.lower()) == value


BAD = {
    "GRPC_HOST": "a b",
    "GRPC_PORT": "65536",
    "GRPC_WORKERS": "many",
    "GRPC_MAX_MESSAGE_BYTES": "4 elephants",
    "GRPC_MAX_DEADLINE": "0",
    "GRPC_STREAM_IDLE": "soon",
    "GRPC_REFLECTION": "perhaps",
    "TLS_KEY_FILE": "/key.pem",
    "TLS_CLIENT_CA_FILE": "/ca.pem",
    "SQLITE_SYNCHRONOUS": "SOMETIMES",
    "ALLOWED_SOURCE_HOSTS": "10.0.0.0/8, *.internal, db.internal, 10.0.0.0/33",
    "DENIED_SOURCE_HOSTS": "127.1",
    "WUZAPI_BASE_URL": "ftp://wuzapi",
    "WUZAPI_ADMIN_TOKEN": "short-secret",
    "DEFAULT_RECORDS_LIMIT": "2000",
    "SECRET_KEYS": "not-a-key-but-secret,ünï",
    "METRICS_PORT": "-1",
    "LOG_FORMAT": "xml",
}


def test_everything_that_is_bad_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each bad variable with its value and what is allowed; secrets are not shown."""
    for name, value in BAD.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as raised:
        load()
    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        name.upper() for name in Settings.model_fields if name.upper() in BAD
    ]
    assert "GRPC_PORT: '65536' is not allowed; it takes a number from 0 to 65535" in lines
    assert any(line.startswith("ALLOWED_SOURCE_HOSTS: '*.internal', '10.0.0.0/33' is not") for line in lines)
    assert "secret" not in str(raised.value)


HOSTS = [
    "db.internal",
    "DB.Internal.",
    "10.0.0.7",
    "10.1.2.3/8",
    "[::1]",
    "fd00::/8",
    "a_b",
    "käse.example",
    "1.example",
]
NO_HOSTS = ["127.1", "0x7f.1", "2130706433", "x.0177", "10.0.0.0/33", "*.internal", "fe80::1%eth0", "x:80", "http://x"]


@pytest.mark.parametrize("host", HOSTS + NO_HOSTS + [".", "a..b", "-a", "x" * 64, "a b", "fe80::%1/64"])
def test_hosts_of_sources_are_taken_as_the_guard_takes_them(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """What the settings let through is what can be guarded with; the start never fails later on."""
    monkeypatch.setenv("DENIED_SOURCE_HOSTS", f"db.example, {host}")
    if host in HOSTS:
        assert load().denied_source_hosts == ("db.example", host)
        AddressGuard(load().denied_source_hosts)
        assert row("DENIED_SOURCE_HOSTS").value == f"db.example,{host}"
    else:
        with pytest.raises(ValueError, match="address"):
            AddressGuard((host,))
        with pytest.raises(BadSettings, match=f"DENIED_SOURCE_HOSTS: '{re.escape(host)}' is not"):
            load()


def test_certificate_without_key_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate needs its key."""
    monkeypatch.setenv("TLS_CERT_FILE", "/cert.pem")
    with pytest.raises(BadSettings, match="TLS_KEY_FILE: it is not set; it takes a file, together with TLS_CERT_FILE"):
        load()
    monkeypatch.setenv("TLS_KEY_FILE", "~/key.pem")
    monkeypatch.setenv("TLS_CLIENT_CA_FILE", "/ca.pem")
    assert load().tls_key_file == Path("~/key.pem").expanduser()


def test_the_default_page_is_within_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A largest page below 100 is the default one too; where both are set and contradict, both are named."""
    monkeypatch.setenv("MAX_RECORDS_PER_REQUEST", "50")
    assert load().default_records_limit == 50
    assert row("DEFAULT_RECORDS_LIMIT")[1:4] == ("50", "100", "default")
    monkeypatch.setenv("DEFAULT_RECORDS_LIMIT", "60")
    with pytest.raises(BadSettings) as raised:
        load()
    assert str(raised.value) == (
        "DEFAULT_RECORDS_LIMIT: '60' with MAX_RECORDS_PER_REQUEST=50 is not allowed;"
        " it takes a number from 1 to MAX_RECORDS_PER_REQUEST"
    )
    monkeypatch.setenv("MAX_RECORDS_PER_REQUEST", "many")
    with pytest.raises(BadSettings, match=r"^MAX_RECORDS_PER_REQUEST: 'many' is not allowed;[^\n]*$"):
        load()


def test_a_file_of_settings_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    """One in another encoding."""
    (tmp_path / ".env").write_bytes("WUZAPI_BASE_URL=http://josé\n".encode("latin-1"))
    with pytest.raises(BadSettings, match=r"^The file \.env is not UTF-8: save it as UTF-8$"):
        load()


def test_password_in_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address with credentials is refused without repeating them."""
    monkeypatch.setenv("WUZAPI_BASE_URL", "https://user:hunter2@wuzapi")
    with pytest.raises(BadSettings, match="WUZAPI_BASE_URL: the value given") as raised:
        load()
    assert "hunter2" not in str(raised.value)


def test_table_tells_where_values_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment wins over `.env`, both over the default; unknown variables are ignored; secrets are masked."""
    key = SecretBox.new_key()
    (tmp_path / ".env").write_text(f"GRPC_PORT=1111\nGRPC_WORKERS=3\nNO_SUCH=1\nSECRET_KEYS={key}, {key}\n")
    monkeypatch.setenv("GRPC_PORT", "2222")
    assert row("GRPC_PORT")[:4] == ("GRPC_PORT", "2222", "50051", "environment")
    assert row("GRPC_WORKERS")[:4] == ("GRPC_WORKERS", "3", "1", ".env")
    assert row("SHUTDOWN_GRACE")[:4] == ("SHUTDOWN_GRACE", "20", "20", "default")
    assert row("SECRET_KEYS")[1] == "***"
    assert row("GRPC_REFLECTION")[1] == "true"
    assert load().secrets == (key, key)


def test_several_workers_do_not_map_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory mapping is 0 where several processes write."""
    monkeypatch.setenv("GRPC_WORKERS", "2")
    assert load().mmap_size == 0


def test_settings_do_not_change() -> None:
    """The settings are frozen, and do not show secrets when printed."""
    settings = Settings(wuzapi_admin_token=SecretStr("x" * 20))
    with pytest.raises(ValidationError):
        settings.grpc_port = 1
    assert "x" * 20 not in repr(settings)
    assert settings.secrets == ("x" * 20,)


@pytest.mark.parametrize(("host", "text"), [("::1", "[::1]:5"), ("[::1]", "[::1]:5"), ("localhost", "localhost:5")])
def test_addresses_are_written_as_clients_take_them(host: str, text: str) -> None:
    """An IPv6 address stands in brackets."""
    assert join_address(host, 5) == text

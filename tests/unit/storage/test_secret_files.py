"""The files of the keys and of the administrator's token."""

import multiprocessing
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from wuzapi_manager_server.errors import DatabaseError
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.secret_keys import (
    KEYS_FILE,
    TOKEN_FILE,
    add_key,
    load_admin_token,
    load_keys,
)


def load_all(folder: Path) -> tuple[list[str], str]:
    return load_keys((), folder, may_make=True), load_admin_token(None, folder)[0]


def test_files_are_made_once_for_this_user_alone(tmp_path: Path) -> None:
    """What is made lies in 0600 files of a 0700 folder, whatever the umask, and is read again the next time."""
    folder = tmp_path / "data"
    before = os.umask(0)
    try:
        first = load_all(folder)
    finally:
        os.umask(before)
    assert load_all(folder) == first
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {
        KEYS_FILE: 0o600,
        TOKEN_FILE: 0o600,
    }
    SecretBox(first[0])
    assert load_admin_token(None, folder) == (first[1], folder / TOKEN_FILE)


def test_what_is_set_wins_and_makes_no_file(tmp_path: Path) -> None:
    """Settings are taken as they are."""
    assert load_keys(("one", "two"), tmp_path, may_make=True) == ["one", "two"]
    assert load_admin_token("token-of-the-settings", tmp_path) == ("token-of-the-settings", None)
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """Eight processes that all find no file end up with the same key and token, and leave nothing else behind."""
    with ProcessPoolExecutor(8, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(load_all, [tmp_path / "data"] * 8))
    assert all(each == found[0] for each in found)
    assert sorted(file.name for file in (tmp_path / "data").iterdir()) == [TOKEN_FILE, KEYS_FILE]


def test_added_keys_come_first_and_none_gets_lost(tmp_path: Path) -> None:
    """Each new key stands before the older ones, also when several are added at once."""
    made = load_keys((), tmp_path, may_make=True)
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        added = list(pool.map(add_key, [tmp_path] * 4))
    keys = load_keys((), tmp_path, may_make=False)
    assert len(set(keys)) == 5
    assert keys[-1:] == made
    assert {each[0] for each in added} == set(keys[:-1])
    assert stat.S_IMODE((tmp_path / KEYS_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "short", "has a space in its midst", "ação-ação-ação-ação"])
def test_a_file_without_a_token_is_told(tmp_path: Path, content: str) -> None:
    """The sentence names the file and not what is in it."""
    (tmp_path / TOKEN_FILE).write_text(content, encoding="utf-8")
    with pytest.raises(DatabaseError, match=r"admin\.token") as raised:
        load_admin_token(None, tmp_path)
    assert not content or content not in str(raised.value)


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A file in the way of the folder, or a folder in place of a file, is a sentence without a path."""
    (tmp_path / "file").write_text("")
    (tmp_path / KEYS_FILE).mkdir()
    for attempt in (
        lambda: load_keys((), tmp_path / "file", may_make=True),
        lambda: load_keys((), tmp_path, may_make=True),
        lambda: load_admin_token(None, tmp_path / "file"),
        lambda: add_key(tmp_path),
    ):
        with pytest.raises(DatabaseError, match="cannot be used") as raised:
            attempt()
        assert str(tmp_path) not in str(raised.value)
        assert isinstance(raised.value.__cause__, OSError)

"""Fixtures of adopting."""

from pathlib import Path

import pytest

from tests.integration.adopt.original import BRANDING, LEADS, METADATA, NOCODB, OWN_TABLES, POSTGRES, write


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return write(tmp_path / "original.db", [OWN_TABLES, NOCODB, POSTGRES, LEADS], BRANDING, METADATA)

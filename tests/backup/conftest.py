"""Fixtures: an installation with everything in it."""

from pathlib import Path

import pytest

from app.db import Database
from app.settings import Settings
from tests.helpers import full_installation


@pytest.fixture
def full(database: Database, settings: Settings, tmp_path: Path) -> full_installation.Installation:
    """Rows in every table, on each database in turn."""
    return full_installation.fill(database, settings, tmp_path / "elsewhere")

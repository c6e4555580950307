"""What tests of pages share: how a browser is made, and the mark of tests that need one database only."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

Visitor = Callable[[], TestClient]
"""Makes a browser without script that has cookies of its own (the `visitor` fixture)."""

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests whose promise does not depend on the database: SQLite alone."""

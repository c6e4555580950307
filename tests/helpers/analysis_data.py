"""Data for the tests of analysis: published cases from tests/fixtures, and real ratings where they exist."""

import csv
import json
from typing import Any

import pytest

from tests.helpers.places import FIXTURES, SHARED

RATINGS = SHARED / "ratings"


def case(statistic: str, name: str) -> dict[str, Any]:
    """A published case with its citation."""
    content: dict[str, Any] = json.loads((FIXTURES / statistic / name / "case.json").read_text())
    assert content["source"], "a published case needs its citation"
    return content


def real(folder: str, file: str) -> list[dict[str, str]]:
    """Rows of a real data file that is not part of the repository; skips the test if it is absent."""
    path = RATINGS / folder / file
    if not path.is_file():
        pytest.skip(f"real ratings {folder}/{file} are not beside this checkout")
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))

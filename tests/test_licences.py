"""The licences of the packages that ClipJury needs to run are written down, and copyleft ones were looked at."""

import pytest

from tools import licences
from tools.licences import Licence


def test_the_page_lists_every_package_of_the_lock() -> None:
    """A package that was added to requirements.lock needs `make licences`; one that was removed as well."""
    lines = licences.PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ") and not line.startswith("| package")]
    assert [row[0].removeprefix("| ") for row in rows] == licences.packages()
    assert all(row[1] for row in rows)


def test_every_copyleft_licence_was_looked_at() -> None:
    """A package with a copyleft licence has a note, each package names a licence, and no note is out of date."""
    found = licences.licences()
    assert [one for one in found if one.is_unexamined] == []
    assert set(licences.NOTES) <= {one.package for one in found}


@pytest.mark.parametrize(
    ("licence", "is_unexamined"),
    [
        ("MIT", False),
        ("BSD License", False),
        ("", True),
        ("GPL-3.0-or-later", True),
        ("GNU Lesser General Public License v3", True),
        ("MIT AND MPL-2.0", True),
    ],
)
def test_copyleft_is_recognised(licence: str, is_unexamined: bool) -> None:
    """By its short name and by its long one; a licence that is not named counts as not examined."""
    assert Licence("new-package", licence).is_unexamined is is_unexamined

"""The documentation names files that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP = ("app", "scoring", "analysis", "templates", "static", "tests", "docs", "tools", "deploy")


@pytest.mark.parametrize(
    "page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name
)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    """A path in backticks that begins with a folder of the repository leads to a file or a folder."""
    named = re.findall(rf"`((?:{'|'.join(TOP)})/[\w./-]*)`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_architecture_page_names_every_package() -> None:
    """A newcomer finds each package of app/ in the picture."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = {folder.name for folder in (ROOT / "app").iterdir() if (folder / "__init__.py").exists()}
    assert {name for name in packages - {"migrations"} if f"{name}/" not in page} == set()


def test_every_test_that_the_security_page_names_exists() -> None:
    """A promise of the page is followed by the tests that check it, each in the file that is named before it."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    file, found = "", []
    for name in re.findall(r"`(tests/[\w/]+\.py|test_\w+)`", page):
        file = name if name.startswith("tests/") else file
        found.append((file, name))
    assert len(found) > 50
    missing = [
        (file, name)
        for file, name in found
        if name != file and f"def {name}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]
    assert missing == []

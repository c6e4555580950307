"""Static files: addresses with a version, kept by browsers, and scripts that import each other by plain names."""

import re
from collections.abc import Callable

from starlette.testclient import TestClient

from app.settings import data_folder
from app.web.pages import static_version

STATIC = data_folder("static")
TEMPLATES = data_folder("templates")


def test_every_file_a_template_names_exists() -> None:
    """No page asks for a style or a script that is not there, and every address carries the version."""
    named = set()
    for template in TEMPLATES.rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert "/static/" not in text, f"{template} has an address without a version"
        named |= set(re.findall(r"\{\{ static \}\}/([\w./-]+\.\w+)", text))
    assert {"app.css", "rating/room.js", "study/figures.js"} <= named
    assert [name for name in sorted(named) if not (STATIC / name).is_file()] == []


def test_every_script_that_is_imported_exists() -> None:
    """Plain imports name files beside the script, with their ending: no build step resolves them."""
    imports = 0
    for script in STATIC.rglob("*.js"):
        if script.parent.name == "vendor":
            continue
        for name in re.findall(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""", script.read_text(encoding="utf-8")):
            assert (script.parent / name).is_file(), f"{script.name} imports {name}"
            imports += 1
    assert imports > 10


def test_the_rating_room_preloads_every_script_that_it_imports() -> None:
    """The list in the template is the list of imports, so that no script waits for another."""
    page = (TEMPLATES / "rating" / "frame.html").read_text(encoding="utf-8")
    listed = re.search(r"for module in \(([^)]*)\)", page)
    assert listed is not None
    script = (STATIC / "rating" / "room.js").read_text(encoding="utf-8")
    imported = re.findall(r'from "\./(\w+)\.js"', script)
    assert sorted(re.findall(r"\w+", listed[1])) == sorted(imported)


def test_browsers_keep_files_of_this_version_alone(visitor: Callable[[], TestClient]) -> None:
    """A file under the current version is kept for a year; under an earlier one or none it is asked for again."""
    browser = visitor()
    plain, current, earlier = (
        browser.get(f"/static{version}/app.css") for version in ("", f"/{static_version()}", "/0123456789")
    )
    assert plain.content == current.content == earlier.content == (STATIC / "app.css").read_bytes()
    assert current.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["cache-control"] == earlier.headers["cache-control"] == "no-cache"


def test_no_address_leaves_the_static_folder(visitor: Callable[[], TestClient]) -> None:
    """A version in the address opens no way out of the folder."""
    browser = visitor()
    for path in ("../README.md", f"{static_version()}/../../README.md", f"{static_version()}/%2e%2e/%2e%2e/README.md"):
        assert browser.get(f"/static/{path}").status_code == 404

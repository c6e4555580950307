"""The picture in the head stays true: who imports whom, how long files are, what is never committed."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app", "scoring", "analysis")
MAY_IMPORT = {"scoring": {"scoring"}, "analysis": {"analysis"}, "app": {"app", "scoring", "analysis"}}
WEB = {"fastapi", "starlette", "sqlmodel", "sqlalchemy"}


def imports(path: Path) -> set[str]:
    """Top-level names a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def tracked(*patterns: str) -> list[Path]:
    """Files git knows; without git, files on disk."""
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    """scoring and analysis know neither the application, nor the web, nor each other."""
    for path in (ROOT / package).rglob("*.py"):
        found = imports(path)
        assert found & set(PACKAGES) <= MAY_IMPORT[package], path
        if package != "app":
            assert not found & WEB, path


def test_handlers_hold_no_sql() -> None:
    """Queries stand in the domain modules."""
    for path in (ROOT / "app" / "routes").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "sqlalchemy" not in imports(path), path
        assert not re.search(r"\b(select|db\.exec|db\.execute)\(", text), path


def test_no_module_is_longer_than_a_sitting() -> None:
    """400 lines at most."""
    long = {path.name: count for path in tracked("*.py") if (count := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_nothing_committed_names_a_registry() -> None:
    """Locks hold versions and hashes, no addresses."""
    hosts = re.compile("py" + r"pi\.org|files\.python" + r"hosted|registry\.npm" + r"js|deb\.deb" + r"ian\.org")
    for path in tracked("*", ":!static/vendor"):
        if path.suffix not in (".png", ".onnx", ".mp4", ".task"):
            assert not hosts.search(path.read_text(encoding="utf-8")), path
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-oracles.lock"):
        assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def test_the_locks_cover_what_the_project_asks_for() -> None:
    """Every dependency has its exact version in the locks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["demo"]
    locked = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    developers = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    for line in wanted:
        name = re.split(r"[\[<>=; ]", line)[0].lower()
        assert re.search(rf"^{re.escape(name)}(\[\w+\])?==", locked, re.MULTILINE), name
    for line in wanted + project["dependency-groups"]["dev"]:
        name = re.split(r"[\[<>=; ]", line)[0].lower()
        assert re.search(rf"^{re.escape(name)}(\[\w+\])?==", developers, re.MULTILINE), name


def test_vendored_files_are_those_their_readme_names() -> None:
    """Each vendored script stands in static/vendor/README.md with the hash of the file that is there."""
    import hashlib

    readme = (ROOT / "static" / "vendor" / "README.md").read_text(encoding="utf-8")
    for path in (ROOT / "static" / "vendor").glob("*.js"):
        assert path.name in readme
        assert hashlib.sha256(path.read_bytes()).hexdigest() in readme, path

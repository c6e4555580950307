"""The repository keeps its structure: which package imports which, how long files are, what is never committed."""

import ast
import re
import subprocess
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app", "scoring", "analysis")
MAY_IMPORT = {"scoring": {"scoring"}, "analysis": {"analysis"}, "app": {"app", "scoring", "analysis"}}
WEB = {"fastapi", "starlette"}
DATABASE = {"sqlmodel", "sqlalchemy"}
KNOW_THE_WEB = {"main", "server", "routes", "web", "demo"}
"""The packages of app/ that may import the web framework; the others are as useful to the command line."""
FLOORS = (
    ("cli",),
    ("demo",),
    ("commands",),
    ("server",),
    ("main",),
    ("routes",),
    ("exchange", "backup"),
    ("report",),
    ("pool_evidence",),
    ("thresholds", "monitoring", "recruiting", "models_as_raters"),
    ("results",),
    ("rating",),
    ("raters", "wizard"),
    ("studies",),
    ("sampling",),
    ("pools",),
    ("filters", "stats", "web", "webhooks", "researchers", "migrations"),
    ("ground",),
)
"""The packages of app/ from top to bottom. A package imports packages below it: none above, none on its own floor.

`backup`, `recruiting`, `models_as_raters` and `researchers` (people, roles, sign-in) are kept for what comes next.
"""
GROUND = {
    "settings",
    "errors",
    "db",
    "models",
    "auth",
    "languages",
    "api_tokens",
    "cache",
    "jobs",
    "failed_files",
    "limited_process",
    "limited_tables",
    "markdown",
    "private_files",
    "toml_text",
    "toml_errors",
}
"""The files directly in app/ that every package may import."""
ANALYSIS_GROUND = {"estimate", "ratings", "design", "resampling", "proportions", "number_format"}
"""The same for analysis/."""


ANALYSIS_FLOORS = (
    ("figures",),
    ("thresholds", "sampling", "raters", "association", "prediction_powered"),
    ("filters", "agreement", "consensus"),
    ("ground",),
)
"""The packages of analysis/ from top to bottom."""
FLOOR_TABLES = {"app": FLOORS, "analysis": ANALYSIS_FLOORS}


def imports(path: Path) -> set[str]:
    """Top-level names a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def module_name(path: Path) -> str:
    """`app.rating.room` for app/rating/room.py; a package's name for its `__init__`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(module: str) -> str:
    """`rating` for `app.rating.room`; `ground` for the files that everything may import."""
    parts = module.split(".")
    return "ground" if len(parts) == 1 or parts[1] in GROUND | ANALYSIS_GROUND else parts[1]


def import_graph(package: str) -> dict[str, set[str]]:
    """For every module of a package the modules of it that it imports, inside functions and for types too."""
    paths = {module_name(path): path for path in (ROOT / package).rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        found = graph[module] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                # `from app.rating import room` imports a module, `from app.rating.room import Room` a name of one.
                found |= {name if name in paths else node.module for name in names}
        found &= paths.keys() - {module}
    return graph


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
            assert not found & (WEB | DATABASE), path


@pytest.mark.parametrize("package", FLOOR_TABLES)
def test_every_package_imports_packages_below_it_alone(package: str) -> None:
    """The floors hold: no import goes up or sideways, inside functions neither, and every package has its floor."""
    floor = {name: number for number, names in enumerate(FLOOR_TABLES[package]) for name in names}
    graph = import_graph(package)
    packages = {package_of(module) for module in graph}
    assert packages <= floor.keys(), f"without a floor: {sorted(packages - floor.keys())}"
    wrong = [
        f"{module} imports {other}"
        for module, others in graph.items()
        for other in others
        if package_of(module) != package_of(other) and floor[package_of(other)] <= floor[package_of(module)]
    ]
    assert wrong == []


@pytest.mark.parametrize("package", ["app", "analysis"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    """Every module can be read after those that it imports."""
    order = TopologicalSorter(import_graph(package))
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("package", ["app", "analysis"])
def test_every_package_says_what_lives_there(package: str) -> None:
    """The first lines of each package tell a newcomer what it holds and what it may import."""
    for folder in (ROOT / package).iterdir():
        if (folder / "__init__.py").exists():
            told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
            assert "import" in told.lower(), folder.name
            assert len(told.splitlines()) >= 3, folder.name


def test_only_routes_and_the_web_shell_know_the_web_framework() -> None:
    """A domain module serves pages and the command line alike."""
    for path in (ROOT / "app").rglob("*.py"):
        module = module_name(path)
        if package_of(module) not in KNOW_THE_WEB and module != "app.auth":  # sessions live in cookies
            assert not imports(path) & WEB, module


def test_handlers_hold_no_sql() -> None:
    """Queries stand in the domain modules."""
    for path in (ROOT / "app" / "routes").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "sqlalchemy" not in imports(path), path
        assert not re.search(r"\b(select|db\.exec|db\.execute)\(", text), path


def test_sql_has_one_idiom() -> None:
    """`select` is SQLAlchemy's, under its own name; rows come from `execute`, single columns from `scalars`."""
    for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"from sqlmodel import .*\bselect\b|\bselect as\b", text), path
        assert path == Path(__file__) or ".exec(" not in text, path


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


def test_templates_count_nothing() -> None:
    """Templates hold loops and conditions; what needs a variable across a loop is made by the page's view."""
    counting = [path for path in (ROOT / "templates").rglob("*.html") if "namespace(" in path.read_text()]
    assert counting == []

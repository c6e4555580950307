"""The structure of scoring/: who imports whom, no circle, and no scorer that is named where it should be declared."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import scoring
from scoring.registry import SCORERS
from scoring.settings import Settings

SCORING = Path(scoring.__file__).parent
ROOT = SCORING.parent
FLOORS = (
    ("explain", "runners", "segmenting"),
    ("registry", "pipeline"),
    ("head", "picture", "motion", "sound", "models"),
    ("scorer",),
    ("video",),
    ("faces",),
    ("settings", "weights", "images", "locations", "filters"),
)
"""The packages and modules of scoring/ from top to bottom. Each imports what is below it: nothing above or beside."""


def name_of(path: Path) -> str:
    """The name by which a file of scoring/ is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in SCORING.rglob("*.py")}


def imported(path: Path) -> set[str]:
    """The modules of scoring that a file imports: at its top, inside functions, and for type checking only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inside & MODULES.keys()) or {node.module}
    return found & MODULES.keys()


def test_no_circle_of_modules() -> None:
    """No module of scoring/ imports itself by way of others, whether inside a function or for types only."""
    graph = {name: imported(path) for name, path in MODULES.items()}
    assert sum(len(found) for found in graph.values()) > 100
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_packages_import_only_what_is_below_them() -> None:
    """Every package has its floor, and imports itself and lower floors."""
    floor_of = {name: number for number, names in enumerate(FLOORS) for name in names}
    assert {name.split(".")[1] for name in MODULES if name != "scoring"} == floor_of.keys()
    for name, path in MODULES.items():
        own = name.split(".")[1:2]
        for other in imported(path) - {"scoring"}:
            package = other.split(".")[1]
            assert own, "scoring/__init__.py imports nothing, so that a module can be imported without all scorers"
            assert own[0] == package or floor_of[package] > floor_of[own[0]], f"{name} imports {other}"


def comparisons(tree: ast.Module) -> Iterator[tuple[str, set[object]]]:
    """The attributes and keys in a file that are compared with constants, each with those constants."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        constants: set[object] = {
            inner.value for side in sides for inner in ast.walk(side) if isinstance(inner, ast.Constant)
        }
        for side in sides:
            if isinstance(side, ast.Attribute):
                yield side.attr, constants
            elif isinstance(side, ast.Subscript) and isinstance(side.slice, ast.Constant):
                yield str(side.slice.value), constants


@pytest.mark.parametrize("package", ["app", "analysis", "scoring"])
def test_no_scorer_is_told_by_its_name(package: str) -> None:
    """Code asks what a scorer declares, never what it is called; only the registry imports the scorers' functions."""
    names = {make(Settings()).name for make in SCORERS}
    modules = {make.__module__ for make in SCORERS}
    for path in (ROOT / package).rglob("*.py"):
        for asked, constants in comparisons(ast.parse(path.read_text(encoding="utf-8"))):
            assert asked not in ("name", "scorer") or not constants & names, path
        if path != SCORING / "registry.py":
            assert not imported(path) & modules, path

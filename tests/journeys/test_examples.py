"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import analysis
import app
import scoring

MODULES = sorted(
    found.name
    for package in (analysis, app, scoring)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.startswith("app.migrations")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_give_what_they_say(name: str) -> None:
    """No example of any module fails."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found() -> None:
    """The walk above meets the examples there are."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) > 50

"""The examples in the docstrings run."""

import doctest
import importlib

import pytest

MODULES = [
    "scoring.head",
    "scoring.motion",
    "scoring.pixels",
    "scoring.runners",
    "scoring.weights",
    "app.demo.clips",
    "app.manifests",
    "app.pools",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_give_what_they_say(name: str) -> None:
    """Each module has examples, and none of them fails."""
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0

"""Numeric options of every command: each has bounds, and a number outside of them is refused in words."""

import inspect
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from app.cli import cli
from app.commands.numeric_options import Bounds
from app.errors import AppError

IMPOSSIBLE = ("nan", "inf", "-inf", "1e300", "9" * 400, "many", "")


def numbers_of(commands: typer.Typer, before: tuple[str, ...] = ()) -> Iterator[tuple[str, str, Any]]:
    """Every numeric option and argument below some commands: the command, the parameter's name, what typer knows."""
    for group in commands.registered_groups:
        assert group.typer_instance is not None
        yield from numbers_of(group.typer_instance, (*before, str(group.name)))
    for command in commands.registered_commands:
        assert command.callback is not None
        words = " ".join((*before, command.name or command.callback.__name__.replace("_", "-")))
        hints = get_type_hints(command.callback, include_extras=True)
        for name in inspect.signature(command.callback).parameters:
            kind, *known = get_args(hints[name]) if get_origin(hints[name]) is Annotated else (hints[name],)
            if {int, float} & {kind, *get_args(kind)}:
                yield words, name, known[0] if known else None


NUMBERS = list(numbers_of(cli))


def test_the_walk_finds_the_numbers_of_all_commands() -> None:
    """Options of commands, of groups and of groups within groups are among them."""
    found = {(command, name) for command, name, _ in NUMBERS}
    assert {("demo", "port"), ("plan", "alpha"), ("stats calibrate", "resamples"), ("pool head", "rows")} <= found
    assert len(found) > 50


@pytest.mark.parametrize(("command", "name", "known"), NUMBERS, ids=[f"{one[0]} {one[1]}" for one in NUMBERS])
def test_every_numeric_option_has_bounds(command: str, name: str, known: Any) -> None:
    """NaN, infinity, a huge number and numbers outside of the bounds are errors with the option and the bounds."""
    bounds = getattr(known, "parser", None)
    assert isinstance(bounds, Bounds), f"{command}: declare {name} with app.commands.numeric_options"
    assert bounds.option == f"--{name.replace('_', '-')}"
    assert bounds.option in (known.default, *known.param_decls)
    assert bounds.least < bounds.most < 1e16
    outside = [str(bounds.least - 1), str(bounds.most + 1), *IMPOSSIBLE]
    if bounds.is_open:
        outside += [str(bounds.least), str(bounds.most)]
    for given in outside:
        with pytest.raises(AppError) as caught:
            bounds(given)
        assert str(caught.value).startswith(f"{bounds.option} {given} is not possible. Give a ")
        assert str(caught.value).endswith(f"number {bounds.range}.")
    if not bounds.is_open:
        assert (bounds(str(bounds.least)), bounds(str(bounds.most))) == (bounds.least, bounds.most)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("stats", "calibrate", "x.csv", "--score", "a", "--label", "b", "--resamples", "200000"),
            "from 2 to 100000",
        ),
        (("stats", "agreement", "x.csv", "--scale", "nominal", "--confidence", "1e-300"), "from 0.5 to 0.999"),
        (("stats", "raters", "x.csv", "--tolerance", "nan"), "from 0 to 1000"),
        (("segment", "x", "-o", "y", "--longest", "inf"), "from 0 to 1000000"),
        (("pool", "head", "x.parquet", "-n", "0"), "--rows 0 is not possible. Give a whole number from 1 to 1000."),
        (("score", "x", "-o", "y", "--jobs", "1.5"), "--jobs 1.5 is not possible. Give a whole number from 1 to 1000."),
    ],
)
def test_a_command_refuses_a_number_before_it_reads_anything(words: tuple[str, ...], message: str) -> None:
    """The message names the option and its bounds; the files that are named need not exist."""
    refused = CliRunner().invoke(cli, list(words)).exception
    assert isinstance(refused, AppError)
    assert message in str(refused)

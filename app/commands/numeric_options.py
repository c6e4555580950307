"""Numeric options of the commands: every one has bounds, and a number outside of them is refused in words."""

from dataclasses import dataclass
from typing import Any

import typer

from app.errors import AppError

MAX_COUNT = 1_000_000_000
"""The largest number of things that an option takes; the arithmetic would overflow with larger ones."""
MAX_SEED = 2**31 - 1
MAX_JOBS = 1000
MAX_SCORE = 1e15
"""The largest score or threshold that an option takes, in absolute value."""


@dataclass(frozen=True)
class Bounds:
    """The numbers that an option takes, `least` and `most` included unless `is_open`; typer calls it with the text."""

    option: str
    least: float
    most: float
    is_whole: bool = False
    is_open: bool = False
    __name__ = "number"

    @property
    def range(self) -> str:
        """The bounds in words.

        >>> Bounds("--seed", 0, 9, is_whole=True).range, Bounds("--power", 0, 1, is_open=True).range
        ('from 0 to 9', 'between 0 and 1')
        """
        least, most = (_text(bound) for bound in (self.least, self.most))
        return f"between {least} and {most}" if self.is_open else f"from {least} to {most}"

    def __call__(self, given: str | float) -> float:
        """The number. Raises AppError if the text is not a number, is not a number (NaN), or is out of bounds."""
        try:
            number = int(given) if self.is_whole else float(given)
        except ValueError:
            number = float("nan")
        within = self.least < number < self.most if self.is_open else self.least <= number <= self.most
        if not within:  # also for NaN
            kind = "a whole number" if self.is_whole else "a number"
            raise AppError(f"{self.option} {given} is not possible.", f"Give {kind} {self.range}.")
        return number


def whole(option: str, least: int, most: int, meaning: str, *, short: str = "") -> Any:
    """An option that takes a whole number from `least` to `most`; `meaning` is its help text."""
    return _option(Bounds(option, least, most, is_whole=True), meaning, short, "NUMBER")


def real(
    option: str, least: float, most: float, meaning: str, *, metavar: str = "NUMBER", is_open: bool = False
) -> Any:
    """An option that takes a number from `least` to `most`, or between them if `is_open`."""
    return _option(Bounds(option, least, most, is_open=is_open), meaning, "", metavar)


def seed(meaning: str) -> Any:
    """The option --seed."""
    return whole("--seed", 0, MAX_SEED, meaning)


def confidence() -> Any:
    """The option --confidence of the commands that report intervals."""
    return real("--confidence", 0.5, 0.999, "Of the intervals.")


def _text(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) and abs(bound) < MAX_SCORE else f"{bound:g}"


def _option(bounds: Bounds, meaning: str, short: str, metavar: str) -> Any:
    shown = f"{meaning} {bounds.range[0].upper()}{bounds.range[1:]}." if bounds.most < MAX_COUNT else meaning
    names = [short, bounds.option] if short else [bounds.option]
    return typer.Option(*names, parser=bounds, metavar=metavar, help=shown)

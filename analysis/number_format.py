"""How numbers are written: one format for every estimate on pages, in figures, in reports and on the command line.

An estimate with a 95 % interval is written `0.63 [0.40, 0.81]`. Percentages are for plain counts.
"""

import math
from typing import Protocol

DASH = "–"
UNDEFINED = "undefined"
NO_INTERVAL = "(no interval)"
_NOISE = 9
"""Decimals that a computation can be trusted with: a sum in another order must not change the last digit shown."""


class HasInterval(Protocol):
    """What is written of an estimate."""

    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def undefined(self) -> str | None: ...


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with a fixed number of decimals and a true minus sign; a dash for None.

    >>> decimal(0.625), decimal(-0.5), decimal(-0.001), decimal(None)
    ('0.62', '−0.50', '0.00', '–')
    """
    if value is None:
        return DASH
    text = f"{round(value, _NOISE):.{digits}f}"
    return text.replace("-", "−" if float(text) else "")


def ends_text(low: float | None, high: float | None, digits: int = 2) -> str:
    """Both ends of an interval in brackets, or the words that there is none.

    >>> ends_text(0.4, 0.812), ends_text(None, None)
    ('[0.40, 0.81]', '(no interval)')
    """
    return NO_INTERVAL if low is None or high is None else f"[{decimal(low, digits)}, {decimal(high, digits)}]"


def number_text(
    value: float | None, low: float | None, high: float | None, undefined: str | None, digits: int = 2
) -> str:
    """A value with its interval, or why it is undefined.

    >>> number_text(0.63, 0.4, 0.81, None), number_text(None, None, None, "no clip was rated")
    ('0.63 [0.40, 0.81]', 'undefined: no clip was rated')
    """
    if value is None:
        return f"{UNDEFINED}: {undefined}" if undefined else UNDEFINED
    return f"{decimal(value, digits)} {ends_text(low, high, digits)}"


def estimate_text(one: HasInterval | None, digits: int = 2) -> str:
    """An estimate as every page, file and figure shows it; a dash for None: a quantity that was not asked for.

    Only means of a score in its own unit have another number of `digits`: those of `digits_of`.
    """
    return DASH if one is None else number_text(one.value, one.low, one.high, one.undefined, digits)


def digits_of(half_width: float) -> int:
    """The decimals that show a half-width in any unit with two figures, at least two.

    >>> digits_of(12.0), digits_of(0.31), digits_of(0.00042), digits_of(0.0)
    (2, 2, 5, 2)
    """
    return 2 if half_width <= 0 else max(2, 1 - math.floor(math.log10(half_width)))

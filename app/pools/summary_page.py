"""The summary of a pool as one HTML file, without scripts and external files, in the style of the web pages."""

from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.filters.threshold_text import short_number, threshold_text
from app.pools.summary import Histogram, PoolSummary
from app.pools.summary_terminal import count, headline, hours
from app.settings import data_folder

WIDTH, HEIGHT = 480, 96
"""Size of a histogram, in units of its drawing."""
_LABEL_HEIGHT = 14


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram; `verdict` says whether the filters accept its middle ("" without filters)."""

    x: float
    y: float
    width: float
    height: float
    verdict: str
    clips: int
    low: str
    high: str


@dataclass(frozen=True)
class ThresholdLine:
    """The line of a threshold and its label; `anchor` keeps the label inside the drawing."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Drawing:
    """A histogram as the template draws it, with its labels."""

    one: Histogram
    bars: tuple[Bar, ...]
    thresholds: tuple[ThresholdLine, ...]
    accepts: str
    low: str
    high: str


def render(summary: PoolSummary) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(data_folder("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "hours": hours, "short": short_number}
    style = (data_folder("static") / "app.css").read_text(encoding="utf-8")
    return environment.get_template("pools/summary.html").render(
        summary=summary,
        size=headline(summary),
        drawings=[drawing(one) for one in summary.histograms],
        # This is the application's stylesheet, not text of a user.
        style=Markup(style),  # noqa: S704 - a file of this package
        width=WIDTH,
        height=HEIGHT,
        room=_LABEL_HEIGHT,
    )


def drawing(one: Histogram) -> Drawing:
    """The bars and thresholds of a histogram in units of the drawing.

    >>> made = drawing(Histogram("x", 0, 2, (1, 3), 0, 4, 0.0, 1.0, 1.0))
    >>> [(bar.x, bar.height) for bar in made.bars]
    [(0.0, 32.0), (240.0, 96.0)]
    """
    most = max(one.counts) or 1
    wide = WIDTH / len(one.counts)
    step = (one.high - one.low) / len(one.counts)
    bars = []
    for place, clips in enumerate(one.counts):
        tall = max(1.0, round(HEIGHT * clips / most, 2)) if clips else 0.0
        low = one.low + place * step
        accepted = one.accepts(low + step / 2)
        verdict = "plain" if not one.filters else "accept" if accepted else "reject"
        bars.append(
            Bar(
                round(place * wide, 2),
                HEIGHT - tall,
                round(wide, 2),
                tall,
                verdict,
                clips,
                short_number(low),
                short_number(low + step),
            )
        )
    thresholds = []
    for value, sign in one.thresholds:
        x = round((value - one.low) / (one.high - one.low) * WIDTH, 2)
        anchor = "start" if x < WIDTH / 8 else "end" if x > 7 * WIDTH / 8 else "middle"
        thresholds.append(ThresholdLine(x, f"{sign} {value:g}", anchor))
    accepts = ", ".join(threshold_text(rule.minimum, rule.maximum) for rule in one.filters)
    return Drawing(one, tuple(bars), tuple(thresholds), accepts, short_number(one.low), short_number(one.high))

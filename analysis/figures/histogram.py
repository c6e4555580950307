"""Histogram of rated clips by score and verdict, with the thresholds and, behind it, the pool."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import numpy as np

from analysis.consensus.majority import Verdict
from analysis.estimate import Bools, Floats, Ints
from analysis.figures.rendering import VERDICT_COLOURS, Chart, Table

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_BINS = 24  # wanted; the result has 12 to 30
_MAX_BINS = 120  # beyond it the accepted range is too narrow to set the width of the bins


def score_histogram(
    scores: Sequence[float],
    verdicts: Sequence[Verdict | None],
    *,
    name: str,
    low: float | None = None,
    high: float | None = None,
    pool: Sequence[float] | Floats | None = None,
    width: int = 440,
) -> Chart:
    """Rated clips by score, stacked by the raters' verdict (None: undecided), with the filter's thresholds.

    The filter accepts low <= score <= high; either end may be None. A threshold is always an edge of bins. `pool` holds
    the scores of all clips, drawn behind in grey on the right-hand axis. `name` is that of the score, with its unit.
    `width` is that of the plot in pixels. Besides colour, order shows the verdict: accepts are lowest, undecided clips
    on top. Raises ValueError if no rated clip has a score.
    """
    bins = _Bins.of(scores, verdicts, low, high, pool)
    x = alt.X(
        "from:Q",
        bin=alt.BinParams(binned=True),
        title=name,
        scale=alt.Scale(domain=[bins.edges[0], bins.edges[-1]], nice=False),
    )
    chart: Chart = _with_thresholds(_rated_bars(bins, x), [end for end in (low, high) if end is not None])
    if bins.pool is not None:
        chart = alt.layer(_pool_bars(bins, x), chart).resolve_scale(y="independent")
    undecided = sum(verdict is None for verdict in verdicts)
    subtitle = f"n = {len(scores)} rated clips" + (f", {undecided} undecided" if undecided else "")
    finding = _finding(np.asarray(scores, dtype=np.float64), verdicts, low, high)
    return chart.properties(width=width, height=width // 2, title=alt.Title(finding, subtitle=subtitle))


def _rated_bars(bins: "_Bins", x: alt.X) -> alt.Chart:
    colours = alt.Scale(domain=list(VERDICT_COLOURS), range=list(VERDICT_COLOURS.values()))
    bars: alt.Chart = alt.Chart(alt.InlineData(values=bins.bars())).mark_bar(binSpacing=1 if bins.pool is None else 6)
    return bars.encode(
        x=x,
        x2="to:Q",
        y=alt.Y("clips:Q", title="rated clips", axis=alt.Axis(tickMinStep=1, format="d")),
        color=alt.Color("verdict:N", title=None, scale=colours),
        order="order:Q",
        tooltip=["from:Q", "to:Q", "verdict:N", "clips:Q"],
    )


def _pool_bars(bins: "_Bins", x: alt.X) -> alt.Chart:
    axis = alt.Axis(orient="right", grid=False, format="~s", tickMinStep=1)
    y = alt.Y("clips:Q", title="clips in the pool (grey)", axis=axis)
    bars: alt.Chart = alt.Chart(alt.InlineData(values=bins.pool_bars())).mark_bar(style="pool", binSpacing=0)
    return bars.encode(x=x, x2="to:Q", y=y)


def score_histogram_table(
    scores: Sequence[float],
    verdicts: Sequence[Verdict | None],
    *,
    name: str,
    low: float | None = None,
    high: float | None = None,
    pool: Sequence[float] | Floats | None = None,
) -> Table:
    """One row per bin: from, to, the clips of each verdict, and the clips of the pool if its scores are given.

    >>> score_histogram_table([1, 2, 2.5], ["reject", "accept", None], name="dover", low=2).rows[-1]
    (2.5, 2.6, 0, 0, 1)
    """
    bins = _Bins.of(scores, verdicts, low, high, pool)
    headings = (f"{name} from", "to", *VERDICT_COLOURS) + (("in the pool",) if bins.pool is not None else ())
    rows = []
    for number in range(len(bins.edges) - 1):
        start, end = (float(f"{edge:.6g}") for edge in bins.edges[number : number + 2])
        row = (start, end, *(int(clips) for clips in bins.clips[:, number]))
        rows.append(row if bins.pool is None else (*row, int(bins.pool[number])))
    return Table(headings, tuple(rows))


@dataclass(frozen=True, eq=False)
class _Bins:
    """`edges` (bins + 1,), `clips` (verdicts, bins) in the order of `VERDICT_COLOURS`, `pool` (bins,) or None."""

    edges: Floats
    clips: Ints
    pool: Ints | None

    @classmethod
    def of(
        cls,
        scores: Sequence[float],
        verdicts: Sequence[Verdict | None],
        low: float | None,
        high: float | None,
        pool: Sequence[float] | Floats | None,
    ) -> "_Bins":
        rated = np.asarray(scores, dtype=np.float64)
        if len(rated) != len(verdicts) or not len(rated) or not np.isfinite(rated).all():
            raise ValueError(f"{len(rated)} scores for {len(verdicts)} verdicts: each rated clip needs a score")
        whole = np.asarray(rated if pool is None else pool, dtype=np.float64)
        whole = whole[np.isfinite(whole)]
        anchor = low if low is not None else high
        ends = [rated.min(), rated.max(), whole.min(), whole.max(), *([] if anchor is None else [anchor])]
        first, last = float(min(ends)), float(max(ends))
        step = _step(first, last, low, high)
        origin = float(np.floor(first / step) * step) if anchor is None else anchor
        upper = low is None and high is not None  # bins include their upper edge, so that score == high is accepted
        place = _Places(origin, step, upper, high)
        lowest = min(int(place.of(np.array([first]))[0]), -1 if anchor is not None else 0)
        highest = max(int(place.of(np.array([last]))[0]), 0)
        bins = highest - lowest + 1
        kinds = [("undecided" if verdict is None else verdict) for verdict in verdicts]
        clips = np.array(
            [
                np.bincount(place.of(rated[np.array([kind == word for kind in kinds])]) - lowest, minlength=bins)
                for word in VERDICT_COLOURS
            ]
        )
        grey = None if pool is None else np.bincount(place.of(whole) - lowest, minlength=bins)
        edges = origin + step * np.arange(lowest, highest + 2, dtype=np.float64)
        return cls(edges.astype(np.float64), clips, grey)

    def bars(self) -> list[dict[str, float | int | str]]:
        return [
            {"from": start, "to": end, "verdict": verdict, "order": order, "clips": int(self.clips[order, number])}
            for number, (start, end) in enumerate(self._spans())
            for order, verdict in enumerate(VERDICT_COLOURS)
            if self.clips[order, number]
        ]

    def pool_bars(self) -> list[dict[str, float | int]]:
        counts = [] if self.pool is None else self.pool.tolist()
        return [{"from": a, "to": b, "clips": n} for (a, b), n in zip(self._spans(), counts, strict=True) if n]

    def _spans(self) -> list[tuple[float, float]]:
        return list(zip(self.edges[:-1].tolist(), self.edges[1:].tolist(), strict=True))


@dataclass(frozen=True)
class _Places:
    """The bin of a score, counted from `origin`; a threshold separates bins exactly as the filter does."""

    origin: float
    step: float
    upper: bool
    high: float | None

    def of(self, values: Floats) -> Ints:
        offset = (values - self.origin) / self.step
        number = np.ceil(offset) - 1 if self.upper else np.floor(offset)
        if self.high is not None and not self.upper:
            last = round((self.high - self.origin) / self.step) - 1
            number = np.where(values <= self.high, np.minimum(number, last), np.maximum(number, last + 1))
        return number.astype(np.int64)


def _step(first: float, last: float, low: float | None, high: float | None) -> float:
    """A round bin width that gives about `_BINS` bins; with two thresholds, one that divides the range between them."""
    span = last - first or max(abs(last), 1.0)
    unit = 10 ** np.floor(np.log10(span / _BINS))
    step = float(unit * next(step for step in _STEPS if step * unit * _BINS >= span * (1 - 1e-9)))
    if low is not None and high is not None and high > low and span / (high - low) < _MAX_BINS:
        return (high - low) / max(1, round((high - low) / step))
    return step


def _with_thresholds(sample: alt.Chart, thresholds: list[float]) -> Chart:
    if not thresholds:
        return sample
    rows = [{"threshold": threshold, "words": f"threshold {threshold:g}"} for threshold in thresholds]
    rules = alt.Chart(alt.InlineData(values=rows)).encode(x="threshold:Q")
    words = rules.mark_text(style="text", baseline="bottom", dy=-4).encode(text="words:N", y=alt.value(0))
    return alt.layer(sample, rules.mark_rule(style="threshold"), words)


def _finding(scores: Floats, verdicts: Sequence[Verdict | None], low: float | None, high: float | None) -> str:
    good = np.array([verdict == "accept" for verdict in verdicts])
    if low is None and high is None:
        return f"Raters accepted {int(good.sum())} of {len(good)} clips"
    passes: Bools = np.ones(len(scores), dtype=np.bool_)
    passes &= scores >= (-np.inf if low is None else low)
    passes &= scores <= (np.inf if high is None else high)
    kept, lost = int(passes.sum()), int((~passes).sum())
    above, below = int(good[passes].sum()), int(good[~passes].sum())
    return f"Raters accepted {above} of {kept} clips that pass, {below} of {lost} that fail"

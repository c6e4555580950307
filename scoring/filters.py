"""Filters: thresholds on the scores of a pool, which clips pass, and how many clips and hours each stage keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeVar

import polars as pl

Unknown = Literal["fail", "pass"]
"""How a filter treats a clip without its score."""
Table = TypeVar("Table", pl.DataFrame, pl.LazyFrame)

ALL = "pass_all"
"""The column with the verdict of all filters together."""
_TIME = "microseconds"
_CLIPS = "clips"
_TIMED = "timed"


@dataclass(frozen=True)
class Filter:
    """An automated filter: it accepts a clip if `minimum <= score <= maximum` (either may be None, not both).

    `score` is a column of the pool. Filters of one `stage` are counted together in the cascade; by default each
    filter is a stage of its own. `rubric` says in words what the filter should accept, to be read next to the
    thresholds. Raises ValueError for a filter without a threshold, for a threshold that is not finite, for a minimum
    above the maximum, and for the name `all`.

    >>> Filter("dover", "dover_scores", minimum=7).column
    'pass_dover'
    """

    name: str
    score: str
    minimum: float | None = None
    maximum: float | None = None
    stage: str = ""
    rubric: str = ""

    def __post_init__(self) -> None:
        ends = [end for end in (self.minimum, self.maximum) if end is not None]
        if not self.name or not self.score:
            raise ValueError("a filter needs a name and a score")
        if self.column == ALL:
            raise ValueError(f"the name 'all' is taken: {ALL} says whether a clip passes every filter")
        if not ends:
            raise ValueError("a filter needs min, max or both")
        if not all(isfinite(end) for end in ends):
            raise ValueError("min and max must be finite")
        if ends[0] > ends[-1]:
            raise ValueError("min lies above max")

    @property
    def column(self) -> str:
        """The name of the column with the filter's verdict: true, false, or null where the score is unknown."""
        return f"pass_{self.name}"

    @property
    def in_stage(self) -> str:
        """The stage of the cascade that the filter belongs to."""
        return self.stage or self.name

    def passes(self) -> pl.Expr:
        """The verdict: true, false, or null where the score is null or not finite. Both thresholds are inclusive.

        >>> frame = pl.DataFrame({"ratio": [0.8, 0.85, 1.0, None, float("nan")]})
        >>> frame.select(Filter("still", "ratio", 0.85, 0.999).passes()).to_series().to_list()
        [False, True, False, None, None]
        """
        score = pl.col(self.score).cast(pl.Float64)
        low = pl.lit(True) if self.minimum is None else score >= self.minimum
        high = pl.lit(True) if self.maximum is None else score <= self.maximum
        return pl.when(score.is_finite()).then(low & high).alias(self.column)


@dataclass(frozen=True)
class Amount:
    """An amount of a pool: the number of clips, and their total duration in microseconds (None: not known).

    Durations are whole microseconds, so that sums are exact in any order.
    """

    clips: int
    microseconds: int | None = None

    @property
    def hours(self) -> float | None:
        """The total duration in hours; None if it is not known."""
        return None if self.microseconds is None else self.microseconds / 3.6e9

    def __sub__(self, part: "Amount") -> "Amount":
        """The amount without a part of it; exact."""
        timed = self.microseconds is not None and part.microseconds is not None
        left = (self.microseconds or 0) - (part.microseconds or 0)
        return Amount(self.clips - part.clips, left if timed else None)

    def share_of_clips(self, whole: "Amount") -> float | None:
        """The share (0 to 1) of the clips of the whole; None if the whole has none."""
        return self.clips / whole.clips if whole.clips else None

    def share_of_hours(self, whole: "Amount") -> float | None:
        """The share (0 to 1) of the duration of the whole; None if a duration is not known or the whole has none."""
        if self.microseconds is None or not whole.microseconds:
            return None
        return self.microseconds / whole.microseconds


@dataclass(frozen=True)
class Stage:
    """One stage of the cascade: the clips that enter it, and those that are kept, that fail and that are unknown.

    `kept`, `failed` and `unknown` count clips that passed the earlier stages. An unknown clip fails no filter of the
    stage but lacks a score of one of them; it is kept or dropped as the cascade's `unknown` says.
    """

    name: str
    filters: tuple[str, ...]
    before: Amount
    kept: Amount
    failed: Amount
    unknown: Amount

    @property
    def dropped(self) -> Amount:
        """The amount that the stage removes."""
        return self.before - self.kept


@dataclass(frozen=True)
class FilterAlone:
    """One filter applied to the whole pool by itself. `unique` are the clips that only this filter rejects."""

    filter: Filter
    passed: Amount
    failed: Amount
    unknown: Amount
    unique: Amount

    @property
    def pass_rate(self) -> float | None:
        """The share (0 to 1) of the clips with this score that pass; None if no clip has it."""
        return self.passed.share_of_clips(Amount(self.passed.clips + self.failed.clips))


@dataclass(frozen=True)
class Cascade:
    """A pool passed through all filters, stage by stage. `untimed` counts the clips without a duration."""

    raw: Amount
    stages: tuple[Stage, ...]
    filters: tuple[FilterAlone, ...]
    unknown: Unknown
    untimed: int

    @property
    def kept(self) -> Amount:
        """The amount that passes every filter."""
        return self.stages[-1].kept


def chain(filters: Sequence[Filter], *, unknown: Unknown = "fail") -> pl.Expr:
    """Whether a clip passes every filter: true or false. A filter without its score counts as `unknown` says.

    >>> frame = pl.DataFrame({"clip": ["a", "b"], "dover": [8.0, None]})
    >>> frame.select(chain([Filter("dover", "dover", minimum=7)], unknown="pass")).to_series().to_list()
    [True, True]
    """
    _checked(filters)
    counted = [rule.passes().fill_null(value=unknown == "pass") for rule in filters]
    return pl.all_horizontal(counted).alias(ALL)


def survivors(frame: Table, filters: Sequence[Filter], *, unknown: Unknown = "fail") -> Table:
    """The rows that pass every filter, in the order of the table.

    >>> frame = pl.DataFrame({"clip": ["a", "b", "c"], "dover": [8.0, 6.9, None]})
    >>> survivors(frame, [Filter("dover", "dover", minimum=7)])["clip"].to_list()
    ['a']
    """
    return frame.filter(chain(filters, unknown=unknown))


def with_verdicts(frame: Table, filters: Sequence[Filter], *, unknown: Unknown = "fail") -> Table:
    """The table with a column `pass_<name>` per filter (null where its score is unknown) and `pass_all` (never null).

    >>> frame = pl.DataFrame({"dover": [8.0, None]})
    >>> with_verdicts(frame, [Filter("good", "dover", minimum=7)]).to_dicts()[1]
    {'dover': None, 'pass_good': None, 'pass_all': False}
    """
    return frame.with_columns(*[rule.passes() for rule in filters], chain(filters, unknown=unknown))


def cascade(
    frame: pl.DataFrame | pl.LazyFrame,
    filters: Sequence[Filter],
    *,
    unknown: Unknown = "fail",
    duration: str = "duration",
) -> Cascade:
    """The amount of a pool that each stage keeps, and the effect of each filter by itself.

    The stages are in the order in which `filters` first names them. `duration` is the column of durations in seconds;
    without it, or without a value in it, the amounts have no hours. One pass counts the rows by their pattern of pass,
    fail and unknown; all amounts are sums over the patterns. Raises ValueError for no filters or a repeated name.

    >>> pool = pl.DataFrame({"duration": [3.0, 7200.0, 3600.0], "dover": [9.0, 8.0, 5.0]})
    >>> rules = [Filter("length", "duration", minimum=5), Filter("quality", "dover", minimum=7)]
    >>> [(stage.name, stage.kept.clips, stage.kept.hours) for stage in cascade(pool, rules).stages]
    [('length', 2, 3.0), ('quality', 1, 2.0)]
    """
    _checked(filters)
    patterns = _patterns(frame.lazy(), filters, duration)
    timed = int(patterns[_TIMED].sum())
    untimed = int(patterns[_CLIPS].sum()) - timed
    if untimed and not timed:
        patterns = patterns.drop(_TIME)
    return Cascade(
        raw=_amount(patterns, pl.lit(value=True)),
        stages=_stages(patterns, filters, unknown),
        filters=tuple(_alone(patterns, filters, unknown)),
        unknown=unknown,
        untimed=untimed,
    )


def _checked(filters: Sequence[Filter]) -> None:
    names = [rule.name for rule in filters]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise ValueError(f"the name {twice[0]!r} is used twice" if twice else "there is no filter")


def _patterns(frame: pl.LazyFrame, filters: Sequence[Filter], duration: str) -> pl.DataFrame:
    """One row per pattern of verdicts: the number of clips, of clips with a duration, and their total duration."""
    seconds = pl.col(duration) if duration in frame.collect_schema() else pl.lit(None)
    seconds = seconds.cast(pl.Float64)
    time = pl.when(seconds.is_finite()).then((seconds * 1_000_000).round()).cast(pl.Int64, strict=False).alias(_TIME)
    keys = [rule.column for rule in filters]
    counted = frame.select(*[rule.passes() for rule in filters], time).group_by(keys)
    return counted.agg(
        pl.len().cast(pl.Int64).alias(_CLIPS),
        pl.col(_TIME).count().cast(pl.Int64).alias(_TIMED),
        pl.col(_TIME).sum(),
    ).collect()


def _amount(patterns: pl.DataFrame, where: pl.Expr) -> Amount:
    inside = patterns.filter(where)
    return Amount(int(inside[_CLIPS].sum()), int(inside[_TIME].sum()) if _TIME in inside.columns else None)


def _stages(patterns: pl.DataFrame, filters: Sequence[Filter], unknown: Unknown) -> tuple[Stage, ...]:
    members: dict[str, list[Filter]] = {}
    for rule in filters:
        members.setdefault(rule.in_stage, []).append(rule)
    stages: list[Stage] = []
    inside = pl.lit(value=True)
    before = _amount(patterns, inside)
    for name, rules in members.items():
        verdict = pl.all_horizontal([rule.column for rule in rules])  # false outweighs unknown, unknown outweighs true
        through = inside & verdict.fill_null(value=unknown == "pass")
        stages.append(
            Stage(
                name=name,
                filters=tuple(rule.name for rule in rules),
                before=before,
                kept=(kept := _amount(patterns, through)),
                failed=_amount(patterns, inside & ~verdict),
                unknown=_amount(patterns, inside & verdict.is_null()),
            )
        )
        inside, before = through, kept
    return tuple(stages)


def _alone(patterns: pl.DataFrame, filters: Sequence[Filter], unknown: Unknown) -> list[FilterAlone]:
    rejects = {rule.name: ~pl.col(rule.column).fill_null(value=unknown == "pass") for rule in filters}
    one = pl.sum_horizontal(list[Any](rejects.values())) == 1
    return [
        FilterAlone(
            filter=rule,
            passed=_amount(patterns, pl.col(rule.column)),
            failed=_amount(patterns, ~pl.col(rule.column)),
            unknown=_amount(patterns, pl.col(rule.column).is_null()),
            unique=_amount(patterns, rejects[rule.name] & one),
        )
        for rule in filters
    ]

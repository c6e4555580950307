"""Filters: cuts on the scores of a pool, what passes them, and how many clips and hours each stage keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeVar

import polars as pl

Unknown = Literal["fail", "pass"]
"""What a clip counts as for a filter whose score it does not have."""
Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

ALL = "pass_all"
"""The column that says whether a clip passes every filter."""
_TIME = "microseconds"
_CLIPS = "clips"
_TIMED = "timed"


@dataclass(frozen=True)
class Filter:
    """An automated filter: it accepts a clip when `minimum <= score <= maximum` (either may be None, not both).

    `score` is a column of the pool. Filters of one `stage` are counted together in the cascade; by default each is
    a stage of its own. `rubric` is what people are asked to accept, for reading beside the cut. Raises ValueError
    for a filter without a cut, with an end that is not finite, with crossed ends or with the name `all`.

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
        """The column that says whether a clip passes: true, false, or null where the score is unknown."""
        return f"pass_{self.name}"

    @property
    def in_stage(self) -> str:
        """The stage of the cascade it belongs to."""
        return self.stage or self.name

    def passes(self) -> pl.Expr:
        """True, false, or null where the score is null or not finite; both ends of the cut count as inside.

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
    """How much of a pool: clips, and their time in microseconds (None: durations are not known).

    Times are whole microseconds so that parts add up to the whole exactly, in whatever order they are counted.
    """

    clips: int
    microseconds: int | None = None

    @property
    def hours(self) -> float | None:
        """The time in hours."""
        return None if self.microseconds is None else self.microseconds / 3.6e9

    def __sub__(self, part: "Amount") -> "Amount":
        """What is left without a part; exact."""
        timed = self.microseconds is not None and part.microseconds is not None
        left = (self.microseconds or 0) - (part.microseconds or 0)
        return Amount(self.clips - part.clips, left if timed else None)

    def share_of_clips(self, whole: "Amount") -> float | None:
        """Clips as a share (0 to 1) of the whole's; None if the whole has none."""
        return self.clips / whole.clips if whole.clips else None

    def share_of_hours(self, whole: "Amount") -> float | None:
        """Time as a share (0 to 1) of the whole's; None where time is not known or the whole has none."""
        if self.microseconds is None or not whole.microseconds:
            return None
        return self.microseconds / whole.microseconds


@dataclass(frozen=True)
class Stage:
    """One line of the cascade: what comes in, and of that what is kept, what fails, what cannot be told.

    `kept`, `failed` and `unknown` speak of the clips that the stages before let through. Unknown clips fail no
    filter of the stage but lack a score for one of them; they are kept or dropped as the cascade's `unknown` says.
    """

    name: str
    filters: tuple[str, ...]
    before: Amount
    kept: Amount
    failed: Amount
    unknown: Amount

    @property
    def dropped(self) -> Amount:
        """What the stage takes away."""
        return self.before - self.kept


@dataclass(frozen=True)
class Alone:
    """One filter by itself on the whole pool; `unique` are the clips that it alone rejects, all others accepting."""

    filter: Filter
    passed: Amount
    failed: Amount
    unknown: Amount
    unique: Amount

    @property
    def pass_rate(self) -> float | None:
        """Share (0 to 1) of the clips with this score that pass; None if no clip has it."""
        return self.passed.share_of_clips(Amount(self.passed.clips + self.failed.clips))


@dataclass(frozen=True)
class Cascade:
    """What a chain of filters makes of a pool. `untimed` counts clips without a duration: no hours hold them."""

    raw: Amount
    stages: tuple[Stage, ...]
    filters: tuple[Alone, ...]
    unknown: Unknown
    untimed: int

    @property
    def kept(self) -> Amount:
        """What passes every filter."""
        return self.stages[-1].kept


def chain(filters: Sequence[Filter], *, unknown: Unknown = "fail") -> pl.Expr:
    """Whether a clip passes every filter: true or false, a filter without its score counting as `unknown` says.

    >>> frame = pl.DataFrame({"clip": ["a", "b"], "dover": [8.0, None]})
    >>> frame.select(chain([Filter("dover", "dover", minimum=7)], unknown="pass")).to_series().to_list()
    [True, True]
    """
    _checked(filters)
    counted = [rule.passes().fill_null(value=unknown == "pass") for rule in filters]
    return pl.all_horizontal(counted).alias(ALL)


def survivors(frame: Frame, filters: Sequence[Filter], *, unknown: Unknown = "fail") -> Frame:
    """The rows that pass every filter, in their order.

    >>> frame = pl.DataFrame({"clip": ["a", "b", "c"], "dover": [8.0, 6.9, None]})
    >>> survivors(frame, [Filter("dover", "dover", minimum=7)])["clip"].to_list()
    ['a']
    """
    return frame.filter(chain(filters, unknown=unknown))


def with_verdicts(frame: Frame, filters: Sequence[Filter], *, unknown: Unknown = "fail") -> Frame:
    """The frame with a column `pass_<name>` per filter (null where its score is unknown) and `pass_all` (never null).

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
    """What each stage keeps of a pool, in clips and hours, and what each filter does by itself.

    Stages come in the order in which `filters` first names them. `duration` is the column of seconds; without it,
    or without one value in it, no hours are stated. One pass over the rows counts them by their pattern of pass,
    fail and unknown; all figures are sums over those patterns, so the order of rows changes nothing. Raises
    ValueError for no filters or a name used twice.

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
    """One row per pattern of verdicts: its clips, how many have a duration, and their time."""
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


def _alone(patterns: pl.DataFrame, filters: Sequence[Filter], unknown: Unknown) -> list[Alone]:
    rejects = {rule.name: ~pl.col(rule.column).fill_null(value=unknown == "pass") for rule in filters}
    one = pl.sum_horizontal(list[Any](rejects.values())) == 1
    return [
        Alone(
            filter=rule,
            passed=_amount(patterns, pl.col(rule.column)),
            failed=_amount(patterns, ~pl.col(rule.column)),
            unknown=_amount(patterns, pl.col(rule.column).is_null()),
            unique=_amount(patterns, rejects[rule.name] & one),
        )
        for rule in filters
    ]

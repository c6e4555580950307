"""Filters: thresholds decide as written, the cascade loses nothing, and the published retention is reproduced."""

from itertools import permutations
from math import inf, isfinite
from time import process_time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from scoring.filters import ALL, Amount, Cascade, Filter, Unknown, cascade, chain, survivors, with_verdicts

PUBLISHED = {"length": 5785.68, "speech": 5701.62, "quality": 3633.81, "motion": 2055.06, "head": 1244.33}
"""Hours after each stage; 6783.8 before (TalkVid, arXiv 2508.13618, data filtering figure)."""
SCORES = ("still", "sharp", "near")
VALUES = some.one_of(some.none(), some.sampled_from([float("nan"), float("inf")]), some.integers(0, 4).map(float))


@some.composite
def pools(draw: some.DrawFn) -> pl.DataFrame:
    """Small pools whose scores and durations may be missing or not finite."""
    clips = draw(some.integers(0, 12))
    columns = {name: draw(some.lists(VALUES, min_size=clips, max_size=clips)) for name in (*SCORES, "duration")}
    kinds = dict.fromkeys(columns, pl.Float64)
    return pl.DataFrame(columns, schema=kinds, strict=False).with_row_index("clip")


@some.composite
def filters(draw: some.DrawFn) -> list[Filter]:
    """One to four filters on the pools' scores, some sharing a stage."""
    made = []
    for number in range(draw(some.integers(1, 4))):
        ends = sorted(draw(some.lists(some.integers(0, 4), min_size=2, max_size=2)))
        low, high = draw(some.sampled_from([(ends[0], ends[1]), (ends[0], None), (None, ends[1])]))
        stage = draw(some.sampled_from(["", "head", "quality"]))
        made.append(Filter(f"f{number}", draw(some.sampled_from(SCORES)), low, high, stage))
    return made


POLICY = some.sampled_from(["fail", "pass"])


def group(clips: int, seconds: float, **scores: float) -> pl.DataFrame:
    """Equal clips, with a good value of every score that is not given."""
    row = {"duration": seconds, "speech": 1.0, "dover": 8.0, "ratio": 0.92, "movement": 98.0} | scores
    return pl.select(*[pl.repeat(value, clips, dtype=pl.Float64).alias(name) for name, value in row.items()])


def talkvid() -> tuple[pl.DataFrame, list[Filter]]:
    """A pool of 1 476 876 clips with the published hours in every stage, and filters on it."""
    pool = pl.concat(
        [
            group(898_308, 4),  # 998.12 h
            group(8_406, 36, speech=0),  # 84.06 h
            group(206_781, 36, dover=6.99),  # 2067.81 h
            group(157_875, 36, ratio=1),  # 1578.75 h
            group(81_073, 36, movement=79.9),  # 810.73 h
            group(124_433, 36),  # 1244.33 h
        ]
    )
    rules = [
        Filter("length", "duration", minimum=5),
        Filter("speech", "speech", minimum=0.5),
        Filter("quality", "dover", minimum=7),
        Filter("motion", "ratio", 0.85, 0.999),
        Filter("head", "movement", minimum=80),
    ]
    return pool, rules


def lines(made: Cascade) -> set[tuple[str, Amount, Amount, Amount]]:
    """The effect of each filter by itself, by its name."""
    return {(one.filter.name, one.passed, one.failed, one.unique) for one in made.filters}


@pytest.mark.parametrize(
    ("low", "high", "verdicts"),
    [
        (0.85, None, [False, True, True, True, None]),
        (None, 0.999, [True, True, True, False, None]),
        (0.85, 0.999, [False, True, True, False, None]),
    ],
)
def test_thresholds_are_inclusive(low: float | None, high: float | None, verdicts: list[bool | None]) -> None:
    """A score equal to a threshold passes; a missing score neither passes nor fails."""
    pool = pl.DataFrame({"ratio": [0.8499, 0.85, 0.999, 0.9991, None]})
    rule = Filter("still", "ratio", low, high)
    assert with_verdicts(pool, [rule])["pass_still"].to_list() == verdicts


@pytest.mark.parametrize(
    ("name", "ends", "words"),
    [
        ("dover", (None, None), "needs min, max or both"),
        ("dover", (2.0, 1.0), "min lies above max"),
        ("dover", (float("nan"), None), "must be finite"),
        ("dover", (None, float("inf")), "must be finite"),
        ("all", (1.0, None), "'all' is taken"),
        ("", (1.0, None), "needs a name"),
    ],
)
def test_an_invalid_filter_is_an_error(name: str, ends: tuple[float | None, float | None], words: str) -> None:
    """The error gives the reason."""
    with pytest.raises(ValueError, match=words):
        Filter(name, "score", *ends)


def test_a_chain_needs_filters_with_different_names() -> None:
    """No filter and a repeated name are errors before anything is counted."""
    rule = Filter("dover", "dover", minimum=7)
    with pytest.raises(ValueError, match="there is no filter"):
        chain([])
    with pytest.raises(ValueError, match="'dover' is used twice"):
        cascade(pl.DataFrame({"dover": [1.0]}), [rule, rule])


def test_the_published_retention_is_reproduced() -> None:
    """Hours after each stage are TalkVid's to the microsecond, and so are their percentages of the raw hours."""
    pool, rules = talkvid()
    made = cascade(pool.lazy(), rules)
    assert made.raw == Amount(1_476_876, round(6783.8 * 3.6e9))
    assert {stage.name: stage.kept.hours for stage in made.stages} == PUBLISHED
    shares = [stage.kept.share_of_hours(made.raw) or 0 for stage in made.stages]
    assert [f"{100 * share:.1f}" for share in shares] == ["85.3", "84.0", "53.6", "30.3", "18.3"]


def test_a_million_clips_are_counted_in_seconds() -> None:
    """Fourteen filters on a million clips are counted by pattern, within seconds on a busy machine."""
    rows = 1_000_000
    scores = [(pl.int_range(rows) * (number + 7) % 101).cast(pl.Float64).alias(f"s{number}") for number in range(14)]
    pool = pl.select((pl.int_range(rows) % 30).alias("duration"), *scores)
    rules = [Filter(f"s{number}", f"s{number}", minimum=5, stage=f"{number % 4}") for number in range(14)]
    began = process_time()
    made = cascade(pool.lazy(), rules)
    assert process_time() - began < 10
    assert made.kept.clips == survivors(pool, rules).height
    assert len(made.stages) == 4


@settings(max_examples=150, deadline=None)
@given(pool=pools(), rules=filters(), unknown=POLICY)
def test_nothing_is_lost_or_counted_twice(pool: pl.DataFrame, rules: list[Filter], unknown: Unknown) -> None:
    """Each stage divides its clips exactly, later stages keep fewer, and the last keeps those that pass all filters."""
    made = cascade(pool, rules, unknown=unknown)
    before = made.raw
    for stage in made.stages:
        assert stage.before == before
        passed = stage.kept if unknown == "fail" else stage.kept - stage.unknown
        assert before - passed - stage.failed - stage.unknown == before - before
        assert stage.dropped == (stage.before - stage.kept)
        assert stage.kept.clips <= before.clips
        assert (stage.kept.microseconds or 0) <= (before.microseconds or 0)
        before = stage.kept
    left = survivors(pool, rules, unknown=unknown)
    assert made.kept.clips == left.height
    finite = left["duration"].filter(left["duration"].is_finite().fill_null(value=False))
    assert made.kept.microseconds in (None, int(finite.sum()) * 1_000_000)
    for one in made.filters:
        assert made.raw - one.passed - one.failed - one.unknown == made.raw - made.raw


@settings(max_examples=60, deadline=None)
@given(pool=pools(), rules=filters(), unknown=POLICY)
def test_the_order_of_stages_does_not_change_the_survivors(
    pool: pl.DataFrame, rules: list[Filter], unknown: Unknown
) -> None:
    """The order of stages changes neither which clips pass nor what each filter does by itself."""
    made = cascade(pool, rules, unknown=unknown)
    kept = survivors(pool, rules, unknown=unknown)["clip"].to_list()
    for order in permutations(rules):
        other = cascade(pool, list(order), unknown=unknown)
        assert other.kept == made.kept
        assert lines(other) == lines(made)
        assert survivors(pool, list(order), unknown=unknown)["clip"].to_list() == kept


@settings(max_examples=60, deadline=None)
@given(pool=pools(), rules=filters(), unknown=POLICY, seed=some.integers(0, 9))
def test_verdicts_and_amounts_do_not_depend_on_the_row_order(
    pool: pl.DataFrame, rules: list[Filter], unknown: Unknown, seed: int
) -> None:
    """A shuffled pool has the same verdict for each clip and the same cascade."""
    shuffled = pool.sample(fraction=1, shuffle=True, seed=seed)
    judged = with_verdicts(pool, rules, unknown=unknown)
    again = with_verdicts(shuffled, rules, unknown=unknown).sort("clip")
    columns = ["clip", *(rule.column for rule in rules), ALL]
    assert again.select(columns).equals(judged.select(columns))
    assert cascade(shuffled, rules, unknown=unknown) == cascade(pool, rules, unknown=unknown)


@settings(max_examples=60, deadline=None)
@given(pool=pools(), rules=filters(), unknown=POLICY)
def test_verdicts_are_those_of_plain_python(pool: pl.DataFrame, rules: list[Filter], unknown: Unknown) -> None:
    """A score within both thresholds passes, a missing or infinite one is unknown, and `pass_all` needs every pass."""
    for row in with_verdicts(pool, rules, unknown=unknown).iter_rows(named=True):
        for rule in rules:
            score = row[rule.score]
            low, high = -inf if rule.minimum is None else rule.minimum, inf if rule.maximum is None else rule.maximum
            known = score is not None and isfinite(score)
            assert row[rule.column] == (low <= score <= high if known else None)
        verdicts = [row[rule.column] for rule in rules]
        assert row[ALL] == all(unknown == "pass" if one is None else one for one in verdicts)


def test_unknown_clips_are_counted_separately() -> None:
    """Within a stage one failed filter decides; unknown is a clip that fails none and lacks a score."""
    pool = pl.DataFrame({"a": [1.0, 1.0, 0.0, None, None], "b": [1.0, None, None, 0.0, None]})
    rules = [Filter("a", "a", minimum=1, stage="head"), Filter("b", "b", minimum=1, stage="head")]
    strict, easy = (cascade(pool, rules, unknown=unknown).stages[0] for unknown in ("fail", "pass"))
    assert (strict.kept.clips, strict.failed.clips, strict.unknown.clips) == (1, 2, 2)
    assert (easy.kept.clips, easy.failed.clips, easy.unknown.clips) == (3, 2, 2)


def test_unique_rejects_are_those_of_one_filter_alone() -> None:
    """A clip that two filters reject is unique to neither; a pass rate counts the clips that have the score."""
    pool = pl.DataFrame({"duration": [1.0] * 4, "a": [0.0, 0.0, 1.0, 1.0], "b": [0.0, 1.0, 0.0, None]})
    a, b = cascade(pool, [Filter("a", "a", minimum=1), Filter("b", "b", minimum=1)]).filters
    assert (a.unique.clips, b.unique.clips) == (1, 2)
    assert a.pass_rate == 0.5
    assert b.pass_rate == pytest.approx(1 / 3)
    nobody = cascade(pool.with_columns(b=pl.lit(None, pl.Float64)), [Filter("b", "b", minimum=1)]).filters[0]
    assert nobody.pass_rate is None


def test_without_durations_no_hours_are_stated() -> None:
    """A missing or empty column of durations gives no hours; a single clip without one is counted without hours."""
    rule = [Filter("a", "a", minimum=1)]
    pool = pl.DataFrame({"a": [1.0, 0.0], "duration": [7200.0, None]})
    timed = cascade(pool, rule)
    assert (timed.kept.hours, timed.raw.hours, timed.untimed) == (2, 2, 1)
    for bare in (pool.drop("duration"), pool.with_columns(duration=pl.lit(None, pl.Float64))):
        made = cascade(bare, rule)
        assert (made.raw.clips, made.raw.hours, made.untimed) == (2, None, 2)
        assert made.kept.share_of_hours(made.raw) is None
        assert made.kept.share_of_clips(made.raw) == 0.5


def test_times_are_whole_microseconds() -> None:
    """Durations are rounded to microseconds, not truncated; an infinite duration counts as missing."""
    pool = pl.DataFrame({"a": [1.0, 1.0, 1.0], "duration": [1.001, 0.57, float("inf")]})
    made = cascade(pool, [Filter("a", "a", minimum=1)])
    assert made.kept == Amount(3, 1_571_000)
    assert made.untimed == 1


def test_numbers_of_every_kind_are_scores() -> None:
    """Integers, booleans and single precision are compared as they are."""
    pool = pl.DataFrame({"n": [4, 5], "speech": [False, True], "f": [4.5, 5.0]}, schema_overrides={"f": pl.Float32})
    for score, threshold in (("n", 5), ("speech", 1), ("f", 5)):
        assert survivors(pool, [Filter(score, score, minimum=threshold)])["n"].to_list() == [5]

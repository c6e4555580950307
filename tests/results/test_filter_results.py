"""A filter's estimates from a sample: clips have their own weights, adjusted for non-response; rejects get a note."""

import numpy as np
import polars as pl
import pytest

from analysis.estimate import Bools, Floats
from analysis.sampling.random_numbers import digests
from analysis.sampling.selection import DrawPlan, draw
from analysis.sampling.source_limits import SourceLimit
from analysis.sampling.strata import by_edges
from app.models import Criterion, Filter, Study, StudyClip
from app.results.filter_results import FilterResult, filter_result
from app.results.votes import Vote
from app.studies.rules import Rules
from app.studies.whole_study import StudyParts

CHANCE = np.random.default_rng(5)
CLIPS = 400
SOURCE = np.minimum(CHANCE.geometric(0.05, CLIPS), 60).astype(np.int32)
"""The source of each clip: a few films have many clips, many films have one."""
SCORES: Floats = CHANCE.random(CLIPS) * 100
CROWDED: Bools = np.bincount(SOURCE)[SOURCE] > 12
GOOD: Bools = CHANCE.random(CLIPS) < np.where(CROWDED, 0.9, 0.35)
"""Clips of large films are good far more often, so that equal weights would give a visibly wrong precision."""
BANDS = by_edges(SCORES, [50])
SIZES = dict(zip(BANDS.labels, BANDS.sizes.tolist(), strict=True))


def result(clips: list[StudyClip], good: dict[int, bool | None], strata: dict[str, int], kind: str) -> FilterResult:
    """Return the result of the filter `movement >= 50` on clips judged by one rater (None: not judged)."""
    rows = [{"label": label, "population": size} for label, size in strata.items()]
    study = Study(
        id=1,
        slug="s",
        name="S",
        guidelines="",
        guidelines_hash="",
        score_visibility="hidden",
        raters_per_clip=1,
        seed=1,
        study_file="",
        pool="pool.parquet",
        pool_fingerprint="",
        pool_clips=CLIPS,
        design={"kind": kind, "strata": rows},
        invite_hash="",
    )
    rule = Filter(
        study_id=1, position=0, name="still", title="Still", score="movement", minimum=50.0, criterion="verdict"
    )
    question = Criterion(id=1, study_id=1, position=0, key="verdict", label="", question="", scale="verdict")
    given = [
        Vote(clip=number, rater="ann", criterion="verdict", value="accept" if verdict else "reject")
        for number, verdict in good.items()
        if verdict is not None
    ]
    whole = StudyParts(study=study, criteria=(question,), filters=(rule,), rules=Rules())
    return filter_result(rule, whole, given, [], {clip.id: clip for clip in clips})


def clip(number: int, stratum: str, weight: float, score: float, drawn_for: tuple[str, ...] = ()) -> StudyClip:
    """Return a sampled clip that is the only one of its source."""
    return StudyClip(
        id=number,
        study_id=1,
        position=number,
        clip=f"c{number:03}",
        media="",
        media_key="",
        duration=1.0,
        width=160,
        height=90,
        source=f"f{number}",
        stratum=stratum,
        weight=weight,
        inclusion_probability=1 / weight,
        scores={"movement": score},
        drawn_for=list(drawn_for),
    )


def precision(found: FilterResult) -> float:
    """Return the precision at the current threshold."""
    assert found.current is not None
    assert found.current.precision.value is not None
    return found.current.precision.value


def test_precision_of_a_sample_limited_per_source_estimates_that_of_the_pool() -> None:
    """Over 40 draws its mean lies within 4 standard errors; with equal weights in a stratum it is far off."""
    digest = digests(pl.Series([f"c{number}" for number in range(CLIPS)]))
    limit = SourceLimit.build(BANDS.of, 2, SOURCE, 2, within_strata=True)
    plan = DrawPlan(digest, BANDS, np.minimum(40, np.floor(limit.supply)).astype(np.int64), limit)
    passing = SCORES >= 50
    pool_precision = GOOD[passing].mean()
    own, even = [], []
    for seed in range(40):
        drawn = draw(plan, seed)
        judged: dict[int, bool | None] = {int(place): bool(GOOD[place]) for place in drawn.indices}
        rows = list(zip(drawn.indices.tolist(), drawn.stratum, drawn.weight.tolist(), strict=True))
        clips = [clip(place, label, weight, SCORES[place]) for place, label, weight in rows]
        own.append(precision(result(clips, judged, SIZES, "stratified")))
        even.append(float(np.mean([verdict for place, verdict in judged.items() if passing[place]])))
    error = float(np.std(own) / np.sqrt(len(own)))
    assert abs(np.mean(own) - pool_precision) < 4 * error + 0.01, "a ratio of totals has a bias of the order 1 / n"
    assert abs(np.mean(even) - pool_precision) > 5 * error


def test_weights_of_clips_without_a_verdict_go_to_the_others_of_their_stratum() -> None:
    """The judged clips' weights 2 and 6 grow to the stratum's 24 clips: 6 and 18. Equal weights share it equally."""
    clips = [clip(1, "a", 2.0, 60), clip(2, "a", 6.0, 70), clip(3, "a", 4.0, 80), clip(4, "b", 5.0, 10)]
    clips += [clip(5, "b", 5.0, 20), clip(6, "b", 5.0, 30)]
    found = result(clips, {1: True, 2: False, 3: None, 4: True, 5: False, 6: None}, {"a": 24, "b": 15}, "stratified")
    assert found.current is not None
    assert found.current.weighted == (6.0, 18.0, 7.5, 7.5)
    assert precision(found) == pytest.approx(0.25)


def test_a_note_reports_the_random_rejects_of_a_borderline_draw() -> None:
    """They enter no rate; the note says how many of them are good, or that none is judged yet."""
    near = [clip(1, "just passes", 1.0, 51, ("still",)), clip(2, "just fails", 1.0, 49, ("still",))]
    far = [clip(number, "random slice of rejects", 9.0, 5.0) for number in (3, 4, 5, 6)]
    other = clip(7, "random slice of rejects", 9.0, 90.0)
    votes: dict[int, bool | None] = {1: True, 2: False, 3: True, 4: False, 5: False, 6: None, 7: True}
    found = result([*near, *far, other], votes, {}, "borderline")
    assert found.verdicts.drawn == 2
    assert found.current is not None
    assert (found.current.tp, found.current.fn) == (1, 0)
    assert "of the 3 that this filter rejects and raters decided, 1 is good: a share of 0.33 [0.06, 0.79]" in " ".join(
        found.notes
    )
    unjudged = result([*near, *far], {1: True, 2: False}, {}, "borderline")
    assert "none that this filter rejects has a verdict yet" in " ".join(unjudged.notes)

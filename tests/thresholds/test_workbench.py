"""The threshold workbench: every figure is the library's, clips flip as the filter would, adopting leaves a trail."""

import random

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from analysis.design import Design
from analysis.filters.rates import confusion, tabulate
from analysis.thresholds.threshold_curves import threshold_curves
from app.db import Database
from app.filters import filter_files
from app.models import Event, Filter, Study
from app.settings import Settings
from app.studies import lifecycle, whole_study
from app.thresholds import adopted, cascades, workbench
from app.thresholds.workbench import Aims, Bench, End
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import A, R, computed, verdicts, vote
from tests.helpers.visitors import on_sqlite

CLIPS = 40


@pytest.fixture
def judged(study_maker: StudyMaker, database: Database, settings: Settings) -> Study:
    """Forty clips, one rater who likes high scores with some noise; a second filter is a band; the pool has hours."""
    chance = random.Random(5)
    scores: list[float | None] = [round(chance.uniform(60, 100), 2) for _ in range(CLIPS)]
    study = study_maker(clips=CLIPS, raters_per_clip=1, scores=scores, with_media=False)
    pool = settings.home / "pool.parquet"
    pool.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {
            "clip": [f"c{number}" for number in range(100)],
            "media": ["x.mp4"] * 100,
            "duration": [36.0] * 100,
            "avg_movement": [float(number) for number in range(100)],
        }
    ).write_parquet(pool)
    with database.writer() as db:
        kept = db.get_one(Study, study.id)
        kept.pool = str(pool)
        db.add(kept)
        band = Filter(
            study_id=study.id, position=1, name="band", title="Band", score="avg_movement", criterion="verdict"
        )
        band.minimum, band.maximum = 70, 95
        db.add(band)
    liked = [score is not None and score + chance.gauss(0, 6) > 82 for score in scores]
    vote(study_maker, study, "Ada", verdicts([A if one else R for one in liked]))
    return study


def bench_of(database: Database, study: Study, name: str = "movement", aims: Aims | None = None) -> Bench:
    """The bench of one filter."""
    result = computed(database, study).filter_named(name)
    with database.reader() as db:
        return workbench.make(db, lifecycle.by_slug(db, study.slug), result, aims or Aims())


@on_sqlite
@pytest.mark.parametrize(("name", "end"), [("movement", "min"), ("band", "min"), ("band", "max")])
def test_every_threshold_has_the_librarys_figures(judged: Study, database: Database, name: str, end: End) -> None:
    """Counts and rates, with their intervals, are equal to the last digit, whichever end moves."""
    bench = bench_of(database, judged, name, Aims(end=end))
    sample, rule = bench.result.sample, bench.result.rule
    assert sample is not None
    assert len(bench.curves.thresholds) > 20
    for at, cut in enumerate(bench.curves.thresholds):
        low = cut if end == "min" else rule.minimum
        high = cut if end == "max" else rule.maximum
        accepted = sample.scores >= (-np.inf if low is None else low)
        accepted &= sample.scores <= (np.inf if high is None else high)
        table = confusion(accepted, sample.good, sample.weights, sample.strata, sources=sample.sources)
        assert bench.curves.counts[at].tolist() == [table.tp, table.fp, table.fn, table.tn]
        for rate in ("precision", "recall", "f1", "specificity"):
            assert bench.curves.rates[rate].estimates[at] == getattr(table, rate)


@on_sqlite
def test_bands_hold_the_value(judged: Study, database: Database) -> None:
    """Each rate lies inside its band wherever there is one, and most thresholds have one."""
    for band in bench_of(database, judged).curves.rates.values():
        there = np.isfinite(band.low)
        assert there.mean() > 0.8
        assert (band.low[there] <= band.value[there] + 1e-9).all()
        assert (band.high[there] >= band.value[there] - 1e-9).all()


@pytest.mark.parametrize("sources", [False, True])
def test_the_curves_equal_the_table_to_the_last_digit_for_unequal_weights(sources: bool) -> None:
    """With strata, weights that differ and clips of one source, sorted once for all thresholds or for each anew."""
    chance = np.random.default_rng(3)
    clips = 120
    scores, good = chance.normal(size=clips).round(1), (chance.random(clips) < 0.6).astype(float)
    strata = [f"s{number}" for number in chance.integers(0, 4, clips)]
    videos = [f"v{number}" for number in chance.integers(0, 50, clips)] if sources else None
    design = Design.build(clips, chance.uniform(1, 9, clips), strata, sources=videos)
    curves = threshold_curves(scores, good, design, direction="le")
    assert len(curves.thresholds) > 30
    for at, cut in enumerate(curves.thresholds):
        table = tabulate(scores <= cut, good, design, 0.95)
        assert curves.weighted[at] == pytest.approx(table.weighted)
        for rate in ("precision", "recall", "f1", "specificity"):
            assert curves.rates[rate].estimates[at] == getattr(table, rate)


@on_sqlite
def test_the_preset_has_the_estimates_of_the_results_page(judged: Study, database: Database) -> None:
    """At the threshold that stands now, the workbench shows the very estimates of the results page, the AUC too."""
    bench = bench_of(database, judged)
    current, curve = bench.result.current, bench.result.curve
    assert current is not None
    assert curve is not None
    for rate in ("precision", "recall", "f1", "specificity"):
        assert bench.curves.rates[rate].estimates[bench.now] == getattr(current, rate)
    assert bench.auc == curve.auc


@on_sqlite
def test_the_clips_that_flip_are_those_between_the_cuts(judged: Study, database: Database) -> None:
    """Nothing flips at the preset; elsewhere just the judged clips on which both cuts differ, nearest first."""
    bench = bench_of(database, judged)
    assert bench.preset == 80
    assert bench.flips(bench.now) == []
    at = bench.curves.at(90.0)
    flipping = bench.flips(at)
    assert {clip.name for clip in flipping} == {
        clip.name for clip in bench.clips if 80 <= clip.score < bench.curves.thresholds[at]
    }
    assert [clip.score for clip in flipping] == sorted(clip.score for clip in flipping)


@on_sqlite
def test_the_pools_hours_are_those_of_the_clips_that_pass(judged: Study, database: Database) -> None:
    """A hundred clips of 36 s, scores 0 to 99: a cut at t keeps 100 - t of them, each a hundredth of an hour."""
    bench = bench_of(database, judged)
    assert bench.kept is not None
    assert bench.kept.unit == "hours"
    assert bench.kept.whole == pytest.approx(1.0)
    for cut, hours in zip(bench.curves.thresholds, bench.kept.values, strict=True):
        assert hours == pytest.approx(sum(score >= cut for score in range(100)) / 100)


@on_sqlite
def test_a_pool_that_is_gone_is_said(judged: Study, database: Database, researcher: TestClient) -> None:
    """The page opens without hours and names the pool that it misses."""
    with database.writer() as db:
        kept = db.get_one(Study, judged.id)
        kept.pool = "/nowhere/pool.parquet"
        db.add(kept)
    page = researcher.get(f"/studies/{judged.slug}/filters/movement/workbench").text
    assert "Hours are not shown: There is no pool at /nowhere/pool.parquet" in page
    assert "Share of the sample kept" in page


@on_sqlite
def test_aims_choose_what_the_library_chooses(judged: Study, database: Database) -> None:
    """A promise that cannot be given says why; a modest recall has its cut; other aims give other cuts."""
    found = {one.key: one for one in bench_of(database, judged).suggestions}
    assert found["precision"].at is None
    assert "not enough for the guarantee" in found["precision"].words
    easy = bench_of(database, judged, aims=Aims(recall=0.5, confidence=0.8, cost=20))
    modest = {one.key: one for one in easy.suggestions}
    assert modest["recall"].tag == "promised"
    assert modest["recall"].at is not None
    assert easy.curves.rates["recall"].value[modest["recall"].at] >= 0.5
    assert modest["cost"].threshold is not None
    assert found["cost"].threshold is not None
    assert modest["cost"].threshold > found["cost"].threshold  # bad clips are dear now


@on_sqlite
def test_adopting_leaves_a_trail_and_the_preset(judged: Study, database: Database, researcher: TestClient) -> None:
    """The cut is in the filter file and in head_threshold.yml, the event holds its figures, results stay preset."""
    here = f"/studies/{judged.slug}"
    sent = {"end": "min", "threshold": "85.5", "aim": "Best F1", "reason": "Looked at the clips."}
    answer = researcher.post(f"{here}/filters/movement/workbench/adopt", data=sent)
    assert answer.status_code == 200
    assert "avg_movement" in answer.text
    assert "≥ 85.5</strong> instead of ≥ 80" in answer.text
    written = researcher.get(f"{here}/filters.toml").text
    assert [(rule.name, rule.minimum, rule.maximum) for rule in filter_files.parse(written, "filters.toml")] == [
        ("movement", 85.5, None),
        ("band", 70, 95),
    ]
    assert "# movement: ≥ 85.5 adopted on" in written
    assert "avg_movement: 85.5" in researcher.get(f"{here}/head_threshold.yml").text
    with database.reader() as db:
        event = db.scalars(select(Event).where(col(Event.kind) == adopted.KIND)).one()
        assert event.detail["rests_on"]["clips"] == CLIPS
        assert event.detail["rests_on"]["rates"]["recall"] <= 1
        assert db.scalars(select(Filter).where(col(Filter.name) == "movement")).one().minimum == 80
    again = researcher.post(f"{here}/filters/movement/workbench/adopt", data=sent)
    assert again.status_code == 400
    assert "has this threshold already" in again.text


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"end": "min", "threshold": "99"}, "The minimum would lie above the maximum."),
        ({"end": "min", "threshold": "nan"}, "threshold"),
        ({"end": "side", "threshold": "80"}, "end"),
    ],
)
def test_a_threshold_that_cannot_be_adopted_is_refused(
    judged: Study, database: Database, researcher: TestClient, sent: dict[str, str], words: str
) -> None:
    """In words, and nothing is kept."""
    answer = researcher.post(f"/studies/{judged.slug}/filters/band/workbench/adopt", data=sent)
    assert answer.status_code in (400, 422)
    assert words in answer.text
    with database.reader() as db:
        assert db.scalars(select(Event).where(col(Event.kind) == adopted.KIND)).all() == []


@on_sqlite
def test_a_cut_can_be_looked_at_without_script(judged: Study, database: Database, researcher: TestClient) -> None:
    """The address names the cut: the page shows its rates, its clips, and offers to adopt it."""
    page = researcher.get(f"/studies/{judged.slug}/filters/movement/workbench?cut=90").text
    bench = bench_of(database, judged)
    at = bench.nearest(90.0)
    assert f'data-value="{bench.curves.rates["precision"].value[at]}"' in page
    assert f"{len(bench.flips(at))} judged clips change sides" in page
    assert "found on these data" in page


@on_sqlite
def test_a_filter_without_judged_clips_says_so(study_maker: StudyMaker, researcher: TestClient) -> None:
    """No empty figures: a sentence that says what is missing."""
    study = study_maker(clips=3, with_media=False)
    answer = researcher.get(f"/studies/{study.slug}/filters/movement/workbench")
    assert answer.status_code == 400
    assert "There is nothing to move a threshold on yet." in answer.text


@on_sqlite
@pytest.mark.parametrize("figure", ["rates", "histogram", "precision-recall", "roc", "kept"])
def test_figures_carry_their_mark(judged: Study, researcher: TestClient, figure: str) -> None:
    """Each is drawn, as a picture and as a specification with the parameter that the slider sets."""
    here = f"/studies/{judged.slug}/filters/movement/workbench/figures/{figure}"
    drawn = researcher.get(f"{here}.json?at=3").json()
    assert {"name": "at", "value": 3} in drawn["params"]
    assert researcher.get(f"{here}.svg").text.startswith("<svg")
    assert researcher.get(f"{here.rpartition('/')[0]}/nonsense.json").status_code == 404


@on_sqlite
def test_filters_together_count_what_each_rejects_alone(judged: Study, researcher: TestClient) -> None:
    """The table's counts are those of the scores; a joint search says whose figures it shows."""
    page = researcher.get(f"/studies/{judged.slug}/cascade")
    assert page.status_code == 200
    assert "What each filter is worth among the others" in page.text
    found = researcher.get(f"/studies/{judged.slug}/cascade?target=0.7").text
    assert "Found jointly" in found
    assert "held out" in found or "that had no say" in found
    hopeless = researcher.get(f"/studies/{judged.slug}/cascade?criterion=nonsense")
    assert hopeless.status_code == 404


@on_sqlite
def test_what_a_filter_rejects_alone_is_counted_by_hand(judged: Study, database: Database) -> None:
    """Only the upper end of the band rejects clips above 95, only `movement` those from 70 up to 80."""
    with database.reader() as db:
        study = lifecycle.by_slug(db, judged.slug)
        found = computed(database, judged)
        whole = whole_study.parts(db, study.id)
        items = cascades.criteria_of(found, whole.criteria)
        made = cascades.together(db, study, found, cascades.chosen(items, ""), None)
    scores = made.sample.scores
    alone = {
        (ending.rule.name, ending.end): share.unique for ending, share in zip(made.endings, made.shares, strict=True)
    }
    assert alone == {
        ("movement", "min"): int(((scores >= 70) & (scores < 80)).sum()),
        ("band", "min"): 0,
        ("band", "max"): int((scores > 95).sum()),
    }

"""The threshold workbench: rates, suggestions, clips that change sides, adopted thresholds, cascades of filters."""

import random

import numpy as np
import polars as pl
import pytest
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from analysis.design import Design
from analysis.filters.rates import confusion, tabulate
from analysis.number_format import estimate_text
from analysis.thresholds.threshold_curves import threshold_curves
from app.db import Database
from app.filters import filter_files
from app.models import Event, Filter, Study
from app.settings import Settings
from app.studies import lifecycle, whole_study
from app.thresholds import adopted, cascades, workbench
from app.thresholds.filter_ends import End
from app.thresholds.suggestions import ThresholdAims
from app.thresholds.workbench import Workbench
from tests.helpers.factories import StudyMaker
from tests.helpers.rated_studies import A, R, computed, verdicts, vote
from tests.helpers.visitors import on_sqlite

CLIPS = 40


@pytest.fixture
def judged(study_maker: StudyMaker, database: Database, settings: Settings) -> Study:
    """A study of 40 clips with two filters, one a band; its rater accepts most high scores; the pool has durations."""
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
        stored = db.get_one(Study, study.id)
        stored.pool = str(pool)
        db.add(stored)
        band = Filter(
            study_id=study.id, position=1, name="band", title="Band", score="avg_movement", criterion="verdict"
        )
        band.minimum, band.maximum = 70, 95
        db.add(band)
    liked = [score is not None and score + chance.gauss(0, 6) > 82 for score in scores]
    vote(study_maker, study, "Ada", verdicts([A if one else R for one in liked]))
    return study


def workbench_of(
    database: Database, study: Study, name: str = "movement", aims: ThresholdAims | None = None
) -> Workbench:
    """The workbench of one filter."""
    result = computed(database, study).filter_named(name)
    with database.reader() as db:
        return workbench.build(db, lifecycle.by_slug(db, study.slug), result, aims or ThresholdAims())


@on_sqlite
@pytest.mark.parametrize(("name", "end"), [("movement", "min"), ("band", "min"), ("band", "max")])
def test_every_threshold_has_the_rates_of_the_library(judged: Study, database: Database, name: str, end: End) -> None:
    """Counts and rates with their intervals equal those of `confusion` exactly, whichever end moves."""
    bench = workbench_of(database, judged, name, ThresholdAims(end=end))
    sample, rule = bench.result.sample, bench.result.rule
    assert sample is not None
    assert len(bench.curves.thresholds) > 20
    for at, threshold in enumerate(bench.curves.thresholds):
        low = threshold if end == "min" else rule.minimum
        high = threshold if end == "max" else rule.maximum
        accepted = sample.scores >= (-np.inf if low is None else low)
        accepted &= sample.scores <= (np.inf if high is None else high)
        table = confusion(accepted, sample.good, sample.weights, sample.strata, sources=sample.sources)
        assert bench.curves.counts[at].tolist() == [table.tp, table.fp, table.fn, table.tn]
        for rate in ("precision", "recall", "f1", "specificity"):
            assert bench.curves.rates[rate].estimates[at] == getattr(table, rate)


@on_sqlite
def test_intervals_contain_their_rates(judged: Study, database: Database) -> None:
    """Each rate lies inside its interval, and most thresholds have an interval."""
    for band in workbench_of(database, judged).curves.rates.values():
        there = np.isfinite(band.low)
        assert there.mean() > 0.8
        assert (band.low[there] <= band.value[there] + 1e-9).all()
        assert (band.high[there] >= band.value[there] - 1e-9).all()


@on_sqlite
@pytest.mark.parametrize(
    ("name", "end", "label"),
    [
        ("movement", "min", "AUC"),
        ("band", "min", "AUC of clips below the upper end"),
        ("band", "max", "AUC of clips above the lower end"),
    ],
)
def test_only_the_area_of_the_results_page_is_called_auc(
    judged: Study, database: Database, researcher: TestClient, name: str, end: End, label: str
) -> None:
    """A band's end has the area of the clips that the other end lets pass, which its label says."""
    bench = workbench_of(database, judged, name, ThresholdAims(end=end))
    assert bench.result.curve is not None
    assert (bench.auc == bench.result.curve.auc) is (label == "AUC")
    address = f"/studies/{judged.slug}/filters/{name}/workbench/figures/roc.json?end={end}"
    assert f"{label} {estimate_text(bench.auc)}" in researcher.get(address).json()["title"]["subtitle"]


@pytest.mark.parametrize("sources", [False, True])
def test_curves_equal_the_table_exactly_for_unequal_weights(sources: bool) -> None:
    """With strata, unequal weights and sources, the curves have the rates of `tabulate` at every threshold."""
    chance = np.random.default_rng(3)
    clips = 120
    scores, good = chance.normal(size=clips).round(1), (chance.random(clips) < 0.6).astype(float)
    strata = [f"s{number}" for number in chance.integers(0, 4, clips)]
    videos = [f"v{number}" for number in chance.integers(0, 50, clips)] if sources else None
    design = Design.build(clips, chance.uniform(1, 9, clips), strata, sources=videos)
    curves = threshold_curves(scores, good, design, direction="le")
    assert len(curves.thresholds) > 30
    for at, threshold in enumerate(curves.thresholds):
        table = tabulate(scores <= threshold, good, design, 0.95)
        assert curves.weighted[at] == pytest.approx(table.weighted)
        for rate in ("precision", "recall", "f1", "specificity"):
            assert curves.rates[rate].estimates[at] == getattr(table, rate)


@on_sqlite
def test_the_preset_has_the_estimates_of_the_results_page(judged: Study, database: Database) -> None:
    """At the preset threshold, the workbench shows the same estimates as the results page, and the same AUC."""
    bench = workbench_of(database, judged)
    current, curve = bench.result.current, bench.result.curve
    assert current is not None
    assert curve is not None
    for rate in ("precision", "recall", "f1", "specificity"):
        assert bench.curves.rates[rate].estimates[bench.preset_at] == getattr(current, rate)
    assert bench.auc == curve.auc


@on_sqlite
def test_clips_between_both_thresholds_change_sides(judged: Study, database: Database) -> None:
    """No clip changes sides at the preset; elsewhere, those between both thresholds do, nearest first."""
    bench = workbench_of(database, judged)
    assert bench.preset == 80
    assert bench.flips(bench.preset_at) == []
    at = bench.curves.at(90.0)
    flipping = bench.flips(at)
    assert {clip.name for clip in flipping} == {
        clip.name for clip in bench.clips if 80 <= clip.score < bench.curves.thresholds[at]
    }
    assert [clip.score for clip in flipping] == sorted(clip.score for clip in flipping)


@on_sqlite
def test_hours_of_the_pool_are_those_of_the_clips_that_pass(judged: Study, database: Database) -> None:
    """Of 100 clips of 36 s with scores 0 to 99, a threshold t keeps 100 - t clips, each a hundredth of an hour."""
    bench = workbench_of(database, judged)
    assert bench.retention is not None
    assert bench.retention.unit == "hours"
    assert bench.retention.whole == pytest.approx(1.0)
    for threshold, hours in zip(bench.curves.thresholds, bench.retention.values, strict=True):
        assert hours == pytest.approx(sum(score >= threshold for score in range(100)) / 100)


@on_sqlite
def test_the_page_works_without_the_pool(judged: Study, database: Database, researcher: TestClient) -> None:
    """If the pool is missing, the page opens without hours and names the file."""
    with database.writer() as db:
        study = db.get_one(Study, judged.id)
        study.pool = "/nowhere/pool.parquet"
        db.add(study)
    page = researcher.get(f"/studies/{judged.slug}/filters/movement/workbench").text
    assert "Hours are not shown: There is no pool at /nowhere/pool.parquet" in page
    assert "Share of the sample kept" in page


@on_sqlite
def test_suggestions_follow_the_aims(judged: Study, database: Database) -> None:
    """A guarantee that is not possible has its reason, a modest recall has a threshold, and a high cost is stricter."""
    found = {one.key: one for one in workbench_of(database, judged).suggestions}
    assert found["precision"].at is None
    assert "not enough for the guarantee" in found["precision"].words
    easy = workbench_of(database, judged, aims=ThresholdAims(recall=0.5, confidence=0.8, cost=20))
    others = {one.key: one for one in easy.suggestions}
    assert others["recall"].tag == "promised"
    assert others["recall"].at is not None
    assert easy.curves.rates["recall"].value[others["recall"].at] >= 0.5
    assert others["cost"].threshold is not None
    assert found["cost"].threshold is not None
    assert others["cost"].threshold > found["cost"].threshold  # a kept bad clip costs more


@on_sqlite
def test_adopting_writes_files_and_an_event_and_keeps_the_preset(
    judged: Study, database: Database, researcher: TestClient
) -> None:
    """The threshold is in both files and in an event with its figures; the filter of the study keeps its preset."""
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
    """The error says why, and nothing is stored."""
    answer = researcher.post(f"/studies/{judged.slug}/filters/band/workbench/adopt", data=sent)
    assert answer.status_code in (400, 422)
    assert words in answer.text
    with database.reader() as db:
        assert db.scalars(select(Event).where(col(Event.kind) == adopted.KIND)).all() == []


@on_sqlite
def test_the_page_shows_the_threshold_of_the_address(judged: Study, database: Database, researcher: TestClient) -> None:
    """Without a script, `?cut=90` shows the rates of 90, its clips that change sides, and where it comes from."""
    page = researcher.get(f"/studies/{judged.slug}/filters/movement/workbench?cut=90").text
    bench = workbench_of(database, judged)
    at = bench.nearest(90.0)
    assert f'data-value="{bench.curves.rates["precision"].value[at]}"' in page
    assert f"{len(bench.flips(at))} judged clips change sides" in page
    assert "found on these data" in page


@on_sqlite
def test_a_filter_without_judged_clips_has_no_workbench(study_maker: StudyMaker, researcher: TestClient) -> None:
    """An error says what is missing, instead of empty figures."""
    study = study_maker(clips=3, with_media=False)
    answer = researcher.get(f"/studies/{study.slug}/filters/movement/workbench")
    assert answer.status_code == 400
    assert "There is nothing to move a threshold on yet." in answer.text


@on_sqlite
@pytest.mark.parametrize("figure", ["rates", "histogram", "precision-recall", "roc", "kept"])
def test_figures_mark_the_threshold(judged: Study, researcher: TestClient, figure: str) -> None:
    """Each figure has an SVG file, and a specification with the parameter that the slider sets."""
    here = f"/studies/{judged.slug}/filters/movement/workbench/figures/{figure}"
    drawn = researcher.get(f"{here}.json?at=3").json()
    assert {"name": "at", "value": 3} in drawn["params"]
    assert researcher.get(f"{here}.svg").text.startswith("<svg")
    assert researcher.get(f"{here.rpartition('/')[0]}/nonsense.json").status_code == 404


@on_sqlite
def test_the_cascade_page_shows_contributions_and_joint_thresholds(judged: Study, researcher: TestClient) -> None:
    """The page has the table of filters; with a target also joint thresholds and the clips they are tested on."""
    page = researcher.get(f"/studies/{judged.slug}/cascade")
    assert page.status_code == 200
    assert "What each filter is worth among the others" in page.text
    found = researcher.get(f"/studies/{judged.slug}/cascade?target=0.7").text
    assert "Found jointly" in found
    assert "held out" in found or "that had no say" in found
    hopeless = researcher.get(f"/studies/{judged.slug}/cascade?criterion=nonsense")
    assert hopeless.status_code == 404


@on_sqlite
def test_clips_that_only_one_filter_rejects_are_counted(judged: Study, database: Database) -> None:
    """Only the upper end of the band rejects clips above 95; only `movement` rejects those from 70 up to 80."""
    with database.reader() as db:
        study = lifecycle.by_slug(db, judged.slug)
        found = computed(database, judged)
        whole = whole_study.parts(db, study.id)
        items = cascades.criteria_of(found, whole.criteria)
        cascade = cascades.criterion_cascade(db, study, found, cascades.find_criterion(items, ""), None)
    scores = cascade.sample.scores
    alone = {
        (one.rule.name, one.end): contribution.unique
        for one, contribution in zip(cascade.ends, cascade.contributions, strict=True)
    }
    assert alone == {
        ("movement", "min"): int(((scores >= 70) & (scores < 80)).sum()),
        ("band", "min"): 0,
        ("band", "max"): int((scores > 95).sum()),
    }

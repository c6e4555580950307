"""The pool, anchoring and next-batch pages: their numbers are those of the library, and missing data are explained."""

from pathlib import Path

import polars as pl
import pytest
from httpx2 import Response
from sqlalchemy import select
from sqlmodel import col
from starlette.testclient import TestClient

from analysis.prediction_powered import cross_fitted_predictions, pool_share
from analysis.raters.anchoring import anchoring
from analysis.raters.human_ceiling import human_ceiling
from analysis.ratings import VERDICT, Ratings
from app.cache import Cache
from app.db import Database
from app.errors import AppError
from app.models import Assignment, Judgment, Rater, Study, StudyClip
from app.models import Filter as StudyFilter
from app.pool_evidence import consequences, next_batch, top_ups
from app.pool_evidence.consequences import composition, levels
from app.pool_evidence.evidence import Evidence
from app.pool_evidence.study_draws import study_draws
from app.results.agreement import compute
from app.settings import Settings
from scoring.filters import Filter, survivors
from tests.helpers import pool_studies
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite
from tests.helpers.waiting import wait_until


def evidence(db: object, study: Study, **thresholds: float) -> Evidence:
    """The evidence that a request with these thresholds computes."""
    return Evidence(db, study, Cache(), "raters", thresholds)  # type: ignore[arg-type]  # a session


def test_kept_clips_are_counted_at_current_and_requested_thresholds(study: Study, database: Database) -> None:
    """Clips and hours at both thresholds are those of the pool's rows, and subgroups add up to the whole."""
    table = pl.read_parquet(study.pool)
    current = survivors(table, [Filter("still", "movement", 50), Filter("sharp", "sharpness", 20, 95)])
    proposed = survivors(table, [Filter("still", "movement", 61.5), Filter("sharp", "sharpness", 30, 95)])
    with database.reader() as db:
        found = evidence(db, study, still=61.5, sharp=30).consequences("language")
    assert [one.why for one in found.proposals] == ["asked for", "asked for"]
    assert (found.current.whole.kept.clips, found.proposed.whole.kept.clips) == (current.height, proposed.height)
    assert found.current.whole.kept.hours == pytest.approx(current["duration"].sum() / 3600)
    groups = composition(found)
    assert [sum(group.shares[which] or 0 for group in groups) for which in range(3)] == pytest.approx([1, 1, 1])
    assert sum(group.proposed.clips for group in groups) == proposed.height
    assert [level.clips for level in levels(found.proposed, {})] == [
        60,
        table.filter(pl.col("movement") >= 61.5).height,
        proposed.height,
    ]


@on_sqlite
def test_of_many_filters_those_that_reject_nothing_are_not_drawn(study: Study) -> None:
    """The figure has the pool and every filter that rejects clips, with the same counts; the table has all filters."""
    rows = pl.scan_parquet(study.pool)
    proposals = tuple(
        consequences.ThresholdProposal(f"f{number}", f"F{number}", "movement", "", (low, None), (low, None), "as now")
        for number, low in enumerate([0.0, 10.0, 10.0, 20.0, 20.0, 20.0, 30.0, 40.0, 40.0])
    )
    found = consequences.consequences(rows, proposals, "").current
    drawn = consequences.drawn_levels(found, {})
    every = [(level.name, level.clips) for level in levels(found, {})]
    assert len(every) == 10
    assert [level.name for level in drawn] == ["pool", "f1", "f3", "f6", "f7"]
    assert [(level.name, level.clips) for level in drawn] == [
        one for one in every if one[0] in ("pool", "f1", "f3", "f6", "f7")
    ]


def test_the_threshold_of_the_best_f1_is_proposed_by_default(study: Study, database: Database) -> None:
    """The default is the best F1, found on these data; an adopted threshold replaces it, and a requested one both."""
    with database.reader() as db:
        asked = evidence(db, study)
        proposals = consequences.proposals(asked.results, {}, {"none": (1.0, None)})
        best = [one.best for one in asked.results.filters]
    for proposal, choice in zip(proposals, best, strict=True):
        assert choice is not None
        assert proposal.value == float(choice.shown())
        assert proposal.why == "found on these data"
    assert proposals[1].proposed[1] == 95
    with database.reader() as db:
        results = evidence(db, study).results
        first, _ = consequences.proposals(results, {}, {"still": (33.0, None)})
        requested, _ = consequences.proposals(results, {"still": 44.0}, {"still": (33.0, None)})
    assert (first.proposed, first.why) == ((33.0, None), "adopted")
    assert (requested.proposed, requested.why) == ((44.0, None), "asked for")


def test_the_share_of_good_clips_is_that_of_the_library(study: Study, database: Database) -> None:
    """Both estimates equal those of `pool_share` with the strata of the draw; a band has none, and says why."""
    with database.reader() as db:
        asked = evidence(db, study)
        shares, why_none = asked.good_shares()
        sample = asked.filter("still").sample
        drawn = study_draws(db, study)
    assert why_none == ""
    assert sample is not None
    table = drawn.pool.readable
    stratum = [drawn.draws[0].plan.division.labels[place] for place in drawn.draws[0].plan.division.of]
    good = sample.good.astype(float)
    own, pool = cross_fitted_predictions(sample.scores, good, table["movement"].to_numpy(), seed=study.seed)
    wanted = pool_share(good, own, pool, sample.strata, stratum)
    assert shares[0].share is not None
    assert shares[0].share.with_predictions == wanted.with_predictions
    current = asked.filter("still").current
    assert current is not None
    assert shares[0].share.judged_alone == current.prevalence
    assert wanted.with_predictions.low is not None
    assert (shares[1].share, shares[1].missing) == (None, "the filter has two ends: more of its score is not better")


@on_sqlite
def test_the_page_shows_both_cascades_and_the_origin_of_thresholds(study: Study, researcher: TestClient) -> None:
    """Thresholds are preset, found on these data or asked for; one that is not a number is refused."""
    here = f"/studies/{study.slug}"
    page = " ".join(researcher.get(f"{here}/pool").text.split())
    for words in ("found on these data", "preset", "Who is left", "language", "gender", "Worth as many judged clips"):
        assert words in page, words
    asked = " ".join(researcher.get(f"{here}/pool?by=gender&cut_still=61.5&cut_sharp=").text.split())
    assert ">asked for<" in asked
    assert "≥ 61.5" in asked
    assert "figures/then?cut_still=61.5&amp;by=gender" in asked
    for name in ("now", "then", "composition", "good"):
        drawn = researcher.get(f"{here}/consequences/figures/{name}.json?by=gender&cut_still=61.5")
        assert drawn.status_code == 200, name
        assert "n = " in str(drawn.json()["title"]["subtitle"])
    refused = researcher.get(f"{here}/pool?cut_still=high")
    assert (refused.status_code, "is no number" in refused.text) == (400, True)
    assert "has no column" in researcher.get(f"{here}/pool?by=none").text


@on_sqlite
def test_a_borderline_draw_gives_no_share_of_good_clips(
    study_maker: StudyMaker, tmp_path: Path, researcher: TestClient, database: Database
) -> None:
    """If clips were drawn next to the thresholds, the pages say why there is no share of good clips and no top-up."""
    study = pool_studies.make(database, study_maker.settings, tmp_path, pool_studies.BORDERLINE)
    page = researcher.get(f"/studies/{study.slug}/pool").text
    assert "they say nothing about the whole pool" in page
    assert "A borderline draw is not topped up." in researcher.get(f"/studies/{study.slug}/next").text


def test_anchoring_and_ceiling_are_those_of_the_library(
    study_maker: StudyMaker, tmp_path: Path, database: Database, settings: Settings
) -> None:
    """The effect uses every verdict in its arm; the ceiling uses blind answers and the same majority for all."""
    study = pool_studies.make(database, settings, tmp_path, scores="randomised")
    pool_studies.judge(study_maker, study, pool_studies.clips_of(database, study))
    with database.reader() as db:
        found = evidence(db, study).influence()
        query = (
            select(StudyClip, col(Judgment.value), col(Assignment.arm), col(Rater.name))
            .join(Assignment, col(Assignment.study_clip_id) == col(StudyClip.id))
            .join(Judgment, col(Judgment.assignment_id) == col(Assignment.id))
            .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        )
        rows = db.execute(query).all()
    passes = [float(clip.scores["movement"] >= 50) for clip, *_ in rows]
    wanted = anchoring(
        [float(value == "accept") for _, value, _, _ in rows],
        passes,
        [arm == "shown" for _, _, arm, _ in rows],
        [name for *_, name in rows],
        [str(clip.id) for clip, *_ in rows],
    )
    got = found.filters[0].anchoring
    assert wanted.effect.value is not None
    assert got.effect.value == pytest.approx(wanted.effect.value)
    assert got.effect.low == pytest.approx(wanted.effect.low)
    assert got.p == pytest.approx(wanted.p)
    assert sum(found.filters[0].answers) == len(rows)
    blind = [(str(clip.id), name, value) for clip, value, arm, name in rows if arm == "hidden"]
    clips, names, values = (list(part) for part in zip(*blind, strict=True))
    ratings = Ratings.from_votes(clips, names, values, VERDICT)
    verdicts = {str(clip.id): "accept" if clip.scores["movement"] >= 50 else "reject" for clip, *_ in rows}
    known = {clip: verdict for clip, verdict in verdicts.items() if clip in ratings.clips}
    panel, rest, _ = human_ceiling(ratings, known, None, seed=study.seed)
    assert found.ceilings[0].blind
    assert (found.filters[0].to_panel.value, found.filters[0].to_panel.low) == (panel.value, panel.low)
    assert found.ceilings[0].to_others.value == rest.value


@on_sqlite
def test_the_anchoring_page_says_why_there_is_no_effect(study_maker: StudyMaker, researcher: TestClient) -> None:
    """If scores were hidden from all raters, the page explains it and names the setting; figures can still be drawn."""
    study = study_maker(clips=3, with_media=False)
    page = " ".join(researcher.get(f"/studies/{study.slug}/anchoring").text.split())
    assert "No answer was given with the score shown." in page
    assert "score_visibility" in page
    assert "No ceiling yet" in page
    for name in ("effects", "ceiling"):
        assert researcher.get(f"/studies/{study.slug}/consequences/figures/{name}.svg").text.startswith("<svg")


def test_a_batch_narrows_intervals_and_names_its_strata(study: Study, database: Database) -> None:
    """Half-widths shrink with more clips, and the clips of the strata add up to the batch."""
    with database.reader() as db:
        asked = evidence(db, study)
        agreement = compute(db, study, "person")
        few, many = (next_batch.next_batch(db, study, asked.results, agreement, clips) for clips in (6, 12))
    assert few.why_not == ""
    assert sum(one.added for one in few.strata) == 6
    for less, more in zip(few.forecasts, many.forecasts, strict=True):
        if less.current is None:
            assert less.missing
            continue
        assert less.with_batch is not None
        assert more.with_batch is not None
        assert less.current == more.current
        assert less.current > less.with_batch > more.with_batch
    assert any(one.statistic == "alpha" and one.current for one in few.forecasts)


def test_a_batch_starts_from_the_intervals_of_the_results_page(study: Study, database: Database) -> None:
    """Half-widths now are half of those intervals; what has none there says the same reason."""
    with database.writer() as db:
        rule = db.scalars(select(StudyFilter).where(col(StudyFilter.name) == "still")).one()
        rule.minimum = -1.0  # rejects nothing
        db.add(rule)
    with database.reader() as db:
        asked = evidence(db, study)
        batch = next_batch.next_batch(db, study, asked.results, compute(db, study, "person"), 6)
    planned = {(one.subject, one.statistic): one for one in batch.forecasts}
    current = asked.results.filter_named("still").current
    assert current is not None
    assert planned["Still ≥ -1", "recall"].missing == current.recall.undefined
    assert "no clip that the filter rejects was rated" in str(current.recall.undefined)
    precision = planned["Still ≥ -1", "precision"]
    assert current.precision.low is not None
    assert current.precision.high is not None
    assert precision.current == (current.precision.high - current.precision.low) / 2
    assert precision.with_batch is not None
    assert precision.with_batch == pytest.approx(precision.current * (30 / 36) ** 0.5, rel=0.03)
    alpha = asked.results.criteria[0].estimates["krippendorff_alpha"]
    assert alpha.low is not None
    assert alpha.high is not None
    assert planned["Verdict", "alpha"].current == (alpha.high - alpha.low) / 2


def drawn(researcher: TestClient, here: str) -> Response:
    """The page of the draw after it has succeeded or failed."""
    ends = ("The clips are drawn", "Nothing was drawn")
    wait_until(lambda: any(end in researcher.get(f"{here}/drawing").text for end in ends), "the end of the draw")
    return researcher.get(f"{here}/drawing")


def test_one_button_draws_the_batch(
    study: Study, researcher: TestClient, database: Database, settings: Settings
) -> None:
    """The draw runs in the background; then the study has the clips, in the strata that the preview showed."""
    here = f"/studies/{study.slug}/next"
    with database.reader() as db:
        preview = top_ups.preview(study_draws(db, study), 6)
    page = researcher.post(here, data={"clips": 6})
    assert page.url.path == f"{here}/drawing"
    page = drawn(researcher, here)
    assert "6 new clips, 36 in all." in page.text
    clips = pool_studies.clips_of(database, study)
    found = {one.label: sum(clip.stratum == one.label for clip in clips) for one in preview}
    assert found == {one.label: one.drawn + one.added for one in preview}
    assert all((settings.media / f"{clip.media_key}.mp4").is_file() for clip in clips)
    assert researcher.get(here).status_code == 200
    assert researcher.post(here, data={"clips": 0}).status_code == 422


@on_sqlite
def test_a_draw_without_the_pool_fails_with_the_reason(study: Study, researcher: TestClient) -> None:
    """If the pool is missing, the page says so instead of showing strata, and the draw ends with the reason."""
    here = f"/studies/{study.slug}/next"
    assert researcher.get(f"{here}/drawing").url.path == here
    Path(study.pool).unlink()
    assert "They cannot be drawn from here" in researcher.get(here).text
    researcher.post(here, data={"clips": 6})
    page = drawn(researcher, here)
    assert "Nothing was drawn" in page.text
    assert "There is no pool at" in page.text


@on_sqlite
def test_strata_of_a_changed_pool_are_refused(study: Study, database: Database) -> None:
    """A changed pool is refused before anything is computed, because its probabilities would be wrong."""
    pl.read_parquet(study.pool).with_columns(more=pl.lit(1)).write_parquet(study.pool)
    with database.reader() as db:
        with pytest.raises(AppError, match="has changed since the study was made"):
            evidence(db, study).refuse_changed_pool()
        assert "has changed since the study was made" in evidence(db, study).good_shares()[1]

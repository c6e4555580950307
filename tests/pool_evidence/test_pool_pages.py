"""Consequences for the pool, anchoring and the human ceiling, the next batch: the library's numbers."""

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
from app.pool_evidence import consequences, next_batch, top_ups
from app.pool_evidence.consequences import composition, levels
from app.pool_evidence.evidence import Evidence
from app.results.agreement import compute
from app.settings import Settings
from scoring.filters import Filter, survivors
from tests.helpers import pool_studies
from tests.helpers.factories import StudyMaker
from tests.helpers.visitors import on_sqlite
from tests.helpers.waiting import wait_until


@pytest.fixture
def study(study_maker: StudyMaker, tmp_path: Path) -> Study:
    """Thirty clips of sixty, each judged by two people."""
    made = pool_studies.make(study_maker.database, study_maker.settings, tmp_path)
    pool_studies.judge(study_maker, made, clips_of(study_maker.database, made))
    return made


def clips_of(database: Database, study: Study) -> list[StudyClip]:
    """The drawn clips."""
    with database.reader() as db:
        return list(db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id)).all())


def evidence(db: object, study: Study, **cuts: float) -> Evidence:
    """What a request of the researcher's would compute."""
    return Evidence(db, study, Cache(), "raters", cuts)  # type: ignore[arg-type]  # a session


def test_kept_clips_are_counted_at_the_cuts_now_and_asked_for(study: Study, database: Database) -> None:
    """Clips and hours at both cuts are those of the pool's own rows; parts add up to the whole."""
    table = pl.read_parquet(study.pool)
    now = survivors(table, [Filter("still", "movement", 50), Filter("sharp", "sharpness", 20, 95)])
    then = survivors(table, [Filter("still", "movement", 61.5), Filter("sharp", "sharpness", 30, 95)])
    with database.reader() as db:
        found = evidence(db, study, still=61.5, sharp=30).consequences("language")
    assert [cut.why for cut in found.cuts] == ["asked for", "asked for"]
    assert (found.now.whole.kept.clips, found.then.whole.kept.clips) == (now.height, then.height)
    assert found.now.whole.kept.hours == pytest.approx(now["duration"].sum() / 3600)
    parts = composition(found)
    assert [sum(part.shares[which] or 0 for part in parts) for which in range(3)] == pytest.approx([1, 1, 1])
    assert sum(part.then.clips for part in parts) == then.height
    assert [level.clips for level in levels(found.then, {})] == [
        60,
        table.filter(pl.col("movement") >= 61.5).height,
        then.height,
    ]


@on_sqlite
def test_of_many_filters_those_that_drop_nothing_are_not_drawn(study: Study) -> None:
    """The drawing has the pool and every stage that drops clips, with the same counts; the table has all."""
    rows = pl.scan_parquet(study.pool)
    cuts = tuple(
        consequences.Cut(f"f{number}", f"F{number}", "movement", "", (low, None), (low, None), "as now")
        for number, low in enumerate([0.0, 10.0, 10.0, 20.0, 20.0, 20.0, 30.0, 40.0, 40.0])
    )
    found = consequences.consequences(rows, cuts, "").now
    drawn = consequences.drawn_levels(found, {})
    every = [(level.name, level.clips) for level in levels(found, {})]
    assert len(every) == 10
    assert [level.name for level in drawn] == ["pool", "f1", "f3", "f6", "f7"]
    assert [(level.name, level.clips) for level in drawn] == [
        one for one in every if one[0] in ("pool", "f1", "f3", "f6", "f7")
    ]


def test_without_asking_the_best_f1_is_proposed(study: Study, database: Database) -> None:
    """The proposal is the filter's best cut, told as found on these data; the upper end of a band stays."""
    with database.reader() as db:
        asked = evidence(db, study)
        cuts = consequences.proposals(asked.results, {}, {"none": (1.0, None)})
        best = [one.best for one in asked.results.filters]
    for cut, choice in zip(cuts, best, strict=True):
        assert choice is not None
        assert cut.value == float(choice.shown())
        assert cut.why == "found on these data"
    assert cuts[1].then[1] == 95
    with database.reader() as db:
        results = evidence(db, study).results
        first, _ = consequences.proposals(results, {}, {"still": (33.0, None)})
        asked_for, _ = consequences.proposals(results, {"still": 44.0}, {"still": (33.0, None)})
    assert (first.then, first.why) == ((33.0, None), "adopted")
    assert (asked_for.then, asked_for.why) == ((44.0, None), "asked for")


def test_the_share_of_good_clips_is_the_library_s(study: Study, database: Database) -> None:
    """With the score's predictions, by the strata of the draw; a band says why it has none."""
    with database.reader() as db:
        asked = evidence(db, study)
        shares, why_none = asked.shares()
        sample = asked.filter("still").sample
        drawn = top_ups.so_far(db, study)
    assert why_none == ""
    assert sample is not None
    table = drawn.pool.readable
    stratum = [drawn.parts[0].plan.division.labels[place] for place in drawn.parts[0].plan.division.of]
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
def test_the_page_shows_both_cascades_and_says_where_cuts_come_from(study: Study, researcher: TestClient) -> None:
    """Preset, found on these data or asked for; figures with their tables; a cut that is no number is refused."""
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
def test_a_borderline_draw_says_nothing_of_the_pool(
    study_maker: StudyMaker, tmp_path: Path, researcher: TestClient, database: Database
) -> None:
    """Clips drawn next to the thresholds: no share of good clips, no top-up, both told in words."""
    study = pool_studies.make(database, study_maker.settings, tmp_path, pool_studies.BORDERLINE)
    page = researcher.get(f"/studies/{study.slug}/pool").text
    assert "they say nothing about the whole pool" in page
    assert "A borderline draw is not topped up." in researcher.get(f"/studies/{study.slug}/next").text


def test_anchoring_and_ceiling_are_the_library_s(
    study_maker: StudyMaker, tmp_path: Path, database: Database, settings: Settings
) -> None:
    """Every verdict in the arm drawn for it; filter and raters against the same majority, blind answers only."""
    study = pool_studies.make(database, settings, tmp_path, scores="randomised")
    pool_studies.judge(study_maker, study, clips_of(database, study))
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
    assert found.ceilings[0].to_rest.value == rest.value


@on_sqlite
def test_the_anchoring_page_says_why_there_is_no_effect(study_maker: StudyMaker, researcher: TestClient) -> None:
    """Hidden scores have no shown arm: the page tells it, and how a study could tell; figures stay drawable."""
    study = study_maker(clips=3, with_media=False)
    page = " ".join(researcher.get(f"/studies/{study.slug}/anchoring").text.split())
    assert "No answer was given with the score shown." in page
    assert "score_visibility" in page
    assert "No ceiling yet" in page
    for name in ("effects", "ceiling"):
        assert researcher.get(f"/studies/{study.slug}/consequences/figures/{name}.svg").text.startswith("<svg")


def test_a_batch_buys_narrower_intervals_and_names_its_strata(study: Study, database: Database) -> None:
    """Half-widths shrink with more clips; the strata are those that the draw then takes, clip for clip."""
    with database.reader() as db:
        asked = evidence(db, study)
        agreement = compute(db, study, "person")
        few, many = (next_batch.next_batch(db, study, asked.results, agreement, clips) for clips in (6, 12))
    assert few.why_not == ""
    assert sum(one.more for one in few.strata) == 6
    for less, more in zip(few.bought, many.bought, strict=True):
        if less.now is None:
            assert less.missing
            continue
        assert less.then is not None
        assert more.then is not None
        assert less.now == more.now
        assert less.now > less.then > more.then
    assert any(one.what == "alpha" and one.now for one in few.bought)


def drawn(researcher: TestClient, here: str) -> Response:
    """The page of the draw once it has ended, well or not."""
    ends = ("The clips are drawn", "Nothing was drawn")
    wait_until(lambda: any(end in researcher.get(f"{here}/drawing").text for end in ends), "the end of the draw")
    return researcher.get(f"{here}/drawing")


def test_one_button_draws_the_batch(
    study: Study, researcher: TestClient, database: Database, settings: Settings
) -> None:
    """The draw runs in the background; then the study has the clips, in the strata that were told, with new places."""
    here = f"/studies/{study.slug}/next"
    with database.reader() as db:
        told = top_ups.more(top_ups.so_far(db, study), 6)
    page = researcher.post(here, data={"clips": 6})
    assert page.url.path == f"{here}/drawing"
    page = drawn(researcher, here)
    assert "6 new clips, 36 in all." in page.text
    clips = clips_of(database, study)
    found = {label: sum(clip.stratum == label for clip in clips) for label in told}
    assert found == {label: have + more for label, (have, more) in told.items()}
    assert all((settings.media / f"{clip.media_key}.mp4").is_file() for clip in clips)
    assert researcher.get(here).status_code == 200
    assert researcher.post(here, data={"clips": 0}).status_code == 422


@on_sqlite
def test_a_draw_that_cannot_be_is_told(study: Study, researcher: TestClient) -> None:
    """The pool is gone: the page says so instead of strata, and the job ends with the reason."""
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
    """Probabilities of another pool would be wrong: refused before anything is computed."""
    pl.read_parquet(study.pool).with_columns(more=pl.lit(1)).write_parquet(study.pool)
    with database.reader() as db:
        with pytest.raises(AppError, match="has changed since the study was made"):
            evidence(db, study).refuse_another_pool()
        assert "has changed since the study was made" in evidence(db, study).shares()[1]

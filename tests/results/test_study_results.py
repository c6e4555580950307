"""The results of a study: the right votes enter, counts are right, and an undefined estimate has a reason."""

import threading

import krippendorff
import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlmodel import col

from app import auth
from app.cache import Cache
from app.db import Database
from app.models import Assignment, Filter, Judgment, Rater, Study, StudyClip
from app.rating import assignments, judgments
from app.rating.judgments import Answer
from app.report import exports
from app.results import undefined_reasons
from app.results.counted_answers import RaterKind
from app.results.study_results import Results, cached
from app.settings import Settings
from app.studies import whole_study
from tests.helpers.factories import NOON, StudyMaker, answers
from tests.helpers.rated_studies import A, R, U, computed, verdicts, vote
from tests.helpers.visitors import Visitor, on_sqlite
from tests.helpers.waiting import PATIENCE


def test_every_sampled_clip_is_in_exactly_one_count(judged: Study, database: Database) -> None:
    """Accepted, rejected, tied, without votes (unsure is no vote) and without a score add up to the sampled clips."""
    counts = computed(database, judged).filter_named("movement").verdicts
    assert (counts.accepted, counts.rejected, counts.tied, counts.without_votes, counts.without_score) == (
        3,
        2,
        1,
        2,
        1,
    )
    assert counts.drawn == 3 + 2 + 1 + 2 + 1
    assert (counts.raters, counts.votes) == (2, 14)


def test_the_confusion_table_equals_the_one_computed_by_hand(judged: Study, database: Database) -> None:
    """Cells count clips; rates weight them to the pool: 8 pool clips by 3 judged above the threshold, 16 by 2 below."""
    table = computed(database, judged).filter_named("movement").current
    assert table is not None
    assert (table.tp, table.fp, table.fn, table.tn) == (2, 1, 1, 1)
    assert table.weighted == pytest.approx((16 / 3, 8 / 3, 8, 8))
    by_hand = {
        "precision": 2 / 3,
        "recall": 2 / 5,
        "specificity": 3 / 4,
        "f1": 1 / 2,
        "accuracy": 5 / 9,
        "prevalence": 5 / 9,
    }
    for name, value in by_hand.items():
        estimate = getattr(table, name)
        assert estimate.value == pytest.approx(value), name
        assert estimate.low < value < estimate.high, name


@on_sqlite
def test_the_best_threshold_and_the_auc_equal_those_computed_by_hand(judged: Study, database: Database) -> None:
    """Of the thresholds 90, 85, 80, 70 and 60, the one at 70 has the largest weighted F1, 10/11."""
    found = computed(database, judged).filter_named("movement")
    assert found.best is not None
    assert found.curve is not None
    assert (found.best.threshold, found.best.gap_low) == (70, 60)
    assert found.best.confusion.f1.value == pytest.approx(10 / 11)
    # Weighted pairs good over bad: 90 and 80 (weight 8/3) and 70 (8) against 85 (8/3) and 60 (8), ties none.
    wins = 8 / 3 * (8 / 3 + 8) + 8 / 3 * 8 + 8 * 8
    assert found.curve.auc.value == pytest.approx(wins / (40 / 3 * 32 / 3))
    assert found.missing == {}


@on_sqlite
def test_a_filter_with_an_upper_limit_or_two_limits_keeps_the_scores_within(judged: Study, database: Database) -> None:
    """`max = 80` keeps 80, 70 and 60; `min = 60, max = 85` keeps 85 down to 60. Limits are inclusive."""
    for low, high, cells in ((None, 80.0, (2, 1, 1, 1)), (60.0, 85.0, (2, 2, 1, 0)), (None, 65.0, (0, 1, 3, 1))):
        with database.writer() as db:
            rule = db.scalars(select(Filter)).one()
            rule.minimum, rule.maximum = low, high
            db.add(rule)
        found = computed(database, judged).filter_named("movement")
        assert found.current is not None
        assert (found.current.tp, found.current.fp, found.current.fn, found.current.tn) == cells
        assert found.direction == ("le" if low is None else "ge")


@on_sqlite
def test_a_borderline_sample_is_not_weighted_to_the_pool(judged: Study, database: Database) -> None:
    """Its clips were chosen because they lie near the threshold, so the rates are unweighted."""
    with database.writer() as db:
        study = db.get_one(Study, judged.id)
        study.design = study.design | {"kind": "borderline"}
        db.add(study)
        for clip in db.scalars(select(StudyClip)).all():
            clip.drawn_for = ["movement"]
            db.add(clip)
    table = computed(database, judged).filter_named("movement").current
    assert table is not None
    assert table.weighted == (2, 1, 1, 1)
    assert table.precision.value == pytest.approx(2 / 3)
    assert table.recall.value == pytest.approx(2 / 3)


def test_alpha_equals_that_of_the_reference_package(study_maker: StudyMaker, database: Database) -> None:
    """Both give the same value for the same votes: ordinal for the quality scale, nominal for verdicts."""
    generator = np.random.default_rng(5)
    quality = generator.integers(1, 6, size=(3, 8))
    chosen = generator.choice([A, R, U], size=(3, 8), p=[0.5, 0.4, 0.1])
    quality[1] = np.clip(quality[0] + generator.integers(-1, 2, size=8), 1, 5)
    chosen[1, :6] = chosen[0, :6]
    seen = np.ones((3, 8), dtype=bool)
    seen[2, :3] = False
    study = study_maker(clips=8, raters_per_clip=3, with_media=False)
    for row, name in enumerate(("Ada", "Ben", "Cy")):
        plan = {
            place: answers(quality=int(quality[row, place]), verdict=str(chosen[row, place]))
            for place in range(8)
            if seen[row, place]
        }
        vote(study_maker, study, name, plan)
    found = {item.key: item for item in computed(database, study).criteria}
    numbers = np.where(seen, quality.astype(float), np.nan)
    coded = np.select([chosen == A, chosen == R], [1.0, 0.0], np.nan)
    by_package = {
        "quality": krippendorff.alpha(reliability_data=numbers, level_of_measurement="ordinal"),
        "verdict": krippendorff.alpha(reliability_data=np.where(seen, coded, np.nan), level_of_measurement="nominal"),
    }
    for key, expected in by_package.items():
        estimate = found[key].estimates["krippendorff_alpha"]
        assert estimate.value == pytest.approx(expected, abs=1e-12), key
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.low < expected < estimate.high, key
    assert found["quality"].answers == 21
    counted = {value: count for value, _word, count in found["verdict"].values}
    assert counted == {value: int((chosen[seen] == value).sum()) for value in (A, R, U)}
    assert counted[U] > 0


def test_without_votes_every_estimate_is_undefined_with_a_reason(study_maker: StudyMaker, database: Database) -> None:
    """Coefficients are undefined with a reason, and filters say which parts are missing."""
    found = computed(database, study_maker(clips=3, with_media=False))
    assert (found.raters, found.answers) == (0, 0)
    for item in found.criteria:
        for estimate in item.estimates.values():
            assert estimate.value is estimate.low is estimate.high is None
            assert "no clip has two ratings" in (estimate.undefined or "")
    rule = found.filter_named("movement")
    assert (rule.current, rule.best, rule.curve) == (None, None, None)
    assert set(rule.missing) == {"current", "best", "curve"}
    assert "no clip has an accept or reject yet" in rule.missing["current"]
    assert (rule.verdicts.drawn, rule.verdicts.without_votes, rule.verdicts.blind) == (3, 3, False)


@on_sqlite
def test_one_rater_is_enough_for_filters_and_too_few_for_agreement(study_maker: StudyMaker, database: Database) -> None:
    """With one rater agreement is undefined, and the confusion table exists."""
    study = study_maker(clips=4, scores=[90, 85, 70, 60], with_media=False)
    vote(study_maker, study, "Ada", verdicts([A, R, A, R]))
    found = computed(database, study)
    assert found.criteria[0].estimates["krippendorff_alpha"].value is None
    table = found.filter_named("movement").current
    assert table is not None
    assert (table.tp, table.fp, table.fn, table.tn) == (1, 1, 1, 1)


@on_sqlite
def test_answers_without_variation_have_no_alpha_and_no_auc(study_maker: StudyMaker, database: Database) -> None:
    """If all answers are accept, alpha, specificity and AUC are undefined with a reason; percent agreement is 1."""
    study = study_maker(clips=4, scores=[90, 85, 70, 60], with_media=False)
    for name in ("Ada", "Ben"):
        vote(study_maker, study, name, verdicts([A] * 4))
    found = computed(database, study)
    verdict = next(item for item in found.criteria if item.key == "verdict")
    assert "without variation" in (verdict.estimates["krippendorff_alpha"].undefined or "")
    assert verdict.estimates["percent_agreement"].value == 1
    rule = found.filter_named("movement")
    assert rule.current is not None
    assert rule.current.specificity.undefined == "every rated clip is good"
    assert rule.curve is None or rule.curve.auc.value is None
    assert any("Movement" in titles for titles in undefined_reasons.of_filters(found).values())


@on_sqlite
def test_a_filter_is_judged_by_blind_answers_only_if_there_are_any(study_maker: StudyMaker, database: Database) -> None:
    """In a randomised study only the hidden arm counts for filters; agreement uses every answer."""
    study = study_maker(clips=12, raters_per_clip=2, score_visibility="randomised", with_media=False)
    for name in ("Ada", "Ben"):
        vote(study_maker, study, name, verdicts([A, R] * 6))
    with database.reader() as db:
        hidden = [row for row in db.scalars(select(Assignment)).all() if row.status == "done" and row.arm == "hidden"]
    assert 0 < len(hidden) < 24
    found = computed(database, study)
    counts = found.filter_named("movement").verdicts
    assert (counts.blind, counts.votes) == (True, len(hidden))
    assert counts.without_votes == 12 - len({row.study_clip_id for row in hidden})
    assert all(item.answers == 24 for item in found.criteria)


@on_sqlite
def test_answers_given_while_scores_were_visible_are_used_if_there_are_no_others(
    study_maker: StudyMaker, database: Database
) -> None:
    """`blind` is False then, so that page and export can say so."""
    study = study_maker(clips=3, score_visibility="shown", with_media=False)
    vote(study_maker, study, "Ada", verdicts([A, R, A]))
    counts = computed(database, study).filter_named("movement").verdicts
    assert (counts.blind, counts.votes) == (False, 3)


@on_sqlite
def test_a_filter_is_judged_by_the_answer_before_the_scores_and_agreement_uses_the_last(
    study_maker: StudyMaker, database: Database
) -> None:
    """If scores are shown after the answer, a correction made while they are visible affects no filter."""
    study = study_maker(clips=2, raters_per_clip=1, score_visibility="after", scores=[90, 60], with_media=False)
    rater = vote(study_maker, study, "Ada", verdicts([A, A]))
    with database.writer() as db:
        whole = whole_study.parts(db, study.id)
        for row in db.scalars(select(Assignment)).all():
            mine = assignments.owned(db, rater, row.id)
            judgments.record(
                db, mine, rater, list(whole.criteria), Answer(answers(verdict=R), f"changed-{row.id}"), now=NOON
            )
    found = computed(database, study)
    counts = found.filter_named("movement").verdicts
    assert (counts.blind, counts.accepted, counts.rejected) == (True, 2, 0)
    verdict = next(item for item in found.criteria if item.key == "verdict")
    assert {value: count for value, _word, count in verdict.values} == {A: 0, R: 2, U: 0}


def test_people_and_simulated_raters_are_computed_separately(study_maker: StudyMaker, database: Database) -> None:
    """One study has two results, and no vote enters both."""
    study = study_maker(clips=4, raters_per_clip=3, scores=[90, 85, 70, 60], with_media=False)
    vote(study_maker, study, "Ada", verdicts([A, A, R, R]))
    for name in ("Robot 1", "Robot 2"):
        vote(study_maker, study, name, verdicts([R, R, A, A]), kind="simulated")
    people, panel = computed(database, study), computed(database, study, "simulated")
    assert (people.kind, people.raters, people.answers) == ("person", 1, 4)
    assert (panel.kind, panel.raters, panel.answers) == ("simulated", 2, 8)
    tables = [found.filter_named("movement").current for found in (people, panel)]
    assert [(one.tp, one.fp, one.fn, one.tn) for one in tables if one] == [(2, 0, 0, 2), (0, 2, 2, 0)]


def test_results_are_cached_until_an_answer_changes(study_maker: StudyMaker, database: Database) -> None:
    """Reading again returns the same object; a further judgment, or a changed one, gives new results."""
    study = study_maker(clips=3, raters_per_clip=2, with_media=False)
    cache = Cache()

    def asked(kind: RaterKind = "person") -> Results:
        with database.reader() as db:
            return cached(cache, db, study, kind)

    vote(study_maker, study, "Ada", verdicts([A, None, None]))
    first = asked()
    assert asked() is first
    assert asked("simulated") is not first
    assert asked() is first
    rater = vote(study_maker, study, "Ben", verdicts([None, R, None]))
    second = asked()
    assert (first.answers, second.answers) == (1, 2)
    with database.writer() as db:
        mine = db.scalars(
            select(Assignment).where(col(Assignment.rater_id) == rater.id, col(Assignment.status) == "done")
        ).one()
        whole = whole_study.parts(db, study.id)
        changed = Answer(answers(verdict=U), "changed")
        judgments.record(db, assignments.owned(db, rater, mine.id), rater, list(whole.criteria), changed, now=NOON)
    third = asked()
    assert third is not second
    assert (
        third.filter_named("movement").verdicts.rejected == second.filter_named("movement").verdicts.rejected - 1 == 0
    )


@on_sqlite
def test_a_study_that_is_slow_to_compute_does_not_block_other_studies(
    study_maker: StudyMaker, settings: Settings, app: FastAPI, visitor: Visitor
) -> None:
    """While the results of one study are being computed, the results page of another study opens."""
    slow, other = (study_maker(clips=3, with_media=False) for _ in range(2))
    cache: Cache = app.state.cache
    begun, released = threading.Event(), threading.Event()

    def compute() -> None:
        begun.set()
        released.wait()

    working = threading.Thread(target=cache.get, args=(("results", slow.id, "person"), "now", compute))
    working.start()
    try:
        assert begun.wait(PATIENCE)
        browser = visitor()
        browser.get(f"/researcher/{auth.researcher_key(settings)}")
        assert browser.get(f"/studies/{other.slug}/results").status_code == 200
        assert working.is_alive()
    finally:
        released.set()
        working.join()


@on_sqlite
def test_clips_that_share_sources_are_resampled_by_source(study_maker: StudyMaker, database: Database) -> None:
    """Enough sources are resampled; for too few, the note warns; with one clip per source there is no note."""
    for sources, words in ((12, "resample the 12 source videos"), (3, "may be too narrow"), (None, "")):
        study = study_maker(clips=24, sources=sources, raters_per_clip=2, with_media=False)
        for name in ("Ada", "Ben"):
            vote(study_maker, study, name, verdicts([A, R, A] * 8))
        notes = {item.note for item in computed(database, study).criteria}
        assert len(notes) == 1
        note = notes.pop()
        assert words in note
        assert bool(note) is bool(words)


@on_sqlite
def test_surplus_answers_are_stored_and_not_counted(study_maker: StudyMaker, database: Database) -> None:
    """An answer beyond those the study asked for enters no estimate; its judgments stay stored."""
    study = study_maker(clips=2, raters_per_clip=2, with_media=False)
    vote(study_maker, study, "Ada", verdicts([A, A]))
    vote(study_maker, study, "Late", verdicts([R, R]))
    with database.writer() as db:
        late = db.scalars(select(Rater).where(col(Rater.name) == "Late")).one()
        for row in db.scalars(select(Assignment).where(col(Assignment.rater_id) == late.id)).all():
            row.status = "surplus"
            db.add(row)
    found = computed(database, study)
    assert (found.raters, found.answers) == (1, 2)
    with database.reader() as db:
        assert len(db.scalars(select(Judgment)).all()) == 12
        assert "surplus" in "".join(exports.judgments_csv(db, study))

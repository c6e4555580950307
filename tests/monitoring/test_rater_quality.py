"""Signs of careless rating: gold and attention clips, repeats, haste, monotony, drift and failed clips, by hand."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from app import auth
from app.db import Database
from app.models import Assignment, Criterion, Event, Judgment, Rater, Study, StudyClip
from app.monitoring import rater_quality
from app.monitoring.rater_quality import RaterQuality
from app.settings import Settings
from tests.helpers.factories import NOON, StudyMaker, answers
from tests.helpers.pool_entries import give_rules
from tests.helpers.visitors import Visitor
from tests.rating.test_training import give_known, known


def given(
    database: Database,
    study: Study,
    rater: Rater,
    clip: StudyClip,
    values: dict[str, str],
    *,
    second: float,
    purpose: str = "sample",
    occasion: int = 0,
) -> None:
    """Store an answer as the rating room does, some seconds after noon."""
    with database.writer() as db:
        keys = {item.key: item.id for item in db.scalars(select(Criterion).where(col(Criterion.study_id) == study.id))}
        row = Assignment(study_id=study.id, study_clip_id=clip.id, place=-1, purpose=purpose, occasion=occasion)
        row.rater_id, row.status, row.arm = rater.id, "done", "hidden"
        row.answered_at = NOON + timedelta(seconds=second)
        db.add(row)
        db.flush()
        for key, value in values.items():
            db.add(
                Judgment(
                    study_id=study.id,
                    assignment_id=row.id,
                    criterion_id=keys[key],
                    rater_id=rater.id,
                    value=value,
                    revision=1,
                    submission=f"{row.id}",
                    arm="hidden",
                    guidelines_hash="",
                )
            )


def clips_of(database: Database, study: Study, role: str) -> list[StudyClip]:
    """Return the study's clips with a role, in their order."""
    with database.reader() as db:
        found = db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id, col(StudyClip.role) == role))
        return sorted(found, key=lambda clip: clip.position)


def signs(database: Database, study: Study) -> dict[str, RaterQuality]:
    """Return all raters' signs by name."""
    with database.reader() as db:
        return {one.name: one for one in rater_quality.of_study(db, db.get_one(Study, study.id), "person")}


@pytest.fixture
def study(study_maker: StudyMaker, database: Database, settings: Settings) -> Study:
    """Twelve clips to rate, two gold clips with a tolerance of one step, one attention clip."""
    made = study_maker(clips=12, raters_per_clip=3, with_media=False)
    gold = [known("gold-1", quality=5), known("gold-2", quality=1, verdict="reject")]
    give_rules(database, made, gold={"clips": gold, "tolerance": 1})
    give_known(database, settings, made, "gold", gold)
    give_known(database, settings, made, "attention", [known("look", quality=2, stability=2, verdict="reject")])
    return made


def test_gold_and_attention_clips_and_repeated_answers_are_counted(
    study: Study, study_maker: StudyMaker, database: Database
) -> None:
    """A gold answer within the tolerance is right; attention clips have no tolerance; repeats compare answers."""
    ada = study_maker.rater(study, "Ada")
    first, second = clips_of(database, study, "gold")
    (look,) = clips_of(database, study, "attention")
    given(database, study, ada, first, answers(quality=4), second=10, purpose="gold")
    given(database, study, ada, second, answers(quality=4, verdict="reject"), second=20, purpose="gold")
    given(database, study, ada, look, answers(quality=3, stability=2, verdict="reject"), second=30, purpose="attention")
    clip = clips_of(database, study, "sample")[0]
    given(database, study, ada, clip, answers(quality=3, stability=3), second=40)
    given(database, study, ada, clip, answers(quality=3, stability=4), second=900, purpose="repeat", occasion=1)
    one = signs(database, study)["Ada"]
    assert one.gold is not None
    assert (one.gold.right, one.gold.asked) == (1, 2)
    assert one.attention is not None
    assert (one.attention.right, one.attention.asked) == (0, 1)
    assert one.repeats is not None
    assert (one.repeats.right, one.repeats.asked) == (2, 3)
    assert 0 < one.repeats.low < 2 / 3 < one.repeats.high < 1
    assert one.seconds == 10
    assert one.flags == ("missed 1 of 1 attention clips",)


def test_haste_and_monotony_are_flagged(study: Study, study_maker: StudyMaker, database: Database) -> None:
    """A rater who gives one answer only, in a tenth of the others' time, gets both flags; the others get none."""
    raters = [study_maker.rater(study, name) for name in ("Ada", "Bob", "Eve")]
    for number, clip in enumerate(clips_of(database, study, "sample")):
        for rater in raters:
            hasty = rater.name == "Eve"
            values = answers() if hasty else answers(quality=1 + (number * 7 + rater.id) % 5, stability=1 + number % 5)
            given(database, study, rater, clip, values, second=number * (1 if hasty else 12))
    found = signs(database, study)
    assert found["Eve"].flags == ("much faster than the others", "the same answers in long runs")
    assert found["Eve"].runs is not None
    assert found["Eve"].runs.commonest_share == 1
    assert found["Ada"].flags == found["Bob"].flags == ()


def test_drift_and_failures_are_flagged(study: Study, study_maker: StudyMaker, database: Database) -> None:
    """A rater whose points rise against the others' is flagged, and one for whom 3 of 12 clips did not play."""
    raters = [study_maker.rater(study, name) for name in ("Ada", "Bob")]
    for number, clip in enumerate(clips_of(database, study, "sample")):
        for rater in raters:
            quality = 1 + number // 3 if rater.name == "Ada" else 3
            values = answers(quality=quality, stability=1 + (number * 3 + rater.id) % 5)
            given(database, study, rater, clip, values, second=number * 10)
    with database.writer() as db:
        for _ in range(3):
            db.add(Event(study_id=study.id, kind="skipped", rater_id=raters[1].id, detail={"reason": "cannot_play"}))
    found = signs(database, study)
    assert "drifts up against the others" in found["Ada"].flags
    assert "3 clips did not play" in found["Bob"].flags
    assert found["Bob"].failures == 3


def test_signs_without_data_are_missing_and_not_zero(study: Study, study_maker: StudyMaker, database: Database) -> None:
    """Without gold clips, repeats or a second answer, the figures are None."""
    ada = study_maker.rater(study, "Ada")
    given(database, study, ada, clips_of(database, study, "sample")[0], answers(), second=1)
    one = signs(database, study)["Ada"]
    assert (one.gold, one.attention, one.repeats, one.seconds, one.flags) == (None, None, None, None, ())
    content = one.to_dict()
    assert content["gold"] is None
    assert content["drift_per_100_clips"]["undefined"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_signs_are_on_the_progress_page_and_in_the_export(
    study: Study, study_maker: StudyMaker, database: Database, visitor: Visitor, settings: Settings
) -> None:
    """The page shows them in words; estimates.json has every figure with its counts, under pseudonyms."""
    ada = study_maker.rater(study, "Ada")
    (look,) = clips_of(database, study, "attention")
    given(database, study, ada, look, answers(), second=1, purpose="attention")
    browser = visitor()
    browser.get(f"/researcher/{auth.researcher_key(settings)}")
    assert "missed 1 of 1 attention clips" in browser.get(f"/studies/{study.slug}/progress").text
    sent = browser.get(f"/studies/{study.slug}/estimates.json").json()
    (one,) = sent["rater_quality"]
    assert one["rater"] == "R1"
    assert "Ada" not in str(sent)
    assert one["attention"]["asked"] == 1
    assert one["flags"] == ["missed 1 of 1 attention clips"]

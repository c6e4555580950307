"""Studies with so many clips that a clip's position times a rater's multiplier leaves 32 bits."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.db import Database
from app.models import SHUFFLE_PRIME, Rater, Study, StudyClip, WorkPurpose
from app.rating import device_check, inserted_clips
from app.studies import media
from app.studies.rules import Repeats, Rules
from tests.helpers.factories import CRITERIA, NOON, StudyMaker, answers
from tests.helpers.pool_entries import give_rules

POSITIONS = (419_999, 0, 2_148, 359_997, 240_001, 418_765)
"""60,000 clips and seven criteria one by one make positions up to 419,999."""
SHUFFLE = SHUFFLE_PRIME - 1
"""The largest multiplier that a rater can get."""


@pytest.fixture
def study(study_maker: StudyMaker, database: Database) -> Study:
    """A study of which only the clips at POSITIONS exist."""
    study = study_maker(clips=len(POSITIONS), raters_per_clip=1, with_media=False)
    with database.writer() as db:
        for clip, position in zip(db.scalars(select(StudyClip)).all(), POSITIONS, strict=True):
            clip.position = position
            db.add(clip)
    return study


@pytest.fixture
def rater(study_maker: StudyMaker, study: Study, database: Database) -> Rater:
    """A rater with the largest multiplier."""
    joined = study_maker.rater(study)
    with database.writer() as db:
        rater = db.get_one(Rater, joined.id)
        rater.shuffle = SHUFFLE
        db.add(rater)
        return rater


def change_clips(database: Database, **values: Any) -> None:
    """Write the same values into every clip."""
    with database.writer() as db:
        for clip in db.scalars(select(StudyClip)).all():
            clip.sqlmodel_update(values)
            db.add(clip)


def rater_order(database: Database) -> list[StudyClip]:
    """The clips in the rater's own order, computed in whole numbers without a limit."""
    with database.reader() as db:
        return sorted(db.scalars(select(StudyClip)).all(), key=lambda clip: clip.position * SHUFFLE % SHUFFLE_PRIME)


def rate_all(study_maker: StudyMaker, study: Study, rater: Rater) -> list[int | None]:
    """Let the rater answer every clip; the clips' numbers in the order in which they came."""
    moments = [NOON + timedelta(minutes=step) for step in range(len(POSITIONS))]
    return [study_maker.rate(study, rater, answers(), at=moment) for moment in moments]


def test_a_rater_gets_every_clip_in_their_own_order(
    study_maker: StudyMaker, study: Study, rater: Rater, database: Database
) -> None:
    """Each clip comes once, sorted by position * shuffle modulo the prime."""
    assert rate_all(study_maker, study, rater) == [clip.id for clip in rater_order(database)]


def test_one_by_one_a_rater_gets_every_clip_in_their_own_order(
    study_maker: StudyMaker, study: Study, rater: Rater, database: Database
) -> None:
    """A pass over one criterion is sorted in the same way."""
    change_clips(database, criterion=CRITERIA[0][0])
    give_rules(database, study, presentation="one_by_one")
    assert rate_all(study_maker, study, rater) == [clip.id for clip in rater_order(database)]


@pytest.mark.parametrize("purpose", ["gold", "attention", "repeat"])
def test_an_inserted_clip_is_the_first_of_the_raters_own_order(
    purpose: WorkPurpose, study_maker: StudyMaker, study: Study, rater: Rater, database: Database
) -> None:
    """The first gold clip, attention clip and repeat are those that this order puts first."""
    if purpose == "repeat":
        # Without a distance, and all claimed from one source, every answered clip may come again.
        rate_all(study_maker, study, rater)
        change_clips(database, source="one film")
    else:
        change_clips(database, role=purpose)
    rules = Rules(repeats=Repeats().model_copy(update={"apart": 0}))
    with database.reader() as db:
        found = inserted_clips.pick(db, study, rules, rater, purpose, criterion="")
    assert found == (rater_order(database)[0].id, int(purpose == "repeat"))


def test_the_device_check_plays_the_last_clip_of_the_raters_own_order(rater: Rater, database: Database) -> None:
    """The rater learns least from the clip that comes last."""
    last = rater_order(database)[-1]
    with database.reader() as db:
        assert device_check.clip_for(db, rater) == media.address_in_study(last.id, last.media_key)

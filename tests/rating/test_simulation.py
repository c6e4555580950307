"""Many raters, a third of whom vanish: nobody over k, nobody starved, specials in their shares."""

import random
import threading
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.models import Assignment, Study, StudyClip
from app.rating import assignments, inserted_schedule, rater_position
from app.studies.creation import blocks
from app.studies.rules import Rules
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers

STEP = timedelta(seconds=20)
RULES = {
    "gold": {"clips": [{"clip": f"gold-{n}", "answers": {"quality": "5"}} for n in range(12)], "share": 0.1},
    "repeats": {"share": 0.1, "apart": 20},
}


def with_rules(maker: StudyMaker, study: Study, rules: dict[str, object], *, gold: int = 0) -> Study:
    """The study with rules, and known clips beside its sample; its clips stand in two strata, in blocks."""
    with maker.database.writer() as db:
        study = db.merge(study)
        study.rules = rules
        clips = list(
            db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id).order_by(col(StudyClip.id)))
        )
        for number, clip in enumerate(clips):
            clip.stratum = "rare" if number % 4 == 0 else "common"
        for clip, block in zip(clips, blocks([one.stratum for one in clips], 8, random.Random(1)), strict=True):
            clip.block = block
        for number in range(gold):
            facts = clips[0].model_dump(exclude={"id", "clip", "role", "source", "media_key", "stratum", "weight"})
            known: dict[str, Any] = {
                "clip": f"gold-{number}",
                "role": "gold",
                "source": f"gold-source-{number}",
                "weight": 0.0,
            }
            db.add(StudyClip(**facts, **known, stratum="", media_key=f"gold-{number:011d}"))
        db.add_all(clips)
    return study


def counted(database: Database) -> Counter[int]:
    """Places of each clip of the sample that are taken."""
    with database.reader() as db:
        rows = db.scalars(select(Assignment).where(col(Assignment.purpose) == "sample")).all()
    return Counter(row.study_clip_id for row in rows if row.status in ("done", "held"))


@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_raters_of_whom_a_third_vanish(study_maker: StudyMaker, seed: int) -> None:
    """No clip is ever above k taken places, and each has exactly k in the end; strata stay in proportion."""
    k = 3
    study = with_rules(study_maker, study_maker(clips=40, raters_per_clip=k, with_media=False), {})
    lots = random.Random(seed)
    people = [study_maker.rater(study, f"Rater {number}") for number in range(200)]
    vanishing = set(lots.sample(range(200), 60))
    with study_maker.database.reader() as db:
        rare = {clip.id for clip in db.scalars(select(StudyClip)).all() if clip.stratum == "rare"}
    moment = NOON
    active = list(range(200))
    lots.shuffle(active)
    done: Counter[str] = Counter()
    while active:
        moment += STEP
        number = lots.choice(active[:12])
        if number in vanishing:
            with study_maker.database.writer() as db:
                have = assignments.held(db, people[number])
                assignments.top_up(db, study, people[number], have, now=moment, lease=LEASE)
            active.remove(number)
        elif (clip := study_maker.rate(study, people[number], answers(), at=moment)) is None:
            active.remove(number)
        else:
            done["rare" if clip in rare else "common"] += 1
            assert abs(done["rare"] - done.total() / 4) <= 8, "the rare stratum is a quarter at every moment"
        assert max(counted(study_maker.database).values(), default=0) <= k
    moment += LEASE * 2
    last = study_maker.rater(study, "Late one"), study_maker.rater(study, "Later one"), study_maker.rater(study, "Last")
    for rater in last:
        while study_maker.rate(study, rater, answers(), at=moment) is not None:
            moment += STEP
    with study_maker.database.reader() as db:
        finished = Counter(row.study_clip_id for row in db.scalars(select(Assignment)).all() if row.status == "done")
    assert sorted(finished.values()) == [k] * 40


@pytest.mark.parametrize("seed", range(200))
def test_specials_keep_their_shares_at_every_moment(seed: int) -> None:
    """Gold and repeats stay within two clips of their shares, never follow each other, repeats not before 21."""
    rules = Rules.model_validate(RULES)
    got = [inserted_schedule.purpose_at(rules, seed * 7919 + 1, taken) for taken in range(110)]
    again = [inserted_schedule.purpose_at(rules, seed * 7919 + 1, taken) for taken in range(110)]
    assert got == again
    assert got[0] == "sample"
    assert all("sample" in pair for pair in pairwise(got))
    assert "repeat" not in got[:21]
    for end in range(1, 111):
        assert abs(got[:end].count("gold") - 0.1 * end) <= 2
        assert abs(got[:end].count("repeat") - 0.1 * max(0, end - 21)) <= 2


def test_a_raters_whole_way_with_gold_and_repeats(study_maker: StudyMaker) -> None:
    """Golds come once each, repeats at least 20 clips after the first showing, and no two of a source in a row."""
    study = study_maker(clips=90, raters_per_clip=1, sources=30, with_media=False)
    study = with_rules(study_maker, study, RULES, gold=12)
    rater = study_maker.rater(study)
    moment = NOON
    while study_maker.rate(study, rater, answers(), at=moment) is not None:
        moment += STEP
    with study_maker.database.reader() as db:
        clips = {clip.id: clip for clip in db.scalars(select(StudyClip)).all()}
        rows = db.scalars(
            select(Assignment).where(col(Assignment.rater_id) == rater.id).order_by(col(Assignment.claimed_at))
        )
        way = list(rows)
    kinds = Counter(row.purpose for row in way)
    assert kinds["sample"] == 90
    assert abs(kinds["gold"] - 0.1 * len(way)) <= 2
    assert abs(kinds["repeat"] - 0.1 * (len(way) - 21)) <= 2
    shown: dict[int, list[int]] = defaultdict(list)
    for position, row in enumerate(way):
        shown[row.study_clip_id].append(position)
        assert (row.purpose == "gold") == (clips[row.study_clip_id].role == "gold")
    assert all(len(where) == 1 for clip, where in shown.items() if clips[clip].role == "gold")
    assert all(later - first > 20 for where in shown.values() for first, later in pairwise(where))
    sources = [clips[row.study_clip_id].source for row in way]
    together = sum(one == other for one, other in pairwise(sources))
    assert together <= 1, "only at the very end may one source be all there is"


def test_the_count_of_clips_to_come_does_not_tell_specials(study_maker: StudyMaker) -> None:
    """Done and left add up to the same number at every clip, gold or not."""
    study = study_maker(clips=60, raters_per_clip=1, with_media=False)
    study = with_rules(study_maker, study, RULES, gold=12)
    rater = study_maker.rater(study)
    totals = set()
    for step in range(50):
        assert study_maker.rate(study, rater, answers(), at=NOON + STEP * step) is not None
        with study_maker.database.reader() as db:
            standing = rater_position.of(db, study, rater)
        totals.add(standing.done + standing.held + standing.free)
    assert len(totals) == 1


def test_raters_at_once_with_specials(study_maker: StudyMaker) -> None:
    """Six raters at the same time: every place is taken once and no special takes one."""
    study = study_maker(clips=24, raters_per_clip=2, with_media=False)
    study = with_rules(study_maker, study, RULES, gold=12)
    people = [study_maker.rater(study, f"Rater {number}") for number in range(6)]
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            moment = NOON
            while study_maker.rate(study, people[number], answers(), at=moment) is not None:
                moment += STEP
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sorted(counted(study_maker.database).values()) == [2] * 24


def test_the_first_clips_of_a_sitting_do_not_count(study_maker: StudyMaker) -> None:
    """Stabilisers take no place: two at the start, two more after half an hour's silence."""
    study = study_maker(clips=12, raters_per_clip=1, with_media=False)
    study = with_rules(study_maker, study, {"sessions": {"stabilisers": 2}})
    rater = study_maker.rater(study)
    for start in (NOON, NOON + timedelta(hours=2)):
        for step in range(4):
            study_maker.rate(study, rater, answers(), at=start + STEP * step)
    with study_maker.database.reader() as db:
        rows = db.scalars(
            select(Assignment).where(col(Assignment.status) == "done").order_by(col(Assignment.answered_at))
        )
        kinds = [row.purpose for row in rows]
    assert kinds == ["stabiliser"] * 2 + ["sample"] * 2 + ["stabiliser"] * 2 + ["sample"] * 2
    others = study_maker.rater(study, "Other")
    moment, got = NOON + timedelta(hours=3), set()
    while (clip := study_maker.rate(study, others, answers(), at=moment)) is not None:
        got.add(clip)
        moment += STEP
    assert len(got) >= 8, "what did not count is still there for somebody else"


def test_a_playing_clip_keeps_its_place(study_maker: StudyMaker) -> None:
    """Renewed while it plays, a lease holds past its first end; that of somebody else's clip is not renewed."""
    study = study_maker(clips=1, raters_per_clip=1, with_media=False)
    watching, other = study_maker.rater(study, "Watching"), study_maker.rater(study, "Other")
    with study_maker.database.writer() as db:
        have = assignments.top_up(db, study, watching, [], now=NOON, lease=LEASE)
        number = have[0].assignment.id
    with study_maker.database.writer() as db:
        assert assignments.renew(db, watching, number, now=NOON + LEASE / 2, lease=LEASE)
        assert not assignments.renew(db, other, number, now=NOON + LEASE / 2, lease=LEASE)
    assert study_maker.rate(study, other, answers(), at=NOON + LEASE * 1.2) is None
    assert study_maker.rate(study, other, answers(), at=NOON + LEASE * 1.6) is not None

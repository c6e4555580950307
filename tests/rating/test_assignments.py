"""Places on clips: never more than asked for, never lost, the same clip after a reload."""

import threading
from collections import Counter
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import select
from sqlmodel import col

from app.models import Assignment, Event, Judgment, StudyClip
from app.rating import assignments, judgments
from app.rating.judgments import Answer
from app.studies import whole_study
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers


def taken(maker: StudyMaker) -> Counter[int]:
    """How many raters each clip has, answered or reserved."""
    with maker.database.reader() as db:
        rows = db.scalars(select(Assignment)).all()
    return Counter(row.study_clip_id for row in rows if row.status in ("done", "held"))


def test_a_reload_shows_the_same_clip(study_maker: StudyMaker) -> None:
    """Asking again reserves nothing new and keeps the order: the clip on screen, the two that load."""
    study = study_maker()
    rater = study_maker.rater(study)
    seen = []
    for _ in range(3):
        with study_maker.database.writer() as db:
            have = assignments.top_up(db, study, rater, assignments.held(db, rater), now=NOON, lease=LEASE)
            seen.append([one.assignment.id for one in have])
    assert len(seen[0]) == 3
    assert seen[0] == seen[1] == seen[2]


def test_no_clip_gets_more_raters_than_asked_for(study_maker: StudyMaker) -> None:
    """Eight raters at once drain a study of two places a clip: every place is taken once, none twice."""
    study = study_maker(clips=12, raters_per_clip=2, with_media=False)
    people = [study_maker.rater(study, f"Rater {number}") for number in range(8)]
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            while study_maker.rate(study, people[number], answers()) is not None:
                pass
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(people))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sorted(taken(study_maker).values()) == [2] * 12
    with study_maker.database.reader() as db:
        pairs = [(row.rater_id, row.study_clip_id) for row in db.scalars(select(Assignment)).all()]
        assert len(db.scalars(select(Judgment)).all()) == 12 * 2 * 3
    assert len(set(pairs)) == len(pairs)


def test_each_rater_gets_an_order_of_their_own(study_maker: StudyMaker) -> None:
    """Two raters see the same clips in different orders."""
    study = study_maker(clips=20, raters_per_clip=2, with_media=False)
    orders = []
    for name in ("Ada", "Ben"):
        rater = study_maker.rater(study, name)
        orders.append([study_maker.rate(study, rater, answers()) for _ in range(20)])
    assert set(orders[0]) == set(orders[1])
    assert orders[0] != orders[1]


def test_two_clips_of_one_source_do_not_follow_each_other(study_maker: StudyMaker) -> None:
    """As long as another source is left, the next clip comes from another one."""
    study = study_maker(clips=12, raters_per_clip=1, sources=3, with_media=False)
    rater = study_maker.rater(study)
    order = [study_maker.rate(study, rater, answers(), at=NOON + timedelta(seconds=step)) for step in range(12)]
    with study_maker.database.reader() as db:
        source = {clip.id: clip.source for clip in db.scalars(select(StudyClip)).all()}
    names = [source[clip] for clip in order if clip is not None]
    assert len(names) == 12
    for place, (last, following) in enumerate(pairwise(names), start=1):
        if last == following:
            assert set(names[place:]) == {last}, "another source was left"


def test_a_silent_rater_loses_the_place_to_somebody_else(study_maker: StudyMaker) -> None:
    """When the lease ends the place opens again, and an event remembers it."""
    study = study_maker(clips=1, raters_per_clip=1, with_media=False)
    gone, here = study_maker.rater(study, "Gone"), study_maker.rater(study, "Here")
    with study_maker.database.writer() as db:
        assert assignments.top_up(db, study, gone, assignments.held(db, gone), now=NOON, lease=LEASE)
    assert study_maker.rate(study, here, answers(), at=NOON + LEASE / 2) is None
    assert study_maker.rate(study, here, answers(), at=NOON + LEASE + timedelta(seconds=1)) is not None
    with study_maker.database.reader() as db:
        assert [event.kind for event in db.scalars(select(Event)).all()].count("expired") == 1


def test_a_clock_that_was_set_back_keeps_no_place(study_maker: StudyMaker) -> None:
    """A lease given while the clock was a year ahead ends when another rater needs the place."""
    study = study_maker(clips=1, raters_per_clip=1)
    gone, other = study_maker.rater(study, "Gone"), study_maker.rater(study, "Other")
    ahead = NOON + timedelta(days=365)
    with study_maker.database.writer() as db:
        assert assignments.top_up(db, study, gone, [], now=ahead, lease=LEASE)
    with study_maker.database.writer() as db:
        assert assignments.top_up(db, study, other, [], now=NOON, lease=LEASE)


def test_a_rater_at_work_keeps_the_place_when_the_clock_is_set_back(study_maker: StudyMaker) -> None:
    """The next request of its rater gives the lease its usual length; no other rater gets the clip."""
    study = study_maker(clips=1, raters_per_clip=1)
    here, other = study_maker.rater(study, "Here"), study_maker.rater(study, "Other")
    ahead = NOON + timedelta(days=365)
    with study_maker.database.writer() as db:
        before = assignments.top_up(db, study, here, [], now=ahead, lease=LEASE)
    with study_maker.database.writer() as db:
        after = assignments.top_up(db, study, here, assignments.held(db, here), now=NOON, lease=LEASE)
        assert [one.assignment.id for one in after] == [one.assignment.id for one in before]
        assert [one.assignment.lease_until for one in after] == [NOON + LEASE]
    with study_maker.database.writer() as db:
        assert assignments.top_up(db, study, other, [], now=NOON, lease=LEASE) == []


def test_a_late_answer_is_kept_and_never_counted_over_the_limit(study_maker: StudyMaker) -> None:
    """An answer after the lease takes a place that is still open; when it is gone the answer stays as surplus."""
    study = study_maker(clips=2, raters_per_clip=1, with_media=False)
    late, other = study_maker.rater(study, "Late"), study_maker.rater(study, "Other")
    with study_maker.database.writer() as db:
        held = assignments.top_up(db, study, late, assignments.held(db, late), now=NOON, lease=LEASE)
    after = NOON + LEASE + timedelta(minutes=1)
    first = study_maker.rate(study, other, answers(), at=after)  # takes one of the two, holds the other too
    assert first is not None
    with study_maker.database.writer() as db:
        whole = whole_study.parts(db, study.id)
        for one in held:
            mine = assignments.owned(db, late, one.assignment.id)
            judgments.record(
                db, mine, late, list(whole.criteria), Answer(answers(), f"late-{one.assignment.id}"), now=after
            )
    with study_maker.database.reader() as db:
        stored = db.scalars(select(Judgment).where(col(Judgment.rater_id) == late.id)).all()
        statuses = {
            row.study_clip_id: row.status for row in db.scalars(select(Assignment)).all() if row.rater_id == late.id
        }
    assert len(stored) == 2 * 3
    assert statuses[first] == "surplus"
    assert max(taken(study_maker).values()) == 1


def test_a_skipped_clip_goes_to_somebody_else(study_maker: StudyMaker) -> None:
    """Skipping frees the place for others, never for the one who skipped; the reason is kept."""
    study = study_maker(clips=1, raters_per_clip=1, with_media=False)
    first, second = study_maker.rater(study, "First"), study_maker.rater(study, "Second")
    with study_maker.database.writer() as db:
        held = assignments.top_up(db, study, first, assignments.held(db, first), now=NOON, lease=LEASE)[0]
        for _ in range(2):
            assignments.skip(db, study, held.assignment, reason="cannot_play")
    assert study_maker.rate(study, first, answers()) is None
    assert study_maker.rate(study, second, answers()) is not None
    with study_maker.database.reader() as db:
        skips = [event.detail for event in db.scalars(select(Event)).all() if event.kind == "skipped"]
    assert skips == [{"reason": "cannot_play"}]


def test_half_of_the_assignments_see_scores_when_randomised(study_maker: StudyMaker) -> None:
    """The arm is a fair seeded coin: the same for the same rater and clip, near one half over many."""
    study = study_maker(clips=1, score_visibility="randomised", with_media=False)
    arms = [assignments.draw_arm(study, rater, clip) for rater in range(20) for clip in range(50)]
    again = [assignments.draw_arm(study, rater, clip) for rater in range(20) for clip in range(50)]
    assert arms == again
    assert 430 <= arms.count("shown") <= 570  # 1,000 fair coins stay within 4.4 standard errors

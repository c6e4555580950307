"""Raters, researchers and the clock act in any order: no answer is lost or changed, no clip has too many raters."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlmodel import Session, col

from app.db import Database
from app.errors import AppError
from app.models import Assignment, Exclusion, Judgment, Rater, Study, StudyClip
from app.raters import exclusions
from app.rating import assignments, completion, judgments
from app.rating.judgments import Answer
from app.results import counted_answers
from app.settings import Settings
from app.studies import lifecycle, whole_study
from tests.helpers.factories import LEASE, NOON, StudyMaker, answers
from tests.helpers.pool_entries import give_rules

MOST_RATERS = 5
RULES: tuple[dict[str, Any], ...] = (
    {},
    {"sessions": {"break_after": 5, "stabilisers": 2}},
    {"recruitment": {"clips_per_rater": 3}},
)
grades = st.integers(1, 5)
picks = st.integers(0, 30)


class Assigning(RuleBasedStateMachine):
    """One study and what its raters were told: `acknowledged` holds every answer that was accepted."""

    raters = Bundle("raters")

    def __init__(self, maker: StudyMaker) -> None:
        super().__init__()
        self.maker, self.database = maker, maker.database
        self.now = NOON
        self.acknowledged: dict[str, tuple[int, dict[str, str]]] = {}
        self.joined = 0
        self.rows: dict[int, tuple[object, ...]] = {}
        self.frozen: set[int] | None = None

    @initialize(target=raters, clips=st.integers(1, 3), raters_per_clip=st.integers(1, 2), rules=st.sampled_from(RULES))
    def make_study(self, clips: int, raters_per_clip: int, rules: dict[str, Any]) -> MultipleResults[Rater]:
        """A study of a few clips, with or without stabilisers and a quota, and two raters at work."""
        self.study = self.maker(clips=clips, raters_per_clip=raters_per_clip, with_media=False)
        if rules:
            give_rules(self.database, self.study, **rules)
        people = [self._joined(), self._joined()]
        for rater in people:
            self._claim(rater)
        return multiple(*people)

    def live(self, db: Session) -> Study:
        """The study as it is now."""
        return db.get_one(Study, self.study.id)

    @precondition(lambda self: self.joined < MOST_RATERS)
    @rule(target=raters)
    def join(self) -> Rater:
        """A new rater."""
        return self._joined()

    def _joined(self) -> Rater:
        self.joined += 1
        made = self.maker.rater(self.study, f"Rater {self.joined}")
        with self.database.writer() as db:
            rater = db.get_one(Rater, made.id)
            rater.shuffle = 7 * self.joined  # not random, so that a failure is found again
            db.add(rater)
            db.flush()
            return rater

    @rule(rater=raters)
    def claim(self, rater: Rater) -> None:
        """The rater's browser asks for a clip, or reloads."""
        self._claim(rater)

    def _claim(self, rater: Rater) -> None:
        with self.database.writer() as db:
            study = self.live(db)
            if study.state == "open" and not db.get_one(Rater, rater.id).ended:
                have = assignments.held(db, rater)
                assignments.top_up(db, study, rater, have, now=self.now, lease=LEASE)

    @rule(rater=raters, pick=picks, grade=grades)
    def answer(self, rater: Rater, pick: int, grade: int) -> None:
        """Answer a clip that the rater holds."""
        self._send(rater, pick, grade, lambda row: row.status == "held")

    @rule(rater=raters, pick=picks, grade=grades)
    def answer_late(self, rater: Rater, pick: int, grade: int) -> None:
        """Answer a clip whose lease has ended, or that the rater had skipped."""
        self._send(rater, pick, grade, lambda row: row.status in ("expired", "skipped") and row.answered_at is None)

    @rule(rater=raters, pick=picks, grade=grades)
    def change(self, rater: Rater, pick: int, grade: int) -> None:
        """Change an answer that was given, which Undo does too."""
        self._send(rater, pick, grade, lambda row: row.answered_at is not None)

    def _send(self, rater: Rater, pick: int, grade: int, wanted: Callable[[Assignment], bool]) -> None:
        with self.database.writer() as db:
            mine = db.scalars(
                select(Assignment).where(col(Assignment.rater_id) == rater.id).order_by(col(Assignment.id))
            ).all()
            found = [row for row in mine if wanted(row)]
            if not found:
                return
            chosen = found[pick % len(found)]
            values = answers(quality=grade)
            submission = f"{self.study.id}-{len(self.acknowledged)}-{rater.id}"
            final = judgments.are_final(self.live(db), db.get_one(Rater, rater.id).ended)
            answered = chosen.answered_at is not None
            try:
                self._record(db, rater, chosen.id, values, submission, final=final)
            except AppError as refused:
                if (refused.status, answered, final) != (409, True, True):
                    raise
                return
            assert not (answered and final)
        self.acknowledged[submission] = (chosen.id, values)

    def _record(
        self, db: Any, rater: Rater, number: int, values: dict[str, str], submission: str, *, final: bool
    ) -> bool:
        whole = whole_study.parts(db, self.study.id)
        held = assignments.owned(db, rater, number)
        answer = Answer(values, submission)
        return judgments.record(db, held, rater, list(whole.criteria), answer, now=self.now, final=final)

    @precondition(lambda self: self.acknowledged)
    @rule(pick=picks)
    def send_again(self, pick: int) -> None:
        """A browser that missed the acknowledgement sends the same answer again, also after the study was closed."""
        submission = list(self.acknowledged)[pick % len(self.acknowledged)]
        number, values = self.acknowledged[submission]
        with self.database.writer() as db:
            rater = db.get_one(Rater, db.get_one(Assignment, number).rater_id)
            final = judgments.are_final(self.live(db), rater.ended)
            assert self._record(db, rater, number, values, submission, final=final) is False

    @rule(rater=raters, pick=picks)
    def skip(self, rater: Rater, pick: int) -> None:
        """Skip a clip that the rater holds."""
        with self.database.writer() as db:
            have = assignments.held(db, rater)
            if have:
                assignments.skip(db, self.live(db), have[pick % len(have)].assignment, reason="cannot_play")

    @rule(rater=raters)
    def return_study(self, rater: Rater) -> None:
        """The rater leaves: held clips become free, answers stay."""
        with self.database.writer() as db:
            completion.end(db, self.live(db), rater, "returned")

    @rule(minutes=st.integers(1, 15))
    def wait(self, minutes: int) -> None:
        """Time passes, less than a lease."""
        self.now += timedelta(minutes=minutes)

    @rule()
    def expire(self) -> None:
        """Every lease runs out and ends."""
        self.now += LEASE + timedelta(minutes=1)
        with self.database.writer() as db:
            assignments.expire(db, self.live(db), now=self.now, lease=LEASE)

    @rule(days=st.sampled_from((-1, 1)))
    def set_clock(self, days: int) -> None:
        """The server's clock is set a day back or forth."""
        self.now += timedelta(days=days)

    @rule(state=st.sampled_from(("open", "paused", "closed", "archived")))
    def change_state(self, state: lifecycle.State) -> None:
        """The researcher pauses, closes, archives or reopens the study."""
        with self.database.writer() as db:
            study = self.live(db)
            if state != "paused" or study.state == "open":
                lifecycle.change_state(db, study, state)

    @rule()
    def add_clip(self) -> None:
        """A top-up adds a clip to the running study."""
        with self.database.writer() as db:
            study = self.live(db)
            number = len(db.scalars(select(col(StudyClip.id)).where(col(StudyClip.study_id) == study.id)).all())
            if number < 8:
                self.maker.add_clip(db, study, number)

    @rule(rater=raters)
    def exclude(self, rater: Rater) -> None:
        """A rater's answers do not count any more; nothing stored changes."""
        with self.database.writer() as db:
            db.add(
                Exclusion(study_id=self.study.id, rater_id=rater.id, rule="by hand", reason="careless", person="Ada")
            )

    @invariant()
    def every_acknowledged_answer_is_stored_once(self) -> None:
        """With the values that were sent, for the clip they were sent for."""
        with self.database.reader() as db:
            stored = db.scalars(select(Judgment).where(col(Judgment.study_id) == self._id())).all()
        sent = {number: 0 for number, _values in self.acknowledged.values()}
        by_submission: dict[str, list[Judgment]] = {}
        for row in stored:
            by_submission.setdefault(row.submission, []).append(row)
        assert set(by_submission) == set(self.acknowledged)
        for submission, (number, values) in self.acknowledged.items():
            rows = by_submission[submission]
            assert sorted(row.value for row in rows) == sorted(values.values())
            assert {row.assignment_id for row in rows} == {number}
            sent[number] += 1
            assert {row.revision for row in rows} == {sent[number]}

    @invariant()
    def nothing_stored_changes(self) -> None:
        """Judgments are append-only."""
        with self.database.reader() as db:
            found = db.execute(select(*Judgment.__table__.c).where(col(Judgment.study_id) == self._id())).all()  # type: ignore[attr-defined]
        rows = {row.id: tuple(str(value) for value in row) for row in found}
        assert self.rows.items() <= rows.items()
        self.rows = dict(rows)

    @invariant()
    def each_clip_has_its_places_and_no_more(self) -> None:
        """Open, held and answered places of a clip are as many as the study asks for, each number once.

        A rater has a clip of the sample once.
        """
        with self.database.reader() as db:
            rows = db.scalars(select(Assignment).where(col(Assignment.study_id) == self._id())).all()
            clips = db.scalars(select(col(StudyClip.id)).where(col(StudyClip.study_id) == self._id())).all()
        sample = [row for row in rows if row.purpose == "sample"]
        live = Counter((row.study_clip_id, row.place) for row in sample if row.status in ("open", "held", "done"))
        assert not [place for place, times in live.items() if times > 1]
        wanted = self.study.raters_per_clip if clips else 0
        assert Counter(clip for clip, _place in live) == dict.fromkeys(clips, wanted)
        pairs = Counter((row.study_clip_id, row.rater_id) for row in sample if row.rater_id is not None)
        assert not [pair for pair, times in pairs.items() if times > 1]

    @invariant()
    def what_is_held_has_a_lease_and_what_is_done_an_answer(self) -> None:
        """And nobody holds more clips than a browser loads ahead."""
        with self.database.reader() as db:
            rows = db.scalars(select(Assignment).where(col(Assignment.study_id) == self._id())).all()
            answered = set(db.scalars(select(col(Judgment.assignment_id)).where(col(Judgment.study_id) == self._id())))
        for row in rows:
            assert (row.id in answered) == (row.answered_at is not None) == (row.status in ("done", "surplus"))
            if row.status != "expired":  # a free place that a late answer took has expired without a rater
                assert (row.status == "open") == (row.rater_id is None)
            if row.status == "held":
                assert row.lease_until is not None
                assert row.arm is not None
        held = Counter(row.rater_id for row in rows if row.status == "held")
        assert all(number <= assignments.HELD_AHEAD for number in held.values())

    @invariant()
    def excluded_raters_do_not_count(self) -> None:
        """An answer counts if its place of the sample is done and its rater is not excluded."""
        if not self._id():
            return
        with self.database.reader() as db:
            force = exclusions.in_force(db, self.study.id)
            counted = counted_answers.read(db, self.live(db), ["person"], exclusions=force)
            done = select(col(Assignment.id)).where(
                col(Assignment.study_id) == self.study.id,
                col(Assignment.status) == "done",
                col(Assignment.purpose) == "sample",
                col(Assignment.rater_id).not_in(force.since),
            )
            assert set(counted["assignment"]) == set(db.scalars(done))

    def _id(self) -> int:
        study: Study | None = getattr(self, "study", None)
        return study.id if study else 0


def test_any_order_of_events_keeps_every_answer_and_every_place(database: Database, settings: Settings) -> None:
    """Join, claim, expire, answer, change, skip, return, pause, close, top up, exclude, set the clock: in any order."""
    maker = StudyMaker(database, settings)
    run_state_machine_as_test(
        lambda: Assigning(maker),  # type: ignore[arg-type]  # whatever makes a machine will do
        settings=hypothesis.settings(
            max_examples=25 if database.is_sqlite else 8,
            stateful_step_count=30,
            deadline=None,
            phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
            derandomize=True,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )

"""A generated study's raters, assignments, answers and events, written in bulk with all the columns real ones have."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
from sqlalchemy import func, insert, select, text
from sqlmodel import Session, SQLModel, col

from app.models import SHUFFLE_PRIME, Assignment, Criterion, Event, Judgment, Rater, Study, StudyClip
from app.rating.assignments import draw_arm
from tests.helpers.factories import LEASE
from tests.helpers.generated_study.answers import Said
from tests.helpers.generated_study.options import Options
from tests.helpers.generated_study.work import NEVER

NAMES = ("Ada", "Ben", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jun", "Kofi", "Lea")
ANSWERED = ("done", "surplus")
MINUTE = timedelta(minutes=1)
AT_ONCE = 20_000
"""Rows of one statement."""
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0"


def add_raters(db: Session, study: Study, options: Options, work: pl.DataFrame) -> list[Rater]:
    """The raters, in the order in which they came; all have read the guidelines, one gave the study back."""
    chance = np.random.default_rng([options.seed, 6])
    taken = dict(work.group_by("rater").len().iter_rows())
    raters = [
        Rater(
            study_id=study.id,
            name=NAMES[place] if place < len(NAMES) else f"Rater {place + 1}",
            shuffle=int(chance.integers(1, SHUFFLE_PRIME)),
            guidelines_hash=study.guidelines_hash,
            taken=taken.get(place, 0),
            ended="returned" if place == options.withdrew else "",
            created_at=options.created + timedelta(hours=place + 1),
        )
        for place in range(options.raters)
    ]
    db.add_all(raters)
    db.flush()
    return raters


def arms(study: Study, work: pl.DataFrame, raters: list[Rater], clips: list[StudyClip]) -> list[str | None]:
    """Whether each assignment's rater sees the scores, by the product's own coin; None without a rater."""
    return [
        None if rater == NEVER else draw_arm(study, raters[rater].id, clips[clip].id)
        for clip, rater in work.select("clip", "rater").iter_rows()
    ]


class Writer:
    """Writes the rows of one study; numbers follow those that the tables have already."""

    def __init__(
        self, db: Session, study: Study, options: Options, raters: list[Rater], clips: list[StudyClip]
    ) -> None:
        self.db, self.study, self.options = db, study, options
        self.raters, self.clips = [one.id for one in raters], [one.id for one in clips]
        self.first = int(db.execute(select(func.coalesce(func.max(col(Assignment.id)), 0))).scalar_one()) + 1

    def assignments(self, work: pl.DataFrame, given: list[str | None]) -> None:
        """One row per assignment."""
        rows = (
            self._assignment(row, arm) | {"id": self.first + number}
            for number, (row, arm) in enumerate(zip(work.iter_rows(named=True), given, strict=True))
        )
        _insert(self.db, Assignment, rows)
        if self.db.get_bind().dialect.name == "postgresql":  # it counts on by itself only where it gave the numbers
            last = {"last": self.first + work.height}
            self.db.execute(text("SELECT setval(pg_get_serial_sequence('assignment', 'id'), :last)"), last)

    def _assignment(self, row: Mapping[str, Any], arm: str | None) -> dict[str, Any]:
        has_rater = row["rater"] != NEVER
        answered = self._answered(row)
        claimed = self._claimed(row)
        overdue = row["status"] == "overdue"
        lease = self.options.at + LEASE if row["status"] == "held" else claimed + LEASE
        return {
            "study_id": self.study.id,
            "study_clip_id": self.clips[row["clip"]],
            "place": row["place"],
            "purpose": row["purpose"],
            "occasion": row["occasion"],
            "status": "held" if overdue else row["status"],
            "rater_id": self.raters[row["rater"]] if has_rater else None,
            "arm": arm,
            "claimed_at": claimed if has_rater else None,
            "lease_until": lease if has_rater else None,
            "answered_at": answered if row["status"] in ANSWERED else None,
        }

    def judgments(self, work: pl.DataFrame, given: list[str | None], said: Said, criteria: list[Criterion]) -> None:
        """One row per answer to a question, and again for every answer that was changed."""
        _insert(self.db, Judgment, self._judgments(work, given, said, {item.key: item.id for item in criteria}))

    def _judgments(
        self, work: pl.DataFrame, given: list[str | None], said: Said, criteria: dict[str, int]
    ) -> Iterator[dict[str, Any]]:
        chance = np.random.default_rng([self.options.seed, 8])
        for number, (row, arm) in enumerate(zip(work.iter_rows(named=True), given, strict=True)):
            if row["status"] not in ANSWERED:
                continue
            at = self._answered(row)
            common = {
                "study_id": self.study.id,
                "assignment_id": self.first + number,
                "rater_id": self.raters[row["rater"]],
                "arm": arm,
                "guidelines_hash": self.study.guidelines_hash,
                "facts": facts(at, row["seconds"], chance),
            }
            first = {key: value for key, value in said.first(number).items() if value and key in criteria}
            yield from _answer(common, first, criteria, 1, at, chance)
            if said.revised[number]:
                later = said.later(number)
                # An optional answer that was taken back is a revision too: an empty one.
                changed = {key: later[key] for key in criteria if later[key] or key in first}
                yield from _answer(common, changed, criteria, 2, at + timedelta(seconds=8), chance)

    def events(self, work: pl.DataFrame) -> None:
        """Guidelines read, clips skipped and expired, the study given back."""
        _insert(self.db, Event, sorted(self._events(work), key=lambda event: event["created_at"]))

    def _events(self, work: pl.DataFrame) -> Iterator[dict[str, Any]]:
        for place, rater in enumerate(self.raters):
            read = {"hash": self.study.guidelines_hash}
            yield self._event("guidelines_read", self.options.created + timedelta(hours=place + 1), rater, detail=read)
        for number, row in enumerate(work.iter_rows(named=True)):
            if row["rater"] == NEVER:
                continue
            rater, assignment = self.raters[row["rater"]], self.first + number
            if row["status"] == "skipped":
                detail = {"reason": row["reason"]}
                yield self._event("skipped", self._answered(row), rater, assignment, detail=detail)
            if row["status"] in ("expired", "surplus"):
                yield self._event("expired", self._claimed(row) + LEASE, rater, assignment)
        if self.options.withdrew is not None:
            last = work.filter(pl.col("rater") == self.options.withdrew)["ago"].min()
            assert isinstance(last, float)
            yield self._event("returned", self.options.at - timedelta(seconds=last), self.raters[self.options.withdrew])

    def _event(
        self,
        kind: str,
        at: datetime,
        rater: int | None,
        assignment: int | None = None,
        *,
        detail: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        mine = {"study_id": self.study.id, "kind": kind, "rater_id": rater, "assignment_id": assignment}
        return mine | {"detail": detail or {}, "created_at": at}

    def _answered(self, row: Mapping[str, Any]) -> datetime:
        return self.options.at - timedelta(seconds=row["ago"])

    def _claimed(self, row: Mapping[str, Any]) -> datetime:
        """Before the answer; of an answer that came too late, before the lease that ended in between."""
        late = LEASE + MINUTE if row["status"] == "surplus" else timedelta()
        return self._answered(row) - timedelta(seconds=row["seconds"]) - late


def _answer(
    common: dict[str, Any],
    values: dict[str, str],
    criteria: dict[str, int],
    revision: int,
    at: datetime,
    chance: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    sent = {"submission": str(UUID(bytes=chance.bytes(16))), "revision": revision, "created_at": at}
    for key, value in values.items():
        yield common | sent | {"criterion_id": criteria[key], "value": value}


def facts(at: datetime, seconds: float, chance: np.random.Generator) -> dict[str, Any]:
    """What the rating room reports with an answer that took so many seconds."""
    lots = chance.random(4)
    shown = at - timedelta(seconds=seconds)
    stalls = int(lots[0] < 0.03)
    return {
        "shown_at": shown.isoformat(),
        "first_play_at": (shown + timedelta(seconds=0.2)).isoformat(),
        "plays": 1 + int(lots[1] < 0.15),
        "replays": int(lots[1] < 0.15),
        "stalls": stalls,
        "stall_ms": stalls * 800,
        "seen_share": 1.0 if lots[2] > 0.2 else round(0.5 + lots[2], 3),
        "ended_to_first_key_ms": None if lots[3] < 0.1 else round(2000 * lots[3]),
        "first_key_ms": round(600 * seconds),
        "answer_ms": round(1000 * seconds),
        "changes": 0,
        "history": [],
        "marks": [],
        "viewport": [1440, 900],
        "browser": BROWSER,
        "playback_error": None,
    }


def _insert(db: Session, table: type[SQLModel], rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    while part := list(islice(left, AT_ONCE)):
        db.connection().execute(insert(table), part)

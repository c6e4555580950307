"""The clips on which raters disagree most, sorted, filtered and paged, with all answers under pseudonyms."""

from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.agreement.pairwise import clip_disagreement, votes_of_others
from analysis.estimate import Floats
from analysis.ratings import Ratings
from app.models import Criterion, Study, StudyClip
from app.results import adjudications
from app.results.adjudications import Trail
from app.results.agreement import Agreement, CriterionAgreement
from app.studies import scales

Show = Literal["disputed", "tied", "ruled", "open", "all"]
Order = Literal["disputed", "agreed", "votes", "study"]
PAGE = 12
SHOWS: dict[Show, str] = {
    "disputed": "clips on which raters differ",
    "tied": "clips without a majority",
    "open": "disputed, without a verdict of yours",
    "ruled": "clips with a verdict of yours",
    "all": "all clips with two answers or more",
}
ORDERS: dict[Order, str] = {
    "disputed": "most disputed first",
    "agreed": "least disputed first",
    "votes": "most answers first",
    "study": "in the study's order",
}


@dataclass(frozen=True)
class Asked:
    """The clips that the researcher asked for."""

    criterion: str = ""
    show: Show = "disputed"
    order: Order = "disputed"
    rater: str = ""
    page: int = 1


@dataclass(frozen=True)
class Answered:
    """One rater's answers to a clip, by criterion in the study's order; "" where there is none."""

    rater: str
    occasion: int
    values: tuple[tuple[str, str], ...]
    """Value and its word."""


@dataclass(frozen=True)
class WallClip:
    """A disputed clip with its answers."""

    number: int
    clip: str
    media: str
    dispute: float
    """Mean disagreement of two raters, 0 to 1."""
    votes: int
    apart: float | None
    """With a chosen rater: how far that rater is from the mean of the others, in steps of the scale."""
    answers: tuple[Answered, ...]
    trail: Trail

    @property
    def ruling(self) -> str:
        """The researcher's verdict in force; empty for none."""
        return self.trail[-1].value if self.trail else ""


@dataclass(frozen=True)
class Wall:
    """One page of clips, and where it lies."""

    chosen: CriterionAgreement
    criteria: tuple[Criterion, ...]
    """Those whose answers are shown."""
    clips: tuple[WallClip, ...]
    total: int
    compared: int
    """Clips with two answers or more, whether shown or not."""
    page: int
    pages: int
    words: dict[str, str]
    """The answers that the researcher may give."""


def wall(db: Session, study: Study, found: Agreement, criteria: tuple[Criterion, ...], asked: Asked) -> Wall | None:
    """The clips asked for; None where no criterion of that name has statistics. A page too far is the last."""
    chosen = found.about(asked.criterion)
    if chosen is None:
        return None
    trails = adjudications.trails(db, study)
    ratings = chosen.ratings
    dispute, votes, apart = clip_disagreement(ratings), ratings.votes, _apart(ratings, asked.rater)
    ruled = {clip for (clip, key), trail in trails.items() if key == chosen.item.key and trail[-1].value}
    places = [
        place
        for place in np.flatnonzero(votes >= 2).tolist()
        if (not asked.rater or isfinite(apart[place]))
        and _wanted(asked.show, ratings, dispute[place], place, int(ratings.clips[place]) in ruled)
    ]
    numbers = np.array([int(clip) for clip in ratings.clips], dtype=np.int64)
    far = apart if asked.rater else np.zeros(len(numbers))
    keys = {
        "disputed": lambda place: (-far[place], -dispute[place], -votes[place], numbers[place]),
        "agreed": lambda place: (dispute[place], -votes[place], numbers[place]),
        "votes": lambda place: (-votes[place], -dispute[place], numbers[place]),
        "study": lambda place: (numbers[place],),
    }
    places.sort(key=keys[asked.order])
    pages = max(1, -(-len(places) // PAGE))
    page = min(max(1, asked.page), pages)
    shown = places[(page - 1) * PAGE : page * PAGE]
    clips = {
        clip.id: clip for clip in db.scalars(select(StudyClip).where(col(StudyClip.id).in_(numbers[shown].tolist())))
    }
    return Wall(
        chosen=chosen,
        criteria=criteria,
        clips=tuple(
            WallClip(
                number=clip.id,
                clip=clip.clip,
                media=f"/media/{clip.media_key}.mp4",
                dispute=float(dispute[place]),
                votes=int(votes[place]),
                apart=float(apart[place]) if asked.rater else None,
                answers=_answers(found, clip.id, criteria),
                trail=trails.get((clip.id, chosen.item.key), ()),
            )
            for place in shown
            for clip in [clips[int(numbers[place])]]
        ),
        total=len(places),
        compared=int((votes >= 2).sum()),
        page=page,
        pages=pages,
        words=adjudications.allowed(chosen.item),
    )


def _wanted(show: Show, ratings: Ratings, dispute: float, place: int, ruled: bool) -> bool:
    if show == "all":
        return True
    if show == "ruled":
        return ruled
    if show == "tied":
        counts = ratings.counts[place]
        return bool(2 * counts.max() <= counts.sum())
    return dispute > 0 and not (show == "open" and ruled)


def _apart(ratings: Ratings, rater: str) -> Floats:
    """How far a rater is from the others' mean on each clip, in the scale's points; NaN where that cannot be told."""
    found = np.full(len(ratings.clips), np.nan)
    if rater in ratings.raters:
        mine = ratings.rater_of == ratings.raters.index(rater)
        _, mean = votes_of_others(ratings)
        numbers = ratings.scale.points if ratings.scale.numbers is None else ratings.scale.numbers
        found[ratings.clip_of[mine]] = np.abs(numbers[ratings.level[mine]] - mean[mine])
    return found


def _answers(found: Agreement, clip: int, criteria: tuple[Criterion, ...]) -> tuple[Answered, ...]:
    rows = found.answers.frame.filter(pl.col("clip") == clip)
    given: dict[tuple[int, str, int], dict[str, str]] = {}
    for row in rows.iter_rows(named=True):
        order = int(row["rater"].removeprefix("R"))
        given.setdefault((order, row["rater"], row["occasion"]), {})[row["criterion"]] = row["value"]
    made = []
    for (_, rater, occasion), values in sorted(given.items()):
        pairs = tuple((values.get(item.key, ""), word(item, values.get(item.key))) for item in criteria)
        made.append(Answered(rater, occasion, pairs))
    return tuple(made)


def word(item: Criterion, value: str | None) -> str:
    """An answer as raters read it; a dash for none.

    >>> word(Criterion(study_id=1, position=0, key="q", label="Q", question="?", scale="acr5"), "4")
    '4 Good'
    """
    if not value:
        return "–"
    words = scales.word(item, value)
    return f"{value} {words}" if value.isdigit() and words != value else words or "none"

"""The clips on which raters disagree most, sorted, filtered and paged, with all answers under pseudonyms."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np
import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.agreement.pairwise import clip_disagreement, votes_of_others
from analysis.estimate import Floats, Ints
from analysis.ratings import Ratings
from app.models import Criterion, Study, StudyClip
from app.results import adjudications
from app.results.adjudications import RulingHistory
from app.results.agreement import Agreement, CriterionAgreement
from app.studies import scales

ShownClips = Literal["disputed", "tied", "ruled", "open", "all"]
ClipOrder = Literal["disputed", "agreed", "votes", "study"]
PAGE_SIZE = 12
SHOWN_CLIPS: dict[ShownClips, str] = {
    "disputed": "disputed clips",
    "tied": "clips without a majority",
    "open": "disputed, without a verdict of yours",
    "ruled": "clips with a verdict of yours",
    "all": "all clips with two answers or more",
}
CLIP_ORDERS: dict[ClipOrder, str] = {
    "disputed": "most disputed first",
    "agreed": "least disputed first",
    "votes": "most answers first",
    "study": "in the study's order",
}


@dataclass(frozen=True)
class ClipSelection:
    """The researcher's selection of clips: which ones, in which order, and which page of them."""

    criterion: str = ""
    """A criterion's key; empty for the first one."""
    show: ShownClips = "disputed"
    order: ClipOrder = "disputed"
    rater: str = ""
    """A pseudonym: show only clips that this rater and others have answered. Empty for all clips."""
    page: int = 1


@dataclass(frozen=True)
class RaterAnswers:
    """One rater's answers to a clip, by criterion in the study's order; "" and a dash where there is none."""

    rater: str
    occasion: int
    values: tuple[tuple[str, str], ...]
    """Each answer's value and word."""


@dataclass(frozen=True)
class DisputedClip:
    """A clip with its disagreement, its answers and the researcher's rulings."""

    number: int
    clip: str
    media: str
    disagreement: float
    """The mean disagreement of two raters, 0 to 1."""
    votes: int
    distance: float | None
    """The selected rater's distance from the mean of the others, in points of the scale; None if none is selected."""
    answers: tuple[RaterAnswers, ...]
    history: RulingHistory

    @property
    def ruling(self) -> str:
        """The researcher's verdict in force; empty if there is none."""
        return self.history[-1].value if self.history else ""


@dataclass(frozen=True)
class DisputedClipsPage:
    """One page of the selected clips."""

    chosen: CriterionAgreement
    criteria: tuple[Criterion, ...]
    """The criteria whose answers are shown."""
    clips: tuple[DisputedClip, ...]
    total: int
    """The number of selected clips on all pages."""
    compared: int
    """The number of clips with two answers or more, selected or not."""
    page: int
    pages: int
    words: dict[str, str]
    """The answers that a ruling may give, with their words."""
    rule: str
    """A sentence that says which clips are disputed on this scale."""


@dataclass(frozen=True, eq=False)
class _Disputes:
    """How much the raters disagree about each clip of one criterion; arrays have shape (clips,)."""

    chosen: CriterionAgreement
    numbers: Ints
    """The clips' numbers in the study."""
    disagreement: Floats
    span: Ints
    """How many values apart the highest and the lowest answer are."""
    distance: Floats | None
    """The selected rater's distance from the mean of the others, NaN where undefined; None if no rater is selected."""
    histories: Mapping[tuple[int, str], RulingHistory]
    rulings: Mapping[tuple[int, str], str]
    """The rulings in force."""

    def is_selected(self, place: int, show: ShownClips) -> bool:
        """Return True if the clip at a place of the arrays is one of those to show."""
        ruled = (int(self.numbers[place]), self.chosen.item.key) in self.rulings
        if self.distance is not None and not isfinite(self.distance[place]):
            return False
        if show == "all":
            return True
        if show == "ruled":
            return ruled
        if show == "tied":
            counts = self.chosen.ratings.counts[place]
            return bool(2 * counts.max() <= counts.sum())
        return bool(self.span[place] > scales.of(self.chosen.item).step) and not (show == "open" and ruled)

    def sort_key(self, place: int, order: ClipOrder) -> tuple[float, ...]:
        """Return the value by which the clip at a place of the arrays is sorted."""
        disagreement, votes, number = self.disagreement[place], self.chosen.ratings.votes[place], self.numbers[place]
        if order == "agreed":
            return disagreement, -votes, number
        if order == "votes":
            return -votes, -disagreement, number
        if order == "study":
            return (number,)
        distance = 0.0 if self.distance is None else self.distance[place]
        return -distance, -disagreement, -votes, number


def select_clips(
    db: Session, study: Study, found: Agreement, criteria: tuple[Criterion, ...], selection: ClipSelection
) -> DisputedClipsPage | None:
    """Return a page of the selected clips with the answers to `criteria`; None if the criterion has no statistics.

    A page number beyond the last one gives the last page.
    """
    chosen = found.criterion(selection.criterion)
    if chosen is None:
        return None
    disputes = _disputes(chosen, adjudications.histories(db, study), selection.rater)
    compared = np.flatnonzero(chosen.ratings.votes >= 2).tolist()
    places = [place for place in compared if disputes.is_selected(place, selection.show)]
    places.sort(key=lambda place: disputes.sort_key(place, selection.order))
    pages = max(1, -(-len(places) // PAGE_SIZE))
    page = min(max(1, selection.page), pages)
    return DisputedClipsPage(
        chosen=chosen,
        criteria=criteria,
        clips=_clips(db, found, criteria, disputes, places[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]),
        total=len(places),
        compared=len(compared),
        page=page,
        pages=pages,
        words=adjudications.possible_answers(chosen.item),
        rule=_rule(scales.of(chosen.item).step),
    )


def _rule(step: int) -> str:
    if not step:
        return "A clip is disputed when two raters give different answers."
    apart = "one step" if step == 1 else f"{step} points"
    return f"A clip is disputed when two of its answers are more than {apart} apart."


def _span(ratings: Ratings) -> Ints:
    """Return how many values apart the highest and the lowest answer to each clip are, shape (clips,)."""
    given = ratings.counts > 0
    lowest, from_highest = given.argmax(axis=1), given[:, ::-1].argmax(axis=1)
    return np.asarray(given.shape[1] - 1 - from_highest - lowest)


def _disputes(chosen: CriterionAgreement, histories: Mapping[tuple[int, str], RulingHistory], rater: str) -> _Disputes:
    return _Disputes(
        chosen=chosen,
        numbers=np.array([int(clip) for clip in chosen.ratings.clips], dtype=np.int64),
        disagreement=clip_disagreement(chosen.ratings),
        span=_span(chosen.ratings),
        distance=_distance(chosen.ratings, rater) if rater else None,
        histories=histories,
        rulings=adjudications.in_force(histories),
    )


def _clips(
    db: Session, found: Agreement, criteria: tuple[Criterion, ...], disputes: _Disputes, places: list[int]
) -> tuple[DisputedClip, ...]:
    """Return the clips at some places of the arrays, in the same order."""
    numbers = disputes.numbers[places].tolist()
    clips = {clip.id: clip for clip in db.scalars(select(StudyClip).where(col(StudyClip.id).in_(numbers)))}
    return tuple(
        DisputedClip(
            number=number,
            clip=clips[number].clip,
            media=f"/media/{clips[number].media_key}.mp4",
            disagreement=float(disputes.disagreement[place]),
            votes=int(disputes.chosen.ratings.votes[place]),
            distance=None if disputes.distance is None else float(disputes.distance[place]),
            answers=_answers(found, number, criteria),
            history=disputes.histories.get((number, disputes.chosen.item.key), ()),
        )
        for number, place in zip(numbers, places, strict=True)
    )


def _distance(ratings: Ratings, rater: str) -> Floats:
    """Return a rater's distance from the mean of the others on each clip, in points of the scale, shape (clips,).

    It is NaN where the rater or all others gave no vote, and everywhere for an unknown rater.
    """
    found = np.full(len(ratings.clips), np.nan)
    if rater in ratings.raters:
        own = ratings.rater_of == ratings.raters.index(rater)
        _, mean = votes_of_others(ratings)
        numbers = ratings.scale.points if ratings.scale.numbers is None else ratings.scale.numbers
        found[ratings.clip_of[own]] = np.abs(numbers[ratings.level[own]] - mean[own])
    return found


def _answers(found: Agreement, clip: int, criteria: tuple[Criterion, ...]) -> tuple[RaterAnswers, ...]:
    rows = found.answers.frame.filter(pl.col("clip") == clip)
    given: dict[tuple[int, str, int], dict[str, str]] = {}
    for row in rows.iter_rows(named=True):
        order = int(row["rater"].removeprefix("R"))
        given.setdefault((order, row["rater"], row["occasion"]), {})[row["criterion"]] = row["value"]
    return tuple(
        RaterAnswers(
            rater, occasion, tuple((values.get(item.key, ""), word(item, values.get(item.key))) for item in criteria)
        )
        for (_, rater, occasion), values in sorted(given.items())
    )


def word(item: Criterion, value: str | None) -> str:
    """Return an answer as raters read it; a dash if there is none.

    >>> word(Criterion(study_id=1, position=0, key="q", label="Q", question="?", scale="acr5"), "4")
    '4 Good'
    """
    if not value:
        return "–"
    words = scales.word(item, value)
    return f"{value} {words}" if value.isdigit() and words != value else words or "none"

"""The agreement page's data: each criterion's coefficients, pairs of raters and raters, under pseudonyms."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.agreement.kappas import pair_estimate, pairs
from analysis.agreement.pairwise import RaterAgainstOthers, raters_against_others
from analysis.agreement.statistics import krippendorff_alpha
from analysis.estimate import Estimate
from analysis.figures import PairAgreement
from analysis.raters.intra_rater import intra_rater
from analysis.ratings import Ratings
from analysis.sampling.alpha_sample_size import alpha_size, guessed_votes, pilot_votes
from app.models import Criterion, Study, StudyClip
from app.results.answer_table import Answers, read
from app.results.counted_answers import Kind
from app.results.study_results import agreement_estimates
from app.studies import scales, whole_study

MOST_RATERS = 40
"""Raters that the heat map compares: the busiest ones."""
WIDTH = 0.2
"""An interval of alpha no wider than this is worth printing."""
PLANNED = 2000
"""Simulated samples behind a planned number of clips."""
MOST_LEVELS = 11
"""Levels of a scale up to which the clips that are missing are planned: a slider's take too long."""


@dataclass(frozen=True, eq=False)
class CriterionAgreement:
    """One criterion: its coefficients, each two raters, each rater beside the rest and beside themselves."""

    item: Criterion
    ratings: Ratings
    estimates: dict[str, Estimate]
    """By the key of the statistic, of those that exist on the criterion's scale."""
    kappa: str
    """What the pairs are compared by."""
    pairs: tuple[PairAgreement, ...]
    raters: tuple[RaterAgainstOthers, ...]
    itself: tuple[Estimate, ...]
    note: str
    """What to know about its intervals."""
    needed: str
    """How many clips more would make alpha's interval narrow enough; empty when it is, or nobody can tell."""

    @property
    def alpha(self) -> Estimate:
        """Krippendorff's alpha of all raters."""
        return self.estimates[krippendorff_alpha.key]

    @property
    def compared(self) -> int:
        """Clips with two votes or more."""
        return int((self.ratings.votes >= 2).sum())

    @property
    def undefined(self) -> list[str]:
        """Why statistics are undefined, each reason once."""
        return list(dict.fromkeys(one.undefined for one in self.estimates.values() if one.undefined))

    def rater(self, name: str) -> RaterAgainstOthers | None:
        """One rater beside the rest; None for somebody without a vote on this criterion."""
        return next((one for one in self.raters if one.rater == name), None)


@dataclass(frozen=True, eq=False)
class Agreement:
    """All criteria over which agreement is computed, and the answers behind them."""

    kind: Kind
    answers: Answers
    criteria: tuple[CriterionAgreement, ...]
    left_out: tuple[str, ...]
    """Criteria of free text and tags."""

    def about(self, key: str) -> CriterionAgreement | None:
        """One criterion; the first without a name, None for an unknown one."""
        if not key:
            return self.criteria[0] if self.criteria else None
        return next((one for one in self.criteria if one.item.key == key), None)

    @property
    def raters(self) -> int:
        """How many raters of this kind have come in."""
        return len(self.answers.raters)

    @property
    def estimates(self) -> dict[str, list[Estimate]]:
        """As the forest plot reads them, of the criteria that have answers."""
        return {one.item.label: list(one.estimates.values()) for one in self.criteria if len(one.ratings.clip_of)}


def compute(db: Session, study: Study, kind: Kind) -> Agreement:
    """Compute the agreement of a study from the database."""
    whole = whole_study.parts(db, study.id)
    answers = read(db, study, kind)
    sources = dict(
        db.execute(select(col(StudyClip.id), col(StudyClip.source)).where(col(StudyClip.study_id) == study.id)).all()
    )
    usual = [item for item in whole.criteria if scales.of(item).has_agreement]
    return Agreement(
        kind=kind,
        answers=answers,
        criteria=tuple(_criterion(item, answers, sources, study.seed) for item in usual),
        left_out=tuple(item.label for item in whole.criteria if item not in usual),
    )


def _criterion(item: Criterion, answers: Answers, sources: Mapping[int, str], seed: int) -> CriterionAgreement:
    ratings = answers.ratings(item)
    estimates, note = agreement_estimates("agreement", ratings, sources, seed)
    ordered = ratings.scale.metric != "nominal"
    kappa = "weighted_kappa_quadratic" if ordered else "cohen_kappa"
    return CriterionAgreement(
        item=item,
        ratings=ratings,
        estimates=estimates,
        kappa="weighted kappa (quadratic)" if ordered else "Cohen's kappa",
        pairs=_pairs(item, answers, kappa),
        raters=tuple(sorted(raters_against_others(ratings), key=lambda one: _number(one.rater))),
        itself=tuple(intra_rater(answers.repeats(item), ratings.scale)),
        note=note,
        needed=_needed(ratings, estimates[krippendorff_alpha.key], seed),
    )


def _pairs(item: Criterion, answers: Answers, kappa: str) -> tuple[PairAgreement, ...]:
    """The busiest raters, each with each; pairs without a common clip are left out."""
    found = answers.first(item.key)
    busiest = found.group_by("rater").len().sort("len", "rater", descending=[True, False])["rater"].head(MOST_RATERS)
    few = Answers(found.filter(pl.col("rater").is_in(busiest.implode())), answers.raters).ratings(item)
    made = []
    for pair in pairs(few):
        if not len(pair.clips):
            continue
        first, second = sorted((few.raters[pair.first], few.raters[pair.second]), key=_number)
        same = float(np.mean(pair.said[0] == pair.said[1]))
        made.append(PairAgreement(first, second, pair_estimate(kappa, pair, few), same))
    return tuple(sorted(made, key=lambda one: (_number(one.first), _number(one.second))))


def _number(pseudonym: str) -> int:
    return int(pseudonym.removeprefix("R"))


def _needed(ratings: Ratings, alpha: Estimate, seed: int) -> str:
    """In words, what is missing until alpha can be printed with an interval no wider than `WIDTH`.

    From the votes there are, each clip as if given to two raters; before that from a guess, which is said.
    """
    width = None if alpha.low is None or alpha.high is None else alpha.high - alpha.low
    if (width is not None and width <= WIDTH) or len(ratings.scale.levels) > MOST_LEVELS:
        return ""
    have, guess = int((ratings.votes >= 2).sum()), ""
    try:
        planned = pilot_votes(ratings, 2)
    except ValueError:
        planned, guess = guessed_votes(0.8, 0.6, 2), ", if raters agree by about .6 and accept 4 of 5 clips"
    try:
        clips, _ = alpha_size(planned, WIDTH / 2, resamples=PLANNED, seed=seed)
    except ValueError:
        return ""
    more = max(1, clips - have)
    return f"About {more} more clip{'' if more == 1 else 's'} with two raters give alpha an interval under .2{guess}."

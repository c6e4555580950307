"""One rater's page: bias, inconsistency, agreement with the other raters and with oneself on repeats."""

from dataclasses import dataclass

import numpy as np

from analysis.agreement.pairwise import votes_of_others, without_rater
from analysis.agreement.statistics import krippendorff_alpha
from analysis.consensus.subject_model import SubjectModel, subject_model
from analysis.estimate import Estimate
from analysis.raters.intra_rater import intra_rater
from analysis.ratings import Ratings
from app.errors import NotFound
from app.results.agreement import Agreement, CriterionAgreement
from app.studies import scales

RESAMPLES = 1000
SHORT = 5
"""Answers of a scale up to which those never given are listed too."""


@dataclass(frozen=True)
class Ways:
    """How a rater answers, by the subject model (ITU-T P.913 clause 12.6), in points of the scale."""

    bias: float
    inconsistency: float
    of_all: float
    """The middle inconsistency of all raters."""
    floored: bool
    """Too few answers, or too even ones: the inconsistency of all raters stands in."""


@dataclass(frozen=True)
class RaterCriterion:
    """One rater on one criterion."""

    key: str
    label: str
    ratings: int
    ties: int
    """Clips on which the others have no strict majority."""
    rest: dict[str, Estimate]
    """Beside the others, by statistic: rest_agreement, rest_kappa, and on points rest_bias, rest_rmse, rest_pearson."""
    itself: dict[str, Estimate]
    """On clips that came again."""
    alpha: Estimate
    alpha_without: Estimate
    ways: Ways | None
    """None on scales without points, and where the model does not exist."""
    accepts: tuple[float, float] | None
    """On verdicts: the share that the rater accepts, and that the others accept on the same clips."""
    said: tuple[tuple[str, int], ...]
    """Each answer in words, and how often it was given."""


@dataclass(frozen=True)
class RaterPage:
    """One rater on every criterion that they have answered."""

    name: str
    criteria: tuple[RaterCriterion, ...]
    before: str | None
    after: str | None
    """The raters before and after, by pseudonym."""


def rater_page(found: Agreement, name: str, seed: int) -> RaterPage:
    """One rater. Raises NotFound for a pseudonym that the study does not have."""
    everybody = found.answers.raters
    if name not in everybody:
        raise NotFound(f"There is no rater {name!r} here.", f"There are {len(everybody)}, from R1 on.")
    place = everybody.index(name)
    return RaterPage(
        name=name,
        criteria=tuple(
            _criterion(found, one, name, seed)
            for one in found.criteria
            if name in one.ratings.raters and one.rater(name)
        ),
        before=everybody[place - 1] if place else None,
        after=everybody[place + 1] if place + 1 < len(everybody) else None,
    )


def _criterion(found: Agreement, one: CriterionAgreement, name: str, seed: int) -> RaterCriterion:
    ratings, beside = one.ratings, one.rater(name)
    assert beside is not None, "the caller has looked"
    own = ratings.level[ratings.rater_of == ratings.raters.index(name)]
    counts = np.bincount(own, minlength=len(ratings.scale.levels)).tolist()
    points = ratings.scale.metric != "nominal"
    return RaterCriterion(
        key=one.item.key,
        label=one.item.label,
        ratings=beside.ratings,
        ties=beside.ties,
        rest={estimate.statistic: estimate for estimate in beside.estimates},
        itself={
            estimate.statistic: estimate
            for estimate in intra_rater(found.answers.repeats(one.item, name), ratings.scale)
        },
        alpha=one.alpha,
        alpha_without=krippendorff_alpha(without_rater(ratings, name), resamples=RESAMPLES, seed=seed),
        ways=_ways(ratings, name) if points else None,
        accepts=None if points else _accepts(ratings, name),
        said=tuple(
            (scales.word(one.item, level), count)
            for level, count in zip(ratings.scale.levels, counts, strict=True)
            if count or len(counts) <= SHORT
        ),
    )


def _ways(ratings: Ratings, name: str) -> Ways | None:
    numbers = ratings.scale.numbers
    if numbers is None or len(ratings.raters) < 2:
        return None
    clips, clip_of = np.unique(ratings.clip_of, return_inverse=True)
    raters, rater_of = np.unique(ratings.rater_of, return_inverse=True)
    if len(clips) < 2 or len(raters) < 2:
        return None
    made: SubjectModel = subject_model(clip_of, rater_of, numbers[ratings.level])
    place = int(np.flatnonzero(raters == ratings.raters.index(name))[0])
    return Ways(
        bias=float(made.bias[place]),
        inconsistency=float(made.inconsistency[place]),
        of_all=float(np.median(made.inconsistency)),
        floored=made.floored[place],
    )


def _accepts(ratings: Ratings, name: str) -> tuple[float, float] | None:
    """On a scale of two answers the share of the upper one, the rater's and the others' on the same clips."""
    if len(ratings.scale.levels) != 2:
        return None
    _, mean = votes_of_others(ratings)
    shared = (ratings.rater_of == ratings.raters.index(name)) & ~np.isnan(mean)
    if not shared.any():
        return None
    return float(ratings.level[shared].mean()), float(mean[shared].mean())

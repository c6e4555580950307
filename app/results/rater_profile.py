"""One rater's profile for the rater's page: bias, inconsistency, agreement with other raters and on repeats."""

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
from app.results.judged_sample import resamples_for
from app.results.study_results import RESAMPLES
from app.studies import scales

SHORT_SCALE = 5
"""On scales with at most this many answers, answers that the rater never gave are listed too."""


@dataclass(frozen=True)
class BiasAndInconsistency:
    """A rater's bias and inconsistency by the subject model (ITU-T P.913 clause 12.6), in points of the scale."""

    bias: float
    inconsistency: float
    median_inconsistency: float
    """The median of all raters' inconsistencies."""
    floored: bool
    """True if the rater's answers are too few or too even, so that the inconsistency of all raters is given instead."""


@dataclass(frozen=True)
class RaterCriterion:
    """One rater's answers to one criterion."""

    key: str
    label: str
    ratings: int
    ties: int
    """The number of clips on which the others have no strict majority."""
    against_others: dict[str, Estimate]
    """Agreement with the others, by statistic: rest_agreement, rest_kappa, and on scales with points rest_bias,
    rest_rmse, rest_pearson, rest_spearman (see `RaterAgainstOthers`)."""
    self_agreement: dict[str, Estimate]
    """Agreement with oneself on repeated clips, by statistic."""
    alpha: Estimate
    alpha_without: Estimate
    """Krippendorff's alpha without this rater."""
    subject_model: BiasAndInconsistency | None
    """None on scales without points, and where the model is undefined."""
    accept_shares: tuple[float, float] | None
    """On verdicts: the shares that the rater and the others accept, on the same clips."""
    answer_counts: tuple[tuple[str, int], ...]
    """Each answer in words, and how often the rater gave it."""


@dataclass(frozen=True)
class RaterProfile:
    """One rater on every criterion that the rater has answered."""

    name: str
    criteria: tuple[RaterCriterion, ...]
    before: str | None
    """The pseudonym of the previous rater; None for the first."""
    after: str | None
    """The pseudonym of the next rater; None for the last."""


def rater_profile(found: Agreement, name: str, seed: int) -> RaterProfile:
    """Compute one rater's profile. Raises NotFound for a pseudonym that the study does not have."""
    raters = found.answers.raters
    if name not in raters:
        raise NotFound(f"There is no rater {name!r} here.", f"There are {len(raters)}, from R1 on.")
    place = raters.index(name)
    return RaterProfile(
        name=name,
        criteria=tuple(
            _criterion(found, one, name, seed)
            for one in found.criteria
            if name in one.ratings.raters and one.rater(name)
        ),
        before=raters[place - 1] if place else None,
        after=raters[place + 1] if place + 1 < len(raters) else None,
    )


def _criterion(found: Agreement, one: CriterionAgreement, name: str, seed: int) -> RaterCriterion:
    ratings, against_others = one.ratings, one.rater(name)
    assert against_others is not None, "the caller has checked that the rater voted"
    own = ratings.level[ratings.rater_of == ratings.raters.index(name)]
    counts = np.bincount(own, minlength=len(ratings.scale.levels)).tolist()
    has_points = ratings.scale.metric != "nominal"
    return RaterCriterion(
        key=one.item.key,
        label=one.item.label,
        ratings=against_others.ratings,
        ties=against_others.ties,
        against_others={estimate.statistic: estimate for estimate in against_others.estimates},
        self_agreement={
            estimate.statistic: estimate
            for estimate in intra_rater(found.answers.repeats(one.item, name), ratings.scale)
        },
        alpha=one.alpha,
        alpha_without=krippendorff_alpha(
            without_rater(ratings, name),
            resamples=resamples_for(len(ratings.clips), RESAMPLES),
            seed=seed,
            groups=one.sources,
        ),
        subject_model=_bias_and_inconsistency(ratings, name) if has_points else None,
        accept_shares=None if has_points else _accept_shares(ratings, name),
        answer_counts=tuple(
            (scales.word(one.item, level), count)
            for level, count in zip(ratings.scale.levels, counts, strict=True)
            if count or len(counts) <= SHORT_SCALE
        ),
    )


def _bias_and_inconsistency(ratings: Ratings, name: str) -> BiasAndInconsistency | None:
    """Fit the subject model; None for fewer than two raters or clips, or a scale that is not numbers."""
    numbers = ratings.scale.numbers
    if numbers is None or len(ratings.raters) < 2:
        return None
    clips, clip_of = np.unique(ratings.clip_of, return_inverse=True)
    raters, rater_of = np.unique(ratings.rater_of, return_inverse=True)
    if len(clips) < 2 or len(raters) < 2:
        return None
    model: SubjectModel = subject_model(clip_of, rater_of, numbers[ratings.level])
    place = int(np.flatnonzero(raters == ratings.raters.index(name))[0])
    return BiasAndInconsistency(
        bias=float(model.bias[place]),
        inconsistency=float(model.inconsistency[place]),
        median_inconsistency=float(np.median(model.inconsistency)),
        floored=model.floored[place],
    )


def _accept_shares(ratings: Ratings, name: str) -> tuple[float, float] | None:
    """Return the rater's and the others' share of the upper answer on the same clips.

    None if the scale has not two answers, or if the rater shares no clip with others.
    """
    if len(ratings.scale.levels) != 2:
        return None
    _, mean = votes_of_others(ratings)
    shared = (ratings.rater_of == ratings.raters.index(name)) & ~np.isnan(mean)
    if not shared.any():
        return None
    return float(ratings.level[shared].mean()), float(mean[shared].mean())

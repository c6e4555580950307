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
from app.results.answer_table import AnswerTable, read
from app.results.counted_answers import RaterKind
from app.results.study_results import agreement_estimates, resampled_units
from app.studies import scales, whole_study

MAX_PAIRED_RATERS = 40
"""The heat map compares this many raters, those with the most answers."""
TARGET_WIDTH = 0.2
"""The advice on further clips aims at an interval of alpha of this width."""
PLANNING_SAMPLES = 2000
"""The number of simulated samples for one planned number of clips."""
MAX_PLANNED_LEVELS = 11
"""No number of clips is planned for a scale with more levels than this (a slider), because it takes too long."""


@dataclass(frozen=True, eq=False)
class CriterionAgreement:
    """Agreement on one criterion: of all raters, of each pair, of each rater with the others and on repeats."""

    item: Criterion
    ratings: Ratings
    estimates: dict[str, Estimate]
    """The estimates by the statistic's key, for the statistics that are defined on the criterion's scale."""
    kappa: str
    """The name of the kappa by which the pairs are compared."""
    pairs: tuple[PairAgreement, ...]
    raters: tuple[RaterAgainstOthers, ...]
    self_agreement: tuple[Estimate, ...]
    """The agreement of raters with themselves on repeated clips (see `intra_rater`)."""
    sources: dict[str, str] | None
    """The source of each clip; None if intervals resample clips and not sources."""
    note: str
    """What a reader must know about the intervals; empty if there is nothing."""
    needed: str
    """A sentence on how many more clips would make alpha's interval narrow enough; empty if it is, or if unknown."""

    @property
    def alpha(self) -> Estimate:
        """Krippendorff's alpha of all raters."""
        return self.estimates[krippendorff_alpha.key]

    @property
    def compared(self) -> int:
        """The number of clips with two votes or more."""
        return int((self.ratings.votes >= 2).sum())

    @property
    def undefined(self) -> list[str]:
        """The reasons why statistics are undefined, each once."""
        return list(dict.fromkeys(estimate.undefined for estimate in self.estimates.values() if estimate.undefined))

    def rater(self, name: str) -> RaterAgainstOthers | None:
        """Return one rater's comparison with the others; None if the rater gave no vote on this criterion."""
        return next((one for one in self.raters if one.rater == name), None)


@dataclass(frozen=True, eq=False)
class Agreement:
    """The agreement on all criteria that have statistics, and the answers behind it."""

    kind: RaterKind
    answers: AnswerTable
    criteria: tuple[CriterionAgreement, ...]
    left_out: tuple[str, ...]
    """The labels of the criteria without statistics: free text and tags."""

    def criterion(self, key: str) -> CriterionAgreement | None:
        """Return one criterion by its key, the first one for an empty key; None if there is none."""
        if not key:
            return self.criteria[0] if self.criteria else None
        return next((one for one in self.criteria if one.item.key == key), None)

    @property
    def raters(self) -> int:
        """The number of raters of this kind who have joined."""
        return len(self.answers.raters)

    @property
    def estimates(self) -> dict[str, list[Estimate]]:
        """The estimates of each criterion that has answers, by its label, for the forest plot."""
        return {one.item.label: list(one.estimates.values()) for one in self.criteria if len(one.ratings.clip_of)}


def compute(db: Session, study: Study, kind: RaterKind) -> Agreement:
    """Compute the agreement of a study from the database."""
    whole = whole_study.parts(db, study.id)
    answers = read(db, study, kind)
    sources = dict(
        db.execute(select(col(StudyClip.id), col(StudyClip.source)).where(col(StudyClip.study_id) == study.id)).all()
    )
    with_statistics = [item for item in whole.criteria if scales.of(item).has_agreement]
    return Agreement(
        kind=kind,
        answers=answers,
        criteria=tuple(_criterion(item, answers, sources, study.seed) for item in with_statistics),
        left_out=tuple(item.label for item in whole.criteria if item not in with_statistics),
    )


def _criterion(item: Criterion, answers: AnswerTable, sources: Mapping[int, str], seed: int) -> CriterionAgreement:
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
        self_agreement=tuple(intra_rater(answers.repeats(item), ratings.scale)),
        sources=resampled_units(ratings, sources)[0],
        note=note,
        needed=_needed(ratings, estimates[krippendorff_alpha.key], seed),
    )


def _pairs(item: Criterion, answers: AnswerTable, kappa: str) -> tuple[PairAgreement, ...]:
    """Return the agreement of each pair of the raters with the most answers; pairs without a common clip are left out.

    At most `MAX_PAIRED_RATERS` raters are compared.
    """
    found = answers.first(item.key)
    counts = found.group_by("rater").len().sort("len", "rater", descending=[True, False])
    compared = counts["rater"].head(MAX_PAIRED_RATERS)
    ratings = AnswerTable(found.filter(pl.col("rater").is_in(compared.implode())), answers.raters).ratings(item)
    made = []
    for pair in pairs(ratings):
        if not len(pair.clips):
            continue
        first, second = sorted((ratings.raters[pair.first], ratings.raters[pair.second]), key=_number)
        same = float(np.mean(pair.said[0] == pair.said[1]))
        made.append(PairAgreement(first, second, pair_estimate(kappa, pair, ratings), same))
    return tuple(sorted(made, key=lambda pair: (_number(pair.first), _number(pair.second))))


def _number(pseudonym: str) -> int:
    return int(pseudonym.removeprefix("R"))


def _needed(ratings: Ratings, alpha: Estimate, seed: int) -> str:
    """Return a sentence on how many more clips give alpha an interval no wider than `TARGET_WIDTH`; empty if none.

    It is planned from the votes so far, as if each clip had two raters; without such votes, from a guess that the
    sentence names.
    """
    width = None if alpha.low is None or alpha.high is None else alpha.high - alpha.low
    if (width is not None and width <= TARGET_WIDTH) or len(ratings.scale.levels) > MAX_PLANNED_LEVELS:
        return ""
    have, guess = int((ratings.votes >= 2).sum()), ""
    try:
        planned = pilot_votes(ratings, 2)
    except ValueError:
        planned, guess = guessed_votes(0.8, 0.6, 2), ", if raters agree by about .6 and accept 4 of 5 clips"
    try:
        clips, _ = alpha_size(planned, TARGET_WIDTH / 2, resamples=PLANNING_SAMPLES, seed=seed)
    except ValueError:
        return ""
    more = max(1, clips - have)
    return f"About {more} more clip{'' if more == 1 else 's'} with two raters give alpha an interval under .2{guess}."

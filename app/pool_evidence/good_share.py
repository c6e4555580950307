"""The share of good clips in the whole pool, estimated from the judged clips and each filter's score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from sqlmodel import Session

from analysis.figures import Line
from analysis.number_format import estimate_text
from analysis.prediction_powered import PoolShare, cross_fitted_predictions, pool_share
from app.errors import AppError
from app.models import Study
from app.pool_evidence.study_draws import study_draws
from app.results.consensus import Consensus
from app.results.filter_results import FilterResult, share_of_good
from app.results.interval_figures import IntervalPlot
from app.results.judged_sample import is_weighted
from app.sampling.joint import JointDraw


@dataclass(frozen=True)
class GoodShare:
    """The share of good clips in the pool by one filter's score; `missing` is the reason if `share` is None."""

    name: str
    title: str
    share: PoolShare | None
    scored: int
    """The number of pool clips that have this score; the share describes these clips."""
    missing: str = ""


@dataclass(frozen=True, eq=False)
class StratifiedPool:
    """The pool's clips with their numeric columns and the column `stratum` ("" for a clip that cannot be drawn)."""

    table: pl.DataFrame


def stratified_pool(db: Session, study: Study) -> StratifiedPool:
    """Find the stratum of every pool clip by repeating the study's draw. Raises AppError if that is not possible."""
    if not is_weighted(study):
        raise AppError(
            "The clips were drawn next to the thresholds: they say nothing about the whole pool.",
            "Draw a simple or a stratified random sample.",
        )
    found = study_draws(db, study)
    if len(found.draws) > 1:
        raise AppError(
            "The study was topped up by another design: inside its strata clips had different chances.",
            "The rates of the results page, weighted clip by clip, speak of the pool.",
        )
    _, stratum = JointDraw(found.draws).strata()
    table = found.pool.readable
    numbers = [name for name, kind in table.schema.items() if kind.is_numeric()]
    return StratifiedPool(table.select("clip", *numbers).with_columns(stratum=pl.Series(stratum, dtype=pl.String)))


def good_share(pool: StratifiedPool, result: FilterResult, consensus: Consensus, seed: int) -> GoodShare:
    """Estimate the share of good clips in the pool: with predictions from one filter's score, and without them."""
    rule, sample = result.rule, consensus.sample
    if rule.minimum is not None and rule.maximum is not None:
        return GoodShare(rule.name, rule.title, None, 0, "the filter has two ends: more of its score is not better")
    if rule.score not in pool.table.columns:
        return GoodShare(rule.name, rule.title, None, 0, f"the pool has no score {rule.score}")
    if sample is None:
        return GoodShare(rule.name, rule.title, None, 0, result.missing.get("current", "no clip is judged"))
    score = pl.col(rule.score).cast(pl.Float64)
    scored = pool.table.filter(score.is_finite(), pl.col("stratum") != "")
    good = sample.good.astype(np.float64)
    try:
        predicted, predicted_pool = cross_fitted_predictions(
            sample.scores,
            good,
            scored[rule.score].cast(pl.Float64).to_numpy(),
            rising=rule.minimum is not None,
            seed=seed,
        )
        share = pool_share(good, predicted, predicted_pool, sample.strata, scored["stratum"].to_list())
    except ValueError as error:
        return GoodShare(rule.name, rule.title, None, scored.height, str(error))
    return GoodShare(rule.name, rule.title, replace(share, judged_alone=share_of_good(result, sample)), scored.height)


def good_share_plot(shares: Sequence[GoodShare]) -> IntervalPlot:
    """The share by each filter's score, with and without predictions. At least one share is known."""
    known = [(one.title, one.share) for one in shares if one.share is not None]
    lines = []
    for title, share in known:
        lines.append(Line(title, "with the score's predictions", share.with_predictions))
        lines.append(Line(title, "from the judged clips alone", share.judged_alone))
    finding = "The share of good clips in the pool is not known yet"
    defined = [(title, share) for title, share in known if share.with_predictions.value is not None]
    if defined:
        title, best = max(defined, key=lambda one: one[1].gain or 0.0)
        finding = f"Share of the pool that is good, by {title}: {estimate_text(best.with_predictions)}"
    clips = sorted({line.estimate.clips for line in lines})
    counts = "–".join(str(count) for count in dict.fromkeys((clips[0], clips[-1])))
    return IntervalPlot(
        lines,
        finding,
        caption=f"n = {counts} judged clips; bars are 95 % intervals",
        axis="good clips, share of the pool's clips with the score",
        share=True,
    )

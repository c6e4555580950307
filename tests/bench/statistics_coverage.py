"""How often nominal 95 % intervals of agreement hold the pool's own value, in six designs."""

import numpy as np

from analysis.agreement import icc, kappas
from analysis.agreement.statistics import STATISTICS
from analysis.agreement.weighted import weighted_agreement
from analysis.estimate import Estimate, Ints
from analysis.ratings import Metric, Ratings, Scale

POOL, STUDIES, CLIPS, RATERS, RESAMPLES = 10_000, 400, 120, 3, 400


def run() -> None:
    """Print the share of studies for each design; its own standard error is about 1.1 %."""
    designs: tuple[tuple[str, Metric, bool], ...] = (
        ("krippendorff_alpha", "nominal", False),
        ("krippendorff_alpha", "interval", False),
        ("krippendorff_alpha", "ordinal", True),
        ("fleiss_kappa", "nominal", True),
        ("weighted_kappa_quadratic", "ordinal", False),
        ("icc_2_1", "interval", False),
    )
    for name, metric, weighted in designs:
        print(
            f"  {name}, {metric}{', two strata weighted' if weighted else ''}: {_covered(name, metric, weighted):.3f}"
        )


def _covered(name: str, metric: Metric, weighted: bool) -> float:
    chance = np.random.default_rng(4)
    quality = chance.normal(2, 1, (POOL, 1))
    pool = np.clip(np.rint(quality + chance.normal(0, 0.8, (POOL, RATERS))), 0, 4).astype(np.int64)
    truth = _estimate(name, _ratings(pool, np.arange(POOL), metric), None).value
    rare = quality[:, 0] > 3
    held = 0
    for _ in range(STUDIES):
        if weighted:
            parts = [chance.choice(np.flatnonzero(rare == side), CLIPS // 2, replace=False) for side in (True, False)]
            drawn = np.concatenate(parts)
            stratum = {f"{clip}": str(rare[clip]) for clip in drawn}
            size = {str(side): float(2 * np.count_nonzero(rare == side) / CLIPS) for side in (True, False)}
            weights = {clip: size[side] for clip, side in stratum.items()}
            one = _estimate(name, _ratings(pool, drawn, metric), (weights, stratum))
        else:
            one = _estimate(name, _ratings(pool, chance.choice(POOL, CLIPS, replace=False), metric), None)
        if one.low is not None and one.high is not None and truth is not None:
            held += one.low <= truth <= one.high
    return held / STUDIES


def _ratings(pool: Ints, drawn: Ints, metric: Metric) -> Ratings:
    clips = np.repeat(drawn, RATERS).astype(str).tolist()
    raters = np.tile(np.arange(RATERS), len(drawn)).astype(str).tolist()
    scale = Scale("points", ("0", "1", "2", "3", "4"), metric)
    return Ratings.from_votes(clips, raters, pool[drawn].ravel().astype(str).tolist(), scale)


def _estimate(name: str, ratings: Ratings, design: tuple[dict[str, float], dict[str, str]] | None) -> Estimate:
    if design is not None:
        weights, strata = design
        return weighted_agreement(name, ratings, weights, strata=strata, resamples=RESAMPLES)
    if name in kappas.NAMES:
        return kappas.mean_kappa(name, ratings)
    if name in icc.NAMES:
        return icc.icc(name, ratings, resamples=RESAMPLES)
    return STATISTICS[name](ratings, resamples=RESAMPLES)

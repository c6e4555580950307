"""How often nominal 95 % intervals of scores against ratings hold the pool's own value, and how fast they are."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.association.design_intervals import DesignEstimate, Resampling
from analysis.association.opinion import Opinion
from analysis.association.scores import Association, associate
from analysis.design import Design
from analysis.estimate import Floats, Ints

POOL, STUDIES, LATENT, PER_SOURCE = 16_000, 300, 0.8, 8
TARGET, FLOOR = 0.93, 0.91
Draw = Callable[[np.random.Generator], tuple[Ints, Design]]


@dataclass(frozen=True, eq=False)
class _Pool:
    """Two scores (clips,) and ratings (clips, raters); neighbouring clips share a source."""

    score: Floats
    other: Floats
    votes: Floats

    @classmethod
    def of(cls, raters: int, shared: float) -> "_Pool":
        """`shared` is the share of the variance that clips of one source have in common."""
        chance = np.random.default_rng(11)

        def mixed() -> Floats:
            common = np.repeat(chance.normal(0, 1, POOL // PER_SOURCE), PER_SOURCE)
            return np.asarray(np.sqrt(shared) * common + np.sqrt(1 - shared) * chance.normal(0, 1, POOL))

        quality = mixed()
        votes = np.clip(np.rint(3 + quality[:, None] + chance.normal(0, 0.8, (POOL, raters))), 1, 5)
        return cls(LATENT * quality + 0.6 * mixed(), 0.6 * quality + 0.8 * mixed(), votes)

    def found(self, drawn: Ints, design: Design) -> dict[str, DesignEstimate]:
        """Every estimate of one study by name."""
        scores = {"score": self.score[drawn], "other": self.other[drawn]}
        how = Resampling(resamples=200)
        return _named(associate(scores, Opinion.of_grid(self.votes[drawn]), design, how, pairs=True))


def _named(found: Association) -> dict[str, DesignEstimate]:
    first = found.scores[0]
    (cubic,), pairs, trust = first.mappings, first.pairs, found.reliability
    assert pairs is not None
    assert trust is not None
    assert first.disattenuated_pearson is not None
    named = {"spearman": first.spearman, "pearson": first.pearson, "kendall_tau_b": first.kendall_tau_b}
    named |= {"icc_1_1": trust.icc_1_1, "mos_reliability": trust.mos_reliability}
    named |= {"disattenuated": first.disattenuated_pearson, "rmse": cubic.rmse, "rmse_star": cubic.rmse_star}
    named |= {"outlier_ratio": cubic.outlier_ratio, "mapped pearson": cubic.pearson}
    named |= {"different/similar": pairs.auc_different_similar, "better/worse": pairs.auc_better_worse}
    named |= {"right sign": pairs.correct_at_zero}
    return named | {f"{one.statistic} difference": one.difference for one in found.differences}


def _simple(clips: int) -> Draw:
    return lambda chance: (chance.choice(POOL, clips, replace=False), Design.build(clips))


def _sources(sources: int) -> Draw:
    def draw(chance: np.random.Generator) -> tuple[Ints, Design]:
        drawn = chance.choice(POOL // PER_SOURCE, sources, replace=False)
        clips = (drawn[:, None] * PER_SOURCE + np.arange(PER_SOURCE)).ravel()
        return clips, Design.build(len(clips), sources=[f"{clip // PER_SOURCE:05}" for clip in clips])

    return draw


def _strata(stratum: Ints, each: int) -> Draw:
    members = [np.flatnonzero(stratum == one) for one in range(int(stratum.max()) + 1)]

    def draw(chance: np.random.Generator) -> tuple[Ints, Design]:
        clips = np.concatenate([chance.choice(own, each, replace=False) for own in members])
        weights = np.repeat([len(own) / each for own in members], each)
        return clips, Design.build(len(clips), weights, strata=stratum[clips].astype(str).tolist())

    return draw


def run() -> None:
    """Print the share of studies for each design and estimate; its own standard error is about 1.3 %."""
    began = time.perf_counter()
    for raters in (2, 5):
        pool = _Pool.of(raters, shared=0.5)
        place = np.argsort(np.argsort(pool.score)) / POOL
        near = (np.abs(pool.score - np.quantile(pool.score, 0.3)) < 0.15 * pool.score.std()).astype(np.int64)
        designs = {
            "30 clips": _simple(30),
            "100 clips": _simple(100),
            "20 sources of 8": _sources(20),
            "4 strata of 50": _strata((place * 4).astype(np.int64), 50),
            "100 beside a threshold, 100 elsewhere": _strata(near, 100),
        }
        truth = pool.found(np.arange(POOL), Design.build(POOL))
        for name, draw in designs.items():
            _print(f"{raters} raters, {name}", pool, draw, truth)
    print(f"  {time.perf_counter() - began:.0f} s for all")


def _print(name: str, pool: _Pool, draw: Draw, truth: dict[str, DesignEstimate]) -> None:
    chance = np.random.default_rng(12)
    held, defined = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for _ in range(STUDIES):
        for what, one in pool.found(*draw(chance)).items():
            low, high, own = one.estimate.low, one.estimate.high, truth[what].estimate.value
            if low is not None and high is not None and own is not None:
                defined[what] += 1
                held[what] += low <= own <= high
    print(f"  {name}")
    for what, studies in defined.items():
        share = held[what] / studies if studies else float("nan")
        mark = "" if not studies or share >= TARGET else "  under the target" if share >= FLOOR else "  UNDER THE FLOOR"
        print(f"    {what}: {share:.3f} of {studies}{mark}")

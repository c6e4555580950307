"""Tests of strata with one rated clip: it shows no spread, and intervals must not treat it as certain."""

import numpy as np
import pytest

from analysis.agreement.weighted import weighted_agreement
from analysis.filters.rates import confusion
from analysis.ratings import Ratings, Scale
from analysis.resampling import collapsed, within_strata

SIZE = 60
"""Clips of the pool in every stratum."""
DESIGNS = [(20, 10, 5), (10, 2, 40), (1, 5, 10)]
"""Strata with one rated clip, strata with more, rated clips in each of these."""


def drawn(generator: np.random.Generator, lone: int, more: int, rated: int) -> list[tuple[int, int]]:
    """The stratum and number of every clip of one sample."""
    return [
        (stratum, int(clip))
        for stratum in range(lone + more)
        for clip in generator.choice(SIZE, 1 if stratum < lone else rated, replace=False)
    ]


@pytest.mark.parametrize(("lone", "more", "rated"), DESIGNS)
def test_rates_cover_the_pool_s_rates(lone: int, more: int, rated: int) -> None:
    """In at least 91 % of 200 seeded studies the 95 % intervals contain the pool's recall and precision (2.6 SE)."""
    generator = np.random.default_rng(0)
    share = generator.permutation(np.linspace(0.2, 0.9, lone + more))[:, None]
    sizes = {str(stratum): SIZE for stratum in range(lone + more)}
    held = []
    for _ in range(200):
        good = generator.random((lone + more, SIZE)) < share
        accepted = np.where(generator.random(good.shape) < 0.75, good, ~good)
        sample = drawn(generator, lone, more, rated)
        of = tuple(np.array(sample).T)
        table = confusion(accepted[of], good[of], strata=[str(one) for one, _ in sample], stratum_sizes=sizes)
        truths = (accepted[good].mean(), good[accepted].mean())
        held.append(
            [
                estimate.low is not None and estimate.high is not None and estimate.low <= truth <= estimate.high
                for estimate, truth in zip((table.recall, table.precision), truths, strict=True)
            ]
        )
    assert np.min(np.mean(held, axis=0)) >= 0.91


@pytest.mark.parametrize(("lone", "more", "rated"), DESIGNS)
def test_weighted_agreement_covers_the_pool_s(lone: int, more: int, rated: int) -> None:
    """At least 85 % of 100 seeded studies cover it; if lone clips counted as certain, 1 to 67 % would."""
    generator = np.random.default_rng(0)
    chance = np.clip(generator.permutation(np.linspace(0.1, 0.9, lone + more))[:, None], 0, 1)
    first = generator.random((lone + more, SIZE)) < chance
    second = np.where(generator.random(first.shape) < 0.75, first, ~first)
    scale, held = Scale("verdict", ("0", "1"), "nominal"), 0
    for study in range(100):
        sample = drawn(generator, lone, more, rated)
        names = [f"{stratum}-{clip}" for stratum, clip in sample]
        votes = [str(int(votes[of])) for votes in (first, second) for of in sample]
        raters = ["a"] * len(names) + ["b"] * len(names)
        found = weighted_agreement(
            "percent_agreement",
            Ratings.from_votes(names * 2, raters, votes, scale),
            {name: SIZE / (1 if of < lone else rated) for name, (of, _) in zip(names, sample, strict=True)},
            strata={name: str(of) for name, (of, _) in zip(names, sample, strict=True)},
            resamples=300,
            seed=study,
        )
        held += found.low is not None and found.high is not None and found.low <= (first == second).mean() <= found.high
    assert held >= 85


def test_lone_clips_are_drawn_together() -> None:
    """Several lone clips form one stratum, a single one joins the smallest other stratum, and one clip stays alone."""
    assert collapsed(np.array([5, 3, 3, 1])).tolist() == [0, 1, 1, 0]
    assert collapsed(np.array([0, 0, 0, 7, 9, 9])).tolist() == [0, 0, 0, 2, 2, 2]
    assert collapsed(np.array([4])).tolist() == [0]
    block = np.vstack(list(within_strata(np.arange(6), 400, seed=0)))
    assert block.std(axis=0).min() > 0.5
    assert block.mean() == pytest.approx(1)

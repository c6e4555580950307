"""Tests of anchoring: errors of an independent implementation, known effects, undefined cases."""

import json

import numpy as np
import pytest

from analysis.raters.anchoring import anchoring
from tests.helpers.places import FIXTURES

CASE = json.loads((FIXTURES / "anchoring/statsmodels_two_way/case.json").read_text())


def test_effect_and_error_equal_statsmodels() -> None:
    """Coefficients equal to 1e-9 and two-way clustered errors to 1e-6, computed from the width of the interval."""
    verdicts = [clip % 2 for clip in CASE["clip"]]
    raters, clips = [str(one) for one in CASE["rater"]], [str(one) for one in CASE["clip"]]
    found = anchoring(CASE["answer"], verdicts, CASE["shown"], raters, clips)
    assert found.hidden.value == pytest.approx(CASE["beta"][1], abs=1e-9)
    assert found.effect.value == pytest.approx(CASE["beta"][3], abs=1e-9)
    assert found.effect.high is not None
    assert found.effect.value is not None
    from scipy.stats import t as student

    freedom = min(len(set(raters)), len(set(clips))) - 1
    error = (found.effect.high - found.effect.value) / student.ppf(0.975, freedom)
    assert error == pytest.approx(CASE["se"][3], abs=1e-6)


def made(effect: float, seed: int) -> tuple[list[int], list[int], list[bool], list[str], list[str]]:
    """A study of 20 raters and 60 clips with a known effect of showing the score."""
    generator = np.random.default_rng(seed)
    rater, clip = (part.ravel() for part in np.meshgrid(np.arange(20), np.arange(60)))
    says, shown = clip % 2, generator.random(len(clip)) < 0.5
    lean = generator.normal(0, 0.05, 20)[rater] + generator.normal(0, 0.1, 60)[clip]
    chance = 0.35 + 0.3 * says + lean + effect * shown * (says - 0.5)
    votes = (generator.random(len(clip)) < chance).astype(int)
    return votes.tolist(), says.tolist(), shown.tolist(), [str(one) for one in rater], [str(one) for one in clip]


def test_intervals_cover_an_effect_of_zero() -> None:
    """Without an effect, 92 to 99 % of the 95 % intervals of 150 seeded studies contain 0."""
    held = 0
    for seed in range(150):
        found = anchoring(*made(0.0, seed))
        assert found.effect.low is not None
        assert found.effect.high is not None
        held += found.effect.low <= 0 <= found.effect.high
    assert 0.92 <= held / 150 <= 0.99


def test_a_known_effect_is_found() -> None:
    """An effect of .2 in the simulated answers is found."""
    found = anchoring(*made(0.2, 1))
    assert found.effect.value == pytest.approx(0.2, abs=0.1)
    assert found.p is not None
    assert found.p < 0.05


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"shown": [True] * 8}, "no answer was given with the score hidden"),
        ({"says": [1] * 8}, "says the same of every clip"),
        ({"raters": ["a"] * 8}, "fewer than two raters"),
    ],
)
def test_undefined_effects_give_the_reason(change: dict[str, list[object]], reason: str) -> None:
    """With an empty arm, a filter that never varies, or one rater, the effect is undefined with the reason."""
    given = {"says": [0, 1] * 4, "shown": [True] * 4 + [False] * 4, "raters": list("abababab")} | change
    clips = [str(number) for number in range(8)]
    found = anchoring([0, 1] * 4, given["says"], given["shown"], given["raters"], clips)  # type: ignore[arg-type]
    assert found.effect.value is None
    assert reason in str(found.effect.undefined)
    assert found.p is None


def test_intervals_of_verdicts_stay_in_the_range_of_a_difference() -> None:
    """Two raters leave one degree of freedom, and the interval is limited to the range of a difference of shares."""
    chance = np.random.default_rng(5)
    says = np.tile([1.0, 0.0], 20)
    votes = (chance.random(40) < 0.3 + 0.4 * says).astype(float)
    found = anchoring(votes, says, np.arange(40) % 4 < 2, list("ab") * 20, [str(k // 2) for k in range(40)])
    for one, most in ((found.shown, 1), (found.hidden, 1), (found.effect, 2)):
        assert one.low is not None
        assert one.high is not None
        assert -most <= one.low <= one.high <= most
    assert found.shown.high == 1

"""Tests of Dawid & Skene's model: the paper's figures, real labels with known answers, invariances."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.consensus.dawid_skene import dawid_skene
from tests.helpers.places import FIXTURES, SHARED

CASE = json.loads((FIXTURES / "dawid_skene/dawid_skene_1979/case.json").read_text())
BIRDS = SHARED / "ratings" / "bluebirds"


def answers_of_1979() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clips, raters and levels of the paper's table."""
    table = np.array([[int(one) for one in line.split()] for line in CASE["answers"]]) - 1
    clips = np.repeat(np.arange(len(table)), table.shape[1])
    return clips, np.tile(CASE["rater_of_column"], len(table)), table.ravel()


def test_the_paper_of_1979_is_reproduced() -> None:
    """Class shares equal to four digits and the first observer's confusion to two; the objective never falls."""
    clips, raters, levels = answers_of_1979()
    made = dawid_skene(clips, raters, levels, levels=4, smoothing=1e-6)
    assert made.prior == pytest.approx(CASE["prior"], abs=6e-5)
    assert made.confusion[0] == pytest.approx(np.array(CASE["first_observer"]), abs=0.0051)
    assert made.converged
    assert np.diff(made.log_likelihood).min() >= 0


def test_real_labels_with_known_answers() -> None:
    """On the bluebird labels the model is right on 97 of 108 pictures, the majority on 82."""
    if not BIRDS.is_dir():
        pytest.skip(f"no real labels in {BIRDS}")
    with (BIRDS / "labels_long.csv").open() as file:
        rows = list(csv.DictReader(file))
    images = {name: number for number, name in enumerate(sorted({row["image"] for row in rows}))}
    workers = {name: number for number, name in enumerate(sorted({row["worker"] for row in rows}))}
    clips = np.array([images[row["image"]] for row in rows])
    raters = np.array([workers[row["worker"]] for row in rows])
    made = dawid_skene(clips, raters, np.array([int(row["label"]) for row in rows]), levels=2)
    with (BIRDS / "truth.csv").open() as file:
        right = sum(made.posterior[images[row["image"]]].argmax() == int(row["truth"]) for row in csv.DictReader(file))
    assert right == json.loads((BIRDS / "expected.json").read_text())["dawid_skene_correct"] == 97


def votes(seed: int, levels: int, clips: int = 150, raters: int = 5) -> tuple[np.ndarray, ...]:
    """Votes of raters of different skill on clips with known levels, some of them missing."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(levels, size=clips)
    skill = generator.uniform(0.55, 0.95, raters)
    right = generator.random((clips, raters)) < skill
    said = np.where(right, truth[:, None], generator.integers(levels, size=(clips, raters)))
    given = generator.random((clips, raters)) < 0.8
    given[:, 0] = True
    clip_of, rater_of = np.nonzero(given)
    return clip_of, rater_of, said[given], truth


@given(st.integers(0, 10_000), st.integers(2, 4), st.sampled_from(["confusion", "one-coin"]))
@settings(max_examples=25, deadline=None)
def test_invariances_of_the_fit(seed: int, levels: int, skill: str) -> None:
    """The objective never falls, shares sum to 1, and the names of raters and the order of clips do not matter."""
    clips, raters, level, _ = votes(seed, levels)
    made = dawid_skene(clips, raters, level, levels=levels, skill=skill)  # type: ignore[arg-type]
    assert np.diff(made.log_likelihood).min(initial=0) >= -1e-7
    assert made.posterior.sum(axis=1) == pytest.approx(np.ones(150))
    assert made.confusion.sum(axis=2) == pytest.approx(np.ones((5, levels)))
    order = np.random.default_rng(seed).permutation(len(clips))
    renamed = dawid_skene(149 - clips[order], 4 - raters[order], level[order], levels=levels, skill=skill)  # type: ignore[arg-type]
    assert renamed.posterior[::-1] == pytest.approx(made.posterior, abs=1e-6)
    assert renamed.confusion[::-1] == pytest.approx(made.confusion, abs=1e-6)


def test_collapsing_equal_clips_changes_nothing() -> None:
    """Repeated votes prevent collapsing; the fit of the same votes without collapsing is equal to 1e-6."""
    clips, raters, level, _ = votes(3, 3)
    quick = dawid_skene(clips, raters, level, levels=3)
    twice = (np.concatenate([clips, [150, 150]]), np.concatenate([raters, [0, 0]]), np.concatenate([level, [0, 0]]))
    slow = dawid_skene(*twice, levels=3)
    assert slow.posterior[:150] == pytest.approx(quick.posterior, abs=0.05)
    assert len(slow.posterior) == 151


def test_the_model_beats_the_majority_and_finds_contrarians() -> None:
    """With one good rater and a contrarian among guessers, the model finds the levels that the majority misses."""
    generator = np.random.default_rng(0)
    truth = generator.integers(2, size=400)
    chance = np.array([0.95, 0.9, 0.5, 0.5, 0.1])
    said = np.where(generator.random((400, 5)) < chance, truth[:, None], 1 - truth[:, None])
    clips, raters = (part.ravel() for part in np.meshgrid(np.arange(400), np.arange(5), indexing="ij"))
    made = dawid_skene(clips, raters, said.ravel(), levels=2)
    assert (made.posterior.argmax(axis=1) == truth).mean() > 0.93 > (said.mean(axis=1).round() == truth).mean()
    assert made.skill.argmin() == 4
    assert made.skill == pytest.approx(chance, abs=0.06)


def test_input_out_of_range_is_refused() -> None:
    """No votes, a single level, and a level beyond the scale raise an error."""
    nothing = np.array([], dtype=np.int64)
    with pytest.raises(ValueError, match="needs votes"):
        dawid_skene(nothing, nothing, nothing, levels=2)
    with pytest.raises(ValueError, match="between 0 and 1"):
        dawid_skene(np.array([0]), np.array([0]), np.array([2]), levels=2)

"""What the raters of a generated study say: it follows the clips' quality and stability, their own bias, and chance."""

import json
from dataclasses import dataclass

import numpy as np
import polars as pl

from analysis.estimate import Bools, Floats, Ints
from tests.helpers.generated_study.options import Options
from tests.helpers.generated_study.work import NEVER

DISPUTED = 0.12
"""Share of clips on which raters differ widely."""
LEAN = 0.5
"""How far the score that is shown moves raters, in standard deviations of what they think of clips."""
SURE = 0.08
"""Raters who are nearer than this to the middle say that they are unsure."""
SAME = 0.75
"""Share of repeats answered as the first time."""
RUN = 18
"""Clips for which the careless rater gives one answer."""
WITHOUT_THOUGHT = ((4, 4, "accept"), (3, 4, "accept"), (4, 3, "accept"), (3, 3, "accept"))
REMARKS = ("hands in front of the face", "music over the voice", "subtitles", "looks away", "flicker at the end")
REVISED = 0.04


@dataclass(frozen=True, eq=False)
class Said:
    """What every assignment's rater says (answered or not), shape (assignments,); "" for an optional question left
    empty. `revised` marks the answers that are changed afterwards.
    """

    quality: Ints
    stability: Ints
    verdict: np.ndarray
    faults: list[str]
    remark: list[str]
    revised: Bools

    def first(self, row: int) -> dict[str, str]:
        """The answer as it was sent first."""
        return {
            "quality": str(self.quality[row]),
            "stability": str(self.stability[row]),
            "verdict": str(self.verdict[row]),
            "faults": self.faults[row],
            "remark": self.remark[row],
        }

    def later(self, row: int) -> dict[str, str]:
        """The same answer as it was changed: another quality, another verdict now and then, no fault after all."""
        quality = int(self.quality[row])
        changed = {"quality": str(quality - 1 if quality > 1 else quality + 1), "faults": ""}
        if row % 2:
            changed["verdict"] = "reject" if self.verdict[row] == "accept" else "accept"
        return self.first(row) | changed


def said(work: pl.DataFrame, quality: Floats, stability: Floats, passes: Bools, shown: Bools, options: Options) -> Said:
    """Everybody's answers to the assignments of `work`.

    `quality`, `stability` and `passes` (whether the first filter accepts it) describe each clip, shape (clips,);
    `shown` says whether the scores are on the page, shape (assignments,).
    """
    chance = np.random.default_rng([options.seed, 5])
    clip, rater = work["clip"].to_numpy(), work["rater"].to_numpy()
    bias = np.append(chance.normal(0, 0.25, options.raters), 0.0)[rater]
    disputed = chance.random(len(quality)) < DISPUTED
    merit = np.where(disputed, 0.0, 0.75 * quality + 0.5 * stability + 0.35)
    spread = np.where(disputed, 1.0, 0.35)

    def noise(size: float) -> Floats:
        return size * chance.standard_normal(work.height)

    leaning = merit[clip] + bias + LEAN * shown * np.where(passes, 1, -1)[clip] + noise(1.0) * spread[clip]
    verdict = np.where(np.abs(leaning) < SURE, "unsure", np.where(leaning > 0, "accept", "reject"))
    points = _steps(3.2 + 0.9 * quality[clip] + bias + noise(0.55)), _steps(3.4 + 0.9 * stability[clip] + noise(0.6))
    _repeat(work, chance, *points, verdict)
    _careless(work, options, *points, verdict)
    careful = rater != (NEVER if options.careless is None else options.careless)
    return Said(
        *points,
        verdict,
        _faults(quality[clip], stability[clip], careful, chance),
        [REMARKS[row % len(REMARKS)] if said else "" for row, said in enumerate(careful & (noise(1.0) > 1.6))],
        chance.random(work.height) < REVISED,
    )


def _steps(values: Floats) -> Ints:
    return np.clip(np.round(values), 1, 5).astype(np.int64)


def _repeat(work: pl.DataFrame, chance: np.random.Generator, *answers: np.ndarray) -> None:
    """Most repeats are answered as before, in place."""
    original = work["original"].to_numpy()
    same = np.flatnonzero((original != NEVER) & (chance.random(work.height) < SAME))
    for one in answers:
        one[same] = one[original[same]]


def _careless(work: pl.DataFrame, options: Options, *answers: np.ndarray) -> None:
    """The careless rater gives one answer for many clips in a row, in place."""
    if options.careless is None:
        return
    rows = np.flatnonzero(work["rater"].to_numpy() == options.careless)
    pattern = work["rank"].to_numpy()[rows] // RUN % len(WITHOUT_THOUGHT)
    for one, values in zip(answers, zip(*WITHOUT_THOUGHT, strict=True), strict=True):
        one[rows] = np.array(values)[pattern]


def _faults(quality: Floats, stability: Floats, careful: Bools, chance: np.random.Generator) -> list[str]:
    """The tags as they are stored: JSON, "" for none; the careless rater names none."""
    draws = chance.random((3, len(quality)))
    seen = {
        "blur": (quality < -0.5) & (draws[0] < 0.7),
        "shake": (stability < -0.5) & (draws[1] < 0.7),
        "cut": draws[2] < 0.05,
    }
    found = np.array([marks & careful for marks in seen.values()])
    words = [json.dumps([tag for tag, bit in zip(seen, bits, strict=True) if bit]) for bits in np.ndindex(2, 2, 2)]
    words[0] = ""
    return [words[4 * a + 2 * b + c] for a, b, c in found.T.tolist()]

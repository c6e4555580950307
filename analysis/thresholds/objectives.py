"""Objectives that a threshold is chosen for: F-measure, Youden's index or a cost, at many thresholds at once."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.estimate import Floats

ObjectiveKind = Literal["fbeta", "youden", "cost"]
_TINY = np.finfo(float).tiny
_MAX = 1e9  # of a weight or a cost: beyond it the smaller of the two no longer changes the sum


@dataclass(frozen=True)
class Objective:
    """An objective: `fbeta` with its `beta`, `youden` (recall + specificity - 1), or the mean `cost` per clip.

    `cost_fp` is the cost of accepting a bad clip and `cost_fn` that of rejecting a good one. A higher `value` is
    always better: for a cost it is the negative cost.
    """

    kind: ObjectiveKind
    beta: float = 1.0
    cost_fp: float = 1.0
    cost_fn: float = 1.0

    def __str__(self) -> str:
        words = {"fbeta": f"fbeta:{self.beta:g}", "youden": "youden", "cost": f"cost:{self.cost_fp:g},{self.cost_fn:g}"}
        return "f1" if self == F1 else words[self.kind]

    @property
    def title(self) -> str:
        """The name of the objective for a sentence."""
        words = {"fbeta": f"F{self.beta:g}", "youden": "Youden index", "cost": "cost"}
        return words[self.kind]

    def value(self, hits: Floats, accepted: Floats, good: float | Floats, clips: float | Floats) -> Floats:
        """The quantity to maximise, from the weights of the clips accepted and good, accepted, good, and of all clips.

        The arguments broadcast to any shape; the result has that shape. F_beta = (1 + b^2) TP / ((1 + b^2) TP +
        b^2 FN + FP) (van Rijsbergen 1979), J = TPR - FPR (Youden 1950).

        >>> float(F1.value(np.array(3.0), np.array(4.0), 5.0, 10.0))
        0.6666666666666666
        """
        if self.kind == "fbeta":
            b2 = self.beta**2
            return np.asarray((1 + b2) * hits / np.maximum(accepted + b2 * good, _TINY))
        if self.kind == "youden":
            bad = np.maximum(clips - good, _TINY)
            return np.asarray(hits / np.maximum(good, _TINY) - (accepted - hits) / bad)
        total_cost = self.cost_fp * (accepted - hits) + self.cost_fn * (good - hits)
        return np.asarray(-total_cost / np.maximum(clips, _TINY))

    def of(self, cells: tuple[float, float, float, float]) -> float:
        """The objective of one table of weights (tp, fp, fn, tn); a cost is returned as a positive cost."""
        tp, fp, fn, tn = cells
        reached = float(self.value(np.array(tp), np.array(tp + fp), tp + fn, tp + fp + fn + tn))
        return 0.0 - reached if self.kind == "cost" else reached

    def implied_cost(self, cells: tuple[float, float, float, float]) -> float | None:
        """How many good clips this objective gives up to avoid one bad clip; None where the number is unbounded.

        At the best threshold a clip is worth accepting if P(good) >= c, and the result is c / (1 - c). For the best
        F, c = F / (1 + b^2) (Lipton, Elkan & Naryanaswamy 2014, arXiv 1402.1892, for F1); for Youden's index, c is the
        share of good clips. `cells` holds the weights (tp, fp, fn, tn).
        """
        if self.kind == "cost":
            return self.cost_fp / self.cost_fn if self.cost_fn else None
        tp, fp, fn, tn = cells
        level = self.of(cells) / (1 + self.beta**2) if self.kind == "fbeta" else (tp + fn) / (tp + fp + fn + tn)
        return level / (1 - level) if level < 1 else None


F1 = Objective("fbeta")


def parse(text: str) -> Objective:
    """Read an objective from text: `f1`, `fbeta:2`, `youden`, `cost:1,5` (bad clip accepted, good clip rejected).

    Raises ValueError, naming the accepted forms, for any other text.

    >>> str(parse("fbeta:0.5")), str(parse("cost:1,5"))
    ('fbeta:0.5', 'cost:1,5')
    """
    name, _, numbers = text.strip().lower().partition(":")
    try:
        given = [float(number) for number in numbers.split(",")] if numbers else []
    except ValueError:
        given = [-1.0]
    if all(number == 0 or 1 / _MAX <= number <= _MAX for number in given):
        if name == "f1" and not given:
            return F1
        if name == "youden" and not given:
            return Objective("youden")
        if name == "fbeta" and len(given) == 1 and given[0] > 0:
            return Objective("fbeta", beta=given[0])
        if name == "cost" and len(given) == 2 and sum(given) > 0:
            return Objective("cost", cost_fp=given[0], cost_fn=given[1])
    ways = "f1, fbeta:2, youden or cost:1,5 (bad accepted, good rejected)"
    raise ValueError(f"{text!r} is no objective: write {ways}, with numbers from {1 / _MAX:g} to {_MAX:g}")

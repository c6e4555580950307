"""What a threshold is chosen for: F-measure, Youden's index or a cost, each over any number of cuts at once."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.estimate import Floats

Kind = Literal["fbeta", "youden", "cost"]
_LEAST = np.finfo(float).tiny
_MOST = 1e9  # of a weight or a cost: beyond it the smaller one has no say


@dataclass(frozen=True)
class Objective:
    """An aim: `fbeta` with `beta`, `youden` (recall + specificity - 1), or the mean `cost` per clip.

    `cost_fp` is the price of a bad clip accepted, `cost_fn` that of a good clip rejected. More is better for
    `value`, which is minus the cost for a cost.
    """

    kind: Kind
    beta: float = 1.0
    cost_fp: float = 1.0
    cost_fn: float = 1.0

    def __str__(self) -> str:
        words = {"fbeta": f"fbeta:{self.beta:g}", "youden": "youden", "cost": f"cost:{self.cost_fp:g},{self.cost_fn:g}"}
        return "f1" if self == F1 else words[self.kind]

    @property
    def title(self) -> str:
        """For a sentence."""
        words = {"fbeta": f"F{self.beta:g}", "youden": "Youden index", "cost": "cost"}
        return words[self.kind]

    def value(self, hits: Floats, accepted: Floats, good: float | Floats, clips: float | Floats) -> Floats:
        """What is to be made large, from weighted good accepted, accepted, all good and all clips; any shape.

        F_beta = (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP) (van Rijsbergen 1979), J = TPR - FPR (Youden 1950).

        >>> float(F1.value(np.array(3.0), np.array(4.0), 5.0, 10.0))
        0.6666666666666666
        """
        if self.kind == "fbeta":
            b2 = self.beta**2
            return np.asarray((1 + b2) * hits / np.maximum(accepted + b2 * good, _LEAST))
        if self.kind == "youden":
            bad = np.maximum(clips - good, _LEAST)
            return np.asarray(hits / np.maximum(good, _LEAST) - (accepted - hits) / bad)
        spent = self.cost_fp * (accepted - hits) + self.cost_fn * (good - hits)
        return np.asarray(-spent / np.maximum(clips, _LEAST))

    def of(self, cells: tuple[float, float, float, float]) -> float:
        """The aim reached by a table of weighted true and false accepts, false and true rejects; a cost as a cost."""
        tp, fp, fn, tn = cells
        reached = float(self.value(np.array(tp), np.array(tp + fp), tp + fn, tp + fp + fn + tn))
        return 0.0 - reached if self.kind == "cost" else reached

    def implied_cost(self, cells: tuple[float, float, float, float]) -> float | None:
        """Good clips lost that one bad clip accepted is worth at the best cut; None where it has no bound.

        Accepting pays from P(good) = c on, with c / (1 - c) the answer: c = F / (1 + b^2) at the best F (Lipton,
        Elkan & Naryanaswamy 2014, arXiv 1402.1892, for F1), c = the share of good clips for Youden's index.
        """
        if self.kind == "cost":
            return self.cost_fp / self.cost_fn if self.cost_fn else None
        tp, fp, fn, tn = cells
        level = self.of(cells) / (1 + self.beta**2) if self.kind == "fbeta" else (tp + fn) / (tp + fp + fn + tn)
        return level / (1 - level) if level < 1 else None


F1 = Objective("fbeta")


def parse(text: str) -> Objective:
    """An aim from words: `f1`, `fbeta:2`, `youden`, `cost:1,5` (bad accepted, good rejected).

    Raises ValueError saying what can be written.

    >>> str(parse("fbeta:0.5")), str(parse("cost:1,5"))
    ('fbeta:0.5', 'cost:1,5')
    """
    name, _, numbers = text.strip().lower().partition(":")
    try:
        given = [float(number) for number in numbers.split(",")] if numbers else []
    except ValueError:
        given = [-1.0]
    if all(number == 0 or 1 / _MOST <= number <= _MOST for number in given):
        if name == "f1" and not given:
            return F1
        if name == "youden" and not given:
            return Objective("youden")
        if name == "fbeta" and len(given) == 1 and given[0] > 0:
            return Objective("fbeta", beta=given[0])
        if name == "cost" and len(given) == 2 and sum(given) > 0:
            return Objective("cost", cost_fp=given[0], cost_fn=given[1])
    ways = "f1, fbeta:2, youden or cost:1,5 (bad accepted, good rejected)"
    raise ValueError(f"{text!r} is no objective: write {ways}, with numbers from {1 / _MOST:g} to {_MOST:g}")

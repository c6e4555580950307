"""Thresholds for one score from a rated sample, as the plain content that the command line prints."""

from dataclasses import asdict
from typing import Any

import numpy as np

from analysis.calibration import best
from analysis.cross_fitting import HeldOut
from analysis.design import Design
from analysis.estimate import Floats
from analysis.objectives import Objective
from analysis.promise import precision_promise
from analysis.promise_checks import promise_held_out, promise_stability
from analysis.rates import NAMES, Confusion, tabulate
from analysis.recall_control import recall_threshold
from analysis.roc import Direction, Roc, curve_of

POINTS = 2000
"""Points of a curve at most; more are thinned evenly."""
NO_REJECTS = "no clip that the filter rejects was rated, so what it loses is unknown"


def rates_of(table: Confusion, *, weighted: bool) -> dict[str, Any]:
    """Every rate with its value, standard error and interval; `sample_value` (unweighted) where weights differ."""
    made = {}
    for name in NAMES:
        estimate = getattr(table, name)
        made[name] = {"value": estimate.value, "se": table.se[name]} | estimate.to_dict()
        if weighted:
            made[name]["sample_value"] = table.sample_value(name)
    return made


def table_of(table: Confusion, *, weighted: bool, hard: bool) -> dict[str, Any]:
    """Cells of a table (rated clips, and pool clips they stand for) and its rates."""
    names = ("tp", "fp", "fn", "tn")
    cells: dict[str, Any] = {name: getattr(table, name) for name in names} if hard else {}
    if not hard:
        cells |= dict(zip(names, table.counts, strict=True))
    cells["weighted"] = dict(zip(names, table.weighted, strict=True))
    cells["max_weight_share"] = table.max_weight_share
    return cells | rates_of(table, weighted=weighted)


def held_out_of(held_out: HeldOut | None, *, weighted: bool) -> dict[str, Any] | None:
    """Performance on clips that had no say in the choice."""
    if held_out is None:
        return None
    return {"value": held_out.value, "splits": held_out.splits} | rates_of(held_out.table, weighted=weighted)


class Calibration:
    """One score's sample, with what every part of the answer needs: built once, asked part by part."""

    def __init__(
        self, scores: Floats, good: Floats, design: Design, direction: Direction, confidence: float, seed: int
    ):
        self.scores, self.good, self.design, self.direction = scores, good, design, direction
        self.sign = 1.0 if direction == "ge" else -1.0
        self.values, self.confidence, self.seed = scores * self.sign, confidence, seed
        self.weighted = not design.equal_weights
        self.hard = bool(np.isin(good, (0.0, 1.0)).all())

    def curve(self, resamples: int) -> Roc:
        """The ROC curve with its area."""
        return curve_of(
            self.values,
            self.good,
            self.design,
            self.direction,
            resamples=resamples,
            seed=self.seed,
            confidence=self.confidence,
        )

    def auc(self, curve: Roc) -> dict[str, Any]:
        """The area, with the unweighted one under its own name where weights differ."""
        content = curve.auc.to_dict()
        if self.weighted:
            plain = Design.build(len(self.good))
            unweighted = curve_of(
                self.values, self.good, plain, self.direction, resamples=2, seed=0, confidence=self.confidence
            )
            content["sample_value"] = unweighted.auc.value
        return content

    def at(self, threshold: float) -> dict[str, Any]:
        """The table at a threshold given beforehand."""
        table = tabulate(self.values >= self.sign * threshold, self.good, self.design, self.confidence)
        return {"threshold": threshold} | table_of(table, weighted=self.weighted, hard=self.hard)

    def rejects_rated(self, threshold: float) -> bool:
        """Whether any clip that this threshold rejects was rated."""
        return bool((self.values < self.sign * threshold).any())

    def chosen(self, objective: Objective, resamples: int) -> dict[str, Any]:
        """The best cut for an aim. Its fitted value is optimistic; rates are those of clips that had no say."""
        choice = best(
            self.scores,
            self.good,
            self.design,
            objective,
            direction=self.direction,
            resamples=resamples,
            seed=self.seed,
            confidence=self.confidence,
        )
        return {
            "objective": str(objective),
            "threshold": choice.threshold,
            "interval": [choice.gap_low, choice.gap_high],
            "stability": {"low": choice.stable_low, "high": choice.stable_high, "same_share": choice.same_share},
            "guarantee": None,
            "held_out": held_out_of(choice.held_out, weighted=self.weighted),
            "fitted_value": choice.value,
            "implied_cost": choice.implied_cost,
            "note": choice.note,
            "signature": choice.signature,
            "undefined": None,
        }

    def promised(self, target: float, confidence: float, start: float | None, *, bin_wise: bool) -> dict[str, Any]:
        """The loosest threshold with "precision >= target" promised, or the reason why there is none."""
        begin = None if start is None else self.sign * start
        promise = precision_promise(
            self.values,
            self.good,
            self.design,
            target=target,
            confidence=confidence,
            start=begin,
            bin_wise=bin_wise,
        )
        last = [step for step in promise.tests if step.passed][-1:]
        guarantee: dict[str, Any] = {
            "target": target,
            "confidence": confidence,
            "method": promise.method,
            "approximate": promise.approximate,
            "start": self.sign * promise.start,
            "start_rule": promise.start_rule,
            "tested": len(promise.tests),
        }
        for step in last:
            guarantee |= {"accepted": step.accepted, "false_accepts": step.false_accepts, "p": step.p}
        content = self._without_promise(f"precision>={target:g}", guarantee, promise.undefined)
        if promise.threshold is None:
            return content
        given = self.values, self.good, self.design, promise
        stable = promise_stability(*given, seed=self.seed)
        held_out = promise_held_out(*given, seed=self.seed, confidence=self.confidence)
        ends = None if stable is None else sorted(self.sign * end for end in stable[:2])
        return content | {
            "threshold": self.sign * promise.threshold,
            "interval": self._gap(promise.threshold),
            "stability": None
            if stable is None or ends is None
            else {"low": ends[0], "high": ends[1], "none_share": stable[2]},
            "held_out": held_out_of(held_out, weighted=self.weighted),
        }

    def recalled(self, target: float, confidence: float | None, refused: str | None) -> dict[str, Any]:
        """The strictest threshold that keeps the recall, on average or with confidence."""
        name = f"recall>={target:g}"
        found = recall_threshold(self.values, self.good, self.design, target=target, confidence=confidence)
        guarantee = {
            "target": target,
            "kind": found.guarantee,
            "confidence": confidence,
            "method": "conformal-risk-control" if confidence is None else "binomial-order-statistic",
            "approximate": found.approximate,
            "good": found.good,
            "lost": found.lost,
        }
        reason = refused or found.undefined
        content = self._without_promise(name, guarantee, reason)
        if reason or found.threshold is None:
            return content
        return content | {"threshold": self.sign * found.threshold, "interval": self._gap(found.threshold)}

    def _without_promise(self, objective: str, guarantee: dict[str, Any], reason: str | None) -> dict[str, Any]:
        empty = dict.fromkeys(("threshold", "interval", "stability", "held_out"))
        kept = None if reason else guarantee
        tried = guarantee if reason else None
        return {"objective": objective, **empty, "guarantee": kept, "tried": tried, "undefined": reason}

    def _gap(self, threshold: float) -> list[float | None]:
        """All cuts that accept the same rated clips: the last score not accepted (open end, or none) and the cut."""
        lower = self.values[self.values < threshold]
        beyond = self.sign * float(lower.max()) if len(lower) else None
        cut = self.sign * threshold
        return [beyond, cut] if self.direction == "ge" else [cut, beyond]

    def points(self, curve: Roc) -> list[dict[str, Any]]:
        """The curve, strict to loose: threshold (null: nothing accepted), tpr, fpr and precision."""
        mass = self.design.clip_weight
        good, bad = float((mass * self.good).sum()), float((mass * (1 - self.good)).sum())
        kept = np.arange(len(curve.thresholds))
        if len(kept) > POINTS:
            kept = np.unique(np.linspace(0, len(kept) - 1, POINTS).round().astype(np.int64))
        found = []
        for k in kept:
            hits, wrong = good * float(curve.tpr[k]), bad * float(curve.fpr[k])
            threshold = float(curve.thresholds[k])
            found.append(
                {
                    "threshold": threshold if np.isfinite(threshold) else None,
                    "tpr": float(curve.tpr[k]),
                    "fpr": float(curve.fpr[k]),
                    "precision": hits / (hits + wrong) if hits + wrong > 0 else None,
                }
            )
        return found


def shares_of(shares: "list[Any]") -> list[dict[str, Any]]:
    """Rows of a cascade's filters as plain content."""
    return [asdict(share) for share in shares]

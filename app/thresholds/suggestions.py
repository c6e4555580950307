"""Suggested thresholds of the workbench: the best F1, the least cost, and guarantees of precision and recall."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from analysis.number_format import decimal, estimate_text
from analysis.thresholds.objectives import Objective
from app.stats.calibration import Calibration, PrecisionGuarantee, RecallGuarantee
from app.thresholds.filter_ends import End

RESAMPLES = 1000


class ThresholdAims(BaseModel):
    """What a threshold should achieve, as the page's form sends it."""

    end: End | None = None
    precision: Annotated[float, Field(gt=0, lt=1)] = 0.9
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    recall: Annotated[float, Field(gt=0, lt=1)] = 0.95
    cost: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """The number of lost good clips that are as bad as one kept bad clip."""


@dataclass(frozen=True)
class Suggestion:
    """The threshold that one aim leads to; `threshold` is None if there is none."""

    key: str
    title: str
    threshold: float | None
    words: str
    """What the threshold achieves, or the reason why there is none."""
    tag: str
    """promised, or found on these data; empty without a threshold."""
    at: int | None = None
    """The position of the threshold in the workbench's curves."""


def suggestions(sample: Calibration, aims: ThresholdAims) -> list[Suggestion]:
    """One suggestion per aim, in the order of the page."""
    good, clips = float(sample.good.sum()), len(sample.good)
    if not 0 < good < clips:
        reason = "no judged clip is good" if not good else "no judged clip is bad"
        return [Suggestion(key, title, None, reason, "") for key, title in (("f1", "Best F1"), ("cost", "Least cost"))]
    precision = sample.precision_guarantee(aims.precision, aims.confidence, None, bin_wise=False)
    recall = sample.recall_guarantee(aims.recall, aims.confidence, None)
    return [
        _best(sample, "f1", "Best F1", Objective("fbeta")),
        _best(sample, "cost", "Least cost", Objective("cost", cost_fp=aims.cost, cost_fn=1.0)),
        _guaranteed("precision", f"Precision ≥ {aims.precision:g}", precision, aims.confidence),
        _guaranteed("recall", f"Recall ≥ {aims.recall:g}", recall, aims.confidence),
    ]


def _best(sample: Calibration, key: str, title: str, objective: Objective) -> Suggestion:
    try:
        found = sample.best(objective, RESAMPLES)
    except ValueError as error:
        return Suggestion(key, title, None, str(error), "")
    achieved = f"F1 {estimate_text(found.confusion.f1)}"
    if key == "cost":
        achieved = f"Mean cost of a clip {decimal(found.value)}"
    words = f"{achieved} on these same clips"
    if found.held_out is not None:
        words += f", {decimal(found.held_out.value)} on held-out clips"
    return Suggestion(key, title, found.threshold, words, "found on these data")


def _guaranteed(key: str, title: str, guarantee: PrecisionGuarantee | RecallGuarantee, confidence: float) -> Suggestion:
    if guarantee.threshold is None:
        return Suggestion(key, title, None, str(guarantee.undefined), "")
    test = "approximately, for the clips weigh unequally" if guarantee.approximate else "by an exact test"
    words = f"with {100 * confidence:g}\u202f% confidence, {test}"
    return Suggestion(key, title, guarantee.threshold, words, "promised")

"""What `clipjury stats agreement` reports: one dataclass per part, and the JSON object that they make."""

from dataclasses import dataclass
from typing import Any

from analysis.estimate import Estimate
from analysis.ratings import Metric


@dataclass(frozen=True)
class CriterionEstimate:
    """One statistic of one criterion. `sample_value` is the unweighted value, for design-weighted ratings only."""

    criterion: str
    estimate: Estimate
    is_weighted: bool = False
    """True if clips have weights, so that the estimate is design-weighted, or is refused for want of such a form."""
    sample_value: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; it has `sample_value` only if clips have weights."""
        fields = self.estimate.to_dict()
        statistic = {"statistic": fields.pop("statistic"), "criterion": self.criterion}
        return statistic | fields | ({"sample_value": self.sample_value} if self.is_weighted else {})


@dataclass(frozen=True)
class PairKappas:
    """Kappas of two raters, over the clips that both rated; `percent_agreement` is None if there are none."""

    criterion: str
    raters: tuple[str, str]
    clips: int
    percent_agreement: float | None
    kappas: dict[str, Estimate]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with a key for each kappa."""
        fields = vars(self) | {"raters": list(self.raters)}
        kappas = fields.pop("kappas")
        return fields | {name: estimate.to_dict() for name, estimate in kappas.items()}


@dataclass(frozen=True)
class RaterAgreement:
    """One rater's agreement with the others and with themselves, and the effect on alpha of leaving the rater out."""

    criterion: str
    rater: str
    ratings: int
    ties: int
    with_others: tuple[Estimate, ...]
    alpha_without: Estimate
    alpha_change: float | None
    """Alpha of all raters minus alpha without this one; None if either is undefined."""
    with_themselves: tuple[Estimate, ...]
    """Estimates from repeated clips; empty if the rater has none."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with a key for each statistic."""
        return {
            "criterion": self.criterion,
            "rater": self.rater,
            "ratings": self.ratings,
            "ties": self.ties,
            **{estimate.statistic: estimate.to_dict() for estimate in self.with_others},
            "alpha_without": self.alpha_without.to_dict(),
            "alpha_change": self.alpha_change,
            **{estimate.statistic: estimate.to_dict() for estimate in self.with_themselves},
        }


@dataclass(frozen=True)
class AgreementReport:
    """Everything that the command reports, for one criterion or several."""

    estimates: tuple[CriterionEstimate, ...]
    pairs: tuple[PairKappas, ...]
    raters: tuple[RaterAgreement, ...]
    ceiling: tuple[CriterionEstimate, ...]
    """The human ceiling: how often two people, or a person twice, give equal answers."""
    metric: Metric
    levels: dict[str, list[str]]
    """The answers of each criterion's scale, in order."""
    unit: str
    """What the bootstrap resamples: clip or source."""
    empty: int
    """Rows without a value, which are left out."""
    abstained: int
    """Answers "unsure", which are no ratings."""
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of `--json`."""
        return {
            "estimates": [one.to_dict() for one in self.estimates],
            "pairs": [one.to_dict() for one in self.pairs],
            "raters": [one.to_dict() for one in self.raters],
            "ceiling": [one.to_dict() for one in self.ceiling],
            "scale": self.metric,
            "levels": self.levels,
            "unit": self.unit,
            "empty": self.empty,
            "abstained": self.abstained,
            "notes": list(self.notes),
        }

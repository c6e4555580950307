"""The figures of the agreement page and of each rater's page."""

from dataclasses import dataclass

from analysis import figures
from analysis.agreement.statistics import shown_on
from analysis.figures import Line
from analysis.number_format import estimate_text
from app.results.agreement import MAX_PAIRED_RATERS, Agreement, CriterionAgreement
from app.results.figure_registry import Figure, register
from app.results.interval_figures import IntervalPlot, interval_chart, interval_table
from app.results.rater_profile import RaterProfile


@dataclass(frozen=True, eq=False)
class AgreementFigures:
    """What the figures show: the study's agreement, and the chosen criterion or rater."""

    found: Agreement
    chosen: CriterionAgreement | None = None
    rater: RaterProfile | None = None

    @property
    def simulated(self) -> bool:
        """True if the answers come from the simulated panel."""
        return self.found.kind == "simulated"

    @property
    def criterion(self) -> CriterionAgreement:
        """The chosen criterion. Figures that need one are missing without it."""
        assert self.chosen is not None, "the figure is missing without a criterion"
        return self.chosen

    @property
    def profile(self) -> RaterProfile:
        """The chosen rater. Figures that need one are missing without it."""
        assert self.rater is not None, "the figure is missing without a rater"
        return self.rater


def _forest_caption(_: AgreementFigures) -> str:
    explanations = [statistic.explanation for statistic in shown_on("agreement")]
    return " ".join([*explanations, "All answers count, with scores shown or hidden, without weights."])


def _pairs_caption(data: AgreementFigures) -> str:
    kappa, raters = data.criterion.kappa, len(data.criterion.raters)
    text = (
        f"{kappa[:1].upper()}{kappa[1:]} of each two raters: 1 is complete agreement, 0 what chance gives. "
        "Small n makes single cells shaky; the table has intervals."
    )
    return f"{text} The {MAX_PAIRED_RATERS} busiest raters are shown." if raters > MAX_PAIRED_RATERS else text


def _against_majority(data: AgreementFigures) -> IntervalPlot:
    """Return the interval plot of each rater's agreement with the others' majority."""
    estimates = {one.rater: one.estimates[0] for one in data.criterion.raters}
    defined = [(estimate.value, rater) for rater, estimate in estimates.items() if estimate.value is not None]
    n = _range([estimate.clips for estimate in estimates.values()])
    finding = "No rater can be compared with a majority of the others yet"
    if defined:
        _, lowest = min(defined)
        finding = f"{lowest} equals the others' majority least often: {estimate_text(estimates[lowest])}"
    return IntervalPlot(
        [Line(rater, "same answer as the others' majority", estimate) for rater, estimate in estimates.items()],
        finding=finding,
        caption=f"n = {n} clips a rater; bars are 95 % intervals",
        axis="same answer as the others' majority, share of clips",
        share=True,
    )


def _bias_lines(profile: RaterProfile) -> list[Line]:
    """Return the rater's bias on each criterion with points."""
    return [
        Line(one.label, "this rater less the mean of the others", one.against_others["rest_bias"])
        for one in profile.criteria
        if "rest_bias" in one.against_others
    ]


def _bias(data: AgreementFigures) -> IntervalPlot:
    """Return the interval plot of a rater's bias."""
    profile, lines = data.profile, _bias_lines(data.profile)
    defined = [(abs(line.estimate.value), line.label, line.estimate) for line in lines if line.estimate.value]
    n = _range([line.estimate.clips for line in lines])
    finding = f"{profile.name} shows no difference to the others"
    if defined:
        _, label, estimate = max(defined, key=lambda one: one[:2])
        way = "above" if (estimate.value or 0.0) > 0 else "below"
        finding = f"{profile.name} rates {label} {way} the others: {estimate_text(estimate)} points"
    return IntervalPlot(
        lines,
        finding=finding,
        caption=f"n = {n} clips; bars are 95 % intervals (Student's t)",
        axis="difference to the mean of the others, points of the scale",
        at=0.0,
    )


def _range(counts: list[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


register(
    Figure[AgreementFigures](
        page="agreement",
        section="criteria",
        key="forest",
        title=lambda _: "Agreement by question with intervals",
        caption=_forest_caption,
        chart=lambda data, width: figures.agreement_forest(data.found.estimates, width=width),
        table=lambda data: figures.agreement_forest_table(data.found.estimates),
        missing=lambda data: "" if data.found.estimates else "no question has an answer",
        follows_choices=False,
    ),
    Figure[AgreementFigures](
        page="agreement",
        section="raters",
        key="pairs",
        title=lambda _: "Agreement of each two raters",
        caption=_pairs_caption,
        chart=lambda data, width: figures.pair_heat_map(data.criterion.pairs, name=data.criterion.kappa, width=width),
        table=lambda data: figures.pair_heat_map_table(data.criterion.pairs, name=data.criterion.kappa),
        missing=lambda data: "" if data.chosen and data.chosen.pairs else "no two raters have answered the same clip",
    ),
    Figure[AgreementFigures](
        page="agreement",
        section="raters",
        key="raters",
        title=lambda _: "Each rater beside the others",
        caption=lambda _: (
            "On clips where the other raters have a strict majority. A rater's own answer never enters what it is "
            "compared with."
        ),
        chart=interval_chart(_against_majority),
        table=interval_table(_against_majority),
        missing=lambda data: "" if data.chosen and data.chosen.raters else "no rater has answered the question",
    ),
    Figure[AgreementFigures](
        page="rater",
        key="bias",
        title=lambda _: "Bias by question with intervals",
        caption=lambda _: "Above 0: this rater gives more points than the others do on the same clips.",
        chart=interval_chart(_bias),
        table=interval_table(_bias),
        missing=lambda data: "" if data.rater and _bias_lines(data.rater) else "no question has points to compare",
    ),
)

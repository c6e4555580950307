"""The figures of the pool, fairness and anchoring pages."""

from dataclasses import dataclass

from analysis import figures
from analysis.figures import Level
from analysis.filters.fairness import ErrorKind
from app.pool_evidence import anchoring, consequences, good_share, subgroups
from app.pool_evidence.consequences import Consequences
from app.pool_evidence.evidence import Evidence
from app.results.figure_registry import Figure, full_width, register
from app.results.interval_figures import IntervalPlot, interval_chart, interval_table


@dataclass(frozen=True, eq=False)
class EvidenceFigures:
    """The data of the figures: the evidence of a study, and the choices of the page."""

    evidence: Evidence
    by: tuple[str, ...] = ()
    """The columns that divide the pool into subgroups."""
    filter: str = ""
    number: str = ""
    """The numeric column whose mean is shown."""

    @property
    def simulated(self) -> bool:
        """Whether the answers are those of the simulated panel."""
        return self.evidence.simulated

    @property
    def consequences(self) -> Consequences:
        """What the filters keep of the pool at the current and at the proposed thresholds."""
        return self.evidence.consequences(self.by[0] if self.by else "")


def _cascade(data: EvidenceFigures, *, proposed: bool, every: bool) -> list[Level]:
    """What is left after each filter; without `every`, only the levels that the figure has room for."""
    found = data.consequences
    levels = consequences.levels if every else consequences.drawn_levels
    titles = {one.name: one.title for one in found.proposals}
    return levels(found.proposed if proposed else found.current, titles)


def _no_groups(data: EvidenceFigures) -> str:
    return "" if data.by else "no attribute is chosen that divides the pool"


def _no_number(data: EvidenceFigures) -> str:
    return _no_groups(data) or ("" if data.number else "no number of the pool is chosen")


def _composition(data: EvidenceFigures) -> IntervalPlot:
    return consequences.composition_plot(data.consequences)


def _good_shares(data: EvidenceFigures) -> IntervalPlot:
    return good_share.good_share_plot(data.evidence.good_shares()[0])


def _means(data: EvidenceFigures) -> IntervalPlot:
    return subgroups.means_plot(data.evidence.means(data.number, data.by, kept=False))


def _means_of_kept(data: EvidenceFigures) -> IntervalPlot:
    return subgroups.means_plot(data.evidence.means(data.number, data.by, kept=True))


def _effects(data: EvidenceFigures) -> IntervalPlot:
    return anchoring.effect_plot(data.evidence.influence())


def _ceilings(data: EvidenceFigures) -> IntervalPlot:
    return anchoring.ceiling_plot(data.evidence.influence())


def _ceiling_caption(data: EvidenceFigures) -> str:
    blind = all(one.blind for one in data.evidence.influence().ceilings[:1])
    said = (
        "Filter and rater face the same reference: the strict majority of the other raters. No filter can be expected "
        "to agree with people more than people agree with themselves."
    )
    return f"{said} Only answers given without the scores in view." if blind else f"{said} The scores were in view."


def _errors_figure(kind: ErrorKind) -> Figure[EvidenceFigures]:
    words = subgroups.KINDS[kind]

    def plot(data: EvidenceFigures) -> IntervalPlot:
        evidence = data.evidence
        return subgroups.errors_plot(evidence.filter(data.filter), evidence.errors(data.filter, data.by), kind)

    return Figure[EvidenceFigures](
        page="fairness",
        section=kind,
        key=kind,
        title=lambda data: f"{words.capitalize()} by {' × '.join(data.by)}",
        caption=lambda _: (
            "Each group beside all the others together, never beside a total that contains it. Wilson's intervals, on "
            "the effective number of clips where weights differ."
        ),
        chart=interval_chart(plot),
        table=interval_table(plot),
        missing=_no_groups,
    )


register(
    Figure[EvidenceFigures](
        page="pool",
        section="now",
        key="now",
        title=lambda _: "What each filter keeps at the cuts now",
        caption=lambda _: (
            "At the cuts as they are now. Bands are as high as the time they hold (clips, where durations are not "
            "known). Counted on the whole pool, so there is no interval; a clip without a score fails its filter. Of "
            "many filters, those that drop nothing stand in the table alone."
        ),
        chart=lambda data, width: figures.retention_cascade(_cascade(data, proposed=False, every=False), width=width),
        table=lambda data: figures.retention_cascade_table(_cascade(data, proposed=False, every=True)),
        fit=full_width,
        from_ratings=False,
    ),
    Figure[EvidenceFigures](
        page="pool",
        section="proposed",
        key="then",
        title=lambda _: "What each filter would keep at the proposed cuts",
        caption=lambda _: "At the proposed cuts.",
        chart=lambda data, width: figures.retention_cascade(_cascade(data, proposed=True, every=False), width=width),
        table=lambda data: figures.retention_cascade_table(_cascade(data, proposed=True, every=True)),
        fit=full_width,
    ),
    Figure[EvidenceFigures](
        page="pool",
        section="who",
        key="composition",
        title=lambda _: "Subgroups before and after",
        caption=lambda _: (
            "Shares of the hours (clips, where durations are not known) of the whole pool and of what the filters keep."
        ),
        chart=interval_chart(_composition),
        table=interval_table(_composition),
        missing=_no_groups,
    ),
    Figure[EvidenceFigures](
        page="pool",
        section="good",
        key="good",
        title=lambda _: "Share of good clips in the pool",
        caption=lambda _: (
            "The judged clips say how good a prediction from the score is, the score then speaks for the clips that "
            "nobody judged (prediction-powered inference, stratified; predictions are learnt on other folds). Each "
            "line speaks of the clips that have its score."
        ),
        chart=interval_chart(_good_shares),
        table=interval_table(_good_shares),
        missing=lambda data: (
            "" if any(one.share for one in data.evidence.good_shares()[0]) else "no filter has a share of good clips"
        ),
    ),
    _errors_figure("false_rejection"),
    _errors_figure("false_acceptance"),
    Figure[EvidenceFigures](
        page="fairness",
        section="numbers",
        key="mean",
        title=lambda data: f"{data.number} by subgroup, whole pool",
        caption=lambda _: (
            "Means over every clip of the pool that has the number. The interval takes the pool as a draw from the "
            "clips to come."
        ),
        chart=interval_chart(_means),
        table=interval_table(_means),
        missing=_no_number,
        from_ratings=False,
    ),
    Figure[EvidenceFigures](
        page="fairness",
        section="numbers",
        key="mean_kept",
        title=lambda data: f"{data.number} by subgroup, kept clips",
        caption=lambda _: "Means over the clips that every filter keeps at its cut now.",
        chart=interval_chart(_means_of_kept),
        table=interval_table(_means_of_kept),
        missing=_no_number,
        from_ratings=False,
    ),
    Figure[EvidenceFigures](
        page="anchoring",
        section="effect",
        key="effects",
        title=lambda _: "Effect of showing scores",
        caption=lambda _: (
            "Following: how much more often raters accept clips that the filter accepts than clips it rejects. The "
            "effect is that with the scores on the page, less that without. 0 is no effect, above 0 raters lean "
            "towards the filter. Intervals allow for answers of one rater, or on one clip, being alike: with few "
            "raters they are wide."
        ),
        chart=interval_chart(_effects),
        table=interval_table(_effects),
        missing=lambda data: "" if data.evidence.influence().filters else "the study has no filter",
    ),
    Figure[EvidenceFigures](
        page="anchoring",
        section="ceiling",
        key="ceiling",
        title=lambda _: "The human ceiling",
        caption=_ceiling_caption,
        chart=interval_chart(_ceilings),
        table=interval_table(_ceilings),
        missing=lambda data: "" if data.evidence.influence().ceilings else "no question asks for a verdict",
    ),
)

"""Render report.html: one file that contains its figures and opens without a network."""

from base64 import b64encode
from dataclasses import dataclass

from app.report.checklist import Line
from app.report.facts import Facts
from app.report.preregistration import OBJECTIVES, PARTS, as_lines
from app.report.tables import ReportTable
from app.web.pages import templates


@dataclass(frozen=True)
class Drawn:
    """A figure ready for the page."""

    name: str
    svg: str

    @property
    def source(self) -> str:
        """The picture as an address that needs no file."""
        return f"data:image/svg+xml;base64,{b64encode(self.svg.encode()).decode()}"


def render(
    facts: Facts,
    tables: list[ReportTable],
    figures: list[Drawn],
    methods: str,
    checklist: list[Line],
    notes: list[str],
    snapshot: str,
) -> str:
    """The whole page."""
    return (
        templates()
        .get_template("report/paper.html")
        .render(
            study=facts.study,
            simulated=facts.results.kind == "simulated",
            tables=tables,
            figures=figures,
            methods=methods,
            plan=facts.plan,
            plan_lines=as_lines(facts.plan),
            parts=PARTS,
            objectives=OBJECTIVES,
            checklist=checklist,
            gaps=sum(line.state == "GAP" for line in checklist),
            notes=notes,
            snapshot=snapshot.splitlines()[0],
        )
    )

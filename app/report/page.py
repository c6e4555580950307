"""Render report.html: one file that contains its figures and opens without a network connection."""

from base64 import b64encode
from dataclasses import dataclass

from app.report.checklist import ChecklistItem
from app.report.facts import ReportFacts
from app.report.preregistration import OBJECTIVES, PARTS, as_lines
from app.report.tables import ReportTable
from app.web.pages import templates


@dataclass(frozen=True)
class FigureSvg:
    """A figure as SVG text, under the name of its files."""

    name: str
    svg: str

    @property
    def source(self) -> str:
        """The picture as a data URL, which needs no file."""
        return f"data:image/svg+xml;base64,{b64encode(self.svg.encode()).decode()}"


@dataclass(frozen=True)
class Paper:
    """The content of the report, for the HTML page and the PDF; `snapshot` is the text of the file SNAPSHOT."""

    facts: ReportFacts
    tables: list[ReportTable]
    methods: str
    checklist: list[ChecklistItem]
    notes: list[str]
    snapshot: str


def render(paper: Paper, figures: list[FigureSvg]) -> str:
    """The whole page as HTML."""
    facts = paper.facts
    return (
        templates()
        .get_template("report/paper.html")
        .render(
            study=facts.study,
            simulated=facts.results.kind == "simulated",
            tables=paper.tables,
            figures=figures,
            methods=paper.methods,
            plan=facts.plan,
            plan_lines=as_lines(facts.plan),
            parts=PARTS,
            objectives=OBJECTIVES,
            checklist=paper.checklist,
            gaps=sum(item.state == "GAP" for item in paper.checklist),
            notes=paper.notes,
            snapshot=paper.snapshot.splitlines()[0],
        )
    )

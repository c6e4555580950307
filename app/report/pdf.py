"""Make report.pdf: the report typeset with Typst."""

import tempfile
from pathlib import Path

import typst

from app.report import preregistration
from app.report.facts import ReportFacts
from app.report.formats import as_typst
from app.report.formats import typst as quoted
from app.report.page import FigureSvg, Paper

HEAD = """
#set page(paper: "a4", margin: (x: 18mm, y: 20mm), numbering: "1")
#set text(font: ("Libertinus Serif",), size: 10pt)
#set par(justify: true)
#show figure: set block(breakable: true)
#show figure.caption: set text(size: 8pt)
#show figure.caption: set align(left)
#set figure.caption(position: bottom)
"""


def source(paper: Paper, figures: list[FigureSvg]) -> str:
    """The report in Typst's language; figures are the files `<name>.svg` in the same folder."""
    facts, notes = paper.facts, paper.notes
    parts = [HEAD, f'#align(center, text(size: 18pt, weight: "bold", {quoted(facts.study.name)}))']
    parts.append(f"#align(center, text(size: 9pt, {quoted(f'ClipJury report, data {paper.snapshot[:16]}')}))")
    if facts.results.kind == "simulated":
        notes = ["Simulated raters: programs voted here; no person's answer is in this report.", *notes]
    parts += [f'#block(inset: 8pt, fill: rgb("#fbf6e8"), {quoted(note)})' for note in notes]
    for table in paper.tables:
        parts += [f"= #{quoted(table.title)}", as_typst(table)]
    parts.append("= Figures")
    parts += [
        f"#figure(image({quoted(figure.name + '.svg')}, width: 70%), caption: [#{quoted(figure.name)}])"
        for figure in figures
    ]
    parts += ["= Methods", f"#{quoted(paper.methods)}", "= Plan", *_plan(facts), "= Reporting checklist"]
    marks = {"GAP": "GAP: "}
    rows = ",\n".join(
        ", ".join(f"[#{quoted(cell)}]" for cell in (item.part, item.topic, marks.get(item.state, "") + item.answer))
        for item in paper.checklist
    )
    parts.append(
        "#text(size: 8pt, table(columns: (16%, 30%, 54%), align: left, stroke: (x: none, y: 0.4pt + luma(200)),\n"
        f"table.header([*Part*], [*Asked*], [*Answer*]),\n{rows}))"
    )
    return "\n\n".join(parts) + "\n"


def _plan(facts: ReportFacts) -> list[str]:
    """The date and hash of each version of the plan, then the text of its parts."""
    lines = [f"#{quoted(line)}" for line in preregistration.as_lines(facts.plan)]
    for version in facts.plan:
        lines.append(f"== #{quoted(version.title)}")
        lines += [f"#strong({quoted(title + ':')}) #{quoted(text)}" for title, text in preregistration.texts(version)]
    return lines


def compile_pdf(text: str, figures: list[FigureSvg]) -> bytes:
    """Compile Typst text and its figures to a PDF. No other file can be read."""
    with tempfile.TemporaryDirectory(prefix="clipjury-report-") as folder:
        for figure in figures:
            (Path(folder) / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
        main = Path(folder) / "report.typ"
        main.write_text(text, encoding="utf-8")
        made = typst.compile(str(main), root=folder)
        assert isinstance(made, bytes), "one document was compiled to one PDF"
        return made

"""Make report.pdf: the same report, typeset with Typst."""

import tempfile
from pathlib import Path

import typst

from app.report import preregistration
from app.report.checklist import Line
from app.report.facts import Facts
from app.report.formats import as_typst
from app.report.formats import typst as quoted
from app.report.page import Drawn
from app.report.tables import ReportTable

HEAD = """
#set page(paper: "a4", margin: (x: 18mm, y: 20mm), numbering: "1")
#set text(font: ("Libertinus Serif",), size: 10pt)
#set par(justify: true)
#show figure: set block(breakable: true)
#show figure.caption: set text(size: 8pt)
#show figure.caption: set align(left)
#set figure.caption(position: bottom)
"""


def source(
    facts: Facts,
    tables: list[ReportTable],
    figures: list[Drawn],
    methods: str,
    checklist: list[Line],
    notes: list[str],
    snapshot: str,
) -> str:
    """The report in Typst's language; figures are the files `<name>.svg` beside it."""
    study = facts.study
    parts = [HEAD, f'#align(center, text(size: 18pt, weight: "bold", {quoted(study.name)}))']
    parts.append(f"#align(center, text(size: 9pt, {quoted(f'ClipJury report, data {snapshot[:16]}')}))")
    if facts.results.kind == "simulated":
        notes = ["Simulated raters: programs voted here; no person's answer is in this report.", *notes]
    parts += [f'#block(inset: 8pt, fill: rgb("#fbf6e8"), {quoted(note)})' for note in notes]
    for table in tables:
        parts += [f"= #{quoted(table.title)}", as_typst(table)]
    parts.append("= Figures")
    parts += [
        f"#figure(image({quoted(one.name + '.svg')}, width: 70%), caption: [#{quoted(one.name)}])" for one in figures
    ]
    parts += ["= Methods", f"#{quoted(methods)}", "= Plan", *_plan(facts), "= Reporting checklist"]
    marks = {"GAP": "GAP: "}
    rows = ",\n".join(
        ", ".join(f"[#{quoted(cell)}]" for cell in (line.part, line.asked, marks.get(line.state, "") + line.answer))
        for line in checklist
    )
    parts.append(
        "#text(size: 8pt, table(columns: (16%, 30%, 54%), align: left, stroke: (x: none, y: 0.4pt + luma(200)),\n"
        f"table.header([*Part*], [*Asked*], [*Answer*]),\n{rows}))"
    )
    return "\n\n".join(parts) + "\n"


def _plan(facts: Facts) -> list[str]:
    """Each version's date and hash, then what it says."""
    lines = [f"#{quoted(line)}" for line in preregistration.as_lines(facts.plan)]
    for one in facts.plan:
        lines.append(f"== #{quoted(one.title)}")
        lines += [f"#strong({quoted(title + ':')}) #{quoted(text)}" for title, text in preregistration.said(one)]
    return lines


def compile_pdf(text: str, figures: list[Drawn]) -> bytes:
    """The PDF. Nothing but the given text and figures is read."""
    with tempfile.TemporaryDirectory(prefix="clipjury-report-") as folder:
        for one in figures:
            (Path(folder) / f"{one.name}.svg").write_text(one.svg, encoding="utf-8")
        main = Path(folder) / "report.typ"
        main.write_text(text, encoding="utf-8")
        made = typst.compile(str(main), root=folder)
        assert isinstance(made, bytes), "one document was compiled to one PDF"
        return made

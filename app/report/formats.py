"""Write tables as CSV, as LaTeX that compiles unchanged, and as Typst for the PDF."""

import csv
from io import StringIO

from app.report.exports import as_plain_text
from app.report.tables import ReportTable

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "–": "--",
    "≥": r"$\ge$",
    "≤": r"$\le$",
    "≠": r"$\ne$",
    "×": r"$\times$",
    "α": r"$\alpha$",
    "κ": r"$\kappa$",
    "“": "``",
    "”": "''",
    "’": "'",
    "\u2009": r"\,",
    "\u202f": r"\,",
    "\u00a0": "~",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}


def as_csv(table: ReportTable) -> str:
    """The table as CSV. A cell that a spreadsheet would take for a formula gets an apostrophe in front."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for line in (table.headings, *table.rows):
        writer.writerow([as_plain_text(cell) for cell in line])
    return text.getvalue()


def latex(text: str) -> str:
    """Text for LaTeX; characters that pdfLaTeX cannot print are left out.

    >>> latex("50 % of A_b ≥ 3")
    '50 \\\\% of A\\\\_b $\\\\ge$ 3'
    """
    return "".join(LATEX.get(letter, letter if ord(letter) < 0x250 else "") for letter in text)


def as_latex(table: ReportTable) -> str:
    """The table as a LaTeX table environment, which needs the package booktabs; its label is `tab:<name>`."""
    table = table.on_paper
    columns = "l" + "r" * (len(table.headings) - 1)
    lines = [
        r"% needs \usepackage{booktabs} and, with pdfLaTeX, \usepackage[utf8]{inputenc} \usepackage[T1]{fontenc}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{latex(table.title)}. {latex(table.note)}}}",
        rf"\label{{tab:{table.name.replace('_', '-')}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(latex(cell) for cell in table.headings) + r" \\",
        r"\midrule",
        *(" & ".join(latex(cell) for cell in line) + r" \\" for line in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def typst(text: str) -> str:
    """Text as a Typst string, so that Typst reads none of it as markup.

    >>> typst('a "b"')
    '"a \\\\"b\\\\""'
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def as_typst(table: ReportTable) -> str:
    """The table as a Typst figure with its caption."""
    table = table.on_paper
    columns = ", ".join(["auto"] * len(table.headings))
    align = ", ".join(["left"] + ["right"] * (len(table.headings) - 1))
    cells = ", ".join(f'text(weight: "bold", {typst(cell)})' for cell in table.headings)
    body = ",\n  ".join(", ".join(f"[#{typst(cell)}]" for cell in line) for line in table.rows)
    size = "7pt" if len(table.headings) > 7 else "9pt"
    return (
        f"#figure(kind: table, caption: [#{typst(f'{table.title}. {table.note}')}],\n"
        f" text(size: {size}, table(columns: ({columns}), align: ({align}), stroke: (x: none, y: 0.4pt + luma(200)),\n"
        f"  table.header({cells}),\n  {body},\n )))\n"
    )

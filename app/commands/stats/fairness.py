"""`clipjury stats fairness`: the errors of a filter by subgroup, each group compared with all others."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.number_format import estimate_text
from app.commands import numeric_options
from app.commands.stats import tables
from app.errors import AppError

if TYPE_CHECKING:
    from analysis.filters.fairness import GroupError

KINDS = {"false_rejection": "good clips that the filter rejects", "false_acceptance": "bad clips that it accepts"}


def fairness(
    file: Annotated[Path, typer.Argument(help="One row per clip: CSV, TSV or Parquet.")],
    label: Annotated[str, typer.Option(help="Column of the raters' consensus: good or bad (1/0, accept/reject).")],
    passed: Annotated[str, typer.Option("--pass", help="Column of the filter's verdict: pass or fail.")],
    group: Annotated[list[str], typer.Option(help="Column of the subgroup; two or more times: their intersection.")],
    weight: Annotated[
        str | None, typer.Option(help="Column of weights: the pool clips that a clip stands for.")
    ] = None,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """False rejections and acceptances of every subgroup against the rest, with adjusted p-values."""
    from analysis.filters.fairness import FEW_CLIPS, group_errors
    from app.stats import tables as table_files

    table = table_files.read_table(file)
    table_files.need_columns(table, [label, passed, *group], file)
    table_files.one_row_per_clip(table, file)
    good, accepted = table_files.verdicts(table, label, file), table_files.verdicts(table, passed, file)
    heavy = table_files.weights(table, weight, file)
    whole = [row for row in range(table.height) if good[row] is not None and accepted[row] is not None]
    if not whole:
        raise AppError(f"{file}: no row has both {label} and {passed}.", "Fill in both columns for the judged clips.")
    parts = [[("(none)" if value is None else str(value)) for value in table[name].to_list()] for name in group]
    names = [" × ".join(part[row] for part in parts) for row in whole]
    rows = [
        one
        for kind in ("false_rejection", "false_acceptance")
        for one in group_errors(
            names,
            [bool(accepted[row]) for row in whole],
            [bool(good[row]) for row in whole],
            None if heavy is None else [heavy[row] for row in whole],
            kind=kind,
            confidence=confidence,
        )
    ]
    left_out = table.height - len(whole)
    if as_json:
        content = {"by": group, "clips": len(whole), "left_out": left_out, "few": FEW_CLIPS}
        tables.print_json(content | {"groups": [_plain(one) for one in rows]})
        return
    _show(rows, " × ".join(group), left_out, confidence)


def _plain(one: "GroupError") -> dict[str, object]:
    return asdict(one) | {name: getattr(one, name).to_dict() for name in ("rate", "rest", "difference")}


def _show(rows: "list[GroupError]", group: str, left_out: int, confidence: float) -> None:
    from rich.markup import escape

    out = tables.console()
    for kind, words in KINDS.items():
        heads = ("wrong", "of", "rate", "rest", "difference to the rest", "p", "p (Holm)", "p (BH)", "")
        table = tables.grid(group, *heads, title=f"{kind.replace('_', ' ').capitalize()}: {words}")
        for one in rows:
            if one.kind == kind:
                p_values = ("–" if p is None else f"{p:.3g}" for p in (one.p, one.p_holm, one.p_bh))
                rates = (estimate_text(rate) for rate in (one.rate, one.rest, one.difference))
                mark = "too few" if one.too_few else ""
                table.add_row(escape(one.group), str(one.errors), str(one.clips), *rates, *p_values, mark)
        out.print(table)
        out.print()
    out.print(
        f"Rates with {100 * confidence:g} % intervals. Holm: for claims; BH (Benjamini-Hochberg): for a "
        "search. “too few”: under 30 clips.",
        soft_wrap=True,
    )
    if left_out:
        out.print(f"{left_out} rows without a verdict of raters or filter were left out.")

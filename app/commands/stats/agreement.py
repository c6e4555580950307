"""`clipjury stats agreement`: how well raters agree with each other and with themselves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from analysis.number_format import UNDEFINED, decimal, estimate_text
from app.commands import numeric_options
from app.commands.numeric_options import whole
from app.commands.stats import tables

if TYPE_CHECKING:
    from analysis.estimate import Estimate
    from app.stats.agreement_report import AgreementReport

SHOWN = 25
"""The largest number of pairs and raters that are printed; --json has all."""


def agreement(
    file: Annotated[Path, typer.Argument(help="Ratings: clip, rater, criterion, value; CSV, TSV or Parquet.")],
    scale: Annotated[
        Literal["nominal", "ordinal", "interval", "ratio"],
        typer.Option(help="What answers mean: names, ranks, differences, or amounts from a true zero."),
    ],
    wide: Annotated[bool, typer.Option("--wide", help="A row per clip, a column per rater.")] = False,
    criterion: Annotated[str | None, typer.Option(help="One criterion; without it, each in the file.")] = None,
    values: Annotated[str | None, typer.Option(help="All answers of the scale in order: 1,2,3,4,5")] = None,
    unit: Annotated[Literal["clip", "source"], typer.Option(help="What is drawn anew for intervals.")] = "clip",
    resamples: Annotated[int, whole("--resamples", 10, 100_000, "Draws behind an interval.")] = 1000,
    seed: Annotated[int, numeric_options.seed("Of the draws.")] = 0,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    filter_column: Annotated[
        str | None, typer.Option("--filter", help="Column with a filter's answer to each clip, for the ceiling.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Alpha, kappas, AC1, AC2, intraclass correlations; pairs, raters against the rest, repeats, the human ceiling."""
    from app.stats.agreement import AgreementOptions
    from app.stats.agreement import agreement as measured
    from app.stats.ratings import read_ratings

    levels = None if values is None else [value.strip() for value in values.split(",")]
    how = AgreementOptions(scale, levels, unit, resamples, seed, confidence, filter_column)
    found = measured(read_ratings(file, wide=wide, criterion=criterion), how, criterion=criterion)
    if as_json:
        tables.print_json(found.to_dict())
        return
    _show(found)


def _show(found: "AgreementReport") -> None:
    from rich.markup import escape

    out = tables.console()
    for title, rows in (("Agreement", found.estimates), ("The human ceiling: equal answers", found.ceiling)):
        grid = tables.grid("statistic", "criterion", "value", "clips", "ratings", title=title)
        for row in rows:
            one = row.estimate
            value = estimate_text(one)
            if row.sample_value is not None:
                value += f"; sample value {decimal(row.sample_value)}"
            counts = (str(one.clips), str(one.ratings or "–"))
            grid.add_row(one.statistic, escape(row.criterion), escape(value), *counts)
        out.print(grid)
    pairs = tables.grid("pair", "criterion", "Cohen's kappa", "quadratic", "clips", title="Pairs of raters")
    for pair in found.pairs[:SHOWN]:
        kappas = (_short(pair.kappas[name]) for name in ("cohen_kappa", "weighted_kappa_quadratic"))
        pairs.add_row(escape(" – ".join(pair.raters)), escape(pair.criterion), *kappas, str(pair.clips))
    out.print(pairs)
    raters = tables.grid("rater", "criterion", "equals the rest", "alpha without", "ratings", title="Raters")
    for rater in found.raters[:SHOWN]:
        rest = next(one for one in rater.with_others if one.statistic == "rest_agreement")
        cells = (_short(rest), _short(rater.alpha_without))
        raters.add_row(escape(rater.rater), escape(rater.criterion), *cells, str(rater.ratings))
    out.print(raters)
    more = max(0, len(found.pairs) - SHOWN) + max(0, len(found.raters) - SHOWN)
    if more:
        out.print(f"... and {more} rows more: --json has all.")
    for note in [*tables.left_out(empty=found.empty, abstained=found.abstained), *found.notes]:
        out.print(escape(note), soft_wrap=True)


def _short(one: "Estimate") -> str:
    """An estimate for a table of many rows, which leaves the reason why a number is undefined to --json."""
    return UNDEFINED if one.value is None else estimate_text(one)

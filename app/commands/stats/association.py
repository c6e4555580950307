"""`clipjury stats association`: how well scores follow the raters' mean opinion."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis.number_format import DASH, UNDEFINED, decimal, estimate_text
from app.commands import numeric_options
from app.commands.numeric_options import whole
from app.commands.stats import tables

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.estimate import Estimate
    from app.stats.association import AssociationReport


class MappingOption(StrEnum):
    """The curves that --mapping accepts."""

    LINEAR = "linear"
    CUBIC = "cubic"
    LOGISTIC = "logistic"


def association(
    file: Annotated[Path, typer.Argument(help="One row per clip with its scores: CSV, TSV or Parquet.")],
    score: Annotated[list[str], typer.Option(help="Column of a score; may be given again.")],
    rating: Annotated[str | None, typer.Option(help="Column of the mean rating.")] = None,
    ratings: Annotated[
        Path | None, typer.Option(help="Instead of --rating: ratings (clip, rater, criterion, value), joined by clip.")
    ] = None,
    criterion: Annotated[str | None, typer.Option(help="The criterion, if the ratings have several.")] = None,
    mapping: Annotated[
        list[MappingOption] | None,
        typer.Option(help="Curve from score to rating (ITU-T P.1401); may be given again. Default cubic."),
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Compare all pairs of clips; needs --ratings.")] = False,
    weight: Annotated[str | None, typer.Option(help="Column: pool clips that a clip stands for.")] = None,
    stratum: Annotated[str | None, typer.Option(help="Column of the stratum a clip was drawn from.")] = None,
    population: Annotated[str | None, typer.Option(help="Column: pool clips in the row's stratum.")] = None,
    source: Annotated[str | None, typer.Option(help="Column of the source: clips of one are not independent.")] = None,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    resamples: Annotated[int, whole("--resamples", 10, 100_000, "Draws behind an interval.")] = 1000,
    seed: Annotated[int, numeric_options.seed("Of the draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """How scores follow the mean rating: correlations, and the ceiling that the raters' noise sets."""
    from analysis.association.curves import PARAMETERS
    from analysis.association.design_intervals import Resampling
    from app.stats import association as files
    from app.stats.scores import DesignColumns

    columns = DesignColumns(weight, stratum, population, source)
    read = files.read(file, list(dict.fromkeys(score)), columns, rating=rating, ratings=ratings, criterion=criterion)
    curves = {str(name): name for name in PARAMETERS}
    mappings = [curves[name] for name in mapping or [MappingOption.CUBIC]]
    found = files.report(read, Resampling(resamples, seed, confidence), mappings, pairs=pairs)
    if as_json:
        tables.print_json(found.to_dict())
        return
    _show(found)


def _show(found: "AssociationReport") -> None:
    from rich.markup import escape

    out, counts = tables.console(), found.counts
    out.print(f"{counts.used} of {counts.rows} clips have a score and a rating ({escape(found.criterion)}).")
    trust = found.association.reliability
    if trust is not None:
        out.print(
            f"Reliability of the mean rating: {estimate_text(trust.mos_reliability.estimate)}.",
            soft_wrap=True,
            markup=False,
        )
        if trust.ceiling is not None:
            sentence = f"No score is expected to correlate with these ratings by more than {decimal(trust.ceiling)}."
            out.print(f"{trust.votes_per_clip:.3g} ratings per clip. {sentence}", soft_wrap=True)
    heads = ("Spearman", "Pearson", "Kendall's tau-b", "Pearson without the raters' noise")
    grid = tables.grid("score", *heads)
    for one in found.association.scores:
        pure = None if one.disattenuated_pearson is None else one.disattenuated_pearson.estimate
        correlations = (one.spearman.estimate, one.pearson.estimate, one.kendall_tau_b.estimate, pure)
        grid.add_row(escape(one.score), *(escape(estimate_text(cell)) for cell in correlations))
    out.print(grid)
    if found.association.scores:
        out.print(f"Intervals: {escape(found.association.scores[0].spearman.estimate.method)}.", soft_wrap=True)
    out.print(_mapping_table(found))
    if any(one.pairs for one in found.association.scores):
        out.print(_pair_table(found))
    if found.association.differences:
        out.print(_difference_table(found))
    for note in found.notes:
        out.print(escape(note), soft_wrap=True)


def _mapping_table(found: "AssociationReport") -> "Table":
    from rich.markup import escape

    heads = ("score and mapping", "rises by itself", "RMSE", "RMSE*", "outlier ratio", "Pearson")
    grid = tables.grid(*heads, title="After a mapping to the scale of the ratings")
    for one in found.association.scores:
        for made in one.mappings:
            figures = (made.rmse, made.rmse_star, made.outlier_ratio, made.pearson)
            cells = [_short(figure.estimate) for figure in figures]
            grid.add_row(escape(f"{one.score}, {made.mapping}"), "yes" if made.monotone else "no", *cells)
    return grid


def _pair_table(found: "AssociationReport") -> "Table":
    from rich.markup import escape

    heads = ("score", "pairs", "different", "AUC different/similar", "AUC better/worse", "right sign", "95 % threshold")
    grid = tables.grid(*heads, title="Pairs of clips")
    for one in found.association.scores:
        if one.pairs is not None:
            figures = (one.pairs.auc_different_similar, one.pairs.auc_better_worse, one.pairs.correct_at_zero)
            cells = [_short(figure.estimate) for figure in figures]
            limit = DASH if one.pairs.threshold_95 is None else f"{one.pairs.threshold_95:.4g}"
            grid.add_row(escape(one.score), str(one.pairs.pairs), str(one.pairs.different), *cells, limit)
    return grid


def _difference_table(found: "AssociationReport") -> "Table":
    from rich.markup import escape

    grid = tables.grid("scores", "correlation", "difference", "p", title="The first score less each other one")
    for one in found.association.differences:
        p = DASH if one.p is None else f"{one.p:.3g}"
        names = escape(" – ".join(one.scores))
        grid.add_row(names, one.statistic.capitalize(), _short(one.difference.estimate), p)
    return grid


def _short(one: "Estimate") -> str:
    """An estimate for a table of many columns, which leaves the reason why a number is undefined to --json."""
    from rich.markup import escape

    return UNDEFINED if one.value is None else escape(estimate_text(one))

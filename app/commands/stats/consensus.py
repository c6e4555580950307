"""`clipjury stats consensus`: the consensus of the raters on each clip."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from analysis.number_format import DASH, decimal, ends_text
from app.commands import numeric_options
from app.commands.stats import tables

if TYPE_CHECKING:
    from rich.table import Table

    from app.stats.consensus import ConsensusReport, MajorityClip, ModelRater, PosteriorClip, ScoredClip, SkilledRater

SHOWN = 25
"""The largest number of clips that are printed; --json and --output have all."""


def consensus(
    file: Annotated[Path, typer.Argument(help="Ratings: clip, rater, criterion, value; CSV, TSV or Parquet.")],
    method: Annotated[
        Literal["majority", "mean", "dawid-skene", "one-coin", "subject-model"],
        typer.Option(help="How votes become one value: docs/methods/consensus.md."),
    ] = "majority",
    criterion: Annotated[str | None, typer.Option(help="The criterion, where the file has several.")] = None,
    values: Annotated[str | None, typer.Option(help="All answers of the scale in order: 1,2,3,4,5")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="A row per clip, a column per rater.")] = False,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """One value per clip: majority, mean, Dawid & Skene, one coin per rater, or the subject model."""
    from app.stats import consensus as consensus_files
    from app.stats.ratings import read_ratings

    scale = None if values is None else [value.strip() for value in values.split(",")]
    table = read_ratings(file, wide=wide)
    found = consensus_files.consensus(table, method, criterion=criterion, values=scale, confidence=confidence)
    if as_json:
        tables.print_json(asdict(found))
        return
    _show(found)


def _show(found: "ConsensusReport") -> None:
    from rich.markup import escape

    out = tables.console()
    grid = tables.grid("clip", "value", "certainty", "ratings", title=f"{found.criterion}: {found.method}")
    for one in found.clips[:SHOWN]:
        value = "no consensus" if one.value is None else one.value
        grid.add_row(
            escape(one.clip),
            decimal(value) if isinstance(value, float) else escape(str(value)),
            _certainty(one),
            str(one.ratings),
        )
    out.print(grid)
    clips = len(found.clips)
    if clips > SHOWN:
        out.print(f"... and {clips - SHOWN} clips more: --json has all.")
    ties = sum(one.tie for one in found.clips)
    out.print(f"{clips} clips, {ties} without consensus.")
    for sentence in tables.left_out(empty=found.empty, abstained=found.abstained):
        out.print(sentence)
    if found.prior:
        shares = ", ".join(f"{escape(level)} {decimal(share)}" for level, share in found.prior.items())
        out.print(f"Shares of the true levels: {shares}.")
        out.print("Read a posterior as a score and not as a probability: a hard clip fools several raters at once.")
    if found.raters:
        out.print(_rater_table(found.raters))


def _certainty(one: "MajorityClip | PosteriorClip | ScoredClip") -> str:
    from app.stats.consensus import MajorityClip, PosteriorClip

    if isinstance(one, MajorityClip):
        return f"{100 * one.share:.0f} % of votes"
    if isinstance(one, PosteriorClip):
        return decimal(max(one.posterior.values()))
    return DASH if one.low is None else ends_text(one.low, one.high)


def _rater_table(raters: "list[SkilledRater] | list[ModelRater]") -> "Table":
    from rich.markup import escape

    from app.stats.consensus import ModelRater, SkilledRater

    skilled = [one for one in raters if isinstance(one, SkilledRater)]
    if skilled:
        grid = tables.grid("rater", "names the true level", "ratings")
        for one in sorted(skilled, key=lambda one: -one.skill):
            grid.add_row(escape(one.rater), decimal(one.skill), str(one.ratings))
        return grid
    grid = tables.grid("rater", "bias", "inconsistency", "ratings", "")
    modelled = [one for one in raters if isinstance(one, ModelRater)]
    for rater in sorted(modelled, key=lambda one: one.inconsistency):
        note = "too few or too even to tell: inconsistency of all" if rater.floored else ""
        cells = (decimal(rater.bias), decimal(rater.inconsistency), str(rater.ratings), note)
        grid.add_row(escape(rater.rater), *cells)
    return grid

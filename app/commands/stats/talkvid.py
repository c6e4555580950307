"""`clipjury stats talkvid`: recompute TalkVid's table of human validation from votes, with intervals and checks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.number_format import decimal, estimate_text
from app.commands import numeric_options
from app.commands.numeric_options import whole
from app.commands.stats import tables

if TYPE_CHECKING:
    from analysis.raters.talkvid_table import TalkvidRow

RATES = ("accuracy", "precision", "recall", "f1")


def talkvid(
    file: Annotated[
        Path,
        typer.Argument(
            help="Votes: clip, rater, criterion, value, pass; or filter, item, filter_pass, rater1, rater2."
        ),
    ],
    published: Annotated[Path | None, typer.Option(help="Printed figures to check: filter, accuracy, ...")] = None,
    confidence: Annotated[float, numeric_options.confidence()] = 0.95,
    resamples: Annotated[int, whole("--resamples", 100, 100_000, "For the interval of raw agreement.")] = 2000,
    seed: Annotated[int, numeric_options.seed("Of the resampling.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """The published table row by row; its intervals, its split clips under each rule, and figures that cannot be."""
    from analysis.raters.talkvid_table import contradictions, talkvid_row
    from app.stats.talkvid import read_published, read_votes

    votes = read_votes(file)
    rows = [
        talkvid_row(
            one.name, one.accepted, one.first, one.second, confidence=confidence, resamples=resamples, seed=seed
        )
        for one in votes
        if one.accepted
    ]
    empty = [one.name for one in votes if not one.accepted]
    printed = read_published(published, [one.name for one in rows]) if published else {}
    wrong = contradictions(rows, printed)
    left_out = sum(one.left_out for one in votes)
    if as_json:
        content = {"filters": [_plain(one) for one in rows], "left_out": left_out, "filters_left_out": empty}
        tables.print_json(content | {"published": printed, "impossible": wrong})
        return
    _show(rows, wrong, left_out, empty, checked=bool(printed))


def _plain(one: "TalkvidRow") -> dict[str, Any]:
    tp, fp, fn, tn = one.cells
    return {
        "filter": one.name,
        "clips": one.clips,
        "agreed": one.clips - one.split,
        "split": one.split,
        "published": one.published,
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": tn,
        "agreement": one.agreement.to_dict(),
        "kappa": one.kappa.to_dict(),
        "highest_kappa": one.kappa_high,
        **{name: getattr(one.table, name).to_dict() for name in (*RATES, "specificity")},
        "accuracy_split_wrong": one.accuracy_split_wrong.to_dict(),
        "accuracy_split_half": one.accuracy_split_half,
    }


def _show(rows: "list[TalkvidRow]", wrong: list[str], left_out: int, empty: list[str], *, checked: bool) -> None:
    from rich.markup import escape

    out = tables.console()
    percents = [f"{name} %" for name in RATES]  # as TalkVid printed them
    table = tables.grid("filter", "agreement %", "kappa", *percents, "tp/fp/fn/tn", title="As published")
    hidden = tables.grid("filter", "kappa", *RATES, title="With the intervals that the table leaves out")
    splits = tables.grid(
        "filter",
        "split clips",
        "counted as wrong",
        "as half wrong",
        title="Accuracy when split clips are not dropped",
    )
    for one in rows:
        values = (one.published[name] for name in ("agreement", "kappa", *RATES))
        cells = ("–" if value is None else f"{value:.2f}" for value in values)
        table.add_row(escape(one.name), *cells, "/".join(map(str, one.cells)))
        rates = (estimate_text(getattr(one.table, name)) for name in RATES)
        hidden.add_row(escape(one.name), estimate_text(one.kappa), *rates)
        halves = (estimate_text(one.accuracy_split_wrong), decimal(one.accuracy_split_half))
        splits.add_row(escape(one.name), f"{one.split} of {one.clips}", *halves)
    for part in (table, hidden, splits):
        out.print(part)
        out.print()
    out.print(
        "Rates of the first two tables leave split clips out. Clips chosen next to a threshold say nothing about the "
        "pool's precision or recall.",
        soft_wrap=True,
    )
    if left_out:
        out.print(f"{left_out} clips without two votes and a verdict of the filter were left out.")
    if empty:
        out.print(f"No row for {escape(', '.join(empty))}: no clip of it has two votes and a verdict.", soft_wrap=True)
    for sentence in wrong:
        out.print(f"IMPOSSIBLE  {escape(sentence)}", soft_wrap=True)
    if checked and not wrong:
        out.print("The printed figures contradict neither each other nor the votes.")

"""`clipjury plan`: how many clips and raters a wanted precision takes, from assumptions or a pilot."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.commands import numeric_options
from app.commands.numeric_options import MAX_COUNT, real, whole
from app.errors import AppError

if TYPE_CHECKING:
    from app.sampling.sample_size import Assumptions, SampleSizePlan, StudySize

WIDTH = 120
"""Width of tables in characters if the output is not a terminal."""
JUDGING = 6.0
"""Seconds that a judgment takes in addition to watching the clip."""
MAX_RATERS = 1_000_000
WISH = "Wanted half-width, such as 0.05."


def plan(
    precision: Annotated[float | None, real("--precision", 0, MAX_COUNT, WISH, metavar="HALF_WIDTH")] = None,
    recall: Annotated[float | None, real("--recall", 0, MAX_COUNT, WISH, metavar="HALF_WIDTH")] = None,
    prevalence: Annotated[float | None, real("--prevalence", 0, MAX_COUNT, WISH, metavar="HALF_WIDTH")] = None,
    alpha: Annotated[
        float | None,
        real("--alpha", 0, MAX_COUNT, "Wanted half-width of Krippendorff's alpha.", metavar="HALF_WIDTH"),
    ] = None,
    mos: Annotated[
        float | None,
        real("--mos", 0, MAX_COUNT, "Wanted half-width of one clip's mean opinion score.", metavar="POINTS"),
    ] = None,
    mean_mos: Annotated[
        float | None, real("--mean-mos", 0, MAX_COUNT, "The same of the mean over all clips.", metavar="POINTS")
    ] = None,
    claim: Annotated[
        float | None, real("--claim", 0, 1, 'Size for the claim "precision >= TARGET", exact.', metavar="TARGET")
    ] = None,
    confidence: Annotated[float, real("--confidence", 0, 1, "Of the intervals and of the claim.", is_open=True)] = 0.95,
    p: Annotated[float | None, real("--p", 0, 1, "Guess of the rate; for alpha the share accepted.")] = None,
    good_share: Annotated[
        float | None, real("--good-share", 0, 1, "Guess of the share of good clips; recall needs it.")
    ] = None,
    agreement: Annotated[float | None, real("--agreement", -1, 1, "Guess of alpha between the raters.")] = None,
    sd: Annotated[
        float, real("--sd", 0, MAX_COUNT, "Guess: standard deviation of raters on one clip, in points.")
    ] = 0.7,
    clip_sd: Annotated[
        float, real("--clip-sd", 0, MAX_COUNT, "Guess: standard deviation between clips, in points.")
    ] = 0.8,
    pilot: Annotated[
        Path | None,
        typer.Option(
            help="CSV instead of guesses: clip, good[, stratum, weight, source, accepted], or clip, rater, value."
        ),
    ] = None,
    criterion: Annotated[str | None, typer.Option(help="The criterion of an export to take judgments from.")] = None,
    raters: Annotated[int, whole("--raters", 1, MAX_RATERS, "Raters per clip.")] = 3,
    clips: Annotated[int, whole("--clips", 1, MAX_COUNT, "With --mos: clips to be judged, for the effort.")] = 1,
    pool_size: Annotated[
        int | None, whole("--pool-size", 1, MAX_COUNT, "Clips drawn from; for precision, those accepted.")
    ] = None,
    clips_per_source: Annotated[
        float | None, real("--clips-per-source", 1, MAX_COUNT, "Clips to be drawn per source.")
    ] = None,
    icc: Annotated[float | None, real("--icc", 0, 1, "How alike clips of one source are.")] = None,
    interval: Annotated[Literal["wilson", "wald"], typer.Option(help="Interval of a rate.")] = "wilson",
    power: Annotated[
        float, real("--power", 0, 1, "Wanted chance that the claim succeeds if the guess --p is true.", is_open=True)
    ] = 0.8,
    clip_length: Annotated[float, real("--clip-length", 0, MAX_COUNT, "Seconds of a clip.")] = 5.0,
    seconds_per_clip: Annotated[
        float | None,
        real("--seconds-per-clip", 0, MAX_COUNT, "Seconds of a rater per judgment; default the clip's length + 6."),
    ] = None,
    seed: Annotated[int, numeric_options.seed("Of the simulation for alpha.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """How many clips and raters a wanted precision needs, what other sizes give, and the raters' time.

    Half-widths of precision, recall, prevalence, alpha or opinion scores, or an exact claim "precision >= p".
    Without a guess or a pilot a rate is planned for the worst case, 0.5.
    """
    from app.sampling import sample_size, sample_size_pilots

    wishes: dict[sample_size.Target, float | None] = {"precision": precision, "recall": recall}
    wishes |= {"prevalence": prevalence, "alpha": alpha, "mos": mos, "mean_mos": mean_mos}
    if claim is None and all(wish is None for wish in wishes.values()):
        raise AppError("There is nothing to plan.", "Say how sure you want to be: --precision 0.05, or --claim 0.95.")
    guesses = sample_size.Assumptions(
        confidence=confidence,
        p=p,
        good_share=good_share,
        agreement=agreement,
        sd=sd,
        clip_sd=clip_sd,
        raters=raters,
        clips=clips,
        pool_size=pool_size,
        clips_per_source=clips_per_source,
        icc=icc,
        interval=interval,
        seconds=clip_length + JUDGING if seconds_per_clip is None else seconds_per_clip,
        power=power,
        seed=seed,
    )
    judged = None if pilot is None else sample_size_pilots.read(pilot, criterion)
    made = [sample_size.plan(target, wish, guesses, judged) for target, wish in wishes.items() if wish is not None]
    if claim is not None:
        made.append(sample_size.claim(claim, guesses, judged))
    if as_json:
        _print_json(guesses, pilot, made)
        return
    for one in made:
        _show(one)


def _print_json(guesses: "Assumptions", pilot: Path | None, made: "list[SampleSizePlan]") -> None:
    facts = {"guesses": asdict(guesses), "pilot": None if pilot is None else str(pilot)}
    typer.echo(json.dumps(facts | {"plans": [asdict(one) for one in made]}, ensure_ascii=False, allow_nan=False))


def _show(made: "SampleSizePlan") -> None:
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    of_claim = made.target == "claim"
    heads = ("bad allowed", "chance of success") if of_claim else ("half-width",)
    table = Table(box=None, pad_edge=False, header_style="bold", title=made.target, title_justify="left")
    for head in ("clips", "raters per clip", *heads, "judgments", "minutes of raters"):
        table.add_column(head, justify="right")
    for row in made.trades:
        size = (str(row.clips), str(row.raters))
        effort = (str(row.judgments), f"{row.minutes:.0f}")
        table.add_row(*size, *_certainty(row, of_claim=of_claim), *effort, style="bold" if row == made.chosen else None)
    out.print(table)
    for note in made.notes:
        out.print(f"  {escape(note)}")
    out.print(escape(made.answer), soft_wrap=True)
    out.print()


def _certainty(row: "StudySize", *, of_claim: bool) -> tuple[str, ...]:
    if of_claim:
        return str(row.bad_allowed), "" if row.chance is None else f"{100 * row.chance:.0f} %"
    return ("undefined" if row.half_width is None else f"±{row.half_width:.4f}",)

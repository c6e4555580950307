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

from app.errors import AppError

if TYPE_CHECKING:
    from app.sampling.sample_size import SampleSizePlan, StudySize

WIDTH = 120
"""Width of tables in characters if the output is not a terminal."""
JUDGING = 6.0
"""Seconds that a judgment takes in addition to watching the clip."""
MOST = 1_000_000_000
"""The largest number that an option takes; the arithmetic would overflow with larger ones."""
MOST_RATERS = 1_000_000
Wish = Annotated[float | None, typer.Option(metavar="HALF_WIDTH", help="Wanted half-width, such as 0.05.")]


def plan(
    precision: Wish = None,
    recall: Wish = None,
    prevalence: Wish = None,
    alpha: Annotated[
        float | None, typer.Option(metavar="HALF_WIDTH", help="Wanted half-width of Krippendorff's alpha.")
    ] = None,
    mos: Annotated[
        float | None, typer.Option(metavar="POINTS", help="Wanted half-width of one clip's mean opinion score.")
    ] = None,
    mean_mos: Annotated[
        float | None, typer.Option("--mean-mos", metavar="POINTS", help="The same of the mean over all clips.")
    ] = None,
    claim: Annotated[
        float | None, typer.Option(metavar="TARGET", help='Size for the claim "precision >= TARGET", exact.')
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals and of the claim.")] = 0.95,
    p: Annotated[float | None, typer.Option("--p", help="Guess of the rate; for alpha the share accepted.")] = None,
    good_share: Annotated[float | None, typer.Option(help="Guess of the share of good clips; recall needs it.")] = None,
    agreement: Annotated[float | None, typer.Option(help="Guess of alpha between the raters.")] = None,
    sd: Annotated[float, typer.Option(help="Guess: standard deviation of raters on one clip, in points.")] = 0.7,
    clip_sd: Annotated[float, typer.Option(help="Guess: standard deviation between clips, in points.")] = 0.8,
    pilot: Annotated[
        Path | None,
        typer.Option(
            help="CSV instead of guesses: clip, good[, stratum, weight, source, accepted], or clip, rater, value."
        ),
    ] = None,
    criterion: Annotated[str | None, typer.Option(help="The criterion of an export to take judgments from.")] = None,
    raters: Annotated[int, typer.Option(min=1, max=MOST_RATERS, help="Raters per clip.")] = 3,
    clips: Annotated[int, typer.Option(min=1, max=MOST, help="With --mos: clips to be judged, for the effort.")] = 1,
    pool_size: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Clips drawn from; for precision, those accepted.")
    ] = None,
    clips_per_source: Annotated[float | None, typer.Option(min=1, help="Clips to be drawn per source.")] = None,
    icc: Annotated[float | None, typer.Option(help="How alike clips of one source are, 0 to 1.")] = None,
    interval: Annotated[Literal["wilson", "wald"], typer.Option(help="Interval of a rate.")] = "wilson",
    power: Annotated[float, typer.Option(help="Wanted chance that the claim succeeds if the guess --p is true.")] = 0.8,
    clip_length: Annotated[float, typer.Option(min=0, help="Seconds of a clip.")] = 5.0,
    seconds_per_clip: Annotated[
        float | None, typer.Option(min=0, help="Seconds of a rater per judgment; default the clip's length + 6.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation for alpha.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """How many clips and raters a wanted certainty takes, what other sizes give, and the raters' time.

    Half-widths of precision, recall, prevalence, alpha or opinion scores, or an exact claim "precision >= p".
    Without a guess or a pilot a rate is planned for the worst case, 0.5.
    """
    from app.sampling import sample_size, sample_size_pilots

    wishes: dict[sample_size.Target, float | None] = {"precision": precision, "recall": recall}
    wishes |= {"prevalence": prevalence, "alpha": alpha, "mos": mos, "mean_mos": mean_mos}
    numbers = {"claim": claim, "p": p, "good_share": good_share, "agreement": agreement, "sd": sd, "clip_sd": clip_sd}
    numbers |= {"icc": icc, "clips_per_source": clips_per_source, "clip_length": clip_length}
    _refuse_endless(*wishes.items(), *numbers.items(), ("seconds_per_clip", seconds_per_clip))
    guesses = sample_size.Assumptions(
        confidence=_share("--confidence", confidence),
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
        power=_share("--power", power),
        seed=seed,
    )
    if claim is None and all(wish is None for wish in wishes.values()):
        raise AppError("There is nothing to plan.", "Say how sure you want to be: --precision 0.05, or --claim 0.95.")
    judged = None if pilot is None else sample_size_pilots.read(pilot, criterion)
    made = [sample_size.plan(target, wish, guesses, judged) for target, wish in wishes.items() if wish is not None]
    if claim is not None:
        made.append(sample_size.claim(claim, guesses, judged))
    if as_json:
        facts = {"guesses": asdict(guesses), "pilot": None if pilot is None else str(pilot)}
        typer.echo(json.dumps(facts | {"plans": [asdict(one) for one in made]}, ensure_ascii=False, allow_nan=False))
        return
    for one in made:
        _show(one)


def _refuse_endless(*numbers: tuple[str, float | None]) -> None:
    for name, value in numbers:
        if value is not None and not abs(value) <= MOST:
            option = f"--{name.replace('_', '-')}"
            raise AppError(f"{option} {value:g} is not possible.", f"Give a smaller number: {option} 0.5")


def _share(option: str, value: float) -> float:
    if not 0 < value < 1:
        raise AppError(f"{option} {value:g} is not possible.", f"Give a share between 0 and 1: {option} 0.9")
    return value


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

"""`clipjury bench-set`: make a balanced benchmark of clips, one per person, or check an existing one."""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.commands import numeric_options
from app.errors import AppError

if TYPE_CHECKING:
    from app.sampling.benchmark import BenchSet

WIDTH = 120
"""Width of tables in characters if the output is not a terminal."""
TWICE = 3
"""Exit code of --check when a person is in the set more than once."""
QUOTA = re.compile(r"([^=/]+)=(\d+)")


def bench_set(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="POOL [NAME=NUMBER]", help="The pool (Parquet), and more quotas.")
    ] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUMBER...", help="Places per dimension: --quota age=105 gender=100"),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The set to write (Parquet).")] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=A,B,...", help="Groups of a dimension, where not all values of its column."),
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="NAME=COLUMN", help="Column of a dimension: age='Age Group'")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Column that says who is in a clip.")] = None,
    prefer: Annotated[str | None, typer.Option(help="Of a person's clips take that with the highest score.")] = None,
    fill: Annotated[bool, typer.Option("--fill", help="Give places that stay empty to other groups.")] = False,
    seed: Annotated[int, numeric_options.seed("Another seed, other persons.")] = 0,
    check: Annotated[
        Path | None,
        typer.Option(help="Print the balance of a set that exists; exit code 3 if a person is in it twice."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Choose clips by quota: balanced within each dimension, one clip per person, no person twice.

    As many places are filled as any choice could fill, then as evenly as possible, then at random by the seed. What
    the pool cannot fill is reported. TalkVid-Bench: --quota age=105 gender=100 ethnicity=100 language=195.
    """
    from app.sampling import benchmark

    if check is not None:
        if words or quota or output:
            raise AppError("--check takes a set that exists, and nothing else is made.", "Leave the other words out.")
        _check(check, person, as_json=as_json)
        return
    pool, quotas = _wanted(words or [], quota or [])
    if output is None:
        raise AppError("There is nothing to write.", "Name the set with -o BENCH.parquet.")
    request = benchmark.BenchSetRequest(
        quotas=quotas,
        columns=_pairs("--column", column or []),
        groups={name: tuple(part.strip() for part in text.split(",")) for name, text in _split("--groups", groups)},
        person=person,
        prefer=prefer,
        seed=seed,
        fill=fill,
    )
    _print(benchmark.make(pool, request, output), output, as_json=as_json)


def _check(path: Path, person: str | None, *, as_json: bool) -> None:
    """Print the balance of a set. The exit code is 3 if a person is in it twice."""
    from app.sampling import benchmark

    found = benchmark.check(path, person=person)
    _print(found, path, as_json=as_json)
    if found.twice:
        raise typer.Exit(TWICE)


def _wanted(words: list[str], quota: list[str]) -> tuple[Path, dict[str, int]]:
    """The pool and the quotas; typer passes all but the first word after --quota as arguments."""
    pools = [word for word in words if not QUOTA.fullmatch(word)]
    quotas: dict[str, int] = {}
    for word in (*quota, *(word for word in words if QUOTA.fullmatch(word))):
        found = QUOTA.fullmatch(word)
        if not found or found[1].strip() in quotas:
            what = "is there twice" if found else "is not NAME=NUMBER"
            raise AppError(f"--quota {word} {what}.", "Write --quota age=105 gender=100")
        quotas[found[1].strip()] = int(found[2])
    if len(pools) != 1:
        said = f"Several pools are named: {', '.join(pools)}." if pools else "No pool is named."
        raise AppError(said, "Write clipjury bench-set POOL.parquet --quota age=105 -o BENCH.parquet")
    if not quotas:
        raise AppError("No quota is named.", "Write --quota age=105 gender=100 ethnicity=100 language=195")
    return Path(pools[0]), quotas


def _pairs(option: str, words: list[str]) -> dict[str, str]:
    return dict(_split(option, words))


def _split(option: str, words: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for word in words or []:
        name, equals, text = word.partition("=")
        if not (name and equals and text):
            raise AppError(f"{option} {word} is not NAME=VALUE.", f"Write {option} age=...")
        pairs.append((name.strip(), text.strip()))
    return pairs


def _print(made: "BenchSet", path: Path, *, as_json: bool) -> None:
    from app.sampling.benchmark import facts

    rows = [facts(row) for row in made.rows]
    filled, short = (sum(row[name] for row in rows) for name in ("filled", "short"))
    empty = sum(row["places"] for row in made.record["quotas"]) - filled
    if as_json:
        record = made.record | {"output": str(path), "clips": filled, "empty": empty, "balance": rows}
        typer.echo(json.dumps(record | {"notes": made.notes, "twice": made.twice}, ensure_ascii=False))
        return
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("dimension", "group", "wanted", "filled", "short", "persons who fit"):
        table.add_column(head, justify="left" if head in ("dimension", "group") else "right")
    for row in rows:
        counts = [str(row[name]) for name in ("wanted", "filled", "short", "available")]
        table.add_row(escape(row["dimension"]), escape(row["group"]), *counts)
    out.print(table)
    for note in made.notes:
        out.print(f"  {escape(note)}")
    for row in (row for row in rows if row["short"]):
        group = f"{row['dimension']} {row['group']}"
        out.print(f"  [red]short[/red] {escape(group)}: no person for {row['short']} of {row['wanted']} places.")
    if short and not empty:
        out.print("  Their places went to other groups (--fill).")
    for name, clips in made.twice.items():
        out.print(f"  [red]twice[/red] {escape(name)}: {escape(', '.join(clips))}")
    typer.echo(f"{filled} clips for {filled + empty} places, seed {made.record['seed']}: {path}")

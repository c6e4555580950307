"""Sources of a pool, each as raw rows: JSON of several layouts, CSV, TSV, Parquet, a folder of videos."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from polars.exceptions import PolarsError

from app.errors import AppError
from app.pools.importing import videos
from app.pools.importing.batches import Gatherer
from app.pools.importing.csv_rows import Delimited
from app.pools.importing.fields import Raw, flattened, gathered_raw
from app.pools.importing.json_records import LARGEST, LONGEST, Batch, array, document, lines, opened
from app.pools.scanning import metadata, scan
from app.pools.table import read_record
from scoring.locations import is_folder, is_remote, name_of

KINDS = {
    ".json": "JSON",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
}
NOT_RECORDS = ("annotations", "predictions")
"""Parts of Label Studio's tasks that are people's answers: a pool holds clips and scores."""


def read(source: str, spill: Path) -> Raw:
    """The rows of a file, address or folder; `spill` is a folder for what does not fit in memory.

    Raises AppError for a source that is not there, holds no records, or is of another kind.
    """
    raw = _read(source, spill)
    if not raw.fields:
        first = raw.table.head(1).collect()["fault"].to_list()
        why = f" The first: {first[0]}" if first and first[0] else ""
        raise AppError(f"{source} holds no records.{why}", "Name a file with a record for each clip.")
    return raw


def _read(source: str, spill: Path) -> Raw:
    name = name_of(source)
    ending = Path(name.lower().removesuffix(".gz")).suffix
    if is_remote(source) and ending != ".parquet":
        raise AppError(f"{source} is not Parquet.", "Fetch the file and import it from this machine.")
    if ending == ".parquet" or (not is_remote(source) and videos.holds_parquet(source)):
        return _parquet(source)
    if is_folder(source):
        return videos.read(source, spill)
    path = Path(source)
    if not path.exists():
        raise AppError(f"There is no file {source}.", "Name a file or a folder of videos.", status=404)
    if ending not in KINDS:
        known = ", ".join(KINDS)
        raise AppError(f"{source} is of no kind that can be imported.", f"Possible: {known}, or a folder of videos.")
    try:
        return _text(path, ending, spill)
    except (EOFError, OSError) as error:
        if path.suffix.lower() != ".gz":
            raise
        raise AppError(f"{source} is packed, and broken: {error}.", "Fetch it again.") from error


def _text(path: Path, ending: str, spill: Path) -> Raw:
    with opened(path) as file:
        start = file.tell()
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
        if not first:
            raise AppError(f"{path} is empty.", "Name a file with a record for each clip.")
        gathered = Gatherer(spill)
        if ending in (".csv", ".tsv"):
            file.seek(start)
            return _delimited(path, Delimited(file, tabs=ending == ".tsv"), gathered)
        if first == b"[":
            return _gathered(path, "JSON list", array(file), gathered, "record")
        file.seek(start)
        if ending == ".json" and not _is_lines(file, start):
            data = file.read(LARGEST + 1)
            if len(data) > LARGEST:
                raise AppError(f"{path} is a document of more than {LARGEST // 1_000_000} MB.", "Make it JSON Lines.")
            batch, inside = document(data, str(path))
            kind = f"JSON document, {inside}" if inside else "JSON document"
            return _gathered(path, kind, iter([batch]), gathered, "record")
        return _gathered(path, "JSON Lines", lines(file), gathered, "line")


def _is_lines(file: IO[bytes], start: int) -> bool:
    """The first line is a whole record and another follows."""
    texts = [text for text in (file.readline(LONGEST) for _ in range(2)) if text.strip()]
    file.seek(start)
    try:
        return len(texts) == 2 and type(json.loads(texts[0])) is dict
    except (ValueError, RecursionError):
        return False


@contextmanager
def _without_cycles() -> Iterator[None]:
    """Records have no cycles; looking for some in millions of objects takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _gathered(path: Path, kind: str, batches: Iterator[Batch], gathered: Gatherer, counted: str) -> Raw:
    with _without_cycles():
        for batch in batches:
            if batch.records:
                gathered.add(batch.records, batch.places)
            gathered.reject(batch.faults)
    raw = gathered_raw(path.name, kind, gathered, counted)
    if any(field.startswith("data.") for field in raw.fields) and any(field in NOT_RECORDS for field in raw.fields):
        left = {field: column for field, column in raw.fields.items() if field.split(".")[0] not in NOT_RECORDS}
        raw = replace(raw, kind=f"{kind} of Label Studio", fields=left)
    return raw


def _delimited(path: Path, rows: Delimited, gathered: Gatherer) -> Raw:
    for good, faults in rows:
        if good:
            gathered.add_rows(rows.header, [row for _, row in good], [place for place, _ in good])
        gathered.reject(faults)
    kind = KINDS[Path(path.name.lower().removesuffix(".gz")).suffix]
    return gathered_raw(path.name, kind, gathered, "line", untyped=True)


def _parquet(source: str) -> Raw:
    try:
        rows = scan(source)
        table, fields = flattened(rows)
        kind = "Parquet"
        return Raw(
            name_of(source), kind, table, fields, table.collect_schema(), "row", record=read_record(metadata(source))
        )
    except PolarsError as error:
        raise AppError(f"{source} is not Parquet ({error}).", "Name another file.") from error

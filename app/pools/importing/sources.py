"""Read a source of a pool import as raw rows: JSON in several layouts, CSV, TSV, Parquet, or a folder of videos."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import IO

from polars.exceptions import PolarsError

from app.errors import AppError
from app.pools.importing import videos
from app.pools.importing.batches import RecordCollector
from app.pools.importing.csv_rows import Delimited
from app.pools.importing.fields import RawSource, collected_source, flattened
from app.pools.importing.json_records import LARGEST, LONGEST, PIECE, Batch, array, document, lines, opened
from app.pools.scanning import metadata, scan
from app.pools.table import read_record
from scoring.locations import is_remote, name_of

KINDS = {
    ".json": "JSON",
    ".jsonl": "JSON Lines",
    ".ndjson": "JSON Lines",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
}
NOT_RECORDS = ("annotations", "predictions")
"""Fields of Label Studio's tasks that hold raters' answers, which do not belong in a pool."""


def read(source: str, spill: Path, probed: videos.Probed | None = None) -> RawSource:
    """Read a file, address or folder; `spill` is a folder for data that does not fit in memory.

    `probed` has the facts of the videos of a folder.

    Raises AppError for a source that is missing, has no records, or is of another type.
    """
    raw = _read(source, spill, probed)
    if not raw.fields:
        first = raw.table.head(1).collect()["fault"].to_list()
        why = f" The first: {first[0]}" if first and first[0] else ""
        raise AppError(f"{source} holds no records.{why}", "Name a file with a record for each clip.")
    return raw


def _read(source: str, spill: Path, probed: videos.Probed | None) -> RawSource:
    name = name_of(source)
    ending = Path(name.lower().removesuffix(".gz")).suffix
    if is_remote(source) and ending != ".parquet":
        raise AppError(f"{source} is not Parquet.", "Fetch the file and import it from this machine.")
    if ending == ".parquet" or (not is_remote(source) and videos.holds_parquet(source)):
        return _parquet(source)
    if probed is not None:
        return videos.read(source, spill, probed)
    path = Path(source)
    if not path.exists():
        raise AppError(f"There is no file {source}.", "Name a file or a folder of videos.", status=404)
    if not path.is_file():
        raise AppError(f"{source} is a device or a pipe.", "Name a file or a folder of videos.")
    if ending not in KINDS:
        known = ", ".join(KINDS)
        raise AppError(f"{source} is of no kind that can be imported.", f"Possible: {known}, or a folder of videos.")
    try:
        return _text(path, ending, spill)
    except (EOFError, OSError) as error:
        if path.suffix.lower() != ".gz":
            raise
        raise AppError(f"{source} is packed, and broken: {error}.", "Fetch it again.") from error


def _text(path: Path, ending: str, spill: Path) -> RawSource:
    with opened(path) as file:
        start = file.tell()
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
        if not first:
            raise AppError(f"{path} is empty.", "Name a file with a record for each clip.")
        collected = RecordCollector(spill, source=path.name)
        if ending in (".csv", ".tsv"):
            file.seek(start)
            return _delimited(path, Delimited(file, path.name, tabs=ending == ".tsv"), collected)
        if first == b"[":
            return _collected(path, "JSON list", array(file), collected, "record")
        file.seek(start)
        if ending == ".json" and not _is_lines(file, start):
            # Piece by piece: one read would ask for the memory of the largest document.
            data = b"".join(islice(iter(lambda: file.read(PIECE), b""), LARGEST // PIECE + 1))
            if len(data) > LARGEST:
                raise AppError(f"{path} is a document of more than {LARGEST // 1_000_000} MB.", "Make it JSON Lines.")
            batch, inside = document(data, str(path))
            kind = f"JSON document, {inside}" if inside else "JSON document"
            return _collected(path, kind, iter([batch]), collected, "record")
        return _collected(path, "JSON Lines", lines(file), collected, "line")


def _is_lines(file: IO[bytes], start: int) -> bool:
    """Whether the first line is a whole record and another one follows."""
    texts = [text for text in (file.readline(LONGEST) for _ in range(2)) if text.strip()]
    file.seek(start)
    try:
        return len(texts) == 2 and type(json.loads(texts[0])) is dict
    except (ValueError, RecursionError):
        return False


@contextmanager
def _without_cycles() -> Iterator[None]:
    """Switch off garbage collection: records have no cycles, and searching for them takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _collected(path: Path, kind: str, batches: Iterator[Batch], collected: RecordCollector, counted: str) -> RawSource:
    with _without_cycles():
        for batch in batches:
            if batch.records:
                collected.add(batch.records, batch.places)
            collected.reject(batch.faults)
    raw = collected_source(path.name, kind, collected, counted)
    if any(field.startswith("data.") for field in raw.fields) and any(field in NOT_RECORDS for field in raw.fields):
        left = {field: column for field, column in raw.fields.items() if field.split(".")[0] not in NOT_RECORDS}
        raw = replace(raw, kind=f"{kind} of Label Studio", fields=left)
    return raw


def _delimited(path: Path, rows: Delimited, collected: RecordCollector) -> RawSource:
    for good, faults in rows:
        if good:
            collected.add_rows(rows.header, [row for _, row in good], [place for place, _ in good])
        collected.reject(faults)
    kind = KINDS[Path(path.name.lower().removesuffix(".gz")).suffix]
    return collected_source(path.name, kind, collected, "line", untyped=True)


def _parquet(source: str) -> RawSource:
    try:
        rows = scan(source)
        table, fields = flattened(rows, name_of(source))
        kind = "Parquet"
        return RawSource(
            name_of(source), kind, table, fields, table.collect_schema(), "row", record=read_record(metadata(source))
        )
    except PolarsError as error:
        raise AppError(f"{source} is not Parquet ({error}).", "Name another file.") from error

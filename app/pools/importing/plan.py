"""How the raw rows of a source become rows of a pool: type, role and expression of each column, faults of records."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from app.pools.importing import values
from app.pools.importing.batches import FAULT, PLACE, SHOWN, TEXT
from app.pools.importing.fields import RawSource
from app.pools.importing.mapping import FACTS, NO_SCORE, NUMBERS, TALKVID, MappedColumn, Role, normalized
from scoring.runners.part_files import FACTS as KINDS

_LEADING_ZERO = r"^[-+]?0[0-9]"


@dataclass(frozen=True, eq=False)
class ImportColumn:
    """A column of the pool: its origin, role, type, and the expression that computes it from raw rows.

    `fault` is the error message for an invalid value, null for a valid one; it is None if every value is valid. `lost`
    is true for a number that is NaN or infinite and becomes null.
    """

    name: str
    path: str
    role: Role
    kind: pl.DataType
    value: pl.Expr
    fault: pl.Expr | None = None
    lost: pl.Expr | None = None


@dataclass(frozen=True, eq=False)
class ImportPlan:
    """How one source becomes rows of the pool; `clean` is true once all its records are known to be good."""

    raw: RawSource
    columns: tuple[ImportColumn, ...]
    clean: bool = False

    @property
    def fault(self) -> pl.Expr:
        """The reason why a record is left out; null if it is not."""
        return values.first([pl.col(FAULT), *(one.fault for one in self.columns if one.fault is not None)])

    def rows(self, kinds: dict[str, pl.DataType]) -> pl.LazyFrame:
        """The good records as rows with these columns; a column that the source lacks is null."""
        own = {one.name: one for one in self.columns}
        made = [
            (_as(own[name], kind) if name in own else pl.lit(None, kind)).alias(name) for name, kind in kinds.items()
        ]
        return self._good().select(made)

    def named(self) -> pl.LazyFrame:
        """The clips of the good records, with their positions in the source."""
        clip = next(one for one in self.columns if one.name == "clip")
        return self._good().select(clip.value.alias("clip"), pl.col(PLACE), pl.lit(self.raw.name).alias("file"))

    def rejects(self) -> pl.LazyFrame:
        """The bad records: file, line (or record, row, video), reason, and beginning of the text."""
        raw = self.raw
        inside = pl.struct(list(raw.fields.values())).struct.rename_fields(list(raw.fields)).struct.json_encode()
        begins = pl.coalesce(pl.col(TEXT), inside if raw.fields else pl.lit(""))
        return raw.table.filter(self.fault.is_not_null()).select(
            pl.lit(raw.name).alias("file"),
            pl.col(PLACE).alias(raw.counted),
            self.fault.alias("reason"),
            begins.str.slice(0, SHOWN).alias("text"),
        )

    def _good(self) -> pl.LazyFrame:
        return self.raw.table if self.clean else self.raw.table.filter(self.fault.is_null())


def plan_of(raw: RawSource, mapping: Sequence[MappedColumn]) -> ImportPlan:
    """Plan the import of a source. Reads once those texts that may be numbers, to decide on their type."""
    numeric = _numeric(raw, mapping)
    listed = {column["name"] for made in raw.record.get("scorers", ()) for column in made.get("columns", ())}
    found = {one.column: one for one in mapping}
    columns = [_clip(raw, found)]
    columns += _media_and_source(raw, found, columns[0].value)
    columns += [_fact(raw, found.get(name), name) for name in NUMBERS]
    columns.sort(key=lambda one: FACTS.index(one.name))
    for one in mapping:
        if one.column not in FACTS:
            columns.append(_other(raw, one, numeric.get(one.column), listed))
    return ImportPlan(raw, tuple(columns))


def _numeric(raw: RawSource, mapping: Sequence[MappedColumn]) -> dict[str, pl.DataType]:
    """Types of text columns that hold numbers: in all rows, or in most rows if the user mapped the column."""
    texts = {
        one.column: values.raw_value(raw, one)
        for one in mapping
        if one.column not in FACTS
        and one.column not in TALKVID
        and (raw.untyped or one.given)
        and not one.is_text
        and values.kind_of(raw, one) == pl.String
    }
    if not texts:
        return {}
    counts = []
    for place, value in enumerate(texts.values()):
        words = value.str.strip_chars()
        there = values.is_given(value, pl.String())
        counts += [
            there.sum().alias(f"{place} given"),
            (there & words.cast(pl.Float64, strict=False).is_not_null()).sum().alias(f"{place} number"),
            (there & words.cast(pl.Int64, strict=False).is_not_null()).sum().alias(f"{place} whole"),
            words.str.contains(_LEADING_ZERO).sum().alias(f"{place} zero"),
        ]
    row = raw.table.select(counts).collect(engine="streaming").row(0, named=True)
    own = {one.column for one in mapping if one.given}
    kinds: dict[str, pl.DataType] = {}
    for place, name in enumerate(texts):
        given, numbers, whole, zero = (row[f"{place} {what}"] for what in ("given", "number", "whole", "zero"))
        # A number with a leading zero is a name: 007 must stay 007.
        if given and not (zero and whole == given) and (numbers == given or (name in own and 2 * numbers >= given)):
            kinds[name] = pl.Int64() if whole == given else pl.Float64()
    return kinds


def _clip(raw: RawSource, found: dict[str, MappedColumn]) -> ImportColumn:
    """The clip's name: from its field, or the file name without its suffix."""
    if "clip" in found:
        clip, path = values.text(raw, found["clip"]), found["clip"].path
    else:
        media = found["media"]
        clip = values.text(raw, media).str.extract(r"([^/\\]+?)(?:\.[A-Za-z0-9]{1,5})?$")
        path = f"{media.path}, its file name"
    return ImportColumn("clip", path, "fact", pl.String(), clip, values.id_fault(clip))


def _media_and_source(raw: RawSource, found: dict[str, MappedColumn], clip: pl.Expr) -> list[ImportColumn]:
    """Path of the file (default: the clip's name with .mp4) and the video it was cut from (default: by its id)."""
    media = clip + ".mp4"
    media_path = "the clip with .mp4"
    if "media" in found:
        media, media_path = pl.coalesce(values.text(raw, found["media"]), media), found["media"].path
    source = pl.coalesce(values.video_part(clip), clip)
    source_path = "the clip's id before its scene"
    if "source" in found:
        source, source_path = pl.coalesce(values.text(raw, found["source"]), source), found["source"].path
    return [
        ImportColumn("media", media_path, "fact", pl.String(), media),
        ImportColumn("source", source_path, "fact", pl.String(), source),
    ]


def _fact(raw: RawSource, mapped: MappedColumn | None, name: str) -> ImportColumn:
    kind = KINDS[name]()
    spare = _between(raw) if name == "duration" else None
    if mapped is None:
        if spare is not None:
            return ImportColumn(name, "end-time less start-time", "fact", kind, spare)
        return ImportColumn(name, "", "fact", kind, pl.lit(None, kind))
    value, there = values.raw_value(raw, mapped), values.kind_of(raw, mapped)
    if name == "duration":
        short = normalized(mapped.path).endswith("_ms")
        simple = there == pl.String and _is_simple(raw, value)
        read, what = values.seconds(value, there, milliseconds=short, simple=simple), "length"
        lost = ~(read if simple else values.number(value, there)).is_finite()
    else:
        read, what = values.number(value, there), "number"
        lost = ~read.is_finite()
    fault = values.not_a_number(name, value, there, read, what)
    whole = values.finite(read)
    if spare is not None:
        whole = pl.coalesce(whole, spare)
    made = whole.round().cast(kind, strict=False) if kind == pl.Int64 else whole
    return ImportColumn(name, mapped.path, "fact", kind, made, fault, lost)


def _is_simple(raw: RawSource, value: pl.Expr) -> bool:
    """Whether `plain_seconds` can read every duration."""
    odd = value.is_not_null() & values.plain_seconds(value).is_null()
    return not raw.table.select(odd.any()).collect(engine="streaming").item()


def _between(raw: RawSource) -> pl.Expr | None:
    """The time between start and end of a record; None without these fields."""
    ends = []
    for name in ("start_time", "end_time"):
        path = next((path for path in raw.fields if normalized(path) == name), None)
        if path is None:
            return None
        mapped = MappedColumn(name, path)
        ends.append(values.finite(values.number(values.raw_value(raw, mapped), values.kind_of(raw, mapped))))
    between = ends[1] - ends[0]
    return pl.when(between >= 0).then(between)


def _other(raw: RawSource, one: MappedColumn, numeric: pl.DataType | None, listed: set[str]) -> ImportColumn:
    """A column that is a score or metadata."""
    value, there = values.raw_value(raw, one), values.kind_of(raw, one)
    score = one.column in TALKVID or one.column in listed
    if there == pl.Null:
        kind: pl.DataType = pl.Float64() if score else pl.String()
        return ImportColumn(one.column, one.path, "score" if score else "metadata", kind, pl.lit(None, kind))
    if there == pl.Boolean or not (one.column in TALKVID or numeric is not None or there.is_numeric()):
        return ImportColumn(one.column, one.path, "score" if score else "metadata", there, value)
    read = values.number(value, there)
    kind = numeric or (pl.Float64() if one.column in TALKVID or not there.is_integer() else there)
    made = values.finite(read) if kind.is_float() else read.cast(kind) if there == pl.String else value
    counts = not listed and not one.path.startswith("info.") and not NO_SCORE.search(normalized(one.column))
    role: Role = "score" if score or counts else "metadata"
    if not kind.is_float():
        return ImportColumn(one.column, one.path, role, kind, made)
    return ImportColumn(
        one.column, one.path, role, kind, made, values.not_a_number(one.column, value, there, read), ~read.is_finite()
    )


def _as(column: ImportColumn, kind: pl.DataType) -> pl.Expr:
    return column.value if column.kind == kind else column.value.cast(kind)

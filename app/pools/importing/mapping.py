"""Map fields of a source to columns of the pool: guessed from their names, or given by the user with --map."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.errors import AppError, did_you_mean
from app.pools.importing.batches import distinct_names
from app.pools.importing.fields import RawSource

Role = Literal["fact", "score", "metadata"]
GRAMMAR = (
    "--map COLUMN=FIELD takes a column of the pool from a field by its dotted path (--map clip=data.id), "
    "--map 'COLUMN=text {FIELD}' writes it from fields (--map 'media=clips/{id}.mp4'), "
    "--map COLUMN= leaves the column out"
)
FACTS = ("clip", "media", "duration", "width", "height", "fps", "source")
NUMBERS = ("duration", "width", "height", "fps")
_HEAD = ("movement", "rotation", "completeness", "resolution", "orientation")
TALKVID = (
    "dover_scores",
    "cotracker_ratio",
    *(f"{of}_{part}" for part in _HEAD for of in ("avg", "min")),
    "face_consistency",
)
"""Score fields of TalkVid's records (arXiv 2508.13618, data card); a value that is not a number is a fault."""
RESERVED = ("reason", "signature", "identity", "pass_all")
"""Columns with a meaning in a pool; a field with such a name gets the prefix `info_`."""
NO_SCORE = re.compile(
    r"(^|[_. ])(id|index|idx|row|seed|year|start|end|start_time|start_frame|end_time|end_frame|frames|num_frames|bytes"
    r"|size)$"
)
"""Numeric columns with these names (in their normalized form) are metadata, not scores."""
# Names of fields in their normalized form, the likeliest first.
GUESSES: dict[str, tuple[str, ...]] = {
    "clip": ("clip", "clip_id", "data.clip", "data.clip_id", "data.id", "id", "_id.$oid", "uid", "uuid", "key"),
    "media": (
        *("media", "video_path", "media_path", "clip_path", "path", "file_path", "filepath", "file", "file_name"),
        *("filename", "data.video", "data.media", "data.path", "data.url", "video", "video_file", "media_url", "url"),
        "uri",
    ),
    "duration": (
        *("duration", "durations", "duration_s", "duration_sec", "duration_seconds", "seconds", "length_s"),
        *("metadata.duration", "data.duration", "clip_duration", "duration_ms"),
    ),
    "width": ("width", "frame_width", "metadata.frame_width", "data.width", "video_width"),
    "height": ("height", "frame_height", "metadata.frame_height", "data.height", "video_height"),
    "fps": ("fps", "frame_rate", "framerate", "metadata.frame_rate", "data.fps", "video_fps"),
    "source": (
        *("source", "source_id", "source_video", "info.video_link", "video_link", "source_url", "data.source"),
        *("youtube_id", "yt_id"),
    ),
}
_BEFORE_SCORES = ("info", "head_detail.scores", "data")
_LONGEST = 80


@dataclass(frozen=True)
class MappedColumn:
    """A column of the pool and its origin: the path of a field, or a text with `{field}` in it.

    `given` is true if the user gave it with --map.
    """

    column: str
    path: str
    given: bool = False

    @property
    def is_text(self) -> bool:
        """Whether the column is a text made from fields."""
        return "{" in self.path

    @property
    def parts(self) -> list[str]:
        """The pieces of the text: literal, field, literal, field, ..., literal.

        >>> MappedColumn("media", "clips/{id}.mp4").parts
        ['clips/', 'id', '.mp4']
        """
        return re.split(r"\{([^{}]*)\}", self.path)


def normalized(path: str) -> str:
    """The normalized form of a path, in which names are compared.

    >>> normalized("info.Video Link"), normalized("video-path")
    ('info.video_link', 'video_path')
    """
    return re.sub(r"[^\w.$]+", "_", path.strip().lower())


def parsed(maps: Iterable[str]) -> dict[str, str]:
    """The user's options `COLUMN=FIELD`. Raises AppError for another form, or a column that is given twice."""
    found: dict[str, str] = {}
    for text in maps:
        column, sign, path = text.partition("=")
        if not sign or not column.strip():
            raise AppError(f"--map {text!r} has no COLUMN=FIELD.", GRAMMAR + ".")
        if column.strip() in found:
            raise AppError(f"--map gives the column {column.strip()!r} twice.", "Give each column once.")
        found[column.strip()] = path.strip()
    return found


def mapping_of(raw: RawSource, given: dict[str, str]) -> tuple[MappedColumn, ...]:
    """Map the fields of a source: facts of a clip first, then every other field under its own name.

    Raises AppError, with similar names, for a missing field, or if no field names the clips.
    """
    chosen = [MappedColumn(column, _resolved(raw, column, path), given=True) for column, path in given.items() if path]
    taken = {one.column for one in chosen} | set(given)
    plain: dict[str, str] = {}
    for path in raw.fields:
        plain.setdefault(normalized(path), path)
    facts = [_fact(column, plain) for column in FACTS if column not in taken]
    found = [*chosen, *(one for one in facts if one)]
    if not any(one.column in ("clip", "media") for one in found):
        shown = ", ".join(_short(path) for path in list(raw.fields)[:12])
        raise AppError(f"No field of {raw.name} names the clips. It has: {shown}.", f"Say which: {GRAMMAR}.")
    # The field that gives the source is kept as a column too; other fields that are facts are not kept twice.
    used = {one.path for one in found if not one.is_text and one.column != "source"} | {
        one.path for one in found if normalized(one.path) == one.column
    }
    others = [path for path in raw.fields if path not in used]
    out = {normalized(column) for column, path in given.items() if not path}
    names = _names([one.column for one in found], others, own=bool(raw.record))
    rest = [
        MappedColumn(name, path)
        for name, path in zip(names, others, strict=True)
        if not out & {normalized(name), normalized(path)}
    ]
    first = sorted(found, key=lambda one: FACTS.index(one.column) if one.column in FACTS else len(FACTS))
    return (*first, *rest)


def _fact(column: str, plain: dict[str, str]) -> MappedColumn | None:
    return next((MappedColumn(column, plain[name]) for name in GUESSES[column] if name in plain), None)


def _resolved(raw: RawSource, column: str, path: str) -> str:
    """The path of a field that the user names by its path, its normalized form, or its unique last part."""
    if "{" in path:
        parts = MappedColumn(column, path).parts
        if len(parts) < 3 or any("{" in text or "}" in text for text in parts[::2]):
            raise AppError(f"--map {column}={path} has a brace without its partner.", GRAMMAR + ".")
        parts[1::2] = ["{" + _resolved(raw, column, one) + "}" for one in parts[1::2]]
        return "".join(parts)
    if path in raw.fields:
        return path
    for form in (normalized, lambda name: normalized(name).rpartition(".")[2]):
        alike = [field for field in raw.fields if form(field) == normalized(path)]
        if len(alike) == 1:
            return alike[0]
    near = did_you_mean(path, raw.fields) or f"Fields: {', '.join(_short(field) for field in list(raw.fields)[:12])}."
    raise AppError(f"--map {column}={path}: {raw.name} has no field {path!r}. {near}", GRAMMAR + ".")


def _names(taken: Sequence[str], paths: Sequence[str], *, own: bool) -> list[str]:
    """Column names for fields that are not facts: the last part of a path in a known place, else the whole path."""
    names = []
    for path in paths:
        above, _, last = path.rpartition(".")
        name = _clean(last if above in _BEFORE_SCORES else path)
        # Reserved names keep their meaning; a pool that is imported again keeps its columns.
        is_taken = name in (*FACTS, *RESERVED) or name.startswith("pass_")
        names.append(f"info_{name}" if is_taken and not own else name)
    return list(distinct_names([*taken, *names])[len(taken) :])


def _clean(name: str) -> str:
    """A valid column name: without control characters, not read as a pattern by Polars, not too long.

    >>> _clean("^a.*$"), _clean("a\\nb"), _clean("*")
    ('_a.*$', 'a_b', '_')
    """
    name = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", "_", name).strip()
    name = re.sub(r"^[\^*]+", "_", name) or "field"
    return name if len(name) <= _LONGEST else name[:_LONGEST]


def _short(path: str) -> str:
    return path if len(path) <= 60 else path[:59] + "…"

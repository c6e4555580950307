"""Which field of a source becomes which column of the pool: guessed from the names, and overruled by the user."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.errors import AppError, did_you_mean
from app.pools.importing.batches import told_apart
from app.pools.importing.fields import Raw

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
"""Score fields of TalkVid's records (arXiv 2508.13618, data card): values that are no numbers are faults."""
RESERVED = ("reason", "signature", "identity", "pass_all")
"""Columns that mean something in a pool; a field of this name that comes from elsewhere gets `info_` before it."""
NO_SCORE = re.compile(
    r"(^|[_. ])(id|index|idx|row|seed|year|start|end|start_time|start_frame|end_time|end_frame|frames|num_frames|bytes"
    r"|size)$"
)
"""Number columns of these names (in their plain form) are metadata, whoever made them."""
# Names of fields in their plain form, the likeliest first.
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
class Mapped:
    """A column of the pool and where it comes from: the path of a field, or a text with `{field}` in it.

    `given` is true where the user said so.
    """

    column: str
    path: str
    given: bool = False

    @property
    def is_text(self) -> bool:
        """Written from fields, not taken from one."""
        return "{" in self.path

    @property
    def parts(self) -> list[str]:
        """A text's pieces: literal, field, literal, field, ..., literal.

        >>> Mapped("media", "clips/{id}.mp4").parts
        ['clips/', 'id', '.mp4']
        """
        return re.split(r"\{([^{}]*)\}", self.path)


def plain_name(path: str) -> str:
    """A path in the form that names are compared in.

    >>> plain_name("info.Video Link"), plain_name("video-path")
    ('info.video_link', 'video_path')
    """
    return re.sub(r"[^\w.$]+", "_", path.strip().lower())


def parsed(maps: Iterable[str]) -> dict[str, str]:
    """The user's `COLUMN=FIELD` words. Raises AppError for what is none, or a column that is given twice."""
    found: dict[str, str] = {}
    for text in maps:
        column, sign, path = text.partition("=")
        if not sign or not column.strip():
            raise AppError(f"--map {text!r} has no COLUMN=FIELD.", GRAMMAR + ".")
        if column.strip() in found:
            raise AppError(f"--map gives the column {column.strip()!r} twice.", "Give each column once.")
        found[column.strip()] = path.strip()
    return found


def mapping_of(raw: Raw, given: dict[str, str]) -> tuple[Mapped, ...]:
    """The pool's columns from a source's fields, facts first, then every other field under its own name.

    Raises AppError, with the nearest names, for a field that is not there, and where nothing names the clips.
    """
    chosen = [Mapped(column, _resolved(raw, column, path), given=True) for column, path in given.items() if path]
    taken = {one.column for one in chosen} | set(given)
    plain: dict[str, str] = {}
    for path in raw.fields:
        plain.setdefault(plain_name(path), path)
    facts = [_fact(column, plain) for column in FACTS if column not in taken]
    found = [*chosen, *(one for one in facts if one)]
    if not any(one.column in ("clip", "media") for one in found):
        shown = ", ".join(_short(path) for path in list(raw.fields)[:12])
        raise AppError(f"No field of {raw.name} names the clips. It has: {shown}.", f"Say which: {GRAMMAR}.")
    # The source is a reading of another field, which stays; a field that is a fact is not kept a second time.
    used = {one.path for one in found if not one.is_text and one.column != "source"} | {
        one.path for one in found if plain_name(one.path) == one.column
    }
    others = [path for path in raw.fields if path not in used]
    out = {plain_name(column) for column, path in given.items() if not path}
    names = _names([one.column for one in found], others, own=bool(raw.record))
    rest = [
        Mapped(name, path)
        for name, path in zip(names, others, strict=True)
        if not out & {plain_name(name), plain_name(path)}
    ]
    first = sorted(found, key=lambda one: FACTS.index(one.column) if one.column in FACTS else len(FACTS))
    return (*first, *rest)


def _fact(column: str, plain: dict[str, str]) -> Mapped | None:
    return next((Mapped(column, plain[name]) for name in GUESSES[column] if name in plain), None)


def _resolved(raw: Raw, column: str, path: str) -> str:
    """A field as the user wrote it: its whole path, its plain form, or its last part if only one has it."""
    if "{" in path:
        parts = Mapped(column, path).parts
        if len(parts) < 3 or any("{" in text or "}" in text for text in parts[::2]):
            raise AppError(f"--map {column}={path} has a brace without its partner.", GRAMMAR + ".")
        parts[1::2] = ["{" + _resolved(raw, column, one) + "}" for one in parts[1::2]]
        return "".join(parts)
    if path in raw.fields:
        return path
    for form in (plain_name, lambda name: plain_name(name).rpartition(".")[2]):
        alike = [field for field in raw.fields if form(field) == plain_name(path)]
        if len(alike) == 1:
            return alike[0]
    near = did_you_mean(path, raw.fields) or f"Fields: {', '.join(_short(field) for field in list(raw.fields)[:12])}."
    raise AppError(f"--map {column}={path}: {raw.name} has no field {path!r}. {near}", GRAMMAR + ".")


def _names(taken: Sequence[str], paths: Sequence[str], *, own: bool) -> list[str]:
    """The columns of fields that are no facts: their last part where they lie in a known place, else the path."""
    names = []
    for path in paths:
        above, _, last = path.rpartition(".")
        name = _clean(last if above in _BEFORE_SCORES else path)
        # The pool's own words keep their meaning; a pool that is imported again keeps its own columns.
        is_taken = name in (*FACTS, *RESERVED) or name.startswith("pass_")
        names.append(f"info_{name}" if is_taken and not own else name)
    return list(told_apart([*taken, *names])[len(taken) :])


def _clean(name: str) -> str:
    """A name that can be a column: no control characters, nothing that is read as a pattern, not endless.

    >>> _clean("^a.*$"), _clean("a\\nb"), _clean("*")
    ('_a.*$', 'a_b', '_')
    """
    name = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", "_", name).strip()
    name = re.sub(r"^[\^*]+", "_", name) or "field"
    return name if len(name) <= _LONGEST else name[:_LONGEST]


def _short(path: str) -> str:
    return path if len(path) <= 60 else path[:59] + "…"

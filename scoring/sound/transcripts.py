"""Transcripts of clips, in WebVTT or SubRip, read leniently: when someone speaks. For the audio scorer.

Times in a transcript count from the start of the clip. A transcript of the whole source video must be divided with it.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

SUFFIXES = (".vtt", ".srt")
"""Suffixes of transcripts, the preferred first."""
LARGEST = 8_000_000
"""Bytes: ten minutes of speech need a few thousand; a larger file is no transcript."""
CLOCK = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
TIMING = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}(?:\s|$)")
NO_CUES = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
"""The start of blocks of a WebVTT file that are not shown."""
MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
"""Tags of both formats, times within a cue, and positions in braces in some SubRip files."""
SUNG = re.compile(r"[♩♪♫♬][^♩♪♫♬]*[♩♪♫♬]|[♩♪♫♬][^\n]*")
"""Song: from a note sign to the next one, or to the end of the line."""
SOUNDS = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|【[^【】]*】")
"""Sounds that are not speech, in brackets."""


class TranscriptError(Exception):
    """The file is no transcript. The message says why."""


@dataclass(frozen=True)
class Cue:
    """Text, and when it is shown: `start` and `end` in s from the start of the clip."""

    start: float
    end: float
    text: str


def transcripts_in(folder: Path) -> dict[str, Path]:
    """The transcripts in a folder by the clip's name without suffix: `a.vtt`, `a.srt`, or with a language `a.en.vtt`.

    Of several, the one without a language counts, and WebVTT before SubRip. A missing folder has none.
    """
    found: dict[str, Path] = {}
    paths = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES] if folder.is_dir() else []
    paths.sort(key=lambda path: (SUFFIXES.index(path.suffix.lower()), path.name))
    for path in paths:
        found.setdefault(path.stem, path)
    for path in paths:
        found.setdefault(path.stem.rpartition(".")[0] or path.stem, path)
    return found


def read_cues(path: Path) -> list[Cue]:
    """The cues of a file. Raises TranscriptError for a file that cannot be read or is no transcript."""
    try:
        if path.stat().st_size > LARGEST:
            raise TranscriptError(f"The transcript {path.name} is larger than {LARGEST // 1_000_000} MB.")
        data = path.read_bytes()
    except OSError as error:
        raise TranscriptError(f"The transcript {path.name} cannot be read ({error.strerror or error}).") from error
    text = _decoded(data)
    if "\0" in text:
        raise TranscriptError(f"The transcript {path.name} is not a text file.")
    cues = list(cues_in(text))
    if not cues and text.strip() and not text.lstrip().startswith("WEBVTT"):
        raise TranscriptError(f"The transcript {path.name} has no times in it.")
    return cues


def cues_in(text: str) -> Iterator[Cue]:
    """The cues of a WebVTT or SubRip text, in the order of the text; malformed lines are skipped.

    WebVTT: W3C Candidate Recommendation, 4 April 2019. SubRip has no standard: numbers, and commas in the times.

    >>> [cue.text for cue in cues_in("1\\n00:00:01,000 --> 00:00:02,500\\nGood morning\\n")]
    ['Good morning']
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    for block in re.split(r"\n[ \t]*\n", plain):
        lines = block.strip("\n").split("\n")
        if not NO_CUES.match(lines[0]):
            yield from _cues_of(lines)


def is_speech(text: str) -> bool:
    """True if a cue has spoken words; music, songs and sounds in brackets are not speech.

    >>> is_speech("[Music]"), is_speech("♪ la la ♪"), is_speech("[laughs] <i>Well</i>")
    (False, False, True)
    """
    said = SOUNDS.sub(" ", SUNG.sub(" ", html.unescape(MARKUP.sub(" ", text))))
    return any(sign.isalnum() for sign in said)


def speech_seconds(cues: Iterable[Cue], duration: float) -> float:
    """The seconds of a clip of `duration` s that cues with speech cover; overlapping cues count once.

    >>> speech_seconds([Cue(0, 2, "Good"), Cue(1, 3, "morning"), Cue(4, 9, "[Music]")], 5)
    3.0
    """
    spoken = sorted((max(0.0, cue.start), min(duration, cue.end)) for cue in cues if is_speech(cue.text))
    total, until = 0.0, 0.0
    for start, end in spoken:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _cues_of(lines: list[str]) -> Iterator[Cue]:
    """The cues of a block, usually one. Lines before the first times are its number or name."""
    starts = [place for place, line in enumerate(lines) if TIMING.match(line)]
    for place, following in pairwise([*starts, len(lines)]):
        said = lines[place + 1 : following]
        if following < len(lines) and said and said[-1].strip().isdigit():
            del said[-1]  # the number of the cue that follows without an empty line
        times = TIMING.match(lines[place])
        assert times is not None
        start, end = _seconds(*times.groups()[:4]), _seconds(*times.groups()[4:])
        if end > start:
            yield Cue(start, end, "\n".join(said))


def _seconds(hours: str | None, minutes: str, seconds: str, part: str | None) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{part or 0}")


def _decoded(data: bytes) -> str:
    """The text of a file. Old files use one of many one-byte encodings; decoded as Latin-1 words remain words."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace").lstrip("\ufeff")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")

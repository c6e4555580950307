"""What browsers play without effort, and whether a clip is that."""

from dataclasses import dataclass
from pathlib import Path

import av

from scoring.video.reading import OPENING

CODECS = frozenset({"h264", "vp8", "vp9", "av1"})
"""What browsers play; of these, 8 bits in 4:2:0."""
PIXELS = frozenset({"yuv420p", "yuvj420p"})
SOUNDS = frozenset({"aac", "mp3", "opus", "vorbis", "flac"})
ENDINGS = {".mp4": "mp4", ".m4v": "mp4", ".webm": "webm"}
"""Containers browsers play: the ending says MP4 or WebM, and the file must be of that family."""
MEGABITS = 4.0
"""Mbit per second over the whole file, above which a clip stalls on slow lines."""
LONG, SHORT = 1920, 1080
"""Pixels of the longer and the shorter side that a browser shows without effort."""
PROXY_SIDE = 720
"""Pixels of a proxy's shorter side, at most."""


@dataclass(frozen=True)
class Container:
    """What the file's container says: names as ffmpeg has them, sides in pixels as displayed, seconds, bytes.

    `duration` is 0 where the container states none.
    """

    family: str
    codec: str
    pixels: str
    sound: str | None
    width: int
    height: int
    duration: float
    bytes: int


def inspect(path: Path) -> Container:
    """What a file's container says, and its first frame where only that tells. Raises FFmpegError or OSError."""
    with av.open(str(path.absolute()), options=OPENING) as container:
        video = container.streams.video[0]
        sound = next(iter(container.streams.audio), None)
        first = next(container.decode(video))
        shape = video.sample_aspect_ratio or 1
        size = (round(first.width * shape), first.height)
        return Container(
            container.format.name,
            video.codec_context.name,
            first.format.name,
            sound.codec_context.codec.canonical_name if sound else None,
            *(size[::-1] if round(first.rotation) % 180 == 90 else size),
            (container.duration or 0) / av.time_base,
            path.stat().st_size,
        )


def needs(found: Container, ending: str, megabits: float = MEGABITS) -> tuple[str, ...]:
    """Why a clip needs a proxy, in a few words each; nothing if it needs none.

    >>> needs(Container("mov,mp4,m4a", "h264", "yuv420p", "aac", 1920, 1080, 5.0, 1_000_000), ".mp4")
    ()
    >>> needs(Container("mov,mp4,m4a", "hevc", "yuv420p10le", "aac", 2160, 3840, 5.0, 9_000_000), ".mov")
    ('container', 'codec', 'over 4 Mbit/s', 'over 1080p')
    """
    reasons = {
        "container": ENDINGS.get(ending.lower(), "no") not in found.family.split(","),
        "codec": found.codec not in CODECS or found.pixels not in PIXELS,
        "sound": found.sound is not None and found.sound not in SOUNDS,
        f"over {megabits:g} Mbit/s": found.duration > 0 and found.bytes * 8 > megabits * 1e6 * found.duration,
        "over 1080p": max(found.width, found.height) > LONG or min(found.width, found.height) > SHORT,
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def fit(width: int, height: int, side: int = PROXY_SIDE) -> tuple[int, int]:
    """Even width and height with the shorter side at most `side`, in the same proportion.

    >>> fit(3840, 2160), fit(1080, 1920), fit(321, 181)
    ((1280, 720), (720, 1280), (320, 180))
    """
    scale = min(1.0, side / min(width, height))
    return max(2, int(width * scale / 2 + 1e-9) * 2), max(2, int(height * scale / 2 + 1e-9) * 2)

"""Which clips browsers can play directly, and which need a proxy: a converted copy."""

from dataclasses import dataclass
from pathlib import Path

import av

from scoring.video.reading import DECODER_OPTIONS

CODECS = frozenset({"h264", "vp8", "vp9", "av1"})
"""Picture codecs that browsers play, with 8 bits per value in 4:2:0."""
PIXELS = frozenset({"yuv420p", "yuvj420p"})
"""Pixel formats that browsers play."""
SOUNDS = frozenset({"aac", "mp3", "opus", "vorbis", "flac"})
"""Sound codecs that browsers play."""
ENDINGS = {".mp4": "mp4", ".m4v": "mp4", ".webm": "webm"}
"""Containers that browsers play, by the file's suffix; the file must be of that family."""
MEGABITS = 4.0
"""Mbit per second over the whole file, above which a clip stalls on slow connections."""
LONG, SHORT = 1920, 1080
"""Pixels of the longer and the shorter side, up to which browsers play smoothly."""
PROXY_SIDE = 720
"""Pixels: the greatest length of a proxy's shorter side."""


@dataclass(frozen=True)
class Container:
    """What a file's container states: names as in FFmpeg, size in pixels as displayed, duration in s, size in bytes.

    `duration` is 0 if the container states none.
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
    """What a file's container and its first frame state. Raises FFmpegError or OSError if it cannot be read."""
    with av.open(str(path.absolute()), options=DECODER_OPTIONS) as container:
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
    """The reasons why a clip needs a proxy; empty if it needs none. `ending` is the file's suffix.

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
    """Even width and height in the same proportion, with the shorter side at most `side` pixels.

    >>> fit(3840, 2160), fit(1080, 1920), fit(321, 181)
    ((1280, 720), (720, 1280), (320, 180))
    """
    scale = min(1.0, side / min(width, height))
    return max(2, int(width * scale / 2 + 1e-9) * 2), max(2, int(height * scale / 2 + 1e-9) * 2)

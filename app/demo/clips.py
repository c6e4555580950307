"""Make the demo's clips: 24 short videos of two faces, good and degraded, with known faults."""

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.codec.context import Flags

from app.demo.faults import FAULTS, Fault, pictures
from app.demo.footage import HEIGHT, WIDTH, Source, forget_stages
from scoring.images import Image

VERSION = "1"
"""Increase this when pictures or known values change: clips of another version are made again."""
FPS = 25
FINE = 20
"""Quantiser (x264's crf) of every clip, so that the files do not differ in their settings."""
COARSE = (30, 18)
"""Quantiser of the first pass of the fault "compression": the first value, plus up to the second by strength."""
MILD, STRONG = 0.4, 1.0


@dataclass(frozen=True)
class DemoClip:
    """A demo clip and its known values.

    `strength` of the fault is 0 to 1. `quality` and `stability` are the answers of a careful rater on a scale from
    1 (bad) to 5 (excellent), `acceptable` is the probability (0 to 1) that this rater accepts the clip.
    """

    clip: str
    path: Path
    source: str
    fault: Fault
    strength: float
    quality: float
    stability: float
    acceptable: float


PLAN: tuple[tuple[Source, Fault, float], ...] = (
    ("astronaut-a", "none", 0),
    ("carphone-b", "shake", MILD),
    ("carphone-c", "compression", STRONG),
    ("astronaut-c", "second face", MILD),
    ("carphone-a", "none", 0),
    ("astronaut-b", "leaving", STRONG),
    ("carphone-c", "cut", STRONG),
    ("astronaut-a", "blur", MILD),
    ("carphone-b", "darkness", STRONG),
    ("astronaut-c", "none", 0),
    ("carphone-a", "freeze", MILD),
    ("astronaut-b", "downscale", STRONG),
    ("carphone-c", "none", 0),
    ("astronaut-a", "shake", STRONG),
    ("carphone-a", "compression", MILD),
    ("astronaut-c", "cut", MILD),
    ("carphone-b", "second face", STRONG),
    ("astronaut-b", "none", 0),
    ("carphone-a", "blur", STRONG),
    ("astronaut-c", "freeze", STRONG),
    ("carphone-b", "none", 0),
    ("astronaut-a", "leaving", MILD),
    ("carphone-c", "downscale", MILD),
    ("astronaut-b", "darkness", MILD),
)
"""Source, fault and strength of every clip, in the order of the clips' names."""

BEST = {"carphone": (3.9, 4.3, 0.88), "astronaut": (4.7, 4.6, 0.95)}
"""Quality, stability and probability of acceptance without a fault; lower for carphone, which is a small video."""


def make_demo_clips(folder: Path, *, on_clip: Callable[[int, int], None] | None = None) -> tuple[DemoClip, ...]:
    """Make the 24 clips in `folder`, with `manifest.jsonl` and `truth.json`; return the clips.

    Only `truth.json` contains the faults. The same versions of the libraries make the same bytes. A complete set of
    this version is used as it is. `on_clip` is called with (clips done, clips in total). Raises AppError if the
    packages that contain the footage are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clips = tuple(describe(folder, number) for number in range(1, len(PLAN) + 1))
    if _complete(folder, clips):
        return clips
    (folder / "truth.json").unlink(missing_ok=True)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for done, _ in enumerate(pool.map(make_clip, clips), start=1):
            if on_clip:
                on_clip(done, len(clips))
    forget_stages()
    records = [{"id": c.clip, "video-path": c.path.name, "source": c.source, "info": {}} for c in clips]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    truth = {"version": VERSION, "clips": [asdict(clip) | {"path": clip.path.name} for clip in clips]}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", "utf-8")  # last: it marks the set complete
    return clips


def describe(folder: Path, number: int) -> DemoClip:
    """The known values of clip `number` (1 to 24), whose file is in `folder`.

    The values are set, not measured: each fault reduces the best values of its footage.

    >>> describe(Path("demo"), 1).clip, describe(Path("demo"), 1).fault
    ('clip-01', 'none')
    """
    source, fault, strength = PLAN[number - 1]
    quality, stability, acceptable = BEST[source.split("-")[0]]
    cost = FAULTS[fault]
    return DemoClip(
        clip=f"clip-{number:02d}",
        path=folder / f"clip-{number:02d}.mp4",
        source=source,
        fault=fault,
        strength=strength,
        quality=round(max(1.0, quality - cost.quality * strength), 2),
        stability=round(max(1.0, stability - cost.stability * strength), 2),
        acceptable=round(acceptable * (1 - cost.rejection * strength), 3),
    )


def make_clip(clip: DemoClip) -> None:
    """Write one clip: H.264, 640x360, 25 frames per second, 4.48 s, playable before it is loaded completely."""
    source, fault, strength = PLAN[int(clip.clip.removeprefix("clip-")) - 1]
    shown = pictures(source, fault, strength)
    if fault == "compression":
        coarse = io.BytesIO()
        encode(coarse, shown, round(COARSE[0] + COARSE[1] * strength))
        coarse.seek(0)
        shown = _decoded(coarse)
    encode(clip.path, shown, FINE)


def encode(file: Path | io.BytesIO, shown: Iterable[Image], quantiser: int) -> None:
    """Write pictures (360, 640, 3) as an H.264 MP4 that is the same in every run."""
    target = str(file) if isinstance(file, Path) else file
    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if isinstance(file, Path) else {})
    with av.open(target, "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.flags |= Flags.bitexact
        # With more threads the encoder would divide pictures differently on another machine.
        stream.options = {"preset": "veryfast", "crf": str(quantiser), "threads": "1"}
        for picture in shown:
            planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())


def _decoded(file: io.BytesIO) -> Iterator[Image]:
    with av.open(file, "r") as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _complete(folder: Path, clips: tuple[DemoClip, ...]) -> bool:
    """True if the folder has all files of this version; `truth.json` is written last."""
    truth = folder / "truth.json"
    if not truth.is_file() or json.loads(truth.read_text("utf-8"))["version"] != VERSION:
        return False
    return (folder / "manifest.jsonl").is_file() and all(clip.path.is_file() for clip in clips)

"""The demo's clips: 24 short videos of two faces, good and degraded, whose faults are known."""

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
from scoring.frames import Image

VERSION = "1"
"""Raise it when the pictures or the truth change: clips of another version are made anew."""
FPS = 25
FINE = 20
"""Quantiser (x264's crf) of every clip, so that nothing in the file tells one from another."""
COARSE = (30, 18)
"""Quantiser of the first pass that spoils a picture by compression: the first, and up to the second more."""
MILD, STRONG = 0.4, 1.0


@dataclass(frozen=True)
class DemoClip:
    """A demo clip and what is true of it.

    `strength` of the fault is 0 to 1. `quality` and `stability` are what a careful rater would say on a scale from
    1 (bad) to 5 (excellent), `acceptable` is the probability (0 to 1) that he would keep the clip.
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
"""Source, fault and strength of every clip, in the order of their names, which tell nothing."""

BEST = {"carphone": (3.9, 4.3, 0.88), "astronaut": (4.7, 4.6, 0.95)}
"""Quality, stability and probability of acceptance without a fault; the carphone video is small and shows it."""


def make_demo_clips(folder: Path, *, on_clip: Callable[[int, int], None] | None = None) -> tuple[DemoClip, ...]:
    """Make the 24 clips in `folder`, with `manifest.jsonl` and, apart from it, `truth.json`; return the truth.

    Nothing but the truth file says which fault a clip has. The same versions of the libraries make the same bytes.
    A complete set of this version is taken as it is. `on_clip(done, total)` is called after each clip. Raises
    AppError if the packages that carry the faces are missing.
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
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", "utf-8")  # last: it says that all is there
    return clips


def describe(folder: Path, number: int) -> DemoClip:
    """What is true of clip `number` (1 to 24), to be found in `folder`.

    The opinions are set, not measured: each fault takes its share from the best of its footage.

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
    """Write one clip: H.264, 640x360, 25 frames per second, 4.48 s, ready to play before it has loaded fully."""
    source, fault, strength = PLAN[int(clip.clip.removeprefix("clip-")) - 1]
    shown = pictures(source, fault, strength)
    if fault == "compression":
        coarse = io.BytesIO()
        encode(coarse, shown, round(COARSE[0] + COARSE[1] * strength))
        coarse.seek(0)
        shown = _decoded(coarse)
    encode(clip.path, shown, FINE)


def encode(file: Path | io.BytesIO, shown: Iterable[Image], quantiser: int) -> None:
    """Write pictures (360, 640, 3) as an H.264 MP4 without times, names or anything else that differs between runs."""
    target = str(file) if isinstance(file, Path) else file
    options = {"fflags": "+bitexact"} | ({"movflags": "+faststart"} if isinstance(file, Path) else {})
    with av.open(target, "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.flags |= Flags.bitexact
        # More threads would cut the pictures up otherwise on another machine.
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
    """The folder holds all files of this version; the truth file, written last, says so."""
    truth = folder / "truth.json"
    if not truth.is_file() or json.loads(truth.read_text("utf-8"))["version"] != VERSION:
        return False
    return (folder / "manifest.jsonl").is_file() and all(clip.path.is_file() for clip in clips)

"""Where a long video changes scene, and which parts between the changes are clips."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from scenedetect.common import FrameTimecode  # type: ignore[import-untyped]  # ships no type information
from scenedetect.detectors import ContentDetector, HistogramDetector  # type: ignore[import-untyped]  # the same

from scoring.images import Image
from scoring.video.packets import is_lying
from scoring.video.reading import Unreadable, opened, refuse_by_name

CONTENT = 10.0
"""TalkVid's threshold for scenedetect's ContentDetector, whose own default is 27: mean change of hue, saturation and
value between neighbouring frames, 0-255. Source of both: data_pipeline/1_video_rough_segmentation/README.md in
FreedomIntelligence/TalkVid (arXiv 2508.13618), which recommends either detector.
"""
HISTOGRAM = 0.085
"""TalkVid's threshold for scenedetect's HistogramDetector, in a time when its default was 0.05: 1 minus the
correlation of two neighbouring frames' luma histograms.
"""
BINS = 256
"""Bins of those histograms: the HistogramDetector's default when TalkVid was made (today's is 128)."""
APART = 15
"""Frames between two cuts of one detector, at least: scenedetect's default, which TalkVid left alone."""
SIDE = 256
"""Longest side in pixels of what the detectors see, as in scenedetect itself."""
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
"""Pixel formats of three planes with one byte per value: scaled plane by plane, without a picture in full size."""
SLACK = Fraction(1, 1000)
"""Seconds by which a part may be too short: some containers round time stamps to milliseconds."""


@dataclass(frozen=True)
class Cutting:
    """How to cut: thresholds of the two detectors (None: without that one), shortest and longest part in seconds.

    Raises ValueError for a threshold out of range or limits that contradict each other.
    """

    content: float | None = CONTENT
    histogram: float | None = HISTOGRAM
    shortest: float = 5.0
    longest: float | None = 60.0

    def __post_init__(self) -> None:
        if self.content is not None and not 0 < self.content <= 255:
            raise ValueError(f"The content threshold lies between 0 and 255, not at {self.content:g}.")
        if self.histogram is not None and not 0 < self.histogram <= 1:
            raise ValueError(f"The histogram threshold lies between 0 and 1, not at {self.histogram:g}.")
        if not self.shortest >= 0:
            raise ValueError(f"The shortest part cannot be {self.shortest:g} s long.")
        # Halves of a part just over the limit must not fall below the other limit.
        if self.longest is not None and not self.longest >= max(2 * self.shortest, 1):
            raise ValueError(f"The longest part must be at least twice the shortest and 1 s, not {self.longest:g} s.")


@dataclass(frozen=True)
class Part:
    """Frames `start` to `end` of a video, the latter not included; counted from 0."""

    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Footage:
    """What one pass over a video found.

    `stamps` are the frames' time stamps in units of `tick` seconds, and one more for the end; `cuts` the numbers of the
    frames that open a scene (never 0). `decoding` holds the packets' stamps in the order of decoding, `keys` the
    decoding time of every key frame by its stamp. Width and height in pixels as displayed.
    """

    path: Path
    codec: str
    tick: Fraction
    stamps: list[int]
    cuts: list[int]
    width: int
    height: int
    decoding: list[int] = field(default_factory=list)
    keys: dict[int, int | None] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return len(self.stamps) - 1

    @property
    def fps(self) -> float:
        """Mean frames per second."""
        return float(self.frames / self.time(self.frames))

    def time(self, frame: int) -> Fraction:
        """When a frame begins, in seconds from the first one; `frames` gives the end."""
        return (self.stamps[frame] - self.stamps[0]) * self.tick

    def seconds(self, part: Part) -> Fraction:
        """How long a part is."""
        return self.time(part.end) - self.time(part.start)


def watch(path: Path, cutting: Cutting, on_share: Callable[[float], None] | None = None) -> Footage:
    """Decode a video once and find its cuts: what either detector finds is one. `on_share` hears how much is seen, 0-1.

    Raises Unreadable, with the reason in plain words, for what is no video or breaks off.

    >>> watch(Path("nowhere.mp4"), Cutting())
    Traceback (most recent call last):
    scoring.video.reading.Unreadable: There is no such file.
    """
    refuse_by_name(path)
    with plain_words(), opened(path) as container:
        if not container.streams.video:
            raise Unreadable("There is no picture in this file, only sound or text.")
        video = container.streams.video[0]
        video.thread_type = "AUTO"
        tick = Fraction(video.time_base or 0)
        promised = (video.duration or 0) * tick or Fraction(container.duration or 0, av.time_base)
        detectors = _Detectors(cutting, Fraction(video.average_rate or 25))
        footage = Footage(path, video.codec_context.name, tick, [], [], 0, 0)
        size = (0, 0)
        for raw in _decoded(container, video, footage):
            detectors.see(len(footage.stamps) - 1, raw)
            size = size if any(size) else _displayed(raw)
            if on_share and promised:
                on_share(min(1.0, float((footage.stamps[-1] - footage.stamps[0]) * tick / promised)))
    _close(footage.stamps, tick, promised)
    return Footage(path, footage.codec, tick, footage.stamps, detectors.cuts(), *size, footage.decoding, footage.keys)


def scenes(footage: Footage) -> list[Part]:
    """The parts between cuts: every frame is in exactly one.

    >>> scenes(Footage(Path("a.mp4"), "h264", Fraction(1, 25), list(range(101)), [40], 320, 180))
    [Part(start=0, end=40), Part(start=40, end=100)]
    """
    return [Part(start, end) for start, end in pairwise([0, *footage.cuts, footage.frames])]


def clips(footage: Footage, cutting: Cutting) -> list[Part]:
    """The scenes that are long enough; those that are too long in even pieces.

    A division moves to a key frame nearby, by a tenth of a piece at most, so that the stream can be copied.

    >>> footage = Footage(Path("a.mp4"), "h264", Fraction(1, 25), list(range(2401)), [100], 320, 180, keys={1240: 1240})
    >>> clips(footage, Cutting())
    [Part(start=100, end=1240), Part(start=1240, end=2400)]
    """
    keys = [number for number, stamp in enumerate(footage.stamps[:-1]) if stamp in footage.keys]
    kept: list[Part] = []
    for scene in scenes(footage):
        if footage.seconds(scene) >= Fraction(cutting.shortest) - SLACK:
            kept.extend(_pieces(footage, scene, cutting, keys))
    return kept


def _pieces(footage: Footage, scene: Part, cutting: Cutting, keys: list[int]) -> list[Part]:
    if cutting.longest is None or footage.seconds(scene) <= Fraction(cutting.longest) + SLACK:
        return [scene]
    longest, shortest = Fraction(cutting.longest), Fraction(cutting.shortest)
    count = ceil(footage.seconds(scene) / longest)
    piece = footage.seconds(scene) / count
    # Both neighbours may move, so half the room there is belongs to each.
    room = min(piece / 10, (longest - piece) / 2, (piece - shortest) / 2)
    bounds = [scene.start]
    for number in range(1, count):
        due = footage.time(scene.start) + number * piece
        near = [key for key in keys if abs(footage.time(key) - due) <= room and scene.start < key < scene.end]
        exact = bisect_left(footage.stamps, footage.stamps[0] + due / footage.tick)
        bounds.append(min(near, key=lambda key: abs(footage.time(key) - due), default=exact))
    return [Part(start, end) for start, end in pairwise([*bounds, scene.end])]


class _Detectors:
    """Both detectors before one row of frames."""

    def __init__(self, cutting: Cutting, fps: Fraction) -> None:
        self._fps = fps
        self._detectors = []
        if cutting.content is not None:
            self._detectors.append(ContentDetector(threshold=cutting.content, min_scene_len=APART))
        if cutting.histogram is not None:
            self._detectors.append(HistogramDetector(threshold=cutting.histogram, bins=BINS, min_scene_len=APART))
        self._found: set[int] = set()
        self._size = (0, 0)

    def see(self, number: int, raw: av.VideoFrame) -> None:
        if not any(self._size):
            self._size = _seen_size(raw.width, raw.height)
        picture = _seen(raw, *self._size)
        time = FrameTimecode(number, self._fps)
        for detector in self._detectors:
            self._found.update(cut.frame_num for cut in detector.process_frame(time, picture))

    def cuts(self) -> list[int]:
        return sorted(self._found - {0})


def _seen_size(width: int, height: int) -> tuple[int, int]:
    """Even width and height of what the detectors see."""
    scale = min(1.0, SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _seen(raw: av.VideoFrame, width: int, height: int) -> Image:
    """The frame in small, (height, width, 3) in BGR.

    Scaled by linear interpolation as scenedetect does, on which its thresholds rest, but before the colours are
    converted: 1080p takes a fifth of the time so.
    """
    raw = raw if raw.format.name in PLANAR else raw.reformat(format="yuv420p")
    sizes = ((width, height), (width // 2, height // 2), (width // 2, height // 2))
    planes = []
    for plane, size in zip(raw.planes, sizes, strict=True):
        full = np.asarray(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        planes.append(cv2.resize(full, size, interpolation=cv2.INTER_LINEAR).reshape(-1))
    packed = np.concatenate(planes).reshape(height * 3 // 2, width)
    return np.asarray(cv2.cvtColor(packed, cv2.COLOR_YUV2BGR_I420), np.uint8)


def _decoded(
    container: av.container.InputContainer, video: av.VideoStream, footage: Footage
) -> Iterator[av.VideoFrame]:
    """Frames in order; on the way their stamps, and what the packets say, are written into `footage`."""
    for packet in container.demux(video):
        if packet.pts is not None and not packet.is_discard:
            footage.decoding.append(packet.pts)
            if packet.is_keyframe:
                footage.keys[packet.pts] = packet.dts
        for raw in packet.decode():
            if raw.pts is None:
                raise Unreadable("Its frames carry no time stamps. Convert it to MP4.")
            # A frame that repeats or goes back in time is not shown by players either.
            if not footage.stamps or raw.pts > footage.stamps[-1]:
                footage.stamps.append(raw.pts)
                yield raw


def _close(stamps: list[int], tick: Fraction, promised: Fraction) -> None:
    """Add the end of the last frame. Raises Unreadable for no frames, or far fewer than the file's index states."""
    if not stamps:
        raise Unreadable("Not one picture in it can be decoded.")
    if len(stamps) == 1:
        raise Unreadable("It holds a single frame: a picture, not a clip.")
    stamps.append(stamps[-1] + max(1, round((stamps[-1] - stamps[0]) / (len(stamps) - 1))))
    duration = (stamps[-1] - stamps[0]) * tick
    # Half a second of slack: edit lists and last frames of odd length are no damage.
    if duration < Fraction(9, 10) * promised and promised - duration > Fraction(1, 2):
        raise Unreadable(f"The file breaks off: {float(duration):.1f} of {float(promised):.1f} s can be read.")


def _displayed(raw: av.VideoFrame) -> tuple[int, int]:
    """Width and height as a player shows them: phones store portrait video lying down and say so beside it."""
    return (raw.height, raw.width) if is_lying(raw) else (raw.width, raw.height)


@contextmanager
def plain_words() -> Iterator[None]:
    """The decoder's complaints as Unreadable."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise Unreadable(f"This is not a video, or it is damaged ({error.strerror or error}).") from error

"""Finding the scene cuts of a long video, and choosing the segments between them that become clips."""

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
"""Frames between two cuts of one detector, at least: scenedetect's default, which TalkVid did not change."""
SIDE = 256
"""Pixels: the longest side of the picture that the detectors see, as in scenedetect itself."""
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
"""Pixel formats of three planes with one byte per value. They are scaled plane by plane, which is faster."""
SLACK = Fraction(1, 1000)
"""Seconds by which a segment may be too short: some containers round time stamps to milliseconds."""


@dataclass(frozen=True)
class SegmentSettings:
    """How a video is divided: the detectors' thresholds (None: detector not used), and the limits of a clip in seconds.

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
        # Halves of a scene just over the limit must not fall below the other limit.
        if self.longest is not None and not self.longest >= max(2 * self.shortest, 1):
            raise ValueError(f"The longest part must be at least twice the shortest and 1 s, not {self.longest:g} s.")


@dataclass(frozen=True)
class Segment:
    """Frames `start` to `end` of a video, the latter not included; counted from 0."""

    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Footage:
    """A video after one pass over it: its frames' times and its scene cuts.

    `stamps` are the frames' time stamps in units of `tick` seconds, and one more for the end; `cuts` are the numbers
    of the frames that begin a scene (never 0). `decoding` holds the packets' stamps in decoding order, `keys` the
    decoding time of each key frame by its stamp. Width and height are in pixels as displayed.
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
        """The number of frames."""
        return len(self.stamps) - 1

    @property
    def fps(self) -> float:
        """Mean frames per second."""
        return float(self.frames / self.time(self.frames))

    def time(self, frame: int) -> Fraction:
        """The time at which a frame begins, in seconds from the first; for the number `frames`, the end."""
        return (self.stamps[frame] - self.stamps[0]) * self.tick

    def seconds(self, segment: Segment) -> Fraction:
        """The length of a segment in seconds."""
        return self.time(segment.end) - self.time(segment.start)


def find_cuts(path: Path, settings: SegmentSettings, on_share: Callable[[float], None] | None = None) -> Footage:
    """Decode a video once and find its scene cuts: each cut that at least one detector finds.

    `on_share` is called with the share of the video that is decoded, 0 to 1. Raises Unreadable with the reason for a
    file that is no video or is truncated.

    >>> find_cuts(Path("nowhere.mp4"), SegmentSettings())
    Traceback (most recent call last):
    scoring.video.reading.Unreadable: There is no such file.
    """
    refuse_by_name(path)
    with unreadable_errors(), opened(path) as container:
        if not container.streams.video:
            raise Unreadable("There is no picture in this file, only sound or text.")
        video = container.streams.video[0]
        video.thread_type = "AUTO"
        tick = Fraction(video.time_base or 0)
        promised = (video.duration or 0) * tick or Fraction(container.duration or 0, av.time_base)
        detectors = _Detectors(settings, Fraction(video.average_rate or 25))
        footage = Footage(path, video.codec_context.name, tick, [], [], 0, 0)
        size = (0, 0)
        for raw in _decoded(container, video, footage):
            detectors.see(len(footage.stamps) - 1, raw)
            size = size if any(size) else _displayed(raw)
            if on_share and promised:
                on_share(min(1.0, float((footage.stamps[-1] - footage.stamps[0]) * tick / promised)))
    _close(footage.stamps, tick, promised)
    return Footage(path, footage.codec, tick, footage.stamps, detectors.cuts(), *size, footage.decoding, footage.keys)


def scenes(footage: Footage) -> list[Segment]:
    """The segments between cuts: every frame is in exactly one.

    >>> scenes(Footage(Path("a.mp4"), "h264", Fraction(1, 25), list(range(101)), [40], 320, 180))
    [Segment(start=0, end=40), Segment(start=40, end=100)]
    """
    return [Segment(start, end) for start, end in pairwise([0, *footage.cuts, footage.frames])]


def clip_segments(footage: Footage, settings: SegmentSettings) -> list[Segment]:
    """The segments that become clips: scenes that are long enough, and even pieces of scenes that are too long.

    A division moves to a key frame nearby, by at most a tenth of a piece, so that the stream can be copied.

    >>> footage = Footage(Path("a.mp4"), "h264", Fraction(1, 25), list(range(2401)), [100], 320, 180, keys={1240: 1240})
    >>> clip_segments(footage, SegmentSettings())
    [Segment(start=100, end=1240), Segment(start=1240, end=2400)]
    """
    keys = [number for number, stamp in enumerate(footage.stamps[:-1]) if stamp in footage.keys]
    kept: list[Segment] = []
    for scene in scenes(footage):
        if footage.seconds(scene) >= Fraction(settings.shortest) - SLACK:
            kept.extend(_pieces(footage, scene, settings, keys))
    return kept


def _pieces(footage: Footage, scene: Segment, settings: SegmentSettings, keys: list[int]) -> list[Segment]:
    if settings.longest is None or footage.seconds(scene) <= Fraction(settings.longest) + SLACK:
        return [scene]
    longest, shortest = Fraction(settings.longest), Fraction(settings.shortest)
    count = ceil(footage.seconds(scene) / longest)
    piece = footage.seconds(scene) / count
    # Both ends of a piece may move, so each may use half of the room.
    room = min(piece / 10, (longest - piece) / 2, (piece - shortest) / 2)
    bounds = [scene.start]
    for number in range(1, count):
        due = footage.time(scene.start) + number * piece
        near = [key for key in keys if abs(footage.time(key) - due) <= room and scene.start < key < scene.end]
        exact = bisect_left(footage.stamps, footage.stamps[0] + due / footage.tick)
        bounds.append(min(near, key=lambda key: abs(footage.time(key) - due), default=exact))
    return [Segment(start, end) for start, end in pairwise([*bounds, scene.end])]


class _Detectors:
    """The detectors that are used, fed with the same frames."""

    def __init__(self, settings: SegmentSettings, fps: Fraction) -> None:
        self._fps = fps
        self._detectors = []
        if settings.content is not None:
            self._detectors.append(ContentDetector(threshold=settings.content, min_scene_len=APART))
        if settings.histogram is not None:
            self._detectors.append(HistogramDetector(threshold=settings.histogram, bins=BINS, min_scene_len=APART))
        self._found: set[int] = set()
        self._size = (0, 0)

    def see(self, number: int, raw: av.VideoFrame) -> None:
        if not any(self._size):
            self._size = _detector_size(raw.width, raw.height)
        picture = _scaled(raw, *self._size)
        time = FrameTimecode(number, self._fps)
        for detector in self._detectors:
            self._found.update(cut.frame_num for cut in detector.process_frame(time, picture))

    def cuts(self) -> list[int]:
        return sorted(self._found - {0})


def _detector_size(width: int, height: int) -> tuple[int, int]:
    """Even width and height of the picture that the detectors see."""
    scale = min(1.0, SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def _scaled(raw: av.VideoFrame, width: int, height: int) -> Image:
    """The frame scaled down: (height, width, 3), blue first.

    It is scaled by linear interpolation as scenedetect does, for which its thresholds are made, but before the colours
    are converted: for 1080p this takes a fifth of the time.
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
    """Frames in order; the stamps of frames and packets are written into `footage` on the way."""
    for packet in container.demux(video):
        if packet.pts is not None and not packet.is_discard:
            footage.decoding.append(packet.pts)
            if packet.is_keyframe:
                footage.keys[packet.pts] = packet.dts
        for raw in packet.decode():
            if raw.pts is None:
                raise Unreadable("Its frames carry no time stamps. Convert it to MP4.")
            # Players do not show a frame that repeats a time or goes back.
            if not footage.stamps or raw.pts > footage.stamps[-1]:
                footage.stamps.append(raw.pts)
                yield raw


def _close(stamps: list[int], tick: Fraction, promised: Fraction) -> None:
    """Add the end of the last frame to `stamps`.

    Raises Unreadable for no frame, a single frame, or far fewer seconds than the file's index states.
    """
    if not stamps:
        raise Unreadable("Not one picture in it can be decoded.")
    if len(stamps) == 1:
        raise Unreadable("It holds a single frame: a picture, not a clip.")
    stamps.append(stamps[-1] + max(1, round((stamps[-1] - stamps[0]) / (len(stamps) - 1))))
    duration = (stamps[-1] - stamps[0]) * tick
    # Half a second is tolerated: edit lists and last frames of odd length are no damage.
    if duration < Fraction(9, 10) * promised and promised - duration > Fraction(1, 2):
        raise Unreadable(f"The file breaks off: {float(duration):.1f} of {float(promised):.1f} s can be read.")


def _displayed(raw: av.VideoFrame) -> tuple[int, int]:
    """Width and height as a player shows them: phones store portrait video on its side, with a note to rotate it."""
    return (raw.height, raw.width) if is_lying(raw) else (raw.width, raw.height)


@contextmanager
def unreadable_errors() -> Iterator[None]:
    """Turn the decoder's errors into Unreadable."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        raise Unreadable(f"This is not a video, or it is damaged ({error.strerror or error}).") from error

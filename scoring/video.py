"""From a file to what the scorers see: one sequential decode, small luma frames for motion, one picture per second."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

MOTION_WIDTH = 480
"""Width in pixels of the frames that motion is measured on."""
PICTURE_SIDE = 1920
"""Longest side in pixels of the pictures kept for the scorers that look at single frames."""
LONGEST = 60
"""Seconds. Clips are short; a longer video is refused, for all its small frames are held in memory."""
SLACK = Fraction(1, 1000)
"""Seconds by which a time stamp may come early: some containers round to milliseconds."""
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray"})
"""Pixel formats whose first plane is the luma, one byte per pixel, and can be viewed without a copy."""
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Unreadable(Exception):
    """The file cannot be scored; the message says why in plain words."""


@dataclass(frozen=True)
class Facts:
    """What the decoded pictures say about a clip: seconds, pixels as displayed, frames per second, codec, frames."""

    duration: float
    width: int
    height: int
    fps: float
    codec: str
    frames: int


@dataclass(frozen=True, eq=False)
class Second:
    """The picture that stands for second `index` of a clip; `time` is its own, in s from the first frame.

    `bgr` is (height, width, 3), at most 1920 pixels long; `luma` is (height, width), as decoded and unscaled.
    """

    index: int
    time: float
    bgr: Image
    luma: Image


@dataclass(frozen=True, eq=False)
class Clip:
    """A decoded clip: `small` is every frame's luma, 480 wide, `times` its second; `seconds` the 1-fps pictures."""

    path: Path
    facts: Facts
    seconds: tuple[Second, ...]
    small: tuple[Image, ...]
    times: tuple[float, ...]


def read_clip(path: Path) -> Clip:
    """Decode a video file once, from start to end.

    The picture of second k is the first frame at k or later, by the frames' own time stamps and not by a count of
    them; where a file shows no frame for longer than a second, the seconds in between have no picture.
    Raises Unreadable for whatever cannot be scored: no file, no video, damage, one frame, longer than 60 s.
    """
    _refuse_by_name(path)
    try:
        # Only local files: a playlist posing as a video must not make the decoder fetch addresses.
        with av.open(str(path.absolute()), options={"protocol_whitelist": "file"}) as container:
            if not container.streams.video:
                raise Unreadable("There is no picture in this file, only sound or text.")
            return _decode(path, container, container.streams.video[0])
    except (av.error.FFmpegError, OSError) as error:
        raise Unreadable(f"This is not a video, or it is damaged ({error.strerror or error}).") from error


def _refuse_by_name(path: Path) -> None:
    if path.is_dir():
        raise Unreadable("This is a folder, not a video.")
    if not path.is_file():
        raise Unreadable("There is no such file.")
    if path.stat().st_size == 0:
        raise Unreadable("The file is empty (0 bytes).")


def _decode(path: Path, container: av.container.InputContainer, stream: av.VideoStream) -> Clip:
    stream.codec_context.thread_count = 1  # clips are scored side by side, one process per core
    small: list[Image] = []
    times: list[Fraction] = []
    seconds: list[Second] = []
    width = height = 0
    for time, frame in _frames(container, stream):
        turn = TURNS.get(round(frame.rotation) % 360)
        luma = _turned(_luma(frame), turn)
        if not times:
            height, width = luma.shape
        times.append(time)
        small.append(_resized(luma, MOTION_WIDTH, max(1, round(height * MOTION_WIDTH / width))))
        due = int(time + SLACK)
        if not seconds or due > seconds[-1].index:
            seconds.append(Second(due, float(time), _picture(frame, turn), luma.copy()))
    facts = _facts(times, width, height, stream)
    return Clip(path, facts, tuple(seconds), tuple(small), tuple(float(time) for time in times))


def _frames(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[tuple[Fraction, av.VideoFrame]]:
    """Every frame with its exact time in seconds from the first one."""
    first: Fraction | None = None
    for frame in container.decode(stream):
        if frame.pts is None or frame.time_base is None:
            raise Unreadable("Its frames carry no time stamps. Convert it to MP4.")
        now = frame.pts * frame.time_base
        first = now if first is None else first
        if now - first > LONGEST:
            raise Unreadable(f"It is longer than {LONGEST} s. Split it into clips first.")
        yield now - first, frame


def _facts(times: list[Fraction], width: int, height: int, stream: av.VideoStream) -> Facts:
    if not times:
        raise Unreadable("Not one picture in it can be decoded.")
    if len(times) == 1:
        raise Unreadable("It holds a single frame: a picture, not a clip.")
    gap = times[-1] / (len(times) - 1)
    if gap <= 0:
        raise Unreadable("All its frames carry the same time. Convert it to MP4.")
    duration = times[-1] + gap
    promised = _promised(stream) or duration
    # Half a second of slack: edit lists and last frames of odd length are no damage.
    if duration < 0.9 * promised and promised - duration > 0.5:
        raise Unreadable(f"The file breaks off: {float(duration):.1f} of {float(promised):.1f} s can be read.")
    return Facts(float(duration), width, height, float(1 / gap), stream.codec_context.name, len(times))


def _promised(stream: av.VideoStream) -> Fraction | None:
    """The duration in seconds that the file's own index states, if it states one for the pictures."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    stated = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))  # Matroska, WebM
    return stated and int(stated[1]) * 3600 + int(stated[2]) * 60 + Fraction(stated[3])


def _luma(frame: av.VideoFrame) -> Image:
    """The luma plane, (height, width), viewed without a copy where the pixel format allows."""
    if frame.format.name not in PLANAR:
        frame = frame.reformat(format="gray")
    plane = frame.planes[0]
    return np.asarray(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]


def _picture(frame: av.VideoFrame, turn: int | None) -> Image:
    bgr = _turned(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), turn)
    height, width = bgr.shape[:2]
    scale = PICTURE_SIDE / max(height, width)
    return bgr if scale >= 1 else _resized(bgr, round(width * scale), round(height * scale))


def _turned(image: Image, turn: int | None) -> Image:
    """Upright, as a player shows it: phones store portrait video lying down and say so beside it."""
    return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)


def _resized(image: Image, width: int, height: int) -> Image:
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

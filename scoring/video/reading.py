"""Reading a clip: frames and sound in one pass, without keeping them, and plain reasons for files that are no clip."""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from scoring.faces.face import Face, FaceFinder
from scoring.images import Image
from scoring.locations import text_of
from scoring.video.frames import ClipHeader, Facts, Frame, Sound

LONGEST = 600
"""Seconds: a longer video is refused and must be divided into clips first."""
SLACK = Fraction(1, 1000)
"""Seconds by which a time stamp may be early: some containers round to milliseconds."""
DECODER_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,ivf,nut",
}
"""Options for opening a file: the decoder must not fetch addresses or follow a playlist to other files."""
WIDEST_GAP = Fraction(1, 2)
"""Seconds: if skipping frames leaves a longer gap, the clip is read again without skipping."""


class Unreadable(Exception):
    """The file cannot be scored. The message says why."""


class GapTooWide(Exception):
    """Skipping non-reference frames leaves too few of them."""


def no_faces(_: Image) -> tuple[Face, ...]:
    """The face finder of a pass that needs no faces."""
    return ()


class VideoReader:
    """A video file, opened for one pass: `header` at once, then `frames()` to the end, then `facts`.

    Raises Unreadable for a file that cannot be scored: no file, no video, damage, one frame, longer than 10 minutes.
    """

    def __init__(
        self,
        path: Path,
        *,
        find: FaceFinder = no_faces,
        hear: Callable[[Sound], None] | None = None,
        skip: bool = False,
    ) -> None:
        refuse_by_name(path)
        if text_of(str(path)) != str(path):
            raise Unreadable("Its name is no UTF-8, so that no pool can point at it. Rename the file.")
        self._find, self._hear, self._skip = find, hear, skip
        self._times: list[Fraction] = []
        self._size = (0, 0)
        self._sound: str | None = None
        with _plain_words():
            self._container = opened(path)
        if not self._container.streams.video:
            self.close()
            raise Unreadable("There is no picture in this file, only sound or text.")
        self._video = self._container.streams.video[0]
        self._video.codec_context.thread_count = 1  # clips are scored in parallel, one process per core
        if skip:
            self._video.codec_context.skip_frame = "NONREF"
        rate = self._video.average_rate
        self.header = ClipHeader(
            path,
            fps=float(rate) if rate else None,
            frames=self._video.frames or None,
            sound=bool(self._container.streams.audio),
            skipping=skip,
        )

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def frames(self) -> Iterator[Frame]:
        """Every frame in order, decoded once; pieces of sound are given to `hear` in between.

        The frame of second k is the first at k s or later by the frames' own time stamps. If no frame is shown for
        longer than a second, no frame stands for the seconds in between. Raises GapTooWide if frames are skipped and
        two frames are more than half a second apart; Unreadable for damage.
        """
        last_second = -1
        with _plain_words():
            for time, raw in self._timed():
                due = int(time + SLACK)
                second = due if due > last_second else None
                last_second = max(last_second, due)
                frame = Frame(raw, len(self._times), float(time), second, self._find)
                if not self._times:
                    self._size = frame.luma.shape[1], frame.luma.shape[0]
                elif self._skip and time - self._times[-1] > WIDEST_GAP:
                    raise GapTooWide
                self._times.append(time)
                yield frame

    @property
    def facts(self) -> Facts:
        """The facts of the clip, once all frames have been read. Raises Unreadable if they are not those of a clip."""
        times = self._times
        if not times:
            raise Unreadable("Not one picture in it can be decoded.")
        if len(times) == 1:
            raise Unreadable("It holds a single frame: a picture, not a clip.")
        gap = times[-1] / (len(times) - 1)
        if gap <= 0:
            raise Unreadable("All its frames carry the same time. Convert it to MP4.")
        duration = times[-1] + gap
        promised = _promised(self._video) or duration
        # Half a second is tolerated: edit lists and last frames of odd length are no damage.
        if duration < Fraction(9, 10) * promised and promised - duration > Fraction(1, 2):
            raise Unreadable(f"The file breaks off: {float(duration):.1f} of {float(promised):.1f} s can be read.")
        fps = (self.header.fps if self._skip else None) or float(1 / gap)
        width, height = self._size
        codec = self._video.codec_context.name
        return Facts(float(duration), width, height, fps, codec, len(times), self._sound, self._skip)

    def _timed(self) -> Iterator[tuple[Fraction, av.VideoFrame]]:
        """Every frame with its exact time in seconds from the first."""
        first: Fraction | None = None
        for raw in self._decoded():
            if raw.pts is None or raw.time_base is None:
                raise Unreadable("Its frames carry no time stamps. Convert it to MP4.")
            now = raw.pts * raw.time_base
            first = now if first is None else first
            if now - first > LONGEST:
                raise Unreadable(f"It is longer than {LONGEST // 60} minutes. Split it first: clipjury segment.")
            yield now - first, raw

    def _decoded(self) -> Iterator[av.VideoFrame]:
        if self._hear is None or not self._container.streams.audio:
            yield from self._container.decode(self._video)
            return
        audio = self._container.streams.audio[0]
        self._sound = ""
        resampler = av.AudioResampler(format="fltp")
        for packet in self._container.demux(self._video, audio):
            if isinstance(packet.stream, av.VideoStream):
                yield from (raw for raw in packet.decode() if isinstance(raw, av.VideoFrame))
            elif not self._sound:
                try:
                    self._heard(packet, resampler)
                # If the sound is damaged, only the scores of the sound are lost.
                except (av.error.FFmpegError, ValueError) as error:
                    self._sound = f"The sound is damaged ({getattr(error, 'strerror', None) or error})."

    def _heard(self, packet: "av.Packet[Any]", resampler: av.AudioResampler) -> None:
        assert self._hear is not None
        for raw in packet.decode():
            for piece in resampler.resample(raw) if isinstance(raw, av.AudioFrame) else list[av.AudioFrame]():
                samples = np.asarray(piece.to_ndarray(), np.float32)
                self._hear(Sound(samples, piece.sample_rate, float(piece.time or 0.0)))


def refuse_by_name(path: Path) -> None:
    """Raise Unreadable for a path that is no file: a folder, a broken link, nothing, or an empty file."""
    try:
        if path.is_dir():
            raise Unreadable("This is a folder, not a video.")
        if path.is_symlink() and not path.exists():
            raise Unreadable("This is a link that leads to no file.")
        if not path.is_file():
            raise Unreadable("There is no such file.")
        if path.stat().st_size == 0:
            raise Unreadable("The file is empty (0 bytes).")
    except (OSError, RuntimeError) as error:  # a loop of links is an OSError or, on older Pythons, a RuntimeError
        why = getattr(error, "strerror", None) or error
        raise Unreadable(f"The file cannot be opened ({why}).") from error


def opened(path: Path) -> av.container.InputContainer:
    """The file, opened by the decoder. Raises Unreadable if the reason is known, FFmpegError otherwise."""
    try:
        return av.open(str(path.absolute()), options=DECODER_OPTIONS)
    except av.error.ArgumentError as error:  # a format that is not in the whitelist
        raise Unreadable("This is no video, but a picture, a playlist or the like.") from error
    except PermissionError as error:
        raise Unreadable("The file may not be read (Permission denied).") from error
    except av.error.InvalidDataError as error:
        with path.open("rb") as file:
            if file.read(8)[4:] == b"ftyp":  # how MP4 and MOV begin
                raise Unreadable("The file is incomplete or damaged: the index of this MP4 cannot be read.") from error
        raise


class _plain_words:  # noqa: N801 - reads as a verb in `with`
    """Turn the decoder's errors into Unreadable."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, av.error.FFmpegError | OSError):
            raise Unreadable(f"This is not a video, or it is damaged ({error.strerror or error}).") from error


def _promised(stream: av.VideoStream) -> Fraction | None:
    """The duration in seconds that the file states for its pictures; None if it states none."""
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    stated = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))  # Matroska, WebM
    return stated and int(stated[1]) * 3600 + int(stated[2]) * 60 + Fraction(stated[3])

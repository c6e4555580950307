"""Cutting parts out of a video to the frame: copied where the stream allows it, else encoded anew."""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from scoring.segments import Footage, Part, plain_words
from scoring.video.packets import DecodingTimes, Upright, is_lying, shape_of
from scoring.video.reading import OPENING, Unreadable

Way = Literal["copy", "encode"]

PICTURES = frozenset({"h264", "hevc", "av1", "vp9"})
"""Codecs that are copied into MP4 as they are."""
SOUNDS = frozenset({"aac", "mp3"})
QUALITY = {"crf": "18", "preset": "veryfast"}
"""For parts that are encoded anew: hard to tell from what they were made of."""
LATE = Fraction(2)
"""Seconds of packets read past the end of a part, for sound that lies behind its pictures in the file."""
JITTER = Fraction(1, 50)
"""Seconds by which sound may be off before silence is put in or samples are left out."""


def way(footage: Footage, part: Part) -> Way:
    """How a part can be cut. Copied, if its packets begin with a key frame and follow each other in the order of
    decoding without a stranger in between: then no frame in it can need one outside of it.

    >>> stamps, order = [0, 1, 2, 3, 4, 5, 6], [0, 3, 1, 2, 4, 5]
    >>> footage = Footage(Path("a"), "h264", Fraction(1, 25), stamps, [], 320, 180, order, {0: -1, 4: 3})
    >>> way(footage, Part(0, 4)), way(footage, Part(0, 3)), way(footage, Part(1, 4))
    ('copy', 'encode', 'encode')
    """
    inside = footage.stamps[part.start : part.end]
    if footage.codec not in PICTURES or inside[0] not in footage.keys:
        return "encode"
    first = footage.decoding.index(inside[0])
    return "copy" if sorted(footage.decoding[first : first + len(inside)]) == inside else "encode"


def cut(footage: Footage, part: Part, target: Path) -> Way:
    """Write a part as MP4 with its sound; the file appears complete or not at all. Gives how its pictures were made.

    Sound in AAC or MP3 is copied from the first packet that begins in the part, any other is encoded. Metadata is left
    behind. Raises Unreadable if the video cannot be read any more or the file cannot be written.
    """
    chosen = way(footage, part)
    half = target.with_name(f".{target.name}.{os.getpid()}.part")
    source = str(footage.path.absolute())
    try:
        with (
            plain_words(),
            av.open(source, options=OPENING) as given,
            av.open(str(half), "w", format="mp4", options={"movflags": "+faststart"}) as made,
        ):
            written = _transfer(given, made, footage, part, chosen)
        if written != part.end - part.start:
            raise Unreadable(f"Only {written} of {part.end - part.start} frames could be cut out of it.")
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    return chosen


def _transfer(
    given: av.container.InputContainer, made: av.container.OutputContainer, footage: Footage, part: Part, chosen: Way
) -> int:
    """Read the part once, pictures and sound together; gives the number of frames written."""
    start, end = (footage.stamps[frame] * footage.tick for frame in (part.start, part.end))
    picture = given.streams.video[0]
    sound = next(iter(given.streams.audio), None)
    frames: _Copied | _Pictures = (
        _Copied(made, picture, start, end) if chosen == "copy" else _Pictures(made, picture, footage, start, end)
    )
    hearing: _Copied | _Sounds | None = None
    if sound is not None:
        copied = sound.codec_context.name in SOUNDS
        hearing = _Copied(made, sound, start, end) if copied else _Sounds(made, sound, start, end)
    before = max((key for key in footage.keys if key <= footage.stamps[part.start]), default=None)
    if before is not None and (decoding := footage.keys[before]) is not None:
        given.seek(decoding, stream=picture)
    for packet in given.demux([stream for stream in (picture, sound) if stream]):
        if packet.stream is picture:
            frames.take(packet)
        elif hearing is not None:
            hearing.take(packet)
        now = packet.dts * packet.time_base if packet.dts is not None and packet.time_base else end
        if frames.done and (hearing is None or hearing.done or now > end + LATE):
            break
    frames.finish()
    if hearing is not None:
        hearing.finish()
    return frames.written


class _Copied:
    """Packets of one stream that begin between two times (in s), moved so that the part begins at 0."""

    def __init__(
        self,
        made: av.container.OutputContainer,
        stream: av.VideoStream | av.AudioStream,
        start: Fraction,
        end: Fraction,
    ) -> None:
        self._made = made
        self._stream = made.add_stream_from_template(stream)
        self._stream.metadata.clear()
        tick = Fraction(stream.time_base or 1)
        self._first, self._last = start / tick, end / tick
        self._shift = round(self._first)
        self._times = DecodingTimes()
        self.written = 0
        self.done = False

    def take(self, packet: "av.Packet[av.stream.Stream]") -> None:
        if packet.pts is None or packet.is_discard:
            return
        for due in self._times.of(packet):
            self._put(due)

    def _put(self, packet: "av.Packet[av.stream.Stream]") -> None:
        assert packet.dts is not None
        assert packet.pts is not None
        # What is decoded after the end is shown after the end too.
        self.done = self.done or packet.dts >= self._last
        if self._first <= packet.pts < self._last:
            packet.pts -= self._shift
            packet.dts -= self._shift
            packet.stream = self._stream
            self._made.mux(packet)
            self.written += 1

    def finish(self) -> None:
        """Nothing is held back."""


class _Pictures:
    """Frames shown between two times (in s), upright and with even sides, as H.264."""

    def __init__(
        self,
        made: av.container.OutputContainer,
        stream: av.VideoStream,
        footage: Footage,
        start: Fraction,
        end: Fraction,
    ) -> None:
        self._made, self._tick = made, footage.tick
        self._first, self._last = round(start / footage.tick), round(end / footage.tick)
        self._latest = self._first - 1
        stream.thread_type = "AUTO"
        context = stream.codec_context
        self._given = stream
        self._stream = made.add_stream("libx264", rate=Fraction(round(footage.fps * 1001), 1001), options=dict(QUALITY))
        self._stream.width, self._stream.height = footage.width // 2 * 2, footage.height // 2 * 2
        self._upright = Upright(stream, self._stream.width, self._stream.height)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = footage.tick
        for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
            setattr(self._stream.codec_context, name, getattr(context, name))
        self.written = 0
        self.done = False

    def take(self, packet: "av.Packet[av.stream.Stream]") -> None:
        if not self.done:
            self._encode(packet.decode())

    def finish(self) -> None:
        """Write what the encoder holds back."""
        self._made.mux(self._stream.encode(None))

    def _encode(self, frames: Iterable[object]) -> None:
        for raw in frames:
            assert isinstance(raw, av.VideoFrame)
            if raw.pts is None or raw.pts <= self._latest:
                continue
            if raw.pts >= self._last:
                self.done = True
                return
            if not self.written:
                self._stream.codec_context.sample_aspect_ratio = shape_of(self._given, lying=is_lying(raw))
            self._latest = raw.pts
            fine = self._upright.turned(raw)
            fine.pts, fine.time_base = self._latest - self._first, self._tick
            fine.pict_type = 0  # else the encoder would take over where the source had its key frames
            self._made.mux(self._stream.encode(fine))
            self.written += 1


class _Sounds:
    """Samples heard between two times (in s), as AAC. Gaps become silence, so that sound and picture stay together."""

    def __init__(
        self, made: av.container.OutputContainer, stream: av.AudioStream, start: Fraction, end: Fraction
    ) -> None:
        self._made, self._start, self._rate = made, start, min(stream.rate, 48_000)
        self._length = round((end - start) * self._rate)
        layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=self._rate)
        self._layout = layout
        self._stream = made.add_stream("aac", rate=self._rate, layout=layout)
        self.written = 0
        self.done = False

    def take(self, packet: "av.Packet[av.stream.Stream]") -> None:
        if not self.done:
            self._encode(packet.decode())

    def finish(self) -> None:
        """Write what the resampler and the encoder hold back."""
        if not self.done:
            self._encode([None])
        self._made.mux(self._stream.encode(None))

    def _encode(self, frames: Iterable[object]) -> None:
        for raw in frames:
            assert raw is None or isinstance(raw, av.AudioFrame)
            for piece in self._resampler.resample(raw):
                time = Fraction(piece.pts or 0) * Fraction(piece.time_base or 0) - self._start
                self._place(np.asarray(piece.to_ndarray(), np.float32), round(time * self._rate))

    def _place(self, samples: NDArray[np.float32], place: int) -> None:
        """Write samples that belong `place` samples after the start."""
        off = place - self.written
        if abs(off) <= JITTER * self._rate and self.written:
            off = 0
        if off > 0:
            self._write(np.zeros((samples.shape[0], off), np.float32))
        samples = samples[:, max(0, -off) :]
        self._write(samples)
        self.done = self.done or place >= self._length

    def _write(self, samples: NDArray[np.float32]) -> None:
        samples = np.ascontiguousarray(samples[:, : self._length - self.written])
        if not samples.shape[1]:
            return
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self.written, Fraction(1, self._rate)
        self._made.mux(self._stream.encode(frame))
        self.written += samples.shape[1]

"""Writing segments of a video as files of their own: copied where the stream allows it, else encoded."""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from scoring.segmenting.scenes import Footage, Segment, unreadable_errors
from scoring.video.packets import DecodingTimes, Upright, is_lying, shape_of
from scoring.video.reading import DECODER_OPTIONS, Unreadable

CutMethod = Literal["copy", "encode"]

PICTURES = frozenset({"h264", "hevc", "av1", "vp9"})
"""Picture codecs that are copied into MP4 unchanged."""
SOUNDS = frozenset({"aac", "mp3"})
"""Sound codecs that are copied unchanged."""
QUALITY = {"crf": "18", "preset": "veryfast"}
"""Options of the H.264 encoder: the result is hard to tell from its source."""
LATE = Fraction(2)
"""Seconds read past the end of a segment, for sound that the file stores after its pictures."""
JITTER = Fraction(1, 50)
"""Seconds by which sound may be out of step before silence is inserted or samples are dropped."""


def method_for(footage: Footage, segment: Segment) -> CutMethod:
    """How a segment can be written: copied or encoded.

    It is copied if its packets begin with a key frame and are consecutive in decoding order: then no frame in it can
    depend on a frame outside.

    >>> stamps, order = [0, 1, 2, 3, 4, 5, 6], [0, 3, 1, 2, 4, 5]
    >>> footage = Footage(Path("a"), "h264", Fraction(1, 25), stamps, [], 320, 180, order, {0: -1, 4: 3})
    >>> method_for(footage, Segment(0, 4)), method_for(footage, Segment(0, 3)), method_for(footage, Segment(1, 4))
    ('copy', 'encode', 'encode')
    """
    inside = footage.stamps[segment.start : segment.end]
    if footage.codec not in PICTURES or inside[0] not in footage.keys:
        return "encode"
    first = footage.decoding.index(inside[0])
    return "copy" if sorted(footage.decoding[first : first + len(inside)]) == inside else "encode"


def write_segment(footage: Footage, segment: Segment, target: Path) -> CutMethod:
    """Write a segment as MP4 with its sound; return how its pictures were made.

    The file appears complete or not at all. Sound in AAC or MP3 is copied from the first packet that begins in the
    segment, other sound is encoded. Metadata is not copied. Raises Unreadable if the video can no longer be read or
    the file cannot be written.
    """
    method = method_for(footage, segment)
    half = target.with_name(f".{target.name}.{os.getpid()}.part")
    source = str(footage.path.absolute())
    try:
        with (
            unreadable_errors(),
            av.open(source, options=DECODER_OPTIONS) as given,
            av.open(str(half), "w", format="mp4", options={"movflags": "+faststart"}) as made,
        ):
            written = _transfer(given, made, footage, segment, method)
        if written != segment.end - segment.start:
            raise Unreadable(f"Only {written} of {segment.end - segment.start} frames could be cut out of it.")
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    return method


def _transfer(
    given: av.container.InputContainer,
    made: av.container.OutputContainer,
    footage: Footage,
    segment: Segment,
    method: CutMethod,
) -> int:
    """Read the segment once, pictures and sound together; return the number of frames written."""
    start, end = (footage.stamps[frame] * footage.tick for frame in (segment.start, segment.end))
    picture = given.streams.video[0]
    sound = next(iter(given.streams.audio), None)
    frames: _PacketCopier | _PictureEncoder = (
        _PacketCopier(made, picture, start, end)
        if method == "copy"
        else _PictureEncoder(made, picture, footage, start, end)
    )
    hearing: _PacketCopier | _SoundEncoder | None = None
    if sound is not None:
        copied = sound.codec_context.name in SOUNDS
        hearing = _PacketCopier(made, sound, start, end) if copied else _SoundEncoder(made, sound, start, end)
    before = max((key for key in footage.keys if key <= footage.stamps[segment.start]), default=None)
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


class _PacketCopier:
    """Copies the packets of one stream that begin between two times (in s), shifted so that the segment begins at 0."""

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
        # A packet that is decoded after the end is also shown after the end.
        self.done = self.done or packet.dts >= self._last
        if self._first <= packet.pts < self._last:
            packet.pts -= self._shift
            packet.dts -= self._shift
            packet.stream = self._stream
            self._made.mux(packet)
            self.written += 1

    def finish(self) -> None:
        """Do nothing: no packet is held back."""


class _PictureEncoder:
    """Encodes the frames shown between two times (in s) as H.264, upright and with even width and height."""

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
        """Write the frames that the encoder still holds."""
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


class _SoundEncoder:
    """Encodes the sound between two times (in s) as AAC. Gaps become silence, to keep sound and picture in step."""

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
        """Write the samples that the resampler and the encoder still hold."""
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
        """Write samples that belong `place` samples after the start of the segment."""
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

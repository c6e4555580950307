"""Preparing packets and frames for MP4: decoding times that other containers lack, and upright pictures."""

from fractions import Fraction

import av
from av.filter import Graph

TURNS = {90: ["transpose=cclock"], 180: ["hflip", "vflip"], 270: ["transpose=clock"]}
"""FFmpeg's filters for the rotation, in degrees, that a display matrix asks for."""


class DecodingTimes:
    """Gives the packets of one stream decoding times.

    Matroska states none. The decoder derives them from the order of the packets, but not for the first few, among them
    the key frame that all others need: these get times before the first known one.
    """

    def __init__(self) -> None:
        self._early: list[av.Packet[av.stream.Stream]] = []

    def of(self, packet: "av.Packet[av.stream.Stream]") -> list["av.Packet[av.stream.Stream]"]:
        """The packets that can be written now: none while times are unknown, then all that were held back, in order."""
        if packet.dts is None:
            self._early.append(packet)
            return []
        for place, early in enumerate(reversed(self._early), start=1):
            early.dts = packet.dts - place * max(1, packet.duration or 1)
        ready, self._early = [*self._early, packet], []
        return ready


def is_lying(frame: av.VideoFrame) -> bool:
    """True if the frame is stored on its side, as phones store portrait video, with a display matrix that says so."""
    return round(frame.rotation) % 180 == 90


def shape_of(stream: av.VideoStream, *, lying: bool) -> Fraction:
    """The ratio of width to height of a pixel as displayed; 1 if the file does not say."""
    shape = Fraction(stream.sample_aspect_ratio or 1)
    return 1 / shape if lying else shape


class Upright:
    """Rotates the frames of one stream as their display matrix says, to `width` x `height` pixels of yuv420p."""

    def __init__(self, stream: av.VideoStream, width: int, height: int) -> None:
        self._stream = stream
        self._size = f"scale={width}:{height}"
        self._graph: Graph | None = None

    def turned(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame as a player shows it. The rotation of the first frame is used for all."""
        if self._graph is None:
            self._graph = Graph()
            nodes = [self._graph.add_buffer(template=self._stream)]
            for step in [*TURNS.get(round(frame.rotation) % 360, []), self._size, "format=yuv420p"]:
                name, _, values = step.partition("=")
                nodes.append(self._graph.add(name, values))
            nodes.append(self._graph.add("buffersink"))
            self._graph.link_nodes(*nodes).configure()
        self._graph.push(frame)
        fine = self._graph.pull()
        assert isinstance(fine, av.VideoFrame)
        return fine

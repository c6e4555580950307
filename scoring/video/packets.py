"""What MP4 wants and other containers leave out: decoding times for copies, and pictures as a player shows them."""

from fractions import Fraction

import av
from av.filter import Graph

TURNS = {90: ["transpose=cclock"], 180: ["hflip", "vflip"], 270: ["transpose=clock"]}
"""ffmpeg's filters that carry out what a display matrix, in degrees, asks for."""


class DecodingTimes:
    """One stream's packets with their decoding times.

    Matroska states none. They are worked out from the order of the packets, but for the first few, of which the very
    first is the key frame that all others need: these get times before the first one that is known.
    """

    def __init__(self) -> None:
        self._early: list[av.Packet[av.stream.Stream]] = []

    def of(self, packet: "av.Packet[av.stream.Stream]") -> list["av.Packet[av.stream.Stream]"]:
        """The packets that can go on now: none while times are unknown, then all that waited, in order."""
        if packet.dts is None:
            self._early.append(packet)
            return []
        for place, early in enumerate(reversed(self._early), start=1):
            early.dts = packet.dts - place * max(1, packet.duration or 1)
        ready, self._early = [*self._early, packet], []
        return ready


def is_lying(frame: av.VideoFrame) -> bool:
    """It is stored lying on its side: phones store portrait video so and say it in a display matrix."""
    return round(frame.rotation) % 180 == 90


def shape_of(stream: av.VideoStream, *, lying: bool) -> Fraction:
    """Width by height of a pixel as shown; 1 where the file does not say."""
    shape = Fraction(stream.sample_aspect_ratio or 1)
    return 1 / shape if lying else shape


class Upright:
    """Frames of one stream turned as their display matrix says, in `width` by `height` pixels of yuv420p."""

    def __init__(self, stream: av.VideoStream, width: int, height: int) -> None:
        self._stream = stream
        self._size = f"scale={width}:{height}"
        self._graph: Graph | None = None

    def turned(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A frame as a player shows it. The first one says how all are turned."""
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

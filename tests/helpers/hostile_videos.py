"""Small videos whose headers state what no clip has: endless length, pictures of thousands of millions of pixels."""

from pathlib import Path

import av
import numpy as np

from tests.helpers.real_videos import moving, write_video


def endless(path: Path) -> None:
    """An MP4 of ten frames that says it takes a thousand million seconds."""
    _patched(path, "mvhd", 12, (1).to_bytes(4, "big") + (10**9).to_bytes(4, "big"))
    _patched(path, "mdhd", 12, (1).to_bytes(4, "big") + (10**9).to_bytes(4, "big"), made=True)
    _patched(path, "elst", 8, (10**9).to_bytes(4, "big"), made=True)
    _patched(path, "stts", 12, (10**8).to_bytes(4, "big"), made=True)  # of each frame


def wide(path: Path) -> None:
    """An MP4 whose track and codec are 65,535 pixels wide and high."""
    _patched(path, "tkhd", 76, (65_535 << 16).to_bytes(4, "big") * 2)
    _patched(path, "avc1", 24, (65_535).to_bytes(2, "big") * 2, made=True)


def large_vp8(path: Path) -> None:
    """A WebM whose frames state 16,383 by 16,383 pixels, the most that VP8 and the decoder know."""
    with av.open(str(path), "w", format="webm") as made:
        stream = made.add_stream("libvpx", rate=10, width=64, height=48, pix_fmt="yuv420p")
        for shade in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 80 * shade, np.uint8), format="rgb24")
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    data = path.read_bytes()
    start = b"\x9d\x01\x2a"  # of a key frame; its width and height follow
    assert start in data
    place = data.index(start) + 3
    path.write_bytes(data[:place] + (16_383).to_bytes(2, "little") * 2 + data[place + 4 :])


def _patched(path: Path, box: str, offset: int, value: bytes, *, made: bool = False) -> None:
    """Write `value` so many bytes after the name of a box, in a new MP4 or in one that is there."""
    if not made:
        write_video(path, moving([(number, 0) for number in range(10)]))
    data = bytearray(path.read_bytes())
    place = data.index(box.encode()) + 4 + offset
    data[place : place + len(value)] = value
    path.write_bytes(data)

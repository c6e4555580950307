"""Counting a clip's frames before the first is decoded, for models whose frames are chosen by their number."""

import av
import av.error

from scoring.video.frames import ClipHeader
from scoring.video.reading import DECODER_OPTIONS

SKIPPED = "Frames were skipped, to save time."
UNCOUNTED = "The number of frames cannot be found out beforehand."


def frame_count(header: ClipHeader) -> int | None:
    """The number of frames of a clip: as its file states or, if it does not (WebM), counted without decoding.

    None if the file cannot be read.
    """
    if header.frames is not None:
        return header.frames
    try:
        # The same options as in `scoring.video.reading`: only local files.
        with av.open(str(header.path.absolute()), options=DECODER_OPTIONS) as container:
            return sum(packet.size > 0 for packet in container.demux(container.streams.video[0])) or None
    except (av.error.FFmpegError, OSError, IndexError):
        return None


def fewer(frames: int, count: int) -> str:
    """The reason for a missing score if the clip has fewer frames than its file states."""
    return f"The clip has {frames} frames, its file promises {count}."

"""Frames that a model is shown, chosen by their number in the clip: so their count must be known before the first."""

import av
import av.error

from scoring.video.frames import Opening
from scoring.video.reading import OPENING

SKIPPED = "Frames were skipped, to save time."
UNCOUNTED = "The number of frames cannot be found out beforehand."


def frame_count(opening: Opening) -> int | None:
    """How many frames a clip has: as its file states or, where it does not (WebM), counted without decoding.

    None if the file cannot be read.
    """
    if opening.frames is not None:
        return opening.frames
    try:
        # Only local files, as in `scoring.video.reading`.
        with av.open(str(opening.path.absolute()), options=OPENING) as container:
            return sum(packet.size > 0 for packet in container.demux(container.streams.video[0])) or None
    except (av.error.FFmpegError, OSError, IndexError):
        return None


def fewer(frames: int, count: int) -> str:
    """The reason for a score that lacks frames it was promised."""
    return f"The clip has {frames} frames, its file promises {count}."

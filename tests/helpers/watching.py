"""Giving pictures to a scorer without a video file, for tests of a scorer's arithmetic."""

from collections.abc import Sequence
from pathlib import Path

import av

from scoring.faces.face import Face, FaceFinder
from scoring.images import Image
from scoring.scorer import Measurement, Scorer
from scoring.video.frames import ClipHeader, Facts, Frame
from scoring.video.reading import no_faces


def frames_of(pictures: Sequence[Image], fps: float = 25, find: FaceFinder = no_faces) -> list[Frame]:
    """Pictures (height, width, 3) as the frames that a video reader gives."""
    frames = []
    last = -1
    for index, picture in enumerate(pictures):
        due = int(index / fps + 1e-3)
        raw = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frames.append(Frame(raw, index, index / fps, due if due > last else None, find))
        last = due
    return frames


def finding(per_call: Sequence[tuple[Face, ...]]) -> FaceFinder:
    """A face finder that returns these faces, one entry per call."""
    answers = iter(per_call)
    return lambda _: next(answers)


def measured(scorer: Scorer, pictures: Sequence[Image], fps: float = 25, find: FaceFinder = no_faces) -> Measurement:
    """A scorer's result for these pictures."""
    watch = scorer.watch(scorer.setup(), ClipHeader(Path("made.mp4"), fps=fps, frames=len(pictures)))
    for frame in frames_of(pictures, fps, find):
        watch.see(frame)
    height, width = pictures[0].shape[:2]
    return watch.result(Facts(len(pictures) / fps, width, height, fps, "h264", len(pictures)))

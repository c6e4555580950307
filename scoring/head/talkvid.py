"""Head scores as TalkVid's released code computes them, for comparison with its data (`--talkvid-compat`).

The source is github.com/FreedomIntelligence/TalkVid, data_pipeline/3_head_detail_filtering/src (`VideoFaceProcessor`
and pic_head_base_fun.py); face detector and pose method are ClipJury's instead of InsightFace's. Differences from
`scoring.head.head`:

- The sampled frames are 0, n, 2n, ..., where n is the integer part of the frames per second, for the integer part of
  frames / n samples: at 29.97 frames per second the samples drift, and a clip of 5.04 s has five samples, not six.
- Movement and rotation compare successive samples with exactly one face, however far apart they are.
- With a single such sample there is no pair: movement and rotation are 100, their `_at` is 0.
- Without such a sample there are no scores, not even `face_consistency`.
- The change of an angle from 179 to -179 degrees is 358. The part of a face box outside the picture counts.
- `min_X_at` is the original's `min_X_id`: not a time, but the index of the worst sample among those with exactly one
  face; for movement and rotation that of the earlier sample of the pair. Nothing is rounded.
"""

import math
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from scoring.faces.face import Face
from scoring.head import formulas
from scoring.head.pose import Pose, PoseFinder
from scoring.scorer import Column, Measurement, Watch
from scoring.video.frames import ClipHeader, Facts, Frame

PAIRS = {"movement": "completeness", "rotation": "orientation"}
"""Scores of pairs of samples; for each, a score that exists for every single sample."""
NO_RATE = "The file does not state its frames per second, from which TalkVid's sampling counts."
NO_FACE = "No sampled frame shows exactly one face; TalkVid's code gives no scores then."
NO_POSE = "On no sampled frame with exactly one face could the turn of the head be measured."


class FaceSample(NamedTuple):
    """A sampled frame with exactly one face. `place` is its index among all sampled frames."""

    place: int
    face: Face
    pose: Pose | None


def step(header: ClipHeader) -> int:
    """The distance between sampled frames: the integer part of the stated frames per second.

    0 if the file states none or fewer than one.
    """
    return int(header.fps or 0)


class TalkVidWatch(Watch):
    """Computes the head scores of one clip, named as in `scoring.head.head`; series have an entry per sampled frame."""

    def __init__(self, poses: PoseFinder, header: ClipHeader) -> None:
        self._poses = poses
        self._step = step(header)
        self._counts: list[int] = []
        self._doubtful: list[bool] = []
        self._samples: list[FaceSample] = []
        self._size = (1, 1)

    def see(self, frame: Frame) -> None:
        """Measure the frame if TalkVid samples it."""
        if not self._step or frame.index % self._step:
            return
        self._size = frame.bgr.shape[1], frame.bgr.shape[0]
        certain = [face for face in frame.faces if face.certain]
        self._counts.append(len(certain))
        self._doubtful.append(any(face.doubtful for face in frame.faces))
        if len(certain) == 1:
            self._samples.append(FaceSample(len(self._counts) - 1, certain[0], self._poses.pose(frame.bgr, certain[0])))

    def result(self, facts: Facts) -> Measurement:
        """The scores as in the original's `evaluate_faces`."""
        self._poses.close()
        length = facts.frames // self._step if self._step else 0
        counts, samples = self._counts[:length], [sample for sample in self._samples if sample.place < length]
        scores: dict[str, float | None] = {
            "face_consistency": formulas.face_consistency(counts) if samples else None,
            "doubtful_faces": float(sum(self._doubtful[:length])),
        }
        why = NO_FACE if self._step else NO_RATE
        reasons: dict[str, str] = {}
        series: dict[str, list[float | None]] = {"faces": [float(count) for count in counts]}
        found = self._found(samples)
        for name, values in found.items():
            # The original takes the mean change of no pair for 0, which gives 100.
            single = name in PAIRS and len(found[PAIRS[name]]) == 1
            _enter(scores, name, [100.0] if single else [value for _, value in values])
            places = dict(values)
            series[name] = [places.get(place) for place in range(length)]
        for column, value in scores.items():
            if value is None:
                reasons[column] = NO_POSE if samples else why
        return Measurement(scores, series, reasons)

    def _found(self, samples: list[FaceSample]) -> dict[str, list[tuple[int, float]]]:
        """For each score, the samples' places and values; the value of a pair has the place of the later sample."""
        width, height = self._size
        posed = [(sample.place, sample.pose) for sample in samples if sample.pose]
        return {
            "movement": [
                (b.place, formulas.movement(a.face.points, b.face.points, width, height)) for a, b in pairwise(samples)
            ],
            "rotation": [(place, 100 - math.dist(before, after)) for (_, before), (place, after) in pairwise(posed)],
            "completeness": [(s.place, formulas.completeness(s.face.points, width, height)) for s in samples],
            "resolution": [(s.place, 3000 * s.face.box[2] * s.face.box[3] / (width * height)) for s in samples],
            "orientation": [(place, formulas.orientation(pose)) for place, pose in posed],
        }


def as_talkvid(column: Column) -> Column:
    """A column of the head scorer with its meaning under TalkVid's sampling.

    >>> as_talkvid(Column("avg_movement", "from one second to the next", "higher")).meaning
    'from one sampled frame to the next'
    """
    if column.name.endswith("_at"):
        name = f"{column.name.removesuffix('_at')}_id"
        return replace(column, meaning=f"TalkVid's {name}: which frame with exactly one face, from 0", units="")
    return replace(column, meaning=column.meaning.replace("second", "sampled frame"), units="")


def _enter(scores: dict[str, float | None], name: str, values: list[float]) -> None:
    lowest = min(values, default=None)
    scores[f"avg_{name}"] = math.fsum(values) / len(values) if values else None
    scores[f"min_{name}"] = lowest
    scores[f"min_{name}_at"] = None if lowest is None else float(values.index(lowest))

"""The head scorer: scores of the one face of a clip by TalkVid's formulas (`scoring.head.formulas`), at exact times.

Everything is measured on one picture per second. A second counts only if exactly one face is found in it; movement and
rotation compare only seconds that follow each other directly. For other seconds the series have None, and
`face_consistency` counts them. A score without a second that counts is None and has a reason. With `talkvid_compat`
frames are sampled as TalkVid's own code does: see `scoring.head.talkvid`.
"""

import math
from dataclasses import replace
from functools import partial

from scoring.faces.detectors import face_backend
from scoring.faces.face import Face
from scoring.head import formulas
from scoring.head.pose import Pose, PoseFinder, PoseOpener
from scoring.head.pose_methods import pose_backend, pose_opener
from scoring.head.talkvid import TalkVidWatch, as_talkvid
from scoring.scorer import Column, Measurement, Scorer, Series, Watch
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts, Frame

PAIRED = ("movement", "rotation")
"""These scores compare two seconds."""
POSED = ("rotation", "orientation")
"""These scores need the pose: with five points they are approximate; without a pose they are missing."""
ON_FRAMES = ("movement", "rotation", "orientation", "resolution", "completeness")
"""The scores that a contact sheet prints below each frame, in this order."""
FIVE_SCORES = {
    "movement": Column("movement", "how still the head stays from one second to the next", "higher", high=100),
    "rotation": Column("rotation", "how little the head turns from one second to the next", "higher", high=100),
    "completeness": Column(
        "completeness",
        "how much of the face is inside the picture; blind to what covers it and to a profile's hidden half",
        "higher",
        low=0,
        high=100,
    ),
    "resolution": Column("resolution", "how large the face is: 30 x its share of the picture in %", "higher", low=0),
    "orientation": Column("orientation", "how frontal the face is", "higher", high=100),
}
FACES = Column("faces", "faces found", "none", low=0)


class HeadWatch(Watch):
    """Computes the head scores of one clip: `avg_X`, `min_X`, `min_X_at` of the five X in FIVE_SCORES, and two more."""

    def __init__(self, poses: PoseFinder) -> None:
        self._poses = poses
        self._times: dict[int, float] = {}
        self._counts: dict[int, int] = {}
        self._found: dict[str, dict[int, float]] = {name: {} for name in FIVE_SCORES}
        self._alone: dict[int, tuple[Face, Pose | None]] = {}
        self._doubtful = 0

    def see(self, frame: Frame) -> None:
        """Measure the frame if it stands for a second."""
        second = frame.second
        if second is None:
            return
        height, width = frame.bgr.shape[:2]
        self._times[second] = frame.time
        self._doubtful += any(face.doubtful for face in frame.faces)
        certain = [face for face in frame.faces if face.certain]
        self._counts[second] = len(certain)
        if len(certain) != 1:
            return
        face, pose = certain[0], self._poses.pose(frame.bgr, certain[0])
        self._alone[second] = face, pose
        self._found["resolution"][second] = formulas.resolution(face.box, width, height)
        self._found["completeness"][second] = formulas.completeness(face.points, width, height)
        if pose:
            self._found["orientation"][second] = formulas.orientation(pose)
        if second - 1 in self._alone:
            earlier, earlier_pose = self._alone[second - 1]
            self._found["movement"][second] = formulas.movement(earlier.points, face.points, width, height)
            if pose and earlier_pose:
                self._found["rotation"][second] = formulas.rotation(earlier_pose, pose)

    def result(self, facts: Facts) -> Measurement:  # noqa: ARG002 - every watch gets the facts
        """The scores of the clip, and the series."""
        self._poses.close()
        length = max(self._times) + 1
        scores: dict[str, float | None] = {
            "face_consistency": formulas.face_consistency(list(self._counts.values())),
            "doubtful_faces": float(self._doubtful),
        }
        series: dict[str, list[float | None]] = {"faces": [self._counts.get(second) for second in range(length)]}
        reasons: dict[str, str] = {}
        for name, found in self._found.items():
            series[name] = [found.get(second) for second in range(length)]
            summary = _summary(name, series[name], self._times)
            scores |= summary
            reasons |= dict.fromkeys([column for column, value in summary.items() if value is None], _why(name))
        return Measurement(scores, series, reasons)


def watch(open_pose: PoseOpener, header: ClipHeader) -> HeadWatch:  # noqa: ARG001 - every watch gets the header
    """The watch of one clip."""
    return HeadWatch(open_pose())


def watch_as_talkvid(open_pose: PoseOpener, header: ClipHeader) -> TalkVidWatch:
    """The watch of one clip that is sampled as TalkVid's code does."""
    return TalkVidWatch(open_pose(), header)


def _summary(name: str, series: list[float | None], times: dict[int, float]) -> dict[str, float | None]:
    """The mean of a series, its minimum, and the time of the first minimum in s; all None if it has no values."""
    known = [(value, index) for index, value in enumerate(series) if value is not None]
    if not known:
        return {f"avg_{name}": None, f"min_{name}": None, f"min_{name}_at": None}
    lowest, index = min(known)
    average = math.fsum(value for value, _ in known) / len(known)
    return {f"avg_{name}": average, f"min_{name}": lowest, f"min_{name}_at": times[index]}


def _why(name: str) -> str:
    posed = " whose turn could be measured" if name in POSED else ""
    if name in PAIRED:
        return f"No two neighbouring seconds show exactly one face{posed}."
    return f"No second shows exactly one face{posed}."


def _columns(settings: Settings) -> tuple[tuple[Column, ...], tuple[Series, ...]]:
    """The columns of a clip, and its series."""
    columns: list[Column] = []
    series = [replace(c, approximate=settings.pose == "points" and c.name in POSED) for c in FIVE_SCORES.values()]
    for c in series:
        kind = (c.direction, c.units, c.low, c.high, c.approximate)
        columns += [
            Column(f"avg_{c.name}", f"{c.meaning}; mean over the clip", *kind),
            Column(f"min_{c.name}", f"{c.meaning}; at the worst second", *kind),
            Column(f"min_{c.name}_at", f"when {c.name} is lowest", "none", "s", low=0, approximate=c.approximate),
        ]
    columns += [
        Column("face_consistency", "100 minus 20 per second without exactly one face", "higher", low=0, high=100),
        Column("doubtful_faces", "seconds with a face so unsure that the count could be another", "lower", "s", low=0),
    ]
    if settings.talkvid_compat:
        columns, series = [as_talkvid(c) for c in columns], [as_talkvid(c) for c in series]
    named = [Series(c, overall=f"avg_{c.name}", worst=f"min_{c.name}") for c in series]
    return tuple(columns), (*named, Series(FACES))


def head(settings: Settings) -> Scorer:
    """The head scorer under these settings. Its backend names the face detector, the pose method and the sampling.

    Raises WeightsError if the pose method needs mediapipe and it is not installed; ValueError for `talkvid_compat`
    with `skip_nonreference`, since TalkVid counts frames.

    >>> head(Settings(talkvid_compat=True)).backend
    "YuNet at 640 px, five-point pose, TalkVid's own sampling"
    """
    if settings.talkvid_compat and settings.skip_nonreference:
        raise ValueError("talkvid_compat counts frames, so none may be skipped: leave out skip_nonreference.")
    finder, models = face_backend(settings)
    pose, pose_models = pose_backend(settings)
    columns, series = _columns(settings)
    return Scorer(
        name="head",
        version="3",
        backend=f"{finder}, {pose}" + (", TalkVid's own sampling" if settings.talkvid_compat else ""),
        columns=columns,
        series=series,
        setup=partial(pose_opener, settings),
        watch=watch_as_talkvid if settings.talkvid_compat else watch,
        weights=models + pose_models,
        models=("centerface", "mesh"),
        frame_scores=ON_FRAMES,
    )

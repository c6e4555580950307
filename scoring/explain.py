"""What the scores of one clip rest on: a contact sheet of what was seen, second by second, and the numbers as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from scoring.crew import ClipScores, Crew
from scoring.faces.face import Face
from scoring.head import talkvid
from scoring.head.pose import Pose, PoseFinder, PoseOpener
from scoring.head.pose_methods import pose_opener
from scoring.images import Image, resized
from scoring.registry import scorers
from scoring.scorer import Column, Measured, Scorer, Watch
from scoring.settings import Settings
from scoring.video.frames import Facts, Frame, Opening
from scoring.video.reading import Unreadable

TILES = 24
"""At most so many frames are shown; with more, those of the worst seconds and an even choice of the rest."""
KEPT = 640
"""Longest side in pixels in which a frame is kept, compressed, until the clip is over."""
NAME = "explained"
"""The count of frames looked at: what the sheet's own watch gives back."""


@dataclass(frozen=True, eq=False)
class Look:
    """A frame that was looked at: its place in the head's series, its time in s, its width and height, the faces in
    it, the pose if it shows exactly one, and the frame itself as JPEG.
    """

    place: int
    time: float
    size: tuple[int, int]
    faces: tuple[Face, ...]
    pose: Pose | None
    jpeg: bytes

    @property
    def picture(self) -> Image:
        """The frame, (height, width, 3) in red, green, blue, at most 640 pixels long."""
        bgr = np.asarray(cv2.imdecode(np.frombuffer(self.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


@dataclass(frozen=True, eq=False)
class Worst:
    """Where a series is at its worst: the value, its place in the series and the time in s."""

    value: float
    place: int
    time: float


@dataclass(frozen=True, eq=False)
class Explained:
    """All that the sheet shows of one clip. `cuts` are bounds by the name of a score."""

    name: str
    settings: Settings
    scorers: tuple[Scorer, ...]
    result: ClipScores
    facts: Facts
    looks: tuple[Look, ...]
    cuts: Mapping[str, float]

    def times(self, scorer: Scorer, length: int) -> list[float]:
        """The time in s of each entry of a scorer's series."""
        shown = {look.place: look.time for look in self.looks} if scorer.name == "head" else {}
        return [shown.get(place, float(place)) for place in range(length)]

    @cached_property
    def worst_places(self) -> dict[str, int]:
        """For each series that is not the same throughout, the place of its worst entry."""
        found: dict[str, int] = {}
        for scorer in self.scorers:
            for column in scorer.series:
                worst = self.worst(scorer, column)
                if worst and len({*self.result.series[column.name]} - {None}) > 1:
                    found[column.name] = worst.place
        return found

    def worst(self, scorer: Scorer, column: Column) -> Worst | None:
        """The lowest entry of a series, or the highest where less is better; None without entries or a direction."""
        series = self.result.series.get(column.name, [])
        known = [(value, place) for place, value in enumerate(series) if value is not None]
        if not known or column.direction == "none":
            return None
        sign = -1 if column.direction == "lower" else 1
        value, place = min(known, key=lambda entry: (sign * entry[0], entry[1]))
        return Worst(value, place, self.times(scorer, len(series))[place])


@dataclass
class LookWatch(Watch):
    """Keeps what the sheet needs of the frames that the head scorer looks at."""

    poses: PoseFinder
    step: int | None
    looks: list[Look] = field(default_factory=list)

    def see(self, frame: Frame) -> None:
        """Look at the frames of the seconds, or at those that TalkVid samples."""
        if self.step is None:
            place = frame.second
        else:
            place = frame.index // self.step if self.step and frame.index % self.step == 0 else None
        if place is None:
            return
        height, width = frame.bgr.shape[:2]
        certain = [face for face in frame.faces if face.certain]
        pose = self.poses.pose(frame.bgr, certain[0]) if len(certain) == 1 else None
        scale = min(1.0, KEPT / max(height, width))
        small = resized(frame.bgr, max(1, round(width * scale)), max(1, round(height * scale)))
        jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
        self.looks.append(Look(place, frame.time, (width, height), frame.faces, pose, jpeg))

    def result(self, facts: Facts) -> Measured:
        """How many frames were looked at; TalkVid leaves out those of the last, broken second."""
        self.poses.close()
        if self.step:
            self.looks = [look for look in self.looks if look.place < facts.frames // self.step]
        return Measured({NAME: float(len(self.looks))})


def explain(
    path: Path,
    settings: Settings,
    folder: Path,
    *,
    cuts: Mapping[str, float] | None = None,
    name: str | None = None,
) -> Path:
    """Score a clip and save what its scores rest on: `NAME.png`, a contact sheet, and `NAME.json`, its numbers.

    The folder is made if need be; NAME is the file's own, or `name`. `cuts` are the bounds of a filter list by the
    name of a score; where less is better they are upper bounds. One pass over the clip. Gives the sheet's path. Raises
    Unreadable for a file that cannot be scored, WeightsError without a model file.
    """
    from scoring.sheet import draw  # it draws Explained

    explained = look_at(path, settings, cuts or {}, name or path.stem)
    folder.mkdir(parents=True, exist_ok=True)
    sheet = folder / f"{explained.name}.png"
    numbers = json.dumps(_numbers(explained), indent=1, ensure_ascii=False)
    (folder / f"{explained.name}.json").write_text(numbers, encoding="utf-8")
    draw(explained).finished().save(sheet, optimize=True)
    return sheet


def look_at(path: Path, settings: Settings, cuts: Mapping[str, float], name: str) -> Explained:
    """Score a clip with all scorers and keep what the sheet shows. Raises as `explain` does."""
    watches: list[LookWatch] = []

    def begin(open_pose: PoseOpener, opening: Opening) -> LookWatch:
        step = talkvid.step(opening) if settings.talkvid_compat else None
        watches.append(LookWatch(open_pose(), step))
        return watches[-1]

    count = Column(NAME, "frames looked at", "none")
    made = tuple(scorers(settings))
    looking = Scorer(NAME, "1", "", (count,), lambda: pose_opener(settings), begin)
    result = Crew(settings, (*made, looking)).score(path)
    if result.error or result.facts is None:
        raise Unreadable(result.error)
    if result.scores.pop(NAME) is None:
        raise RuntimeError(result.reasons[NAME])
    return Explained(name, settings, made, result, result.facts, tuple(watches[-1].looks), cuts)


def chosen(explained: Explained, most: int = TILES) -> tuple[Look, ...]:
    """The frames to show, in order: all, or the ends, every score's worst second and what fills the gaps."""
    looks = {look.place: look for look in explained.looks}
    places = np.array(sorted(looks))
    if len(places) <= most:
        return explained.looks
    wanted = dict.fromkeys((int(places[0]), int(places[-1]), *explained.worst_places.values()))
    kept = [place for place in wanted if place in looks][:most]
    while len(kept) < most:
        gaps = np.abs(places[:, None] - np.array(kept)).min(axis=1)
        kept.append(int(places[gaps.argmax()]))
    return tuple(looks[place] for place in sorted(kept))


def _numbers(explained: Explained) -> dict[str, Any]:
    """All that stands on the sheet, and what has no room there."""
    result = explained.result
    settings = explained.settings
    return {
        "clip": str(result.path),
        "facts": asdict(explained.facts),
        "settings": {"faces": settings.faces, "pose": settings.pose, "talkvid_compat": settings.talkvid_compat},
        "scorers": [
            {
                "scorer": scorer.name,
                "version": scorer.version,
                "backend": scorer.backend,
                "models": {weight.file: weight.sha256 for weight in scorer.weights},
            }
            for scorer in explained.scorers
        ],
        "cuts": dict(explained.cuts),
        "scores": result.scores,
        "reasons": result.reasons,
        "series": result.series,
        "times": result.times,
        "worst": {
            column.name: {"value": worst.value, "place": worst.place, "time": worst.time}
            for scorer in explained.scorers
            for column in scorer.series
            if (worst := explained.worst(scorer, column))
        },
        "frames": [_frame(look) for look in explained.looks],
    }


def _frame(look: Look) -> dict[str, Any]:
    width, height = look.size
    return {
        "place": look.place,
        "time": look.time,
        "width": width,
        "height": height,
        "pose": look.pose._asdict() if look.pose else None,
        "faces": [
            {
                "box": _rounded(face.box),
                "points": [_rounded(point) for point in face.points.tolist()],
                "confidence": round(face.confidence, 4),
                "certain": face.certain,
                "doubtful": face.doubtful,
            }
            for face in look.faces
        ],
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in values]

"""Scoring one clip and saving what its scores rest on: a contact sheet (PNG) and its numbers (JSON).

For `clipjury score --explain`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2

from scoring.explain.explanation import Explanation, SampledFrame
from scoring.explain.sheet import draw
from scoring.head import talkvid
from scoring.head.pose import PoseFinder, PoseOpener
from scoring.head.pose_methods import pose_opener
from scoring.images import resized
from scoring.pipeline import Pipeline
from scoring.registry import scorers
from scoring.scorer import Column, Measurement, Scorer, Watch
from scoring.settings import Settings
from scoring.video.frames import ClipHeader, Facts, Frame
from scoring.video.reading import Unreadable

KEPT = 640
"""Pixels: the longest side in which a frame is kept, compressed, until the clip is over."""
NAME = "explained"
"""The one score of the sheet's own watch: the number of frames that were looked at."""


@dataclass
class SheetWatch(Watch):
    """Keeps what the sheet needs of the frames that the head scorer looks at.

    `step` is None for the frames that stand for a second; else every `step`-th frame is kept, as TalkVid samples.
    """

    poses: PoseFinder
    step: int | None
    frames: list[SampledFrame] = field(default_factory=list)

    def see(self, frame: Frame) -> None:
        """Keep the frame if it stands for a second, or if TalkVid samples it."""
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
        self.frames.append(SampledFrame(place, frame.time, (width, height), frame.faces, pose, jpeg))

    def result(self, facts: Facts) -> Measurement:
        """The number of frames kept. TalkVid leaves out the frame of a last, incomplete second."""
        self.poses.close()
        if self.step:
            self.frames = [frame for frame in self.frames if frame.place < facts.frames // self.step]
        return Measurement({NAME: float(len(self.frames))})


def explain(
    path: Path,
    settings: Settings,
    folder: Path,
    *,
    thresholds: Mapping[str, float] | None = None,
    name: str | None = None,
) -> Path:
    """Score a clip and save NAME.png, a contact sheet, and NAME.json, its numbers; return the path of the sheet.

    The folder is made if it is missing. NAME is `name`, or the file's own name without its suffix. `thresholds` are
    filters' bounds by the name of a score: upper bounds where lower is better, else lower bounds. The clip is decoded
    once. Raises Unreadable for a file that cannot be scored, WeightsError without a model file.
    """
    explanation = explanation_of(path, settings, thresholds or {}, name or path.stem)
    folder.mkdir(parents=True, exist_ok=True)
    sheet = folder / f"{explanation.name}.png"
    numbers = json.dumps(_numbers(explanation), indent=1, ensure_ascii=False)
    (folder / f"{explanation.name}.json").write_text(numbers, encoding="utf-8")
    draw(explanation).finished().save(sheet, optimize=True)
    return sheet


def explanation_of(path: Path, settings: Settings, thresholds: Mapping[str, float], name: str) -> Explanation:
    """Score a clip with all scorers and keep what the sheet shows. Raises what `explain` raises."""
    watches: list[SheetWatch] = []

    def begin(open_pose: PoseOpener, header: ClipHeader) -> SheetWatch:
        step = talkvid.step(header) if settings.talkvid_compat else None
        watches.append(SheetWatch(open_pose(), step))
        return watches[-1]

    count = Column(NAME, "frames looked at", "none")
    made = tuple(scorers(settings))
    looking = Scorer(NAME, "1", "", (count,), lambda: pose_opener(settings), begin)
    result = Pipeline(settings, (*made, looking)).score(path)
    if result.error or result.facts is None:
        raise Unreadable(result.error)
    if result.scores.pop(NAME) is None:
        raise RuntimeError(result.reasons[NAME])
    return Explanation(name, settings, made, result, result.facts, tuple(watches[-1].frames), thresholds)


def _numbers(explanation: Explanation) -> dict[str, Any]:
    """Everything on the sheet, and what has no room there, as written to the JSON file."""
    result = explanation.result
    settings = explanation.settings
    return {
        "clip": str(result.path),
        "facts": asdict(explanation.facts),
        "settings": {"faces": settings.faces, "pose": settings.pose, "talkvid_compat": settings.talkvid_compat},
        "scorers": [
            {
                "scorer": scorer.name,
                "version": scorer.version,
                "backend": scorer.backend,
                "models": {weight.file: weight.sha256 for weight in scorer.weights},
            }
            for scorer in explanation.scorers
        ],
        "cuts": dict(explanation.thresholds),
        "scores": result.scores,
        "reasons": result.reasons,
        "series": result.series,
        "times": result.times,
        "worst": {
            series.name: {"value": worst.value, "place": worst.place, "time": worst.time}
            for scorer in explanation.scorers
            for series in scorer.series
            if (worst := explanation.worst(scorer, series))
        },
        "frames": [_frame(frame) for frame in explanation.frames],
    }


def _frame(frame: SampledFrame) -> dict[str, Any]:
    width, height = frame.size
    return {
        "place": frame.place,
        "time": frame.time,
        "width": width,
        "height": height,
        "pose": frame.pose._asdict() if frame.pose else None,
        "faces": [
            {
                "box": _rounded(face.box),
                "points": [_rounded(point) for point in face.points.tolist()],
                "confidence": round(face.confidence, 4),
                "certain": face.certain,
                "doubtful": face.doubtful,
            }
            for face in frame.faces
        ],
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 2) for value in values]

"""Frames on a contact sheet: each with its faces, the pose of the head, and the frame's own scores."""

from typing import NamedTuple

import cv2
import numpy as np

from scoring.explain.drawing import ACCENT, ACCENT_SOFT, BODY, INK, LINE, META, MUTED, REJECT, SURFACE, Canvas, number
from scoring.explain.explanation import Explanation, SampledFrame
from scoring.faces.face import Face
from scoring.head.pose import Pose, rotation_matrix
from scoring.images import Image, resized

PAD = 12
"""Pixels between the edge of a tile and its text."""
LEAD = 18
"""Pixels from one line of text to the next."""
CAPTION = 128
"""Height in pixels of the text below a landscape frame."""
UPRIGHT, SLIM = 312, 190
"""Height and greatest width in pixels of a portrait frame, which has its text beside it."""
FINE = 3
"""Boxes and points are drawn at this many times the size of the frame, then scaled down: lines become fine."""
DARK = (17, 18, 20)
"""Red, green, blue of the outline below lines on a frame, so that they show on a light background."""


class Tile(NamedTuple):
    """The layout of every frame of a clip: width and height of the tile, size of the picture in it (pixels), and
    whether the text is next to the picture.
    """

    width: int
    height: int
    picture: tuple[int, int]
    beside: bool


def tile(size: tuple[int, int], width: int) -> Tile:
    """The layout for frames of `size` in tiles of `width` pixels: text is next to a portrait frame, below others.

    >>> tile((1920, 1080), 372), tile((1080, 1920), 372)[2:]
    (Tile(width=372, height=337, picture=(372, 209), beside=False), ((176, 312), True))
    """
    wide, high = size
    if high <= wide:
        picture = (width, max(1, round(width * high / wide)))
        return Tile(width, picture[1] + CAPTION, picture, beside=False)
    scale = min(UPRIGHT / high, SLIM / wide)
    return Tile(width, UPRIGHT, (max(1, round(wide * scale)), max(1, round(high * scale))), beside=True)


def draw_tile(canvas: Canvas, explanation: Explanation, frame: SampledFrame, left: int, top: int, layout: Tile) -> None:
    """Draw one frame with its text, its upper left corner at (`left`, `top`)."""
    canvas.box(left - 1, top - 1, layout.width + 2, layout.height + 2, LINE, 5)
    canvas.box(left, top, layout.width, layout.height, SURFACE, 4)
    shown = with_faces(frame, *layout.picture)
    canvas.picture(shown, left, top + (layout.height - layout.picture[1]) // 2 if layout.beside else top)
    right = left + layout.width - PAD
    if layout.beside:
        start, line = left + layout.picture[0] + PAD, top + 26
        canvas.text(f"{frame.time:.2f} s", (start, line), BODY, strong=True)
        for word in count(frame):
            line += LEAD
            canvas.text(word, (start, line), META, MUTED)
        line += 2 * LEAD
        _scores(canvas, explanation, frame, start, right, line)
        _pose(canvas, frame.pose, start, right, line + 6 * LEAD)
        return
    start, line = left + PAD, top + layout.picture[1] + 24
    canvas.text(f"{frame.time:.2f} s", (start, line), BODY, strong=True)
    canvas.text(", ".join(count(frame)), (right, line), META, MUTED, "right")
    middle = left + round(layout.width * 0.56)
    _scores(canvas, explanation, frame, start, middle, line + LEAD + 4)
    _pose(canvas, frame.pose, middle + 32, right, line + LEAD + 4)


def count(frame: SampledFrame) -> list[str]:
    """How many faces the frame has: the faces that count, the confidence if there is one, and the doubtful ones.

    >>> count(SampledFrame(0, 0.0, (1, 1), (), None, b""))
    ['no face']
    """
    certain = [face for face in frame.faces if face.certain]
    doubtful = sum(face.doubtful for face in frame.faces)
    words = [f"{len(certain)} faces" if len(certain) > 1 else "1 face" if certain else "no face"]
    if len(certain) == 1:
        words[0] += f" ({certain[0].confidence:.2f})"
    return words + [f"{doubtful} doubtful"] * bool(doubtful)


def with_faces(frame: SampledFrame, width: int, height: int) -> Image:
    """The frame, (height, width, 3), with boxes, points and the axes of the pose drawn on it."""
    picture = resized(frame.picture, width * FINE, height * FINE)
    scale = picture.shape[1] / frame.size[0]
    for face in frame.faces:
        thick = 5 if face.certain else 2
        x, y, wide, high = (round(value * scale) for value in face.box)
        for colour, pen in ((DARK, thick + 3), (ACCENT_SOFT, thick)):
            cv2.rectangle(picture, (x, y), (x + wide, y + high), colour, pen, cv2.LINE_AA)
        for point in np.rint(face.points * scale).astype(int).tolist():
            cv2.circle(picture, point, 9, DARK, -1, cv2.LINE_AA)
            cv2.circle(picture, point, 6, ACCENT_SOFT, -1, cv2.LINE_AA)
    certain = [face for face in frame.faces if face.certain]
    if frame.pose and len(certain) == 1:
        _axes(picture, certain[0], frame.pose, scale)
    return resized(picture, width, height)


def _axes(picture: Image, face: Face, pose: Pose, scale: float) -> None:
    """Draw the pose from the nose tip: right and down as thin lines, the gaze as an arrow, half as long as the box."""
    nose, long, turn = face.points[2] * scale, face.box[3] * scale / 2, rotation_matrix(pose)
    right, down, gaze = (np.rint(nose + axis[:2] * long).astype(int).tolist() for axis in (*turn.T[:2], -turn[:, 2]))
    start = np.rint(nose).astype(int).tolist()
    for colour, more in ((DARK, 4), (SURFACE, 0)):
        cv2.line(picture, start, right, colour, 3 + more, cv2.LINE_AA)
        cv2.line(picture, start, down, colour, 3 + more, cv2.LINE_AA)
    for colour, more in ((DARK, 4), (ACCENT_SOFT, 0)):
        cv2.arrowedLine(picture, start, gaze, colour, 6 + more, cv2.LINE_AA, 0, 0.3)


def _scores(
    canvas: Canvas, explanation: Explanation, frame: SampledFrame, left: float, right: float, line: float
) -> None:
    """Draw the frame's scores, one a line; the worst of the clip has a mark, a score below its threshold is red."""
    for series in explanation.frame_series:
        name, values = series.name, explanation.result.series.get(series.name, [])
        value = values[frame.place] if frame.place < len(values) else None
        canvas.text(name, (left, line), META, MUTED)
        if value is None:
            canvas.text("none", (right, line), META, MUTED, "right")
        else:
            worst = explanation.worst_places.get(name) == frame.place
            colour = REJECT if value < explanation.thresholds.get(series.worst, value) else ACCENT if worst else INK
            wide = canvas.text(number(value), (right, line), META, colour, "right", strong=worst)
            if worst:
                x, y = right - wide - 13, line - 8
                canvas.shape([(x, y), (x + 8, y), (x + 4, y + 7)], colour)
        line += LEAD


def _pose(canvas: Canvas, pose: Pose | None, left: float, right: float, line: float) -> None:
    rows = [("pose", "none")]
    if pose:
        rows = [(name, f"{angle:+.1f}°") for name, angle in pose._asdict().items()]
    for name, value in rows:
        canvas.text(name, (left, line), META, MUTED)
        canvas.text(value, (right, line), META, INK if pose else MUTED, "right")
        line += LEAD

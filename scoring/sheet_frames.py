"""The frames on a contact sheet: each with its faces, the pose of the head, and the frame's own scores."""

from typing import NamedTuple

import cv2
import numpy as np

from scoring.drawing import ACCENT, ACCENT_SOFT, BODY, INK, LINE, META, MUTED, REJECT, SURFACE, Canvas, number
from scoring.explain import Explained, Look
from scoring.faces.face import Face
from scoring.head.pose import Pose, rotation_matrix
from scoring.images import Image, resized

PAD = 12
"""Pixels between a tile's edge and its words."""
LEAD = 18
"""Pixels from line to line."""
CAPTION = 128
"""Height in pixels of the words below a landscape frame."""
UPRIGHT, SLIM = 312, 190
"""Height and greatest width in pixels of a portrait frame, which has its words at its side."""
FINE = 3
"""Frames are drawn on at so many times their size."""
DARK = (17, 18, 20)
"""Under lines on video, so that they show on light ground."""
HEAD_SCORES = ("movement", "rotation", "orientation", "resolution", "completeness")


class Tile(NamedTuple):
    """How every frame of a clip is laid out: the tile's size, the picture's, and whether words stand at its side."""

    width: int
    height: int
    picture: tuple[int, int]
    beside: bool


def tile(size: tuple[int, int], width: int) -> Tile:
    """The layout for frames of that size in tiles of that width: words go beside what is higher than wide.

    >>> tile((1920, 1080), 372), tile((1080, 1920), 372)[2:]
    (Tile(width=372, height=337, picture=(372, 209), beside=False), ((176, 312), True))
    """
    wide, high = size
    if high <= wide:
        picture = (width, max(1, round(width * high / wide)))
        return Tile(width, picture[1] + CAPTION, picture, beside=False)
    scale = min(UPRIGHT / high, SLIM / wide)
    return Tile(width, UPRIGHT, (max(1, round(wide * scale)), max(1, round(high * scale))), beside=True)


def draw_tile(canvas: Canvas, explained: Explained, look: Look, left: int, top: int, layout: Tile) -> None:
    """One frame with its words, its upper left corner at that place."""
    canvas.box(left - 1, top - 1, layout.width + 2, layout.height + 2, LINE, 5)
    canvas.box(left, top, layout.width, layout.height, SURFACE, 4)
    shown = with_faces(look, *layout.picture)
    canvas.picture(shown, left, top + (layout.height - layout.picture[1]) // 2 if layout.beside else top)
    right = left + layout.width - PAD
    if layout.beside:
        start, line = left + layout.picture[0] + PAD, top + 26
        canvas.text(f"{look.time:.2f} s", (start, line), BODY, strong=True)
        for word in count(look):
            line += LEAD
            canvas.text(word, (start, line), META, MUTED)
        line += 2 * LEAD
        _scores(canvas, explained, look, start, right, line)
        _pose(canvas, look.pose, start, right, line + 6 * LEAD)
        return
    start, line = left + PAD, top + layout.picture[1] + 24
    canvas.text(f"{look.time:.2f} s", (start, line), BODY, strong=True)
    canvas.text(", ".join(count(look)), (right, line), META, MUTED, "right")
    middle = left + round(layout.width * 0.56)
    _scores(canvas, explained, look, start, middle, line + LEAD + 4)
    _pose(canvas, look.pose, middle + 32, right, line + LEAD + 4)


def count(look: Look) -> list[str]:
    """How many faces there are, and how sure.

    >>> count(Look(0, 0.0, (1, 1), (), None, b""))
    ['no face']
    """
    certain = [face for face in look.faces if face.certain]
    doubtful = sum(face.doubtful for face in look.faces)
    words = [f"{len(certain)} faces" if len(certain) > 1 else "1 face" if certain else "no face"]
    if len(certain) == 1:
        words[0] += f" ({certain[0].confidence:.2f})"
    return words + [f"{doubtful} doubtful"] * bool(doubtful)


def with_faces(look: Look, width: int, height: int) -> Image:
    """The frame (height, width, 3) with boxes, points and the axes of the pose, drawn larger for fine lines."""
    picture = resized(look.picture, width * FINE, height * FINE)
    scale = picture.shape[1] / look.size[0]
    for face in look.faces:
        thick = 5 if face.certain else 2
        x, y, wide, high = (round(value * scale) for value in face.box)
        for colour, pen in ((DARK, thick + 3), (ACCENT_SOFT, thick)):
            cv2.rectangle(picture, (x, y), (x + wide, y + high), colour, pen, cv2.LINE_AA)
        for point in np.rint(face.points * scale).astype(int).tolist():
            cv2.circle(picture, point, 9, DARK, -1, cv2.LINE_AA)
            cv2.circle(picture, point, 6, ACCENT_SOFT, -1, cv2.LINE_AA)
    certain = [face for face in look.faces if face.certain]
    if look.pose and len(certain) == 1:
        _axes(picture, certain[0], look.pose, scale)
    return resized(picture, width, height)


def _axes(picture: Image, face: Face, pose: Pose, scale: float) -> None:
    """From the nose: the head's right and down as thin lines, its gaze as an arrow, all half as long as the box."""
    nose, long, turn = face.points[2] * scale, face.box[3] * scale / 2, rotation_matrix(pose)
    right, down, gaze = (np.rint(nose + axis[:2] * long).astype(int).tolist() for axis in (*turn.T[:2], -turn[:, 2]))
    start = np.rint(nose).astype(int).tolist()
    for colour, more in ((DARK, 4), (SURFACE, 0)):
        cv2.line(picture, start, right, colour, 3 + more, cv2.LINE_AA)
        cv2.line(picture, start, down, colour, 3 + more, cv2.LINE_AA)
    for colour, more in ((DARK, 4), (ACCENT_SOFT, 0)):
        cv2.arrowedLine(picture, start, gaze, colour, 6 + more, cv2.LINE_AA, 0, 0.3)


def _scores(canvas: Canvas, explained: Explained, look: Look, left: float, right: float, line: float) -> None:
    """The frame's scores, one a line; the worst of the clip is marked, and what fails a cut is red."""
    for name in HEAD_SCORES:
        series = explained.result.series.get(name, [])
        value = series[look.place] if look.place < len(series) else None
        canvas.text(name, (left, line), META, MUTED)
        if value is None:
            canvas.text("none", (right, line), META, MUTED, "right")
        else:
            worst = explained.worst_places.get(name) == look.place
            colour = REJECT if value < explained.cuts.get(f"min_{name}", value) else ACCENT if worst else INK
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

"""The contact sheet of a scored clip: frames with faces and poses, a curve per series, and all scores."""

import math

from scoring.explain.drawing import (
    BODY,
    HEADING,
    INK,
    LINE,
    META,
    MUTED,
    REJECT,
    TITLE,
    Canvas,
    number,
    shortened,
    wrapped,
)
from scoring.explain.explanation import Explanation, chosen_frames
from scoring.explain.sheet_curves import height as curve_height
from scoring.explain.sheet_curves import panel
from scoring.explain.sheet_frames import draw_tile, tile
from scoring.scorer import Column, Scorer

WIDTH, MARGIN, GAP = 1600, 32, 16
"""Pixels."""
PAGE = WIDTH - 2 * MARGIN
FOUR, THREE = (PAGE - 3 * GAP) // 4, (PAGE - 2 * GAP) // 3
"""Widths in pixels of frames and of everything below them."""
HEADER, SECTION = 136, 64
"""Pixels above the frames, and above the curves and the scores."""
ROW, NOTE = 24, 19
"""Pixels from score to score, and from line to line of the reasons."""


def draw(explanation: Explanation) -> Canvas:
    """The sheet as a page, 1600 pixels wide and as high as its content."""
    frames = chosen_frames(explanation)
    layout = tile(frames[0].size, FOUR)
    plots = [
        (scorer, series)
        for scorer in explanation.scorers
        for series in scorer.series
        if any(value is not None for value in explanation.result.series.get(series.name, []))
    ]
    tall = curve_height(explanation.thresholds)
    curves_top = HEADER + math.ceil(len(frames) / 4) * (layout.height + GAP) - GAP + SECTION
    scores_top = curves_top + math.ceil(len(plots) / 3) * (tall + GAP) - GAP + SECTION
    height = scores_top + sum(group_height(explanation, scorer) for scorer in explanation.scorers) + MARGIN
    canvas = Canvas(WIDTH, height)
    _header(canvas, explanation, len(frames))
    for place, frame in enumerate(frames):
        row, column = divmod(place, 4)
        left, top = MARGIN + column * (FOUR + GAP), HEADER + row * (layout.height + GAP)
        draw_tile(canvas, explanation, frame, left, top, layout)
    canvas.text("Second by second", (MARGIN, curves_top - 18), HEADING, strong=True)
    for place, (scorer, series) in enumerate(plots):
        row, column = divmod(place, 3)
        left, top = MARGIN + column * (THREE + GAP), curves_top + row * (tall + GAP)
        panel(canvas, explanation, scorer, series, left, top, THREE)
    canvas.text("Scores of the clip", (MARGIN, scores_top - 18), HEADING, strong=True)
    for scorer in explanation.scorers:
        _group(canvas, explanation, scorer, scores_top)
        scores_top += group_height(explanation, scorer)
    return canvas


def _header(canvas: Canvas, explanation: Explanation, shown: int) -> None:
    facts, seen = explanation.facts, len(explanation.frames)
    canvas.text(shortened(explanation.name, TITLE, PAGE), (MARGIN, 56), TITLE, strong=True)
    rate = f"{facts.fps:.3f}".rstrip("0").rstrip(".")
    words = [f"{facts.width} x {facts.height}", f"{rate} frames/s", f"{facts.duration:.2f} s", facts.codec]
    if shown < seen:
        words.append(f"{shown} of the {seen} frames looked at: the worst seconds and an even choice of the rest")
    canvas.text("   ·   ".join(words), (MARGIN, 86), BODY, MUTED)
    legend = (
        "Box and dots: a face and its five points, thin where it does not count. White lines and arrow: the head's "
        "axes and where it faces. Triangle: the clip's worst second."
    )
    canvas.text(legend, (MARGIN, 112), META, MUTED)


def _reasons(explanation: Explanation, scorer: Scorer) -> list[str]:
    """The reasons why scores of this scorer are missing, each once."""
    names = (column.name for column in scorer.columns if explanation.result.scores.get(column.name) is None)
    return list(dict.fromkeys(explanation.result.reasons.get(name, "No reason was given.") for name in names))


def _notes(explanation: Explanation, scorer: Scorer) -> list[list[str]]:
    return [wrapped(f"({n}) {why}", META, PAGE) for n, why in enumerate(_reasons(explanation, scorer), start=1)]


def group_height(explanation: Explanation, scorer: Scorer) -> int:
    """Height in pixels of a scorer's scores: a line for its name, three scores a row, the reasons, and space below."""
    lines = sum(len(note) for note in _notes(explanation, scorer))
    return 28 + math.ceil(len(scorer.columns) / 3) * ROW + lines * NOTE + 24


def _group(canvas: Canvas, explanation: Explanation, scorer: Scorer, top: int) -> None:
    """Draw one scorer's scores, in three columns that read downwards, and the reasons for missing scores."""
    wide = canvas.text(scorer.name, (MARGIN, top + 12), BODY, strong=True)
    made = f"{scorer.backend}, version {scorer.version}"
    canvas.text(shortened(made, META, PAGE - wide - 12), (MARGIN + wide + 12, top + 12), META, MUTED)
    reasons = _reasons(explanation, scorer)
    rows = math.ceil(len(scorer.columns) / 3)
    for place, column in enumerate(scorer.columns):
        block, row = divmod(place, rows)
        left, line = MARGIN + block * (THREE + GAP), top + 28 + row * ROW
        canvas.line((left, line), (left + THREE, line), LINE)
        _score(canvas, explanation, column, reasons, left, line + 17)
    line = top + 28 + rows * ROW + 4
    for note in _notes(explanation, scorer):
        for words in note:
            line += NOTE
            canvas.text(words, (MARGIN, line), META, MUTED)


def _score(canvas: Canvas, explanation: Explanation, column: Column, reasons: list[str], left: int, line: int) -> None:
    value, threshold = explanation.result.scores.get(column.name), explanation.thresholds.get(column.name)
    right = left + THREE - 190
    wide = canvas.text(shortened(column.name, BODY, THREE - 300), (left, line), BODY)
    if column.approximate and wide < 150:
        canvas.text("approximate", (left + wide + 10, line), META, MUTED)
    if value is None:
        why = explanation.result.reasons.get(column.name, reasons[0])
        canvas.text(f"none ({reasons.index(why) + 1})", (right, line), BODY, MUTED, "right")
    else:
        failed = threshold is not None and not _passes(value, threshold, column)
        canvas.text(number(value), (right, line), BODY, REJECT if failed else INK, "right")
        canvas.text(shortened(column.units, META, 180 if threshold is None else 70), (right + 6, line), META, MUTED)
    if threshold is not None:
        bound = "at most" if column.direction == "lower" else "at least"
        words = f"{bound} {number(threshold)}"
        canvas.text(words, (left + THREE - 34, line), META, MUTED, "right")
        if value is not None:
            canvas.mark(_passes(value, threshold, column), (left + THREE - 22, line))


def _passes(value: float, threshold: float, column: Column) -> bool:
    return value <= threshold if column.direction == "lower" else value >= threshold

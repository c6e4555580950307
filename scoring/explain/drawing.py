"""A canvas for contact sheets: lines drawn by OpenCV, text by Pillow with its own font, in the product's colours."""

import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from scoring.images import Image

Colour = tuple[int, int, int]
"""Red, green, blue."""
Point = tuple[float, float]

GROUND: Colour = (251, 251, 250)
SURFACE: Colour = (255, 255, 255)
LINE: Colour = (228, 228, 224)
INK: Colour = (27, 28, 30)
MUTED: Colour = (98, 100, 106)
"""Contrast with GROUND: 5.7 : 1."""
ACCENT: Colour = (59, 91, 219)
ACCENT_SOFT: Colour = (142, 162, 255)
"""The accent of the dark theme, which is visible on video."""
ACCEPT: Colour = (27, 127, 92)
REJECT: Colour = (179, 64, 58)

BODY, META, HEADING, TITLE = 15, 13, 20, 28
"""Font sizes in pixels."""
SHIFT = 4
"""Binary digits behind the point in the coordinates given to OpenCV: sixteenths of a pixel."""

EXTRA = "©«°±´·»‘’“”…‹›™"
"""The characters beyond ASCII that the font has."""
INSTEAD = {"−": "-", "–": "-", "—": "-", "×": "x", "≥": ">=", "≤": "<=", "⁄": "/", "ß": "ss"}

Side = Literal["left", "right", "middle"]
_ANCHORS: dict[Side, str] = {"left": "ls", "right": "rs", "middle": "ms"}


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font inside Pillow (Aileron, with figures of equal width), so that sheets look the same on every machine."""
    made = ImageFont.load_default(size)
    assert isinstance(made, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return made


@cache
def plain(text: str) -> str:
    """The text in characters that the font has: accents are removed, unknown characters become `?`.

    >>> plain("naïve 3 − 1 ≥ 2 中")
    'naive 3 - 1 >= 2 ?'
    """
    return "".join(letter if letter in EXTRA else _bare(letter) for letter in text)


def _bare(letter: str) -> str:
    parts = (part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return "".join(part if part in EXTRA or " " <= part <= "~" else INSTEAD.get(part, "?") for part in parts)


def width_of(text: str, size: int) -> float:
    """The width of the text in pixels."""
    return font(size).getlength(plain(text))


def shortened(text: str, size: int, width: float) -> str:
    """The text, truncated with an ellipsis if it is wider than `width` pixels.

    >>> shortened("a long name", 15, 60)
    'a long n…'
    """
    if width_of(text, size) <= width:
        return text
    while text and width_of(f"{text}…", size) > width:
        text = text[:-1].rstrip()
    return f"{text}…"


def wrapped(text: str, size: int, width: float) -> list[str]:
    """The text in lines of at most `width` pixels, broken between words.

    >>> wrapped("one two three", 15, 70)
    ['one two', 'three']
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and width_of(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [shortened(line, size, width) for line in lines]


def number(value: float) -> str:
    """A value with three or four significant digits.

    >>> number(97.92), number(223.1), number(0.9341), number(100), number(0.00042)
    ('97.9', '223', '0.934', '100', '0.00042')
    """
    size = abs(value)
    if 0 < size < 0.001:
        return f"{value:.2g}"
    places = 0 if size >= 100 or value == round(value, 9) == int(value) else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{places}f}"


@dataclass(frozen=True)
class Words:
    """Text on a canvas. `place` is the point at which its baseline begins, ends or is centred, as `side` says."""

    text: str
    place: Point
    size: int
    colour: Colour
    side: Side
    strong: bool


@dataclass
class Canvas:
    """A page of `width` x `height` pixels. Shapes are drawn at once and text at the end, so no shape covers text."""

    width: int
    height: int
    _pixels: Image = field(init=False)
    words: list[Words] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._pixels = np.full((self.height, self.width, 3), GROUND, np.uint8)

    def text(
        self,
        text: str,
        place: Point,
        size: int = BODY,
        colour: Colour = INK,
        side: Side = "left",
        *,
        strong: bool = False,
    ) -> float:
        """Write text whose baseline begins, ends or is centred at `place`; return its width in pixels."""
        self.words.append(Words(plain(text), place, size, colour, side, strong))
        return width_of(text, size)

    def picture(self, rgb: Image, left: int, top: int) -> None:
        """Draw a picture (height, width, 3) with its upper left corner at (`left`, `top`)."""
        height, width = rgb.shape[:2]
        self._pixels[top : top + height, left : left + width] = rgb

    def box(self, left: float, top: float, width: float, height: float, fill: Colour, radius: int = 0) -> None:
        """Draw a filled rectangle with corners of `radius` pixels."""
        x0, y0, x1, y1 = round(left), round(top), round(left + width), round(top + height)
        if not radius:
            self._pixels[y0:y1, x0:x1] = fill
            return
        self._pixels[y0 + radius : y1 - radius, x0:x1] = fill
        self._pixels[y0:y1, x0 + radius : x1 - radius] = fill
        for x in (x0 + radius, x1 - radius - 1):
            for y in (y0 + radius, y1 - radius - 1):
                self.dot((x, y), radius, fill)

    def line(self, start: Point, end: Point, colour: Colour, thick: int = 1) -> None:
        """Draw an anti-aliased line, `thick` pixels wide."""
        cv2.line(self._pixels, _fine(start), _fine(end), colour, thick, cv2.LINE_AA, SHIFT)

    def dashes(self, start: Point, end: Point, colour: Colour) -> None:
        """Draw a horizontal dashed line; each dash is 5 pixels long."""
        x = start[0]
        while x < end[0]:
            self.line((x, start[1]), (min(x + 5, end[0]), start[1]), colour)
            x += 9

    def curve(self, points: list[Point], colour: Colour, thick: int = 2) -> None:
        """Draw an anti-aliased line through points."""
        path: NDArray[np.int32] = np.array([_fine(point) for point in points], np.int32)
        cv2.polylines(self._pixels, [path], False, colour, thick, cv2.LINE_AA, SHIFT)

    def dot(self, place: Point, radius: float, colour: Colour, thick: int = -1) -> None:
        """Draw a disc, or a ring if `thick` (pixels) is given."""
        cv2.circle(self._pixels, _fine(place), round(radius * (1 << SHIFT)), colour, thick, cv2.LINE_AA, SHIFT)

    def shape(self, points: list[Point], colour: Colour) -> None:
        """Draw a filled polygon."""
        path: NDArray[np.int32] = np.array([_fine(point) for point in points], np.int32)
        cv2.fillPoly(self._pixels, [path], colour, cv2.LINE_AA, SHIFT)

    def mark(self, passed: bool, place: Point, size: float = 10) -> None:
        """Draw a green check or a red cross with its lower left corner at `place`."""
        x, y = place
        if passed:
            self.curve([(x, y - size * 0.4), (x + size * 0.35, y - size * 0.05), (x + size, y - size * 0.8)], ACCEPT)
        else:
            self.line((x + 1, y), (x + size - 1, y - size * 0.8), REJECT, 2)
            self.line((x + 1, y - size * 0.8), (x + size - 1, y), REJECT, 2)

    def finished(self) -> Pictures.Image:
        """The page with its text, as an image."""
        page = Pictures.fromarray(self._pixels)
        pen = ImageDraw.Draw(page)
        for words in self.words:
            stroke = 0.35 if words.strong else 0
            pen.text(
                words.place,
                words.text,
                words.colour,
                font(words.size),
                _ANCHORS[words.side],
                stroke_width=stroke,
                stroke_fill=words.colour,
            )
        return page


def _fine(point: Point) -> tuple[int, int]:
    return round(point[0] * (1 << SHIFT)), round(point[1] * (1 << SHIFT))

"""Make attention clips: clips of the pool with an instruction drawn into the picture, to see whether raters watch.

A browser cannot tell them from other clips: they have a random name and the same container.
"""

import random
import secrets
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from PIL import Image, ImageDraw, ImageFont

from app.errors import AppError
from app.limited_process import run_limited
from app.pools.pool_files import Pool
from app.settings import Settings
from app.studies import clip_files, scales
from app.studies.reference_clips import ReferenceClip
from app.studies.study_file import CriterionSpec, StudyFile

LONGEST = 20.0
"""Seconds. Shorter clips are preferred, because the text is drawn into every frame."""
ROLE = "attention"
_BAND = (16, 17, 20)
_LEAST_TEXT = 12
"""Smallest font size in pixels that is readable."""


def choose(pool: Pool, spec: StudyFile, used: Collection[str], *, one_by_one: bool) -> list[ReferenceClip]:
    """Choose the clips and the answers they ask for: clips that the study does not use elsewhere, if there are any.

    If criteria are asked one by one, each clip asks for one of them. Raises AppError if the study has no question that
    a short instruction can answer.
    """
    if spec.attention is None:
        return []
    asked = [item for item in spec.criteria if scales.of(item).is_one_choice]
    if not asked:
        raise AppError(
            "No question of this study can be answered by an instruction.", "Take [attention] out, or add a scale."
        )
    chance = random.Random(f"attention:{spec.seed}:{spec.name}")  # noqa: S311 - a reproducible draw, not a secret
    names = _candidates(pool, used)
    chance.shuffle(names)
    clips = [names[number % len(names)] for number in range(min(spec.attention.clips, len(names)))]
    found = []
    for number, clip in enumerate(clips):
        items = [asked[number % len(asked)]] if one_by_one else asked
        found.append(ReferenceClip(clip, ROLE, {item.key: chance.choice(scales.values_of(item)) for item in items}))
    return found


def make(
    pool: Pool, spec: StudyFile, clips: Sequence[ReferenceClip], settings: Settings, others: dict[str, str]
) -> dict[str, str]:
    """Write the clips with their instructions; returns the random name of each.

    If a clip cannot be written, all prepared clips of the study are removed: `others` are those prepared before.
    Raises AppError.
    """
    keys = {one.clip: clip_files.new_key() for one in clips}
    criteria = {item.key: item for item in spec.criteria}
    try:
        for one in secrets.SystemRandom().sample(list(clips), len(clips)):
            words = [_asked(criteria[key], value) for key, value in one.answers.items()]
            with_instruction(pool.media_path(one.clip), settings.media / f"{keys[one.clip]}.mp4", words)
    except BaseException:
        clip_files.forget(settings, others | keys)
        raise
    return keys


def with_instruction(source: Path, target: Path, words: Sequence[str]) -> None:
    """Write a prepared copy of a clip with an instruction in a dark band along its lower edge.

    `words` has one entry per question, such as "Quality: Poor". The clip is read in a child process with limits. Raises
    AppError that names the file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        half = Path(folder) / "drawn.mp4"
        run_limited(clip_files.LIMITS, f"The clip {source.name}", _draw_words, source, half, target, words)


def _draw_words(source: Path, half: Path, target: Path, words: Sequence[str]) -> None:
    clip_files.encode_anew(source, half, _stamp(["Please answer this clip with:", *words]))
    clip_files.prepare_here(half, target)  # removes the encoder's metadata, as for every other clip


def _stamp(lines: Sequence[str]) -> Callable[[Image.Image], Image.Image]:
    """A function that draws the lines into a picture. The band is drawn once for each picture size."""
    bands: dict[tuple[int, int], Image.Image] = {}

    def stamped(picture: Image.Image) -> Image.Image:
        if picture.size not in bands:
            bands[picture.size] = _band(picture.size, lines)
        band = bands[picture.size]
        picture.paste(band, (0, picture.height - band.height))  # faces are usually higher
        return picture

    return stamped


def _band(size: tuple[int, int], lines: Sequence[str]) -> Image.Image:
    """A dark band as wide as the picture, with the lines as large as fits into two fifths of the picture's height."""
    width, height = size
    for pixels in range(max(_LEAST_TEXT, height // 22), _LEAST_TEXT - 1, -1):
        font = ImageFont.load_default(pixels)
        step = round(pixels * 1.4)
        tall = step * len(lines) + pixels
        if max(font.getlength(line) for line in lines) <= width * 0.94 and tall <= height * 0.4:
            break
    band = Image.new("RGB", (width, min(height, tall)), _BAND)
    pen = ImageDraw.Draw(band)
    for number, line in enumerate(lines):
        pen.text((width * 0.03, pixels * 0.5 + number * step), line, font=font, fill="white")
    return band


def _candidates(pool: Pool, used: Collection[str]) -> list[str]:
    """Names of the clips to choose from: unused and short ones if there are any."""
    frame = pool.readable.select("clip", "duration")
    fresh = frame.filter(~pl.col("clip").is_in(sorted(set(used))))
    those = fresh if fresh.height else frame
    short = those.filter(pl.col("duration").fill_null(LONGEST + 1) <= LONGEST)
    return sorted((short if short.height else those)["clip"].to_list())


def _asked(item: CriterionSpec, value: str) -> str:
    """ "Quality: Poor"; key and number where label or word hold letters that the font may lack."""
    word = scales.word(item, value)
    label = item.label if item.label.isascii() else item.key
    return f"{label}: {word if word.isascii() else value}"

"""Makers of pools to draw from, of designs and of the samples they give."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from app.errors import AppError
from app.sampling import design_files, sample_files
from app.sampling.sample_files import SampleFile

CLIPS = 600
FILTERS = """
[[filter]]
name = "still"
score = "movement"
min = 60
[[filter]]
name = "sharp"
score = "sharpness"
min = 10
"""


def frame(clips: int = CLIPS) -> pl.DataFrame:
    """Scores spread over 0 ... 100, a tenth of the sharpness missing, six clips a film, two languages."""
    chance = np.random.default_rng(8)
    sharpness = [None if number % 10 == 9 else float(value) for number, value in enumerate(chance.random(clips) * 100)]
    return pl.DataFrame(
        {
            "clip": [f"c{number:03}" for number in range(clips)],
            "media": ["tiny.mp4"] * clips,
            "source": [f"film-{number // 6}" for number in range(clips)],
            "duration": [0.2] * clips,
            "movement": 100 * chance.random(clips).round(3),
            "sharpness": pl.Series(sharpness, dtype=pl.Float64),
            "language": ["fr" if number % 4 == 0 else "en" for number in range(clips)],
            "constant": [5.0] * clips,
        }
    )


def made(pool: Path, text: str, name: str = "sample.parquet", **more: Any) -> SampleFile:
    """The sample of a design, written and read again."""
    output = pool.with_name(name)
    sample_files.make(pool, design_files.parse(text, "design.toml", pool.parent), output, **more)
    return sample_files.read(output)


def refusal(pool: Path, text: str, **more: Any) -> str:
    """What is said of a draw that cannot be made; no file is left behind."""
    with pytest.raises(AppError) as caught:
        made(pool, text, "refused.parquet", **more)
    assert not list(pool.parent.glob("*refused*"))
    return str(caught.value)


DESIGNS = {
    "simple": 'design = "simple"\nclips = 40\n' + FILTERS,
    "by": 'design = "stratified"\nby = "still"\nclips = 60\n' + FILTERS,
    "crossed": 'design = "stratified"\nclips = 90\nallocation = "power"\n[[strata]]\nfilter = "still"\nbands = 3\n'
    '[[strata]]\ncolumn = "language"\n[[strata]]\npattern = true\n' + FILTERS,
    "neyman": 'design = "stratified"\nby = "still"\nbands = 4\nclips = 60\nallocation = "neyman"\n'
    "guess = [0.1, 0.4, 0.7, 0.95]\n" + FILTERS,
    "limited": 'design = "stratified"\nby = "still"\nclips = 60\nper_source = 1\nper_source_in = "stratum"\n' + FILTERS,
    "passed": 'design = "simple"\nonly = "passed"\nclips = 30\n' + FILTERS,
    "included": 'design = "simple"\nclips = 30\ninclude = ["c001"]\nexclude = ["c002"]\n' + FILTERS,
}
BORDERLINE = 'design = "borderline"\neach = 10\nrejects = 12\n' + FILTERS

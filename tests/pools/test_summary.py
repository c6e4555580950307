"""Summary of a pool: counts add up, thresholds are drawn in the right place, remote pools work, values are escaped."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as some
from rich.console import Console

from app.errors import AppError
from app.filters.filter_files import FilterFile
from app.filters.retention import retention
from app.pools.scanning import scan, scan_pool
from app.pools.summary import BINS, Histogram, condition_of, summarize
from app.pools.summary_page import render
from app.pools.summary_terminal import axis, bars, layout, show
from scoring.filters import Filter, cascade
from tests.helpers.object_stores import bucket

CLIPS = 500
RULES = (Filter("sharp", "sharpness", minimum=40), Filter("band", "ratio", minimum=0.85, maximum=0.999))
MINE = FilterFile("mine.toml", "", RULES)
HOSTILE = "<script>[bold]\x1b[2J"


def frame(clips: int = CLIPS) -> pl.DataFrame:
    """Two scores (a tenth of one missing), three languages and unknown ones, four clips from each film."""
    chance = np.random.default_rng(3)
    sharp = [None if number % 10 == 9 else float(value) for number, value in enumerate(chance.random(clips) * 100)]
    return pl.DataFrame(
        {
            "clip": [f"c{number}" for number in range(clips)],
            "media": ["a.mp4"] * clips,
            "source": [f"film {number // 4}" for number in range(clips)],
            "duration": [None if number == 0 else 3.6 for number in range(clips)],
            "sharpness": pl.Series(sharp, dtype=pl.Float64),
            "ratio": chance.random(clips) * 0.3 + 0.7,
            "language": [("en", "fr", HOSTILE, None)[number % 4] for number in range(clips)],
            "note": [f"text {number}" for number in range(clips)],
        }
    )


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """The path of the pool's file."""
    path = tmp_path / "pool.parquet"
    frame().write_parquet(path)
    return path


def printed(path: Path, width: int) -> str:
    """What `show` prints on a terminal that is `width` columns wide."""
    out = Console(width=width, highlight=False, force_terminal=False, record=True, file=None, quiet=False)
    with out.capture() as caught:
        show(out, summarize(str(path), MINE))
    return caught.get()


def test_the_summary_counts_what_is_in_the_pool(pool: Path) -> None:
    """Clips, hours, sources, missing values and subgroups equal the counts made by hand."""
    summary = summarize(str(pool), MINE)
    assert (summary.clips, summary.untimed, summary.sources) == (CLIPS, 1, CLIPS / 4)
    assert summary.hours == pytest.approx((CLIPS - 1) * 3.6 / 3600)
    assert {one.name: one.missing for one in summary.columns}["sharpness"] == pytest.approx(0.1)
    assert list(summary.groups) == ["language"]
    kept = frame().filter(pl.col("sharpness") >= 40, pl.col("ratio").is_between(0.85, 0.999))
    for group in summary.groups["language"]:
        own = pl.col("language").fill_null("unknown") == group.value
        assert (group.clips, group.kept_clips) == (CLIPS / 4, kept.filter(own).height)


@given(
    some.lists(some.floats(-1e6, 1e6) | some.sampled_from([40.0, float("nan"), float("inf")]), min_size=1, max_size=40),
    some.floats(-1e6, 1e6) | some.just(40.0),
)
def test_every_clip_is_in_one_bin_and_the_threshold_lies_between_two(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], threshold: float
) -> None:
    """Bins left of the threshold hold exactly the rejected clips, bins right of it the accepted ones."""
    path = tmp_path_factory.mktemp("pool") / "pool.parquet"
    clips = [str(number) for number in range(len(values))]
    pl.DataFrame({"clip": clips, "media": clips, "x": pl.Series(values, dtype=pl.Float64)}).write_parquet(path)
    summary = summarize(str(path), FilterFile("mine", "", (Filter("x", "x", minimum=threshold),)))
    finite = [value for value in values if np.isfinite(value)]
    if not finite:
        assert summary.histograms == ()
        return
    one = summary.histograms[0]
    place = round((threshold - one.low) / (one.high - one.low) * BINS)
    assert sum(one.counts) == one.clips == len(finite)
    assert sum(one.counts[place:]) == sum(value >= threshold for value in finite)
    assert one.passing == pytest.approx(sum(value >= threshold for value in finite) / len(finite))


@given(
    some.lists(some.integers(0, 99), min_size=BINS, max_size=BINS),
    some.integers(12, 140),
    some.integers(0, 100),
)
def test_a_histogram_fits_its_width_and_loses_no_clip(counts: list[int], width: int, threshold: int) -> None:
    """At any width every bin is in one column, and the line of the threshold stands before the accepted columns."""
    one = Histogram("x", 0, 100, tuple(counts), 0, sum(counts), 0.0, 1.0, 1.0, (Filter("x", "x", minimum=threshold),))
    columns, marks = layout(one, width)
    assert sum(clips for _, clips, _ in columns) == sum(counts)
    assert all(len(row.plain) <= width for row in [*bars(one, width), *axis(one, width).split("\n")])
    assert all(row.plain.count("│") == 1 for row in bars(one, width))
    (place,) = marks
    assert all(left >= threshold - 100 / BINS for left, _, _ in columns[place:])


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_summary_fits_and_shows_the_thresholds(pool: Path, width: int) -> None:
    """No line is longer than the terminal, thresholds are at their lines, control characters are removed."""
    text = printed(pool, width)
    assert max(map(len, text.splitlines())) <= width
    assert "sharpness  ≥ 40" in text
    assert "0.85\u2009–\u20090.999" in text
    assert re.search(r"^.*40 .*$", text, re.MULTILINE)
    assert "\x1b[2J" not in text
    assert "[bold]" in text  # printed as text, not read as markup


def test_the_html_summary_is_one_safe_file(pool: Path) -> None:
    """The page has no script and loads nothing, has light and dark colours, and shows a value with markup as text."""
    text = render(summarize(str(pool), MINE))
    assert "<script" not in text
    assert "&lt;script&gt;[bold]" in text
    assert not re.search(r"(src|href)=|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text
    assert text.count('class="cut-line"') == 3
    assert "≥ 0.85" in text


def test_retention_of_subgroups_adds_up_to_the_whole(pool: Path) -> None:
    """At each stage the clips and microseconds of the subgroups add up exactly; missing values are one subgroup."""
    found = retention(scan_pool(str(pool)), MINE, by="language")
    assert {group.value for group in found.groups} == {"en", "fr", HOSTILE, "unknown"}
    for place, stage in enumerate(found.whole.stages):
        parts = [group.cascade.stages[place].kept for group in found.groups]
        assert sum(part.clips for part in parts) == stage.kept.clips
        assert sum(part.microseconds or 0 for part in parts) == stage.kept.microseconds
    assert found.whole == cascade(frame(), RULES)


def test_a_filter_whose_score_is_missing(pool: Path) -> None:
    """In a file of one's own it is an error with a similar name; in a preset the filter is left out."""
    slip = (Filter("s", "sharpnes", minimum=1),)
    with pytest.raises(AppError, match=r"no score 'sharpnes'\. Did you mean sharpness"):
        summarize(str(pool), FilterFile("mine.toml", "", slip))
    summary = summarize(str(pool), FilterFile("preset", "", (*slip, *RULES), preset=True))
    assert summary.notes == ("s is left out: the pool has no score sharpnes.",)
    with pytest.raises(AppError, match="holds no numbers"):
        summarize(str(pool), FilterFile("mine.toml", "", (Filter("n", "note", minimum=1),)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sharpnes < 3", "no column 'sharpnes'. Did you mean sharpness"),
        ("sharpness <", "is no condition"),
        ("sharpness + 1", "is no condition: it gives Float64"),
        ("select * from x", "is no condition"),
        ("", "is no condition"),
    ],
)
def test_an_invalid_condition_is_an_error(text: str, message: str) -> None:
    """Unknown columns (with similar names), incomplete conditions, expressions that are not true or false."""
    with pytest.raises(AppError, match=message):
        condition_of(frame().schema, text)


def test_a_folder_and_a_remote_store_are_pools(tmp_path: Path) -> None:
    """A folder, and an s3 address of a file or a folder, give the same rows as the file."""
    whole = frame()
    for number in range(2):
        whole[number * 250 : (number + 1) * 250].write_parquet(tmp_path / f"part-{number}.parquet")
    assert scan(str(tmp_path)).collect().equals(whole)
    with bucket() as address:
        fsspec: Any = import_module("fsspec")  # without types
        fs, path = fsspec.core.url_to_fs(address)
        for number in range(2):
            fs.put_file(str(tmp_path / f"part-{number}.parquet"), f"{path}/pool/part-{number}.parquet")
        assert scan(f"{address}/pool").collect().equals(whole)
        assert scan_pool(f"{address}/pool/part-1.parquet").select(pl.len()).collect().item() == 250
        summary = summarize(f"{address}/pool/part-0.parquet", MINE)
        assert (summary.clips, summary.bytes) == (250, None)
        with pytest.raises(AppError, match="cannot be read"):
            summarize(f"{address}/nothing.parquet")


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and nothing more"])
def test_a_file_that_is_not_a_pool_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    """A missing, empty or damaged file, a pool without clips, and one without the columns of a pool are refused."""
    path = tmp_path / "pool.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AppError, match=r"no pool at|cannot be read as a pool"):
        summarize(str(path))
    frame().clear().write_parquet(path)
    with pytest.raises(AppError, match="has no clips"):
        summarize(str(path))
    pl.DataFrame({"clip": ["a"]}).write_parquet(path)
    with pytest.raises(AppError, match="no text column 'media'"):
        summarize(str(path))

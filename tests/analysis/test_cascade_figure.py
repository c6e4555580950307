"""Tests of the retention cascade: heights follow the hours, and text states them without overlap."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from analysis.figures import Level, retention_cascade, retention_cascade_table, spec
from analysis.figures.files import ENDINGS, save

THIN = "\N{THIN SPACE}"
TALKVID = [
    Level("raw", 1_476_876, 6783.8),
    Level("length", 578_568, 5785.68),
    Level("speech", 570_162, 5701.62),
    Level("quality", 363_381, 3633.81, unknown=1200),
    Level("motion", 205_506, 2055.06),
    Level("head", 124_433, 1244.33),
]
"""Hours as published (TalkVid, arXiv 2508.13618)."""


def drawn(levels: list[Level], width: int = 720) -> dict[str, Any]:
    """The specification as a page gets it."""
    return spec(retention_cascade(levels, width=width), "light")


def rows(content: dict[str, Any], mark: str, style: str) -> list[dict[str, Any]]:
    """The data of one kind of mark."""
    return [
        row
        for layer in content["layer"]
        if layer["mark"]["type"] == mark and layer["mark"]["style"] == style
        for row in content["datasets"][layer["data"]["name"]]
    ]


def words(content: dict[str, Any]) -> list[str]:
    """All text in the figure."""
    return [row["text"] for style in ("text", "quiet-text") for row in rows(content, "text", style)]


def test_every_stage_has_its_hours_and_percentage() -> None:
    """Above each bar what is kept and its share of the pool, below each dropped band what is dropped."""
    said = words(drawn(TALKVID))
    assert said.count("100.0 %") == 1
    for level, share in zip(TALKVID, ("100.0", "85.3", "84.0", "53.6", "30.3", "18.3"), strict=True):
        assert level.name in said
        assert f"{level.hours:,.2f} h".replace(",", THIN) in said
        assert f"{share} %" in said
    for lost in ("998.12", "84.06", f"2{THIN}067.81", f"1{THIN}578.75", "810.73"):
        assert f"−{lost} h" in said
    assert f"1{THIN}200 unknown" in said


def test_bars_are_as_high_as_their_hours() -> None:
    """Kept and dropped bars have the same scale, so that their heights add up."""
    content = drawn(TALKVID)
    kept = [bar["y2"] - bar["y"] for bar in rows(content, "rect", "curve")]
    dropped = [bar["y2"] - bar["y"] for bar in rows(content, "rect", "quiet")]
    per_hour = kept[0] / 6783.8
    assert kept == pytest.approx([per_hour * (level.hours or 0) for level in TALKVID])
    assert [high + low for high, low in zip(kept[1:], dropped, strict=True)] == pytest.approx(kept[:-1])


@pytest.mark.parametrize("width", [300, 440, 720, 1400])
def test_words_stay_inside_and_apart(width: int) -> None:
    """In every width no text or band lies outside the plot, and columns are wide enough for their text."""
    content = drawn(TALKVID, width)
    assert content["width"] >= width or content["width"] >= 104 * 5
    for mark, style in (("text", "text"), ("text", "quiet-text"), ("rect", "curve"), ("area", "pool")):
        for row in rows(content, mark, style):
            assert 0 <= row["x"] <= content["width"]
            assert 0 <= row["y"] <= row.get("y2", row["y"]) <= content["height"] - 4
    columns = sorted({row["x"] for row in rows(content, "text", "text")})
    assert min(b - a for a, b in pairwise(columns)) >= 96


def test_a_stage_that_drops_nothing_has_no_dropped_band() -> None:
    """There is no band, bar or text for a loss of nothing."""
    content = drawn([Level("raw", 10, 2.0), Level("a", 10, 2.0), Level("b", 4, 1.0)])
    assert {row["band"] for row in rows(content, "area", "pool")} == {"dropped 2"}
    assert [row["text"] for row in rows(content, "text", "quiet-text")] == ["−1.00 h"]


def test_the_title_says_what_is_left_and_where_most_is_lost() -> None:
    """In hours, in minutes for a small pool, and in clips if durations are not known."""
    title = drawn(TALKVID)["title"]
    assert title["text"] == "18.3 % of the hours pass every filter; quality drops most"
    assert title["subtitle"].startswith(f"n = 6{THIN}783.80 h, 1{THIN}476{THIN}876 clips")
    assert title["subtitle"].endswith("unknown: dropped without a score")
    small = drawn([Level("raw", 24, 0.05), Level("a", 12, 0.025)])
    assert small["title"]["text"] == "50.0 % of the minutes pass every filter; a drops most"
    bare = drawn([Level("raw", 24), Level("a", 6)])["title"]
    assert bare["text"] == "25.0 % of the clips pass every filter; a drops most"
    assert bare["subtitle"].endswith("hours are not known")
    nothing = drawn([Level("raw", 24), Level("a", 0)])["title"]
    assert nothing["text"] == "Nothing passes every filter; a drops most"


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ([Level("raw", 3)], "at least one stage"),
        ([], "at least one stage"),
        ([Level("raw", 0), Level("a", 0)], "not empty"),
        ([Level("raw", 3), Level("a", 4)], "'a' keeps more than 'raw'"),
    ],
)
def test_impossible_cascades_are_refused(levels: list[Level], reason: str) -> None:
    """Each raises an error with the reason."""
    with pytest.raises(ValueError, match=reason):
        retention_cascade(levels)


def test_the_table_adds_up() -> None:
    """What a stage keeps and drops sums to the stage before; shares are of the pool; unknown hours stay empty."""
    table = retention_cascade_table(TALKVID)
    cells = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
    for before, after in pairwise(cells):
        assert int(after["clips"] or 0) + int(after["dropped clips"] or 0) == before["clips"]
    assert cells[-1]["share of hours"] == pytest.approx(0.18343, abs=1e-5)
    assert cells[3]["dropped unknown"] == 1200
    bare = retention_cascade_table([Level("raw", 4), Level("a", 1)]).rows[1]
    assert bare == ("a", 1, None, 3, None, 0, 0.25, None)


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_figure_is_saved_by_its_ending(ending: str, tmp_path: Path) -> None:
    """Each file has the format of its ending; a page needs no network."""
    path = tmp_path / f"cascade{ending}"
    save(retention_cascade(TALKVID), path, "dark")
    data = path.read_bytes()
    begins = {".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG", ".html": b"<!DOCTYPE html>", ".json": b"{"}
    assert data.lstrip().startswith(begins[ending])
    if ending == ".json":
        assert json.loads(data)["background"] == "#191b1e"
    if ending == ".html":
        assert not re.search(rb"<(script|link)[^>]+(src|href)=", data)


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    """The error names the known endings, and no file is written."""
    with pytest.raises(ValueError, match=r"\.gif: choose \.svg, \.pdf"):
        save(retention_cascade(TALKVID), tmp_path / "cascade.gif")
    assert list(tmp_path.iterdir()) == []

"""Contact sheets: the same numbers as the scores, the frames that matter, and text that never overlaps."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pictures

from app.demo.footage import View, seen, stage
from scoring.explain.drawing import Words, plain, shortened, width_of, wrapped
from scoring.explain.explain_clip import explain, explanation_of
from scoring.explain.explanation import TILES, Explanation, chosen_frames
from scoring.explain.sheet import draw
from scoring.explain.sheet_curves import axis_range, ticks
from scoring.explain.sheet_frames import tile
from scoring.images import Image
from scoring.pipeline import Pipeline
from scoring.registry import scorers
from scoring.settings import Settings
from scoring.video.reading import Unreadable
from tests.helpers.real_videos import moving, write_video

THRESHOLDS = {"avg_movement": 80, "min_movement": 99.9, "avg_resolution": 50, "face_consistency": 80, "jitter": 5}
values = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def portrait(second: int) -> Image:
    """The demo's portrait, each second a little elsewhere, further at second 2."""
    return seen(stage("astronaut-a"), 0, View(x=(0, 4, 30, 26)[second % 4]))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of a face, five frames each."""
    folder = tmp_path_factory.mktemp("clips")
    return write_video(folder / "face.mp4", [portrait(number // 5) for number in range(20)], 5)


@pytest.fixture(scope="module")
def explanation(clip: Path) -> Explanation:
    return explanation_of(clip, Settings(), THRESHOLDS, "face")


def test_the_sheet_and_its_numbers_are_those_of_scoring(clip: Path, tmp_path: Path) -> None:
    """PNG and JSON appear in the folder; every score, reason and series is what the same scorers say elsewhere."""
    sheet = explain(clip, Settings(), tmp_path / "new", thresholds=THRESHOLDS)
    assert sheet == tmp_path / "new" / "face.png"
    assert sorted(path.name for path in sheet.parent.iterdir()) == ["face.json", "face.png"]
    with Pictures.open(sheet) as picture:
        assert picture.size[0] == 1600
        colours = picture.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 1000
    numbers = json.loads((tmp_path / "new" / "face.json").read_text(encoding="utf-8"))
    result = Pipeline(Settings(), scorers(Settings())).score(clip)
    assert numbers["scores"] == result.scores
    assert numbers["series"] == result.series
    assert numbers["reasons"] == result.reasons
    assert numbers["cuts"] == THRESHOLDS
    assert [frame["time"] for frame in numbers["frames"]] == [0, 1, 2, 3]
    assert all(len(frame["faces"]) == 1 and frame["pose"] for frame in numbers["frames"])
    assert numbers["worst"]["movement"] == {"value": result.scores["min_movement"], "place": 2, "time": 2}


def test_a_sheet_may_have_another_name_than_its_clip(clip: Path, tmp_path: Path) -> None:
    """Two clips of one file name can be told apart by the name given."""
    assert explain(clip, Settings(), tmp_path, name="b-face") == tmp_path / "b-face.png"


def test_a_file_that_is_no_video_has_no_sheet(tmp_path: Path) -> None:
    """A file that is no video is refused with the reason, and nothing is written."""
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(Unreadable, match="not a video"):
        explain(tmp_path / "a.mp4", Settings(), tmp_path / "sheets")
    assert not (tmp_path / "sheets").exists()


def covered(words: Words) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a text, without what is below the baseline."""
    wide = width_of(words.text, words.size)
    left = words.place[0] - {"left": 0, "right": wide, "middle": wide / 2}[words.side]
    return left, left + wide, words.place[1] - words.size * 0.7, words.place[1]


def assert_legible(explanation: Explanation) -> list[str]:
    """Assert that no text overlaps or leaves the page; return all texts."""
    canvas = draw(explanation)
    boxes = [(words.text, *covered(words)) for words in canvas.words if words.text]
    for place, (text, left, right, top, bottom) in enumerate(boxes):
        assert left >= 16, text
        assert right <= canvas.width - 16, text
        assert bottom <= canvas.height - 16, text
        for other, its_left, its_right, its_top, its_bottom in boxes[place + 1 :]:
            apart = right <= its_left or its_right <= left or bottom <= its_top or its_bottom <= top
            assert apart, (text, other)
    return [text for text, *_ in boxes]


def test_words_never_cover_each_other(explanation: Explanation) -> None:
    """On the sheet of a face with thresholds no words overlap; the worst second and the thresholds are named."""
    words = assert_legible(explanation)
    assert "2.00 s" in words
    assert any(text.startswith("lowest") and text.endswith("at 2.00 s") for text in words)
    assert "mean at least 80, worst at least 99.9" in "\n".join(words).replace(" (beyond this range)", "")


def test_a_long_name_a_strange_name_and_many_digits_fit(explanation: Explanation) -> None:
    """A name of 300 letters is truncated; letters that the font lacks become plain ones or question marks."""
    words = assert_legible(replace(explanation, name="größe 中文 " + "x" * 300))
    assert words[0].startswith("grosse ?? xxx")
    assert words[0].endswith("…")


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (480, 480), (960, 400)])
def test_every_shape_of_picture_has_a_legible_sheet(tmp_path: Path, width: int, height: int) -> None:
    """Sheets of landscape, portrait, square and very wide clips without a face give the reasons; nothing overlaps."""
    path = write_video(tmp_path / "a.mp4", moving([(0, 0)] * 8, width, height), 4)
    explanation = explanation_of(path, Settings(), THRESHOLDS, "a")
    words = assert_legible(explanation)
    assert "(1) No two neighbouring seconds show exactly one face." in words
    assert words.count("no face") == 2


def test_a_frame_with_two_faces_says_so(tmp_path: Path) -> None:
    """The frame of a second with two people says so and has no pose and no scores."""
    two = np.hstack([portrait(0)[:, 160:480], portrait(0)[:, 160:480]])
    path = write_video(tmp_path / "two.mp4", [two] * 3 + [portrait(0)] * 3, 3)
    words = assert_legible(explanation_of(path, Settings(), {}, "two"))
    assert "2 faces" in words
    assert any(text.startswith("1 face (0.") for text in words)


def test_talkvids_sampling_shows_the_frames_it_samples(clip: Path) -> None:
    """With the compatibility option the sheet's frames are those scored, at their own times."""
    explanation = explanation_of(clip, Settings(talkvid_compat=True), {}, "face")
    assert [frame.time for frame in explanation.frames] == [0, 1, 2, 3]
    assert len(explanation.result.series["movement"]) == 4
    assert_legible(explanation)


def long(explanation: Explanation, seconds: int, worst: Sequence[int]) -> Explanation:
    """The same clip as if it had that many seconds, movement and rotation being worst at those given."""
    frames = tuple(replace(explanation.frames[0], place=place, time=float(place)) for place in range(seconds))
    lows: list[list[float | None]] = [[50.0 if place == low else 90.0 for place in range(seconds)] for low in worst]
    series = dict(zip(("movement", "rotation"), lows, strict=True))
    return replace(explanation, frames=frames, result=replace(explanation.result, series=series))


@given(st.integers(1, 200), st.integers(0, 10_000), st.integers(0, 10_000))
def test_of_a_long_clip_the_worst_seconds_are_among_those_shown(
    explanation: Explanation, seconds: int, first: int, second: int
) -> None:
    """At most 24 frames in order, with the ends and both minima; no gap is much wider than the even one."""
    worst = first % seconds, second % seconds
    clip = long(explanation, seconds, worst)
    places = [frame.place for frame in chosen_frames(clip)]
    assert places == sorted(set(places))
    assert len(places) == min(seconds, TILES)
    assert {0, seconds - 1} <= set(places)
    # A series that is the same throughout has no worst place.
    assert seconds == 1 or set(worst) <= set(places)
    assert max(np.diff(places), default=1) <= max(1, 2 * seconds / TILES + 2)


@given(values, values)
def test_ticks_are_few_round_and_inside(one: float, other: float) -> None:
    """Two to five marks within the range, evenly apart."""
    low, high = axis_range([one, other], [])
    marks = ticks(low, high)
    assert 1 <= len(marks) <= 5
    assert all(low - 1e-6 * abs(low) <= mark <= high + 1e-6 * abs(high) for mark in marks)
    assert np.diff(marks, n=2) == pytest.approx(0, abs=1e-6 * max(abs(low), abs(high), 1))


@given(st.lists(values, min_size=1, max_size=9), st.lists(values, max_size=2))
def test_the_range_holds_all_values_and_only_thresholds_that_are_near(
    found: list[float], thresholds: list[float]
) -> None:
    """A distant threshold cannot flatten the curve: different values always take a tenth of the range or more."""
    low, high = axis_range(found, thresholds)
    assert low < min(found) <= max(found) < high
    span = max(max(found) - min(found), 0.02 * max(abs(value) for value in found))
    assert high - low <= 12 * max(span, 1e-3)


@given(st.text(max_size=60), st.integers(20, 300))
def test_texts_fit_their_room(text: str, room: int) -> None:
    """Shortened and wrapped texts are never wider than asked, and hold only what the font has."""
    assert width_of(shortened(text, 15, room), 15) <= room
    assert all(width_of(line, 15) <= room for line in wrapped(text, 15, room))
    assert plain(plain(text)) == plain(text)


@given(st.integers(16, 4000), st.integers(16, 4000))
def test_tiles_keep_the_shape_of_the_picture(width: int, height: int) -> None:
    """Pictures stay within their tile, and their sides' ratio is the clip's to a pixel's rounding."""
    layout = tile((width, height), 372)
    wide, high = layout.picture
    assert wide <= layout.width
    assert high <= layout.height
    assert abs(wide * height - high * width) <= max(width, height)

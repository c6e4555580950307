"""Reading clips: exact times, upright pictures, one pass, skipped frames, and plain reasons for bad files."""

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from scoring.faces.face import Face
from scoring.images import Image
from scoring.motion.motion import motion
from scoring.pipeline import Pipeline
from scoring.settings import Settings
from scoring.video.frames import MOTION_WIDTH, Facts, Frame
from scoring.video.reading import GapTooWide, Unreadable, VideoReader
from tests.helpers.real_videos import moving, texture, write_video


class Pick(NamedTuple):
    """A frame that stands for a second."""

    second: int
    time: float
    bgr: Image


def read(path: Path, *, skip: bool = False) -> tuple[Facts, list[Pick], list[float]]:
    """A video's facts, the frames that stand for seconds, and all frames' times."""
    picks, times = [], []
    with VideoReader(path, skip=skip) as reading:
        for frame in reading.frames():
            times.append(frame.time)
            if frame.second is not None:
                picks.append(Pick(frame.second, frame.time, frame.bgr))
        return reading.facts, picks, times


def numbered(count: int) -> list[Image]:
    """Frames that carry their number, in eight black or white bars."""
    return [
        np.repeat([[[255 * (number >> bit & 1)] * 3 for bit in range(8)]] * 64, 12, axis=1).astype(np.uint8)
        for number in range(count)
    ]


def number_in(picture: Image) -> int:
    return sum(int(picture[32, 12 * bit + 6, 1] > 127) << bit for bit in range(8))


def with_frames_to_skip(path: Path, pictures: list[Image], between: int) -> Path:
    """A video in which that many frames in a row are needed by no other."""
    ways = f"bframes={between}:b-adapt=0:b-pyramid=none:scenecut=0:keyint=250"
    return write_video(path, pictures, options={"preset": "veryfast", "crf": "12", "x264-params": ways})


def test_facts_are_those_of_the_frames(tmp_path: Path) -> None:
    """Size, number of frames, frames per second and duration are those of the video that was written."""
    facts, _, _ = read(write_video(tmp_path / "a.mp4", moving([(0, 0)] * 50), 25))
    assert (facts.width, facts.height, facts.frames, facts.codec) == (320, 180, 50, "h264")
    assert facts.fps == pytest.approx(25)
    assert facts.duration == pytest.approx(2.0)
    assert not facts.skipped
    assert facts.sound is None


def test_the_header_is_known_before_the_first_frame(tmp_path: Path) -> None:
    """It has the stated frames per second and number of frames, no sound track and no skipping."""
    path = write_video(tmp_path / "a.mp4", numbered(30), 25)
    with VideoReader(path) as reading:
        header = reading.header
    assert (header.path, header.fps, header.frames, header.sound, header.skipping) == (path, 25, 30, False, False)


def test_seconds_are_taken_at_exact_times_at_29_97_frames(tmp_path: Path) -> None:
    """At 30000/1001 fps second k is the first frame from k s on; every 29th frame would be 6 off after 6 s."""
    _, picks, _ = read(write_video(tmp_path / "a.mp4", numbered(190), Fraction(30000, 1001)))
    assert [pick.second for pick in picks] == [0, 1, 2, 3, 4, 5, 6]
    for pick in picks:
        assert 0 <= pick.time - pick.second < 1001 / 30000
        assert number_in(pick.bgr) == math.ceil(pick.second * 30000 / 1001)


def test_a_gap_in_the_time_stamps_leaves_a_second_without_a_picture(tmp_path: Path) -> None:
    """With frames until 1 s and from 3.2 s on, seconds 0, 1 and 3 have pictures and second 2 has none."""
    times = [*range(0, 26), *range(80, 100)]
    _, picks, _ = read(write_video(tmp_path / "a.mp4", numbered(46), 25, times))
    assert [(pick.second, round(pick.time, 2)) for pick in picks] == [(0, 0), (1, 1), (3, 3.2)]


def test_motion_frames_are_480_wide_and_pictures_full_size_up_to_1920(tmp_path: Path) -> None:
    """Every frame has a small version; pictures of single frames are unscaled up to 1920 pixels."""
    for (width, height), small, bgr in (
        ((640, 360), (270, MOTION_WIDTH), (360, 640, 3)),
        ((160, 320), (960, MOTION_WIDTH), (320, 160, 3)),
        ((32, 640), (1920, MOTION_WIDTH), (640, 32, 3)),
        ((3840, 1080), (135, MOTION_WIDTH), (540, 1920, 3)),
    ):
        with VideoReader(write_video(tmp_path / f"{width}.mp4", [texture(width, height)] * 3)) as reading:
            for frame in reading.frames():
                assert frame.luma.shape == (height, width)
                assert frame.small.shape == small
                assert frame.bgr.shape == bgr
                assert np.abs(frame.small.mean() - frame.luma.mean()) < 1


def test_faces_are_looked_for_once_and_only_when_asked_for(tmp_path: Path) -> None:
    """Two scorers that ask for a frame's faces cause one search; other frames cause none."""
    searched: list[int] = []

    def find(bgr: Image) -> tuple[Face, ...]:
        searched.append(number_in(bgr))
        return ()

    with VideoReader(write_video(tmp_path / "a.mp4", numbered(60)), find=find) as reading:
        for frame in reading.frames():
            if frame.second is not None:
                assert frame.faces == frame.faces == ()
    assert searched == [0, 25, 50]


def test_a_rotated_video_of_a_phone_is_turned_upright(tmp_path: Path) -> None:
    """The MP4's display matrix says a quarter turn to the right, so the left side is then at the top."""
    facts, picks, _ = read(turned_to_the_right(tmp_path / "a.mp4"))
    assert (facts.width, facts.height) == (64, 96)
    assert picks[0].bgr[:40].mean() > 150
    assert picks[0].bgr[56:].mean() < 50


def turned_to_the_right(path: Path, frames: int = 4) -> Path:
    """A video stored lying, 96x64, bright on its left half, that players turn upright."""
    lying = np.zeros((64, 96, 3), np.uint8)
    lying[:, :48] = 200
    data = write_video(path, [lying] * frames).read_bytes()
    upright_now, quarter_turn = matrix(1, 0, 0, 1), matrix(0, 1, -1, 0)
    place = data.index(upright_now, data.index(b"tkhd"))  # the movie header has a matrix as well
    path.write_bytes(data[:place] + quarter_turn + data[place + len(quarter_turn) :])
    return path


def matrix(*rows: int) -> bytes:
    """The first five entries of an MP4 display matrix: a, b, u, c, d in 16.16 and 2.30 fixed point."""
    a, b, c, d = (value * 65536 for value in rows)
    return b"".join(value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d))


def test_a_truncated_video_is_refused(tmp_path: Path) -> None:
    """The index states 8 s and the data end before: the reason has both, and nothing is scored."""
    path = write_video(tmp_path / "a.mkv", [texture(seed=number) for number in range(200)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Unreadable, match=r"breaks off: [34]\.\d of 8\.0 s"):
        read(path)


def test_a_video_of_more_than_ten_minutes_is_refused(tmp_path: Path) -> None:
    """A longer video must be divided first; ten minutes are accepted."""
    write_video(tmp_path / "long.mp4", numbered(3), 25, [0, 15_000, 15_003])
    with pytest.raises(Unreadable, match="longer than 10 minutes"):
        read(tmp_path / "long.mp4")
    facts, _, _ = read(write_video(tmp_path / "ten.mp4", numbered(3), 25, [0, 14_990, 15_000]))
    assert facts.frames == 3


def test_frames_that_no_other_needs_are_skipped_and_the_seconds_stay(tmp_path: Path) -> None:
    """Two of three frames are skipped: each second's picture is at most two frames later."""
    path = with_frames_to_skip(tmp_path / "a.mp4", numbered(150), 2)
    facts, picks, times = read(path)
    skipped, quick_picks, quick_times = read(path, skip=True)
    assert len(times) == 150
    assert 50 <= len(quick_times) <= 55
    assert set(quick_times) < set(times)
    assert [pick.second for pick in quick_picks] == [pick.second for pick in picks] == [0, 1, 2, 3, 4, 5]
    for whole, quick in zip(picks, quick_picks, strict=True):
        assert 0 <= quick.time - whole.time <= 2 / 25 + 1e-9
        assert number_in(quick.bgr) == round(quick.time * 25)
    assert skipped.skipped
    assert (skipped.fps, skipped.width, skipped.height) == (facts.fps, facts.width, facts.height)
    assert skipped.duration == pytest.approx(facts.duration, abs=0.2)


def test_if_skipping_leaves_too_few_frames_all_are_read(tmp_path: Path) -> None:
    """Sixteen frames in a row can be skipped, which leaves gaps of .68 s: the scores are those of full decoding."""
    path = with_frames_to_skip(tmp_path / "a.mp4", moving([(0.3 * n, 0) for n in range(60)]), 16)
    with pytest.raises(GapTooWide):
        read(path, skip=True)
    skipping, whole = (
        Pipeline(settings, [motion(settings)]) for settings in (Settings(skip_nonreference=True), Settings())
    )
    found = skipping.score(path)
    assert found == whole.score(path)
    assert found.facts is not None
    assert not found.facts.skipped
    assert found.scores["jitter"] is not None


def test_a_clip_scored_with_skipping_says_what_it_lacks(tmp_path: Path) -> None:
    """Scores of neighbouring frames are null with the reason; those of half seconds are computed."""
    settings = Settings(skip_nonreference=True)
    path = with_frames_to_skip(tmp_path / "a.mp4", moving([(0.3 * n, 0) for n in range(60)]), 2)
    found = Pipeline(settings, [motion(settings)]).score(path)
    assert found.reasons["jitter"] == "Frames were skipped, to save time."
    assert found.scores["tracked_ratio"] is not None


@pytest.mark.parametrize("look", [lambda frame: frame.luma, lambda frame: frame.small, lambda frame: frame.bgr])
def test_copies_of_a_frame_stay_valid(tmp_path: Path, look: Callable[[Frame], Image]) -> None:
    """Each view shows its own frame's picture while the frame is valid, and copies of all frames stay different."""
    with VideoReader(write_video(tmp_path / "a.mp4", numbered(40))) as reading:
        copies = [look(frame).copy() for frame in reading.frames()]
    assert len({copy.tobytes() for copy in copies}) == 40

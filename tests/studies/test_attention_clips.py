"""Attention clips: the instruction is only in the picture, and the file looks like any other clip's."""

from pathlib import Path

import av
import numpy as np
import pytest
from sqlalchemy import select
from sqlmodel import col

from analysis.estimate import Floats
from app.db import Database
from app.errors import AppError
from app.models import Assignment, Study, StudyClip
from app.pools.pool_files import Pool
from app.settings import Settings
from app.studies import attention_clips, clip_files, creation, lifecycle
from app.studies.study_file import parse
from tests.helpers.factories import StudyMaker
from tests.helpers.real_videos import moving, write_video
from tests.helpers.visitors import on_sqlite
from tests.studies.test_creation import SPEC, thirty

RULE = "\n[attention]\nshare = 0.5\nclips = 2\n"


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Thirty clips of one tiny video."""
    return thirty(tmp_path)


def film(path: Path) -> Path:
    """A second of a texture that moves."""
    write_video(path, moving([(0.5 * step, 0) for step in range(20)]))
    return path


def pictures(path: Path) -> list[Floats]:
    """Every picture of a clip, as grey values."""
    with av.open(str(path)) as opened:
        return [frame.to_ndarray(format="gray").astype(np.float64) for frame in opened.decode(video=0)]


def test_the_instruction_is_in_every_frame_and_does_not_cover_the_middle(tmp_path: Path) -> None:
    """Every frame has a dark band with light letters at its lower edge; number and times of the frames stay."""
    source, target = film(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    attention_clips.with_instruction(source, target, ["Quality: Poor", "Stability: Bad", "Verdict: Reject"])
    before, after = pictures(source), pictures(target)
    assert len(after) == len(before)
    middle = before[0].shape[0] // 2
    for one, other in zip(before, after, strict=True):
        band = other[-6:]
        assert band.mean() < 60
        assert (other[middle:] > 180).sum() > 200  # letters
        assert np.abs(one[:middle] - other[:middle]).mean() < 6


def test_the_file_has_no_metadata(tmp_path: Path) -> None:
    """It has neither notes of the encoder nor tags, like every prepared clip."""
    source = film(tmp_path / "in.mp4")
    attention_clips.with_instruction(source, tmp_path / "look.mp4", ["Quality: Poor"])
    clip_files.prepare(source, tmp_path / "usual.mp4")
    content = (tmp_path / "look.mp4").read_bytes()
    assert b"x264" not in content
    assert b"Please" not in content
    with av.open(str(tmp_path / "look.mp4")) as one, av.open(str(tmp_path / "usual.mp4")) as other:
        assert one.metadata == other.metadata
        assert one.streams.video[0].metadata == other.streams.video[0].metadata
        assert one.streams.video[0].codec_context.name == other.streams.video[0].codec_context.name
    assert (tmp_path / "look.mp4").stat().st_mtime == (tmp_path / "usual.mp4").stat().st_mtime


@on_sqlite
def test_a_study_creates_attention_clips_and_shows_them(database: Database, settings: Settings, pool: Pool) -> None:
    """They are made from clips that were not drawn, ask for values of the scales, and come among other clips."""
    slug = creation.create(database, settings, pool, parse(SPEC + RULE, "study.toml"), SPEC + RULE)
    with database.reader() as db:
        clips = db.scalars(select(StudyClip)).all()
        made = [clip for clip in clips if clip.role == "attention"]
        assert len(made) == 2
        assert not {clip.clip for clip in made} & {clip.clip for clip in clips if clip.role == "sample"}
        for clip in made:
            assert clip.answers.keys() == {"quality", "verdict"}
            assert clip.answers["quality"] in "12345"
            assert clip.answers["verdict"] in ("accept", "reject", "unsure")
            assert (settings.media / f"{clip.media_key}.mp4").is_file()
            assert clip.weight == 0
        study = lifecycle.by_slug(db, slug)
    maker = StudyMaker(database, settings)
    rater = maker.rater(study, "Ada")
    while maker.rate(study, rater, {"quality": "3", "verdict": "accept"}) is not None:
        pass
    with database.reader() as db:
        met = db.scalars(select(col(Assignment.purpose)).where(col(Assignment.rater_id) == rater.id)).all()
    assert met.count("attention") == 2
    assert met.count("sample") >= 10


def test_drawn_clips_are_used_if_the_pool_has_no_others(pool: Pool) -> None:
    """In a small pool, attention clips are made from clips of the sample."""
    names = pool.readable["clip"].to_list()
    chosen = attention_clips.choose(pool, parse(SPEC + RULE, "s"), names, one_by_one=False)
    assert len(chosen) == 2
    assert {one.clip for one in chosen} <= set(names)


def test_one_question_per_clip_means_one_answer_in_the_instruction(pool: Pool) -> None:
    """If criteria are asked one by one, each instruction asks for one answer."""
    chosen = attention_clips.choose(pool, parse(SPEC + RULE, "s"), [], one_by_one=True)
    assert [len(one.answers) for one in chosen] == [1, 1]
    assert {next(iter(one.answers)) for one in chosen} == {"quality", "verdict"}


@on_sqlite
def test_a_clip_that_cannot_be_drawn_into_stops_the_creation(
    database: Database, settings: Settings, pool: Pool
) -> None:
    """A video that breaks in the middle leaves no files and no study behind."""

    def spoil(number: int, clips: int) -> None:
        if number == clips:  # all of the sample is ready; the instructions come next
            pool.media_path("c00").write_bytes(b"no video any more")

    with pytest.raises(AppError, match="cannot be drawn into"):
        creation.create(database, settings, pool, parse(SPEC + RULE, "study.toml"), SPEC + RULE, on_clip=spoil)
    assert list(settings.media.glob("*.mp4")) == []
    with database.reader() as db:
        assert db.scalars(select(Study)).all() == []

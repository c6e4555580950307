"""Clips made to harm: posters and copies for browsers end in words, and neighbours are never read."""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import cv2
import polars as pl
import pytest
from av.error import FFmpegError
from sqlalchemy import select

from app.db import Database
from app.errors import AppError, NotFound
from app.models import Assignment, StudyClip
from app.pools import posters
from app.pools.pool_files import Pool
from app.settings import Settings
from app.studies import attention_clips, clip_files, media
from scoring.video import playable, reading
from tests.helpers.bounded import bounded
from tests.helpers.factories import StudyMaker
from tests.helpers.hostile_videos import endless, large_vp8, wide
from tests.helpers.real_videos import moving, texture, write_video
from tests.helpers.visitors import on_sqlite


def playlist(path: Path) -> None:
    """A list of files to join, which names a good clip in the same folder."""
    write_video(path.with_name("good.mp4"), moving([(number, 0) for number in range(10)]))
    path.write_text("ffconcat version 1.0\nfile 'good.mp4'\n")


def large_picture(path: Path) -> None:
    """A PNG whose head says that it is two thousand million pixels wide and high."""
    data = bytearray(cv2.imencode(".png", texture())[1].tobytes())
    data[16:24] = (2**31 - 1).to_bytes(4, "big") * 2
    path.write_bytes(data)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "playlist": playlist,
    "large picture": large_picture,
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_clip_gives_no_copy_and_no_poster(kind: str, tmp_path: Path) -> None:
    """Neither a copy, nor one with words drawn into it, nor a poster is made; each says so within seconds."""
    HOSTILE[kind](tmp_path / "bad.mp4")
    frame = pl.DataFrame({"clip": ["bad"], "media": ["bad.mp4"]})
    pool = Pool(tmp_path / "pool.parquet", frame, {}, "ab")
    settings = Settings(home=tmp_path / "home", researcher_process=False)
    target = tmp_path / "media" / "copy.mp4"
    began = time.monotonic()
    with pytest.raises(AppError, match=r"The clip bad\.mp4 cannot be made ready .* Take it out of the pool"):
        clip_files.prepare(tmp_path / "bad.mp4", target)
    with pytest.raises(AppError, match=r"The clip bad\.mp4 cannot be drawn into .* Take it out of the pool"):
        attention_clips.with_instruction(tmp_path / "bad.mp4", target, ["Quality: Poor"])
    with pytest.raises(AppError, match=r"This clip has no picture here\. Check the pool"):
        posters.poster(settings, pool, "bad")
    assert time.monotonic() - began < 10
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["playlist", "large picture"])
@pytest.mark.parametrize("open_file", [playable.inspect, reading.VideoReader])
def test_no_reader_opens_a_playlist_or_a_picture(
    open_file: Callable[[Path], object], kind: str, tmp_path: Path
) -> None:
    """Proxies and scores have the same list of formats as copies and posters."""
    HOSTILE[kind](tmp_path / "bad.mp4")
    with pytest.raises((FFmpegError, reading.Unreadable)):
        open_file(tmp_path / "bad.mp4")


def test_a_hostile_clip_loses_only_its_own_poster(tmp_path: Path) -> None:
    """Its neighbours have posters, and it is not read again at each request."""
    write_video(tmp_path / "good.mp4", moving([(number, 0) for number in range(10)]))
    large_picture(tmp_path / "bad.mp4")
    frame = pl.DataFrame({"clip": ["a", "bad", "b"], "media": ["good.mp4", "bad.mp4", "good.mp4"]})
    pool = Pool(tmp_path / "pool.parquet", frame, {}, "ab")
    settings = Settings(home=tmp_path / "home", researcher_process=False)
    for clip in ("a", "b"):
        with pytest.raises(NotFound, match="This clip has no picture here"):
            posters.poster(settings, pool, "bad")
        assert posters.poster(settings, pool, clip).read_bytes()[:2] == b"\xff\xd8"
    began = time.monotonic()
    for _ in range(200):
        with pytest.raises(NotFound, match="This clip has no picture here"):
            posters.poster(settings, pool, "bad")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("make", "has_poster", "has_copy"), [(endless, True, False), (wide, True, True), (large_vp8, False, False)]
)
def test_a_header_that_lies_costs_seconds_and_no_memory_of_the_server(
    make: Callable[[Path], object], has_poster: bool, has_copy: bool, tmp_path: Path
) -> None:
    """Endless length and pictures of 65,535 or 16,383 pixels: a poster and a copy are made, or refused in words."""
    make(tmp_path / "bad.mp4")
    pool = Pool(tmp_path / "pool.parquet", pl.DataFrame({"clip": ["bad"], "media": ["bad.mp4"]}), {}, "ab")
    settings = Settings(home=tmp_path / "home", researcher_process=False)
    no_poster = pytest.raises(NotFound, match=r"no picture here\. Check the pool")
    no_copy = pytest.raises(AppError, match=r"The clip bad\.mp4 cannot be made ready .* Take it out of the pool")
    with bounded(seconds=60):
        with nullcontext() if has_poster else no_poster:
            posters.poster(settings, pool, "bad")
        with nullcontext() if has_copy else no_copy:
            clip_files.prepare(tmp_path / "bad.mp4", tmp_path / "media" / "copy.mp4")


@on_sqlite
def test_no_row_of_the_database_leads_out_of_the_folder_of_clips(
    study_maker: StudyMaker, database: Database, settings: Settings
) -> None:
    """A restored backup may come from anybody: a clip's name with a path in it opens no video elsewhere."""
    study_maker(clips=1)
    (settings.home / "outside.mp4").write_bytes(b"secret")
    with database.writer() as db:
        clip, place = db.scalars(select(StudyClip)).one(), db.scalars(select(Assignment).limit(1)).one()
        clip.media_key = "../outside"
        db.add(clip)
        db.flush()
        address = media.address_of(place.id, clip.media_key).removeprefix("/media/").removesuffix(".mp4")
        with pytest.raises(NotFound):
            media.file_of(db, settings, address, None)

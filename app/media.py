"""Clips for browsers: made ready once under random names, served with byte ranges to those who may see them."""

import os
import re
import secrets
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from sqlmodel import Session, col, select

from app.errors import AppError, NotAllowed, NotFound
from app.models import Assignment, SomeRater, StudyClip
from app.settings import Settings

PLAYABLE_PIXELS = frozenset({"yuv420p", "yuvj420p"})
SOUNDS_OF_MP4 = frozenset({"aac", "mp3", "opus", "flac"})
"""Sound that browsers play in an MP4: it is copied, any other encoded anew."""

MADE_AT = 1_700_000_000
"""One time for all: `Last-Modified` must not tell in which order clips were made ready."""
KEY = re.compile(r"[A-Za-z0-9_-]{16}")


def new_key() -> str:
    """A name for a clip that tells nothing about it."""
    return secrets.token_urlsafe(12)


def file_of(db: Session, settings: Settings, key: str, viewer: SomeRater | None) -> Path:
    """The file of a clip this viewer may see; `viewer` None is the researcher.

    The key is only ever compared with the database: no part of a request becomes a path.
    """
    query = select(StudyClip.media_key).where(StudyClip.media_key == key)
    known = db.exec(query.limit(1)).first() if KEY.fullmatch(key) else None
    if known is None:
        raise NotFound("There is no such clip.")
    if viewer is not None:
        mine = query.join(Assignment, col(Assignment.study_clip_id) == StudyClip.id).where(
            Assignment.rater_id == viewer.id
        )
        if db.exec(mine.limit(1)).first() is None:
            raise NotAllowed("This clip is not assigned to you.")
    path = settings.media / f"{known}.mp4"
    if not path.is_file():
        raise NotFound("The file of this clip is gone from the server.", "Tell the researcher; skip the clip.")
    return path


def prepare(source: Path, target: Path) -> None:
    """Write a copy for browsers: MP4 that starts at once, no container metadata, no encoder's notes in the stream.

    H.264 in 4:2:0 is copied packet by packet; anything else is encoded anew. Raises AppError naming the file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    try:
        with (
            av.open(str(source)) as given,
            av.open(str(half), "w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}) as made,
        ):
            _copy_or_encode(given, made)
        os.utime(half, (MADE_AT, MADE_AT))
        os.replace(half, target)  # noqa: PTH105 - atomic on every system
    except (FFmpegError, OSError, ValueError, IndexError) as error:
        half.unlink(missing_ok=True)
        raise AppError(
            f"The clip {source.name} cannot be made ready for browsers ({error}).",
            "Does it play in a video player? Take it out of the pool, or convert it to H.264 MP4.",
        ) from error


def _copy_or_encode(given: av.container.InputContainer, made: av.container.OutputContainer) -> None:
    picture = given.streams.video[0]
    if picture.codec_context.name == "h264" and picture.codec_context.pix_fmt in PLAYABLE_PIXELS:
        _copy_picture(given, made, picture)
    else:
        _encode_picture(given, made, picture)


def _copy_picture(
    given: av.container.InputContainer, made: av.container.OutputContainer, picture: av.video.stream.VideoStream
) -> None:
    video = made.add_stream_from_template(picture)
    video.metadata.clear()
    sound = next(iter(given.streams.audio), None)
    copied = sound is not None and sound.codec_context.codec.canonical_name in SOUNDS_OF_MP4
    audio: Any = None
    if sound is not None:
        audio = made.add_stream_from_template(sound) if copied else made.add_stream("aac", rate=sound.rate)
    # Encoders write their settings (x264: even the compression strength) into SEI units; raters need none of it.
    without_notes = BitStreamFilterContext("filter_units=remove_types=6", picture, video)
    for packet in given.demux([one for one in (picture, sound) if one]):
        if packet.dts is None:
            continue
        if packet.stream is picture:
            for clean in without_notes.filter(packet):
                clean.stream = video
                made.mux(clean)
        elif copied:
            packet.stream = audio
            made.mux(packet)
        else:
            for frame in packet.decode():
                made.mux(audio.encode(frame))
    for clean in without_notes.filter(None):
        clean.stream = video
        made.mux(clean)
    if audio is not None and not copied:
        made.mux(audio.encode(None))


def _encode_picture(
    given: av.container.InputContainer, made: av.container.OutputContainer, picture: av.video.stream.VideoStream
) -> None:
    video = made.add_stream("libx264", rate=picture.average_rate or 25)
    video.width, video.height = picture.width // 2 * 2, picture.height // 2 * 2
    video.pix_fmt = "yuv420p"
    video.options = {"crf": "16", "preset": "veryfast"}
    sound = next(iter(given.streams.audio), None)
    audio = made.add_stream("aac", rate=sound.rate) if sound else None
    for frame in given.decode([one for one in (picture, sound) if one]):
        if isinstance(frame, av.VideoFrame):
            made.mux(video.encode(frame))
        elif audio is not None and isinstance(frame, av.AudioFrame):
            made.mux(audio.encode(frame))
    made.mux(video.encode(None))
    if audio is not None:
        made.mux(audio.encode(None))

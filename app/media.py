"""Clips for browsers: made ready once under random names, served with byte ranges to those who may see them."""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.error import FFmpegError
from PIL import Image
from sqlmodel import Session, col, select

from app.errors import AppError, NotAllowed, NotFound
from app.models import Assignment, SomeRater, StudyClip
from app.settings import Settings
from scoring.packets import DecodingTimes, Upright, is_lying, shape_of
from scoring.video import OPENING

PLAYABLE_PIXELS = frozenset({"yuv420p", "yuvj420p"})
SOUNDS_OF_MP4 = frozenset({"aac", "mp3", "opus", "flac"})
"""Sound that browsers play in an MP4: it is copied, any other encoded anew."""

MADE_AT = 1_700_000_000
"""One time for all: `Last-Modified` must not tell in which order clips were made ready."""
KEY = re.compile(r"[A-Za-z0-9_-]{16}")
ADDRESS = re.compile(r"([1-9][0-9]{0,8})-([0-9a-f]{32})")
ADDRESS_IN_STUDY = re.compile(r"c([1-9][0-9]{0,8})-([0-9a-f]{32})")


def new_key() -> str:
    """A name for a clip that tells nothing about it."""
    return secrets.token_urlsafe(12)


def address_of(assignment_id: int, media_key: str) -> str:
    """Where a rater's browser gets the clip of an assignment: another address for each, so that a repeat cannot be
    told from a first showing, and none of use to anybody else.

    The mark is an HMAC by the clip's random name, which never leaves the server for raters.

    >>> address_of(7, "k") == address_of(8, "k")
    False
    """
    return f"/media/{assignment_id}-{_mark(f'assignment:{assignment_id}', media_key)}.mp4"


def address_in_study(clip_id: int, media_key: str) -> str:
    """Where every rater of the study gets a clip without an assignment: an example, the clip of the device check."""
    return f"/media/c{clip_id}-{_mark(f'clip:{clip_id}', media_key)}.mp4"


def _mark(what: str, media_key: str) -> str:
    return hmac.new(media_key.encode(), what.encode(), hashlib.sha256).hexdigest()[:32]


def file_of(db: Session, settings: Settings, key: str, viewer: SomeRater | None) -> Path:
    """The file of a clip this viewer may see; `viewer` None is the researcher.

    Raters have an address per assignment (`address_of`), or one of their study's (`address_in_study`), the researcher
    the clip's random name. The key is only ever compared with the database: no part of a request becomes a path.
    """
    if KEY.fullmatch(key):
        known = _of_clip(db, key)
    else:
        known = _in_study(db, key, viewer) if ADDRESS_IN_STUDY.fullmatch(key) else _of_assignment(db, key, viewer)
    if known is None:
        raise NotFound("There is no such clip.")
    if viewer is not None and KEY.fullmatch(key):
        raise NotAllowed("This clip is not assigned to you.")
    path = settings.media / f"{known}.mp4"
    if not path.is_file():
        raise NotFound("The file of this clip is gone from the server.", "Tell the researcher; skip the clip.")
    return path


def _of_clip(db: Session, key: str) -> str | None:
    return db.exec(select(StudyClip.media_key).where(StudyClip.media_key == key).limit(1)).first()


def _of_assignment(db: Session, key: str, viewer: SomeRater | None) -> str | None:
    """The random name behind an assignment's address; None where the address is wrong."""
    matched = ADDRESS.fullmatch(key)
    if matched is None:
        return None
    number, mark = int(matched[1]), matched[2]
    found = db.exec(
        select(StudyClip.media_key, Assignment.rater_id)
        .join(Assignment, col(Assignment.study_clip_id) == StudyClip.id)
        .where(Assignment.id == number)
    ).first()
    if found is None or not hmac.compare_digest(mark, _mark(f"assignment:{number}", found[0])):
        return None
    if viewer is not None and found[1] != viewer.id:
        raise NotAllowed("This clip is not assigned to you.")
    return found[0]


def _in_study(db: Session, key: str, viewer: SomeRater | None) -> str | None:
    """The random name behind an address that all raters of a study share; None where the address is wrong."""
    matched = ADDRESS_IN_STUDY.fullmatch(key)
    if matched is None:
        return None
    number, mark = int(matched[1]), matched[2]
    found = db.exec(select(StudyClip.media_key, StudyClip.study_id).where(StudyClip.id == number)).first()
    if found is None or not hmac.compare_digest(mark, _mark(f"clip:{number}", found[0])):
        return None
    if viewer is not None and found[1] != viewer.study_id:
        raise NotAllowed("This clip belongs to another study.")
    return found[0]


def prepare(source: Path, target: Path) -> None:
    """Write a copy for browsers: MP4 that starts at once, no container metadata, no encoder's notes in the stream.

    H.264 in 4:2:0 is copied packet by packet; anything else is encoded anew. Raises AppError naming the file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_suffix(".part")
    try:
        with (
            av.open(str(source.absolute()), options=OPENING) as given,
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


def encode_anew(source: Path, target: Path, draw: Callable[[Image.Image], Image.Image]) -> None:
    """Write a clip with something drawn into every picture, sound and times as they are. Raises AppError.

    The file still carries the encoder's notes: `prepare` it before a rater gets it.
    """
    try:
        with av.open(str(source.absolute()), options=OPENING) as given, av.open(str(target), "w", format="mp4") as made:
            _encode_picture(given, made, given.streams.video[0], draw)
    except (FFmpegError, OSError, ValueError, IndexError) as error:
        raise AppError(f"The clip {source.name} cannot be drawn into ({error}).", "Take it out of the pool.") from error


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
    times = DecodingTimes()
    packets = given.demux([one for one in (picture, sound) if one])
    for packet in (packet for packet in packets if packet.size):  # without size: the end of a stream
        if packet.stream is picture:
            for due in times.of(packet):
                for clean in without_notes.filter(due):
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
    given: av.container.InputContainer,
    made: av.container.OutputContainer,
    picture: av.video.stream.VideoStream,
    draw: Callable[[Image.Image], Image.Image] | None = None,
) -> None:
    video = made.add_stream("libx264", rate=picture.average_rate or 25)
    video.pix_fmt = "yuv420p"
    video.options = {"crf": "16", "preset": "veryfast"}
    video.codec_context.time_base = Fraction(picture.time_base or 1)  # frames of uneven length keep their times
    sound = next(iter(given.streams.audio), None)
    audio = made.add_stream("aac", rate=sound.rate) if sound else None
    upright: Upright | None = None
    latest: int | None = None
    for frame in given.decode([one for one in (picture, sound) if one]):
        if isinstance(frame, av.VideoFrame):
            if upright is None:
                size = (frame.height, frame.width) if is_lying(frame) else (frame.width, frame.height)
                video.width, video.height = (side // 2 * 2 for side in size)
                video.codec_context.sample_aspect_ratio = shape_of(picture, lying=is_lying(frame))
                upright = Upright(picture, video.width, video.height)
            if frame.pts is not None and (latest is None or frame.pts > latest):  # others no player shows either
                latest = frame.pts
                turned = upright.turned(frame)
                made.mux(video.encode(turned if draw is None else _drawn(turned, draw)))
        elif audio is not None and isinstance(frame, av.AudioFrame):
            made.mux(audio.encode(frame))
    made.mux(video.encode(None))
    if audio is not None:
        made.mux(audio.encode(None))


def _drawn(frame: av.VideoFrame, draw: Callable[[Image.Image], Image.Image]) -> av.VideoFrame:
    """The frame with something drawn into it, at the same time."""
    picture = draw(Image.fromarray(frame.to_ndarray(format="rgb24")))
    made = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
    made.pts, made.time_base = frame.pts, frame.time_base
    return made

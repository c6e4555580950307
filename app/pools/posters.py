"""Posters of a pool's clips for the researcher's pages: a small frame from the middle, cached on disk."""

import hashlib
from io import BytesIO
from pathlib import Path

import av
from av.error import FFmpegError
from PIL import Image

from app.errors import NotFound
from app.failed_files import run_on_file
from app.limited_process import GIGABYTE, Limits
from app.pools.pool_files import Pool
from app.settings import Settings
from scoring.video.reading import DECODER_OPTIONS, Unreadable, refuse_by_name

WIDTH = 320
QUALITY = 78
LIMITS = Limits(seconds=20, memory=2 * GIGABYTE)
"""For one picture; a frame of an 8K video takes a tenth of a gigabyte."""


def poster(settings: Settings, pool: Pool, clip: str) -> Path:
    """The path of a clip's poster (JPEG, 320 pixels wide), which is encoded on the first call.

    The video is decoded in a child process with limits. Raises NotFound if the clip, its video or a frame in it is
    missing, AppError if it needs too much memory or time; the page then shows an empty box.
    """
    media = pool.media_path(clip)
    mark = hashlib.sha256(f"{pool.fingerprint}:{clip}".encode()).hexdigest()[:32]
    target = settings.home / "posters" / mark[:2] / f"{mark}.jpg"
    if not target.is_file():
        content = run_on_file(LIMITS, media, _frame, media)
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_suffix(".part")
        half.write_bytes(content)
        half.replace(target)
    return target


def _frame(media: Path) -> bytes:
    try:
        refuse_by_name(media)
        with av.open(str(media), options=DECODER_OPTIONS) as container:
            stream = container.streams.video[0]
            if stream.duration:
                container.seek(stream.duration // 2, stream=stream)
            picture = Image.fromarray(next(container.decode(stream)).to_ndarray(format="rgb24"))
    except (Unreadable, FFmpegError, OSError, IndexError, StopIteration, ValueError) as error:
        raise NotFound("This clip has no picture here.", "Check the pool's video files.") from error
    picture.thumbnail((WIDTH, WIDTH))
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()

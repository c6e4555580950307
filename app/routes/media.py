"""Addresses of the clips: files for raters' and researchers' players, sent in byte ranges."""

from email.utils import formatdate
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse

from app.auth import SignedInRater, is_researcher, signed_in_rater
from app.settings import Settings
from app.studies import clip_files, media
from app.web.pages import Reader

router = APIRouter()
LAST_MODIFIED = formatdate(clip_files.MADE_AT, usegmt=True)
"""The same for every clip, whatever time its file has: a restored file has the time of the restore."""


def may_see_media(request: Request, db: Reader) -> SignedInRater | None:
    """The rater who asks for a clip; None for the researcher, who may see every clip."""
    if is_researcher(request, db):
        return None
    return signed_in_rater(request, db)


MediaViewer = Annotated[SignedInRater | None, Depends(may_see_media)]


@router.get("/media/{key}.mp4")
@router.head("/media/{key}.mp4", include_in_schema=False)
def clip(request: Request, key: str, viewer: MediaViewer, db: Reader) -> Response:
    """Send a clip to a viewer who may see it. The browser may cache it; proxies may not."""
    settings: Settings = request.app.state.settings
    path = media.file_of(db, settings, key, viewer)
    # The usual ETag and Last-Modified follow from the file: they would say that two addresses are one clip.
    headers = {
        "Cache-Control": "private, max-age=86400, immutable",
        "ETag": f'"{key}"',
        "Last-Modified": LAST_MODIFIED,
    }
    if settings.media_accel:  # nginx sends the file itself, with these headers (deploy/nginx.conf)
        return Response(
            headers={**headers, "X-Accel-Redirect": settings.media_accel + path.name}, media_type="video/mp4"
        )
    return FileResponse(path, media_type="video/mp4", headers=headers)

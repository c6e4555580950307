"""Clips, in byte ranges."""

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse

from app import media
from app.auth import MediaViewer
from app.db import Reader

router = APIRouter()


@router.get("/media/{key}.mp4")
@router.head("/media/{key}.mp4", include_in_schema=False)
def clip(request: Request, key: str, viewer: MediaViewer, db: Reader) -> FileResponse:
    """A clip, to those it is assigned to. The browser may keep it, nobody in between may."""
    path = media.file_of(db, request.app.state.settings, key, viewer)
    # The usual ETag follows from size and time of the file: it would say that two addresses are one clip.
    headers = {"Cache-Control": "private, max-age=86400, immutable", "ETag": f'"{key}"'}
    return FileResponse(path, media_type="video/mp4", headers=headers)

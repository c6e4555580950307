"""Addresses for health checks of a proxy, a container or a monitor. They need no sign-in and tell no version."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse

from app.web import readiness

router = APIRouter()
NOT_STORED = {"Cache-Control": "no-store"}


@router.get("/healthz")
@router.head("/healthz", include_in_schema=False)
async def alive() -> PlainTextResponse:
    """Answer 200: this process accepts requests. No thread is used, so that busy handlers do not look like its end."""
    return PlainTextResponse("alive\n", headers=NOT_STORED)


@router.get("/readyz")
@router.head("/readyz", include_in_schema=False)
def ready(request: Request) -> PlainTextResponse:
    """Answer 200 if raters can be served now, 503 with the reasons if not."""
    found = readiness.problems(request.app.state.settings, request.app.state.database)
    text = "".join(f"{line}\n" for line in found) or "ready\n"
    return PlainTextResponse(text, status_code=503 if found else 200, headers=NOT_STORED)

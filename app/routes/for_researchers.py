"""Routes of researchers' pages and of programs. The second process serves them; without one, the only process does."""

from fastapi import FastAPI

from app.db import Database
from app.routes import (
    agreement,
    api,
    invites,
    pool_evidence,
    progress,
    report,
    results,
    studies,
    threshold_pairs,
    wizard,
    workbench,
)
from app.settings import Settings

ROUTES = (
    wizard,
    studies,
    invites,
    progress,
    results,
    agreement,
    pool_evidence,
    workbench,
    threshold_pairs,
    report,
)


def include(app: FastAPI, settings: Settings, database: Database) -> None:
    """Add the routes to the application. Its state must have a `cache`."""
    app.mount("/api/v1", api.create_api(settings, database, app.state.cache), name="api")
    for routes in ROUTES:
        app.include_router(routes.router)

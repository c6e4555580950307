"""How the busiest rating handlers run: at once where the database is free, else in threads that may wait.

Between a thread and the event loop the interpreter's lock changes hands many times a request: fifty raters are served
a quarter faster without (measured). What must wait - for a writer of another thread or program, for a database server
- waits in a thread of the rating room's own, so that videos and other pages go on.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial, wraps
from typing import Any, ParamSpec

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from sqlmodel import Session

from app.db import Database, WriterBusy
from app.web.pages import database

THREADS_FOR_A_SERVER = 6
Asked = ParamSpec("Asked")


def prepare(app: FastAPI, db: Database) -> None:
    """Say how many of these handlers may wait at once; called when the server starts."""
    app.state.rating_threads = CapacityLimiter(1 if db.is_sqlite else THREADS_FOR_A_SERVER)


def in_turn(handler: Callable[Asked, Response]) -> Callable[Asked, Any]:
    """A handler that begins with `writer(request)`, before which it does nothing; its argument is named `request`."""

    @wraps(handler)
    async def turned(*args: Asked.args, **kwargs: Asked.kwargs) -> Response:
        request = kwargs["request"]
        assert isinstance(request, Request)
        if database(request).is_sqlite:
            request.state.may_wait = False
            with suppress(WriterBusy):
                return handler(*args, **kwargs)
        request.state.may_wait = True
        limiter = getattr(request.app.state, "rating_threads", None)
        return await to_thread.run_sync(partial(handler, *args, **kwargs), limiter=limiter)

    return turned


def writer(request: Request) -> AbstractContextManager[Session]:
    """The session of a handler `in_turn`."""
    return database(request).writer(wait=request.state.may_wait)

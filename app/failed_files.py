"""Remember which files could not be read in a child process, so that they are not tried again at each request."""

import copy
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from app.errors import AppError
from app.limited_process import Limits, run_limited

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

REMEMBERED_SECONDS = 600.0
"""Seconds for which a file that failed is not tried again, unless it changes."""
MOST_REMEMBERED = 4096


def run_on_file(
    limits: Limits,
    path: Path,
    function: Callable[Arguments, Value],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> Value:
    """As `run_limited`, for a function that only reads the file at `path`.

    A file that failed is not read again for REMEMBERED_SECONDS unless it changes: its AppError is raised again.
    """
    try:
        status = path.stat()
    except (OSError, RuntimeError):  # a loop of links is a RuntimeError on older Pythons
        return run_limited(limits, path.name, function, *arguments, **options)
    key = (function, path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    failed = _failures.get(key)
    if failed is not None and time.monotonic() - failed[0] < REMEMBERED_SECONDS:
        raise copy.copy(failed[1])
    try:
        return run_limited(limits, path.name, function, *arguments, **options)
    except AppError as error:
        with _lock:
            _failures[key] = (time.monotonic(), copy.copy(error))
            while len(_failures) > MOST_REMEMBERED:
                _failures.popitem(last=False)
        raise


_failures: OrderedDict[object, tuple[float, AppError]] = OrderedDict()
"""When each file failed, and how, by function and state of the file."""
_lock = threading.Lock()
"""Held while `_failures` changes."""

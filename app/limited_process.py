"""Run a function on a file that came from somebody else, in a child process with limits on memory, time and files.

A faulty or hostile file then costs one child process, never the server. The limits protect against exhaustion and
crashes; they are no sandbox against code that a decoder's fault would let run.
"""

import math
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from app.errors import AppError

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

GIGABYTE = 1 << 30
LARGEST_RESULT = 64 << 20
"""Bytes of a pickled result. What is larger is written to a file by the function."""
MOST_FILES = 128
"""Files that the child may have open at once."""
GRACE_SECONDS = 1.0
"""Seconds after its limit at which a child that its own alarm did not end is killed."""
PRELOADED = ["app.pools.parquet_check", "app.pools.posters", "app.studies.clip_files"]
"""Modules that are imported once, by the process that the children are forked from: a child then starts in
milliseconds. They must start no thread when they are imported."""
OUT_OF_TIME = frozenset({-getattr(signal, name, 0) for name in ("SIGALRM", "SIGXCPU")})
OUT_OF_MEMORY = frozenset({-getattr(signal, name, 0) for name in ("SIGABRT", "SIGKILL")})
"""Rust aborts if it gets no memory; the system kills with SIGKILL if the machine has none left."""


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds by the clock, bytes of memory of its own, bytes of each file that it writes."""

    seconds: float
    memory: int
    written: int = 0


@dataclass(frozen=True)
class _OutOfMemory:
    """Sent by a child that noticed itself that its memory is used up."""


def run_limited(
    limits: Limits,
    name: str,
    function: Callable[Arguments, Value],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> Value:
    """Call a function of a module in a child process with limits, and return its value.

    `name` is the name of the file, for messages. What the function raises is raised here, unchanged. Raises AppError
    that names the file if the child runs out of memory or time, crashes, or returns more than LARGEST_RESULT bytes.
    Where the system cannot limit memory (Windows, macOS), only the time is limited.
    """
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, limits, function, arguments, options), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(limits.seconds + GRACE_SECONDS):
            raise _out_of_time(name, limits)
        worked, value = pickle.loads(ours.recv_bytes(LARGEST_RESULT))  # noqa: S301 - written by our own child
    except EOFError as error:
        process.join(GRACE_SECONDS)
        raise _died(name, process.exitcode, limits) from error
    except OSError as error:
        raise AppError(f"{name} holds more than can be read here.", "Divide it into smaller files.") from error
    finally:
        _end(process)
        ours.close()
    if worked:
        result: Value = value
        return result
    raise _out_of_memory(name, limits) if isinstance(value, _OutOfMemory) else value


def warm_up() -> None:
    """Start the process that children are forked from, so that the first file does not wait for its imports."""
    run_limited(Limits(60, GIGABYTE), "nothing", os.getpid)


def _context() -> "ForkServerContext | SpawnContext":
    # Never a fork of this process: copies of a process with threads may hang.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # Children import the program's main file; that of the command line imports `app.cli`, which takes long.
    context.set_forkserver_preload([*PRELOADED, *(name for name in ("app.cli",) if name in sys.modules)])
    return context


def _end(process: "BaseProcess") -> None:
    process.join(0 if process.is_alive() else None)
    if process.exitcode is None:
        process.kill()
        process.join(GRACE_SECONDS)


def _answer(
    answer: Connection,
    limits: Limits,
    function: Callable[..., object],
    arguments: tuple[object, ...],
    options: dict[str, object],
) -> None:
    """In the child: call the function within the limits and send (True, its value) or (False, its error)."""
    # Libraries write their own words about a lack of memory, over many lines.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    _limit(limits)
    try:
        sent = pickle.dumps((True, function(*arguments, **options)))
    except MemoryError:
        sent = pickle.dumps((False, _OutOfMemory()))
    except Exception as error:
        sent = _pickled(error)
    answer.send_bytes(sent)


def _pickled(error: Exception) -> bytes:
    try:
        sent = pickle.dumps((False, error))
        pickle.loads(sent)  # noqa: S301 - made in the line above; some errors can be written, but not read
    except Exception:
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return sent


def _limit(limits: Limits) -> None:
    """Set the limits of this process, the clock last, so that it ends even if its parent is gone."""
    if sys.platform != "win32":
        import resource

        seconds = math.ceil(limits.seconds) * (os.cpu_count() or 1)
        bounds = {
            resource.RLIMIT_CPU: seconds,
            resource.RLIMIT_FSIZE: limits.written,
            resource.RLIMIT_NOFILE: MOST_FILES,
            resource.RLIMIT_CORE: 0,
        }
        if sys.platform == "linux":
            # Not RLIMIT_AS: allocators reserve address space for every thread, which they never use.
            pages = int(Path("/proc/self/statm").read_text().split()[5])
            bounds[resource.RLIMIT_DATA] = pages * resource.getpagesize() + limits.memory
        for kind, bound in bounds.items():
            hard = resource.getrlimit(kind)[1]
            most = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(kind, (most, most))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limits.seconds)


def _out_of_time(name: str, limits: Limits) -> AppError:
    return AppError(
        f"{name} takes more than {limits.seconds:g} s to read.",
        "It may be damaged, or made to exhaust this machine; use another file.",
    )


def _out_of_memory(name: str, limits: Limits) -> AppError:
    return AppError(
        f"{name} needs more than {round(limits.memory / GIGABYTE, 1):g} GB of memory to read.",
        "It may be damaged, or made to exhaust this machine; use another file, or make it smaller.",
    )


def _died(name: str, code: int | None, limits: Limits) -> AppError:
    """What the exit code of a child that sent nothing means."""
    if code in OUT_OF_TIME:
        return _out_of_time(name, limits)
    if code in OUT_OF_MEMORY:
        return _out_of_memory(name, limits)
    return AppError(
        f"{name} cannot be read: the program that reads it crashed.", "It may be damaged; use another file."
    )

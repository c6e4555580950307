"""Run a function on a file that came from somebody else, in a child process with limits on memory, time and files.

A faulty or hostile file then costs one child process, never the server. A child that answered in time is used for the
next file too: starting one takes about as long as decoding eight posters. The limits protect against exhaustion and
crashes; they are no sandbox against code that a decoder's fault would let run.
"""

import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from app.errors import AppError

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")

GIGABYTE = 1 << 30
LARGEST_RESULT = 64 << 20
"""Bytes of a pickled result. What is larger is written to a file by the function."""
GRACE_SECONDS = 1.0
"""Seconds after its limit at which a child that its own alarm did not end is killed."""
MOST_CALLS = 200
"""Calls after which a child is replaced."""
MOST_KEPT = 256 << 20
"""Bytes that a child may have kept of its calls; one that keeps more is replaced."""
MOST_IDLE = 4
"""Children that wait for a next file."""
IDLE_SECONDS = 10.0
"""Seconds for which a waiting child may still get a file; after three times as long it ends itself."""
PRELOADED = ["app.pools.parquet_check", "app.pools.posters", "app.studies.clip_files"]
"""Modules that are imported once, by the process that the children are forked from: a child then starts in
milliseconds. They must start no thread when they are imported."""
OUT_OF_TIME = frozenset({-getattr(signal, name, 0) for name in ("SIGALRM", "SIGXCPU")})
OUT_OF_MEMORY = frozenset({-getattr(signal, name, 0) for name in ("SIGABRT", "SIGKILL")})
"""Rust aborts if it gets no memory; the system kills with SIGKILL if the machine has none left."""


@dataclass(frozen=True)
class Limits:
    """What a call may use: seconds by the clock, bytes of memory of its own, bytes of each file that it writes, and
    files that are open at once.

    A child that does nothing for `still` seconds is ended: libraries that get no memory may wait without end.

    `remedy` is a sentence that says how to raise the limits of time and memory; "" if they are fixed.
    """

    seconds: float
    memory: int
    written: int = 0
    files: int = 128
    still: float = 60.0
    remedy: str = ""


@dataclass(frozen=True)
class _OutOfMemory:
    """Sent by a child that noticed itself that its memory is used up."""


@dataclass(frozen=True)
class _Call:
    """A call as it is sent to a child, with the folder and the environment of the process that asks for it."""

    limits: Limits
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    folder: str
    environment: dict[str, str]


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
    Where the system cannot limit memory (Windows, macOS), only the time is limited. Within such a child the function is
    called directly: the child has limits already.
    """
    if _is_child:
        return function(*arguments, **options)
    call = _Call(limits, function, arguments, options, _folder(), dict(os.environ))
    child = _idle_child() or _Child(function.__module__)
    try:
        (worked, value), again = child.answer(call, name)
    except BaseException:
        child.end()
        raise
    if again:
        _keep(child)
    else:
        child.end()
    if worked:
        result: Value = value
        return result
    raise _out_of_memory(name, limits) if isinstance(value, _OutOfMemory) else value


def _folder() -> str:
    """The current folder; "" if somebody removed it."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""


_is_child = False
"""True in a child, which cannot start children."""
_idle: "list[_Child]" = []
_lock = threading.Lock()
"""Held while `_idle` changes."""


class _Child:
    """A child process that answers one call after the other."""

    def __init__(self, module: str) -> None:
        context = _context(module)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.idle_since = time.monotonic()

    @property
    def is_ready(self) -> bool:
        """True if it will answer another call."""
        return time.monotonic() - self.idle_since < IDLE_SECONDS and self._process.is_alive()

    def answer(self, call: _Call, name: str) -> tuple[tuple[bool, Any], bool]:
        """Whether the call worked, its value or error, and whether the process waits for another call.

        Raises AppError that names the file if there is no answer.
        """
        sent = pickle.dumps(call)
        try:
            self._pipe.send_bytes(sent)
            self._wait(call.limits, name)
            data = self._pipe.recv_bytes(LARGEST_RESULT)
        except (EOFError, ConnectionError) as error:
            self._process.join(GRACE_SECONDS)
            raise _died(name, self._process.exitcode, call.limits) from error
        except OSError as error:
            raise AppError(f"{name} holds more than can be read here.", "Divide it into smaller files.") from error
        return pickle.loads(data[1:]), data[0] == 1  # noqa: S301 - written by our own child

    def _wait(self, limits: Limits, name: str) -> None:
        """Return when there is an answer. Raises AppError if the time is over or the process stands still."""
        end = time.monotonic() + limits.seconds + GRACE_SECONDS
        since = time.monotonic()
        worked = _ticks(self._process.pid)
        while not self._pipe.poll(min(1.0, max(0.0, end - time.monotonic()))):
            now = time.monotonic()
            if now >= end:
                raise _out_of_time(name, limits)
            ticks = _ticks(self._process.pid)
            if ticks != worked:
                worked, since = ticks, now
            elif ticks is not None and now - since > limits.still:
                raise AppError(f"{name} cannot be read: the program that reads it stands still.", _remedy(limits))

    def end(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(0 if self._process.is_alive() else None)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join(GRACE_SECONDS)


def _ticks(pid: int | None) -> int | None:
    """How long a process has worked, in ticks of the CPU's clock; None where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[11]) + int(fields[12])


def _idle_child() -> _Child | None:
    """A child that waits for a call, if there is one; those that have waited for too long are ended."""
    while True:
        with _lock:
            if not _idle:
                return None
            child = _idle.pop()
        if child.is_ready:
            return child
        child.end()


def _keep(child: _Child) -> None:
    child.idle_since = time.monotonic()
    with _lock:
        _idle.append(child)
        surplus = _idle.pop(0) if len(_idle) > MOST_IDLE else None
    if surplus is not None:
        surplus.end()


def preload_all() -> None:
    """Let the process that children are forked from import PRELOADED, for a program that reads files of every kind."""
    _preloaded.update(PRELOADED)


def warm_up() -> None:
    """Start the process that children are forked from, so that the first file does not wait for its imports."""
    preload_all()
    run_limited(Limits(60, GIGABYTE), "nothing", os.getpid)


_preloaded: set[str] = set()
"""Modules to preload; on the command line that of the first function, because the others take a second."""


def _context(module: str) -> "ForkServerContext | SpawnContext":
    # Never a fork of this process: copies of a process with threads may hang.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # Children import the program's main file; that of the command line imports `app.cli`, which takes long.
    command_line = [name for name in ("app.cli",) if name in sys.modules]
    context.set_forkserver_preload([*(sorted(_preloaded) or [module]), *command_line])
    return context


def _serve(pipe: Connection) -> None:
    """In the child: answer calls until one fails or no more arrive."""
    global _is_child
    _is_child = True
    # Libraries write their own words about a lack of memory, over many lines.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    first = _data_bytes()
    for left in range(MOST_CALLS - 1, -1, -1):
        if not pipe.poll(3 * IDLE_SECONDS):
            return
        try:
            sent = pipe.recv_bytes()
        except (EOFError, ConnectionError):
            return
        answer, again = _answered(sent)
        again = again and left > 0 and _data_bytes() - first < MOST_KEPT
        pipe.send_bytes(bytes([again]) + answer)
        if not again:
            return
        _unlimit()


def _answered(sent: bytes) -> tuple[bytes, bool]:
    """In the child: the pickled answer to a call, which is made within its limits, and whether it worked."""
    try:
        call: _Call = pickle.loads(sent)  # noqa: S301 - written by our own parent
        if call.folder:
            os.chdir(call.folder)
        if os.environ != call.environment:
            os.environ.clear()
            os.environ.update(call.environment)
        _limit(call.limits)
        return pickle.dumps((True, call.function(*call.arguments, **call.options))), True
    except Exception as error:
        return pickle.dumps((False, _OutOfMemory() if _is_lack_of_memory(error) else _sendable(error))), False


def _is_lack_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that the memory is used up; Polars has no class for that."""
    while error is not None:
        if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
            return True
        error = error.__cause__
    return False


def _sendable(error: Exception) -> Exception:
    """The error; a RuntimeError with its words if it cannot be sent to the parent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made in this line; some errors can be written, but not read
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _data_bytes() -> int:
    """Bytes of data of this process, as RLIMIT_DATA counts them; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    import resource

    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _limit(limits: Limits) -> None:
    """Set the limits of this process, the clock last, so that it ends even if its parent is gone."""
    if sys.platform != "win32":
        import resource

        seconds = math.ceil(limits.seconds) * (os.cpu_count() or 1)
        bounds = {
            resource.RLIMIT_CPU: math.ceil(time.process_time()) + seconds,
            resource.RLIMIT_FSIZE: limits.written,
            resource.RLIMIT_NOFILE: limits.files,
            resource.RLIMIT_CORE: 0,
        }
        if sys.platform == "linux":
            # Not RLIMIT_AS: allocators reserve address space for every thread, which they never use.
            bounds[resource.RLIMIT_DATA] = _data_bytes() + limits.memory
        for kind, bound in bounds.items():
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limits.seconds)


def _unlimit() -> None:
    """End the limits of a call that is over, so that the child can wait for the next one."""
    if sys.platform != "win32":
        import resource

        signal.setitimer(signal.ITIMER_REAL, 0)
        for kind in (resource.RLIMIT_CPU, resource.RLIMIT_DATA):
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (hard, hard))


def _remedy(limits: Limits) -> str:
    return f"It may be damaged, or made to exhaust this machine; use another file, or make it smaller.{limits.remedy}"


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 600 else f"{seconds / 60:g} minutes"


def _out_of_time(name: str, limits: Limits) -> AppError:
    return AppError(
        f"{name} takes more than {_duration(limits.seconds)} to read.",
        _remedy(limits),
    )


def _out_of_memory(name: str, limits: Limits) -> AppError:
    return AppError(
        f"{name} needs more than {round(limits.memory / GIGABYTE, 1):g} GB of memory to read.",
        _remedy(limits),
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

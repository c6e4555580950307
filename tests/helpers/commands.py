"""`clipjury` in a process of its own that has the application loaded already: a test that runs many need not wait."""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def run(words: Sequence[str], folder: Path, logs: Path, environment: Mapping[str, str], *, seconds: float) -> Ended:
    """Run the command in a folder as a shell does, with its output in two files of `logs`; it gets so many seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["app.server", "tests.helpers.servers", "tests.helpers.commands"])
    out, err = logs / "out", logs / "err"
    process = context.Process(target=_run, args=(list(words), folder, out, err, dict(environment)))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"clipjury {' '.join(words)} took more than {seconds} s")
    return Ended(process.exitcode, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))


def _run(words: list[str], folder: Path, out: Path, err: Path, environment: dict[str, str]) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["clipjury", *words]
    main()

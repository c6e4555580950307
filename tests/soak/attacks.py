"""The attacks: processes killed, databases frozen or locked, a full disk, a clock that jumps, bodies huge and slow."""

import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from tests.helpers import raw_requests, servers
from tests.helpers.waiting import PATIENCE, wait_until
from tests.soak import disks
from tests.soak.clock import WallClock
from tests.soak.scene import Attack, Scene

MB = 1_000_000
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class KillServer(Attack):
    """kill -9 of the server that raters talk to, then a new start on the same data."""

    name = "kill -9 of the server"

    def strike(self, scene: Scene) -> None:
        """Kill it, wait a moment, start it."""
        scene.server.kill()
        time.sleep(scene.chance.uniform(0, 0.5))
        scene.restart()


class KillServerAtItsStart(Attack):
    """kill -9 twice: the second hits the server while the raters' stored-up answers arrive."""

    name = "kill -9 of the server, and again just after its start"

    def strike(self, scene: Scene) -> None:
        """Kill it, start it, kill it again within half a second."""
        scene.server.kill()
        scene.restart()
        time.sleep(scene.chance.uniform(0, 0.5))
        scene.server.kill()
        scene.restart()


class KillResearchersProcess(Attack):
    """kill -9 of the process for researchers; the spare one, or a new one, takes over."""

    name = "kill -9 of the researchers' process"

    def strike(self, scene: Scene) -> None:
        """Kill it."""
        scene.second_process.kill()


class KillPostgres(Attack):
    """kill -9 of PostgreSQL's postmaster; PostgreSQL recovers from its log at the next start."""

    name = "kill -9 of PostgreSQL"

    def strike(self, scene: Scene) -> None:
        """Kill it and start it."""
        assert scene.postgres is not None
        scene.postgres.kill()


@dataclass
class FreezePostgres(Attack):
    """Every process of PostgreSQL stands still for a while (SIGSTOP), connections stay open."""

    seconds: float = 3.0
    name = "PostgreSQL frozen"

    def strike(self, scene: Scene) -> None:
        """Stop it and let it continue."""
        assert scene.postgres is not None
        scene.postgres.freeze(self.seconds)


@dataclass
class LockSqlite(Attack):
    """Another program holds SQLite's lock for a while."""

    seconds: float = 3.0
    name = "SQLite locked by another program"

    def strike(self, scene: Scene) -> None:
        """Take the lock and release it."""
        file = scene.settings.home / "clipjury.db"
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(self.seconds)
            other.execute("ROLLBACK")


@dataclass
class FullDisk(Attack):
    """The disk of the data folder fills up while answers arrive; later there is room again."""

    disk: Path
    seconds: float = 3.0
    name = "full disk"

    def strike(self, scene: Scene) -> None:  # noqa: ARG002 - its folder is on this disk
        """Fill it, wait, make room."""
        with disks.filled(self.disk):
            time.sleep(self.seconds)


@dataclass
class FullDiskOfPostgres(Attack):
    """The disk of PostgreSQL's files fills up: its tables cannot grow, then its log cannot either, and it ends."""

    disk: Path
    seconds: float = 3.0
    name = "full disk of PostgreSQL"

    def strike(self, scene: Scene) -> None:
        """Fill it, wait until the server says that it is not ready, make room, and start PostgreSQL if it has ended."""
        assert scene.postgres is not None
        with disks.filled(self.disk):
            time.sleep(self.seconds / 2)
            with suppress(psycopg.OperationalError):
                while True:  # each round begins the log's next file, which may have been made before
                    scene.postgres.execute("SELECT pg_switch_wal()")
                    scene.postgres.execute("SELECT pg_logical_emit_message(true, 'soak', '')")
            scene.wait_until_ready(ready=False)
            time.sleep(self.seconds / 2)
        scene.postgres.start()
        scene.wait_until_ready(ready=True)


@dataclass
class ReadOnlyPostgres(Attack):
    """PostgreSQL takes no changes for a while: providers do so when its disk is nearly full, a standby always."""

    seconds: float = 3.0
    name = "PostgreSQL read-only"

    def strike(self, scene: Scene) -> None:
        """Make it read-only, wait until the server says that it is not ready, make it writable."""
        assert scene.postgres is not None
        with scene.postgres.read_only():
            scene.wait_until_ready(ready=False)
            time.sleep(self.seconds)
        scene.wait_until_ready(ready=True)


@dataclass
class NoLargerFiles(Attack):
    """The server's processes may enlarge no file: what a full disk is where nobody may make a small one."""

    seconds: float = 3.0
    name = "full disk (file-size limit)"

    def strike(self, scene: Scene) -> None:
        """Set the limit to nothing, wait, lift it."""
        server = psutil.Process(scene.server.process.pid)
        before = {one: one.rlimit(psutil.RLIMIT_FSIZE) for one in (server, *server.children())}
        for one, (_soft, hard) in before.items():
            one.rlimit(psutil.RLIMIT_FSIZE, (0, hard))
        time.sleep(self.seconds)
        for one, limits in before.items():
            one.rlimit(psutil.RLIMIT_FSIZE, limits)


class ReadOnlyFolder(Attack):
    """The server is killed and cannot write its folder at the next start; later it can."""

    name = "read-only data folder"

    def strike(self, scene: Scene) -> None:
        """Start it in vain, then make the folder writable and start it."""
        scene.server.kill()
        with disks.read_only(scene.settings.home):
            ended = subprocess.run(
                [*servers.COMMAND, "serve", "--port", "0"],
                env=servers.environment(scene.settings),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        scene.restart()
        said = ended.stdout + ended.stderr
        assert ended.returncode == 1, said
        assert said.strip(), "it ended without a word"
        assert "Traceback" not in said, said


@dataclass
class ClockJumps(Attack):
    """The server's wall clock jumps: leases end early, or would last for a day; sessions and pages stay."""

    clock: WallClock
    hours: tuple[float, ...] = (1, -24, 25, 0)
    seconds: float = 1.0
    name = "clock jumps forth and back"
    may_end_leases = True

    def strike(self, scene: Scene) -> None:
        """Set it to each error in turn and work a while; the researcher, still signed in, opens the study's pages."""
        for hours in self.hours:
            self.clock.set(hours)
            wait_until(lambda: abs(scene.hours_ahead() - hours) < 0.1, "the jump of the clock")  # noqa: B023
            scene.seconds_until_researchers_are_served()
            for path in scene.pages_of_newest_study():
                status, page = scene.researcher.get(path)
                assert status == 200, (hours, path, status, page[-600:])
            time.sleep(self.seconds)


@dataclass
class Bodies(Attack):
    """Strangers send bodies that are huge, bodies that stop in the middle, huge headers, and nothing."""

    huge: int = 5
    slow: int = 60
    silent: int = 1000
    name = "huge and slow bodies"

    def strike(self, scene: Scene) -> None:
        """Send them all; each must be refused in its way."""
        base = scene.server.base
        silent = [raw_requests.connect(base) for _ in range(self.silent)]
        doors = [raw_requests.connect(base) for _ in range(self.slow)]
        for door in doors:
            door.sendall(raw_requests.head(base, "POST", "/sign-in", FORM | {"Content-Length": "900"}) + b"key=")
        for number in range(self.huge):
            path, wanted = (("/sign-in", 413), ("/rate/1", 401), ("/studies/new", 401))[number % 3]
            size = FORM | {"Content-Length": str(50 * MB)}
            status, text = raw_requests.post(base, path, size, raw_requests.pieces(50 * MB, chunked=False))
            assert status == wanted, (path, status, text[:300])
            status, text = raw_requests.post(base, path, {"X-Big": "x" * 50 * MB}, [])
            assert status in (431, 0), text[:300]  # 0: the answer came while the header was sent
        answers = [raw_requests.answer(door)[0] for door in doors]
        assert set(answers) == {408}, answers
        assert {raw_requests.answer(door)[0] for door in silent} == {0}
        for door in (*doors, *silent):
            door.close()


ON_SQLITE: tuple[Attack, ...] = (KillServer(), KillResearchersProcess(), KillServerAtItsStart(), LockSqlite())
ON_POSTGRESQL: tuple[Attack, ...] = (
    KillServer(),
    KillPostgres(),
    KillResearchersProcess(),
    FreezePostgres(),
    ReadOnlyPostgres(),
)

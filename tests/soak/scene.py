"""A server under attack: its settings, its processes, a researcher's browser, and how it is started again."""

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.request import urlopen

import psutil
from sqlalchemy import select
from sqlmodel import col

from app.db import Database
from app.models import Study
from app.raters import raters
from app.settings import Settings
from tests.helpers import servers
from tests.helpers.factories import StudyMaker
from tests.helpers.raters_over_http import Client
from tests.helpers.waiting import PATIENCE, wait_until
from tests.soak import checks, patient_raters
from tests.soak.patient_raters import PatientRater
from tests.soak.postgres import Postgres

MOST_JOINS = 1_000_000
"""All raters of the soak come from one address."""


@dataclass
class Scene:
    """A running server on one database, and what attacks need to reach."""

    settings: Settings
    database: Database
    server: servers.Server
    chance: random.Random
    postgres: Postgres | None = None
    server_environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.make_study = StudyMaker(self.database, self.settings)
        self.researcher = Client(self.server.base)

    @property
    def second_process(self) -> psutil.Process:
        """The researchers' process: a spare one is always younger."""
        children = psutil.Process(self.server.process.pid).children()
        alive = [one for one in children if one.status() != psutil.STATUS_ZOMBIE]
        return min(alive, key=lambda one: one.create_time())

    def restart(self) -> None:
        """Start the server again at its address after it has ended."""
        port = int(self.server.base.rpartition(":")[2])
        self.server = servers.start(self.settings, port=port, also=self.server_environment)

    def wait_until_ready(self, *, ready: bool) -> None:
        """Wait until the server says that raters can, or cannot, be served."""
        wanted = 200 if ready else 503
        with closing(Client(self.server.base)) as monitor:
            wait_until(lambda: monitor.get("/readyz")[0] == wanted, f"an answer of {wanted} from /readyz")

    def hours_ahead(self) -> float:
        """By how many hours the server's wall clock is ahead of this machine's."""
        with urlopen(f"{self.server.base}/healthz") as answer:
            told = parsedate_to_datetime(answer.headers["Date"])
        return (told - datetime.now(UTC)).total_seconds() / 3600

    def pages_of_newest_study(self) -> list[str]:
        """The addresses of a researcher's pages with times, of the study that raters work on."""
        with self.database.reader() as db:
            slug = db.execute(select(col(Study.slug)).order_by(col(Study.id).desc()).limit(1)).scalar_one()
        return [f"/studies/{slug}{page}" for page in ("", "/progress", "/raters")]

    def seconds_until_researchers_are_served(self) -> float:
        """Seconds until a researcher's page comes, with the session from before the attack."""
        began = time.monotonic()

        def is_served() -> bool:
            try:
                return self.researcher.get("/studies")[0] == 200
            except OSError:
                self.researcher.close()
                return False

        wait_until(is_served, "a researcher's page")
        return time.monotonic() - began


@contextmanager
def scene(
    chance: random.Random,
    *,
    postgres: Postgres | None = None,
    home: Path | None = None,
    server_environment: Mapping[str, str] | None = None,
    researcher_process: bool = True,
) -> Iterator[Scene]:
    """A server with an empty database, on SQLite unless PostgreSQL is given, in a folder of its own unless one is."""
    folder = home or Path(tempfile.mkdtemp(prefix="clipjury-soak-"))
    url = postgres.url if postgres else ""
    settings = Settings(
        home=folder / "home", database_url=url, joins_per_hour=MOST_JOINS, researcher_process=researcher_process
    )
    database = Database(settings.database)
    database.migrate()
    also = server_environment or {}
    made = Scene(settings, database, servers.start(settings, also=also), chance, postgres, also)
    try:
        made.researcher.get(made.server.links["Researcher"].removeprefix(made.server.base))
        yield made
    finally:
        made.researcher.close()
        code = made.server.stop()
        database.dispose()
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)
        assert code == 0, f"the server ended with code {code}"


@dataclass(frozen=True)
class Size:
    """How much work a round has."""

    raters: int = 20
    clips: int = 80
    raters_per_clip: int = 3

    @property
    def places(self) -> int:
        """Answers until the study is complete."""
        return self.clips * self.raters_per_clip


@dataclass
class Round:
    """What one round has shown."""

    attack: str
    acknowledged: int = 0
    seconds: float = 0.0
    longest_outage: float = 0.0
    seconds_for_researchers: float = 0.0
    violations: list[str] = field(default_factory=list)


class Attack:
    """Something bad that happens to a running server; afterwards the server works again, or is expected to."""

    name = ""
    may_end_leases = False
    """True if other raters may get a rater's clips meanwhile: surplus answers are right then."""

    def strike(self, scene: Scene) -> None:
        """Do it."""
        raise NotImplementedError


def play(scene: Scene, attack: Attack, size: Size) -> Round:
    """One round: raters complete a new study while the attack happens at a random moment."""
    study = scene.make_study(clips=size.clips, raters_per_clip=size.raters_per_clip, with_media=False)
    link = raters.open_link(scene.settings, study)
    faults_before = checks.faults(scene.database, scene.settings)
    began = time.monotonic()
    found = Round(attack.name)
    with patient_raters.at_work(scene.server.base, link, size.raters, scene.chance) as people:
        moment = scene.chance.randint(size.places // 10, size.places // 2)
        wait_until(lambda: _acknowledged(people) >= moment or bool(_problems(people)), "the load")
        attack.strike(scene)
        found.seconds_for_researchers = scene.seconds_until_researchers_are_served()
        _wait_for_the_end(scene, study, people, size)
    found.seconds = time.monotonic() - began
    found.acknowledged = _acknowledged(people)
    found.longest_outage = max(rater.longest_outage for rater in people)
    found.violations = _problems(people)
    found.violations += checks.violations(
        scene.database, study, people, places=size.places, may_have_surplus=attack.may_end_leases
    )
    faults = checks.faults(scene.database, scene.settings)
    found.violations += [f"clipjury check: {one}" for one in faults if one not in faults_before]
    return found


def _wait_for_the_end(scene: Scene, study: Study, people: list[PatientRater], size: Size) -> None:
    until = time.monotonic() + PATIENCE
    quiet = threading.Event()
    while time.monotonic() < until and not _problems(people):
        if checks.places_done(scene.database, study) >= size.places and all(one.outbox is None for one in people):
            return
        quiet.wait(0.2)


def _acknowledged(people: list[PatientRater]) -> int:
    return sum(len(rater.acknowledged) for rater in people)


def _problems(people: list[PatientRater]) -> list[str]:
    return [problem for rater in people for problem in rater.problems]

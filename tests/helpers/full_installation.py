"""An installation with rows in every table and files of every kind: what a backup must bring back."""

import zipfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import col

from app import api_tokens
from app.db import Database
from app.models import Exclusion, Rater, ResearcherSession, Study, metadata
from app.raters import invites
from app.settings import Settings
from app.studies import study_file
from app.wizard import drafts
from tests.helpers import every_scale
from tests.helpers.factories import NOON, StudyMaker
from tests.helpers.generated_study import Options, generate

ODD = 'Zoë "Quote" \\ line\u2028end 🎬'
"""A name with characters that JSON, SQL and ZIP treat in ways of their own."""
NESTED = {"b": [1, 2.5, None, True, {"z": "é", "a": 1e-300}], "a": ODD}
"""A JSON value whose order, floats and characters must stay as they are."""


@dataclass(frozen=True)
class Installation:
    """What was made: the study on every scale, whose pool lies outside the home folder, and a draft."""

    every_scale: Study
    generated: Study
    draft: str


def fill(database: Database, settings: Settings, folder: Path) -> Installation:
    """Make two studies with answers, links, a token, an exclusion, a session, a draft, a sample and a pack.

    `folder` gets the pool of the study on every scale. Asserts that no table is empty.
    """
    maker = StudyMaker(database, settings)
    folder.mkdir(parents=True, exist_ok=True)
    study = every_scale.make(database, settings, folder)
    raters = [every_scale.join(maker, study, name) for name in ("Ada", ODD)]
    for rater in raters:
        every_scale.rate_all(maker, study, rater)
    generated = generate(database, settings, Options(clips=40, raters=4, pool=400), with_videos=True)
    with database.writer() as db:
        invites.opened(db, study, label=ODD, cap=3, expires_at=NOON + timedelta(days=1))
        invites.personal(db, study, "Grace")
        api_tokens.create(db, "reader", ["read", "judgments"])
        db.add(ResearcherSession(secret_hash="0" * 64, ends_at=NOON))
        db.add(Exclusion(study_id=study.id, rater_id=raters[0].id, rule="by hand", reason=ODD, person="Ada"))
        row = db.get_one(Rater, raters[1].id)
        row.platform_ids, row.expires_at = NESTED, NOON
        db.add(row)
    draft = drafts.begin(settings, Path(study.pool), study_file.preset("acr"))
    _write_files(settings)
    with database.reader() as db:
        empty = [one.name for one in metadata.sorted_tables if not db.scalar(select(func.count()).select_from(one))]
        assert empty == [], "a backup must be tried with rows in every table: add some here"
        return Installation(
            db.scalars(select(Study).where(col(Study.id) == study.id)).one(),
            db.scalars(select(Study).where(col(Study.id) == generated.id)).one(),
            draft.key,
        )


def _write_files(settings: Settings) -> None:
    """A sample, a pack, and files that no backup holds: a poster, a lock, an original video."""
    for name in (
        "samples/sample.parquet",
        "posters/ab/abcd.jpg",
        "pool.parquet.lock",
        "clips/original.mp4",
        "huge.bin",
    ):
        place = settings.home / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(f"content of {name}".encode())
    pack = settings.home / "reports" / "every-scale.zip"
    pack.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(pack, "w") as written:
        written.writestr("every-scale-report/SNAPSHOT", "sha256 of nothing\n")

"""The study itself: its file, the drawn sample, and numbers that are the same whenever the seed is."""

import base64
from pathlib import Path

import numpy as np
from sqlalchemy import bindparam, delete, select, update
from sqlmodel import Session, col

from app.db import Database
from app.models import Assignment, Document, Event, Study, StudyClip
from app.pools.pool_files import read_pool
from app.settings import Settings
from app.studies import creation, lifecycle
from app.studies.clip_files import prepare
from app.studies.study_file import parse
from tests.helpers.factories import tiny_video
from tests.helpers.generated_study.options import Options
from tests.helpers.generated_study.pool import VIDEOS, World
from tests.helpers.generated_study.scores import Score

GOLD_GOOD, GOLD_BAD = 4, 10
"""Clips with known answers: plainly good ones, and plainly bad ones that a careless rater accepts."""
HEAD = """name = "Generated study"
guidelines = \"\"\"
Watch each clip to its end, then answer. Judge what you see, not the scores.

- **Quality**: how good the picture looks.
- **Stability**: how steady camera and speaker are.
- **Verdict**: would you keep this clip for training a model of talking faces?
\"\"\"
score_visibility = "randomised"
raters_per_clip = {places}
seed = {seed}

[[criteria]]
key = "quality"
label = "Quality"
question = "How good does the picture look?"
scale = "acr5"

[[criteria]]
key = "stability"
label = "Stability"
question = "How steady are camera and speaker?"
scale = "acr5"

[[criteria]]
key = "verdict"
label = "Verdict"
question = "Would you keep this clip?"
scale = "verdict"
"""
OPTIONAL = """
[[criteria]]
key = "faults"
label = "Faults"
question = "What is wrong with it?"
scale = "tags"
options = ["blur", "shake", "cut"]
required = false

[[criteria]]
key = "remark"
label = "Remark"
question = "Anything else?"
scale = "text"
required = false
"""
SAMPLING = """
[sampling]
design = "stratified"
by = "sharpness"
bands = 4
clips = {clips}

[repeats]
share = 0.05
apart = 20

[gold]
share = 0.1
tolerance = 1
clips = [
{gold}
]
"""


def text_of(made: World, options: Options) -> str:
    """The study file."""
    head = HEAD.format(places=options.answers + options.open_places, seed=options.seed)
    filters = "".join(_filter(one) for one in made.scores)
    gold = ",\n".join(
        f'  {{ clip = "{name}", answers = {{ quality = {quality}, verdict = "{verdict}" }} }}'
        for name, quality, verdict in _gold(made)
    )
    return (
        head
        + (OPTIONAL if options.optional_questions else "")
        + filters
        + SAMPLING.format(clips=options.clips, gold=gold)
    )


def _filter(one: Score) -> str:
    ends = (("min", one.minimum), ("max", one.maximum))
    lines = [f"{name} = {value}" for name, value in ends if value is not None]
    return "\n".join(
        ["", "[[filters]]", f'name = "{one.name}"', f'title = "{one.title}"', f'score = "{one.name}"', *lines, ""]
    )


def _gold(made: World) -> list[tuple[str, int, str]]:
    """The pool's best and worst clips with what everybody would say of them."""
    order = np.argsort(made.merit, kind="stable")
    bad = [(made.names[row], 1, "reject") for row in order[:GOLD_BAD]]
    return bad + [(made.names[row], 5, "accept") for row in order[-GOLD_GOOD:]]


def create(database: Database, settings: Settings, made: World, options: Options, pool: Path) -> Study:
    """Draw the sample and write the study by the product's own functions, then number its clips by the seed.

    No video file is needed: none is copied. The places for raters are left to the caller.
    """
    text = text_of(made, options)
    spec = parse(text, "the generated study's file")
    creation.create(
        database, settings, read_pool(pool), spec, text, slug=options.slug, copy_clip=lambda _source, _target: None
    )
    with database.writer() as db:
        study = lifecycle.by_slug(db, options.slug)
        db.execute(delete(Assignment).where(col(Assignment.study_id) == study.id))
        _number(db, study, options)
        db.execute(update(Study).where(col(Study.id) == study.id).values(created_at=options.created))
        for table in (Document, Event):
            db.execute(update(table).where(col(table.study_id) == study.id).values(created_at=options.created))
        db.expire_all()
        return lifecycle.by_slug(db, options.slug)


def _number(db: Session, study: Study, options: Options) -> None:
    """Give the clips' rows numbers, positions and random names that follow from the seed.

    The product draws them from the system's randomness, so that no seed tells raters a clip's stratum.
    """
    rows = sorted(db.scalars(select(StudyClip).where(col(StudyClip.study_id) == study.id)), key=lambda row: row.clip)
    chance = np.random.default_rng([options.seed, 3])
    numbers = chance.permutation(sorted(row.id for row in rows)).tolist()
    reference = [row.id for row in rows if row.role != "sample"]
    first = len(rows) - len(reference)
    places = {number: first + place for place, number in enumerate(reference)}
    table = StudyClip.__table__  # type: ignore[attr-defined]  # every table model has one
    change = update(table).where(table.c.id == bindparam("was"))
    changes = [
        {
            "was": row.id,
            "id": -number,
            "position": places.get(row.id, row.position),
            "media_key": base64.urlsafe_b64encode(chance.bytes(12)).decode(),
        }
        for row, number in zip(rows, numbers, strict=True)
    ]
    # Two steps: a number may still belong to another row while the first is written.
    db.connection().execute(change.values({name: bindparam(name) for name in changes[0] if name != "was"}), changes)
    db.execute(update(table).where(table.c.study_id == study.id).values(id=-table.c.id))


def write_videos(database: Database, settings: Settings, study: Study, pool: Path) -> None:
    """Write a few tiny videos and let every clip of pool and study be one of them, so that pages show pictures."""
    folder = pool.parent / "clips"
    folder.mkdir(exist_ok=True)
    settings.media.mkdir(parents=True, exist_ok=True)
    for number in range(VIDEOS):
        (folder / f"{number}.mp4").write_bytes(tiny_video(2.0, 40 + 25 * number))
        prepare(folder / f"{number}.mp4", folder / f"ready-{number}.mp4")
    with database.reader() as db:
        found = db.execute(
            select(col(StudyClip.media_key), col(StudyClip.media)).where(col(StudyClip.study_id) == study.id)
        ).all()
    for key, name in found:
        (settings.media / f"{key}.mp4").hardlink_to(folder / f"ready-{Path(name).name}")

"""A study that asks a question on every kind of scale: required, optional, and optional but never answered."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from app.db import Database
from app.models import SHUFFLE_PRIME, Criterion, Rater, Study
from app.pools.pool_files import read_pool
from app.rating.assignments import held, top_up
from app.rating.judgments import Answer, record
from app.rating.room import criteria_of
from app.settings import Settings
from app.studies import creation, lifecycle
from app.studies.scales import SCALES, values_of
from app.studies.study_file import parse
from app.studies.whole_study import parts
from tests.helpers.factories import LEASE, NOON, StudyMaker, tiny_video

OPTIONS: dict[str, tuple[str, ...]] = {
    "likert": ("Never", "Sometimes", "Always"),
    "slider": ("Dull", "Lively"),
    "tags": ("blur", "shake", "cut"),
}
"""The options of the scales that take some."""
REQUIRED, OPTIONAL, UNANSWERED = "required", "optional", "unanswered"
CLIPS = 60
SAMPLED = 26
KNOWN = {"training": "c00", "qualification": "c01", "gold": "c02", "example": "c03"}
"""Clips of the pool that serve the raters' side, by role."""
SAMPLING = f'design = "stratified"\nby = "still"\nbands = 3\nclips = {SAMPLED}\n'
BORDERLINE = 'design = "borderline"\neach = 3\nrejects = 3\n'
RULES = f"""
[consent]
text = "We keep your answers."
[device]
min_width = 300
[[training.clips]]
clip = "{KNOWN["training"]}"
answers = {{ acr5_required = 2, verdict_required = "reject" }}
reason = "It is dark."
[qualification]
clips = [{{ clip = "{KNOWN["qualification"]}", answers = {{ slider_required = 50, acceptable_required = "accept" }} }}]
on_failure = "continue"
[gold]
share = 0.2
[[gold.clips]]
clip = "{KNOWN["gold"]}"
answers = {{ likert_required = 2, tags_required = "[\\"blur\\"]", text_required = "dark" }}
[attention]
share = 0.1
clips = 1
[repeats]
share = 0.2
[sessions]
stabilisers = 1
[recruitment]
completion_code = "DONE"
"""


@dataclass(frozen=True)
class Questions:
    """How a study asks: its rules for raters, who sees scores, whether criteria come one by one, its design."""

    rules: str = RULES
    score_visibility: str = "randomised"
    presentation: str = "together"
    sampling: str = SAMPLING

    @property
    def text(self) -> str:
        """The study file."""
        criteria = "".join(_criterion(scale, kind) for scale in SCALES for kind in (REQUIRED, OPTIONAL, UNANSWERED))
        filters = "".join(
            (
                _filter("still", "avg_movement", "min = 50", "verdict_required"),
                _filter("never_still", "min_movement", "min = 30", "verdict_required"),
                _filter("sharp", "sharpness", "min = 20\nmax = 95", "acceptable_required"),
                _filter("sync", "sync", "max = 7", "verdict_optional"),
                _filter("unjudged", "sharpness", "min = 40", "acceptable_unanswered"),
            )
        )
        head = (
            f'name = "Every scale"\nguidelines = "Look closely."\nraters_per_clip = 3\nseed = 4\n'
            f'score_visibility = "{self.score_visibility}"\npresentation = "{self.presentation}"\n'
        )
        return f"{head}{criteria}{filters}[sampling]\n{self.sampling}{self.rules}"


def _criterion(scale: str, kind: str) -> str:
    options = f"options = {json.dumps(OPTIONS[scale])}\n" if scale in OPTIONS else ""
    example = f'rubric = {{ good = "Sharp hair.", good_clip = "{KNOWN["example"]}" }}\n' if scale == "acr5" else ""
    return (
        f'[[criteria]]\nkey = "{scale}_{kind}"\nlabel = "{scale.title()} {kind}"\nquestion = "Which {scale}?"\n'
        f'scale = "{scale}"\nrequired = {json.dumps(kind == REQUIRED)}\n{options}{example}'
    )


def _filter(name: str, score: str, ends: str, criterion: str) -> str:
    head = f'[[filters]]\nname = "{name}"\ntitle = "{name.title()}"\n'
    return f'{head}score = "{score}"\n{ends}\ncriterion = "{criterion}"\n'


def pool_frame() -> pl.DataFrame:
    """Sixty clips with scores (one of them missing for every tenth clip) and two attributes to group by."""
    chance = np.random.default_rng(2)
    numbers = range(CLIPS)
    movement = chance.permutation(np.linspace(0, 99, CLIPS))
    return pl.DataFrame(
        {
            "clip": [f"c{number:02}" for number in numbers],
            "media": ["tiny.mp4"] * CLIPS,
            "source": [f"film-{number}" for number in numbers],
            "duration": [0.2 + number % 3 for number in numbers],
            "width": [160] * CLIPS,
            "height": [90] * CLIPS,
            "avg_movement": movement,
            "min_movement": movement / 2,
            "sharpness": chance.permutation(np.linspace(0, 99, CLIPS)),
            "sync": pl.Series([None if number % 10 == 9 else 5.0 + number % 4 for number in numbers], dtype=pl.Float64),
            "language": [("en", "fr", "en")[number % 3] for number in numbers],
            "gender": [("f", "m")[number // 7 % 2] for number in numbers],
        }
    )


def make(database: Database, settings: Settings, folder: Path, questions: Questions | None = None) -> Study:
    """The study, drawn from a pool in `folder`, with its clips ready to play; nobody has joined."""
    (folder / "tiny.mp4").write_bytes(tiny_video(0.2))
    pool_frame().write_parquet(folder / "pool.parquet")
    text = (questions or Questions()).text
    slug = creation.create(database, settings, read_pool(folder / "pool.parquet"), parse(text, "study.toml"), text)
    with database.reader() as db:
        return lifecycle.by_slug(db, slug)


def join(maker: StudyMaker, study: Study, name: str, *, kind: str = "person") -> Rater:
    """A rater who has passed consent, device check, training and qualification; the name decides the order of clips."""
    rater = maker.rater(study, name, kind=kind)
    with maker.database.writer() as db:
        row = db.get_one(Rater, rater.id)
        row.consent_hash, row.device, row.qualified = parts(db, study.id).consent_hash, {"passed": True}, True
        row.shuffle = random.Random(name).randrange(1, SHUFFLE_PRIME)
        db.add(row)
        return row


def rate_all(maker: StudyMaker, study: Study, rater: Rater, *, at: datetime = NOON) -> int:
    """Let a rater answer every clip there is for them, one a minute; how many those were."""
    for count in range(1_000):
        now = at + timedelta(minutes=count)
        with maker.database.writer() as db:
            whole = parts(db, study.id)
            have = top_up(db, whole.study, rater, held(db, rater), now=now, lease=LEASE)
            if not have:
                return count
            asked = criteria_of(whole, have[0])
            values = answers(asked, random.Random(f"{rater.name}:{have[0].clip.id}:{have[0].assignment.occasion}"))
            record(db, have[0], rater, asked, Answer(values, f"{rater.id}-{have[0].assignment.id}"), now=now)
    raise AssertionError("the rater never comes to an end")


def answers(asked: Sequence[Criterion], chance: random.Random) -> dict[str, str]:
    """An answer to every required question, and to an optional one half of the time; none where none is wanted."""
    return {
        item.key: "" if item.key.endswith(UNANSWERED) or (not item.required and chance.random() < 0.5) else value
        for item in asked
        for value in [_value(item, chance)]
    }


def _value(item: Criterion, chance: random.Random) -> str:
    if item.scale == "text":
        return chance.choice(("too dark", 'he said "no", <b>twice</b>'))
    if item.scale == "tags":
        return json.dumps(chance.sample(list(item.options), chance.randint(1, len(item.options))))
    return chance.choice(values_of(item))

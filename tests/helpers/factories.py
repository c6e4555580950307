"""Makers of real things for tests: tiny videos, studies in a database."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from app import auth
from app.db import Database
from app.models import Assignment, Criterion, Filter, Rater, Study, StudyClip
from app.raters import raters
from app.rating.assignments import held, top_up
from app.rating.judgments import Answer, record
from app.settings import Settings
from app.studies import whole_study
from app.studies.clip_files import new_key

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
LEASE = timedelta(minutes=20)
CRITERIA = (("quality", "Quality", "acr5"), ("stability", "Stability", "acr5"), ("verdict", "Verdict", "verdict"))


@cache
def tiny_video(seconds: float = 1.0, shade: int = 90) -> bytes:
    """A real H.264 video of a moving square, as bytes of an MP4 file."""
    from io import BytesIO

    target = BytesIO()
    with av.open(target, "w", format="mp4") as made:
        stream = made.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        for number in range(int(seconds * 25)):
            picture = np.full((90, 160, 3), shade, dtype=np.uint8)
            picture[30:60, number * 2 % 130 : number * 2 % 130 + 30] = 230
            made.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        made.mux(stream.encode(None))
    return target.getvalue()


def answers(quality: int = 4, stability: int = 3, verdict: str = "accept") -> dict[str, str]:
    """Values for the three usual questions."""
    return {"quality": str(quality), "stability": str(stability), "verdict": verdict}


def form(submission: str, **values: Any) -> dict[str, str]:
    """The same as the page's form sends them."""
    given = answers(**values)
    return {f"answer-{key}": value for key, value in given.items()} | {"submission": submission}


@dataclass
class StudyMaker:
    """Writes studies; the sample is given, not drawn, so that a test knows every clip."""

    database: Database
    settings: Settings
    made: int = field(default=0)

    def __call__(
        self,
        *,
        clips: int = 4,
        raters_per_clip: int = 2,
        score_visibility: str = "hidden",
        sources: int | None = None,
        scores: list[float | None] | None = None,
        weights: list[float] | None = None,
        with_media: bool = True,
    ) -> Study:
        """A study with three questions and one filter (`movement` at least 80)."""
        self.made += 1
        slug = f"study-{self.made}"
        with self.database.writer() as db:
            study = Study(
                slug=slug,
                name=f"Study {self.made}",
                guidelines="Watch each clip, then answer.",
                guidelines_hash=hashlib.sha256(b"guidelines").hexdigest()[:16],
                score_visibility=score_visibility,
                raters_per_clip=raters_per_clip,
                seed=7,
                study_file='name = "a test"\n',
                pool="pool.parquet",
                pool_fingerprint="0" * 64,
                pool_clips=clips * 2,
                design={"kind": "stratified", "strata": [{"label": "all", "population": clips * 2}], "notes": []},
                invite_hash=auth.token_hash(auth.token(self.settings, f"join:{slug}")),
            )
            db.add(study)
            db.flush()
            for position, (key, label, scale) in enumerate(CRITERIA):
                db.add(
                    Criterion(
                        study_id=study.id, position=position, key=key, label=label, question=f"{label}?", scale=scale
                    )
                )
            db.add(
                Filter(
                    study_id=study.id,
                    position=0,
                    name="movement",
                    title="Movement",
                    score="avg_movement",
                    minimum=80.0,
                    criterion="verdict",
                )
            )
            for number in range(clips):
                self._clip(
                    db,
                    study,
                    number,
                    source=f"source-{number % (sources or clips)}",
                    score=scores[number] if scores else 97.25 - number,
                    weight=weights[number] if weights else 2.0,
                    with_media=with_media,
                )
        return study

    def add_clip(self, db: Any, study: Study, number: int) -> None:
        """One more clip for a running study, as a top-up adds it; without video."""
        self._clip(db, study, number, source=f"source-{number}", score=90.0, weight=2.0, with_media=False)

    def _clip(
        self, db: Any, study: Study, number: int, *, source: str, score: float | None, weight: float, with_media: bool
    ) -> None:
        clip = StudyClip(
            study_id=study.id,
            position=number,
            clip=f"secret-name-{number}",
            media=f"/videos/secret-name-{number}.mp4",
            media_key=new_key(),
            source=source,
            duration=1.0,
            width=160,
            height=90,
            stratum="all",
            inclusion_probability=1 / weight,
            weight=weight,
            scores={"avg_movement": score},
        )
        db.add(clip)
        db.flush()
        db.add_all(
            Assignment(study_id=study.id, study_clip_id=clip.id, place=place) for place in range(study.raters_per_clip)
        )
        if with_media:
            self.settings.media.mkdir(parents=True, exist_ok=True)
            Path(self.settings.media / f"{clip.media_key}.mp4").write_bytes(tiny_video(shade=40 + number * 7 % 150))

    def rater(self, study: Study, name: str = "Ada", *, kind: str = "person") -> Rater:
        """A rater who has read the guidelines."""
        with self.database.writer() as db:
            rater = raters.join(db, study, name, kind=kind)
            raters.agree(db, rater, study)
            return rater

    def rate(self, study: Study, rater: Rater, values: dict[str, str], *, at: datetime = NOON) -> int | None:
        """Let a rater answer their next clip; the number of the clip, None when there is none."""
        with self.database.writer() as db:
            whole = whole_study.parts(db, study.id)
            have = top_up(db, whole.study, rater, held(db, rater), now=at, lease=LEASE)
            if not have:
                return None
            answer = Answer(values=values, submission=f"{rater.id}-{have[0].assignment.id}-{at.isoformat()}")
            record(db, have[0], rater, list(whole.criteria), answer, now=at)
            return have[0].clip.id

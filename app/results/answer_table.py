"""All answers that count as one table, with raters under pseudonyms, for the agreement pages."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from sqlalchemy import select
from sqlmodel import Session, col

from analysis.raters.intra_rater import Repeats, repeats
from analysis.ratings import Ratings
from app.models import Criterion, Rater, Study
from app.raters import exclusions
from app.results import counted_answers
from app.results.counted_answers import RaterKind
from app.studies import scales

PURPOSES = ("sample", "repeat")


@dataclass(frozen=True, eq=False)
class AnswerTable:
    """The answers that count, of one kind of rater.

    `frame` has a row per answer: `clip` (its number), `criterion` (its key), `rater` (R1, R2, ... in the order in
    which they joined), `value` (the last revision), `blind` (its last revision given while the scores were hidden,
    null if there is none), `arm` (drawn for the assignment), `occasion` (0; 1, 2, ... if the clip was repeated).
    """

    frame: pl.DataFrame
    raters: tuple[str, ...]
    """All raters who have joined, with or without answers."""

    def about(self, key: str) -> pl.DataFrame:
        """Return the answers to one criterion, repeats included."""
        return self.frame.filter(pl.col("criterion") == key)

    def first(self, key: str) -> pl.DataFrame:
        """Return the answers to one criterion without repeats: a rater's second answer to a clip is no second rater."""
        return self.about(key).filter(pl.col("occasion") == 0)

    def ratings(self, item: Criterion, *, blind: bool = False) -> Ratings:
        """Return one criterion's answers as the statistics read them; clips are named by their number in the study.

        With `blind` only the answers given while the scores were hidden are returned.
        """
        found = self.first(item.key)
        if blind:
            found = found.filter(pl.col("blind").is_not_null()).with_columns(value="blind")
        clips, raters, values = (found[name].cast(pl.String).to_list() for name in ("clip", "rater", "value"))
        return Ratings.from_votes(clips, raters, values, scales.statistical(item))

    def repeats(self, item: Criterion, rater: str | None = None) -> Repeats:
        """Return the pairs of answers that one rater gave to the same clip, of all raters or of one."""
        scale = scales.statistical(item)
        position = {level: number for number, level in enumerate(scale.levels)}
        found = self.about(item.key).filter(pl.col("value").is_in(list(position)))
        if rater is not None:
            found = found.filter(pl.col("rater") == rater)
        rater_of = np.unique(found["rater"].to_numpy().astype(np.str_), return_inverse=True)[1].astype(np.int64)
        level = np.array([position[value] for value in found["value"].to_list()], dtype=np.int64)
        return repeats(found["clip"].to_numpy(), rater_of, found["occasion"].to_numpy(), level)


def read(db: Session, study: Study, kind: RaterKind) -> AnswerTable:
    """Read all answers to the sample and its repeats, of people or of the simulated panel, never both."""
    counted = counted_answers.read(db, study, [kind], exclusions=exclusions.in_force(db, study.id), purposes=PURPOSES)
    names = pseudonyms(db, study, kind)
    keys = dict(
        db.execute(select(col(Criterion.id), col(Criterion.key)).where(col(Criterion.study_id) == study.id)).all()
    )
    frame = counted.filter(pl.col("value").is_not_null()).select(
        "clip",
        pl.col("criterion").replace_strict(keys, return_dtype=pl.String),
        pl.col("rater").replace_strict(names, return_dtype=pl.String),
        "value",
        "blind",
        "arm",
        "occasion",
    )
    return AnswerTable(frame.sort("clip", "criterion", "rater", "occasion"), tuple(names.values()))


def pseudonyms(db: Session, study: Study, kind: RaterKind) -> dict[int, str]:
    """Return R1, R2, ... for all raters of a kind by their number, in the order in which they joined."""
    query = (
        select(col(Rater.id)).where(col(Rater.study_id) == study.id, col(Rater.kind) == kind).order_by(col(Rater.id))
    )
    return {number: f"R{place}" for place, number in enumerate(db.execute(query).scalars(), start=1)}

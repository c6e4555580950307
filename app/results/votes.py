"""Turn the answers that count into votes with names, as the statistics read them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, get_args

import polars as pl
from sqlalchemy import func, select
from sqlmodel import Session, col

from analysis.ratings import Ratings
from app.models import Criterion, Judgment, Rater, Study
from app.raters import exclusions
from app.results import counted_answers
from app.results.counted_answers import Kind
from app.studies import scales


class Vote(NamedTuple):
    """A rater's current answer to one criterion about one drawn clip."""

    clip: int
    criterion: str
    rater: str
    value: str


def current(db: Session, study: Study, *, kind: Kind, blind: bool = False) -> list[Vote]:
    """The answers that count, of people or of the simulated panel, never both.

    An answer's last revision counts; with `blind` its last revision given without the scores in view. The rule of
    `counted_answers` says what stays out.
    """
    given, unseen = both(db, study, kind=kind)
    return unseen if blind else given


def both(db: Session, study: Study, *, kind: Kind) -> tuple[list[Vote], list[Vote]]:
    """The answers that count, and those of them given without the scores in view (`current`), in one reading.

    Both lists are ordered by clip, criterion and rater.
    """
    keys = dict(
        db.execute(select(col(Criterion.id), col(Criterion.key)).where(col(Criterion.study_id) == study.id)).all()
    )
    mine = col(Rater.study_id) == study.id, col(Rater.kind) == kind
    names = dict(db.execute(select(col(Rater.id), col(Rater.name)).where(*mine)).all())
    named = (
        counted_answers.read(db, study, [kind], exclusions=exclusions.in_force(db, study.id))
        .with_columns(
            pl.col("criterion").replace_strict(keys, return_dtype=pl.String),
            pl.col("rater").replace_strict(names, return_dtype=pl.String),
        )
        .sort("clip", "criterion", "rater")
    )
    return _votes(named, "value"), _votes(named, "blind")


def _votes(named: pl.DataFrame, column: str) -> list[Vote]:
    given = named.filter(pl.col(column).is_not_null()).select("clip", "criterion", "rater", column)
    return [Vote(*row) for row in given.iter_rows()]


@dataclass(frozen=True)
class Role:
    """What one stored answer is used for."""

    current: bool
    in_agreement: bool
    in_filters: bool


def roles(db: Session, study: Study) -> dict[int, Role]:
    """For every judgment of a study, by its number, which figures read it: the same rules as `current`."""
    query = (
        select(col(Judgment.id), col(Judgment.assignment_id), col(Judgment.criterion_id))
        .where(col(Judgment.study_id) == study.id)
        .order_by(col(Judgment.revision), col(Judgment.id))
    )
    stored = db.execute(query).all()
    newest = set({(row.assignment_id, row.criterion_id): row.id for row in stored}.values())
    found = counted_answers.read(db, study, get_args(Kind), exclusions=exclusions.in_force(db, study.id))
    # Filters read blind answers; where nobody of a kind gave any on a question, they read all.
    with_blind = found.filter(pl.col("blind_judgment").is_not_null()).select("kind", "criterion").unique()
    without = found.join(with_blind, on=["kind", "criterion"], how="anti")
    agreement = set(found.filter(pl.col("value").is_not_null())["judgment"])
    filters = set(found.filter(pl.col("blind").is_not_null())["blind_judgment"])
    filters |= set(without.filter(pl.col("value").is_not_null())["judgment"])
    return {row.id: Role(row.id in newest, row.id in agreement, row.id in filters) for row in stored}


def fingerprint(db: Session, study: Study) -> tuple[int, int, int, int]:
    """Changes whenever a judgment or an exclusion is added, an exclusion is lifted, or the study changes (a top-up).

    Its parts: the number of judgments, the last one's number, the study's version, the exclusions' version. Results
    are kept until it changes.
    """
    count, last = db.execute(
        select(func.count(), func.coalesce(func.max(Judgment.id), 0)).where(col(Judgment.study_id) == study.id)
    ).one()
    return int(count), int(last), study.version, exclusions.version(db, study.id)


def by_criterion(given: Iterable[Vote]) -> Mapping[str, list[Vote]]:
    """The votes on each criterion, by its key; none for one without."""
    found: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in given:
        found[vote.criterion].append(vote)
    return found


def about(item: Criterion, given: list[Vote]) -> list[Vote]:
    return [vote for vote in given if vote.criterion == item.key]


def ratings_of(item: Criterion, given: list[Vote]) -> Ratings:
    """One criterion's votes as the statistics read them; clips by their number in the study."""
    return Ratings.from_votes(
        [str(vote.clip) for vote in given],
        [vote.rater for vote in given],
        [vote.value for vote in given],
        scales.statistical(item),
    )

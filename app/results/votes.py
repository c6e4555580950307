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
from app.results.counted_answers import RaterKind
from app.studies import scales


class Vote(NamedTuple):
    """A rater's current answer to one criterion about one drawn clip."""

    clip: int
    criterion: str
    rater: str
    value: str


def read(db: Session, study: Study, *, kind: RaterKind, blind: bool = False) -> list[Vote]:
    """Read the answers that count (see `counted_answers`), of people or of the simulated panel, never both.

    The last revision of an answer counts; with `blind` its last revision given while the scores were hidden.
    """
    given, given_blind = read_with_blind(db, study, kind=kind)
    return given_blind if blind else given


def read_with_blind(db: Session, study: Study, *, kind: RaterKind) -> tuple[list[Vote], list[Vote]]:
    """Read the answers that count, and those of them given while the scores were hidden, with one query.

    Both lists are ordered by clip, criterion and rater (see `read`).
    """
    keys = dict(
        db.execute(select(col(Criterion.id), col(Criterion.key)).where(col(Criterion.study_id) == study.id)).all()
    )
    of_kind = col(Rater.study_id) == study.id, col(Rater.kind) == kind
    names = dict(db.execute(select(col(Rater.id), col(Rater.name)).where(*of_kind)).all())
    answers = (
        counted_answers.read(db, study, [kind], exclusions=exclusions.in_force(db, study.id))
        .with_columns(
            pl.col("criterion").replace_strict(keys, return_dtype=pl.String),
            pl.col("rater").replace_strict(names, return_dtype=pl.String),
        )
        .sort("clip", "criterion", "rater")
    )
    return _votes(answers, "value"), _votes(answers, "blind")


def _votes(answers: pl.DataFrame, column: str) -> list[Vote]:
    given = answers.filter(pl.col(column).is_not_null()).select("clip", "criterion", "rater", column)
    return [Vote(*row) for row in given.iter_rows()]


@dataclass(frozen=True)
class JudgmentUse:
    """Which results read a stored judgment."""

    current: bool
    """True if it is the last revision of its answer."""
    in_agreement: bool
    in_filters: bool


def uses(db: Session, study: Study) -> dict[int, JudgmentUse]:
    """Return which results read each judgment of a study, by the judgment's number, by the same rules as `read`."""
    query = (
        select(col(Judgment.id), col(Judgment.assignment_id), col(Judgment.criterion_id))
        .where(col(Judgment.study_id) == study.id)
        .order_by(col(Judgment.revision), col(Judgment.id))
    )
    stored = db.execute(query).all()
    newest = set({(row.assignment_id, row.criterion_id): row.id for row in stored}.values())
    found = counted_answers.read(db, study, get_args(RaterKind), exclusions=exclusions.in_force(db, study.id))
    # Filters read blind answers. If no rater of a kind gave any to a question, they read all answers to it.
    with_blind = found.filter(pl.col("blind_judgment").is_not_null()).select("kind", "criterion").unique()
    without_blind = found.join(with_blind, on=["kind", "criterion"], how="anti")
    agreement = set(found.filter(pl.col("value").is_not_null())["judgment"])
    filters = set(found.filter(pl.col("blind").is_not_null())["blind_judgment"])
    filters |= set(without_blind.filter(pl.col("value").is_not_null())["judgment"])
    return {row.id: JudgmentUse(row.id in newest, row.id in agreement, row.id in filters) for row in stored}


def fingerprint(db: Session, study: Study) -> tuple[int, int, int, int]:
    """Return the number of judgments, the last one's number, the study's version and the exclusions' version.

    They change whenever a judgment or an exclusion is added, an exclusion is lifted, or the study changes (a top-up).
    Results are cached until then.
    """
    count, last = db.execute(
        select(func.count(), func.coalesce(func.max(Judgment.id), 0)).where(col(Judgment.study_id) == study.id)
    ).one()
    return int(count), int(last), study.version, exclusions.version(db, study.id)


def by_criterion(given: Iterable[Vote]) -> Mapping[str, list[Vote]]:
    """Group votes by the key of their criterion; a criterion without votes has an empty list."""
    found: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in given:
        found[vote.criterion].append(vote)
    return found


def ratings_of(item: Criterion, given: list[Vote]) -> Ratings:
    """Return one criterion's votes as the statistics read them; clips are named by their number in the study."""
    return Ratings.from_votes(
        [str(vote.clip) for vote in given],
        [vote.rater for vote in given],
        [vote.value for vote in given],
        scales.statistical(item),
    )

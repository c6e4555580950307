"""From stored judgments to the votes that the statistics read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sqlalchemy import func
from sqlalchemy import select as rows
from sqlmodel import Session, col

from analysis.ratings import Ratings
from app.models import Assignment, Criterion, Judgment, Rater, Study
from app.studies import scales

Kind = Literal["person", "simulated"]
BLIND_ARMS = ("hidden", "after")
"""Arms in which the rater answered before any score was on the page."""


class Vote(NamedTuple):
    """A rater's current answer to one criterion about one drawn clip."""

    clip: int
    criterion: str
    rater: str
    value: str


def current(db: Session, study: Study, *, kind: Kind, blind: bool = False) -> list[Vote]:
    """The answers that count, of people or of the simulated panel, never both.

    An answer's last revision counts; with `blind` its last revision given without the scores in view. Surplus
    answers (a place more than the study asked for) stay out, and so does all that is no place of the sample: gold and
    attention clips, repeats, stabilisers, training.
    """
    given, unseen = both(db, study, kind=kind)
    return unseen if blind else given


def both(db: Session, study: Study, *, kind: Kind) -> tuple[list[Vote], list[Vote]]:
    """The answers that count, and those of them given without the scores in view (`current`), in one reading.

    Ordered by clip, criterion and rater. Each answer has a number that sorts that way: of a hundred thousand answers
    numbers are sorted and looked up in a tenth of the time that names take.
    """
    keys = dict(
        db.execute(rows(col(Criterion.id), col(Criterion.key)).where(col(Criterion.study_id) == study.id)).all()
    )
    mine = col(Rater.study_id) == study.id, col(Rater.kind) == kind
    names = dict(db.execute(rows(col(Rater.id), col(Rater.name)).where(*mine)).all())
    criterion_place = {number: place for place, number in enumerate(sorted(keys, key=lambda number: keys[number]))}
    rater_place = {number: place for place, number in enumerate(sorted(names, key=lambda number: names[number]))}
    query = (
        rows(
            col(Assignment.study_clip_id),
            col(Judgment.criterion_id),
            col(Judgment.rater_id),
            col(Judgment.value),
            col(Judgment.arm),
        )
        .join(Assignment, col(Assignment.id) == Judgment.assignment_id)
        .join(Rater, col(Rater.id) == Judgment.rater_id)
        .where(col(Judgment.study_id) == study.id, col(Rater.kind) == kind)
        .where(col(Assignment.status) == "done", col(Assignment.purpose) == "sample")
        .order_by(col(Judgment.revision))
    )
    given: dict[int, Vote] = {}
    unseen: dict[int, Vote] = {}
    for clip, criterion, rater, value, arm in db.connection().execute(query):
        number = (clip * len(keys) + criterion_place[criterion]) * len(names) + rater_place[rater]
        vote = given[number] = Vote(clip, keys[criterion], names[rater], value)
        if arm in BLIND_ARMS:
            unseen[number] = vote
    return _listed(given), _listed(unseen)


def _listed(last: Mapping[int, Vote]) -> list[Vote]:
    # An empty value is an optional answer that was taken back: known only once the last revision is.
    return [vote for number in sorted(last) if (vote := last[number]).value]


@dataclass(frozen=True)
class Role:
    """What one stored answer is used for."""

    current: bool
    in_agreement: bool
    in_filters: bool


def roles(db: Session, study: Study) -> dict[int, Role]:
    """For every judgment of a study, by its number, which figures read it: the same rules as `current`."""
    query = (
        rows(
            col(Judgment.id),
            col(Judgment.assignment_id),
            col(Judgment.criterion_id),
            col(Judgment.arm),
            col(Judgment.value),
            col(Assignment.status),
            col(Assignment.purpose),
            col(Rater.kind),
        )
        .join(Assignment, col(Assignment.id) == col(Judgment.assignment_id))
        .join(Rater, col(Rater.id) == col(Judgment.rater_id))
        .where(col(Judgment.study_id) == study.id)
        .order_by(col(Judgment.revision))
    )
    found = db.execute(query).all()
    last = {(row.assignment_id, row.criterion_id): row.id for row in found}
    counted = [row for row in found if row.status == "done" and row.purpose == "sample" and row.kind != "model"]
    blind = [row for row in counted if row.arm in BLIND_ARMS]
    seen_blind = {(row.kind, row.criterion_id) for row in blind}
    last_blind = {(row.assignment_id, row.criterion_id): row.id for row in blind}
    agreement = {last[row.assignment_id, row.criterion_id] for row in counted}
    filters = set(last_blind.values()) | {
        last[row.assignment_id, row.criterion_id] for row in counted if (row.kind, row.criterion_id) not in seen_blind
    }
    newest = set(last.values())
    return {
        row.id: Role(row.id in newest, row.id in agreement and row.value != "", row.id in filters and row.value != "")
        for row in found
    }


def fingerprint(db: Session, study: Study) -> tuple[int, int, int]:
    """Changes whenever a judgment is added or the study changes (a top-up): results are kept until then."""
    count, last = db.execute(
        rows(func.count(), func.coalesce(func.max(Judgment.id), 0)).where(col(Judgment.study_id) == study.id)
    ).one()
    return int(count), int(last), study.version


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

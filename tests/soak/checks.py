"""What must hold after an attack: nothing acknowledged is lost, doubled or changed, and no clip has too many raters."""

from collections import Counter, defaultdict

from sqlalchemy import func, select
from sqlmodel import col

from app.backup import checking
from app.db import Database
from app.models import Assignment, Criterion, Judgment, Study
from app.settings import Settings
from tests.soak.patient_raters import PatientRater


def places_done(database: Database, study: Study) -> int:
    """Places of a study's clips that have their answer."""
    with database.reader() as db:
        query = select(func.count()).where(col(Assignment.study_id) == study.id, col(Assignment.status) == "done")
        return int(db.execute(query).scalar_one())


def violations(
    database: Database, study: Study, people: list[PatientRater], *, places: int, may_have_surplus: bool
) -> list[str]:
    """What is wrong with the answers of a study whose raters have ended; empty if all is well."""
    with database.reader() as db:
        keys = {row.id: row.key for row in db.scalars(select(Criterion).where(col(Criterion.study_id) == study.id))}
        rows = db.scalars(select(Judgment).where(col(Judgment.study_id) == study.id)).all()
        work = db.scalars(select(Assignment).where(col(Assignment.study_id) == study.id)).all()
    stored: dict[str, list[Judgment]] = defaultdict(list)
    for row in rows:
        stored[row.submission].append(row)
    told = {key: answer for rater in people for key, answer in rater.acknowledged.items()}
    waiting = {rater.outbox[1]["submission"] for rater in people if rater.outbox is not None}
    found = [_fault(key, stored[key], number, form, keys) for key, (number, form) in told.items()]
    found += [f"an answer that nobody sent is stored: {key}" for key in stored.keys() - told.keys() - waiting if key]
    found += _faults_of_assignments(list(work), study, places, may_have_surplus=may_have_surplus)
    revised = {row.assignment_id for row in rows if row.revision > 1}
    found += [f"assignment {number} was answered twice" for number in sorted(revised)]
    return [one for one in found if one]


def _fault(submission: str, rows: list[Judgment], number: int, form: dict[str, str], keys: dict[int, str]) -> str:
    if not rows:
        return f"LOST: the acknowledged answer {submission} to assignment {number}"
    if {row.assignment_id for row in rows} != {number} or len(rows) != len(keys):
        return f"DOUBLED: {len(rows)} rows for the answer {submission} to assignment {number}, not {len(keys)}"
    if {f"answer-{keys[row.criterion_id]}": row.value for row in rows} != _answers(form):
        return f"CHANGED: the stored answer {submission} to assignment {number} is not the one that was sent"
    return ""


def _answers(form: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if name.startswith("answer-")}


def _faults_of_assignments(work: list[Assignment], study: Study, places: int, *, may_have_surplus: bool) -> list[str]:
    done = [one for one in work if one.status == "done"]
    per_clip = Counter(one.study_clip_id for one in done)
    pairs = Counter((one.study_clip_id, one.rater_id) for one in work if one.status in ("done", "surplus"))
    found = [
        f"clip {clip} has {count} answers that count, more than its {study.raters_per_clip} places"
        for clip, count in per_clip.items()
        if count > study.raters_per_clip
    ]
    found += [
        f"rater {rater} answered clip {clip} {count} times" for (clip, rater), count in pairs.items() if count > 1
    ]
    if len(done) != places:
        found.append(f"the study did not become complete: {len(done)} of {places} places are done")
    surplus = sum(one.status == "surplus" for one in work)
    if surplus and not may_have_surplus:
        found.append(f"{surplus} answers are surplus, although no lease has ended")
    return found


def faults(database: Database, settings: Settings) -> list[str]:
    """What `clipjury check` says is wrong. The soak's studies have neither a pool nor clips, so it is never nothing."""
    return [fault.what for fault in checking.check(database, settings, media=False)]

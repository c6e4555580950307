"""SNAPSHOT: one hash over all inputs of a report, which shows whether two reports were made from the same data."""

import hashlib
import json

import polars as pl

from app import __version__
from app.report.facts import ReportFacts


def text(facts: ReportFacts, votes: pl.DataFrame, author_answers: dict[str, str]) -> str:
    """The text of SNAPSHOT: the hash over all inputs, then each input with its SHA-256. It depends on the data alone.

    >>> digest("votes")[:8]
    '9df60954'
    """
    scores = [(clip.clip, clip.criterion, clip.scores) for clip in facts.clips.values()]
    inputs = {
        "study file": digest(facts.study.study_file),
        "pool": facts.study.pool_fingerprint,
        "design": digest(json.dumps(facts.study.design, sort_keys=True)),
        "votes": digest(votes.write_csv()),
        "scores": digest(json.dumps(scores, sort_keys=True)),
        "plan": facts.plan[-1].sha256 if facts.plan else "none frozen",
        "author's answers": digest(json.dumps(author_answers, sort_keys=True)),
        "raters": facts.results.kind,
        "clipjury": __version__,
    }
    whole = digest(json.dumps(inputs, sort_keys=True))
    return f"{whole}\n\n" + "".join(f"{name}: {value}\n" for name, value in inputs.items())


def digest(content: str) -> str:
    """The SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(content.encode()).hexdigest()

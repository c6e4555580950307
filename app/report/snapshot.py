"""SNAPSHOT: one hash over all inputs of a report, which shows whether two reports were made from the same data."""

import hashlib
import json

import polars as pl

from app import __version__
from app.report.facts import Facts


def text(facts: Facts, votes: pl.DataFrame, said: dict[str, str]) -> str:
    """Each input with its SHA-256, and the hash over all of them. The same data give the same text.

    >>> digest("votes")[:8]
    '9df60954'
    """
    inputs = {
        "study file": digest(facts.study.study_file),
        "pool": facts.study.pool_fingerprint,
        "design": digest(json.dumps(facts.study.design, sort_keys=True)),
        "votes": digest(votes.write_csv()),
        "scores": digest(json.dumps([(c.clip, c.criterion, c.scores) for c in facts.clips.values()], sort_keys=True)),
        "plan": facts.plan[-1].sha256 if facts.plan else "none frozen",
        "author's answers": digest(json.dumps(said, sort_keys=True)),
        "raters": facts.results.kind,
        "clipjury": __version__,
    }
    whole = digest(json.dumps(inputs, sort_keys=True))
    return f"{whole}\n\n" + "".join(f"{name}: {value}\n" for name, value in inputs.items())


def digest(content: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(content.encode()).hexdigest()

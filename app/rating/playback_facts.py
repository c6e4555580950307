"""Facts that a rater's browser reports with an answer: when the clip was shown, played and answered, the window, ...

They only describe an answer. Faulty facts must never prevent an answer from being stored, nor a report or an export
from being made: a value of another type than the browser's own script sends is left out.
"""

import json
from collections.abc import Mapping
from typing import Any

MAX_LENGTH = 12_000
"""Letters of the reported text."""
MAX_MARKS = 50
LONGEST_TEXT = 300
LARGEST = 1e12
"""More than any count and, in milliseconds, than thirty years."""

TEXTS = ("shown_at", "first_play_at", "browser", "playback_error")
NUMBERS = (
    "plays",
    "replays",
    "stalls",
    "stall_ms",
    "seen_share",
    "ended_to_first_key_ms",
    "first_key_ms",
    "answer_ms",
    "changes",
)
KNOWN = (*TEXTS, *NUMBERS, "viewport", "history")


def facts_of(text: str) -> dict[str, Any]:
    """The facts in the text that the browser sent; empty if they cannot be stored."""
    if not text or len(text) > MAX_LENGTH:
        return {}
    try:
        facts = json.loads(text)
        json.dumps(facts, allow_nan=False, ensure_ascii=False).encode()  # what no database or file could keep
    except (ValueError, RecursionError):
        return {}
    return well_formed(facts) if isinstance(facts, dict) else {}


def well_formed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that have a known name and a value of its type, or none.

    >>> well_formed({"plays": 2, "replays": [1], "answer_ms": None, "viewport": [1280, 720], "mood": "good"})
    {'plays': 2, 'answer_ms': None, 'viewport': [1280, 720]}
    """
    kept = {name: facts[name] for name in KNOWN if name in facts and (facts[name] is None or _fits(name, facts[name]))}
    return kept | {"marks": _marks(facts["marks"])} if "marks" in facts else kept


def _fits(name: str, value: object) -> bool:
    if name in NUMBERS:
        return _is_number(value)
    if name in TEXTS:
        return isinstance(value, str) and len(value) <= LONGEST_TEXT
    if name == "viewport":
        return isinstance(value, list) and len(value) == 2 and all(_is_number(one) for one in value)
    return name == "history" and isinstance(value, list)  # [milliseconds, field, before, after]: read by people only


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST


def _marks(given: object) -> list[dict[str, Any]]:
    """The marked moments: `t` in seconds from the start, and a tag if one was given. Faulty ones are left out."""
    marks = []
    for one in given if isinstance(given, list) else []:
        second, tag = (one.get("t"), one.get("tag")) if isinstance(one, dict) else (None, None)
        if isinstance(second, int | float) and not isinstance(second, bool) and 0 <= second < 1e6:
            marks.append({"t": second, "tag": tag[:60] if isinstance(tag, str) else ""})
    return marks[:MAX_MARKS]

"""What a rater gets next by the study's rules: a clip of the sample, a gold or attention clip, a repeat, a stabiliser.

Everything follows from the rater's own secret seed, the number of clips taken so far and the rules, so that it can be
told again later, and nothing of it can be told by the rater.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from app.models import WorkPurpose
from app.studies.rules import Rules

SITTING_ENDS = timedelta(minutes=30)
"""After so long a silence a new sitting begins."""


def has_specials(rules: Rules) -> bool:
    """Whether raters get anything besides clips of the sample."""
    return bool(rules.gold or rules.repeats or rules.attention)


def purpose_at(rules: Rules, shuffle: int, taken: int) -> WorkPurpose:
    """What the clip after `taken` others is for. No two specials follow each other, and none comes first.

    >>> purpose_at(Rules(), shuffle=5, taken=17)
    'sample'
    """
    return _sequence(tuple(_kinds(rules)), shuffle, taken // _PAGE)[taken] if has_specials(rules) else "sample"


def clips_until(rules: Rules, shuffle: int, taken: int, samples: int) -> int:
    """How many clips come until `samples` more of the sample were shown, the specials between them included.

    Counting so, neither total nor minutes left change when a special is handed out.
    """
    if not has_specials(rules) or not samples:
        return samples
    length = left = 0
    while left < samples:
        left += purpose_at(rules, shuffle, taken + length) == "sample"
        length += 1
    return length


_PAGE = 256
Kind = tuple[WorkPurpose, float, float, float]
"""A kind of special with its share, the position from which it comes, and how many a rater can get."""


@lru_cache(maxsize=2048)
def _sequence(kinds: tuple[Kind, ...], shuffle: int, page: int) -> tuple[WorkPurpose, ...]:
    """The rater's purposes up to the end of a page; a longer one begins with the shorter."""
    return tuple(islice(_purposes(kinds, shuffle), (page + 1) * _PAGE))


def _purposes(kinds: tuple[Kind, ...], shuffle: int) -> Iterator[WorkPurpose]:
    # The j-th clip of a kind is due somewhere in the j-th stretch of 1/share clips: its place in there is drawn, so
    # that nobody can count to it, and the share holds at every moment to within one clip (and waiting for a turn).
    lots = random.Random(f"schedule:{shuffle}")  # noqa: S311 - the seed is secret and stored, the order must be told again
    first: dict[WorkPurpose, float] = {}
    shares: dict[WorkPurpose, float] = {}
    most: dict[WorkPurpose, float] = {}
    for kind, share, start, limit in kinds:
        shares[kind], first[kind], most[kind] = share, start, limit
    due = {kind: first[kind] + lots.random() / shares[kind] for kind in shares}
    count = dict.fromkeys(shares, 0)
    previous: WorkPurpose = "gold"  # the first clip is one of the sample
    position = 0
    while True:
        chosen: WorkPurpose = "sample"
        waiting = [kind for kind in shares if due[kind] <= position and count[kind] < most[kind]]
        if previous == "sample" and waiting:
            chosen = min(waiting, key=due.__getitem__)
            count[chosen] += 1
            due[chosen] = first[chosen] + (count[chosen] + lots.random()) / shares[chosen]
        yield chosen
        previous = chosen
        position += 1


def _kinds(rules: Rules) -> Iterator[Kind]:
    """Each kind of special with its share, the position of its first and how many a rater can get."""
    if rules.gold and rules.gold.share:
        yield "gold", rules.gold.share, 0.0, float(len(rules.gold.clips))
    if rules.repeats and rules.repeats.share:
        # Nothing can be repeated before: the share is that of the clips from there on, not caught up afterwards.
        yield "repeat", rules.repeats.share, rules.repeats.apart + 1.0, float("inf")
    if rules.attention and rules.attention.share:
        yield "attention", rules.attention.share, 0.0, float(rules.attention.clips)


def in_sitting(moments: list[datetime], now: datetime) -> int:
    """How many of a rater's moments of work, newest first, belong to the sitting that goes on now."""
    count = 0
    for moment in moments:
        if now - moment >= SITTING_ENDS:
            break
        count, now = count + 1, moment
    return count


def passes(criteria: list[str], rater: int) -> list[str]:
    """The criteria in the order in which this rater works through them: each is first for as many raters.

    >>> passes(["quality", "verdict"], 7)
    ['verdict', 'quality']
    """
    start = rater % len(criteria)
    return criteria[start:] + criteria[:start]

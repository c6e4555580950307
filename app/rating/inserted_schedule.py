"""Schedule a rater's clips by the study's rules: the sample, gold and attention clips, repeats, stabilisers.

The schedule depends only on the rater's secret seed, the number of clips assigned so far and the rules. It can
therefore be computed again later, and raters cannot predict it.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from app.models import WorkPurpose
from app.studies.rules import Rules

SITTING_ENDS = timedelta(minutes=30)
"""A break of this length ends a sitting."""


def has_inserted_clips(rules: Rules) -> bool:
    """True if the rules ask for gold clips, attention clips or repeats."""
    return bool(rules.gold or rules.repeats or rules.attention)


def purpose_at(rules: Rules, shuffle: int, taken: int) -> WorkPurpose:
    """The purpose of the clip after `taken` others. No two inserted clips follow each other, and none comes first.

    >>> purpose_at(Rules(), shuffle=5, taken=17)
    'sample'
    """
    return (
        _sequence(tuple(_inserted_purposes(rules)), shuffle, taken // _PAGE)[taken]
        if has_inserted_clips(rules)
        else "sample"
    )


def clips_until(rules: Rules, shuffle: int, taken: int, samples: int) -> int:
    """The number of clips until `samples` more clips of the sample were shown, with the clips inserted between them.

    The total and the minutes left therefore do not change when an inserted clip is shown.
    """
    if not has_inserted_clips(rules) or not samples:
        return samples
    length = left = 0
    while left < samples:
        left += purpose_at(rules, shuffle, taken + length) == "sample"
        length += 1
    return length


_PAGE = 256
InsertedPurpose = tuple[WorkPurpose, float, float, float]
"""A purpose of inserted clips: its share, the first position where one may come, the most that a rater can get."""


@lru_cache(maxsize=2048)
def _sequence(inserted: tuple[InsertedPurpose, ...], shuffle: int, page: int) -> tuple[WorkPurpose, ...]:
    """The rater's purposes up to the end of a page. A longer sequence begins with the shorter one."""
    return tuple(islice(_purposes(inserted, shuffle), (page + 1) * _PAGE))


def _purposes(inserted: tuple[InsertedPurpose, ...], shuffle: int) -> Iterator[WorkPurpose]:
    # The j-th clip of a purpose is due at a random position within the j-th stretch of 1/share clips. Raters cannot
    # count to it, and the share holds at every moment to within one clip (plus a wait of one clip).
    chance = random.Random(f"schedule:{shuffle}")  # noqa: S311 - the seed is secret and stored, the order must be told again
    first: dict[WorkPurpose, float] = {}
    shares: dict[WorkPurpose, float] = {}
    most: dict[WorkPurpose, float] = {}
    for purpose, share, start, limit in inserted:
        shares[purpose], first[purpose], most[purpose] = share, start, limit
    due = {purpose: first[purpose] + chance.random() / shares[purpose] for purpose in shares}
    count = dict.fromkeys(shares, 0)
    previous: WorkPurpose = "gold"  # the first clip is one of the sample
    position = 0
    while True:
        chosen: WorkPurpose = "sample"
        waiting = [one for one in shares if due[one] <= position and count[one] < most[one]]
        if previous == "sample" and waiting:
            chosen = min(waiting, key=due.__getitem__)
            count[chosen] += 1
            due[chosen] = first[chosen] + (count[chosen] + chance.random()) / shares[chosen]
        yield chosen
        previous = chosen
        position += 1


def _inserted_purposes(rules: Rules) -> Iterator[InsertedPurpose]:
    """Each purpose of inserted clips that the rules ask for."""
    if rules.gold and rules.gold.share:
        yield "gold", rules.gold.share, 0.0, float(len(rules.gold.clips))
    if rules.repeats and rules.repeats.share:
        # Nothing can be repeated earlier. The share holds from this position on and is not made up afterwards.
        yield "repeat", rules.repeats.share, rules.repeats.apart + 1.0, float("inf")
    if rules.attention and rules.attention.share:
        yield "attention", rules.attention.share, 0.0, float(rules.attention.clips)


def in_sitting(moments: list[datetime], now: datetime) -> int:
    """How many of a rater's moments of work (newest first) belong to the current sitting."""
    count = 0
    for moment in moments:
        if now - moment >= SITTING_ENDS:
            break
        count, now = count + 1, moment
    return count

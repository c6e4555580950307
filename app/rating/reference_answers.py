"""Compare answers with the reference answers of training, qualification and gold clips, within a tolerance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.models import Criterion
from app.studies import scales


@dataclass(frozen=True)
class CheckedAnswer:
    """An answer and its reference answer, as they are stored. `given` is None if the rater gave none."""

    criterion: Criterion
    given: str | None
    known: str
    right: bool


def is_right(criterion: Criterion, given: str | None, known: str, tolerance: int) -> bool:
    """True if an answer is right: within `tolerance` steps on a scale with steps, equal on every other scale.

    One step of a slider is a tenth of its range, so a tolerance of 1 allows a difference of 10.

    >>> quality = Criterion(study_id=1, position=0, key="quality", label="Quality", question="?", scale="acr5")
    >>> is_right(quality, "4", "5", 1), is_right(quality, "3", "5", 1), is_right(quality, None, "5", 1)
    (True, False, False)
    """
    if given is None:
        return False
    scale = scales.of(criterion)
    if scale.step:
        values = scales.values_of(criterion)
        return abs(values.index(given) - values.index(known)) <= tolerance * scale.step
    return _same(scale.parts(given), scale.parts(known))


def _same(given: list[str], known: list[str]) -> bool:
    return {one.strip().casefold() for one in given} == {one.strip().casefold() for one in known}


def check(
    criteria: Iterable[Criterion], given: Mapping[int, str], known: Mapping[str, str], tolerance: int
) -> list[CheckedAnswer]:
    """Every reference answer with the given one, in the order of the criteria."""
    return [
        CheckedAnswer(
            item, given.get(item.id), known[item.key], is_right(item, given.get(item.id), known[item.key], tolerance)
        )
        for item in criteria
        if item.key in known
    ]

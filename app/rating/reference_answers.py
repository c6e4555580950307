"""Answers to clips whose right answers are known: which of them are right, within a tolerance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.models import Criterion
from app.studies import scales


@dataclass(frozen=True)
class Checked:
    """One answer beside the right one, as they are stored; `given` is None where there is none."""

    criterion: Criterion
    given: str | None
    known: str
    right: bool


def is_right(criterion: Criterion, given: str | None, known: str, tolerance: int) -> bool:
    """Whether an answer is right: on a scale with steps within `tolerance` of them, on all others the same.

    A slider's steps are tenths of its range, so that a tolerance of 1 means as much there as on five steps: 10.

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
) -> list[Checked]:
    """Every answer that is known beside the given one, in the order of the criteria."""
    return [
        Checked(
            item, given.get(item.id), known[item.key], is_right(item, given.get(item.id), known[item.key], tolerance)
        )
        for item in criteria
        if item.key in known
    ]

"""Each rater's own random order of a study's clips, computed in SQL."""

from sqlalchemy import BigInteger, BindParameter, ColumnElement, cast
from sqlmodel import col

from app.models import SHUFFLE_PRIME, StudyClip


def shuffled_order(shuffle: int | BindParameter[int]) -> ColumnElement[int]:
    """SQL value that sorts a study's clips into the order of the rater with this `Rater.shuffle`.

    It is position * shuffle modulo SHUFFLE_PRIME, a permutation of the positions. The product needs 64 bits:
    PostgreSQL would refuse it as a 32-bit integer from position 2,148 on for the largest multipliers.
    """
    return (cast(col(StudyClip.position), BigInteger) * shuffle) % SHUFFLE_PRIME

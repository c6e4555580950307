"""The errors that people see: each names what is wrong and what to do about it."""

from collections.abc import Iterable
from difflib import get_close_matches


class AppError(Exception):
    """An error for a person. `message` says what is wrong, `remedy` what to do about it, `status` is the HTTP status.

    `internals` names hosts and paths: the log and the command line show them, a page does not.

    >>> str(AppError("There is no file pool.parquet.", "Make one: clipjury score FOLDER -o pool.parquet"))
    'There is no file pool.parquet. Make one: clipjury score FOLDER -o pool.parquet'
    """

    def __init__(self, message: str, remedy: str = "", status: int = 400, *, internals: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.status = status
        self.internals = internals

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SignInNeeded(AppError):
    """This address needs somebody who is signed in (401)."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy, status=401)


class NotAllowed(AppError):
    """The person who is signed in may not do this (403)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, status=403)


class TooManyRequests(AppError):
    """A limit per hour is used up (429); it makes sense to try again after `seconds`, at least 1.

    >>> TooManyRequests("Too many people joined.", seconds=90).remedy
    'Try again in 2 minutes.'
    """

    def __init__(self, message: str, *, seconds: int) -> None:
        self.seconds = max(1, seconds)
        minutes = -(-self.seconds // 60)
        wait = f"{self.seconds} s" if self.seconds < 60 else f"{minutes} minute{'s' if minutes > 1 else ''}"
        super().__init__(message, f"Try again in {wait}.", status=429)


class NotFound(AppError):
    """What was asked for does not exist (404)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, status=404)


def did_you_mean(name: str, names: Iterable[object]) -> str:
    """The up to three names most like a mistyped one, as a remedy; "" if none is similar.

    >>> did_you_mean("sharpnes", ["sharpness", "duration"])
    'Did you mean sharpness?'
    """
    near = get_close_matches(name, [str(other) for other in names], n=3, cutoff=0.5)
    return f"Did you mean {', '.join(near)}?" if near else ""

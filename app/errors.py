"""One kind of error for everything a person can meet: it names the thing and the remedy."""


class AppError(Exception):
    """A refusal in words. `message` names what is wrong, `remedy` what to do about it, `status` is the HTTP status.

    >>> str(AppError("There is no file pool.parquet.", "Make one: clipjury score FOLDER -o pool.parquet"))
    'There is no file pool.parquet. Make one: clipjury score FOLDER -o pool.parquet'
    """

    def __init__(self, message: str, remedy: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.status = status

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SignInNeeded(AppError):
    """Nobody is signed in, and this address needs somebody (401)."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy, status=401)


class NotAllowed(AppError):
    """Somebody is signed in, but not for this (403)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, status=403)


class NotFound(AppError):
    """There is no such thing (404)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, status=404)

"""Errors that a user can cause: what was got, what is allowed, how to fix it."""


class IonSieveError(Exception):
    """Anything a user can mend. Shown as one message, without a traceback."""


class ConfigError(IonSieveError):
    """The configuration names something unknown, out of range or missing."""


class DataError(IonSieveError):
    """An input file is missing, unreadable or empty."""


class CandidateFailed(Exception):
    """One candidate cannot go on, for a physical reason; the others do.

    Parameters
    ----------
    reason : why, in words for the report.
    status : the status the report shows (``failed``, ``unstable``, ``potential_rejected``...).
    """

    def __init__(self, reason: str, status: str = "failed") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


def first_line(error: Exception) -> str:
    """What another library says of a failure, short enough for a message of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]

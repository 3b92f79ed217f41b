"""Patience with servers: what may pass is tried again, what cannot pass is said once.

A pull that fails keeps what it has fetched under ``results/data/cache``, so running the same command again
goes on where it stopped.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from ionsieve.errors import IonSieveError

logger = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0

Result = TypeVar("Result")


class SourceError(IonSieveError):
    """A database cannot be reached, refuses, or sends something else than it should."""


class MayPass(SourceError):
    """A failure that may be gone at the next attempt: server busy, connection lost, answer cut short."""


def patiently(attempt: Callable[[], Result]) -> Result:
    """The result of ``attempt``, which is repeated with growing waits while it raises :class:`MayPass`.

    Raises
    ------
    MayPass : the failure of the last of :data:`ATTEMPTS` attempts.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(MayPass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S),
        before_sleep=_tell,
        reraise=True,
    )
    return retrying(attempt)


def _tell(state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    logger.warning("attempt %d of %d: %s; trying again", state.attempt_number, ATTEMPTS, failure)

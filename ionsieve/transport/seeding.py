"""Random numbers that depend on the configured seed and on names, never on the order of jobs."""

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """A generator for one purpose: the same seed and names give the same numbers, others differ.

    Parameters
    ----------
    seed : the configured seed.
    names : what the numbers are for, such as ``("vacancies", material_id)``.
    """
    key = hashlib.sha256("\0".join(names).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(key, dtype=np.uint32).tolist()])


def replica_names(replica: int) -> tuple[str, ...]:
    """Names that tell a replica's random numbers from another's; none for the first, which is a run alone."""
    return (f"replica {replica}",) if replica else ()

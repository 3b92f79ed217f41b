"""Where networks compute: on the graphics processor if there is one, and on how many threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ionsieve.errors import DataError


def compute_device(choice: str) -> torch.device:
    """The device that ``voltage.device`` means here.

    On a graphics processor sums are taken in any order, so that a rerun differs in the last digits.

    Raises
    ------
    DataError : "cuda" is asked for and there is none.
    """
    if choice == "cuda" and not torch.cuda.is_available():
        raise DataError(
            "voltage.device is cuda, but torch finds no CUDA device here; use auto or cpu, or install a torch"
            " with CUDA on a machine that has one"
        )
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are taken in one order, whatever the machine; small networks are fastest so, too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

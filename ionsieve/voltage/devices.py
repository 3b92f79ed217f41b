"""Where networks compute: on the graphics processor if there is one."""

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

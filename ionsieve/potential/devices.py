"""Where molecular dynamics computes: on one CPU thread, or on a graphics processor."""

from ionsieve.errors import ConfigError

CPU, CUDA, AUTO = "cpu", "cuda", "auto"


def md_device(choice: str) -> str:
    """``cpu`` or ``cuda``, from what ``transport.device`` means on this machine.

    Raises
    ------
    ConfigError : cuda is asked for, and there is none.
    """
    if choice == CPU:
        return CPU
    import torch

    if torch.cuda.is_available():
        return CUDA
    if choice == CUDA:
        raise ConfigError(
            "transport.device is cuda, but torch finds no CUDA device in this job: ask for one (the resource"
            " gpu, docs/transport.md), or use auto or cpu"
        )
    return CPU


def planned_device(choice: str) -> str:
    """The device that MD is going to use, for a job that may lie on another machine than MD."""
    return md_device(choice) if choice == AUTO else choice

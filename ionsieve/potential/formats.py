"""The kinds of model files, told apart by content, since the workflow calls all of them by one name.

A checkpoint of ``nequip-train``, a package (``.nequip.zip``), a compiled model (``.nequip.pt2``), or the
name of another ASE calculator in a few lines of JSON.
"""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from ionsieve.errors import DataError, first_line

CHECKPOINT, PACKAGE, COMPILED, NAMED = "checkpoint", "package", "compiled", "calculator"

# What NequIP's loaders tell their files by.
SUFFIXES = {CHECKPOINT: ".ckpt", PACKAGE: ".nequip.zip", COMPILED: ".nequip.pt2"}


def model_format(model: Path | str) -> str:
    """Which of the four kinds a model file is, by its content.

    Raises
    ------
    DataError : none of them.
    """
    path = Path(model)
    with path.open("rb") as handle:
        if handle.read(1) == b"{":
            return NAMED
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except BadZipFile as error:
        raise DataError(
            f"{path} is not a model: give a NequIP checkpoint (.ckpt), package (.nequip.zip) or compiled"
            f" model (.nequip.pt2); it is not even an archive ({first_line(error)})"
        ) from error
    if any("/aotinductor/" in name for name in names):
        return COMPILED
    return PACKAGE if any(name.endswith(".data/extern_modules") for name in names) else CHECKPOINT

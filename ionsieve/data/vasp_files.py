"""Where the user's VASP runs lie. Apart from their reading, since Snakemake asks for it at every start."""

from collections.abc import Sequence
from pathlib import Path

NAMES = ("vasprun.xml", "vasprun.xml.gz")


def vasp_files(folders: Sequence[Path | str]) -> list[Path]:
    """Every vasprun.xml, plain or gzipped, in and below the folders, each once and in a fixed order."""
    return sorted({file for folder in folders for name in NAMES for file in Path(folder).rglob(name)})

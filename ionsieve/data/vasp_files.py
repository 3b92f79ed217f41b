"""Where the user's VASP runs lie. Apart from their reading, since Snakemake asks for it at every start."""

from collections.abc import Sequence
from pathlib import Path

NAMES = ("vasprun.xml", "vasprun.xml.gz")


def vasp_files(folders: Sequence[Path | str]) -> list[Path]:
    """Every vasprun.xml in and below the folders, in a fixed order; plain where it is gzipped too."""
    found = {file for folder in folders for name in NAMES for file in Path(folder).rglob(name)}
    return sorted(file for file in found if file.suffix != ".gz" or file.with_suffix("") not in found)

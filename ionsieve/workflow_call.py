"""How Snakemake is called for this workflow: the words of a command, for those who are told to run it."""

import shlex
from pathlib import Path

SNAKEFILE = Path(__file__).resolve().parents[1] / "Snakefile"


def snakemake_call(arguments: str) -> str:
    """The command as it works in the current folder: that of a new screening has no Snakefile of its own."""
    if Path(SNAKEFILE.name).is_file() or not SNAKEFILE.is_file():
        return f"snakemake {arguments}"
    return f"snakemake --snakefile {shlex.quote(str(SNAKEFILE))} {arguments}"

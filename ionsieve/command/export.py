"""`ionsieve export`: the shortlist in a folder for the experimentalists."""

from pathlib import Path
from typing import Annotated

import typer

from ionsieve.command.output import mistakes_told, silence_libraries, tell
from ionsieve.plurals import noun

EXAMPLES = """
Examples:

    ionsieve export for_the_lab/

    ionsieve export for_the_lab/ --top 3 --run my_na_screening/
"""


def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A new folder, which is written.", show_default=False)
    ],
    top: Annotated[
        int | None,
        typer.Option(
            "--top", metavar="N", min=1, help="The first N candidates; without it all.", show_default=False
        ),
    ] = None,
    run: Annotated[
        Path,
        typer.Option(
            "--run",
            metavar="RUN",
            help="The folder that snakemake runs in, or its results. Without it: the current one.",
            show_default=False,
        ),
    ] = Path(),
) -> None:
    """Write the shortlist to a folder for those who make the materials.

    A table with its units explained, a CIF of each candidate (and of its charged host where that was
    relaxed), what to cite as BibTeX, licences, and README.txt in plain words. Controls are left out. Nothing
    that is there is overwritten.
    """
    with mistakes_told():
        from ionsieve.run.folder import RunFolder
        from ionsieve.run.handover import hand_over

        silence_libraries()
        names = hand_over(RunFolder.find(run), folder, top)
        count = f"{len(names)} {noun(len(names), 'candidate')}"
        tell(f"{count} in {folder}: {', '.join(names)}; start with {folder / 'README.txt'}")

"""`ionsieve explain`: the whole story of one candidate."""

from pathlib import Path
from typing import Annotated

import typer

from ionsieve.command.output import mistakes_told, silence_libraries
from ionsieve.command.terminal import console, plain, table

EXAMPLES = """
Examples:

    ionsieve explain demo-MgMnO3-perovskite

    ionsieve explain mp-27872 last_month/

    ionsieve explain MgMn2O4
"""


def explain(
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE",
            help="A material_id. A formula, or an id that is not there, is answered with those near.",
            show_default=False,
        ),
    ],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="The folder that snakemake runs in, or its results. Without it: the current one.",
            show_default=False,
        ),
    ] = Path(),
) -> None:
    """Tell the whole story of a candidate.

    Where it comes from, where the funnel stopped it and by which threshold, its voltage with interval and
    second opinions, capacities, potential, molecular dynamics, validation, rank and why, and the files to
    look at. The exit status is 2 where the run has no such candidate; the message says whether it was set
    aside, and why, or which ids are near.
    """
    with mistakes_told():
        from ionsieve.run.folder import RunFolder
        from ionsieve.run.story import story

        silence_libraries()
        told = story(RunFolder.find(folder), candidate)
        out = console()
        out.print(plain(told.headline), style="bold")
        for section in told.sections:
            shown = table("", "", title=section.title)
            shown.show_header = False
            for name, text in section.facts:
                shown.add_row(plain(name), plain(text))
            out.print(shown)

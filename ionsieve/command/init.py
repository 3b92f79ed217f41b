"""`ionsieve init`: the folder of a new screening."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ionsieve.command.output import check_ion, mistakes_told, silence_libraries
from ionsieve.ions import WORKING_IONS

EXAMPLES = """
Examples:

    ionsieve init my_mg_screening --ion Mg

    ionsieve init my_na_screening --ion Na --structures my_cifs/
"""


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A new folder for the screening.", show_default=False)
    ],
    ion: Annotated[
        str,
        typer.Option(
            "--ion", metavar="ION", help=f"The working ion: {', '.join(WORKING_IONS)}.", show_default=False
        ),
    ],
    structures: Annotated[
        Path | None,
        typer.Option(
            "--structures",
            metavar="DIR",
            help="Your own discharged crystals: a folder of CIF, POSCAR or extxyz files, or one file.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make the folder of a screening for an ion: its config.yaml, and the command that runs it.

    Thresholds are those of a published screening for Mg, carried over to the ion. With a key of the
    Materials Project, its electrodes teach the model and its crystals are screened. Without one, the model
    learns from the small set that ships with IonSieve, where there is something to screen: structures of
    yours, or for Mg the set itself. Nothing that is there is overwritten.
    """
    with mistakes_told():
        check_ion(ion)

        from ionsieve.new_screening import start

        silence_libraries()
        started = start(folder, ion, structures)
        typer.echo(f"{started.config}: edit it as you like")
        for remark in started.remarks:
            typer.echo(f"  {remark}")
        typer.echo(f"\n    cd {shlex.quote(str(folder))}")
        typer.echo(f"    {started.command} -n    # what would run\n    {started.command}")

"""`ionsieve predict`: its arguments and what it does with them."""

from pathlib import Path
from typing import Annotated

import typer

from ionsieve.command.output import (
    Out,
    check_ion,
    check_regular,
    mistakes_told,
    silence_libraries,
    tell,
    write_rows,
)
from ionsieve.data.formats import is_crystal_file, is_json_lines
from ionsieve.errors import IonSieveError
from ionsieve.ions import WORKING_IONS

EXAMPLES = """
Examples:

    ionsieve predict MgMn2O4.cif --ion Mg

    ionsieve predict my_structures/ more.jsonl.gz --ion Na --out voltages.csv

    ionsieve predict my_structures/ --ion Li --model results/voltage/model 2> rejected.txt | head
"""


def predict(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE_OR_FOLDER",
            help="Structures of discharged cathodes: CIF, POSCAR, extxyz, JSON Lines (.jsonl), each also"
            " gzipped; or folders, which are searched with all below.",
            show_default=False,
        ),
    ],
    ion: Annotated[
        str,
        typer.Option(
            "--ion",
            metavar="ION",
            help=f"The working ion: {', '.join(WORKING_IONS)}.",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="A folder with state.pt and card.json. Without it: results/voltage/model, else the small"
            " model that ships with IonSieve.",
            show_default=False,
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Predict the voltage and capacity of crystals, one CSV row each.

    Each voltage is the mean over the extraction of all working ions, against the ion's metal, with an
    interval. `in_domain` is False where the training data say little about such a crystal.

    What cannot be used is told on standard error with the reason, and stops nothing. The exit status is 0
    if anything was predicted, 1 if nothing was, 2 if the call itself is wrong.
    """
    with mistakes_told():
        _run(paths, ion, model, out)


def _run(paths: list[Path], ion: str, model: Path | None, out: Path | None) -> None:
    check_ion(ion)
    if out is not None:
        _check_target(out, paths)

    from ionsieve.command.voltage_rows import VoltageRows
    from ionsieve.voltage.model_search import find_model

    silence_libraries()
    used = find_model(model)
    for line in used.introduction(ion):
        tell(line)
    write_rows(VoltageRows(paths, used.ensemble, ion, tell), out)


def _check_target(out: Path, paths: list[Path]) -> None:
    check_regular(out)
    is_input = out.exists() and any(path.exists() and out.samefile(path) for path in paths)
    if is_input or is_crystal_file(out) or (out.exists() and is_json_lines(out)):
        raise IonSieveError(f"--out {out} would replace a structure file; name another")

"""`ionsieve predict`: its arguments, its messages, its exit status."""

import os
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ionsieve.data.formats import is_crystal_file, is_json_lines
from ionsieve.errors import IonSieveError
from ionsieve.ions import WORKING_IONS

if TYPE_CHECKING:
    from rich.progress import Progress

NOTHING_PREDICTED = 1
BAD_CALL = 2
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
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.csv",
            help="Where the table goes once it is complete. Without it: standard output, as it grows.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Predict the voltage and capacity of crystals, one CSV row each.

    Each voltage is the mean over the extraction of all working ions, against the ion's metal, with an
    interval. `in_domain` is False where the training data say little about such a crystal.

    What cannot be used is told on standard error with the reason, and stops nothing. The exit status is 0
    if anything was predicted, 1 if nothing was, 2 if the call itself is wrong.
    """
    try:
        _run(paths, ion, model, out)
    except BrokenPipeError:
        # The reader has what it wants; Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _stop(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", BAD_CALL)
    except IonSieveError as error:
        _stop(str(error), BAD_CALL)


def _run(paths: list[Path], ion: str, model: Path | None, out: Path | None) -> None:
    """Predict and write; leave with NOTHING_PREDICTED where that is so."""
    if ion not in WORKING_IONS:
        raise IonSieveError(f"--ion {ion}: not a working ion; known: {', '.join(WORKING_IONS)}")
    if out is not None:
        _check_target(out, paths)

    from ionsieve.artifacts import atomic_path
    from ionsieve.command.voltage_rows import VoltageRows
    from ionsieve.voltage.model_search import find_model

    if not sys.warnoptions:
        # Libraries warn of what single files lack; what makes a crystal useless is told as its rejection.
        warnings.simplefilter("ignore")
    used = find_model(model)
    for line in used.introduction(ion):
        _tell(line)
    rows = VoltageRows(paths, used.ensemble, ion, _tell)
    # Aside first, so that a table which is there stays until the new one is complete.
    with nullcontext() if out is None else atomic_path(out) as aside:
        with (
            nullcontext(sys.stdout) if aside is None else aside.open("w", encoding="utf-8") as target,
            _progress() as progress,
        ):
            task = progress.add_task("", total=None)
            for text in rows.as_csv():
                target.write(text)
                target.flush()
                progress.update(task, completed=rows.predicted)
        _tell(rows.summary())
        if not rows.predicted:
            _stop("nothing could be predicted", NOTHING_PREDICTED)


def _check_target(out: Path, paths: list[Path]) -> None:
    if out.exists() and not out.is_file():
        raise IonSieveError(
            f"--out {out} is no regular file; name a file, or leave it away for standard output"
        )
    is_input = out.exists() and any(path.exists() and out.samefile(path) for path in paths)
    if is_input or is_crystal_file(out) or (out.exists() and is_json_lines(out)):
        raise IonSieveError(f"--out {out} would replace a structure file; name another")


def _progress() -> "Progress":
    """The number of rows so far, on a terminal that does not show the rows themselves."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.completed:,.0f} predicted"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        disable=not sys.stderr.isatty() or sys.stdout.isatty(),
    )


def _tell(message: str) -> None:
    typer.echo(f"ionsieve: {message}", err=True)


def _stop(message: str, status: int) -> NoReturn:
    _tell(message)
    raise typer.Exit(status)

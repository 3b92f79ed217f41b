"""What the commands share: one line per message, the exit status, a table on screen or in a file."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ionsieve.artifacts import CannotWrite
from ionsieve.errors import IonSieveError
from ionsieve.ions import WORKING_IONS

if TYPE_CHECKING:
    from rich.progress import Progress

    from ionsieve.command.rows import Rows

NOTHING_PREDICTED = 1
BAD_CALL = 2
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE.csv",
        help="Where the table goes once it is complete. Without it: standard output, as it grows.",
        show_default=False,
    ),
]


@contextmanager
def mistakes_told() -> Iterator[None]:
    """A mistake in the call ends the command with one line and BAD_CALL."""
    try:
        yield
    except BrokenPipeError:
        # The reader has what it wants; Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except CannotWrite as error:
        stop(str(error), BAD_CALL)
    except OSError as error:
        stop(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", BAD_CALL)
    except IonSieveError as error:
        stop(str(error), BAD_CALL)


def check_ion(ion: str) -> None:
    """Raise IonSieveError for an ion that is not known."""
    if ion not in WORKING_IONS:
        raise IonSieveError(f"--ion {ion}: not a working ion; known: {', '.join(WORKING_IONS)}")


def check_regular(out: Path) -> None:
    """Raise IonSieveError where no table can be put."""
    if out.exists() and not out.is_file():
        raise IonSieveError(
            f"--out {out} is no regular file; name a file, or leave it away for standard output"
        )


def silence_libraries() -> None:
    """Libraries warn of what single inputs lack; what makes one useless is told as its rejection."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def write_rows(rows: "Rows", out: Path | None) -> None:
    """Write a table; leave with NOTHING_PREDICTED where it has no row."""
    from ionsieve.artifacts import atomic_path

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
        for line in rows.conclusion():
            tell(line)
        if not rows.predicted:
            stop("nothing could be predicted", NOTHING_PREDICTED)


def tell(message: str) -> None:
    """One line on standard error."""
    typer.echo(f"ionsieve: {message}", err=True)


def stop(message: str, status: int) -> NoReturn:
    """One line on standard error, and the end."""
    tell(message)
    raise typer.Exit(status)


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

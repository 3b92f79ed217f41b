"""The command `ionsieve`; its modules import nothing heavy before a command has work to do."""

import typer

from ionsieve.command.predict import EXAMPLES, predict

app = typer.Typer(
    name="ionsieve",
    help="IonSieve screens crystals for intercalation cathodes. The workflow itself is run by `snakemake`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback is a bug's, and is reported as Python prints it
    rich_markup_mode="markdown",
)


@app.callback()
def ionsieve() -> None:
    """Make `predict` a command of its own also while it is the only one."""


app.command(epilog=EXAMPLES)(predict)

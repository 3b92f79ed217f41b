"""The command `ionsieve`; its modules import nothing heavy before a command has work to do."""

import typer

from ionsieve.command import diff as comparison
from ionsieve.command import discharge as curves
from ionsieve.command import discharge_convert as released
from ionsieve.command import doctor as machine
from ionsieve.command import explain as candidate
from ionsieve.command import export as handover
from ionsieve.command import init as beginning
from ionsieve.command import predict as crystals
from ionsieve.command import predict_formula as formulas
from ionsieve.command import status as progress

app = typer.Typer(
    name="ionsieve",
    help="IonSieve screens crystals for intercalation cathodes. The workflow itself is run by `snakemake`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback is a bug's, and is reported as Python prints it
    rich_markup_mode="markdown",
)

app.command(epilog=machine.EXAMPLES)(machine.doctor)
app.command(epilog=beginning.EXAMPLES)(beginning.init)
app.command(epilog=progress.EXAMPLES)(progress.status)
app.command(epilog=crystals.EXAMPLES)(crystals.predict)
app.command(epilog=formulas.EXAMPLES)(formulas.predict_formula)
app.command(epilog=curves.EXAMPLES)(curves.discharge)
app.command(epilog=released.EXAMPLES)(released.discharge_convert)
app.command(epilog=candidate.EXAMPLES)(candidate.explain)
app.command(epilog=comparison.EXAMPLES)(comparison.diff)
app.command(epilog=handover.EXAMPLES)(handover.export)

"""`ionsieve predict-formula`: its arguments and what it does with them."""

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
from ionsieve.errors import IonSieveError
from ionsieve.ions import WORKING_IONS

EXAMPLES = """
Examples:

    ionsieve predict-formula MgMn2O4 --ion Mg

    ionsieve predict-formula LiCoO2 --ion Li --charged Li0.5CoO2

    ionsieve predict-formula "Na3V2(PO4)3" NaFeO2 --ion Na --out voltages.csv

    ionsieve predict-formula --csv formulas.csv --ion Mg 2> told.txt | head
"""


def predict_formula(
    formulas: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FORMULA",
            help="Formulas of discharged cathodes, with their ions in.",
            show_default=False,
        ),
    ] = None,
    ion: Annotated[
        str | None,
        typer.Option(
            "--ion",
            metavar="ION",
            help=f"The working ion: {', '.join(WORKING_IONS)}. A column working_ion comes before it.",
            show_default=False,
        ),
    ] = None,
    charged: Annotated[
        str | None,
        typer.Option(
            "--charged",
            metavar="FORMULA",
            help="The charged formula of the one formula given. Without it, all ions leave.",
            show_default=False,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            metavar="FILE.csv",
            help="More formulas: the column formula, and if you like charged_formula, working_ion,"
            " material_id, space_group.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="A folder with state.pt and card.json. Without it: results/composition/model, else the small"
            " model that ships with IonSieve.",
            show_default=False,
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Predict the voltage of formulas that have no structure yet, one CSV row each.

    Each voltage is the mean between the discharged and the charged formula, against the ion's metal, with an
    interval. `in_domain` is False where the training data say little about such a formula.

    What cannot be used is told on standard error with the reason, and stops nothing. The exit status is 0
    if anything was predicted, 1 if nothing was, 2 if the call itself is wrong.
    """
    with mistakes_told():
        _run(formulas or [], ion, charged, csv, model, out)


def _run(
    formulas: list[str],
    ion: str | None,
    charged: str | None,
    csv: Path | None,
    model: Path | None,
    out: Path | None,
) -> None:
    _check_call(formulas, ion, charged, csv)
    if out is not None:
        check_regular(out)
        if csv is not None and out.exists() and csv.exists() and out.samefile(csv):
            raise IonSieveError(f"--out {out} would replace the formulas; name another")

    from ionsieve.command.formula_rows import FormulaRows
    from ionsieve.composition.formula_files import FormulaFile, FormulaRecord
    from ionsieve.composition.model_search import find_model

    silence_libraries()
    used = find_model(model)
    if ion is not None:
        for line in used.introduction(ion):
            tell(line)
    records = [FormulaRecord(formula, formula, str(ion), charged) for formula in formulas]
    file = None if csv is None else FormulaFile(csv, ion)
    write_rows(FormulaRows(records, file, used, ion, tell), out)


def _check_call(formulas: list[str], ion: str | None, charged: str | None, csv: Path | None) -> None:
    if not formulas and csv is None:
        raise IonSieveError("no formulas; give some, or name a file of them with --csv")
    if ion is not None:
        check_ion(ion)
    elif formulas:
        raise IonSieveError(f"formulas need a working ion; name it with --ion: {', '.join(WORKING_IONS)}")
    if charged is not None and not charged.strip():
        raise IonSieveError("--charged: the charged formula is empty; name one, or leave --charged away")
    if charged is not None and (len(formulas) != 1 or csv is not None):
        raise IonSieveError(
            "--charged goes with one formula; for several, put them into the column charged_formula of a CSV"
            " file (--csv)"
        )

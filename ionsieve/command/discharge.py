"""`ionsieve discharge`: its arguments and what it does with them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ionsieve.command.output import Out, check_regular, mistakes_told, silence_libraries, tell
from ionsieve.errors import IonSieveError

EXAMPLES = """
Examples:

    ionsieve discharge "Li1.2Mn0.4Ti0.4O2" --rate 20 --cycle 1 --window 1.5 4.8

    ionsieve discharge "Li1.2Mn0.6Nb0.2O1.8F0.2" --rate 1000 --window 2.0 4.4 --out curve.csv
"""
COLUMNS = ["voltage_V", "capacity_mAh_per_g", "capacity_std_mAh_per_g", "dq_dv_mAh_per_g_per_V"]
MOST_POINTS = 1_000_000


def discharge(
    composition: Annotated[
        str, typer.Argument(metavar="FORMULA", help="The cathode as made, with its ions in.")
    ],
    rate: Annotated[float, typer.Option("--rate", metavar="RATE", help="Current in mA/g.")] = 20.0,
    cycle: Annotated[int, typer.Option("--cycle", metavar="N", help="Cycle, from 1.")] = 1,
    window: Annotated[
        tuple[float, float],
        typer.Option(
            "--window", metavar="LOW HIGH", help="Voltages in V at which discharge ends and starts."
        ),
    ] = (1.5, 4.8),
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="A folder with state.pt and card.json. Without it: results/discharge/model.",
            show_default=False,
        ),
    ] = None,
    points: Annotated[
        int, typer.Option("--points", metavar="POINTS", help="Voltages of the curve, both ends included.")
    ] = 100,
    out: Out = None,
) -> None:
    """Predict how a cell with this cathode discharges: the capacity down to each voltage, as CSV.

    The capacity is the mean over the ensemble's members, its standard deviation their spread. What lies
    outside the ranges that the model learned from is answered, and told on standard error.

    The exit status is 0, or 2 if the call is wrong or there is no model.
    """
    with mistakes_told():
        _run(composition, rate, cycle, window, model, points, out)


def _run(
    composition: str,
    rate: float,
    cycle: int,
    window: tuple[float, float],
    model: Path | None,
    points: int,
    out: Path | None,
) -> None:
    if not 2 <= points <= MOST_POINTS:
        raise IonSieveError(f"--points {points}; a curve has 2 to {MOST_POINTS:,}")
    if out is not None:
        check_regular(out)

    import torch

    from ionsieve.artifacts import write_text
    from ionsieve.discharge.compositions import parse_cathode
    from ionsieve.discharge.ensemble import condition_error, curve_conditions
    from ionsieve.discharge.model_search import find_model

    silence_libraries()
    # A curve is too small for several.
    torch.set_num_threads(1)
    low_V, high_V = window
    condition = {
        "rate_mA_per_g": rate,
        "cycle": cycle,
        "voltage_low_V": low_V,
        "voltage_high_V": high_V,
    }
    if reason := condition_error(condition):
        raise IonSieveError(reason)
    parse_cathode(composition)
    used = find_model(model)
    tell(used.introduction())
    conditions = curve_conditions(composition, rate, cycle, low_V, high_V, points)
    curve = used.ensemble.predict(conditions).assign(voltage_V=conditions["voltage_V"])
    if extrapolation := curve["extrapolation"].iloc[0]:
        tell(f"warning: extrapolation: {extrapolation}")
    if len(used.ensemble.members) == 1:
        tell("capacity_std_mAh_per_g is empty: one member has no spread")
    # Seven digits: the released predictions come back to 1e-3 mAh/g.
    text = curve[COLUMNS].to_csv(index=False, float_format="%.7g", lineterminator="\n")
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(out, text)

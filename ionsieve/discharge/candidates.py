"""What a discharge model says of shortlisted candidates: only of Li rocksalt compositions that it knows.

A model of disordered rocksalts has learned from cells whose cathodes hold as many cations as anions, O and F.
Of any other candidate it has no answer, and the reason is told in its place. The composition is all that is
looked at: a layered crystal has the composition of a rocksalt too.
"""

from typing import Any

import pandas as pd
import pyarrow as pa
from pymatgen.core import Composition
from pymatgen.util.string import formula_double_format

from ionsieve.composition.formulas import FormulaError, parse_formula
from ionsieve.discharge.compositions import ANIONS
from ionsieve.discharge.ensemble import RATIO_TOLERANCE, Ensemble
from ionsieve.discharge.predictions import ensemble_rows, whole_discharge

WORKING_ION = "Li"
DISCHARGE_CANDIDATES = pa.schema(
    [
        pa.field("material_id", pa.string(), nullable=False),
        pa.field("formula", pa.string(), nullable=False),
        pa.field("composition", pa.string(), nullable=True),  # per two anions, as the model reads it
        pa.field("rate_mA_per_g", pa.float64(), nullable=False),
        pa.field("voltage_low_V", pa.float64(), nullable=False),
        pa.field("voltage_high_V", pa.float64(), nullable=False),
        pa.field("capacity_mAh_per_g", pa.float64(), nullable=True),
        pa.field("capacity_std_mAh_per_g", pa.float64(), nullable=True),
        pa.field("reason", pa.string(), nullable=False),  # why there is no capacity; empty where there is
    ]
)


def discharge_candidates(
    shortlist: pd.DataFrame,
    ensemble: Ensemble,
    working_ion: str,
    rate_mA_per_g: float,
    window_V: tuple[float, float],
) -> pd.DataFrame:
    """Rows of :data:`DISCHARGE_CANDIDATES`: the first discharge of each candidate, or why not.

    Parameters
    ----------
    shortlist : with the columns material_id and formula (discharged).
    """
    rows = [_row(record, working_ion, rate_mA_per_g, window_V) for record in shortlist.to_dict("records")]
    asked = [row for row in rows if not row["reason"]]
    conditions = pd.DataFrame(
        [whole_discharge(row["composition"], rate_mA_per_g, 1, window_V) for row in asked]
    )
    answers = ensemble_rows(ensemble, conditions).to_dict("records") if asked else []
    for row, answer in zip(asked, answers, strict=True):
        row["reason"] = answer["error"] or answer["extrapolation"]
        if not row["reason"]:
            row["capacity_mAh_per_g"] = answer["capacity_mAh_per_g"]
            row["capacity_std_mAh_per_g"] = answer["capacity_std_mAh_per_g"]
    return pd.DataFrame(rows, columns=DISCHARGE_CANDIDATES.names)


def rocksalt(formula: str) -> str:
    """The formula per two anions.

    Raises
    ------
    FormulaError : it is no composition of a lithium rocksalt; the message is the reason.
    """
    composition = parse_formula(formula)
    strangers = [
        element.symbol for element in composition if element.symbol not in ANIONS and not element.is_metal
    ]
    if strangers:
        raise FormulaError(f"holds {', '.join(strangers)}; the model knows metals with O and F")
    anions = sum(composition[symbol] for symbol in ANIONS)
    if not composition["O"]:
        raise FormulaError("holds no oxygen; the model knows oxides and oxyfluorides")
    if not composition[WORKING_ION]:
        raise FormulaError(f"holds no {WORKING_ION}")
    cations = composition.num_atoms - anions
    if abs(cations / anions - 1) > RATIO_TOLERANCE:
        raise FormulaError(f"{cations / anions:.2f} cations per anion; a rocksalt has 1")
    return _per_two(composition, anions)


def _row(
    record: dict[Any, Any], working_ion: str, rate_mA_per_g: float, window_V: tuple[float, float]
) -> dict[str, Any]:
    composition, reason = None, ""
    if working_ion != WORKING_ION:
        reason = f"the working ion is {working_ion}; the model knows {WORKING_ION} alone"
    else:
        try:
            composition = rocksalt(record["formula"])
        except FormulaError as error:
            reason = str(error)
    return {
        "material_id": record["material_id"],
        "formula": record["formula"],
        "composition": composition,
        "rate_mA_per_g": rate_mA_per_g,
        "voltage_low_V": window_V[0],
        "voltage_high_V": window_V[1],
        "capacity_mAh_per_g": None,
        "capacity_std_mAh_per_g": None,
        "reason": reason,
    }


def _per_two(composition: Composition, anions: float) -> str:
    return "".join(
        f"{element.symbol}{formula_double_format(round(2 * amount / anions, 4))}"
        for element, amount in sorted(composition.items())
    )

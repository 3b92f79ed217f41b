"""IonSieve from Python: voltages of crystals and formulas, and what a run has found, in a line each.

All of it is reached from the package itself, as ``ionsieve.predict_voltage(...)``; importing the package
loads nothing of it before it is called.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from ase import Atoms
from pymatgen.core import Structure

from ionsieve import tables
from ionsieve.composition import model_search as of_formulas
from ionsieve.composition.formulas import charged_formula, pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.data.records import Reject, check_candidate
from ionsieve.data.structure_files import SOURCE, read_structure_file
from ionsieve.errors import DataError, IonSieveError
from ionsieve.ions import WORKING_IONS
from ionsieve.run.folder import RunFolder
from ionsieve.structures import DamagedStructure, reject_disorder, to_columns
from ionsieve.voltage import model_search as of_crystals
from ionsieve.voltage.crystals import COLUMNS, predict_crystals

Crystal = Structure | Atoms | Path | str


@dataclass(frozen=True)
class VoltagePrediction:
    """Average voltage of a discharged crystal, all working ions extracted, against the ion's metal.

    Attributes
    ----------
    voltage_low_V, voltage_high_V : the interval.
    capacity_grav_mAh_per_g, capacity_vol_Ah_per_L : of the same extraction, redox limits apart.
    in_domain : False where the model knows little of such crystals.
    """

    formula: str
    voltage_V: float
    voltage_low_V: float
    voltage_high_V: float
    capacity_grav_mAh_per_g: float
    capacity_vol_Ah_per_L: float
    in_domain: bool


@dataclass(frozen=True)
class FormulaVoltagePrediction:
    """Average voltage between two formulas, against the ion's metal.

    Attributes
    ----------
    charged_formula : as given, or what is left when all ions leave.
    known_host : the host was in training; the voltage is of the member that never saw it.
    """

    formula: str
    charged_formula: str
    voltage_V: float
    voltage_low_V: float
    voltage_high_V: float
    in_domain: bool
    known_host: bool


def predict_voltage(
    structure: Crystal, ion: str = "Mg", model: Path | str | None = None
) -> VoltagePrediction:
    """Predict the voltage and capacity of one discharged crystal.

    Parameters
    ----------
    structure : pymatgen Structure, ASE Atoms, or the path of a file with one crystal.
    ion : the working ion.
    model : folder with state.pt and card.json; without one, that of the run in the current folder, else the
        small one that ships.

    Raises
    ------
    DataError : the crystal cannot be used, or there is no model; the message says why.
    """
    (row,) = predict_voltages([structure], ion, model).to_dict("records")
    if row["reason"] is not None:
        raise DataError(f"the structure cannot be used: {row['reason']}")
    return VoltagePrediction(**{name: row[name] for name in COLUMNS if name != "material_id"})


def predict_voltages(
    structures: Iterable[Crystal], ion: str = "Mg", model: Path | str | None = None
) -> pd.DataFrame:
    """Predict the voltages of many discharged crystals, all in memory together.

    Parameters
    ----------
    structures, ion, model : as for :func:`predict_voltage`.

    Returns
    -------
    One row per crystal, in their order: the columns of ``ionsieve predict``, and ``reason``, why a crystal
    could not be used, else None.
    """
    _check_ion(ion)
    rows = [_row(structure, str(number), ion) for number, structure in enumerate(structures)]
    usable = [row for row in rows if not isinstance(row, Reject)]
    predicted = pd.DataFrame(columns=COLUMNS)
    if usable:
        ensemble = of_crystals.find_model(_path(model)).ensemble
        predicted = predict_crystals(pd.DataFrame(usable, columns=tables.CANDIDATES.names), ensemble, ion)
    by_id = predicted.set_index("material_id", drop=False).to_dict("index")
    set_aside = dict.fromkeys(COLUMNS)
    table = pd.DataFrame(
        [
            {**set_aside, "material_id": row.material_id}
            if isinstance(row, Reject)
            else by_id[row["material_id"]]
            for row in rows
        ],
        columns=COLUMNS,
    )
    reasons = [row.reason if isinstance(row, Reject) else None for row in rows]
    # Of objects: a column of text would make its None a NaN.
    return table.assign(reason=pd.Series(reasons, dtype=object))


def predict_formula_voltage(
    formula: str, ion: str = "Mg", charged: str | None = None, model: Path | str | None = None
) -> FormulaVoltagePrediction:
    """Predict the voltage of a formula that has no structure yet.

    Parameters
    ----------
    formula : discharged, with its ions in.
    ion : the working ion.
    charged : formula with fewer ions or none; without it all leave.
    model : as for :func:`predict_voltage`, with the model that reads formulas.

    Raises
    ------
    FormulaError : the formulas mean no pair; the message says why.
    """
    _check_ion(ion)
    pair = pair_of(formula, ion, charged)
    predicted = of_formulas.find_model(_path(model)).ensemble.predict(Pairs.of([pair])).iloc[0]
    return FormulaVoltagePrediction(
        formula=formula,
        charged_formula=charged or charged_formula(formula, ion),
        voltage_V=float(predicted["voltage_V"]),
        voltage_low_V=float(predicted["voltage_low_V"]),
        voltage_high_V=float(predicted["voltage_high_V"]),
        in_domain=bool(predicted["in_domain"]),
        known_host=bool(predicted["known_host"]),
    )


def open_run(folder: Path | str = ".") -> RunFolder:
    """A screening, as far as it came: ``.candidates``, ``.screened``, ``.funnel``, ``.config`` ...

    Parameters
    ----------
    folder : where snakemake runs, or its results.
    """
    return RunFolder.find(folder)


def _check_ion(ion: str) -> None:
    if ion not in WORKING_IONS:
        raise IonSieveError(f"{ion!r} is not a working ion; known: {', '.join(WORKING_IONS)}")


def _path(model: Path | str | None) -> Path | None:
    return None if model is None else Path(model)


def _row(structure: Crystal, material_id: str, ion: str) -> dict[str, Any] | Reject:
    try:
        columns = _columns(structure)
    except IonSieveError as damage:
        return Reject(material_id, SOURCE, "candidates", str(damage))
    row = dict.fromkeys(tables.CANDIDATES.names) | {"material_id": material_id, "source": SOURCE}
    return check_candidate({**row, "licence": "unknown", **columns}, ion)


def _columns(structure: Crystal) -> dict[str, Any]:
    if isinstance(structure, Structure):
        reject_disorder(structure)
    if isinstance(structure, Structure | Atoms):
        return to_columns(structure)
    if Path(structure).is_dir():
        raise DataError(f"{structure} is a folder; give one crystal, or the folder to `ionsieve predict`")
    read = list(read_structure_file(Path(structure)))
    if len(read) != 1:
        raise DataError(f"{structure} holds {len(read)} crystals; give one, or read them and give them all")
    if isinstance(read[0], Reject):
        raise DamagedStructure(read[0].reason)
    return read[0].columns

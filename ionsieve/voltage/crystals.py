"""Voltages and capacities of crystals that belong to no run: what the commands and notebooks ask for."""

import pandas as pd
from ase.data import atomic_numbers

from ionsieve import structures
from ionsieve.electrochemistry import gravimetric_capacity, volumetric_capacity
from ionsieve.voltage.candidate_inputs import inputs_of
from ionsieve.voltage.ensemble import Ensemble
from ionsieve.voltage.prediction import KnownElectrodes, predict_candidates

COLUMNS = [
    "material_id",
    "formula",
    "voltage_V",
    "voltage_low_V",
    "voltage_high_V",
    "capacity_grav_mAh_per_g",
    "capacity_vol_Ah_per_L",
    "in_domain",
]
# Users' ids are not those of training electrodes, even where they look alike.
NONE_KNOWN = KnownElectrodes(
    pd.DataFrame(
        {
            **{name: pd.Series(dtype=float) for name in ("predicted_voltage_V", "voltage_V")},
            **{name: pd.Series(dtype=float) for name in ("voltage_low_V", "voltage_high_V")},
            "label_kind": pd.Series(dtype=object),
        }
    )
)


def predict_crystals(candidates: pd.DataFrame, ensemble: Ensemble, working_ion: str) -> pd.DataFrame:
    """Rows of :data:`COLUMNS` for rows of :data:`ionsieve.tables.CANDIDATES`; capacities of full extraction.

    Parameters
    ----------
    candidates : crystals that :func:`ionsieve.data.records.check_candidate` lets pass.
    """
    architecture = ensemble.members[0].architecture
    inputs = inputs_of(candidates, working_ion, architecture.cutoff_A, architecture.max_neighbors)
    predictions = predict_candidates(inputs, ensemble, NONE_KNOWN, working_ion)
    ion_number = atomic_numbers[working_ion]
    n_ions = [numbers.count(ion_number) for numbers in candidates["numbers"]]
    masses_g_per_mol = [float(structures.composition_of(numbers).weight) for numbers in candidates["numbers"]]
    volumes_A3 = [structures.volume_A3(cell) for cell in candidates["cell"]]
    return predictions.assign(
        formula=candidates["formula"].to_numpy(),
        capacity_grav_mAh_per_g=[
            gravimetric_capacity(n, working_ion, mass)
            for n, mass in zip(n_ions, masses_g_per_mol, strict=True)
        ],
        capacity_vol_Ah_per_L=[
            volumetric_capacity(n, working_ion, volume) for n, volume in zip(n_ions, volumes_A3, strict=True)
        ],
    )[COLUMNS]

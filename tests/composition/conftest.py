"""Made-up electrodes: voltages that follow from elements with realistic noise, and what a source states."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pymatgen.core import Composition

from ionsieve.composition.blocks import Electrodes, columns_of
from ionsieve.composition.pairs import Pairs
from ionsieve.data.calculated import crystal_system
from ionsieve.ions import WORKING_IONS
from ionsieve.tables import CALCULATED

METALS_V = {
    "Ti": 1.5, "V": 2.2, "Cr": 2.9, "Mn": 3.3, "Fe": 3.0, "Co": 3.8, "Ni": 4.1, "Cu": 3.5,
    "Mo": 2.1, "Nb": 1.4, "W": 1.9, "Ru": 3.1, "Ag": 3.6, "Sn": 2.5,
}  # fmt: skip
HOSTS_V = {"{}O2": 0.0, "{}2O5": 0.1, "{}PO4": 0.7, "{}S2": -1.1, "{}F3": 0.9, "{}3O8": 0.2}
IONS_V = {"Li": 0.0, "Na": -0.3, "K": -0.2, "Mg": -0.8, "Ca": -0.6}
# As large as the error of good models on real hosts.
NOISE_V = 0.3


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def made_up_table() -> pd.DataFrame:
    """420 electrodes of 84 hosts, columns as of ELECTRODES without a geometry; some keep half the ions."""
    random = np.random.default_rng(21)
    rows = []
    for ion, ion_V in IONS_V.items():
        for metal, metal_V in METALS_V.items():
            for host, host_V in HOSTS_V.items():
                framework = Composition(host.format(metal)).reduced_formula
                n_ions = 2 // WORKING_IONS[ion].charge
                composition = Composition(framework) + Composition({ion: n_ions})
                numbers = [element.Z for element, n in composition.items() for _ in range(round(n))]
                voltage_V = metal_V + host_V + ion_V + NOISE_V * random.normal()
                rows.append(
                    {
                        "electrode_id": f"{ion}-{framework}",
                        "material_id": f"m-{ion}-{framework}",
                        "source": "made up",
                        "licence": "MIT",
                        "label_kind": "made up",
                        "working_ion": ion,
                        "formula": composition.reduced_formula,
                        "framework": framework,
                        "voltage_V": voltage_V,
                        "x_charged": float(random.choice([0.0, 0.0, 0.5])),
                        "n_steps": 1,
                        "step_voltage_V": [voltage_V],
                        "step_x": [0.0, 1.0],
                        "numbers": numbers,
                        "cell": np.eye(3).ravel().tolist(),
                        "frac_coords": [0.0] * (3 * len(numbers)),
                    }
                )
    return pd.DataFrame(rows)


def silent_source(table: pd.DataFrame) -> pd.DataFrame:
    """CALCULATED of a source that states nothing, as the demo's."""
    cells = {name: None for name in CALCULATED.names if name not in ("electrode_id", "source")}
    return pd.DataFrame(index=table.index).assign(**cells)


def talkative_source(silent: Electrodes) -> pd.DataFrame:
    """CALCULATED of a source that states everything; energies are capacity times voltage."""
    random = np.random.default_rng(22)
    rows = len(silent.table)
    grav = columns_of(silent, ["capacity_grav"])["capacity_grav_mAh_per_g"].to_numpy()
    vol = grav * random.uniform(2.5, 4.5, rows)
    groups = {state: random.integers(1, 231, rows) for state in ("charged", "discharged")}
    stated = {
        **{f"{state}_space_group": numbers for state, numbers in groups.items()},
        **{
            f"{state}_crystal_system": [crystal_system(number) for number in numbers]
            for state, numbers in groups.items()
        },
        "volume_change": random.lognormal(-3.0, 1.0, rows),
        "capacity_grav_mAh_per_g": grav,
        "capacity_vol_Ah_per_L": vol,
        "energy_grav_Wh_per_kg": grav * silent.voltages_V,
        "energy_vol_Wh_per_L": vol * silent.voltages_V,
        "stability_charged_eV_per_atom": random.exponential(0.05, rows),
        "stability_discharged_eV_per_atom": random.exponential(0.05, rows),
    }
    return pd.DataFrame(stated)


@pytest.fixture(scope="session")
def silent_electrodes() -> Electrodes:
    """Made-up electrodes of a source that states nothing beside the voltage."""
    table = made_up_table()
    return Electrodes(Pairs.from_electrodes(table), table, silent_source(table))


@pytest.fixture(scope="session")
def electrodes(silent_electrodes) -> Electrodes:
    """The same of a source that states all it calculated."""
    return replace(silent_electrodes, calculated=talkative_source(silent_electrodes))

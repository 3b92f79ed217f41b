"""Crystals whose geometry is known by heart, and electrodes with a voltage that a network can learn."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from crystals import rock_salt
from pymatgen.core import Lattice, Structure

from ionsieve.structures import to_columns
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.graphs import Graphs, build_graphs
from ionsieve.voltage.members import Architecture, Member


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def simple_cubic_polonium() -> Structure:
    return Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]])


@pytest.fixture
def rocksalt_mgo() -> Structure:
    return rock_salt("Mg", "O", 4.21)


@pytest.fixture
def layered_lioco() -> Structure:
    """LiCoO2, R-3m, as its skewed primitive cell."""
    conventional = Structure.from_spacegroup(
        "R-3m",
        Lattice.hexagonal(2.816, 14.05),
        ["Li", "Co", "O"],
        [[0, 0, 0.5], [0, 0, 0], [0, 0, 0.2605]],
    )
    return conventional.get_primitive_structure()


@pytest.fixture
def disordered_looking_mgmno() -> Structure:
    """A crystal without any symmetry: no two atoms are alike."""
    random = np.random.default_rng(3)
    grid = np.array([[i, j, k] for i in range(2) for j in range(2) for k in range(2)]) / 2.0
    lattice = Lattice.from_parameters(5.1, 5.6, 6.0, 82, 95, 101)
    return Structure(
        lattice,
        ["Mg", "O", "Mn", "O", "Mg", "O", "Mn", "O"],
        grid + random.uniform(-0.05, 0.05, grid.shape),
    )


@pytest.fixture
def graphs_of() -> Callable[..., Graphs]:
    """Graphs of structures with one working ion, with the paper's cutoff and number of neighbours."""

    def build(
        structures: Sequence[Structure], ion: str, cutoff_A: float = 8.0, max_neighbors: int = 12
    ) -> Graphs:
        table = pd.DataFrame([to_columns(structure) for structure in structures])
        return build_graphs(table, [ion] * len(structures), cutoff_A, max_neighbors)

    return build


@pytest.fixture(scope="session")
def untrained_member() -> Member:
    """Random weights, but batch-norm statistics far from the defaults, as after training."""
    architecture = Architecture(8.0, 12, atom_features=16, convolutions=3, hidden_features=16)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = architecture.network()
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
    return Member(network, architecture, mean_V=3.0, scale_V=1.0, seen_numbers=frozenset(range(1, 104)))


METAL_VOLTAGES_V = {"Ti": 1.5, "V": 2.2, "Cr": 2.9, "Mn": 3.4, "Fe": 3.0, "Co": 3.9, "Ni": 4.2}
ANION_SHIFTS_V = {"O": 0.0, "S": -1.0, "F": 0.8}
ION_SHIFTS_V = {"Li": 0.0, "Na": -0.3, "Mg": -0.7}


@pytest.fixture(scope="session")
def synthetic_table() -> pd.DataFrame:
    """Rocksalt-like A M X2 electrodes; the voltage is a sum of what the metal, anion and ion give."""
    rows = []
    random = np.random.default_rng(11)
    for ion, ion_V in ION_SHIFTS_V.items():
        for metal, metal_V in METAL_VOLTAGES_V.items():
            for anion, anion_V in ANION_SHIFTS_V.items():
                structure = Structure(
                    Lattice.tetragonal(3.0 + random.uniform(0, 0.3), 4.2 + random.uniform(0, 0.3)),
                    [ion, metal, anion, anion],
                    [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0, 0, 0.5]],
                )
                rows.append(
                    {
                        "electrode_id": f"{ion}{metal}{anion}",
                        "material_id": f"m-{ion}{metal}{anion}",
                        "source": "synthetic",
                        "licence": "MIT",
                        "label_kind": "synthetic",
                        "working_ion": ion,
                        "formula": f"{ion}{metal}{anion}2",
                        "framework": f"{metal}{anion}2",
                        "voltage_V": metal_V + anion_V + ion_V,
                        "x_charged": 0.0,
                        "n_steps": 1,
                        "step_voltage_V": [],
                        "step_x": [],
                        **to_columns(structure),
                    }
                )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def synthetic_electrodes(synthetic_table) -> Electrodes:
    return Electrodes.from_table(synthetic_table, cutoff_A=8.0, max_neighbors=12, digest="synthetic")

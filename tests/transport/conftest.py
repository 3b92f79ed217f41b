"""Cheap physics for the transport tests: a Lennard-Jones calculator and crystals to run it on."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from vesin import NeighborList

from ionsieve.transport.protocol import Protocol


class LennardJones(Calculator):
    """Argon for all elements, shifted to zero at the cutoff; vectorised, so that MD takes seconds."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]
    epsilon_eV, sigma_A, cutoff_A = 0.0104, 3.4, 8.5

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        first, second, distance, vector = NeighborList(cutoff=self.cutoff_A, full_list=False).compute(
            points=self.atoms.positions, box=self.atoms.cell.array, periodic=True, quantities="ijdD"
        )
        sixth, cut = (self.sigma_A / distance) ** 6, (self.sigma_A / self.cutoff_A) ** 6
        energy = 4 * self.epsilon_eV * ((sixth**2 - sixth) - (cut**2 - cut))
        pull = (-24 * self.epsilon_eV * (2 * sixth**2 - sixth) / distance**2)[:, None] * vector
        forces = np.zeros_like(self.atoms.positions)
        np.add.at(forces, first, pull)
        np.add.at(forces, second, -pull)
        virial = -vector.T @ pull
        stress = -virial / self.atoms.get_volume()
        self.results = {
            "energy": float(energy.sum()),
            "forces": forces,
            "stress": stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }


@pytest.fixture(scope="session")
def lennard_jones() -> type[LennardJones]:
    """The calculator's class."""
    return LennardJones


@pytest.fixture
def argon() -> Callable[[int], Atoms]:
    """Solid argon of n^3 cubic cells in which every ninth atom bears the name of calcium, as heavy."""

    def build(repeats: int) -> Atoms:
        atoms = bulk("Ar", cubic=True, a=5.3).repeat(repeats)
        atoms.numbers[::9] = 20
        atoms.calc = LennardJones()
        return atoms

    return build


@pytest.fixture
def protocol() -> Callable[..., Protocol]:
    """A short protocol for argon; what a test is about is given by name."""

    def build(**changes: Any) -> Protocol:
        settings: dict[str, Any] = {
            "temperature_K": 50.0,
            "timestep_fs": 5.0,
            "npt_ps": 1.0,
            "nvt_ps": 2.0,
            "thermostat_fs": 100.0,
            "barostat_fs": 500.0,
            "npt_cell": "isotropic",
            "pressure_GPa": 0.0,
            "frame_interval_fs": 50.0,
            "max_temperature_factor": 3.0,
            "max_volume_change": 2.0,
            "max_shape_change": 0.3,
            "min_distance_A": 0.8,
        }
        return Protocol(**(settings | changes))

    return build

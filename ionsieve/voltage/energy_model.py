"""What a universal potential (CHGNet) knows of an electrode: energies, moments and latent vectors.

CHGNet was trained on relaxations of the Materials Project, from whose energies the voltages of its
electrodes follow. It has therefore seen most crystals of a benchmark on those electrodes, held-out
ones too: a model that reads these features is a row of its own, and marked so.

Only the discharged crystal is an input. The host is that crystal without its working ions, relaxed by
a few steps, and the metal is the working ion's own:

    V = [E(host) + n E(metal) - E(discharged)] / (n z)
"""

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from chgnet.model import CHGNet
from chgnet.model.dynamics import CHGNetCalculator
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from ionsieve.electrochemistry import average_voltage
from ionsieve.ions import WORKING_IONS
from ionsieve.structures import to_atoms

# Steps of the host's relaxation. Eight give about nine tenths of what twenty-five give, and a host of
# thirty atoms takes a second.
RELAXATION_STEPS = 8
LARGEST_STEP_A = 0.15
# eV/A^2: the stiffness of a bond in an oxide to start from; ASE's 70 takes steps half as long.
FIRST_CURVATURE = 35.0
CONVERGED_FORCE_EV_PER_A = 0.05
# A host that leaves these bounds has fallen apart; it keeps its energy before the step that did so.
VOLUME_RATIO_BOUNDS = (0.5, 2.0)


class EnergyModel:
    """CHGNet on one CPU thread."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._model = CHGNet.load(use_device="cpu", verbose=False)
        self._calculator = CHGNetCalculator(
            model=self._model, use_device="cpu", on_isolated_atoms="ignore", return_site_energies=True
        )
        self.energy_metal_eV = cache(self._energy_metal_eV)

    def describe(self, row: Mapping[str, Any], working_ion: str) -> dict[str, Any]:
        """Features of one discharged crystal and its host.

        Parameters
        ----------
        row : with the columns numbers, cell, frac_coords.
        working_ion : symbol; the crystal holds it and something else.

        Returns
        -------
        Plain numbers and lists: the columns of :data:`ionsieve.tables.ENERGY_FEATURES` after its keys.
        """
        discharged = to_atoms(row)
        is_ion = discharged.symbols == working_ion
        host = discharged[~is_ion]
        full = self._predict(discharged)
        bare_eV, relaxed, relaxed_eV, force_eV_per_A = self._relax(host)
        empty = self._predict(relaxed)
        n_ions, metal_eV = int(is_ion.sum()), self.energy_metal_eV(working_ion)

        def voltage_V(host_eV: float) -> float:
            return average_voltage(host_eV, metal_eV, full["energy_eV"], n_ions, working_ion)

        return {
            "unrelaxed_voltage_V": voltage_V(bare_eV),
            "relaxed_voltage_V": voltage_V(relaxed_eV),
            "energy_discharged_eV_per_atom": full["energy_eV"] / len(discharged),
            "energy_host_eV_per_atom": relaxed_eV / len(host),
            "largest_force_eV_per_A": force_eV_per_A,
            "volume_ratio": relaxed.get_volume() / host.get_volume(),
            "host_numbers": host.numbers.astype(float).tolist(),
            "moments_discharged_muB": full["moments_muB"][~is_ion].tolist(),
            "moments_host_muB": empty["moments_muB"].tolist(),
            "site_energies_discharged_eV": full["site_energies_eV"][~is_ion].tolist(),
            "site_energies_host_eV": empty["site_energies_eV"].tolist(),
            "ion_site_energy_eV": float(full["site_energies_eV"][is_ion].mean()),
            "latent_ions": full["atom_latents"][is_ion].mean(axis=0).tolist(),
            "latent_discharged": full["crystal_latent"].tolist(),
            "latent_host": empty["crystal_latent"].tolist(),
        }

    def _predict(self, atoms: Atoms) -> dict[str, Any]:
        graph = self._calculator.model.graph_converter(_to_structure(atoms))
        with torch.no_grad():
            result = cast(
                "dict[str, Any]",
                self._model.predict_graph(
                    graph,
                    task="em",
                    return_site_energies=True,
                    return_atom_feas=True,
                    return_crystal_feas=True,
                ),
            )
        return {
            "energy_eV": float(result["e"]) * len(atoms),
            "moments_muB": np.abs(result["m"]),
            "site_energies_eV": result["site_energies"],
            "atom_latents": result["atom_fea"],
            "crystal_latent": result["crystal_fea"],
        }

    def _relax(self, host: Atoms) -> tuple[float, Atoms, float, float]:
        """Energy before; atoms and energy after; largest force left, in eV and eV/A."""
        best = host.copy()
        best.calc = self._calculator
        bare_eV = best_eV = best.get_potential_energy()
        force_eV_per_A = float(np.linalg.norm(best.get_forces(), axis=1).max())
        moving = best.copy()
        moving.calc = self._calculator
        # One atom alone knows no forces, and CHGNet no cell without neighbours.
        if len(host) > 1:
            optimizer = BFGS(
                cast(Atoms, FrechetCellFilter(moving)),
                logfile=None,
                maxstep=LARGEST_STEP_A,
                alpha=FIRST_CURVATURE,
            )
            for _ in optimizer.irun(fmax=CONVERGED_FORCE_EV_PER_A, steps=RELAXATION_STEPS):
                ratio = moving.get_volume() / host.get_volume()
                if not VOLUME_RATIO_BOUNDS[0] < ratio < VOLUME_RATIO_BOUNDS[1]:
                    break
                energy_eV = moving.get_potential_energy()
                if energy_eV <= best_eV:
                    best, best_eV = moving.copy(), energy_eV
                    force_eV_per_A = float(np.linalg.norm(moving.get_forces(), axis=1).max())
        return bare_eV, best, best_eV, force_eV_per_A

    def _energy_metal_eV(self, working_ion: str) -> float:
        """Energy per atom of the working ion's metal, its lattice constant CHGNet's own."""
        ion = WORKING_IONS[working_ion]
        c_A = None if ion.metal_c_over_a is None else ion.metal_a_A * ion.metal_c_over_a
        metal = bulk(ion.symbol, ion.metal_structure, a=ion.metal_a_A, c=c_A)
        metal.calc = self._calculator
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in BFGS(cast(Atoms, FrechetCellFilter(metal)), logfile=None).irun(fmax=1e-3, steps=50):
                pass
        return metal.get_potential_energy() / len(metal)


def _to_structure(atoms: Atoms) -> Structure:
    return AseAtomsAdaptor.get_structure(atoms)

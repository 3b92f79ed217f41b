"""Voltage against content of one host, from the energies of its states (pymatgen's InsertionElectrode)."""

from collections.abc import Sequence
from typing import cast

from pymatgen.apps.battery.insertion_battery import InsertionElectrode, InsertionVoltagePair
from pymatgen.core import Composition, Structure
from pymatgen.entries.computed_entries import ComputedEntry, ComputedStructureEntry


def voltage_steps(
    states: Sequence[tuple[Structure, float]], energy_metal_eV: float, working_ion: str
) -> list[dict[str, float]]:
    """Steps between the states on the convex hull of one host, from charged to discharged.

    Parameters
    ----------
    states : cell and its energy in eV: the charged and the discharged one, and any between.
    energy_metal_eV : per atom.

    Returns
    -------
    For each step ``voltage_V`` and the content of the ion at its ends, ``content_low`` and
    ``content_high``, 1 in the discharged state. States above the hull make no step of their own.
    """
    entries = [
        ComputedStructureEntry(cell, energy_eV, entry_id=str(k)) for k, (cell, energy_eV) in enumerate(states)
    ]
    metal = ComputedEntry(Composition({working_ion: 1}), energy_metal_eV)
    electrode = InsertionElectrode.from_entries(entries, metal, strip_structures=True)
    highest = _ions_per_host_atom(electrode.fully_discharged_entry.composition, working_ion)
    steps = [
        {
            "voltage_V": float(step.voltage),
            "content_low": _ions_per_host_atom(step.entry_charge.composition, working_ion) / highest,
            "content_high": _ions_per_host_atom(step.entry_discharge.composition, working_ion) / highest,
        }
        for step in cast(list[InsertionVoltagePair], electrode.voltage_pairs)
    ]
    return sorted(steps, key=lambda step: step["content_low"])


def _ions_per_host_atom(composition: Composition, working_ion: str) -> float:
    return composition[working_ion] / (composition.num_atoms - composition[working_ion])

"""Voltages with D3 and without, from energies of which the D3 term is known.

"Without D3" means: minus that term, in the same cells.
"""

from collections.abc import Mapping
from typing import Any

from ionsieve.electrochemistry import average_voltage
from ionsieve.ions import ion_charge


def voltages(
    discharged: Mapping[str, Any],
    charged: Mapping[str, Any],
    metal: Mapping[str, Any],
    n_ions: int,
    working_ion: str,
) -> dict[str, float]:
    """Average voltages, and what D3 is worth in them.

    Parameters
    ----------
    discharged, charged, metal : ``energy_eV`` of the cell, ``dispersion_eV`` (the part of it that is D3),
        and ``n_atoms``.
    n_ions : working ions that leave the discharged cell.

    Returns
    -------
    ``voltage_V`` with D3 in all three (the paper's), ``voltage_without_d3_V`` with D3 in none,
    ``voltage_without_d3_on_metal_V`` with D3 in the hosts alone (the metal's cohesion is no matter of
    dispersion), and ``d3_on_metal_V``: what D3 on the metal adds to the voltage.
    """

    def voltage(host_d3: bool, metal_d3: bool) -> float:
        def energy(cell: Mapping[str, Any], with_d3: bool) -> float:
            return cell["energy_eV"] - (0.0 if with_d3 else cell["dispersion_eV"])

        return average_voltage(
            energy(charged, host_d3),
            energy(metal, metal_d3) / metal["n_atoms"],
            energy(discharged, host_d3),
            n_ions,
            working_ion,
        )

    return {
        "voltage_V": voltage(True, True),
        "voltage_without_d3_V": voltage(False, False),
        "voltage_without_d3_on_metal_V": voltage(True, False),
        "d3_on_metal_V": metal["dispersion_eV"] / metal["n_atoms"] / ion_charge(working_ion),
    }

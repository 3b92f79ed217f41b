"""Does the charged host last? Its decomposition energy against known phases.

The voltage of a host that falls apart into other phases once its ions are gone is that of a reaction
nobody wants. Energies must be of one kind: CHGNet was trained on energies with the Materials Project's
2020 corrections, so its charged host may stand beside entries with those corrections, D3 left out. The
distance holds the potential's error, some tens of meV/atom, and knows no kinetics: many hosts of working
cathodes lie some tens of meV/atom above their hull.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monty.json import MontyDecoder
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.entries.computed_entries import ComputedEntry

from ionsieve.errors import DataError, first_line
from ionsieve.validation.universal_potential import Relaxed


def charged_host_decomposition(charged: Relaxed, entry_files: Sequence[Path | str]) -> dict[str, Any]:
    """What a result file says of the charged host's stability.

    Parameters
    ----------
    charged : the relaxed charged cell.
    entry_files : none, or one file (:func:`read_entries`).

    Returns
    -------
    ``decomposition_energy_eV_per_atom`` above (positive) or below the hull of the other phases,
    ``decomposition_products`` (formula to share of the atoms) and ``hull_reason``, why they are null.
    """
    unknown = {"decomposition_energy_eV_per_atom": None, "decomposition_products": None}
    if not entry_files:
        return {**unknown, "hull_reason": "validation.hull_entries asks for no phases to compare with"}
    host = ComputedEntry(charged.structure.composition, charged.energy_eV)
    entries = [entry for entry in read_entries(entry_files[0]) if set(entry.elements) <= set(host.elements)]
    bare = sorted(
        element.symbol
        for element in host.elements
        if not any(entry.is_element and entry.elements == [element] for entry in entries)
    )
    if bare:
        return {
            **unknown,
            "hull_reason": f"no entry of the element {', '.join(bare)} among validation.hull_entries",
        }
    diagram = PhaseDiagram(entries)
    products, energy_eV_per_atom = diagram.get_decomp_and_e_above_hull(host, allow_negative=True)
    if energy_eV_per_atom is None or products is None:
        return {
            **unknown,
            "hull_reason": "the phases of validation.hull_entries span no hull at this composition",
        }
    return {
        "decomposition_energy_eV_per_atom": float(energy_eV_per_atom),
        "decomposition_products": {
            entry.composition.reduced_formula: round(float(share), 6) for entry, share in products.items()
        },
        "hull_reason": None,
    }


def read_entries(path: Path | str) -> list[ComputedEntry]:
    """Entries from a JSON list, as ``monty.serialization.dumpfn`` writes what MPRester returns.

    Raises
    ------
    DataError : no such list.
    """
    try:
        entries = json.loads(Path(path).read_text(), cls=MontyDecoder)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no JSON list of pymatgen entries: {first_line(error)}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, ComputedEntry) for entry in entries):
        raise DataError(
            f"{path} holds something else than a list of pymatgen ComputedEntry: write it with"
            " monty.serialization.dumpfn(MPRester().get_entries_in_chemsys(...), path)"
        )
    return entries

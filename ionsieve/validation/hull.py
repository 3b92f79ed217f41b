"""Does the charged host last? Its decomposition energy against known phases.

The voltage of a host that falls apart into other phases once its ions are gone is that of a reaction
nobody wants. Energies must be of one kind: CHGNet was trained on energies with the Materials Project's
2020 corrections, so its charged host may stand beside entries with those corrections, D3 left out; no other
potential's may. The distance holds the potential's error, some tens of meV/atom, and knows no kinetics: many
hosts of working cathodes lie some tens of meV/atom above their hull.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monty.json import MontyDecoder
from pymatgen.analysis.phase_diagram import PhaseDiagram
from pymatgen.entries.computed_entries import ComputedEntry

from ionsieve.errors import DataError, first_line
from ionsieve.potential.by_name import CHGNET
from ionsieve.structures import composition_of

_HOW_TO_WRITE = (
    "; validation.hull_entries names a JSON list of pymatgen ComputedEntry: write it with"
    " monty.serialization.dumpfn(MPRester().get_entries_in_chemsys(...), path)"
)


def charged_host_decomposition(
    relaxed: Mapping[str, Any], entry_files: Sequence[Path | str]
) -> dict[str, Any]:
    """The charged host's stability.

    Parameters
    ----------
    relaxed : result of the universal potential that is ok: provenance, and the charged cell with its energy.
    entry_files : none, or one file (:func:`read_entries`).

    Returns
    -------
    ``decomposition_energy_eV_per_atom`` above (positive) or below the hull of the other phases,
    ``decomposition_products`` (formula to share of the atoms) and ``hull_reason``, why they are null.

    Raises
    ------
    DataError : the file holds no entries.
    """
    if not entry_files:
        return _unknown("validation.hull_entries asks for no phases to compare with")
    if (calculator := relaxed["provenance"]["calculator"]) != CHGNET:
        return _unknown(
            f"energies of {calculator} may not be compared with validation.hull_entries: only those of"
            f" {CHGNET} (validation.universal_potential) carry the Materials Project's corrections like these"
        )
    cell = relaxed["cells"]["charged"]
    host = ComputedEntry(composition_of(cell["numbers"]), cell["energy_eV"])
    entries = [entry for entry in read_entries(entry_files[0]) if set(entry.elements) <= set(host.elements)]
    bare = sorted(
        element.symbol
        for element in host.elements
        if not any(entry.is_element and entry.elements == [element] for entry in entries)
    )
    if bare:
        return _unknown(f"no entry of the element {', '.join(bare)} among validation.hull_entries")
    diagram = PhaseDiagram(entries)
    products, energy_eV_per_atom = diagram.get_decomp_and_e_above_hull(host, allow_negative=True)
    if energy_eV_per_atom is None or products is None:
        return _unknown("the phases of validation.hull_entries span no hull at this composition")
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
    DataError : no such list, or one of its members is no entry with an energy.
    """
    try:
        documents = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no JSON: {first_line(error)}{_HOW_TO_WRITE}") from error
    if not isinstance(documents, list):
        raise DataError(f"{path} holds a {type(documents).__name__}, not a list{_HOW_TO_WRITE}")
    return [
        _entry(document, f"{path}, member {number} of {len(documents)}")
        for number, document in enumerate(documents, start=1)
    ]


def _entry(document: Any, where: str) -> ComputedEntry:
    try:
        entry = MontyDecoder().process_decoded(document)
        is_finite = isinstance(entry, ComputedEntry) and math.isfinite(entry.energy_per_atom)
    except Exception as error:  # whatever pymatgen raises at a dictionary that is almost an entry
        raise DataError(
            f"{where}, is no pymatgen ComputedEntry ({type(error).__name__}: {first_line(error)})"
            f"{_HOW_TO_WRITE}"
        ) from error
    if not isinstance(entry, ComputedEntry):
        raise DataError(f"{where}, is a {type(entry).__name__}, no pymatgen ComputedEntry{_HOW_TO_WRITE}")
    if not is_finite:
        raise DataError(
            f"{where}, {entry.composition.reduced_formula}, has no finite energy: mend it, or take it out"
        )
    return entry


def _unknown(reason: str) -> dict[str, Any]:
    return {
        "decomposition_energy_eV_per_atom": None,
        "decomposition_products": None,
        "hull_reason": reason,
    }

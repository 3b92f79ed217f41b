"""The `materials_project` source: insertion electrodes with DFT voltages, and candidates near the hull.

Asked through the real ``mp-api`` client, page by page; see :mod:`.client` for what is checked and retried,
:mod:`.pages` for how a broken pull goes on, :mod:`.documents` for what is read of each document.
"""

import importlib.metadata
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ionsieve import structures
from ionsieve.data import calculated
from ionsieve.data.materials_project.documents import LICENCES, Row
from ionsieve.data.materials_project.release import BATCH_IDS, Release
from ionsieve.data.records import Pulled, Record, Reject, check_candidate, check_electrode
from ionsieve.data.steps import voltage_steps
from ionsieve.electrochemistry import framework_formula

logger = logging.getLogger(__name__)

SOURCE = "materials_project"
CITE = "Jain et al., APL Materials 1, 011002 (2013), doi:10.1063/1.4812323"
CITE_GNOME = "Merchant et al., Nature 624, 80 (2023), doi:10.1038/s41586-023-06735-9"
NON_COMMERCIAL = LICENCES["BY-NC"]
# Ion content of a structure against that of its electrode, in ions per atom: rounding, not chemistry.
SAME_CONTENT = 1e-3


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is asked of the Materials Project.

    Attributes
    ----------
    working_ion : the ion of the candidates.
    ions : working ions whose electrodes are pulled.
    thermo_type : whose convex hull distances refer to.
    max_energy_above_hull_eV_per_atom : candidates further above the hull are not taken.
    include_gnome : take entries that stem from GNoME too, CC BY-NC 4.0. The server shows them only to
        accounts that accepted their terms.
    """

    working_ion: str
    ions: Sequence[str]
    thermo_type: str
    max_energy_above_hull_eV_per_atom: float
    include_gnome: bool


def pull(query: Query, cache: Path) -> Pulled:
    """What the Materials Project holds now; rows come in the order of their ids.

    Parameters
    ----------
    query : what is asked.
    cache : folder that keeps pages until the pull is complete.

    Raises
    ------
    SourceError : no key, or the server refuses it; the streams raise it for what goes wrong later.
    """
    release = Release(cache)
    provenance: dict[str, Any] = {
        "source": SOURCE,
        "version": release.version,
        "licences": [],
        "cite": [CITE, CITE_GNOME] if query.include_gnome else [CITE],
        "client": f"mp-api {importlib.metadata.version('mp-api')}",
        "query": {**asdict(query), "ions": sorted(query.ions)},
    }
    return Pulled(
        _noting_licences(_electrodes(release, query), provenance),
        _noting_licences(_candidates(release, query, provenance), provenance),
        provenance,
    )


def _noting_licences(records: Iterator[Record], provenance: dict[str, Any]) -> Iterator[Record]:
    for record in records:
        if not isinstance(record, Reject) and record["licence"] not in provenance["licences"]:
            provenance["licences"] = sorted([*provenance["licences"], record["licence"]])
        yield record


def _electrodes(release: Release, query: Query) -> Iterator[Record]:
    usable: list[Row] = []
    for ion in sorted(set(query.ions)):
        for row in release.electrodes(ion):
            if "reason" in row:
                yield Reject(row["id"], SOURCE, "electrodes", row["reason"])
            else:
                usable.append(row)
    # One electrode may be stated for several functionals: the one of the candidates' hull goes first.
    usable.sort(
        key=lambda row: (row["id"], row["thermo_type"] != query.thermo_type, row["thermo_type"] or "")
    )
    kept: list[Row] = []
    for row in usable:
        if kept and kept[-1]["id"] == row["id"]:
            label = kept[-1]["thermo_type"]
            yield Reject(row["id"], SOURCE, "electrodes", f"the same electrode is kept as {label} states it")
        else:
            kept.append(row)
    for start in range(0, len(kept), BATCH_IDS):
        batch = kept[start : start + BATCH_IDS]
        found = {
            crystal["id"]: crystal
            for crystal in release.crystals(
                f"discharged structures, electrodes {start + 1} to {start + len(batch)} of {len(kept)}",
                sorted({row["material_id"] for row in batch}),
                include_gnome=query.include_gnome,
                deprecated_too=True,
            )
        }
        for row in batch:
            yield _electrode(row, found[row["material_id"]], query.include_gnome)


def _electrode(electrode: Row, crystal: Row, include_gnome: bool) -> Record:
    def rejected(reason: str) -> Reject:
        return Reject(electrode["id"], SOURCE, "electrodes", reason)

    fault = _fault(crystal, include_gnome)
    if fault:
        return rejected(f"discharged structure {crystal['id']}: {fault}")
    ion = electrode["working_ion"]
    composition = structures.composition_of(crystal["numbers"])
    charged, discharged = electrode["fraction_charged"], electrode["fraction_discharged"]
    if not 0 <= charged < discharged < 1:
        return rejected(f"ion content {charged} when charged, {discharged} when discharged, per atom")
    content = composition.get_atomic_fraction(ion)
    if abs(content - discharged) > SAME_CONTENT:
        return rejected(
            f"discharged structure {crystal['id']} holds {content:.3f} {ion} per atom, not {discharged:.3f}"
        )
    step_voltage_V, step_x = voltage_steps(electrode["pairs"])
    row = {
        "electrode_id": electrode["id"],
        "material_id": electrode["material_id"],
        "source": SOURCE,
        "licence": crystal["licence"],
        "label_kind": _label_kind(electrode["thermo_type"]),
        "working_ion": ion,
        "formula": composition.reduced_formula,
        "framework": framework_formula(composition, ion),
        "voltage_V": electrode["voltage_V"],
        "x_charged": charged / (1 - charged) * (1 - discharged) / discharged,
        "n_steps": electrode["n_steps"],
        "step_voltage_V": step_voltage_V,
        "step_x": step_x,
        **_columns(crystal),
        calculated.KEY: electrode[calculated.KEY],
    }
    return check_electrode(row)


def _label_kind(thermo_type: str | None) -> str:
    return f"DFT (Materials Project, {thermo_type})" if thermo_type else "DFT (Materials Project)"


def _candidates(release: Release, query: Query, provenance: dict[str, Any]) -> Iterator[Record]:
    ids: list[str] = []
    for row in release.materials(query.working_ion, query.include_gnome):
        if "reason" in row:
            yield Reject(row["id"], SOURCE, "candidates", row["reason"])
        else:
            ids.append(row["id"])
    ids.sort()
    hull_eV_per_atom = {
        row["id"]: row.get("energy_above_hull_eV_per_atom")
        for row in release.hull_distances(ids, query.thermo_type)
    }
    near: list[str] = []
    above_hull = 0
    for material_id in ids:
        distance = hull_eV_per_atom.get(material_id)
        if distance is None:
            reason = f"no distance from the {query.thermo_type} hull"
            yield Reject(material_id, SOURCE, "candidates", reason)
        elif distance <= query.max_energy_above_hull_eV_per_atom:
            near.append(material_id)
        else:
            above_hull += 1
    provenance |= {"listed": len(ids), "above_hull": above_hull}
    for crystal in release.crystals(
        "candidates", near, include_gnome=query.include_gnome, deprecated_too=False
    ):
        yield _candidate(crystal, hull_eV_per_atom[crystal["id"]], query)
    release.check_still_current()
    if query.include_gnome and NON_COMMERCIAL not in provenance["licences"]:
        logger.warning(
            "no GNoME entry came: the Materials Project shows them only to accounts that accepted their "
            "terms (https://next-gen.materialsproject.org/about/terms)"
        )


def _candidate(crystal: Row, energy_above_hull_eV_per_atom: float | None, query: Query) -> Record:
    fault = _fault(crystal, query.include_gnome)
    if fault:
        return Reject(crystal["id"], SOURCE, "candidates", fault)
    row = {
        "material_id": crystal["id"],
        "source": SOURCE,
        "licence": crystal["licence"],
        "energy_above_hull_eV_per_atom": energy_above_hull_eV_per_atom,
        "hull_reference": f"Materials Project ({query.thermo_type})",
        **_columns(crystal),
    }
    return check_candidate(row, query.working_ion)


def _fault(crystal: Row, include_gnome: bool) -> str | None:
    if "reason" in crystal:
        return str(crystal["reason"])
    if crystal["licence"] == NON_COMMERCIAL and not include_gnome:
        return f"{NON_COMMERCIAL}, non-commercial; set data.materials_project.include_gnome to take it"
    return None


def _columns(crystal: Row) -> dict[str, Any]:
    return {name: crystal[name] for name in ("numbers", "cell", "frac_coords")}

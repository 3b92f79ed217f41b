"""Making the demo set: relax every decorated prototype, judge it, write the tables.

A raw record is what CHGNet gave for one decoration, as plain JSON; it is made in parallel, shard by
shard. Tables are made from all raw records and the metals' energies, without CHGNet.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import spglib
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list
from tqdm import tqdm

from ionsieve.artifacts import write_json, write_text
from ionsieve.data.demo import LABEL_KIND, LICENCE, RECORDS, SOURCE, load_records
from ionsieve.data.demo.decoration import FAST_CONTROLS, FROZEN_CONTROLS, Decoration, decorations
from ionsieve.data.demo.prototypes import PROTOTYPES, build
from ionsieve.data.demo.relaxation import MAX_FORCE_EV_PER_A, MAX_STEPS, relax
from ionsieve.electrochemistry import average_voltage
from ionsieve.errors import CandidateFailed, DataError
from ionsieve.structures import to_columns
from ionsieve.tables import CANDIDATES, ELECTRODES, read_table, write_table

# A relaxed crystal outside these bounds is no longer the host it started as.
NEAREST_NEIGHBOUR_A = (1.0, 3.9)  # of every atom: C-N 1.15 is the shortest, K in a cyanide cage 3.7
VOLUME_RATIO_TO_START = (0.6, 1.7)
VOLUME_RATIO_CHARGED = (0.6, 1.5)
VOLTAGE_V = (-1.0, 7.0)

SPACE_GROUP_TOLERANCE_A = 0.01
MAX_SHARE_KEPT_ONCE = 0.02


def raw_record(decoration: Decoration, calculator: Calculator) -> dict[str, Any]:
    """Relax one decoration (an electrode also without its ions); failures are kept as ``reason``."""
    start = build(PROTOTYPES[decoration.prototype], decoration.elements)
    record: dict[str, Any] = {"record_id": decoration.record_id, "reason": None}
    try:
        discharged = relax(start, calculator)
        _require_intact(discharged.atoms)
        _require_ratio(discharged.atoms, start, VOLUME_RATIO_TO_START, "relaxed to starting volume")
        record |= {
            **to_columns(discharged.atoms),
            "space_group": _space_group(discharged.atoms),
            "energy_discharged_eV": discharged.energy_eV,
            "volume_discharged_A3": discharged.atoms.get_volume(),
            "steps_discharged": discharged.steps,
        }
        if decoration.role == "electrode":
            host = discharged.atoms[discharged.atoms.numbers != atomic_numbers[decoration.working_ion]]
            charged = relax(host, calculator)
            record |= {
                "energy_charged_eV": charged.energy_eV,
                "volume_charged_A3": charged.atoms.get_volume(),
                "steps_charged": charged.steps,
            }
            _require_intact(charged.atoms)
            _require_ratio(
                charged.atoms, discharged.atoms, VOLUME_RATIO_CHARGED, "charged to discharged volume"
            )
    except CandidateFailed as failure:
        record["reason"] = failure.reason
    return record


def shard_of(shard: int, shards: int) -> list[Decoration]:
    """Every ``shards``-th decoration, beginning with number ``shard`` (from 0)."""
    return list(decorations()[shard::shards])


def write_shard(decorated: Sequence[Decoration], calculator: Calculator, path: Path | str) -> None:
    """Relax decorations and write their raw records as JSON Lines."""
    records = [raw_record(decoration, calculator) for decoration in tqdm(decorated, disable=None)]
    write_text(path, "".join(json.dumps(record, sort_keys=True) + "\n" for record in records))


def read_shards(paths: Iterable[Path | str]) -> dict[str, dict[str, Any]]:
    """Raw records of all shards by ``record_id``.

    Raises
    ------
    DataError : a decoration has no record, or a record no decoration.
    """
    records = [json.loads(line) for path in paths for line in Path(path).read_text().splitlines()]
    raw = {record["record_id"]: record for record in records}
    differing = raw.keys() ^ {decoration.record_id for decoration in decorations()}
    if differing:
        raise DataError(
            f"shards and the list of decorations differ in {len(differing)} records, such as "
            f"{sorted(differing)[:3]}; remove results/demo_dataset and run again"
        )
    return raw


def write_tables(
    raw: Mapping[str, Mapping[str, Any]], metals_eV: Mapping[str, float], folder: Path | str
) -> None:
    """Write electrodes, candidates, records and provenance.json of the raw records into a folder.

    Parameters
    ----------
    raw : raw records by id, as of :func:`read_shards`.
    metals_eV : energy per atom of each working ion's metal.
    folder : gets electrodes.parquet, candidates.parquet, records.parquet, provenance.json.

    Raises
    ------
    DataError : a framework is among the electrodes and the candidates, or a control was lost.
    """
    judged = [
        _judge(decoration, raw[decoration.record_id], metals_eV)
        for decoration in sorted(decorations(), key=lambda decoration: decoration.record_id)
        if decoration.record_id in raw
    ]
    kept = [record for record in judged if record["reason"] is None]
    electrodes = [_electrode(record) for record in kept if record["role"] == "electrode"]
    candidates = [_candidate(record) for record in kept if record["role"] == "candidate"]
    _require_held_out(kept)
    folder = Path(folder)
    write_table(electrodes, ELECTRODES, folder / "electrodes.parquet")
    write_table(candidates, CANDIDATES, folder / "candidates.parquet")
    relaxed = [record for record in judged if "energy_discharged_eV" in record]
    write_table(pd.DataFrame(relaxed).reindex(columns=RECORDS.names), RECORDS, folder / "records.parquet")
    write_json(folder / "provenance.json", _provenance(judged, metals_eV))


def largest_difference_eV_per_atom(records: pd.DataFrame, others: pd.DataFrame) -> float:
    """Largest energy difference per atom between two makings of the set, over discharged and charged.

    Both have the columns of :data:`ionsieve.data.demo.RECORDS`; what both kept is compared.
    """
    kept, kept_in_other = (_kept(frame) for frame in (records, others))
    kept, kept_in_other = kept.align(kept_in_other, join="inner", axis="index")
    discharged = (kept["energy_discharged_eV"] - kept_in_other["energy_discharged_eV"]) / kept["n_atoms"]
    n_host = kept["n_atoms"] - kept["n_ions"]
    charged = (kept["energy_charged_eV"] - kept_in_other["energy_charged_eV"]) / n_host
    return float(np.nanmax(np.abs(np.concatenate([discharged, charged]))))


def compare_with_shipped(records: Path | str, tolerance_meV_per_atom: float, path: Path | str) -> None:
    """Write how far a remade ``records.parquet`` is from the shipped one, as JSON.

    Raises
    ------
    DataError : energies further apart than the tolerance, or more than MAX_SHARE_KEPT_ONCE of the
        records kept in one making only (a few sit at the edge of convergence).
    """
    remade, shipped = read_table(records, RECORDS), load_records()
    difference_meV = 1000 * largest_difference_eV_per_atom(remade, shipped)
    kept_once = sorted(set(_kept(remade).index) ^ set(_kept(shipped).index))
    mend = "compare the versions in provenance.json with those installed"
    if difference_meV > tolerance_meV_per_atom:
        raise DataError(
            f"the remade demo set differs by {difference_meV:.1f} meV/atom from the shipped one, allowed are "
            f"{tolerance_meV_per_atom}; {mend}"
        )
    if len(kept_once) > MAX_SHARE_KEPT_ONCE * len(shipped):
        raise DataError(
            f"{len(kept_once)} records are kept in one making of the demo set only, such as {kept_once[:3]}; "
            f"allowed are {MAX_SHARE_KEPT_ONCE:.0%}; {mend}"
        )
    write_json(
        path,
        {
            "largest_difference_meV_per_atom": difference_meV,
            "tolerance_meV_per_atom": tolerance_meV_per_atom,
            "records": len(remade),
            "kept_in_one_making_only": kept_once,
        },
    )


def _kept(records: pd.DataFrame) -> pd.DataFrame:
    return records[records["reason"].isna()].set_index("record_id")


def working_ions() -> list[str]:
    """The working ions of the set, whose metals the voltages refer to."""
    return sorted({decoration.working_ion for decoration in decorations()})


def _judge(decoration: Decoration, raw: Mapping[str, Any], metals_eV: Mapping[str, float]) -> dict[str, Any]:
    """A raw record with its identity and voltage; ``reason`` is set where the voltage is absurd."""
    ion, composition = decoration.working_ion, decoration.composition
    record = {
        **raw,
        "role": decoration.role,
        "prototype": decoration.prototype,
        "working_ion": ion,
        "formula": composition.reduced_formula,
        "framework": decoration.framework,
        "n_atoms": int(composition.num_atoms),
        "n_ions": int(composition[ion]),
    }
    if raw.get("energy_charged_eV") is not None:
        voltage_V = average_voltage(
            raw["energy_charged_eV"], metals_eV[ion], raw["energy_discharged_eV"], record["n_ions"], ion
        )
        record["voltage_V"] = voltage_V
        if record["reason"] is None and not VOLTAGE_V[0] <= voltage_V <= VOLTAGE_V[1]:
            record["reason"] = f"voltage {voltage_V:.2f} V is outside {VOLTAGE_V}"
    return record


def _electrode(record: Mapping[str, Any]) -> dict[str, Any]:
    same = ("working_ion", "formula", "framework", "voltage_V", "numbers", "cell", "frac_coords")
    return {
        "electrode_id": record["record_id"],
        "material_id": record["record_id"],
        "source": SOURCE,
        "licence": LICENCE,
        "label_kind": LABEL_KIND,
        "x_charged": 0.0,
        "n_steps": 1,
        "step_voltage_V": [record["voltage_V"]],
        "step_x": [0.0, 1.0],
        **{column: record[column] for column in same},
    }


def _candidate(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "material_id": record["record_id"],
        "source": SOURCE,
        "licence": LICENCE,
        "energy_above_hull_eV_per_atom": None,
        "hull_reference": None,
        **{column: record[column] for column in ("formula", "numbers", "cell", "frac_coords")},
    }


def _require_held_out(kept: Sequence[Mapping[str, Any]]) -> None:
    frameworks = {
        role: {record["framework"] for record in kept if record["role"] == role}
        for role in ("electrode", "candidate")
    }
    shared = frameworks["electrode"] & frameworks["candidate"]
    if shared:
        raise DataError(f"frameworks among both electrodes and candidates: {sorted(shared)}")


def _provenance(judged: Sequence[Mapping[str, Any]], metals_eV: Mapping[str, float]) -> dict[str, Any]:
    kept = [record for record in judged if record["reason"] is None]
    return {
        "label_kind": LABEL_KIND,
        "licence": LICENCE,
        "note": "CHGNet learned from Materials Project calculations: labels and structures carry them.",
        "versions": {package: version(package) for package in ("chgnet", "ase", "torch", "spglib")},
        "max_force_eV_per_A": MAX_FORCE_EV_PER_A,
        "max_steps": MAX_STEPS,
        "metal_energies_eV_per_atom": dict(metals_eV),
        "electrodes": sum(record["role"] == "electrode" for record in kept),
        "electrodes_by_ion": dict(Counter(r["working_ion"] for r in kept if r["role"] == "electrode")),
        "candidates": sum(record["role"] == "candidate" for record in kept),
        "fast_controls": list(FAST_CONTROLS),
        "frozen_controls": list(FROZEN_CONTROLS),
        "set_aside": {
            record["record_id"]: record["reason"] for record in judged if record["reason"] is not None
        },
    }


def nearest_neighbours_A(atoms: Atoms) -> np.ndarray:
    """Distance of each atom to its nearest neighbour, images included, shape (atoms,), in angstrom."""
    first, distances = neighbor_list("id", atoms, 2 * NEAREST_NEIGHBOUR_A[1])
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, first, distances)
    return nearest


def _require_intact(atoms: Atoms) -> None:
    nearest = nearest_neighbours_A(atoms)
    shortest, longest = float(nearest.min()), float(nearest.max())
    if shortest < NEAREST_NEIGHBOUR_A[0] or longest > NEAREST_NEIGHBOUR_A[1]:
        raise CandidateFailed(
            f"nearest neighbours at {shortest:.2f} to {longest:.2f} A, allowed {NEAREST_NEIGHBOUR_A}"
        )


def _require_ratio(atoms: Atoms, other: Atoms, allowed: tuple[float, float], name: str) -> None:
    ratio = atoms.get_volume() / other.get_volume()
    if not allowed[0] <= ratio <= allowed[1]:
        raise CandidateFailed(f"{name}: {ratio:.2f}, allowed {allowed}")


def _space_group(atoms: Atoms) -> int:
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=SPACE_GROUP_TOLERANCE_A)
    if dataset is None:
        raise CandidateFailed("spglib finds no space group")
    return int(dataset.number)

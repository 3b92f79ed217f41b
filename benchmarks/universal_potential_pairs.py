"""Voltages of a universal potential on real pairs of the Materials Project, against its DFT voltages.

    python benchmarks/universal_potential_pairs.py compute --data ../shared/data/materials_project --out DIR
    python benchmarks/universal_potential_pairs.py report --out DIR

Pairs that give up all their ions, each in two ways: *static*, energies on the database's own two relaxed
geometries, and *relaxed*, what a user gets, discharged and charged cell relaxed, the charged one from the
discharged minus its ions. ``compute`` writes one file per pair, so that it can be stopped and goes on where
it was; any prefix of its order holds the ions in their shares. ``report`` reads what is there.

CHGNet was trained on relaxations of the Materials Project: it has seen most of these crystals.
"""

import argparse
import gzip
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure
from sklearn.linear_model import HuberRegressor

from ionsieve.artifacts import read_json, write_json
from ionsieve.electrochemistry import FIXED_OXIDATION_STATE, average_voltage, framework_formula
from ionsieve.errors import CandidateFailed
from ionsieve.ions import WORKING_IONS
from ionsieve.potential.by_name import calculator_by_name
from ionsieve.validation.pair import intercalation_pair
from ionsieve.validation.universal_potential import relax_pair, static_energy
from ionsieve.voltage.splits import framework_folds

N_FOLDS = 5
# Weight of the squared coefficients of a correction.
SHRINKAGE = 1.0


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Documents of a gzipped JSON Lines file."""
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


def full_extractions(data: Path) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Electrodes whose charged crystal has no working ion left, and all crystals by id."""
    electrodes = list(read_lines(data / "insertion_electrodes.jsonl.gz"))
    wanted = {electrode[key] for electrode in electrodes for key in ("id_charge", "id_discharge")}
    crystals = {
        crystal["id"]: crystal
        for crystal in read_lines(data / "structures.jsonl.gz")
        if crystal["id"] in wanted
    }
    return [
        electrode
        for electrode in electrodes
        if {electrode["id_charge"], electrode["id_discharge"]} <= crystals.keys()
        and electrode["working_ion"] in WORKING_IONS
        and electrode["working_ion"] not in crystals[electrode["id_charge"]]["species"]
    ], crystals


def stratified(electrodes: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """All electrodes in an order whose every prefix holds each ion in its share."""
    random = np.random.default_rng(seed)
    place = np.empty(len(electrodes))
    ions = np.array([electrode["working_ion"] for electrode in electrodes])
    for ion in sorted(set(ions)):
        rows = np.flatnonzero(ions == ion)
        place[random.permutation(rows)] = (np.arange(len(rows)) + random.random()) / len(rows)
    return [electrodes[row] for row in np.argsort(place, kind="stable")]


def to_structure(crystal: dict[str, Any]) -> Structure:
    """A record of structures.jsonl.gz."""
    return Structure(
        Lattice.from_parameters(*crystal["cell"]),
        crystal["species"],
        np.array(crystal["xyz"]).reshape(-1, 3),
    )


def compute_pair(
    electrode: dict[str, Any], discharged: Structure, charged: Structure, calculator: Any
) -> dict[str, Any]:
    """Both voltages of one pair."""
    start_s = time.process_time()
    ion = electrode["working_ion"]
    pair = intercalation_pair(discharged, ion)
    relaxed = relax_pair(pair, calculator)
    relaxed_s = time.process_time() - start_s
    cells = len(pair.charged) / len(charged)  # of MP's charged cell in the host of the discharged one
    static_V = average_voltage(
        cells * static_energy(charged, calculator),
        relaxed.energy_metal_eV,
        static_energy(discharged, calculator),
        pair.n_ions,
        ion,
    )
    states = {"discharged": relaxed.discharged, "charged": relaxed.charged}
    return {
        "n_sites": len(discharged),
        "framework": framework_formula(discharged.composition, ion),
        "host": {element.symbol: amount for element, amount in pair.charged.composition.items()},
        "static_V": static_V,
        "relaxed_V": relaxed.voltage_V,
        "volume_change_mp": cells * charged.volume / discharged.volume - 1,
        "volume_change": relaxed.host.volume_change,
        "broken_bonds": relaxed.host.broken_bonds,
        "same_crystal": relaxed.host.same_crystal,
        "framework_collapsed": relaxed.host.framework_collapsed,
        **{f"steps_{role}": state.n_steps for role, state in states.items()},
        **{f"stopped_by_{role}": state.stopped_by for role, state in states.items()},
        "cpu_s": relaxed_s,
        "failed": None,
    }


def compute(data: Path, out: Path, n_pairs: int, max_sites: int, seed: int) -> None:
    """Compute the first pairs that are not there yet."""
    electrodes, crystals = full_extractions(data)
    small = [
        electrode
        for electrode in electrodes
        if len(crystals[electrode["id_discharge"]]["species"]) <= max_sites
    ]
    print(
        f"{len(electrodes)} pairs of full extraction, {len(small)} with at most {max_sites} sites", flush=True
    )
    calculator = calculator_by_name("chgnet")
    for electrode in stratified(small, seed)[:n_pairs]:
        path = out / f"{electrode['battery_id']}.json"
        if path.exists():
            continue
        label = {
            "working_ion": electrode["working_ion"],
            "label_V": electrode["average_voltage"],
            "seed": seed,
        }
        discharged, charged = (
            to_structure(crystals[electrode[f"id_{end}"]]) for end in ("discharge", "charge")
        )
        try:
            result = compute_pair(electrode, discharged, charged, calculator)
        except CandidateFailed as failure:
            result = {"failed": failure.reason}
        write_json(path, {**label, **result})


def corrected(pairs: list[dict[str, Any]], voltage: str, *, elements: bool) -> np.ndarray:
    """Voltages with a linear model of the error, fitted on the other framework folds; shape (pairs,).

    Huber's loss: a few labels and a few relaxations are wrong by volts, and must not steer the rest.
    """
    computed_V = np.array([pair[voltage] for pair in pairs])
    error_V = np.array([pair["label_V"] for pair in pairs]) - computed_V
    features = correction_features(pairs, computed_V, elements=elements)
    folds = framework_folds([pair["framework"] for pair in pairs], N_FOLDS, seed=0)
    result = computed_V.copy()
    for fold in range(N_FOLDS):
        fitted, held_out = folds != fold, folds == fold
        model = HuberRegressor(epsilon=1.2, alpha=SHRINKAGE, max_iter=1000)
        result[held_out] += model.fit(features[fitted], error_V[fitted]).predict(features[held_out])
    return result


def correction_features(pairs: list[dict[str, Any]], computed_V: np.ndarray, *, elements: bool) -> np.ndarray:
    """The voltage, the ion, and if asked the share of each redox element among the host's atoms."""
    columns = [computed_V - 3.0]
    columns += [np.array([float(pair["working_ion"] == ion) for pair in pairs]) for ion in WORKING_IONS]
    if elements:
        symbols = sorted({symbol for pair in pairs for symbol in pair["host"]} - FIXED_OXIDATION_STATE.keys())
        atoms = np.array([sum(pair["host"].values()) for pair in pairs])
        columns += [np.array([pair["host"].get(symbol, 0.0) for pair in pairs]) / atoms for symbol in symbols]
    return np.stack(columns, axis=1)


def report(out: Path) -> None:
    """Print the tables."""
    documents = [read_json(path) for path in sorted(out.glob("*.json"))]
    pairs = [document for document in documents if document["failed"] is None]
    labels_V = np.array([pair["label_V"] for pair in pairs])
    ions = np.array([pair["working_ion"] for pair in pairs])
    collapsed = np.array([pair["framework_collapsed"] for pair in pairs])
    folds = framework_folds([pair["framework"] for pair in pairs], N_FOLDS, seed=0)
    cpu_s = np.array([pair["cpu_s"] for pair in pairs])
    print(
        f"{len(pairs)} pairs, {len(documents) - len(pairs)} failed, {collapsed.sum()} hosts collapsed;"
        f" CPU seconds per relaxed pair: median {np.median(cpu_s):.1f}, mean {cpu_s.mean():.1f}"
    )
    rows = {}
    for name, voltage in (("static", "static_V"), ("relaxed", "relaxed_V")):
        rows[name] = np.array([pair[voltage] for pair in pairs])
        rows[f"{name}, corrected by ion"] = corrected(pairs, voltage, elements=False)
        rows[f"{name}, corrected by ion and elements"] = corrected(pairs, voltage, elements=True)
    print(
        "| row | MAE | median | bias | MAE, host kept | MAE by fold |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name, voltages_V in rows.items():
        error_V = voltages_V - labels_V
        by_fold = " ".join(f"{np.abs(error_V[folds == fold]).mean():.2f}" for fold in range(N_FOLDS))
        print(
            f"| {name} | {np.abs(error_V).mean():.3f} | {np.median(np.abs(error_V)):.3f} |"
            f" {error_V.mean():+.3f} | {np.abs(error_V[~collapsed]).mean():.3f} | {by_fold} |"
        )
    print("\n| ion | pairs | " + " | ".join(rows) + " |\n|" + " --- |" * (len(rows) + 2))
    for ion in sorted(set(ions), key=lambda symbol: -(ions == symbol).sum()):
        of_ion = ions == ion
        errors = " | ".join(f"{np.abs(v[of_ion] - labels_V[of_ion]).mean():.2f}" for v in rows.values())
        print(f"| {ion} | {of_ion.sum()} | {errors} |")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["compute", "report"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/materials_project"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--max-sites", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.what == "report":
        report(arguments.out)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    compute(arguments.data, arguments.out, arguments.pairs, arguments.max_sites, arguments.seed)


if __name__ == "__main__":
    main()

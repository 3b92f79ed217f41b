"""Runs as the readers of runs meet them: finished, half-way, and two of them to compare."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

from ionsieve import tables
from ionsieve.artifacts import write_json, write_text
from ionsieve.config import Config
from ionsieve.data.buckets import bucket_name, bucket_of
from ionsieve.run.folder import RunFolder
from ionsieve.screen import Thresholds, screen, shortlist
from ionsieve.structures import composition_of, to_columns

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from plausible_run import write_run

THRESHOLDS = {
    "min_voltage_V": 3.0,
    "max_voltage_V": 6.0,
    "min_voltage_probability": None,
    "min_capacity_vol_Ah_per_L": 0.0,
    "min_capacity_grav_mAh_per_g": 0.0,
    "min_redox_capacity_vol_Ah_per_L": 0.0,
    "min_energy_density_Wh_per_kg": 0.0,
    "exclude_elements": ["U"],
}


@pytest.fixture
def finished(tmp_path) -> RunFolder:
    """A made-up run with everything but its crystals and predictions."""
    write_run(tmp_path / "finished" / "results")
    return RunFolder.find(tmp_path / "finished")


def cubic_perovskite(metal: str, a_A: float = 4.0) -> Structure:
    return Structure(
        Lattice.cubic(a_A),
        ["Mg", metal, "F", "F", "F"],
        [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]],
    )


@pytest.fixture
def perovskite() -> Callable[..., Structure]:
    """MgMF3 of a metal and a lattice parameter, with the ion on its A site."""
    return cubic_perovskite


@pytest.fixture
def sieve(tmp_path) -> Callable[..., RunFolder]:
    """A run up to the shortlist: candidates with given voltages through the real funnel."""

    def run(
        name: str,
        voltages_V: dict[str, float],
        *,
        structures: dict[str, Structure] | None = None,
        shards: int = 4,
        thresholds: dict[str, Any] | None = None,
        rejects: tuple[tuple[str, str], ...] = (),
        version: str | None = None,
        model: bytes = b"weights",
        above_hull: dict[str, float] | None = None,
        max_above_hull: float = 0.15,
        max_candidates: int = 4,
    ) -> RunFolder:
        folder = tmp_path / name
        results = folder / "results"
        limits = {**THRESHOLDS, **(thresholds or {})}
        config = Config().model_dump(mode="json")
        config["data"] |= {"shards": shards, "max_energy_above_hull_eV_per_atom": max_above_hull}
        config["data"]["sources"] = ["demo"]
        config["screen"] |= {**limits, "max_candidates": max_candidates, "controls": []}
        write_text(results / "config.yaml", yaml.safe_dump(config))
        rows = [
            _candidate(material_id, (structures or {}).get(material_id), (above_hull or {}).get(material_id))
            for material_id in voltages_V
        ]
        tables.write_table(rows, tables.CANDIDATES, results / "data/raw/demo/candidates.parquet")
        kept = [row for row in rows if (row["energy_above_hull_eV_per_atom"] or 0) <= max_above_hull]
        buckets: list[list[dict]] = [[] for _ in range(shards)]
        for row in kept:
            buckets[bucket_of(row["material_id"], shards)].append(row)
        frames = []
        for number, bucket in enumerate(buckets):
            stem = f"{bucket_name(number)}.parquet"
            predicted = [_prediction(row["material_id"], voltages_V[row["material_id"]]) for row in bucket]
            tables.write_table(bucket, tables.CANDIDATES, results / "data/candidates" / stem)
            tables.write_table(predicted, tables.PREDICTIONS, results / "voltage/predictions" / stem)
            if bucket:
                frames.append((pd.DataFrame(bucket), pd.DataFrame(predicted)))
        screened, _, funnel = screen(frames, "Mg", Thresholds(**limits), [])
        tables.write_table(screened, tables.SCREENED, results / "screen/screened.parquet")
        chosen = shortlist(screened, max_candidates)
        tables.write_table(chosen, tables.SCREENED, results / "screen/shortlist.parquet")
        write_json(results / "screen/funnel.json", funnel)
        lines = [f"{material_id},demo,candidates,{reason}\n" for material_id, reason in rejects]
        write_text(results / "data/rejects.csv", "material_id,source,stage,reason\n" + "".join(lines))
        write_json(
            results / "data/catalogue.json",
            {"sources": {"demo": {"version": version, "cite": []}}, "electrodes": {"count": 9}},
        )
        (results / "voltage/model").mkdir(parents=True)
        (results / "voltage/model/state.pt").write_bytes(model)
        for material_id in chosen["material_id"]:
            crystal = (structures or {}).get(material_id) or cubic_perovskite(material_id.split("-")[1])
            cif = results / "screen/structures" / f"{material_id}.cif"
            write_text(cif, str(CifWriter(crystal)))
        return RunFolder.find(folder)

    return run


def _candidate(material_id: str, structure: Structure | None, above_hull: float | None) -> dict[str, Any]:
    columns = to_columns(structure or cubic_perovskite(material_id.split("-")[1]))
    return {
        "material_id": material_id,
        "source": "demo",
        "licence": "MIT",
        "formula": composition_of(columns["numbers"]).reduced_formula,
        "energy_above_hull_eV_per_atom": above_hull,
        "hull_reference": None if above_hull is None else "Materials Project",
        **columns,
    }


def _prediction(material_id: str, voltage_V: float) -> dict[str, Any]:
    return {
        "material_id": material_id,
        "voltage_V": voltage_V,
        "voltage_low_V": voltage_V - 0.5,
        "voltage_high_V": voltage_V + 0.5,
        "voltage_spread_V": 0.1,
        "voltage_sigma_V": 0.3,
        "distance": 0.2,
        "in_domain": True,
        "known": False,
        "label_voltage_V": None,
        "label_kind": None,
    }

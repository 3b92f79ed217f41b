"""relax_pair and validation_summary as Snakemake calls them, with a calculator that needs no weights."""

import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionsieve import tables
from ionsieve.artifacts import read_json, write_json
from ionsieve.errors import ConfigError

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"
FACES = [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]


class Files(SimpleNamespace):
    def get(self, name: str, default: list) -> object:
        return getattr(self, name, default)


def main_of(script: str) -> Callable[[SimpleNamespace], None]:
    return runpy.run_path(str(SCRIPTS / f"{script}.py"))["main"]


def relax(folder: Path, elements: list[str], calculator: str = "ase.calculators.emt.EMT") -> dict:
    crystal = Structure(Lattice.cubic(3.7), elements, [[0, 0, 0], *FACES])
    crystal.to(filename=str(folder / "x.cif"))
    result = folder / "x" / "universal_potential.json"
    main_of("relax_pair")(
        SimpleNamespace(
            input=Files(structure=str(folder / "x.cif")),
            output=SimpleNamespace(result=str(result)),
            wildcards=SimpleNamespace(material_id="x"),
            params=SimpleNamespace(
                working_ion="Al",
                calculator=calculator,
                calculator_arguments={},
                partial_states=[],
                partial_states_by="electrostatics",
            ),
        )
    )
    return read_json(result)


def summarise(folder: Path) -> pd.DataFrame:
    columns = {name: [None] for name in tables.SCREENED.names}
    text = {
        "material_id",
        "source",
        "licence",
        "formula",
        "framework",
        "role",
        "hull_reference",
        "label_kind",
    }
    flags = {"in_domain", "known", "anion_redox"}
    row = {
        name: "x" if name in text else (True if name in flags else (1 if name == "n_sites" else 1.5))
        for name in columns
    }
    tables.write_table([row], tables.SCREENED, folder / "shortlist.parquet")
    main_of("validation_summary")(
        SimpleNamespace(
            input=Files(
                shortlist=str(folder / "shortlist.parquet"),
                structures=[str(folder / "x.cif")],
                universal_potential=[str(folder / "x/universal_potential.json")],
                hull=[str(path) for path in folder.glob("x/hull.json")],
            ),
            output=SimpleNamespace(table=str(folder / "summary.parquet")),
            params=SimpleNamespace(working_ion="Al"),
        )
    )
    return tables.read_table(folder / "summary.parquet", tables.VALIDATION_SUMMARY)


def test_a_relaxed_pair_ends_in_the_summary_with_its_difference(tmp_path):
    result = relax(tmp_path, ["Al", "Cu", "Cu", "Cu"])
    row = summarise(tmp_path).iloc[0]
    assert (row["tier"], row["status"], row["label_kind"]) == (
        "universal_potential",
        "done",
        "ase.calculators.emt.EMT",
    )
    assert row["computed_voltage_V"] == result["voltage_V"]
    assert row["disagreement_V"] == pytest.approx(result["voltage_V"] - 1.5)


def test_the_charged_hosts_hull_stands_beside_the_voltage_of_the_potential_that_relaxed_it(tmp_path):
    relax(tmp_path, ["Al", "Cu", "Cu", "Cu"])
    write_json(
        tmp_path / "x/hull.json", {"status": "ok", "reason": None, "decomposition_energy_eV_per_atom": 0.02}
    )
    assert summarise(tmp_path).iloc[0]["decomposition_energy_eV_per_atom"] == 0.02


def test_a_changed_crystal_makes_its_result_stale(tmp_path):
    relax(tmp_path, ["Al", "Cu", "Cu", "Cu"])
    write_json(
        tmp_path / "x/hull.json", {"status": "ok", "reason": None, "decomposition_energy_eV_per_atom": 0.02}
    )
    Structure(Lattice.cubic(3.8), ["Al", "Cu", "Cu", "Cu"], [[0, 0, 0], *FACES]).to(
        filename=str(tmp_path / "x.cif")
    )
    row = summarise(tmp_path).iloc[0]
    assert row["status"] == "stale" and pd.isna(row["computed_voltage_V"])
    assert pd.isna(row["decomposition_energy_eV_per_atom"])


def test_the_same_crystal_gives_the_same_bytes(tmp_path):
    relax(tmp_path, ["Al", "Cu", "Cu", "Cu"])
    first = (tmp_path / "x/universal_potential.json").read_bytes()
    relax(tmp_path, ["Al", "Cu", "Cu", "Cu"])
    assert (tmp_path / "x/universal_potential.json").read_bytes() == first


def test_what_the_potential_cannot_compute_is_a_failed_row_with_the_reason(tmp_path):
    assert relax(tmp_path, ["Al", "U", "U", "U"])["status"] == "failed"
    row = summarise(tmp_path).iloc[0]
    assert row["status"] == "failed" and "cannot compute" in row["reason"]


def test_a_potential_that_is_not_installed_is_named_with_its_key(tmp_path):
    with pytest.raises(ConfigError, match="validation.universal_potential 'no.such.Calculator'"):
        relax(tmp_path, ["Al", "Cu", "Cu", "Cu"], "no.such.Calculator")

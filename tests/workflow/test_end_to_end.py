"""The whole workflow, every stage real: the demo, two equal runs, and real Materials Project data."""

import math
from pathlib import Path

import pandas as pd
import pytest
import yaml
from screening_project import METALS, ROOT, new_project, perovskite

from ionsieve import tables
from ionsieve.data.demo import load_candidates

pytestmark = pytest.mark.long

REAL_DATA = ROOT.parent / "shared" / "data" / "materials_project"

# The shortest run that goes through every stage.
SHORT = {
    "screen": {"max_candidates": 1},
    "potential": {"teacher_frames": 12, "epochs": 2, "max_force_mae_eV_per_A": 50.0},
    "transport": {"min_atoms": 20, "npt_ps": 0.05, "nvt_ps": 0.4},
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo screening with the configuration that ships."""
    project = new_project(tmp_path_factory.mktemp("demo") / "project", doubles=False)
    (project.folder / "overlay.yaml").write_text("seed: 0\n")
    project.run()
    return project


def test_demo_ends_with_a_ranked_list_and_a_report(demo):
    ranked = pd.read_csv(demo.folder / "results/candidates.csv")
    candidates = ranked[ranked["role"] == "candidate"]
    assert len(candidates) == 4
    assert candidates["rank"].notna().any()
    assert not {"missing", "failed"} & set(candidates["md_status"])
    assert ranked["universal_potential_voltage_V"].notna().all()
    page = (demo.folder / "results/report/index.html").read_text()
    assert all(material_id in page for material_id in ranked["material_id"])


def test_controls_end_with_a_value_or_a_bound_and_the_frozen_solid_with_a_bound(demo):
    """Six picoseconds rarely show the three onward hops that a value takes, even of a fast conductor."""
    ranked = pd.read_csv(demo.folder / "results/candidates.csv").set_index("material_id")
    fast, frozen = ranked.loc["demo-MgSc2Se4-spinel"], ranked.loc["demo-MgO-rocksalt"]
    assert fast["conductivity_kind"] in {"value", "upper_bound"}
    assert frozen["conductivity_kind"] == "upper_bound"
    for control in (fast, frozen):
        assert control["conductivity_high_mS_per_cm"] > 0
        assert math.isnan(control["conductivity_mS_per_cm"]) == (control["conductivity_kind"] != "value")


def test_candidates_of_the_demo_are_strange_to_its_training_set(demo):
    predictions = pd.concat(
        tables.read_table(path, tables.PREDICTIONS)
        for path in (demo.folder / "results/voltage/predictions").glob("*.parquet")
    )
    assert len(predictions) == len(load_candidates())
    assert not predictions["known"].any()


def test_a_finished_demo_has_nothing_left_to_do(demo):
    assert not demo.run("-n").jobs


def _short_run(folder: Path):
    project = new_project(folder, doubles=False)
    project.write_data(
        {f"cand-{metal}": perovskite("Mg", metal, 4.0) for metal in METALS},
        {metal: 1.5 + 0.2 * index for index, metal in enumerate(METALS)},
    )
    project.configure(**SHORT)
    project.run()
    return (project.folder / "results/candidates.csv").read_bytes()


def test_two_runs_with_the_same_seed_give_the_same_bytes(tmp_path):
    assert _short_run(tmp_path / "first") == _short_run(tmp_path / "second")


@pytest.mark.skipif(not REAL_DATA.exists(), reason=f"needs the real electrodes under {REAL_DATA}")
def test_real_materials_project_data_give_a_shortlist_with_known_electrodes_marked(tmp_path):
    project = new_project(tmp_path / "real", doubles=False)
    overlay = yaml.safe_load((ROOT / "examples" / "local_files.yaml").read_text())
    overlay["data"]["files"] |= {
        "electrodes": [str(REAL_DATA / "insertion_electrodes.jsonl.gz")],
        "structures": [str(REAL_DATA / "structures.jsonl.gz")],
    }
    overlay["voltage"] = {"epochs": 2, "folds": 3, "atom_features": 16, "hidden_features": 16}
    overlay["screen"] |= {"max_candidates": 20, "min_voltage_V": 2.0}
    (project.folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    project.run("--until", "shortlist")
    results = project.folder / "results"
    electrodes = tables.read_table(results / "data/electrodes.parquet", tables.ELECTRODES)
    assert len(electrodes) == 3852
    predictions = pd.concat(
        tables.read_table(path, tables.PREDICTIONS)
        for path in (results / "voltage/predictions").glob("*.parquet")
    )
    of_mg = electrodes[electrodes["working_ion"] == "Mg"]
    known = predictions[predictions["known"]].set_index("material_id")
    assert set(known.index) == set(of_mg["material_id"]) & set(predictions["material_id"])
    assert set(known["label_kind"]) == {"DFT (Materials Project)"}
    labels = of_mg.drop_duplicates("material_id", keep=False).set_index("material_id")["voltage_V"]
    shared = labels.index.intersection(known.index)
    assert (known.loc[shared, "label_voltage_V"] - labels[shared]).abs().max() < 1e-9
    shortlisted = tables.read_table(results / "screen/shortlist.parquet", tables.SCREENED)
    assert len(shortlisted) == 20 and (shortlisted["capacity_vol_Ah_per_L"] > 800).all()

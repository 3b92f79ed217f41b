"""Every stage real, from two databases on loopback to the report."""

import pandas as pd
import pytest
import yaml
from screening_project import OVERLAY, new_project
from servers.bucket import Bucket, write_gnome
from servers.materials_project import MaterialsProjectServer
from servers.materials_project_documents import build_documents

from ionsieve import tables
from ionsieve.artifacts import read_json
from ionsieve.data import demo
from ionsieve.structures import to_structure

pytestmark = pytest.mark.slow

OF_GNOME = 25
SHORT = {
    "voltage": {**OVERLAY["voltage"], "epochs": 30},
    "potential": {"teacher_frames": 12, "epochs": 2, "max_force_mae_eV_per_A": 50.0},
    "transport": {"min_atoms": 20, "npt_ps": 0.05, "nvt_ps": 0.4},
    "screen": {"min_voltage_V": 1.0, "min_capacity_vol_Ah_per_L": 200.0, "max_candidates": 2, "controls": []},
}


@pytest.fixture(scope="module")
def screened(tmp_path_factory):
    """A screening of the demo's crystals, as the two databases would serve them."""
    folder = tmp_path_factory.mktemp("databases")
    candidates = demo.load_candidates()
    structures = {
        row["material_id"]: to_structure(row) for row in candidates.tail(OF_GNOME).to_dict("records")
    }
    write_gnome(folder / "bucket", structures)
    documents = build_documents(
        demo.load_electrodes(), candidates.head(len(candidates) - OF_GNOME), electrode_hull_eV_per_atom=0.5
    )
    with MaterialsProjectServer(documents) as server, Bucket(folder / "bucket") as bucket:
        project = new_project(folder / "project", doubles=False)
        project.environment = {"MP_API_KEY": server.key, "MP_API_ENDPOINT": server.endpoint}
        data = {
            "sources": ["materials_project", "gnome"],
            "gnome": {"location": bucket.url},
            "materials_project": {"ions": sorted(set(demo.load_electrodes()["working_ion"]))},
        }
        (project.folder / "overlay.yaml").write_text(yaml.safe_dump({**SHORT, "data": data}))
        project.run()
        yield project, server, bucket


def test_every_electrode_and_candidate_of_the_databases_arrives(screened):
    project, _, _ = screened
    electrodes = tables.read_table(project.folder / "results/data/electrodes.parquet", tables.ELECTRODES)
    shipped = demo.load_electrodes()
    assert sorted(electrodes["voltage_V"].round(6)) == pytest.approx(sorted(shipped["voltage_V"].round(6)))
    assert set(electrodes["label_kind"]) == {"DFT (Materials Project, GGA_GGA+U_R2SCAN)"}
    counts = read_json(project.folder / "results/data/catalogue.json")["candidates"]
    assert counts["candidates"] + counts["same_crystal"] == len(demo.load_candidates())
    assert counts["source gnome"] + counts["same_crystal"] == OF_GNOME


def test_the_run_ends_with_a_ranked_list_and_a_report_that_names_its_sources(screened):
    project, server, _ = screened
    ranked = pd.read_csv(project.folder / "results/candidates.csv")
    assert len(ranked) == 2 and not {"missing", "failed"} & set(ranked["md_status"])
    assert set(ranked["source"]) <= {"materials_project", "gnome"} and ranked["licence"].notna().all()
    assert ranked["hull_reference"].notna().all()
    page = (project.folder / "results/report/index.html").read_text()
    assert server.version in page and "CC BY-NC 4.0" in page and "commercial use" in page


def test_nothing_is_left_to_do_and_no_page_in_the_cache(screened):
    project, _, _ = screened
    assert not project.run("-n").jobs
    assert not list((project.folder / "results/data/cache").glob("*/*"))


def test_the_archive_was_read_by_range_and_never_whole(screened):
    _, _, bucket = screened
    assert bucket.asked("by_id.zip") and None not in bucket.asked("by_id.zip")


def test_every_search_had_a_criterion(screened):
    """Without one the client leaves the API for object storage."""
    _, server, _ = screened
    searches = [request for request in server.requests if "/materials/" in request]
    assert searches
    criteria = ("working_ion=", "elements=", "material_ids=")
    assert all(any(key in request for key in criteria) for request in searches)

"""What the `materials_project` source does when the server, its documents, the key or the disk fail."""

import os
import subprocess
import sys
from pathlib import Path

import pymatgen.core
import pytest
from servers.materials_project import ALWAYS
from servers.materials_project_documents import add_material, document_of

from ionsieve.data import network
from ionsieve.data.materials_project import client, pages, pull, release
from ionsieve.data.materials_project import documents as narrow
from ionsieve.data.network import MayPass, SourceError
from ionsieve.data.records import PROVENANCE, RAW_TABLES, refresh
from ionsieve.structures import to_structure

ROOT = Path(__file__).resolve().parents[2]
RESUMES = "what was fetched is kept: the same command goes on from there"
ALL_FILES = {*RAW_TABLES, PROVENANCE}


@pytest.fixture(autouse=True)
def _no_key_in_the_settings_of_this_machine(monkeypatch):
    monkeypatch.setitem(pymatgen.core.SETTINGS, "PMG_MAPI_KEY", None)


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr(release, "PAGE_DOCUMENTS", 5)
    monkeypatch.setattr(release, "BATCH_IDS", 5)


@pytest.fixture
def two_attempts(monkeypatch):
    monkeypatch.setattr(network, "ATTEMPTS", 2)


def _first_failure(rows, **changes) -> str:
    with pytest.raises(SourceError) as failure:
        rows(**changes)
    return str(failure.value)


# The key


def test_without_a_key_nothing_is_asked_and_the_message_says_where_to_get_one(server, rows, monkeypatch):
    monkeypatch.delenv("MP_API_KEY")

    message = _first_failure(rows)

    assert message.startswith(
        "no API key for the Materials Project; get yours at https://materialsproject.org/api"
    )
    assert "MP_API_KEY" in message
    assert server.requests == []


@pytest.mark.parametrize("key", ["short", "k" * 33, "k" * 31 + "\n", "k" * 31 + "é"])
def test_what_cannot_be_a_key_is_not_sent_and_not_shown(server, rows, monkeypatch, key):
    monkeypatch.setenv("MP_API_KEY", key)

    message = _first_failure(rows)

    assert "API key is not one" in message
    assert "https://materialsproject.org/api" in message
    assert key.strip() not in message
    assert server.requests == []


def test_the_key_may_be_in_the_settings_file_of_the_client(server, rows, monkeypatch):
    monkeypatch.delenv("MP_API_KEY")
    monkeypatch.setitem(pymatgen.core.SETTINGS, "PMG_MAPI_KEY", server.key)

    assert rows()["candidates"]


def test_a_key_that_the_server_refuses_is_refused_at_once(server, rows, monkeypatch):
    monkeypatch.setenv("MP_API_KEY", "x" * 32)

    message = _first_failure(rows)

    assert "insertion electrodes of Mg, page 1: the server refuses the key (401)" in message
    assert "export it as MP_API_KEY" in message
    assert "x" * 32 not in message
    assert len(server.asked("insertion_electrodes")) == 1


def test_the_key_is_in_no_message_log_or_file(server, query, tmp_path, caplog, monkeypatch, two_attempts):
    folder = tmp_path / "raw" / "materials_project"
    server.fault("503", ALWAYS, path="/thermo/")
    with caplog.at_level("DEBUG"), pytest.raises(SourceError) as failure:
        refresh(lambda cache: pull(query, cache), folder)

    assert server.key not in str(failure.value) + caplog.text
    server.restore({name: [] for name in ("insertion_electrodes", "summary", "thermo")})
    refresh(lambda cache: pull(query, cache), folder)
    assert not any(server.key.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


# Faults that pass


@pytest.mark.parametrize("kind", ["429", "500", "503", "truncated", "empty", "html", "slow"])
def test_a_fault_that_passes_changes_nothing_but_the_number_of_requests(server, rows, tmp_path, kind):
    undisturbed = rows()
    n_requests = len(server.asked("materials"))
    server.requests.clear()
    for page in (tmp_path / "cache").iterdir():
        page.unlink()
    server.fault(kind, path="/thermo/")

    assert rows() == undisturbed
    assert len(server.asked("materials")) == n_requests + (kind != "slow")


def test_a_server_that_is_late_with_its_version_is_asked_again(server, rows, monkeypatch):
    monkeypatch.setattr(client, "TIMEOUT_S", 0.1)
    server.fault("slow", path="heartbeat")

    assert rows()["provenance"]["version"] == "2026.11.20"


def test_a_heartbeat_that_is_refused_says_nothing_about_the_key(server, rows):
    server.fault("403", path="heartbeat")

    message = _first_failure(rows)

    assert "database version: the server refuses the request (403: " in message
    assert "https://status.materialsproject.org" in message


@pytest.mark.parametrize("kind", ["503", "truncated", "html"])
def test_a_heartbeat_that_fails_once_is_asked_again(server, rows, kind):
    server.fault(kind, path="heartbeat")

    assert rows()["provenance"]["version"] == "2026.11.20"


def test_an_empty_later_page_is_noticed_and_asked_for_again(server, rows, small_pages):
    server.fault("empty", path="_page=2")

    found = rows()

    assert len(found["electrodes"]) == 6
    assert len(found["candidates"]) == 18
    assert sum("_page=2" in request for request in server.asked("insertion_electrodes")) == 2


# Faults that stay


@pytest.mark.parametrize(
    ("kind", "path", "says"),
    [
        (
            "503",
            "/thermo/",
            "GGA_GGA+U_R2SCAN hull distances, batch 1 of 1: the server is busy or broken (503)",
        ),
        ("500", "_page=1", "insertion electrodes of Mg, page 1: the server is busy or broken (500)"),
        (
            "429",
            "elements=Mg",
            "materials with Mg, page 1: the server limits the rate or is broken (too many 429 ",
        ),
        ("truncated", "/thermo/", "the answer is cut short or not what it should be (no complete JSON)"),
        ("empty", "/thermo/", "hull distances, batch 1 of 1: 0 documents came where 18 are due"),
        ("503", "heartbeat", "database version: the server is busy or broken (503)"),
    ],
)
def test_a_fault_that_stays_is_one_message_of_stage_cause_and_remedy(
    server, rows, two_attempts, kind, path, says
):
    server.fault(kind, ALWAYS, path=path)

    with pytest.raises(MayPass) as failure:
        rows()

    message = str(failure.value)
    assert message.startswith("Materials Project, ")
    assert says in message
    assert message.endswith(RESUMES)
    assert len(message) < 600


def test_an_empty_later_page_that_stays_empty_is_an_error(server, rows, small_pages, two_attempts):
    server.fault("empty", ALWAYS, path="_page=2")

    message = _first_failure(rows)

    assert "insertion electrodes of Mg, page 2 of 2: 0 documents came where 1 are due" in message


def test_a_request_that_the_server_refuses_is_not_repeated(server, rows):
    server.fault("404", ALWAYS, path="/thermo/")

    message = _first_failure(rows)

    assert "the server refuses the request (404: " in message
    assert "mp-api may be out of date: update it" in message
    assert len(server.asked("thermo")) == 1


def test_a_field_that_the_client_does_not_know_is_told_as_a_matter_of_versions(server, rows, monkeypatch):
    kind = narrow.HULL_DISTANCES
    monkeypatch.setattr(
        narrow, "HULL_DISTANCES", narrow.Kind(kind.resource, (*kind.fields, "phlogiston"), kind.convert)
    )

    message = _first_failure(rows)

    assert "invalid fields requested: ['phlogiston']" in message
    assert "mp-api may be out of date: update it" in message


def test_a_server_that_is_away_is_one_message(server, rows, two_attempts):
    server.stop()

    message = _first_failure(rows)

    assert f"database version: no answer from {server.endpoint}" in message
    assert "Connection refused" in message
    assert "check the network and MP_API_ENDPOINT" in message


# Resuming


def test_a_pull_whose_server_died_goes_on_where_it_stopped(
    server, query, tmp_path, small_pages, two_attempts
):
    folder, undisturbed = tmp_path / "raw" / "materials_project", tmp_path / "other" / "materials_project"
    refresh(lambda cache: pull(query, cache), undisturbed)
    all_requests = [request for request in server.requests if "/materials/" in request]
    server.requests.clear()
    server.fault("die", path="/materials/", after=7)

    with pytest.raises(MayPass) as failure:
        refresh(lambda cache: pull(query, cache), folder)

    assert str(failure.value).endswith(RESUMES)
    assert not any((folder / name).exists() for name in ALL_FILES)
    answered = [request for request in server.requests if "/materials/" in request][:7]
    server.start()
    server.requests.clear()
    assert refresh(lambda cache: pull(query, cache), folder).changed
    rest = [request for request in server.requests if "/materials/" in request]
    assert answered + rest == all_requests
    for name in ALL_FILES:
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_pages_of_another_release_are_not_used(server, rows):
    rows()
    server.requests.clear()
    server.version = "2027.01.01"

    found = rows()

    assert found["provenance"]["version"] == "2027.01.01"
    assert server.asked("thermo"), "the new release must be asked"


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\x1f\x8b\x08\x00"])
def test_pages_that_the_disk_has_damaged_are_fetched_anew(server, rows, tmp_path, damage):
    undisturbed = rows()
    n_requests = len(server.asked("materials"))
    server.requests.clear()
    for page in (tmp_path / "cache").iterdir():
        page.write_bytes(damage)

    assert rows() == undisturbed
    assert len(server.asked("materials")) == n_requests


def test_pages_of_another_format_are_not_used(server, rows, monkeypatch):
    rows()
    server.requests.clear()
    monkeypatch.setattr(pages, "PAGE_FORMAT", pages.PAGE_FORMAT + 1)
    rows()

    assert server.asked("thermo")


def test_a_release_that_comes_during_the_pull_is_noticed(server, query, tmp_path):
    pulled = pull(query, tmp_path)
    list(pulled.electrodes)
    server.version = "2027.01.01"

    with pytest.raises(MayPass, match=r"went from release 2026\.11\.20 to 2027\.01\.01 during the pull"):
        list(pulled.candidates)


def test_pages_that_contradict_one_another_are_forgotten(
    server, query, documents, crystals, tmp_path, small_pages
):
    pulled = pull(query, tmp_path / "cache")
    list(pulled.electrodes)
    server.fault("503", 1, path="_page=3")
    wait = network._tell

    def grow(state) -> None:
        wait(state)
        add_material(documents, "mp-900", to_structure(crystals[1].iloc[0]), 0.0)
        server.replace(documents)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "_tell", grow)
        with pytest.raises(MayPass, match="materials with Mg: pages contradict one another"):
            list(pulled.candidates)

    assert not (tmp_path / "cache").exists()
    assert "mp-900" in {row["material_id"] for row in pull(query, tmp_path / "cache").candidates}


def test_an_electrode_on_two_pages_means_that_another_is_on_none(
    server, query, documents, tmp_path, small_pages
):
    documents["insertion_electrodes"] *= 2
    server.replace(documents)

    with pytest.raises(MayPass, match="insertion electrodes of Mg: pages contradict one another"):
        list(pull(query, tmp_path / "cache").electrodes)


def test_an_electrode_that_the_server_lists_twice_on_one_page_counts_once(server, documents, rows):
    documents["insertion_electrodes"] *= 2
    server.replace(documents)

    assert len(rows()["electrodes"]) == 6


def test_what_is_no_address_is_refused_at_once(server, rows, monkeypatch):
    monkeypatch.setenv("MP_API_ENDPOINT", "nonsense")
    monkeypatch.setattr("ionsieve.data.network.FIRST_WAIT_S", 1000.0)

    with pytest.raises(SourceError, match="nonsense/ is no address: mend MP_API_ENDPOINT"):
        rows()


# Documents


def test_single_documents_with_something_missing_are_set_aside(server, documents, rows):
    electrodes = documents["insertion_electrodes"]
    magnesium = [document for document in electrodes if document["working_ion"] == "Mg"]
    del magnesium[0]["fracA_charge"]
    magnesium[1]["average_voltage"] = None
    magnesium[2]["average_voltage"] = float("nan")
    magnesium[3]["material_ids"] = None
    magnesium[4]["fracA_discharge"] = magnesium[4]["fracA_charge"]
    del document_of(documents, "summary", "mp-37")["structure"]
    document_of(documents, "summary", "mp-38")["builder_meta"] = {"license": "BY-C", "batch_id": None}
    server.replace(documents)

    found = rows()

    assert found["rejects"] == {
        "mp-1_Mg": "field fracA_charge is missing or null",
        "mp-3_Mg": "field average_voltage is missing or null",
        "mp-5_Mg": "field average_voltage is missing or null",  # JSON has no NaN
        "unnamed_Mg": "field material_ids or working_ion is missing or odd",
        "mp-9_Mg": "ion content 0.0 when charged, 0.0 when discharged, per atom",
        "mp-37": "field structure is missing or null",
    }
    assert [row["electrode_id"] for row in found["electrodes"]] == ["mp-11_Mg"]
    assert len(found["candidates"]) == 17


def test_structures_that_no_stage_could_use_are_set_aside(server, documents, rows):
    def sites(material_id: str) -> list[dict]:
        return document_of(documents, "summary", material_id)["structure"]["sites"]

    sites("mp-37")[-1]["species"] = [{"element": "O", "occu": 0.5}, {"element": "S", "occu": 0.5}]
    sites("mp-38")[-1]["species"] = [{"element": "Xx", "occu": 1}]
    sites("mp-39")[-1] |= {"abc": sites("mp-39")[0]["abc"], "xyz": sites("mp-39")[0]["xyz"]}
    document_of(documents, "summary", "mp-40")["structure"] = {"lattice": "none"}
    document_of(documents, "summary", "mp-41")["structure"]["sites"] = []
    server.replace(documents)

    rejects = rows()["rejects"]

    assert rejects["mp-37"].startswith("partial occupancies (")
    assert "Xx" in rejects["mp-38"]
    assert rejects["mp-39"].startswith("overlapping atoms: ")
    assert rejects["mp-40"].startswith("unreadable structure: ")
    assert "mp-41" in rejects
    assert len(rejects) == 5


@pytest.mark.parametrize(
    ("collection", "field", "stage"),
    [
        ("insertion_electrodes", "average_voltage", "insertion electrodes of Mg, page 1"),
        ("summary", "structure", "discharged structures"),
        ("thermo", "energy_above_hull", "hull distances, batch 1 of 1"),
    ],
)
def test_documents_that_all_lack_a_field_have_changed(server, documents, rows, collection, field, stage):
    for document in documents[collection]:
        document[f"renamed_{field}"] = document.pop(field)
    server.replace(documents)

    message = _first_failure(rows)

    assert stage in message
    assert "the documents have changed" in message
    assert f"has the field {field}" in message
    assert "mp-api" in message
    assert "emmet-core" in message


def test_a_licence_that_no_document_states_any_more_is_noticed(documents):
    crystals = documents["summary"][:3]
    for document in crystals[:2]:
        del document["builder_meta"]["license"]
    narrow.check_schema(crystals, narrow.CRYSTALS, "candidates")
    crystals[2]["builder_meta"] = None

    with pytest.raises(SourceError, match=r"none of 3 has the field builder_meta\.license"):
        narrow.check_schema(crystals, narrow.CRYSTALS, "candidates")


def test_answers_without_a_count_are_not_trusted(server, rows, two_attempts, monkeypatch):
    server.fault("without-count", ALWAYS, path="/thermo/")

    assert "does not state how many documents there are" in _first_failure(rows)


# The disk and the home folder

PULL_WITH_LITTLE_DISK = """
import resource, sys
from pathlib import Path
from ionsieve.data.materials_project import Query, pull
from ionsieve.data.records import refresh
from ionsieve.errors import IonSieveError

query = Query(working_ion="Mg", ions=["Mg"], thermo_type="GGA_GGA+U_R2SCAN",
              max_energy_above_hull_eV_per_atom=0.15, include_gnome=False)
try:
    pulled = pull(query, Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
    print(len(list(pulled.electrodes)))
except IonSieveError as error:
    sys.exit(str(error))
"""


def test_a_full_disk_leaves_nothing_half_written_and_the_home_folder_alone(server, query, tmp_path):
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()
    finished = subprocess.run(
        [sys.executable, "-c", PULL_WITH_LITTLE_DISK, str(cache)],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )

    assert finished.returncode == 1
    assert finished.stderr.strip() == (
        f"cannot keep what was fetched in {cache}: File too large; make room and run the same command again: "
        "it goes on from there"
    )
    kept = sorted(cache.iterdir())
    assert len(kept) == 1, "the page of electrodes, and no rest of the page of structures"
    assert not (home / ".mprester.log.yaml").exists()
    server.requests.clear()
    assert len([*pull(query, cache).electrodes]) == 6
    assert server.asked("insertion_electrodes") == []

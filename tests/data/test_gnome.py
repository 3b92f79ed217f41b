"""GNoME: what the filter asks for comes out of the archive, the same from a server and from a folder."""

import csv
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pymatgen.core import Lattice, Structure

sys.path.insert(0, str(Path(__file__).parents[1]))
from servers.bucket import GNOME_COLUMNS, Bucket, write_gnome

from ionsieve.artifacts import digest
from ionsieve.data import gnome, network
from ionsieve.data.gnome import Query, pull
from ionsieve.data.network import SourceError
from ionsieve.data.records import Reject, refresh
from ionsieve.errors import DataError
from ionsieve.structures import to_structure

FORMATION = "Formation Energy Per Atom"
MP_HULL = "Decomposition Energy Per Atom"
HULL = "Decomposition Energy Per Atom All"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(network, "FIRST_WAIT_S", 0.001)


def perovskite(a: str, b: str, length_A: float = 4.0) -> Structure:
    return Structure(
        Lattice.cubic(length_A),
        [a, b, "O", "O", "O"],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    )


# MaterialIds are short hexadecimal texts, some of which read as numbers.
MAGNESIUM = {
    f"{number:02d}e{number}": perovskite("Mg", metal)
    for number, metal in enumerate(("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni"))
}
OTHERS = {f"ff{number:02d}": perovskite("Ca", "Ti", 4.0 + 0.001 * number) for number in range(5)}
# The archive is not in the order of the names.
CRYSTALS = dict(sorted((MAGNESIUM | OTHERS).items(), key=lambda item: item[0][::-1]))


@pytest.fixture
def folder(tmp_path) -> Path:
    write_gnome(tmp_path / "release", CRYSTALS)
    return tmp_path / "release"


@pytest.fixture
def bucket(folder):
    with Bucket(folder) as server:
        yield server


def query(location: Path | str, **changes) -> Query:
    asked = {
        "working_ion": "Mg",
        "location": str(location),
        "max_formation_energy_eV_per_atom": 0.0,
        "max_energy_above_hull_eV_per_atom": 0.15,
    }
    return Query(**(asked | changes))


def candidates(asked: Query, cache: Path) -> tuple[dict[str, dict], dict[str, str]]:
    """Rows and reasons of rejects, by material_id."""
    records = list(pull(asked, cache).candidates)
    rejects = {record.material_id: record.reason for record in records if isinstance(record, Reject)}
    return {record["material_id"]: record for record in records if not isinstance(record, Reject)}, rejects


def raw_bytes(folder: Path) -> dict[str, str]:
    return {path.name: digest(path) for path in folder.iterdir()}


def test_the_crystals_with_the_ion_come_with_all_their_columns(folder, tmp_path):
    rows, rejects = candidates(query(folder), tmp_path / "cache")
    assert rows.keys() == {f"gnome-{name}" for name in MAGNESIUM}
    assert rejects == {}
    row = rows["gnome-03e3"]
    assert row["formula"] == "MgMnO3"
    assert (row["source"], row["licence"]) == ("gnome", "CC BY-NC 4.0 (GNoME)")
    assert row["energy_above_hull_eV_per_atom"] == 0.0
    assert row["hull_reference"] == "GNoME (all entries: MP, OQMD, WBM, GNoME)"
    assert to_structure(row).matches(MAGNESIUM["03e3"])


def test_gnome_has_no_electrodes(folder, tmp_path):
    assert list(pull(query(folder), tmp_path).electrodes) == []


def test_a_server_and_a_folder_give_the_same_tables(bucket, folder, tmp_path):
    for name, location in (("remote", bucket.url), ("local", folder), ("slash", f"{bucket.url}/")):
        refresh(lambda cache, at=location: pull(query(at), cache), tmp_path / name / "raw" / "gnome")
    remote, local, slash = (
        raw_bytes(tmp_path / name / "raw" / "gnome") for name in ("remote", "local", "slash")
    )
    assert remote == local == slash
    assert not (tmp_path / "remote" / "cache" / "gnome").exists()


def test_the_provenance_names_licence_paper_files_and_what_the_filter_left_out(bucket, tmp_path):
    write_gnome(
        bucket.folder,
        CRYSTALS,
        {"00e0": {FORMATION: 0.0}, "01e1": {FORMATION: 0.1}, "02e2": {HULL: 0.2}},
    )
    provenance = pull(query(bucket.url), tmp_path).provenance
    archive = (bucket.folder / "by_id.zip").stat().st_size
    assert provenance["licences"] == ["CC BY-NC 4.0 (GNoME)"]
    assert "10.1038/s41586-023-06735-9" in provenance["cite"][0]
    assert provenance["files"]["by_id.zip"]["size_bytes"] == archive
    assert provenance["files"].keys() == {"by_id.zip", "stable_materials_summary.csv"}
    assert {name: count for name, count in provenance.items() if name.startswith("rows")} == {
        "rows": 12,
        "rows_without_the_ion": 5,
        "rows_above_formation_energy": 2,
        "rows_above_hull": 1,
    }


def test_only_what_holds_a_crystal_asked_for_is_read_out_of_the_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(gnome, "BUFFER_BYTES", 2048)
    many = {f"c{number:03d}": perovskite("Ca", "Ti", 4.0 + 0.001 * number) for number in range(200)}
    write_gnome(tmp_path / "release", many | {"a": MAGNESIUM["00e0"]} | OTHERS)
    with Bucket(tmp_path / "release") as bucket:
        rows, _ = candidates(query(bucket.url), tmp_path / "cache")
        asked = [text.removeprefix("bytes=").split("-") for text in bucket.asked("by_id.zip")]
    size_bytes = (tmp_path / "release" / "by_id.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "release" / "by_id.zip") as archive:
        directory_bytes = size_bytes - archive.start_dir
    assert rows.keys() == {"gnome-a"}
    assert sum(int(last) + 1 - int(first) for first, last in asked) < directory_bytes + 3 * 2048
    assert directory_bytes + 3 * 2048 < size_bytes / 2


@pytest.mark.parametrize(
    ("cells", "distance", "reference"),
    [
        ({HULL: 0.1, MP_HULL: 0.05}, 0.1, "GNoME (all entries: MP, OQMD, WBM, GNoME)"),
        ({HULL: -0.1, MP_HULL: 0.05}, 0.0, "GNoME (all entries: MP, OQMD, WBM, GNoME)"),
        ({HULL: "", MP_HULL: 0.05}, 0.05, "GNoME (its Materials Project snapshot)"),
        ({HULL: "", MP_HULL: ""}, None, None),
    ],
)
def test_the_hull_distance_is_of_the_widest_hull_that_is_told(folder, tmp_path, cells, distance, reference):
    write_gnome(folder, CRYSTALS, {"00e0": cells})
    row = candidates(query(folder), tmp_path / "cache")[0]["gnome-00e0"]
    assert (row["energy_above_hull_eV_per_atom"], row["hull_reference"]) == (distance, reference)


def test_columns_are_found_by_name_whatever_their_order_and_number(folder, tmp_path):
    columns = [name for name in reversed(GNOME_COLUMNS) if name not in {HULL, "Elements", "NSites"}]
    write_gnome(folder, CRYSTALS, columns=columns)
    rows, _ = candidates(query(folder), tmp_path / "cache")
    assert len(rows) == len(MAGNESIUM)
    assert {row["hull_reference"] for row in rows.values()} == {"GNoME (its Materials Project snapshot)"}


@pytest.mark.parametrize(
    ("cell", "has_magnesium"),
    [("['Mg', 'O']", True), ("O-Mg", True), ("Mg", True), ("Mn-O", False), ("['O', 'Tm', 'Ga']", False)],
)
def test_elements_are_read_in_any_spelling(folder, tmp_path, cell, has_magnesium):
    write_gnome(folder, CRYSTALS, {"00e0": {"Elements": cell}})
    assert ("gnome-00e0" in candidates(query(folder), tmp_path / "cache")[0]) == has_magnesium


def test_elements_come_from_the_formula_where_their_cell_is_empty(folder, tmp_path):
    write_gnome(folder, CRYSTALS, {"00e0": {"Elements": ""}, "ff00": {"Elements": ""}})
    assert len(candidates(query(folder), tmp_path / "cache")[0]) == len(MAGNESIUM)


def test_the_archive_may_name_its_members_otherwise(folder, tmp_path):
    with zipfile.ZipFile(folder / "by_id.zip") as archive:
        cif = archive.read("by_id/00e0.CIF")
    with zipfile.ZipFile(folder / "by_id.zip", "w") as archive:
        archive.writestr("00E0.cif", cif)
        archive.writestr("notes/00e0.txt", "not a crystal")
    rows, rejects = candidates(query(folder), tmp_path / "cache")
    assert rows.keys() == {"gnome-00e0"}
    assert len(rejects) == len(MAGNESIUM) - 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({FORMATION: "n/a"}, "Formation Energy Per Atom is not a number: 'n/a'"),
        ({FORMATION: ""}, "no Formation Energy Per Atom"),
        ({FORMATION: "inf"}, "not a number"),
        ({HULL: "0,1"}, "Decomposition Energy Per Atom All is not a number: '0,1'"),
        ({"Elements": "", "Reduced Formula": "", "Composition": ""}, "names no elements"),
    ],
)
def test_a_row_that_cannot_be_read_is_set_aside(folder, tmp_path, changes, said):
    write_gnome(folder, CRYSTALS, {"00e0": changes})
    rows, rejects = candidates(query(folder), tmp_path / "cache")
    assert len(rows) == len(MAGNESIUM) - 1
    assert said in rejects["gnome-00e0"]


def test_a_row_that_ends_early_and_one_without_id_are_set_aside_with_their_number(folder, tmp_path):
    with (folder / gnome.SUMMARY).open("a") as file:
        file.write("Mg1O1,abc,MgO\n" + "," * (len(GNOME_COLUMNS) - 1) + "\n")
    rows, rejects = candidates(query(folder), tmp_path / "cache")
    assert len(rows) == len(MAGNESIUM)
    assert "row 13 of stable_materials_summary.csv ends after 3 cells" in rejects["gnome-abc"]
    assert "has no MaterialId" in rejects["gnome-row-14"]


def test_a_material_that_occurs_twice_is_taken_once(folder, tmp_path):
    with (folder / gnome.SUMMARY).open() as file:
        lines = file.readlines()
    (repeated,) = (line for line in lines if "00e0" in line)
    (folder / gnome.SUMMARY).write_text("".join([*lines, repeated]))
    rows, rejects = candidates(query(folder), tmp_path / "cache")
    assert len(rows) == len(MAGNESIUM)
    assert "occurs more than once" in rejects["gnome-00e0"]


def test_a_table_that_ends_in_the_middle_of_a_row_is_refused(folder, tmp_path):
    summary = folder / "stable_materials_summary.csv"
    summary.write_bytes(summary.read_bytes()[:-30])
    with pytest.raises(DataError, match="cut short: row 12 ends in the middle"):
        candidates(query(folder), tmp_path)


def test_a_table_cut_at_the_end_of_a_line_is_noticed_by_the_archive(folder, tmp_path):
    summary = folder / "stable_materials_summary.csv"
    summary.write_text("".join(summary.read_text().splitlines(keepends=True)[:-2]))
    _, rejects = candidates(query(folder), tmp_path)
    assert "2 CIFs of by_id.zip have no row" in rejects["gnome"]


def test_a_row_whose_cif_is_missing_is_set_aside(folder, tmp_path):
    write_gnome(folder, CRYSTALS, without_cif={"04e4"})
    rows, rejects = candidates(query(folder), tmp_path / "cache")
    assert len(rows) == len(MAGNESIUM) - 1
    assert rejects == {"gnome-04e4": "no CIF of it in by_id.zip"}


@pytest.mark.parametrize(
    ("structure", "said"),
    [
        (
            Structure(Lattice.cubic(4.2), ["Mg", {"Mn": 0.5, "Ti": 0.5}], [[0, 0, 0], [0.5, 0.5, 0.5]]),
            "partial occupancies",
        ),
        (Structure(Lattice.cubic(4.0), ["Mg", "O"], [[0, 0, 0], [0.1, 0, 0]]), "overlapping atoms"),
        (Structure(Lattice.cubic(3.0), ["Mg"], [[0, 0, 0]]), "no host"),
        (perovskite("Ca", "Ti"), "contains no Mg"),
    ],
)
def test_a_crystal_that_no_stage_could_use_is_set_aside(folder, tmp_path, structure, said):
    write_gnome(folder, CRYSTALS | {"bad": structure}, {"bad": {"Elements": "['Mg']"}})
    rows, rejects = candidates(query(folder), tmp_path / "cache")
    assert len(rows) == len(MAGNESIUM)
    assert said in rejects["gnome-bad"]


def test_a_damaged_and_an_unreadable_member_are_set_aside(bucket, tmp_path):
    archive = bucket.folder / "by_id.zip"
    with zipfile.ZipFile(archive) as opened:
        start = opened.getinfo("by_id/02e2.CIF").header_offset
    content = bytearray(archive.read_bytes())
    content[start + 200] ^= 0xFF
    archive.write_bytes(content)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("by_id/bad.CIF", "no CIF at all")
    with (bucket.folder / gnome.SUMMARY).open("a") as file:
        csv.DictWriter(file, GNOME_COLUMNS).writerow(
            {name: "0" for name in GNOME_COLUMNS} | {"MaterialId": "bad", "Elements": "Mg-O", FORMATION: "-1"}
        )
    for location in (bucket.url, bucket.folder):
        rows, rejects = candidates(query(location), tmp_path / "cache")
        assert len(rows) == len(MAGNESIUM) - 1
        assert rejects["gnome-02e2"].startswith("damaged in by_id.zip: by_id/02e2.CIF")
        assert rejects["gnome-bad"].startswith("unreadable CIF")


@pytest.mark.parametrize("missing", ["MaterialId", FORMATION])
def test_a_missing_column_is_told_with_those_got_and_needed(folder, tmp_path, missing):
    write_gnome(folder, CRYSTALS, columns=[name for name in GNOME_COLUMNS if name != missing])
    with pytest.raises(SourceError, match=r"has the columns Composition, .*needed: MaterialId, Formation"):
        pull(query(folder), tmp_path)


def test_a_table_without_any_column_of_elements_or_without_anything_is_told(folder, tmp_path):
    write_gnome(folder, CRYSTALS, columns=["MaterialId", FORMATION])
    with pytest.raises(SourceError, match="one of Elements, Reduced Formula, Composition"):
        pull(query(folder), tmp_path)
    (folder / gnome.SUMMARY).write_bytes(b"")
    with pytest.raises(SourceError, match=r"\(none\)"):
        pull(query(folder), tmp_path)


def test_a_table_that_is_no_text_is_told(folder, tmp_path):
    (folder / gnome.SUMMARY).write_bytes(b"MaterialId,\xff\xfe\n")
    with pytest.raises(DataError, match="damaged.*fetch it anew"):
        pull(query(folder), tmp_path)


@pytest.mark.parametrize("kept", [0.5, 0.98, 0.0])
@pytest.mark.parametrize("remote", [True, False])
def test_a_truncated_archive_is_told_with_its_remedy(bucket, tmp_path, remote, kept):
    archive = bucket.folder / "by_id.zip"
    content = archive.read_bytes()
    archive.write_bytes(content[: int(kept * len(content))])
    location = bucket.url if remote else bucket.folder
    with pytest.raises(DataError, match=r"by_id.zip is no complete zip archive .* fetch or upload it anew"):
        candidates(query(location), tmp_path / "cache")


def test_an_archive_whose_beginning_is_missing_is_told(folder, tmp_path):
    content = (folder / "by_id.zip").read_bytes()
    (folder / "by_id.zip").write_bytes(content[1000:])
    with pytest.raises(DataError, match=r"by_id.zip is no complete zip .*its beginning is missing"):
        candidates(query(folder), tmp_path / "cache")


@pytest.mark.parametrize("name", ["by_id.zip", "stable_materials_summary.csv"])
def test_a_missing_file_is_told(bucket, tmp_path, name):
    (bucket.folder / name).unlink()
    with pytest.raises(DataError, match=f"{name}: No such file.*data.gnome.location must be"):
        pull(query(bucket.folder), tmp_path)
    with pytest.raises(SourceError, match=f"{name} answers 404"):
        pull(query(bucket.url), tmp_path)


class TestBrokenPulls:
    @pytest.fixture(autouse=True)
    def small_chunks(self, monkeypatch):
        monkeypatch.setattr(gnome, "CHUNK_MEMBERS", 2)
        monkeypatch.setattr(gnome, "BUFFER_BYTES", 256)
        monkeypatch.setattr("ionsieve.data.download.BLOCK_BYTES", 100)

    @pytest.fixture
    def raw(self, tmp_path) -> Path:
        return tmp_path / "data" / "raw" / "gnome"

    @pytest.fixture
    def undisturbed(self, folder, tmp_path) -> dict[str, str]:
        target = tmp_path / "undisturbed" / "raw" / "gnome"
        refresh(lambda cache: pull(query(folder), cache), target)
        return raw_bytes(target)

    @pytest.mark.parametrize("kind", ["503", "429", "refuse", "cut"])
    def test_failures_that_pass_leave_no_trace(self, bucket, raw, undisturbed, kind):
        bucket.fault(kind, path=".csv")
        bucket.fault(kind, path=".zip", after=3)
        bucket.fault(kind, path=".zip", after=9)
        refresh(lambda cache: pull(query(bucket.url), cache), raw)
        assert raw_bytes(raw) == undisturbed

    def test_a_server_gone_for_good_is_told_and_nothing_is_written(self, bucket, raw):
        bucket.fault("503", math.inf)
        with pytest.raises(SourceError, match=r"answers 503 .*run the same command again"):
            refresh(lambda cache: pull(query(bucket.url), cache), raw)
        assert not raw.exists()

    def test_a_refused_connection_is_told(self, tmp_path, raw):
        with Bucket(tmp_path) as gone:
            pass
        with pytest.raises(SourceError, match="Connection refused"):
            refresh(lambda cache: pull(query(gone.url), cache), raw)

    def test_the_next_run_goes_on_in_the_middle_of_the_table(self, bucket, raw, undisturbed):
        bucket.fault("cut", path=".csv")
        bucket.fault("503", network.ATTEMPTS, path=".csv", after=2)
        with pytest.raises(SourceError):
            refresh(lambda cache: pull(query(bucket.url), cache), raw)
        bucket.requests.clear()
        refresh(lambda cache: pull(query(bucket.url), cache), raw)
        (asked,) = bucket.asked("stable_materials_summary.csv")
        assert int(asked.removeprefix("bytes=").rstrip("-")) > 500
        assert raw_bytes(raw) == undisturbed

    def test_the_next_run_asks_only_for_the_members_that_are_missing(self, bucket, raw, undisturbed):
        _members_twice(bucket, raw)
        assert raw_bytes(raw) == undisturbed
        assert bucket.asked("stable_materials_summary.csv") == []
        with zipfile.ZipFile(bucket.folder / "by_id.zip") as archive:
            directory = archive.start_dir
            wanted = [info for info in archive.infolist() if Path(info.filename).stem in MAGNESIUM]
        starts = [int(asked.removeprefix("bytes=").split("-")[0]) for asked in bucket.asked("by_id.zip")]
        members = [start for start in starts if start < directory]
        # Two chunks of two had come.
        assert min(members) == wanted[4].header_offset

    def test_another_query_takes_nothing_from_the_cache(self, bucket, raw):
        cache = raw.parents[1] / "cache" / "gnome"
        assert len(candidates(query(bucket.url), cache)[0]) == len(MAGNESIUM)
        assert len(candidates(query(bucket.url, working_ion="Ca"), cache)[0]) == len(OTHERS)

    def test_another_release_takes_nothing_from_the_cache(self, bucket, tmp_path):
        assert len(candidates(query(bucket.url), tmp_path / "cache")[0]) == len(MAGNESIUM)
        changed = CRYSTALS | {"00e0": perovskite("Mg", "Zr"), "new": perovskite("Mg", "Hf")}
        write_gnome(bucket.folder, changed)
        rows, _ = candidates(query(bucket.url), tmp_path / "cache")
        assert len(rows) == len(MAGNESIUM) + 1
        assert rows["gnome-00e0"]["formula"] == "MgZrO3"

    def test_an_archive_that_changes_meanwhile_is_told_and_the_next_run_takes_the_new_one(self, bucket, raw):
        records = iter(pull(query(bucket.url), raw.parents[1] / "cache" / "gnome").candidates)
        next(records)
        write_gnome(bucket.folder, CRYSTALS | {"00e0": perovskite("Mg", "Zr")})
        with pytest.raises(SourceError, match="has changed while it was being read; run the same command"):
            list(records)
        refresh(lambda cache: pull(query(bucket.url), cache), raw)
        formulas = pq.read_table(raw / "candidates.parquet")["formula"].to_pylist()
        assert "MgZrO3" in formulas
        assert "MgTiO3" not in formulas

    def test_a_table_that_changes_meanwhile_is_told(self, bucket, raw, monkeypatch):
        old = gnome.identity

        def identity_then_change(url: str):
            known = old(url)
            with (bucket.folder / gnome.SUMMARY).open("a") as file:
                file.write("\n")
            return known

        monkeypatch.setattr(gnome, "identity", identity_then_change)
        with pytest.raises(SourceError, match="has changed during the pull; run the same command again"):
            pull(query(bucket.url), raw.parents[1] / "cache" / "gnome")

    def test_a_server_without_ranges_is_told(self, bucket, tmp_path):
        bucket.fault("no-range", math.inf)
        with pytest.raises(SourceError, match="no range requests.*give its folder as location"):
            candidates(query(bucket.url), tmp_path)

    def test_a_table_with_a_wrong_checksum_is_told(self, bucket, tmp_path):
        bucket.fault("wrong-md5", path=".csv", after=1)
        with pytest.raises(SourceError, match="arrived damaged"):
            pull(query(bucket.url), tmp_path)

    def test_a_full_disk_leaves_no_half_written_file(self, bucket, tmp_path, undisturbed, raw):
        script = (
            "import resource, sys; from pathlib import Path\n"
            "from ionsieve.data.gnome import Query, pull; from ionsieve.data.records import refresh\n"
            "query = Query(working_ion='Mg', location=sys.argv[1], max_formation_energy_eV_per_atom=0.0,\n"
            "    max_energy_above_hull_eV_per_atom=0.15)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
            "refresh(lambda cache: pull(query, cache), sys.argv[2])\n"
        )
        command = [sys.executable, "-c", script, str(bucket.folder), str(raw)]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 1
        assert [path for path in raw.parents[1].rglob("*.parquet") if path.stat().st_size == 2000] == []
        assert not list(raw.glob("*"))
        refresh(lambda cache: pull(query(bucket.folder), cache), raw)
        assert raw_bytes(raw) == undisturbed


def _members_twice(bucket: Bucket, raw: Path) -> None:
    """A pull that loses its server after four crystals, then one that finds it again; only that is logged."""
    cache = raw.parents[1] / "cache" / "gnome"
    records = iter(pull(query(bucket.url), cache).candidates)
    for _ in range(4):
        next(records)
    bucket.fault("refuse", network.ATTEMPTS)
    with pytest.raises(SourceError):
        list(records)
    bucket.requests.clear()
    refresh(lambda cache: pull(query(bucket.url), cache), raw)

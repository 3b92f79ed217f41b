"""Making the set: relaxation within symmetry, what is set aside and why, and that it can be repeated."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from ionsieve import tables
from ionsieve.artifacts import read_json
from ionsieve.data import demo
from ionsieve.data.demo import build, relaxation
from ionsieve.data.demo.decoration import Decoration, decorations
from ionsieve.errors import CandidateFailed, DataError
from ionsieve.structures import to_atoms

LITHIUM_COBALT_OXIDE = "demo-LiCoO2-O3"
METALS_EV = {"Li": -1.9, "Mg": -1.6}


class _Repulsion(Calculator):
    """Every atom pushed out of the crystal, without end: nothing to converge to."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results = {
            "energy": -atoms.get_volume(),
            "forces": np.zeros((len(atoms), 3)),
            "stress": np.array([-1.0, -1.0, -1.0, 0, 0, 0]),
        }


class _Lonely(Calculator):
    """Refuses as CHGNet does an atom without neighbours."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        raise ValueError("isolated atom")


@pytest.fixture
def lithium_cobalt_oxide():
    """A raw record as CHGNet would give it, with round energies: 3.9 V against -1.9 eV for lithium."""
    decoration = Decoration("electrode", "O3", {"A": "Li", "M": "Co", "X": "O"})
    crystal = _crystal(decoration)
    return {
        **crystal,
        "record_id": LITHIUM_COBALT_OXIDE,
        "reason": None,
        "space_group": 166,
        "energy_discharged_eV": -22.8,
        "energy_charged_eV": -17.0,
        "volume_discharged_A3": 32.0,
        "volume_charged_A3": 31.0,
        "steps_discharged": 9,
        "steps_charged": 9,
    }


@pytest.fixture
def scandium_selenide_spinel():
    """A raw record of a candidate: no charged cell."""
    return {
        **_crystal(Decoration("candidate", "spinel", {"A": "Mg", "M": "Sc", "X": "Se"})),
        "record_id": "demo-MgSc2Se4-spinel",
        "reason": None,
        "space_group": 227,
        "energy_discharged_eV": -80.0,
        "volume_discharged_A3": 340.0,
        "steps_discharged": 9,
    }


def _crystal(decoration):
    from ionsieve.structures import to_columns

    return to_columns(build.build(build.PROTOTYPES[decoration.prototype], decoration.elements))


def _write(folder, *records, metals_eV=METALS_EV):
    build.write_tables({record["record_id"]: record for record in records}, metals_eV, folder)


def test_relaxation_finds_the_lattice_parameter_of_copper():
    relaxed = relaxation.relax(bulk("Cu", a=3.9), EMT())
    # EMT's own fcc copper.
    assert (4 * relaxed.atoms.get_volume()) ** (1 / 3) == pytest.approx(3.59, abs=0.01)


def test_relaxation_leaves_the_start_untouched():
    copper = bulk("Cu", a=3.9)
    relaxation.relax(copper, EMT())
    assert copper.get_volume() == pytest.approx(3.9**3 / 4)


def test_relaxation_that_does_not_converge_fails_the_record(monkeypatch):
    monkeypatch.setattr(relaxation, "MAX_STEPS", 5)
    with pytest.raises(CandidateFailed, match="after 5 steps"):
        relaxation.relax(bulk("Cu", a=3.9), _Repulsion())


def test_an_atom_out_of_reach_fails_the_record_and_is_kept_as_reason():
    record = build.raw_record(decorations()[0], _Lonely())
    assert record["reason"] == "relaxation broke down: isolated atom"


def test_nearest_neighbours_count_periodic_images():
    assert build.nearest_neighbours_A(bulk("Cu", a=3.6)) == pytest.approx([3.6 / np.sqrt(2)])


def test_voltage_is_made_of_the_energies(tmp_path, lithium_cobalt_oxide, scandium_selenide_spinel):
    _write(tmp_path, lithium_cobalt_oxide, scandium_selenide_spinel)
    electrodes = tables.read_table(tmp_path / "electrodes.parquet", tables.ELECTRODES)
    # (-17.0) + 1 x (-1.9) - (-22.8) = 3.9 eV for one electron.
    assert electrodes["voltage_V"].tolist() == pytest.approx([3.9])
    candidates = tables.read_table(tmp_path / "candidates.parquet", tables.CANDIDATES)
    assert candidates["material_id"].tolist() == ["demo-MgSc2Se4-spinel"]
    assert candidates["energy_above_hull_eV_per_atom"].isna().all()


def test_absurd_voltage_is_set_aside_and_counted(tmp_path, lithium_cobalt_oxide, scandium_selenide_spinel):
    lithium_cobalt_oxide["energy_charged_eV"] = -10.0
    _write(tmp_path, lithium_cobalt_oxide, scandium_selenide_spinel)
    provenance = read_json(tmp_path / "provenance.json")
    assert provenance["electrodes"] == 0
    assert "voltage 10.90 V" in provenance["set_aside"][LITHIUM_COBALT_OXIDE]


def test_same_records_make_the_same_bytes(tmp_path, lithium_cobalt_oxide, scandium_selenide_spinel):
    _write(tmp_path / "a", lithium_cobalt_oxide, scandium_selenide_spinel)
    _write(tmp_path / "b", scandium_selenide_spinel, lithium_cobalt_oxide)
    for name in ("electrodes.parquet", "candidates.parquet", "records.parquet", "provenance.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_shards_that_lack_a_record_are_refused(tmp_path, lithium_cobalt_oxide):
    (tmp_path / "0.jsonl").write_text(json.dumps(lithium_cobalt_oxide) + "\n")
    with pytest.raises(DataError, match="differ in"):
        build.read_shards([tmp_path / "0.jsonl"])


def _energies(discharged_eV, charged_eV):
    row = {"record_id": LITHIUM_COBALT_OXIDE, "reason": None, "n_atoms": 4, "n_ions": 1}
    return pd.DataFrame([row | {"energy_discharged_eV": discharged_eV, "energy_charged_eV": charged_eV}])


def test_two_makings_are_compared_per_atom():
    """4 atoms discharged, 3 charged: 8 meV and 9 meV per cell are 2 and 3 meV/atom."""
    difference = build.largest_difference_eV_per_atom(_energies(-22.8, -17.0), _energies(-22.808, -17.009))
    assert difference == pytest.approx(0.003)


def test_the_shipped_records_compare_with_themselves(tmp_path):
    tables.write_table(demo.load_records(), demo.RECORDS, tmp_path / "records.parquet")
    build.compare_with_shipped(tmp_path / "records.parquet", 5.0, tmp_path / "comparison.json")
    assert read_json(tmp_path / "comparison.json")["largest_difference_meV_per_atom"] == 0.0


def test_energies_that_moved_are_an_error(tmp_path):
    moved = demo.load_records()
    moved["energy_discharged_eV"] += 0.006 * moved["n_atoms"]
    tables.write_table(moved, demo.RECORDS, tmp_path / "records.parquet")
    with pytest.raises(DataError, match=r"6\.0 meV/atom"):
        build.compare_with_shipped(tmp_path / "records.parquet", 5.0, tmp_path / "comparison.json")


def test_records_that_were_lost_are_an_error(tmp_path):
    lossy = demo.load_records()
    lossy.loc[lossy.index[: len(lossy) // 10], "reason"] = "did not converge"
    tables.write_table(lossy, demo.RECORDS, tmp_path / "records.parquet")
    with pytest.raises(DataError, match="kept in one making"):
        build.compare_with_shipped(tmp_path / "records.parquet", 5.0, tmp_path / "comparison.json")


REMAKE = """
import json, sys
from ionsieve.data.demo.build import raw_record
from ionsieve.data.demo.decoration import decorations
from ionsieve.data.demo.relaxation import chgnet_calculator, metal_energy_eV
calculator = chgnet_calculator()
wanted = set(sys.argv[1:])
records = [raw_record(d, calculator) for d in decorations() if d.record_id in wanted]
json.dump({"records": records, "Mg": metal_energy_eV("Mg", calculator)}, sys.__stdout__)
"""


@pytest.mark.slow
def test_chgnet_reproduces_shipped_records_within_5_meV_per_atom():
    """In a process of its own: a NequIP model loaded by another test changes torch's default dtype."""
    wanted = ["demo-LiCoO2-O3", "demo-MgTiS2-1T", "demo-MgCr2O4-spinel", "demo-MgSc2Se4-spinel"]
    done = subprocess.run([sys.executable, "-c", REMAKE, *wanted], capture_output=True, text=True, check=True)
    remade = json.loads(done.stdout.splitlines()[-1])
    assert {record["record_id"] for record in remade["records"]} == set(wanted)
    shipped = demo.load_records().set_index("record_id")
    for record in remade["records"]:
        row = shipped.loc[record["record_id"]]
        n_atoms, n_host = row["n_atoms"], row["n_atoms"] - row["n_ions"]
        assert abs(record["energy_discharged_eV"] - row["energy_discharged_eV"]) / n_atoms < 0.005
        if row["role"] == "electrode":
            assert abs(record["energy_charged_eV"] - row["energy_charged_eV"]) / n_host < 0.005
        assert to_atoms(record).get_volume() == pytest.approx(row["volume_discharged_A3"], rel=0.01)
    metals_eV = demo.load_provenance()["metal_energies_eV_per_atom"]
    assert remade["Mg"] == pytest.approx(metals_eV["Mg"], abs=0.005)

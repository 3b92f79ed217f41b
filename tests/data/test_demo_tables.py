"""The shipped tables are complete, honest about their labels, and consistent with their energies."""

import subprocess
import sys

import numpy as np
import pytest

from ionsieve.data import demo
from ionsieve.data.demo.decoration import FAST_CONTROLS, FROZEN_CONTROLS, decorations
from ionsieve.electrochemistry import average_voltage, framework_formula, volumetric_capacity
from ionsieve.structures import check, composition_of, volume_A3


@pytest.fixture(scope="module")
def electrodes():
    return demo.load_electrodes()


@pytest.fixture(scope="module")
def candidates():
    return demo.load_candidates()


@pytest.fixture(scope="module")
def records():
    return demo.load_records().set_index("record_id")


def test_at_least_300_electrodes_over_seven_ions(electrodes):
    assert len(electrodes) >= 300
    assert set(electrodes["working_ion"]) == {"Li", "Na", "K", "Mg", "Ca", "Zn", "Al"}
    assert electrodes["working_ion"].value_counts().min() >= 10


def test_at_least_150_candidates_whose_frameworks_no_electrode_has(electrodes, candidates):
    assert len(candidates) >= 150
    frameworks = {framework_formula(composition_of(numbers), "Mg") for numbers in candidates["numbers"]}
    assert frameworks.isdisjoint(electrodes["framework"])


def test_labels_say_chgnet_and_never_dft(electrodes):
    assert set(electrodes["label_kind"]) == {"CHGNet"}
    assert set(electrodes["source"]) == {"demo"}


def test_controls_are_among_the_candidates(candidates):
    assert {*FAST_CONTROLS, *FROZEN_CONTROLS} <= set(candidates["material_id"])


def test_every_crystal_passes_the_checks_on_its_way_in(electrodes, candidates):
    for _, row in electrodes.iterrows():
        check(row, row["working_ion"])
    for _, row in candidates.iterrows():
        check(row, "Mg")


def test_formula_and_framework_are_those_of_the_cell(electrodes):
    for _, row in electrodes.iterrows():
        composition = composition_of(row["numbers"])
        assert composition.reduced_formula == row["formula"]
        assert framework_formula(composition, row["working_ion"]) == row["framework"]


def test_voltages_follow_from_the_recorded_energies(electrodes, records):
    metals_eV = demo.load_provenance()["metal_energies_eV_per_atom"]
    for _, row in electrodes.iterrows():
        record, ion = records.loc[row["electrode_id"]], row["working_ion"]
        voltage_V = average_voltage(
            record["energy_charged_eV"], metals_eV[ion], record["energy_discharged_eV"], record["n_ions"], ion
        )
        assert row["voltage_V"] == pytest.approx(voltage_V, abs=1e-9)


@pytest.mark.parametrize(
    ("electrode_id", "experiment_V"),
    # Average voltages against lithium as in Goodenough and Kim, Chem. Mater. 22, 587 (2010).
    [
        ("demo-LiCoO2-O3", 3.9),
        ("demo-LiMn2O4-spinel", 4.1),
        ("demo-LiTiS2-1T", 2.1),
        ("demo-LiFePO4-olivine", 3.45),
    ],
)
def test_textbook_cathodes_are_within_half_a_volt_of_experiment(electrodes, electrode_id, experiment_V):
    voltage_V = electrodes.set_index("electrode_id").loc[electrode_id, "voltage_V"]
    assert voltage_V == pytest.approx(experiment_V, abs=0.5)


def test_relaxation_keeps_the_symmetry_of_spinel(records):
    """The host is the same crystal with another size: Fd-3m stays 227."""
    assert records.loc["demo-MgSc2Se4-spinel", "space_group"] == 227


def test_what_was_set_aside_is_counted_with_its_reason(electrodes, candidates, records):
    provenance = demo.load_provenance()
    assert provenance["electrodes"] == len(electrodes)
    assert provenance["candidates"] == len(candidates)
    assert len(decorations()) == len(electrodes) + len(candidates) + len(provenance["set_aside"])
    assert all(provenance["set_aside"].values())
    assert records["reason"].isna().sum() == len(electrodes) + len(candidates)


def test_most_candidates_meet_the_default_capacity_and_some_do_not(candidates):
    capacities = np.array(
        [
            volumetric_capacity(composition_of(row["numbers"])["Mg"], "Mg", volume_A3(row["cell"]))
            for _, row in candidates.iterrows()
        ]
    )
    assert 0.3 < (capacities > 800).mean() < 0.9


def test_reading_needs_no_torch():
    code = (
        "import sys; from ionsieve.data import demo; demo.load_electrodes(); demo.load_candidates();"
        "sys.exit(bool({'torch', 'chgnet'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

import hashlib
import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from monty.json import MontyDecoder
from pymatgen.core import Composition, Lattice, Structure
from pymatgen.io.vasp import Incar, Poscar

from ionsieve.config import ValidationConfig
from ionsieve.errors import CandidateFailed
from ionsieve.ions import WORKING_IONS
from ionsieve.validation.bundle import prepare
from ionsieve.validation.flow import voltage_from_energies
from ionsieve.validation.pair import intercalation_pair, metal_cell
from ionsieve.validation.vasp import VaspSettings, hubbard_u, input_set_generator, potcar_symbols

PAPER = VaspSettings(
    encut_eV=520.0, kspacing_per_A=0.2, ediff_eV=1e-6, max_force_eV_per_A=0.01, d3_damping="zero"
)
HALVES = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]


@pytest.fixture(scope="module")
def perovskite_mgmno3() -> Structure:
    return Structure(Lattice.cubic(3.9), ["Mg", "Mn", "O", "O", "O"], HALVES)


@pytest.fixture(scope="module")
def layered_mgtis2() -> Structure:
    fractions = [[0, 0, 0.5], [0, 0, 0], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]
    return Structure(Lattice.hexagonal(3.5, 6.2), ["Mg", "Ti", "S", "S"], fractions)


def files_of(structure: Structure, settings: VaspSettings = PAPER) -> dict[str, str]:
    archive = zipfile.ZipFile(io.BytesIO(prepare("mp-1", structure, "Mg", settings).archive))
    return {name.removeprefix("mp-1/"): archive.read(name).decode() for name in archive.namelist()}


@pytest.fixture(scope="module")
def mgmno3_files(perovskite_mgmno3) -> dict[str, str]:
    return files_of(perovskite_mgmno3)


def incar_of(files: dict[str, str], role: str) -> Incar:
    return Incar.from_str(files[f"{role}/INCAR"])


PAPER_TAGS = {
    "GGA": "Pe",
    "ENCUT": 520.0,
    "PREC": "Accurate",
    "EDIFF": 1e-6,
    "EDIFFG": -0.01,
    "KSPACING": 0.2,
    "KGAMMA": True,
    "ISPIN": 2,
    "ISIF": 3,
    "IBRION": 2,
    "IVDW": 11,
    "LASPH": True,
    "LAECHG": False,
    "LVTOT": False,
    "LVHAR": False,
    "LWAVE": False,
    "LCHARG": False,
}


@pytest.mark.parametrize("role", ["discharged", "charged", "metal"])
def test_every_relaxation_has_the_papers_tags(mgmno3_files, role):
    incar = incar_of(mgmno3_files, role)
    assert {tag: incar.get(tag) for tag in PAPER_TAGS} == PAPER_TAGS
    assert "METAGGA" not in incar


WHOLE_INCAR_OF_MGMNO3 = {
    **PAPER_TAGS,
    "ALGO": "Normal",
    "ISMEAR": 0,
    "SIGMA": 0.05,
    "NELM": 200,
    "NSW": 99,
    "LREAL": False,
    "LORBIT": 11,
    "LELF": False,
    "LDAU": True,
    "LDAUTYPE": 2,
    "LDAUPRINT": 1,
    "LDAUL": [0, 2, 0],
    "LDAUU": [0, 3.9, 0],
    "LDAUJ": [0, 0, 0],
    "LMAXMIX": 4,
    "MAGMOM": [0.6, 5, 0.6, 0.6, 0.6],
}


def test_the_incar_has_these_tags_and_no_other(mgmno3_files):
    assert dict(incar_of(mgmno3_files, "discharged")) == WHOLE_INCAR_OF_MGMNO3


def test_k_points_come_from_kspacing_alone_and_no_potcar_is_shipped(mgmno3_files):
    names = set(mgmno3_files)
    assert names == {"README.txt", "flow.json"} | {
        f"{role}/{name}"
        for role in ("discharged", "charged", "metal")
        for name in ("INCAR", "POSCAR", "POTCAR.spec")
    }


def test_manganese_in_an_oxide_gets_mps_u_on_its_d_shell(mgmno3_files):
    incar = incar_of(mgmno3_files, "discharged")
    symbols = Poscar.from_str(mgmno3_files["discharged/POSCAR"]).site_symbols
    assert dict(zip(symbols, incar["LDAUU"], strict=True)) == {"Mg": 0, "Mn": 3.9, "O": 0}
    assert dict(zip(symbols, incar["LDAUL"], strict=True))["Mn"] == 2
    assert (incar["LDAU"], incar["LDAUTYPE"]) == (True, 2)


def test_sites_are_grouped_by_element_however_the_crystal_lists_them(perovskite_mgmno3):
    """VASP wants one POTCAR and one U for each group, and POSCAR's order is theirs."""
    mixed = Structure.from_sites([perovskite_mgmno3[place] for place in (2, 0, 3, 1, 4)])
    files = files_of(mixed)
    for cell, elements in (("discharged", ["Mg", "Mn", "O"]), ("charged", ["Mn", "O"])):
        assert Poscar.from_str(files[f"{cell}/POSCAR"]).site_symbols == elements
        assert len(files[f"{cell}/POTCAR.spec"].split()) == len(elements)
        assert len(incar_of(files, cell)["LDAUU"]) == len(elements)
    assert incar_of(files, "discharged")["MAGMOM"] == [0.6, 5, 0.6, 0.6, 0.6]


def test_the_metal_is_smeared_as_a_metal(mgmno3_files):
    incar = incar_of(mgmno3_files, "metal")
    assert (incar["ISMEAR"], incar["SIGMA"]) == (1, 0.2)
    assert "LDAU" not in incar


def test_the_default_configuration_is_the_papers():
    defaults = ValidationConfig()
    assert {name: getattr(defaults, name) for name in vars(PAPER)} == vars(PAPER)


def test_charged_and_discharged_hosts_share_their_u(mgmno3_files):
    symbols = Poscar.from_str(mgmno3_files["charged/POSCAR"]).site_symbols
    assert dict(zip(symbols, incar_of(mgmno3_files, "charged")["LDAUU"], strict=True)) == {"Mn": 3.9, "O": 0}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("MgMn2O4", {"Mn": 3.9}),
        ("MgFeF4", {"Fe": 5.3}),
        ("MgVPO4F", {"V": 3.25}),
        ("MgMn2S4", {}),
        ("MgTi2O4", {}),
        ("MgCoCrO4", {"Co": 3.32, "Cr": 3.7}),
        ("MgFeNiO4", {"Fe": 5.3, "Ni": 6.2}),
        ("MgMoWO6", {"Mo": 4.38, "W": 6.2}),
        ("MgVO3", {"V": 3.25}),
        ("MgMnF4", {"Mn": 3.9}),
    ],
)
def test_u_follows_mp_in_oxides_and_fluorides_only(formula, expected):
    assert hubbard_u(Composition(formula)) == expected


def test_a_sulfide_is_computed_without_u(layered_mgtis2):
    incar = incar_of(files_of(layered_mgtis2), "discharged")
    assert not [tag for tag in incar if tag.startswith("LDAU")]


def test_metal_is_smeared_by_methfessel_paxton_and_hosts_are_not(mgmno3_files):
    assert {role: incar_of(mgmno3_files, role)["ISMEAR"] for role in ("metal", "charged", "discharged")} == {
        "metal": 1,
        "charged": 0,
        "discharged": 0,
    }


def test_manganese_starts_with_a_high_spin_moment(mgmno3_files):
    sites = Poscar.from_str(mgmno3_files["discharged/POSCAR"]).structure
    symbols = [site.specie.symbol for site in sites]
    moments = dict(zip(symbols, incar_of(mgmno3_files, "discharged")["MAGMOM"], strict=True))
    assert moments["Mn"] == 5
    assert moments["O"] == 0.6


def test_becke_johnson_damping_and_other_cutoffs_reach_the_incar(perovskite_mgmno3):
    other = VaspSettings(
        encut_eV=600.0, kspacing_per_A=0.3, ediff_eV=1e-5, max_force_eV_per_A=0.05, d3_damping="bj"
    )
    incar = incar_of(files_of(perovskite_mgmno3, other), "metal")
    tags = ("IVDW", "ENCUT", "KSPACING", "EDIFF", "EDIFFG")
    assert [incar[tag] for tag in tags] == [12, 600.0, 0.3, 1e-5, -0.05]


def test_charged_cell_is_the_discharged_one_without_the_ion(perovskite_mgmno3):
    cells = intercalation_pair(perovskite_mgmno3, "Mg")
    assert (cells.n_ions, cells.charged.composition) == (1, Composition("MnO3"))
    assert cells.charged.lattice == cells.discharged.lattice


# Nearest-neighbour distances in angstrom from tabulated densities, not from the lattice parameters.
@pytest.mark.parametrize(
    ("ion", "density"), [("Li", 0.53), ("Mg", 1.74), ("Ca", 1.54), ("Al", 2.70), ("Zn", 7.13)]
)
def test_metal_cells_have_the_metals_density(ion, density):
    assert metal_cell(ion).density == pytest.approx(density, rel=0.03)


def test_every_working_ion_has_a_metal_cell_and_a_paw_data_set():
    for ion in WORKING_IONS:
        cell = metal_cell(ion)
        assert potcar_symbols(cell.composition)[ion].split("_")[0] == ion


def test_potcar_spec_names_the_data_sets_in_the_order_of_the_poscar(mgmno3_files):
    assert mgmno3_files["discharged/POTCAR.spec"].split() == ["Mg_pv", "Mn_pv", "O"]
    assert Poscar.from_str(mgmno3_files["discharged/POSCAR"]).site_symbols == ["Mg", "Mn", "O"]


def test_an_element_without_a_paw_data_set_fails_with_its_name():
    polonide = Structure(Lattice.cubic(5.6), ["Mg", "Po"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(CandidateFailed, match="no PAW data set for Po"):
        prepare("mp-2", polonide, "Mg", PAPER)


def test_a_crystal_without_the_ion_or_without_a_host_fails(perovskite_mgmno3):
    with pytest.raises(CandidateFailed, match="no Ca in MgMnO3"):
        prepare("mp-3", perovskite_mgmno3, "Ca", PAPER)
    with pytest.raises(CandidateFailed, match="nothing is left of Mg"):
        prepare("mp-4", metal_cell("Mg"), "Mg", PAPER)


def test_flow_relaxes_three_cells_with_these_settings_and_then_takes_the_voltage(mgmno3_files):
    flow = json.loads(mgmno3_files["flow.json"], cls=MontyDecoder)
    assert [job.name for job in flow.jobs] == [
        "mp-1 discharged",
        "mp-1 charged",
        "mp-1 metal",
        "voltage_from_energies",
    ]
    charged = flow.jobs[1]
    inputs = charged.maker.input_set_generator.get_input_set(charged.function_args[0], potcar_spec=True)
    assert inputs.incar == incar_of(mgmno3_files, "charged")
    assert set(flow.jobs[3].input_uuids) == {job.uuid for job in flow.jobs[:3]}


def test_last_job_of_the_flow_computes_the_average_voltage():
    # [E(charged) + n E(metal) - E(discharged)] / (n z) = (-90 - 3 + 100) / 4 for two Mg.
    assert voltage_from_energies.original(-100.0, -90.0, -1.5, 2, "Mg") == {"voltage_V": pytest.approx(1.75)}


def test_ids_of_the_flow_change_with_the_settings(perovskite_mgmno3):
    other = VaspSettings(
        encut_eV=600.0, kspacing_per_A=0.2, ediff_eV=1e-6, max_force_eV_per_A=0.01, d3_damping="zero"
    )
    uuids = [
        json.loads(files_of(perovskite_mgmno3, settings)["flow.json"])["jobs"][0]["uuid"]
        for settings in (PAPER, other)
    ]
    assert uuids[0] != uuids[1]


def test_archive_has_the_same_bytes_in_another_process(perovskite_mgmno3, tmp_path):
    cif = tmp_path / "candidate.cif"
    perovskite_mgmno3.to(filename=str(cif))
    code = (
        "import sys, hashlib; from pymatgen.core import Structure;"
        "from ionsieve.validation.bundle import prepare; from ionsieve.validation.vasp import VaspSettings;"
        "s = VaspSettings(520.0, 0.2, 1e-6, 0.01, 'zero');"
        "archive = prepare('mp-1', Structure.from_file(sys.argv[1]), 'Mg', s).archive;"
        "print(hashlib.sha256(archive).hexdigest())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(cif)], capture_output=True, text=True, check=True
    )
    here = prepare("mp-1", Structure.from_file(cif), "Mg", PAPER).archive
    assert elsewhere.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_summary_says_what_was_prepared(perovskite_mgmno3):
    summary = prepare("mp-1", perovskite_mgmno3, "Mg", PAPER).summary
    assert summary["state"] == "prepared"
    assert summary["n_atoms"] == {"discharged": 5, "charged": 4, "metal": 2}
    assert summary["hubbard_u_eV"] == {"Mn": 3.9}
    assert summary["potcar_symbols"] == {"Mg": "Mg_pv", "Mn": "Mn_pv", "O": "O"}


def test_a_charged_host_that_no_oxidation_states_allow_is_prepared_and_marked(
    perovskite_mgmno3, layered_mgtis2
):
    # MnO3 would be Mn6+, where cathodes reach Mn4+; TiS2 is Ti4+.
    beyond, within = (
        prepare("mp-1", crystal, "Mg", PAPER).summary["charged_beyond_oxidation_states"]
        for crystal in (perovskite_mgmno3, layered_mgtis2)
    )
    assert (beyond, within) == (True, False)


def test_poscar_keeps_the_crystal(layered_mgtis2):
    written = Poscar.from_str(files_of(layered_mgtis2)["discharged/POSCAR"]).structure
    assert np.allclose(written.lattice.matrix, layered_mgtis2.lattice.matrix)
    assert written.composition == layered_mgtis2.composition


def test_settings_outside_the_table_of_dampings_are_refused():
    with pytest.raises(KeyError):
        input_set_generator(VaspSettings(520.0, 0.2, 1e-6, 0.01, "none"), metal=False)  # type: ignore[arg-type]

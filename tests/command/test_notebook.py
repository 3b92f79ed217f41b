"""From Python: the same numbers as the commands, and an import that costs nothing."""

import io
import subprocess
import sys

import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

import ionsieve
from ionsieve.errors import DataError, IonSieveError


def test_importing_the_package_loads_none_of_the_heavy_libraries():
    heavy = "{'torch', 'pymatgen', 'pandas', 'ase'}"
    script = f"import sys, ionsieve; dir(ionsieve); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_every_name_that_is_promised_is_there():
    assert set(ionsieve.__all__) <= set(dir(ionsieve))
    assert all(getattr(ionsieve, name) is not None for name in ionsieve.__all__)
    with pytest.raises(AttributeError, match="no attribute 'predict_volage'"):
        _ = ionsieve.predict_volage


def test_one_crystal_has_the_row_of_the_command_from_whatever_it_comes(predict, model_folder, spinel_mgmn2o4):
    spinel_mgmn2o4.to(filename="MgMn2O4.cif")
    (row,) = pd.read_csv(io.StringIO(predict("MgMn2O4.cif").stdout)).to_dict("records")
    for crystal in ("MgMn2O4.cif", Structure.from_file("MgMn2O4.cif")):
        predicted = ionsieve.predict_voltage(crystal, ion="Mg", model=model_folder)
        assert predicted.formula == "MgMn2O4"
        for name in ("voltage_V", "voltage_low_V", "voltage_high_V", "capacity_vol_Ah_per_L"):
            assert getattr(predicted, name) == pytest.approx(row[name], rel=1e-5)
    atoms = AseAtomsAdaptor.get_atoms(spinel_mgmn2o4)
    from_atoms = ionsieve.predict_voltage(atoms, ion="Mg", model=model_folder)
    assert from_atoms.voltage_V == pytest.approx(row["voltage_V"], abs=1e-3)


def test_a_crystal_that_cannot_be_used_says_why(model_folder):
    oxide = Structure(Lattice.cubic(3.0), ["Zn", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(DataError, match="contains no Mg"):
        ionsieve.predict_voltage(oxide, ion="Mg", model=model_folder)
    with pytest.raises(IonSieveError, match="is not a working ion"):
        ionsieve.predict_voltage(oxide, ion="Fe", model=model_folder)


def test_many_crystals_keep_their_order_and_their_reasons(model_folder, spinel_mgmn2o4):
    oxide = Structure(Lattice.cubic(3.0), ["Zn", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    disordered = Structure(Lattice.cubic(3.0), [{"Mg": 0.5}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    table = ionsieve.predict_voltages([oxide, spinel_mgmn2o4, disordered, "absent.cif"], model=model_folder)
    assert table["voltage_V"].notna().tolist() == [False, True, False, False]
    assert table["reason"][1] is None
    assert "contains no Mg" in table["reason"][0]
    assert "partial occupancies" in table["reason"][2]


def test_a_formula_says_what_was_left_of_it():
    predicted = ionsieve.predict_formula_voltage("MgMn2O4", ion="Mg")
    assert predicted.charged_formula == "Mn2O4"
    assert predicted.voltage_low_V < predicted.voltage_V < predicted.voltage_high_V
    half = ionsieve.predict_formula_voltage("LiCoO2", ion="Li", charged="Li0.5CoO2")
    assert half.charged_formula == "Li0.5CoO2"


def test_a_run_opens_from_its_folder(tmp_path):
    (tmp_path / "results").mkdir()
    run = ionsieve.open_run(tmp_path)
    assert run.working_ion == "Mg"
    with pytest.raises(DataError, match="has no shortlist yet"):
        _ = run.candidates


def test_a_folder_is_not_one_crystal(tmp_path):
    with pytest.raises(DataError, match="is a folder; give one crystal, or the folder to `ionsieve predict`"):
        ionsieve.predict_voltage(tmp_path, ion="Mg")

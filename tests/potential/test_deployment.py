import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT

from ionsieve.artifacts import write_json
from ionsieve.errors import ConfigError
from ionsieve.potential.break_even import COMPILING_S, compiling_pays
from ionsieve.potential.calculator import load_calculator
from ionsieve.potential.deployment import _difference, deploy, example_frames, largest_differences
from ionsieve.potential.formats import model_format
from ionsieve.potential.frames import write_frames


@pytest.fixture
def deployed(tmp_path):
    return tmp_path / "deployed.model"


@pytest.fixture
def frames(tmp_path, alloy_frames):
    write_frames(tmp_path / "test.extxyz", alloy_frames.test)
    return [tmp_path / "test.extxyz"]


@pytest.fixture
def named(tmp_path):
    write_json(tmp_path / "named", {"calculator": "ase.calculators.emt.EMT", "arguments": {}})
    return tmp_path / "named"


def test_compiling_pays_once_the_saved_seconds_exceed_its_own():
    n_steps = COMPILING_S / 0.0135  # at 100 atoms a step saves 8 ms, and 5.5 ms for the atoms
    assert compiling_pays(1.01 * n_steps * 2.0 / 1000, 2.0, 100)
    assert not compiling_pays(0.99 * n_steps * 2.0 / 1000, 2.0, 100)
    assert compiling_pays(60.0, 2.0, 512)  # the paper's
    assert not compiling_pays(7.0, 2.0, 100)  # the demo's


@pytest.mark.parametrize(
    "choice, pays, why", [("never", True, "potential.compile is never"), ("auto", False, "too short")]
)
def test_a_model_stays_as_it_is_where_compiling_is_off_or_does_not_pay(
    checkpoint, frames, deployed, choice, pays, why
):
    told = deploy(checkpoint, frames, choice, pays, deployed)
    assert told.startswith("as it is: ") and why in told
    assert deployed.read_bytes() == checkpoint.read_bytes()


def test_without_a_compiler_auto_means_as_it_is_and_always_is_an_error(
    checkpoint, frames, deployed, monkeypatch
):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no g++" in deploy(checkpoint, frames, "auto", True, deployed)
    assert deployed.read_bytes() == checkpoint.read_bytes()
    with pytest.raises(ConfigError, match="potential.compile is always, but compiling needs a C"):
        deploy(checkpoint, frames, "always", False, deployed)


def test_without_frames_to_compare_on_nothing_is_compiled(checkpoint, deployed):
    assert "no frames to compare" in deploy(checkpoint, [], "always", True, deployed)


def test_another_calculator_is_run_as_it_comes(named, frames, deployed):
    assert "of the kind calculator" in deploy(named, frames, "always", True, deployed)
    assert isinstance(load_calculator(deployed), EMT)


def test_a_compiled_model_with_other_forces_or_of_no_use_is_not_taken(
    tmp_path, checkpoint, named, alloy_frames
):
    assert _difference(checkpoint, checkpoint, alloy_frames.test) is None
    assert "forces differ by" in _difference(checkpoint, named, alloy_frames.test)
    (tmp_path / "broken").write_text("no program")
    assert "does not run here: DataError" in _difference(checkpoint, tmp_path / "broken", alloy_frames.test)


def test_the_largest_difference_is_that_of_one_component(alloy_frames):
    class Shifted(EMT):
        def calculate(self, *arguments, **keywords):
            super().calculate(*arguments, **keywords)
            self.results["forces"][1, 2] -= 0.25
            self.results["stress"] = self.results["stress"] + [0, 0, 0, 0.5 * units.GPa, 0, 0]

    forces_eV_per_A, stress_GPa = largest_differences(EMT(), Shifted(), alloy_frames.test)
    assert forces_eV_per_A == pytest.approx(0.25)
    assert stress_GPa == pytest.approx(0.5)


def test_examples_are_the_first_frames_there_are(tmp_path, alloy_frames):
    (tmp_path / "empty.extxyz").touch()
    write_frames(tmp_path / "train.extxyz", alloy_frames.train)
    examples = example_frames([tmp_path / "empty.extxyz", tmp_path / "train.extxyz"])
    assert len(examples) == 8
    np.testing.assert_allclose(examples[7].get_forces(), alloy_frames.train[7].get_forces(), atol=1e-7)
    assert example_frames([tmp_path / "empty.extxyz"]) == []


@pytest.mark.long
def test_compiled_forces_are_those_of_the_model_and_turn_with_the_crystal(
    checkpoint, alloy_frames, frames, deployed, caplog
):
    with caplog.at_level("INFO"):
        assert deploy(checkpoint, frames, "always", False, deployed) == "compiled"
    assert "compiled and eager differ by at most" in caplog.text
    assert model_format(deployed) == "compiled"
    compiled, eager = load_calculator(deployed), load_calculator(checkpoint)
    assert compiled.elements == eager.elements and compiled.cutoff_A == eager.cutoff_A == 5.0
    crystal = alloy_frames.train[0].repeat((2, 1, 1))  # of another size than what it was compiled with
    turned = crystal.copy()
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turned.set_cell(crystal.cell.array @ rotation.T, scale_atoms=True)
    crystal.calc, turned.calc = eager, compiled
    assert turned.get_potential_energy() == pytest.approx(crystal.get_potential_energy(), abs=1e-3)
    np.testing.assert_allclose(turned.get_forces(), crystal.get_forces() @ rotation.T, atol=1e-3)
    stress = rotation @ crystal.get_stress(voigt=False) @ rotation.T
    np.testing.assert_allclose(turned.get_stress(voigt=False), stress, atol=1e-5)

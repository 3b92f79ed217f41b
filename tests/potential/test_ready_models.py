import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from ionsieve.artifacts import digest
from ionsieve.errors import CandidateFailed, ConfigError, DataError
from ionsieve.potential.calculator import check_computable, check_elements, load_calculator, require_room
from ionsieve.potential.formats import model_format
from ionsieve.potential.frames import write_frames
from ionsieve.potential.training import train
from ionsieve.tables import FORCE_PARITY, read_table

NO_FRAMES = SimpleNamespace(frames=[], ready=[])


def test_a_named_calculator_drives_md_without_training(tmp_path, run_script, alloy, alloy_frames):
    write_frames(tmp_path / "own.extxyz", alloy_frames.test)
    job = SimpleNamespace(frames=[str(tmp_path / "own.extxyz")], ready=[])
    emt = {"calculator": "ase.calculators.emt.EMT", "calculator_arguments": {"asap_cutoff": False}}
    result = run_script("train_shared_potential", job, **emt)
    assert (result["status"], result["calculator"]) == ("ok", "ase.calculators.emt.EMT")
    assert result["metrics"]["force_mae_eV_per_A"] == pytest.approx(0, abs=1e-6)
    assert result["softening"]["slope"] == 1.0
    parity = read_table(tmp_path / "out" / "parity.parquet", FORCE_PARITY)
    np.testing.assert_allclose(parity["predicted_force_eV_per_A"], parity["force_eV_per_A"], atol=1e-6)
    alloy = alloy.copy()
    alloy.calc = load_calculator(tmp_path / "out" / "model.ckpt")
    assert isinstance(alloy.calc, EMT) and not alloy.calc.parameters.asap_cutoff
    alloy.get_potential_energy()


def test_one_model_is_trained_on_the_frames_of_all_files(tmp_path, run_script, alloy_frames):
    paths = [tmp_path / f"{subset}.extxyz" for subset in ("train", "validation", "test")]
    for path in paths:
        write_frames(path, getattr(alloy_frames, path.stem))
    job = SimpleNamespace(frames=[str(path) for path in paths], ready=[])
    result = run_script("train_shared_potential", job, epochs=1, max_force_mae_eV_per_A=10.0)
    assert (result["status"], set(result["elements"])) == ("ok", {"Au", "Cu"})
    load_calculator(tmp_path / "out" / "model.ckpt")


def test_a_calculator_that_keeps_its_elements_to_itself_refuses_none_beforehand(tmp_path, run_script):
    result = run_script("train_shared_potential", NO_FRAMES, calculator="ase.calculators.emt.EMT")
    assert result["elements"] is None and result["metrics"] is None and result["softening"] is None
    assert read_table(tmp_path / "out" / "parity.parquet", FORCE_PARITY).empty
    lanthanum = bulk("La", "fcc", a=5.3)
    check_elements(tmp_path / "out" / "model.json", lanthanum)
    lanthanum.calc = load_calculator(tmp_path / "out" / "model.ckpt")
    message = r"^EMT cannot compute a crystal of La: NotImplementedError: No EMT-pot"
    with pytest.raises(CandidateFailed, match=message):
        check_computable(lanthanum)


def test_a_cell_thinner_than_the_potential_reaches_is_refused_with_both_lengths():
    crystal = bulk("Cu", cubic=True).repeat((2, 2, 1))
    with pytest.raises(CandidateFailed, match=r"is 3\.6 A thin, .* reaches 6 A, .* raise transport"):
        require_room(crystal, 6.0)
    require_room(crystal.repeat((1, 1, 2)), 6.0)


def test_a_calculator_that_is_not_there_is_a_message_and_no_model(tmp_path, run_script):
    with pytest.raises(ConfigError, match="cannot be imported"):
        run_script("train_shared_potential", NO_FRAMES, calculator="no.such.Calculator")
    assert not (tmp_path / "out" / "model.ckpt").exists()


def test_an_archive_of_something_else_is_refused(tmp_path):
    shutil.make_archive(str(tmp_path / "model"), "zip", Path(__file__).parent, "conftest.py")
    with pytest.raises(DataError, match="is not a checkpoint that this NequIP can load"):
        load_calculator(tmp_path / "model.zip")


@pytest.mark.slow
def test_a_package_gives_the_forces_of_the_checkpoint_it_was_made_from(
    tmp_path, run_script, settings, alloy_frames
):
    checkpoint = tmp_path / "model.ckpt"
    # Without our repulsion, which nequip-package does not know how to take along.
    train(alloy_frames.train, alloy_frames.validation, replace(settings, epochs=1, zbl=False), checkpoint)
    # nequip-package takes an example of its input from the training frames.
    write_frames(tmp_path / "train.extxyz", alloy_frames.train)
    write_frames(tmp_path / "validation.extxyz", alloy_frames.validation)
    package = tmp_path / "ready.nequip.zip"
    command = [sys.executable, "-m", "nequip.scripts.package", "build", str(checkpoint), str(package)]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (model_format(checkpoint), model_format(package)) == ("checkpoint", "package")
    result = run_script("train_shared_potential", SimpleNamespace(frames=[], ready=[str(package)]))
    assert (result["status"], result["elements"], result["cutoff_A"]) == ("ok", ["Cu", "Au"], 5.0)
    with pytest.raises(CandidateFailed, match="never trained on Pt"):
        check_elements(tmp_path / "out" / "model.json", bulk("Pt"))
    forces = []
    for model in (checkpoint, tmp_path / "out" / "model.ckpt"):
        atoms = alloy_frames.test[0].copy()
        atoms.calc = load_calculator(model)
        forces.append(atoms.get_forces())
    np.testing.assert_allclose(forces[0], forces[1], atol=1e-5)
    assert result["sources_sha256"] == {"ready": digest(package)}

import logging
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from ionsieve.artifacts import write_json
from ionsieve.errors import CandidateFailed, DataError
from ionsieve.potential.calculator import check_elements, load_calculator
from ionsieve.potential.card import card
from ionsieve.potential.evaluation import PARITY_ROWS, errors, force_parity, predict, require_accurate
from ionsieve.potential.frames import write_frames
from ionsieve.potential.training import _require_finite, train
from ionsieve.tables import FORCE_PARITY, to_arrow


@pytest.fixture(scope="module")
def calculator(checkpoint):
    return load_calculator(checkpoint)


@pytest.fixture
def crystal(alloy_frames, calculator):
    atoms = alloy_frames.test[0].copy()
    atoms.calc = calculator
    return atoms


def test_six_epochs_explain_most_of_the_forces(calculator, alloy_frames):
    forces = np.concatenate([frame.get_forces() for frame in alloy_frames.test])
    told = errors(predict(calculator, alloy_frames.test), alloy_frames.test)
    assert told["force_mae_eV_per_A"] < 0.6 * np.mean(np.abs(forces))


def test_energy_forces_and_stress_turn_with_the_crystal(crystal, calculator):
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turned = crystal.copy()
    turned.set_cell(crystal.cell.array @ rotation.T, scale_atoms=True)
    turned.positions += [0.3, -1.1, 2.7]
    turned.calc = calculator
    assert turned.get_potential_energy() == pytest.approx(crystal.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(turned.get_forces(), crystal.get_forces() @ rotation.T, atol=1e-4)
    stress = rotation @ crystal.get_stress(voigt=False) @ rotation.T
    np.testing.assert_allclose(turned.get_stress(voigt=False), stress, atol=1e-6)


def test_the_order_of_atoms_does_not_matter(crystal, calculator):
    order = np.random.default_rng(2).permutation(len(crystal))
    shuffled = crystal[order]
    shuffled.calc = calculator
    assert shuffled.get_potential_energy() == pytest.approx(crystal.get_potential_energy(), abs=1e-4)
    np.testing.assert_allclose(shuffled.get_forces(), crystal.get_forces()[order], atol=1e-4)


def test_forces_are_the_gradient_of_the_energy(crystal):
    forces = crystal.get_forces()
    step_A = 1e-2  # wide, since the network computes in single precision
    for atom, axis in ((0, 0), (5, 2)):
        energies = []
        for sign in (1, -1):
            crystal.positions[atom, axis] += sign * step_A
            energies.append(crystal.get_potential_energy())
            crystal.positions[atom, axis] -= sign * step_A
        assert forces[atom, axis] == pytest.approx((energies[1] - energies[0]) / (2 * step_A), abs=5e-3)


@pytest.mark.parametrize("voigt", [0, 4])
def test_stress_is_the_energy_per_strain_and_volume(crystal, calculator, energy_per_strain, voigt):
    measured = energy_per_strain(crystal, calculator, voigt, step=5e-3)
    assert crystal.get_stress()[voigt] == pytest.approx(measured, abs=3e-4)


def test_torch_keeps_its_default_dtype(checkpoint, crystal):
    assert torch.get_default_dtype() == torch.float32
    load_calculator(checkpoint)
    crystal.get_forces()
    assert torch.get_default_dtype() == torch.float32


def test_a_checkpoint_says_nothing_about_where_it_was_made(checkpoint):
    content = checkpoint.read_bytes()
    assert b"ionsieve-nequip-" not in content and b"/tmp" not in content and b"/home" not in content


def test_errors_are_told_by_element_and_kind(calculator, alloy_frames):
    frames = [*alloy_frames.test, *alloy_frames.train]
    told = errors(predict(calculator, frames), frames)
    assert set(told["force_mae_by_element_eV_per_A"]) == {"Au", "Cu"}
    assert set(told["by_kind"]) == {"hop", "hot", "rattled", "strained"}
    assert sum(of_kind["n_frames"] for of_kind in told["by_kind"].values()) == told["n_frames"] == 28
    assert told["stress_mae_GPa"] > 0 and told["energy_mae_meV_per_atom"] > 0


def test_a_perfect_potential_has_no_errors(alloy_frames):
    told = errors(predict(EMT(), alloy_frames.test), alloy_frames.test)
    assert (told["energy_mae_meV_per_atom"], told["force_mae_eV_per_A"]) == (0.0, 0.0)
    assert told["stress_mae_GPa"] == 0.0


def test_parity_holds_labels_beside_predictions_component_by_component(alloy_frames):
    rows = force_parity(predict(EMT(), alloy_frames.test), alloy_frames.test)
    assert to_arrow(rows, FORCE_PARITY).num_rows == sum(3 * len(frame) for frame in alloy_frames.test)
    np.testing.assert_allclose(rows["predicted_force_eV_per_A"], rows["force_eV_per_A"], atol=1e-9)
    assert rows["element"][:6].tolist() == [
        symbol for symbol in alloy_frames.test[0].get_chemical_symbols()[:2] for _ in range(3)
    ]
    many = force_parity(predict(EMT(), alloy_frames.test) * 20, alloy_frames.test * 20)
    assert len(many) == PARITY_ROWS and set(many["element"]) == {"Au", "Cu"}
    assert force_parity([], []).empty


def test_the_gate_names_the_figure_and_the_limit():
    require_accurate({"force_mae_eV_per_A": 0.3}, 0.3)
    with pytest.raises(CandidateFailed, match=r"0\.412 eV/A .* above the 0\.3 eV/A allowed") as failure:
        require_accurate({"force_mae_eV_per_A": 0.412}, 0.3)
    assert failure.value.status == "potential_rejected"
    with pytest.raises(CandidateFailed, match="no finite forces"):
        require_accurate({"force_mae_eV_per_A": None}, 0.3)


def test_an_element_never_seen_is_named(tmp_path, calculator, alloy_frames):
    tested = predict(calculator, alloy_frames.test)
    write_json(tmp_path / "model.json", card(calculator, tested, alloy_frames, "EMT", {}, None))
    check_elements(tmp_path / "model.json", alloy_frames.test[0])
    with pytest.raises(CandidateFailed, match="never trained on Pt; it knows Au, Cu"):
        check_elements(tmp_path / "model.json", bulk("Pt"))


def test_too_few_frames_say_how_many_are_needed(tmp_path, alloy_frames, settings):
    with pytest.raises(CandidateFailed, match=r"3 training and 1 validation frames are too few: at least 5"):
        train(alloy_frames.train[:3], alloy_frames.validation[:1], settings, tmp_path / "model.ckpt")


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.ones(2), "counts": {}}}, tmp_path / "good.ckpt")
    _require_finite(tmp_path / "good.ckpt")
    torch.save({"state_dict": {"a": torch.tensor([1.0, float("nan")])}}, tmp_path / "bad.ckpt")
    with pytest.raises(CandidateFailed, match="training diverged: the weights are not finite"):
        _require_finite(tmp_path / "bad.ckpt")


def test_what_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "model.ckpt").write_text("no model")
    with pytest.raises(DataError, match=r"model\.ckpt is not a model: give a NequIP checkpoint"):
        load_calculator(tmp_path / "model.ckpt")


def test_an_earlier_failure_passes_through_training(tmp_path, run_script):
    write_json(
        tmp_path / "frames.json", {"status": "failed", "reason": "the teacher cannot label this crystal"}
    )
    result = run_script(
        "train_potential",
        SimpleNamespace(train="x", validation="x", test="x", result=str(tmp_path / "frames.json")),
    )
    assert (result["status"], result["reason"]) == ("failed", "the teacher cannot label this crystal")


def test_a_ready_model_is_adopted_and_measured(tmp_path, run_script, checkpoint, alloy_frames):
    write_frames(tmp_path / "own.extxyz", alloy_frames.test)
    job = SimpleNamespace(frames=[str(tmp_path / "own.extxyz")], ready=[str(checkpoint)])
    result = run_script("train_shared_potential", job)
    assert result["status"] == "ok"
    assert result["elements"] == ["Cu", "Au"]
    assert result["metrics"]["n_frames"] == len(alloy_frames.test)
    assert (tmp_path / "out" / "model.ckpt").read_bytes() == checkpoint.read_bytes()


def test_a_shared_model_above_the_gate_is_rejected(tmp_path, run_script, checkpoint, alloy_frames):
    write_frames(tmp_path / "own.extxyz", alloy_frames.test)
    job = SimpleNamespace(frames=[str(tmp_path / "own.extxyz")], ready=[str(checkpoint)])
    result = run_script("train_shared_potential", job, max_force_mae_eV_per_A=1e-4)
    assert result["status"] == "potential_rejected"
    assert f"{result['metrics']['force_mae_eV_per_A']:.3f} eV/A" in result["reason"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_bit_for_bit(tmp_path, checkpoint, alloy_frames, settings):
    def weights(path):
        return torch.load(path, weights_only=False)["state_dict"]

    train(alloy_frames.train, alloy_frames.validation, settings, tmp_path / "again.ckpt")
    train(alloy_frames.train, alloy_frames.validation, replace(settings, seed=1), tmp_path / "other.ckpt")
    first, again, other = (
        weights(checkpoint),
        weights(tmp_path / "again.ckpt"),
        weights(tmp_path / "other.ckpt"),
    )
    tensors = [name for name, value in first.items() if isinstance(value, torch.Tensor)]
    assert all(torch.equal(first[name], again[name]) for name in tensors)
    assert not all(torch.equal(first[name], other[name]) for name in tensors)


@pytest.mark.slow
def test_a_shared_potential_is_trained_on_the_users_frames(tmp_path, run_script, alloy_frames, caplog):
    write_frames(tmp_path / "own.extxyz", [frame for side in vars(alloy_frames).values() for frame in side])
    with caplog.at_level(logging.INFO):
        job = SimpleNamespace(frames=[str(tmp_path / "own.extxyz")], ready=[])
        result = run_script("train_shared_potential", job)
    assert result["status"] == "ok"
    assert "epoch 6/6" in caplog.text
    assert result["training"]["preset"] == "small"

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from ase.data import atomic_numbers, covalent_radii
from nequip.data import AtomicDataDict, compute_neighborlist_, from_ase
from nequip.model import FullNequIPGNNModel
from nequip.utils import torch_default_dtype
from nequip.utils.global_state import set_global_state

from ionsieve.potential.calculator import load_calculator
from ionsieve.potential.frames import labelled
from ionsieve.potential.nequip_config import PRESETS, DataScales, model_config, training_config
from ionsieve.potential.scales import data_scales, energy_shifts
from ionsieve.potential.training import TrainingSettings, train

ELEMENTS = ["O", "Mg", "Mn"]
SCALES = DataScales(dict.fromkeys(ELEMENTS, 0.0), dict.fromkeys(ELEMENTS, 1.0), 5.0)


def build(preset: str, zbl: bool = False, elements: list[str] = ELEMENTS) -> torch.nn.Module:
    scales = DataScales(dict.fromkeys(elements, 0.0), dict.fromkeys(elements, 1.0), 5.0)
    config = model_config(preset, elements, scales, zbl, seed=0)
    config.pop("_target_")
    with torch_default_dtype(torch.float32):
        set_global_state()
        return FullNequIPGNNModel(**config).eval()


def energy_eV(model: torch.nn.Module, atoms: Atoms) -> float:
    with torch_default_dtype(torch.float64):
        data = compute_neighborlist_(from_ase(atoms), r_max=5.0)
        data[AtomicDataDict.ATOM_TYPE_KEY] = torch.tensor(
            [ELEMENTS.index(symbol) for symbol in atoms.symbols]
        )
        return float(model(data)[AtomicDataDict.TOTAL_ENERGY_KEY].detach())


@pytest.fixture(scope="module")
def chiral_cluster() -> Atoms:
    """Six atoms without any mirror, in a large box."""
    positions = np.random.default_rng(7).uniform(0, 3.5, (6, 3)) + 10
    return Atoms("OMgMnO2Mg", positions=positions, cell=[20.0] * 3, pbc=True)


def test_the_paper_preset_is_the_papers_network():
    config = model_config("paper", ELEMENTS, SCALES, zbl=False, seed=0)
    assert config["feature_irreps_hidden"] == ["128x0e+64x1e+32x2e"] * 3 + ["128x0e"]
    assert config["irreps_edge_sh"] == "1x0e+1x1e+1x2e"
    assert config["r_max"] == 5.0
    assert "pair_potential" not in config


@pytest.mark.parametrize(
    "preset, n_parameters", [("small", 46_979), ("paper", 3_254_499), ("paper_1o", 3_186_915)]
)
def test_parameter_counts(preset, n_parameters):
    model = build(preset)
    assert sum(weight.numel() for weight in model.parameters() if weight.requires_grad) == n_parameters


def test_only_odd_vectors_make_energy_invariant_under_inversion(chiral_cluster):
    inverted = chiral_cluster.copy()
    inverted.positions = 20 - inverted.positions
    for preset, invariant in (("small", True), ("paper_1o", True), ("paper", False)):
        model = build(preset)
        before_eV, after_eV = energy_eV(model, chiral_cluster), energy_eV(model, inverted)
        assert (abs(after_eV / before_eV - 1) < 1e-5) == invariant, preset


def zbl_eV(first: str, second: str, distance_A: float) -> float:
    """Ziegler, Biersack, Littmark (1985): the screened repulsion of two bare atoms."""
    charges = [atomic_numbers[first], atomic_numbers[second]]
    reduced = distance_A * sum(charge**0.23 for charge in charges) / 0.46850
    amplitudes, decays = [0.02817, 0.28022, 0.50986, 0.18175], [0.20162, 0.40290, 0.94229, 3.19980]
    screening = sum(a * np.exp(-d * reduced) for a, d in zip(amplitudes, decays, strict=True))
    return 14.399645 * charges[0] * charges[1] / distance_A * screening


def test_core_repulsion_is_zbl_at_contact_and_gone_within_the_bond():
    reach_A = 0.85 * (covalent_radii[25] + covalent_radii[8])
    with_repulsion, without = build("small", zbl=True), build("small")
    gained = []
    for distance_A in (0.15 * reach_A, 0.5 * reach_A, reach_A, 1.9):
        pair = Atoms("MnO", positions=[[9, 9, 9], [9 + distance_A, 9, 9]], cell=[20.0] * 3, pbc=True)
        gained.append(energy_eV(with_repulsion, pair) - energy_eV(without, pair))
    assert gained[0] == pytest.approx(zbl_eV("Mn", "O", 0.15 * reach_A), rel=1e-3)
    assert 0 < gained[1] < zbl_eV("Mn", "O", 0.5 * reach_A)
    assert gained[2:] == [0.0, 0.0]


def test_shifts_recover_the_energies_of_atoms_when_compositions_differ():
    counts = np.array([[4, 4], [4, 3], [4, 1], [8, 2], [1, 7]], dtype=float)
    shifts = energy_shifts(counts, counts @ [-3.0, -5.0], np.ones(5))
    np.testing.assert_allclose(shifts, [-3.0, -5.0], atol=1e-3)


def test_shifts_of_one_composition_are_the_mean_energy_of_an_atom():
    np.testing.assert_allclose(
        energy_shifts(np.array([[4.0, 8.0]] * 3), np.array([-59.9, -60.0, -60.1]), np.ones(3)), -5.0
    )


def test_heat_does_not_pass_for_the_energy_of_atoms(alloy_frames):
    shifts = data_scales(alloy_frames.train).energy_shifts_eV
    calm = min(alloy_frames.train, key=lambda frame: np.abs(frame.get_forces()).max())
    expected = sum(shifts[symbol] for symbol in calm.symbols)
    assert expected == pytest.approx(calm.get_potential_energy(), abs=0.05 * len(calm))


def test_scales_are_the_force_components_of_each_element(alloy_frames):
    scales = data_scales(alloy_frames.train)
    for element in ("Cu", "Au"):
        forces = np.concatenate(
            [frame.get_forces()[frame.symbols == element] for frame in alloy_frames.train]
        )
        assert scales.energy_scales_eV[element] == pytest.approx(np.sqrt(np.mean(forces**2)))


def test_an_atom_of_a_face_centred_cubic_crystal_has_three_shells_within_the_cutoff(alloy):
    frame = labelled(alloy, -1.0, np.zeros((4, 3)), None)
    assert data_scales([frame]).average_neighbors == 12 + 6 + 24


@pytest.mark.parametrize(
    "with_stress, terms", [(True, ["energy_per_atom", "forces", "stress"]), (False, None)]
)
def test_loss_weighs_forces_five_times_energies(with_stress, terms):
    config = training_config(
        train="a",
        validation="b",
        model=model_config("small", ELEMENTS, SCALES, True, 0),
        with_stress=with_stress,
        epochs=1,
        batch_size=1,
        learning_rate=1e-3,
        seed=0,
        accelerator="cpu",
    )
    loss = {term["name"]: term for term in config["training_module"]["loss"]["metrics"]}
    assert list(loss) == (terms or ["energy_per_atom", "forces"])
    assert loss["forces"]["coeff"] == 5 * loss["energy_per_atom"]["coeff"]
    assert all(term["metric"]["_target_"] == "nequip.train.HuberLoss" for term in loss.values())
    assert ("stress" in config["data"]["exclude_keys"]) != with_stress


def trainer_of(devices: int, batch_size: int = 32) -> dict:
    config = training_config(
        train="a",
        validation="b",
        model=model_config("paper", ELEMENTS, SCALES, False, 0),
        with_stress=True,
        epochs=1,
        batch_size=batch_size,
        learning_rate=1e-3,
        seed=0,
        accelerator="gpu",
        devices=devices,
    )
    return {**config["trainer"], "batch_size": config["data"]["train_dataloader"]["batch_size"]}


@pytest.mark.parametrize("devices, share", [(1, 32), (4, 8), (3, 11), (64, 1)])
def test_devices_share_each_batch(devices, share):
    trainer = trainer_of(devices)
    assert (trainer["devices"], trainer["batch_size"]) == (devices, share)
    # Gradients are summed over devices by NequIP's strategy; one device needs none.
    strategy = trainer.get("strategy", {}).get("_target_")
    assert strategy == ("nequip.train.SimpleDDPStrategy" if devices > 1 else None)


def test_lightning_is_given_what_it_can_be_made_from():
    from hydra.utils import get_class

    trainer = trainer_of(4)
    for part in (trainer, trainer["strategy"], *trainer["plugins"], *trainer["callbacks"]):
        assert get_class(part["_target_"])


@pytest.mark.slow
def test_the_paper_preset_trains_for_a_few_steps_with_the_papers_shapes(tmp_path, alloy):
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(7):
        atoms = alloy.copy()
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = EMT()
        frames.append(labelled(atoms, atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    settings = TrainingSettings("paper", epochs=2, batch_size=3, learning_rate=2e-3, zbl=False, seed=0)
    train(frames[:6], frames[6:], settings, tmp_path / "model.ckpt")
    trained = load_calculator(tmp_path / "model.ckpt")
    fresh = build("paper", elements=["Cu", "Au"])
    assert trained.n_parameters == sum(
        weight.numel() for weight in fresh.parameters() if weight.requires_grad
    )
    saved = torch.load(tmp_path / "model.ckpt", weights_only=False)["hyper_parameters"]["model"]
    assert saved["feature_irreps_hidden"] == ["128x0e+64x1e+32x2e"] * 3 + ["128x0e"]
    assert saved["irreps_edge_sh"] == "1x0e+1x1e+1x2e"
    assert np.isfinite(trained.get_forces(frames[6])).all()


def test_presets_are_those_of_the_configuration():
    from typing import get_args

    from ionsieve.config import PotentialConfig

    assert set(get_args(PotentialConfig.model_fields["preset"].annotation)) == set(PRESETS)

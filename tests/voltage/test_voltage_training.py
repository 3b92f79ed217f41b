import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from ionsieve.artifacts import digest
from ionsieve.errors import DataError
from ionsieve.tables import OUT_OF_FOLD, write_table
from ionsieve.voltage.cross_validation import member_seed, run_fold
from ionsieve.voltage.devices import compute_device
from ionsieve.voltage.ensemble import save_member
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.training import Schedule, one_cycle, train_ionsieve, train_member

SMALL = Architecture(cutoff_A=8.0, max_neighbors=12, atom_features=16, convolutions=2, hidden_features=16)
QUICK = Schedule(epochs=30, batch_size=8, learning_rate=0.01, weight_decay=0.0)
VERY_QUICK = Schedule(epochs=2, batch_size=16, learning_rate=0.01, weight_decay=0.0)


MODELS = pytest.mark.parametrize("model", ["cgcnn", "ionsieve"])


@MODELS
def test_voltages_of_unseen_frameworks_are_learned(model, synthetic_electrodes):
    """Metal, anion and ion add up to the voltage: a network that sees all three predicts new hosts."""
    _, held_out = run_fold(synthetic_electrodes, model, "framework", 0, 5, SMALL, QUICK, seed=0)
    labels_V, predictions_V = held_out["voltage_V"], held_out["predicted_voltage_V"]
    baseline_V = np.abs(labels_V - synthetic_electrodes.voltages_V.mean()).mean()
    assert np.abs(labels_V - predictions_V).mean() < 0.5 * baseline_V
    assert np.corrcoef(labels_V, predictions_V)[0, 1] > 0.9


@MODELS
def test_scrambled_voltages_cannot_be_predicted(model, synthetic_electrodes):
    """A way for a label to reach its own prediction would show here."""
    scrambled = np.random.default_rng(5).permutation(synthetic_electrodes.voltages_V)
    electrodes = dataclasses.replace(
        synthetic_electrodes, table=synthetic_electrodes.table.assign(voltage_V=scrambled)
    )
    folds = [run_fold(electrodes, model, "framework", fold, 5, SMALL, QUICK, seed=0)[1] for fold in range(2)]
    held_out = pd.concat(folds)
    error_V = np.abs(held_out["voltage_V"] - held_out["predicted_voltage_V"]).mean()
    assert error_V > 0.8 * np.abs(scrambled - scrambled.mean()).mean()


@MODELS
def test_held_out_voltages_do_not_touch_the_member(model, synthetic_electrodes, tmp_path):
    """Not its weights, its trees or its normalisers: absurd labels of held-out rows leave the same bytes."""
    voltages_V = synthetic_electrodes.voltages_V
    training = np.arange(0, len(voltages_V), 2)
    absurd_V = np.where(np.isin(np.arange(len(voltages_V)), training), voltages_V, 1e6)
    train = train_ionsieve if model == "ionsieve" else train_member
    for name, labels_V in {"true": voltages_V, "absurd": absurd_V}.items():
        member = train(
            synthetic_electrodes.graphs,
            labels_V,
            training,
            SMALL,
            VERY_QUICK,
            seed=1,
            descriptors=synthetic_electrodes.descriptors if model == "ionsieve" else None,
        )
        save_member(tmp_path / f"{name}.pt", member)
        assert member.mean_V == pytest.approx(voltages_V[training].mean())
        assert member.scale_V == pytest.approx(voltages_V[training].std())
    assert digest(tmp_path / "true.pt") == digest(tmp_path / "absurd.pt")


def test_held_out_descriptors_do_not_touch_the_member(synthetic_electrodes, tmp_path):
    """Their normaliser is of the training rows alone."""
    training = np.arange(0, len(synthetic_electrodes.table), 2)
    strange = synthetic_electrodes.descriptors.copy()
    strange[1::2] = 1e3
    for name, descriptors in {"true": synthetic_electrodes.descriptors, "strange": strange}.items():
        member = train_ionsieve(
            synthetic_electrodes.graphs,
            synthetic_electrodes.voltages_V,
            training,
            SMALL,
            VERY_QUICK,
            seed=1,
            descriptors=descriptors,
        )
        save_member(tmp_path / f"{name}.pt", member)
    assert digest(tmp_path / "true.pt") == digest(tmp_path / "strange.pt")


def test_a_member_knows_the_elements_it_saw(synthetic_electrodes):
    table = synthetic_electrodes.table
    training = np.flatnonzero(~table["framework"].str.contains("Ni|S"))
    member = train_member(
        synthetic_electrodes.graphs, synthetic_electrodes.voltages_V, training, SMALL, VERY_QUICK, seed=1
    )
    assert 28 not in member.seen_numbers
    assert 16 not in member.seen_numbers
    assert {3, 8, 9, 11, 12, 22, 27} <= member.seen_numbers


@MODELS
def test_a_rerun_gives_the_same_bytes(model, synthetic_electrodes, tmp_path):
    for run in ("first", "second"):
        torch.rand(len(run))  # whatever else drew random numbers before
        member, held_out = run_fold(synthetic_electrodes, model, "paper", 0, 5, SMALL, VERY_QUICK, seed=3)
        save_member(tmp_path / run / "state.pt", member)
        write_table(held_out, OUT_OF_FOLD, tmp_path / run / "predictions.parquet")
    for name in ("state.pt", "predictions.parquet"):
        assert digest(tmp_path / "first" / name) == digest(tmp_path / "second" / name)


def test_another_seed_gives_another_member(synthetic_electrodes):
    rows = np.arange(len(synthetic_electrodes.table))
    weights = [
        train_member(
            synthetic_electrodes.graphs, synthetic_electrodes.voltages_V, rows, SMALL, VERY_QUICK, seed
        ).network.output.weight
        for seed in (0, 1)
    ]
    assert not torch.equal(*weights)


def test_a_device_that_is_not_there_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert compute_device("auto") == compute_device("cpu") == torch.device("cpu")
    with pytest.raises(DataError, match=r"voltage\.device is cuda, but torch finds no CUDA device"):
        compute_device("cuda")


def test_each_fold_of_each_protocol_has_a_seed_of_its_own():
    seeds = {member_seed(0, "framework", fold) for fold in range(5)} | {member_seed(0, "paper", 0)}
    assert len(seeds) == 6


def test_one_electrode_is_not_enough_for_batch_norm_but_two_alike_are(synthetic_electrodes):
    """Labels that do not vary are learned as their mean."""
    same_V = np.full(len(synthetic_electrodes.table), 3.3)
    member = train_member(
        synthetic_electrodes.graphs, same_V, np.array([0, 1]), SMALL, Schedule(20, 32, 0.01, 0.0), seed=0
    )
    assert member.scale_V == 1.0
    assert member.network_V(synthetic_electrodes.graphs)[:2] == pytest.approx(3.3, abs=0.3)


@pytest.mark.parametrize("total_steps", [1, 2, 4, 5, 6, 100])
def test_the_rate_of_one_cycle_ends_near_zero_however_few_steps_there_are(total_steps):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=0.01)
    cycle = one_cycle(optimizer, 0.01, total_steps)
    rates = []
    for _ in range(total_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cycle.step()
    assert max(rates) <= 0.01
    assert rates[-1] < 1e-6

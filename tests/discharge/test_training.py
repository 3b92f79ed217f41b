from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ionsieve.artifacts import digest
from ionsieve.discharge import training
from ionsieve.discharge.dataset import build
from ionsieve.discharge.loss import LossWeights
from ionsieve.discharge.network import IONSIEVE, PUBLISHED, Compositions, Discharge
from ionsieve.discharge.points import Points
from ionsieve.discharge.reading import read
from ionsieve.discharge.training import (
    Batcher,
    Schedule,
    compositions_at,
    predict_points,
    predict_with_graph,
    train_member,
)
from ionsieve.errors import DataError
from ionsieve.voltage.state_files import save_state

LMTO = Path(__file__).parents[3] / "shared" / "data" / "drxnet" / "LMTO_example.csv"
FORMULAS = ("Li1.2Mn0.4Ti0.4O2", "Li1.2Mn0.6Nb0.2O1.8F0.2", "Li1.333Mn0.667O2")
SMALL = replace(IONSIEVE, node_features=8, window_features=8, message_features=8, layers=1, redox_steps=6)
SMALL_PUBLISHED = replace(PUBLISHED, node_features=8, window_features=8, message_features=8, layers=1)
QUICK = Schedule(epochs=3, batch_size=60)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Three compositions, two rates, cycles 1 and 5, ten points each; capacities fall with rate and cycle."""
    voltage_V = np.linspace(2.0, 4.4, 10)
    curves = []
    for place, formula in enumerate(FORMULAS):
        for rate in (20.0, 200.0):
            first = (250.0 - 20.0 * place - 0.1 * rate) * (4.4 - voltage_V) / 2.4
            for cycle in (1, 5):
                curves.append(
                    pd.DataFrame(
                        {
                            "composition": formula,
                            "rate_mA_per_g": rate,
                            "cycle": cycle,
                            "voltage_low_V": 2.0,
                            "voltage_high_V": 4.4,
                            "voltage_V": voltage_V,
                            "capacity_mAh_per_g": first * (1.0 - 0.02 * (cycle - 1)),
                            "first_capacity_mAh_per_g": first,
                            "dq_dv_mAh_per_g_per_V": -first[0] * (1.0 - 0.02 * (cycle - 1)) / 2.4,
                        }
                    )
                )
    return pd.concat(curves, ignore_index=True)


def test_small_data_sets_are_read_in_smaller_batches_until_a_thousand_steps_are_taken():
    paper = Schedule()
    assert paper.for_points(1_300_000, 1000) == paper
    cell = paper.for_points(1000, 1000)
    assert (cell.batch_size, cell.epochs) == (50, 50)
    assert cell.decay**cell.epochs == pytest.approx(paper.decay**paper.epochs)
    assert paper.for_points(10_000, 1000).batch_size == 500


@pytest.mark.slow
def test_a_real_cell_is_learned_fade_included():
    if not LMTO.exists():
        pytest.skip(f"{LMTO} is not there: the published example of DRXNet")
    table = build(read([LMTO]).tests).points
    points = Points.from_table(table)
    member = train_member(points, IONSIEVE, Schedule().for_points(len(points), 1000), seed=0)
    error = np.abs(predict_points(member.network, points) - table["capacity_mAh_per_g"])
    assert error.mean() < 2.0, "the mean curve over the cycles is 6.8 mAh/g off"


@pytest.fixture(scope="module")
def points(table) -> Points:
    return Points.from_table(table)


def bytes_of(path, member: training.Member) -> str:
    save_state(
        path, "a member", {"weights": dict(member.network.state_dict()), "losses": member.epoch_losses}
    )
    return digest(path)


def test_the_schedule_is_the_papers():
    assert Schedule() == Schedule(30, 1024, 1e-3, 0.9, LossWeights(1.0, 1.0, 5.0, 1e-4, 1e-4))


def test_points_hold_each_composition_once_and_few_bytes(table, points):
    assert points.compositions == tuple(sorted(FORMULAS))
    assert [points.compositions[place] for place in points.composition_of_row] == table[
        "composition"
    ].tolist()
    arrays = [values for values in vars(points).values() if isinstance(values, np.ndarray)]
    assert sum(values.nbytes for values in arrays) == 36 * len(points)


def test_a_curve_is_learned(points):
    schedule = Schedule(epochs=40, batch_size=60, learning_rate=1e-2, decay=0.97)
    member = train_member(points, SMALL, schedule, seed=0)
    errors = np.abs(predict_points(member.network, points) - points.capacity_mAh_per_g)
    assert errors.mean() < 0.2 * np.abs(points.capacity_mAh_per_g - points.capacity_mAh_per_g.mean()).mean()


@pytest.mark.parametrize("settings", [SMALL, SMALL_PUBLISHED], ids=["ionsieve", "published"])
def test_the_same_seed_gives_the_same_bytes_and_another_another_member(settings, points, tmp_path):
    threads = torch.get_num_threads()
    digests = []
    for run in (1, 2):
        torch.rand(run)  # whatever else drew random numbers before
        torch.set_num_threads(run)
        digests.append(bytes_of(tmp_path / f"{run}.pt", train_member(points, settings, QUICK, seed=3)))
        assert torch.get_num_threads() == run
    torch.set_num_threads(threads)
    other = train_member(points, settings, QUICK, seed=4)
    assert digests[0] == digests[1] != bytes_of(tmp_path / "other.pt", other)


class Killed(Exception):
    """Stands for a power cut."""


@pytest.mark.parametrize("settings", [SMALL, SMALL_PUBLISHED], ids=["ionsieve", "published"])
def test_a_killed_training_goes_on_to_the_same_bytes(settings, points, tmp_path, monkeypatch):
    whole = train_member(points, settings, QUICK, seed=1)
    checkpoint = tmp_path / "checkpoint.pt"
    step = training.train_batch

    def killed_in_epoch_two(network, optimizer, batcher, rows, weights, epoch):
        if epoch == 1:
            raise Killed
        return step(network, optimizer, batcher, rows, weights, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train_batch", killed_in_epoch_two)
        with pytest.raises(Killed):
            train_member(points, settings, QUICK, seed=1, checkpoint=checkpoint)
    resumed = train_member(points, settings, QUICK, seed=1, checkpoint=checkpoint)
    assert bytes_of(tmp_path / "resumed.pt", resumed) == bytes_of(tmp_path / "whole.pt", whole)


def test_more_epochs_go_on_from_a_finished_training(points, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    train_member(points, SMALL, replace(QUICK, epochs=2), seed=1, checkpoint=checkpoint)
    longer = train_member(points, SMALL, QUICK, seed=1, checkpoint=checkpoint)
    whole = train_member(points, SMALL, QUICK, seed=1)
    assert bytes_of(tmp_path / "longer.pt", longer) == bytes_of(tmp_path / "whole.pt", whole)


def test_a_checkpoint_of_other_data_seed_or_settings_or_a_damaged_one_is_not_gone_on_from(
    table, points, tmp_path, caplog
):
    short = replace(QUICK, epochs=1)
    fresh = bytes_of(tmp_path / "fresh.pt", train_member(points, SMALL, short, seed=1))
    changed = table.assign(capacity_mAh_per_g=table["capacity_mAh_per_g"] + 1.0)
    others = {
        "data": (Points.from_table(changed), SMALL, short, 1),
        "seed": (points, SMALL, short, 2),
        "settings": (points, replace(SMALL, log_rate=False), short, 1),
        "schedule": (points, SMALL, replace(short, batch_size=40), 1),
    }
    for name, arguments in others.items():
        checkpoint = tmp_path / f"{name}.pt"
        train_member(*arguments, checkpoint=checkpoint)
        member = train_member(points, SMALL, short, seed=1, checkpoint=checkpoint)
        assert bytes_of(tmp_path / f"{name}-member.pt", member) == fresh
    checkpoint = tmp_path / "damaged.pt"
    checkpoint.write_bytes(b"half a file")
    member = train_member(points, SMALL, short, seed=1, checkpoint=checkpoint)
    assert bytes_of(tmp_path / "again.pt", member) == fresh
    assert caplog.text.count("starting anew") == len(others) + 1


def test_what_is_not_a_number_is_named(table, points):
    with pytest.raises(DataError, match="1 of 120 points have no finite capacity_mAh_per_g .*in row 7"):
        Points.from_table(
            table.assign(capacity_mAh_per_g=table["capacity_mAh_per_g"].where(table.index != 7))
        )
    with pytest.raises(DataError, match="missing: voltage_V"):
        Points.from_table(table.drop(columns="voltage_V"))
    with pytest.raises(DataError, match="diverged in epoch 1.*lower the learning rate"):
        train_member(points, SMALL_PUBLISHED, replace(QUICK, learning_rate=1e30), seed=0)
    with pytest.raises(DataError, match="epochs 0, decay 1.5"):
        Schedule(epochs=0, decay=1.5)


def test_points_of_tests_without_a_first_cycle_can_be_trained_on(table):
    later = table[table["cycle"] > 1].assign(first_capacity_mAh_per_g=np.nan)
    member = train_member(Points.from_table(later), SMALL, replace(QUICK, epochs=1), seed=0)
    assert np.isfinite(member.epoch_losses).all()


def test_a_batch_reads_only_the_compositions_that_occur(points):
    compositions, conditions, measured = Batcher(points, SMALL).batch(np.array([119, 5, 118, 4]))
    assert len(compositions) == 2
    everything = Compositions.of(points.compositions, SMALL)
    network = Discharge(SMALL)
    whole = network.composition(everything)
    of_rows = network.composition(compositions)[conditions[0]]
    expected = whole[points.composition_of_row[[119, 5, 118, 4]].tolist()]
    torch.testing.assert_close(of_rows, expected)
    assert measured.capacity.tolist() == points.capacity_mAh_per_g[[119, 5, 118, 4]].tolist()
    assert len(compositions_at(everything, torch.tensor([2]))) == 1


def test_both_derivatives_are_those_of_finite_differences(points):
    torch.manual_seed(0)
    network = Discharge(SMALL).double().eval()
    compositions, conditions, _ = Batcher(points, SMALL).batch(np.arange(0, 120, 7))
    compositions.vectors, compositions.weights = compositions.vectors.double(), compositions.weights.double()
    doubles = (conditions[0], *(values.double() for values in conditions[1:]))
    predicted = predict_with_graph(network, compositions, doubles, smoothness=True)
    step = 1e-6
    with torch.no_grad():
        moved = (*doubles[:-1], doubles[-1] + step)
        slope = (network(compositions, *moved)[0] - predicted.capacity) / step
        compositions.weights[0] += step
        sensitivity = (network(compositions, *doubles)[0] - predicted.capacity).sum() / step
    torch.testing.assert_close(slope, predicted.slope.detach(), rtol=1e-3, atol=1e-3)
    assert sensitivity.item() == pytest.approx(predicted.sensitivity[0].item(), rel=1e-3, abs=1e-3)

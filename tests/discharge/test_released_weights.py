"""The released weights give the released predictions; files that hold anything else are refused in words."""

import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from discharge_networks import reference_cases, released_files, untrained

from ionsieve.artifacts import digest
from ionsieve.discharge.ensemble import Ensemble, curve_conditions
from ionsieve.discharge.network import IONSIEVE, PUBLISHED, Compositions, with_slope
from ionsieve.discharge.released_weights import (
    RELEASED_RANGES,
    check_target,
    convert,
    read_members,
    released_name,
)
from ionsieve.errors import DataError

HE_1 = "Li1.2Mn0.1Mg0.1Cr0.3Ti0.2Nb0.1O1.8F0.2"
HE_2 = "Li1.2Mn0.1Mg0.1Cr0.15V0.15Ti0.2Nb0.1O1.8F0.2"
LITHIUM_RICH = "Li1.333Mn0.667O2"


def as_released(seed: int = 0) -> OrderedDict[str, torch.Tensor]:
    """Weights with the names of the released implementation."""
    network = untrained(PUBLISHED, seed)
    return OrderedDict((released_name(name), weight) for name, weight in network.state_dict().items())


@pytest.fixture
def put(tmp_path):
    """Writes a content as torch does, and says where."""

    def write(content: object, name: str = "weights") -> Path:
        path = tmp_path / name
        torch.save(content, path)
        return path

    return write


def assert_same_weights(path: Path, seed: int = 0) -> None:
    (member,) = read_members(path)
    for name, weight in untrained(PUBLISHED, seed).state_dict().items():
        assert torch.equal(member.state_dict()[name], weight), name


def test_each_released_model_gives_its_released_predictions():
    files = released_files()
    largest_Q, largest_slope = 0.0, 0.0
    for number, file in enumerate(files):
        (network,) = read_members(file)
        for case in reference_cases():
            voltages = torch.tensor(case["V"])
            numbers = [
                torch.full_like(voltages, float(case[name]))
                for name in ("rate_mA_g", "cycle", "V_low", "V_high")
            ]
            capacity, _, slope = with_slope(
                network,
                Compositions.of([case["composition"]], PUBLISHED),
                torch.zeros(len(voltages), dtype=torch.int64),
                *numbers,
                voltages,
            )
            expected = np.array(case["Q_per_model"][number])
            expected_slope = np.array(case["dQdV_per_model"][number])
            largest_Q = max(largest_Q, np.abs(capacity.numpy() - expected).max())
            largest_slope = max(largest_slope, np.abs(slope.numpy() - expected_slope).max())
    # The reference has five decimals of Q and four of dQ/dV; the rest is rounding of float32.
    assert largest_Q < 2.5e-4
    assert largest_slope < 5e-4


def test_the_ensemble_gives_the_mean_of_the_released_predictions():
    ensemble, _ = convert(released_files())
    for case in reference_cases():
        conditions = curve_conditions(
            case["composition"], case["rate_mA_g"], case["cycle"], case["V_low"], case["V_high"]
        )
        found = ensemble.predict(conditions)
        capacities = np.array(case["Q_per_model"])
        assert found["capacity_mAh_per_g"].to_numpy() == pytest.approx(capacities.mean(axis=0), abs=1e-3)
        assert found["capacity_std_mAh_per_g"].to_numpy() == pytest.approx(capacities.std(axis=0), abs=1e-3)
        assert found["dq_dv_mAh_per_g_per_V"].to_numpy() == pytest.approx(
            np.mean(case["dQdV_per_model"], axis=0), abs=1e-3
        )
        assert (found["extrapolation"] == "").all()


@pytest.mark.parametrize(
    ("formula", "rate", "cycle", "of_the_paper"),
    [
        (HE_1, 20, 1, 276.0),
        (HE_1, 1000, 1, 196.0),
        (HE_2, 20, 1, 266.0),
        (HE_2, 1000, 1, 171.0),
        (LITHIUM_RICH, 20, 1, 329.0),
        (LITHIUM_RICH, 20, 30, 161.0),
    ],
)
def test_the_papers_capacities_come_back_near_with_the_members_at_hand(formula, rate, cycle, of_the_paper):
    # The paper's are of five members, and members differ by 25 mAh/g: fewer come only near.
    files = released_files()
    ensemble, _ = convert(files)
    capacity = ensemble.predict(curve_conditions(formula, rate, cycle, 1.5, 4.8, points=2)).iloc[0, 0]
    assert capacity == pytest.approx(of_the_paper, abs=2.0 if len(files) == 5 else 18.0)


def test_converted_files_have_the_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        ensemble, card = convert(released_files())
        ensemble.save(tmp_path / name, card)
    for file in ("state.pt", "card.json"):
        assert digest(tmp_path / "one" / file) == digest(tmp_path / "two" / file)
    loaded = Ensemble.load(tmp_path / "one")
    assert loaded.settings == PUBLISHED and loaded.ranges == RELEASED_RANGES


def test_every_weight_has_a_name_of_its_own_in_the_released_implementation():
    names = [released_name(name) for name in untrained(PUBLISHED).state_dict()]
    assert len(set(names)) == len(names)
    files = released_files()
    assert set(names) == set(torch.load(files[0], weights_only=True))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        dict,
        lambda weights: {"state_dict": weights, "epoch": 30, "args": {"lr": 1e-3}},
        lambda weights: {"model": {"state_dict": weights}},
        lambda weights: {"model_state_dict": weights, "optimizer": {"state": {0: torch.zeros(3)}}},
        lambda weights: {f"module.{name}": weight for name, weight in weights.items()},
        lambda weights: {"state_dict": {f"net.model.{name}": w for name, w in weights.items()}},
        lambda weights: {
            name: torch.nn.Parameter(weight, requires_grad=False) for name, weight in weights.items()
        },
        lambda weights: {name: weight.double() for name, weight in weights.items()},
        lambda weights: {name: w for name, w in weights.items() if "num_batches" not in name},
        lambda weights: [weights],
    ],
)
def test_weights_are_found_in_what_trainers_wrap_them_in(put, wrap):
    assert_same_weights(put(wrap(as_released())))


def test_the_old_format_of_torch_is_read(tmp_path):
    torch.save(as_released(), tmp_path / "old", _use_new_zipfile_serialization=False)
    assert_same_weights(tmp_path / "old")


def test_a_file_of_several_networks_gives_several_members(put):
    ensemble, card = convert([put([as_released(0), as_released(1)])])
    assert len(ensemble.members) == 2 and card["members"] == 2


class Payload:
    """Runs code where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_file_is_not_run(tmp_path, put):
    trap = tmp_path / "sprung"
    for content in ({"state_dict": as_released(), "callback": Payload(trap)}, Payload(trap)):
        with pytest.raises(DataError, match=r"could run code, so.*save its model\.state_dict"):
            read_members(put(content))
    (tmp_path / "plain").write_bytes(pickle.dumps(Payload(trap)))
    with pytest.raises(DataError, match="could run code|no torch file"):
        read_members(tmp_path / "plain")
    assert not trap.exists()


def test_a_whole_network_instead_of_its_weights_is_refused(put):
    with pytest.raises(DataError, match=r"model\.state_dict\(\)"):
        read_members(put(untrained(PUBLISHED)))


def test_files_that_hold_no_such_weights_are_refused(tmp_path, put):
    cases = {
        "nothing": b"",
        "text": b"not a file of weights\n",
        "pointer": b"version https://git-lfs.github.com/spec/v1\n",
        "half": put(as_released(), "whole").read_bytes()[:100_000],
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} (is|holds)"):
            read_members(tmp_path / name)
    for content in ({"weights": torch.zeros(3)}, 7, [], untrained(IONSIEVE).state_dict()):
        with pytest.raises(DataError, match="holds no DRXNet weights"):
            read_members(put(content))
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(DataError, match="is no file; name files of weights"):
            read_members(path)


def test_a_file_that_holds_itself_is_refused(put):
    content: dict[str, object] = {"epoch": 3}
    content["self"] = content
    with pytest.raises(DataError, match="holds itself"):
        read_members(put(content))


def changed(name: str, weight: torch.Tensor | None) -> OrderedDict[str, torch.Tensor]:
    weights = as_released()
    if weight is None:
        del weights[name]
    else:
        weights[name] = weight
    return weights


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (changed("fc.fc.bias", None), "lacks fc.fc.bias"),
        (changed("fc.extra.bias", torch.zeros(1)), "has beside .* fc.extra.bias"),
        (changed("delta_N.weight", torch.zeros(64, 1)), r"of shape \(64, 1\), and of \(32, 1\)"),
        (changed("delta_N.weight", torch.full((32, 1), torch.nan)), "delta_N.weight holds what is no finite"),
        (
            changed("delta_N.weight", torch.full((32, 1), 1e300, dtype=torch.float64)),
            "delta_N.weight holds what is no finite",
        ),
        (changed("delta_N.weight", torch.zeros(32, 1, dtype=torch.complex64)), "is no plain tensor"),
        (changed("delta_N.weight", torch.zeros(32, 1).to_sparse()), "is no plain tensor"),
        (changed("delta_N.weight", torch.zeros(32, 1, device="meta")), "is no plain tensor"),
    ],
)
def test_weights_of_another_network_are_refused(put, weights, words):
    with pytest.raises(DataError, match=words):
        read_members(put(weights))


def test_two_sets_under_different_names_are_not_guessed_at(put):
    with pytest.raises(DataError, match="2 sets of DRXNet weights under different names"):
        read_members(put({"last": as_released(0), "best": as_released(1)}))


def test_the_same_weights_twice_are_refused(put):
    with pytest.raises(DataError, match="weights of .*first again; equal members"):
        convert([put(as_released(), "first"), put(as_released(), "second")])
    with pytest.raises(DataError, match="no files of weights"):
        convert([])


def test_a_trained_model_is_not_replaced_by_a_converted_one(tmp_path, put):
    check_target(tmp_path / "new")
    ensemble, card = convert([put(as_released())])
    ensemble.save(tmp_path / "converted", card)
    check_target(tmp_path / "converted")
    trained = {name: value for name, value in card.items() if name != "converted_from"}
    ensemble.save(tmp_path / "trained", trained)
    with pytest.raises(DataError, match="trained holds a model that was not converted"):
        check_target(tmp_path / "trained")


def test_the_released_model_knows_fourteen_metals_and_two_anions():
    assert len(RELEASED_RANGES.elements) == 16
    ensemble, _ = convert(released_files())
    ruthenium = pd.concat([curve_conditions("Li1.2Ru0.4Ti0.4O2", 20, 1, 1.5, 4.8, points=3)])
    assert (ensemble.predict(ruthenium)["extrapolation"] == "no training data with Ru").all()


def test_the_released_model_knows_rocksalts_of_lithium_and_the_card_says_whence(put):
    ensemble, card = convert([put(as_released())])
    assert card["training_ranges"]["cations_per_anion"] == [1.0, 1.0]
    assert "no list of the compositions was in reach" in card["training_ranges_source"]
    for formula, reason in (
        (LITHIUM_RICH, ""),
        ("LiMnO2", ""),
        ("MnO2", "cations per anion 0.5 outside 1 to 1; share of Li among the cations 0 outside 0.5 to 0.7"),
        ("LiMn2O4", "cations per anion 0.75 outside 1 to 1"),
    ):
        found = ensemble.predict(curve_conditions(formula, 20, 1, 1.5, 4.8, points=2))["extrapolation"]
        assert found.str.startswith(reason).all() and (found == "").all() == (reason == "")

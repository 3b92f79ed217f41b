import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.io import read

from ionsieve.artifacts import write_json
from ionsieve.errors import CandidateFailed
from ionsieve.potential.frames import write_frames
from ionsieve.potential.refinement import (
    LAST_GOOD,
    NOT_LABELLED,
    RUNS,
    disagreement_eV_per_A,
    explore,
    has_converged,
    label_selected,
    require_refinable,
    with_round,
)

CANDIDATE = {"working_ion": "Au", "vacancy_fraction": 0.2, "seed": 0, "material_id": "cu-au", "number": 1}


class Scaled(EMT):
    """Copper-gold whose forces are off by a factor: a member that sees another energy surface."""

    factor = 1.2

    def calculate(self, *arguments: object, **keywords: object) -> None:
        super().calculate(*arguments, **keywords)
        self.results["forces"] = self.factor * self.results["forces"]


class Repulsive(Scaled):
    """Forces turned round: whatever is near rest flies apart."""

    factor = -1.0


@pytest.fixture(scope="module")
def short():
    """MD of four frames in place of a hundred: the tests ask what is chosen, not what is met."""
    from dataclasses import replace

    from ionsieve.potential import refinement

    whole = refinement.exploration_protocol
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            refinement,
            "exploration_protocol",
            lambda *arguments: replace(whole(*arguments), npt_ps=0.04, nvt_ps=0.04),
        )
        yield


def test_disagreement_is_the_rms_over_models_on_the_worst_atom():
    """Two models differ by 0.6 eV/A on the second atom, and not on the first: each is 0.3 from their mean."""
    one = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    other = one + np.array([[0.0, 0.0, 0.0], [0.0, 0.6, 0.0]])
    assert disagreement_eV_per_A([one, other]) == pytest.approx(0.3)
    assert disagreement_eV_per_A([one, one, one]) == 0


def test_disagreement_does_not_turn_with_the_crystal():
    rng = np.random.default_rng(0)
    forces = rng.normal(size=(3, 5, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert disagreement_eV_per_A(forces @ rotation) == pytest.approx(disagreement_eV_per_A(forces))


def test_forces_that_are_no_numbers_disagree_with_everything():
    assert disagreement_eV_per_A([np.zeros((2, 3)), np.full((2, 3), np.nan)]) == np.inf


def test_a_committee_of_one_mind_leaves_nothing_to_label(short, alloy):
    met = explore(alloy, EMT(), [EMT(), EMT()], **CANDIDATE, **_at(600.0, 0.1, 10))
    assert (met.n_disagreeing, met.n_selected) == (0, 0)
    assert [run["stopped"] for run in met.runs] == [None] * RUNS
    assert len({frame.info["trajectory"] for frame in met.frames}) == RUNS


def test_of_many_frames_that_disagree_as_many_as_asked_for_are_spread_over_all_runs(short, alloy):
    met = explore(alloy, EMT(), [Scaled(), EMT()], **CANDIDATE, **_at(600.0, 0.02, 9))
    assert met.n_disagreeing > 9 and met.n_selected == 9
    chosen = [frame for frame in met.frames if frame.info["selected"]]
    assert len({frame.info["trajectory"] for frame in chosen}) == RUNS
    assert all(frame.info["disagreement_eV_per_A"] > 0.02 for frame in chosen)


def test_the_last_good_frames_before_a_guard_are_labelled_though_nobody_disagrees(short, alloy):
    met = explore(alloy, Repulsive(), [Repulsive()], **CANDIDATE, **_at(600.0, 1.0, 100))
    assert met.n_disagreeing == 0
    assert all("allowed" in run["stopped"] or "exceeds" in run["stopped"] for run in met.runs)
    for run in range(RUNS):
        of_run = [frame for frame in met.frames if frame.info["trajectory"] == f"refinement-1-{run}"]
        assert all(frame.info["selected"] for frame in of_run[-LAST_GOOD:])
    assert met.summary()["runs"][0]["time_reached_ps"] < met.summary()["runs"][0]["time_planned_ps"]


def test_the_same_round_meets_the_same_frames_and_another_round_others(short, alloy):
    def positions(number: int) -> np.ndarray:
        met = explore(alloy, EMT(), [Scaled()], **{**CANDIDATE, "number": number}, **_at(600.0, 0.1, 5))
        return np.concatenate([frame.positions for frame in met.frames])

    first = positions(1)
    np.testing.assert_array_equal(first, positions(1))
    assert not np.array_equal(first, positions(2))


def test_what_was_selected_gets_the_teachers_labels_also_from_its_file(short, alloy, tmp_path):
    met = explore(alloy, EMT(), [Scaled()], **CANDIDATE, **_at(600.0, 0.02, 4))
    write_frames(tmp_path / "explored.extxyz", met.frames)
    frames = read(tmp_path / "explored.extxyz", index=":")
    kept, set_aside = label_selected(frames, EMT())
    assert len(kept) == met.n_selected == 4 and set_aside == {}
    for frame in kept:
        again = frame.copy()
        again.calc = EMT()
        np.testing.assert_allclose(frame.get_forces(), again.get_forces(), atol=1e-9)
        assert set(frame.info) == {"kind", "trajectory"}
        assert frame.get_stress().shape == (6,)


def test_absurd_frames_and_those_that_the_teacher_refuses_are_set_aside_and_counted(alloy):
    close = alloy.copy()
    close.positions[1] = close.positions[0] + [0.3, 0, 0]
    unknown = Atoms("U", cell=[4, 4, 4], pbc=True)
    frames = [alloy.copy(), close, unknown]
    for frame in frames:
        frame.info = {"kind": "explored", "trajectory": "refinement-1-0", "selected": True}
    kept, set_aside = label_selected(frames, EMT())
    assert len(kept) == 1
    assert set_aside == {"a force above 30 eV/A": 1, NOT_LABELLED: 1}


def test_a_potential_that_the_gate_rejected_may_be_refined_and_a_failed_one_not(tmp_path):
    rejected = {"status": "potential_rejected", "reason": "0.4", "metrics": {"force_mae_eV_per_A": 0.4}}
    write_json(tmp_path / "model.json", rejected)
    assert require_refinable(tmp_path / "model.json") == rejected
    for hopeless in ({"metrics": {"force_mae_eV_per_A": None}}, {"status": "failed", "metrics": None}):
        write_json(tmp_path / "model.json", {**rejected, **hopeless})
        with pytest.raises(CandidateFailed, match=r"0\.4"):
            require_refinable(tmp_path / "model.json")


def test_rounds_add_up_and_one_that_finds_nothing_converges():
    def card(mae: float) -> dict:
        return {
            "metrics": {
                "energy_mae_meV_per_atom": 1.0,
                "force_mae_eV_per_A": mae,
                "stress_mae_GPa": None,
            }
        }

    def explored(n_selected: int) -> dict:
        return {"runs": [], "n_explored": 9, "n_disagreeing": n_selected, "n_selected": n_selected}

    first = card(0.2)
    second = card(0.1) | {
        "refinement": with_round(first, card(0.1), 1, explored(4), {"frames_added": 3, "set_aside": {"x": 1}})
    }
    assert not has_converged(first) and not has_converged(second)
    told = with_round(second, second, 2, explored(0), {"frames_added": 0, "set_aside": {}})
    assert [of_round["round"] for of_round in told["rounds"]] == [1, 2]
    assert (told["frames_added"], told["converged"]) == (3, True)
    before, after = (told["rounds"][0][f"force_mae_eV_per_A_{when}"] for when in ("before", "after"))
    assert (before, after) == (0.2, 0.1)
    assert has_converged({"refinement": told})


def _at(temperature_K: float, max_disagreement_eV_per_A: float, n_frames: int) -> dict:
    return {
        "temperature_K": temperature_K,
        "max_disagreement_eV_per_A": max_disagreement_eV_per_A,
        "n_frames": n_frames,
    }

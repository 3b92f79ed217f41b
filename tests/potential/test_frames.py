import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

from ionsieve.errors import DataError
from ionsieve.potential.frames import (
    labelled,
    name_trajectories,
    read_frames,
    set_aside_absurd,
    split_by_trajectory,
    stress_of,
    write_frames,
)


def argon(force_eV_per_A: float = 0.1, **info: object) -> Atoms:
    atom = Atoms("Ar", cell=[5.0] * 3, pbc=True, info=info)
    return labelled(atom, -1.0, np.array([[force_eV_per_A, 0.0, 0.0]]), np.zeros(6))


def test_extxyz_keeps_labels_and_names(tmp_path, alloy_frames):
    write_frames(tmp_path / "frames.extxyz", alloy_frames.train)
    for before, after in zip(alloy_frames.train, read_frames(tmp_path / "frames.extxyz"), strict=True):
        assert after.get_potential_energy() == pytest.approx(before.get_potential_energy(), abs=1e-7)
        np.testing.assert_allclose(after.get_forces(), before.get_forces(), atol=1e-7)
        np.testing.assert_allclose(after.get_stress(), before.get_stress(), atol=1e-9)
        assert after.info["kind"] == before.info["kind"]
        assert after.info["trajectory"] == before.info["trajectory"]


@pytest.mark.parametrize("voigt", range(6))
def test_stress_in_a_file_is_the_energy_per_strain_and_volume(
    tmp_path, alloy_frames, energy_per_strain, voigt
):
    write_frames(tmp_path / "frames.extxyz", alloy_frames.train[:1])
    frame = read_frames(tmp_path / "frames.extxyz")[0]
    assert frame.get_stress()[voigt] == pytest.approx(energy_per_strain(frame, EMT(), voigt), abs=2e-6)


def test_a_full_stress_tensor_becomes_voigt(alloy):
    tensor = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    frame = labelled(alloy, 0.0, np.zeros((4, 3)), tensor)
    np.testing.assert_array_equal(stress_of(frame), [1, 2, 3, 4, 5, 6])


def test_a_frame_without_stress_says_so(alloy):
    assert stress_of(labelled(alloy, 0.0, np.zeros((4, 3)), None)) is None


def test_absurd_forces_are_set_aside_and_counted():
    kept, reasons = set_aside_absurd([argon(1.0), argon(500.0), argon(float("nan")), argon(40.0)])
    assert len(kept) == 1
    assert reasons == {"a force above 30 eV/A": 2, "energy or forces are not finite": 1}


def test_no_trajectory_is_on_two_sides_of_a_split():
    frames = [argon(trajectory=f"run-{number % 17}") for number in range(170)]
    sets = split_by_trajectory(frames, seed=3)
    sides = [
        {frame.info["trajectory"] for frame in side} for side in (sets.train, sets.validation, sets.test)
    ]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert len(sets.train) + len(sets.validation) + len(sets.test) == 170
    assert len(sets.test) == len(sets.validation) == 20


def test_the_material_names_the_trajectory_where_nothing_else_does():
    frames = [argon(material_id="mp-1"), argon(trajectory="relaxation-2", material_id="mp-1")]
    name_trajectories(frames, "file")
    assert [frame.info["trajectory"] for frame in frames] == ["mp-1", "relaxation-2"]


def test_nameless_neighbours_stay_together():
    frames = [argon() for _ in range(100)]
    name_trajectories(frames, "file")
    assert len({frame.info["trajectory"] for frame in frames}) == 20
    assert len({frame.info["trajectory"] for frame in frames[:5]}) == 1


def test_two_trajectories_cannot_be_split_in_three():
    with pytest.raises(DataError, match="2 trajectories cannot be split"):
        split_by_trajectory([argon(trajectory=name) for name in ("a", "b")], seed=0)


def test_one_giant_trajectory_leaves_nothing_to_train_on():
    frames = [argon(trajectory="giant") for _ in range(50)] + [argon(trajectory=name) for name in "ab"]
    messages = []
    for seed in range(10):
        try:
            split_by_trajectory(frames, seed)
        except DataError as error:
            messages.append(str(error))
    assert messages and all("nothing is left to train on" in message for message in messages)


def test_frames_without_forces_are_refused(tmp_path):
    (tmp_path / "bare.extxyz").write_text(
        '1\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3 energy=-1.0 pbc="T T T"\nAr 0 0 0\n'
    )
    with pytest.raises(DataError, match=r"bare.extxyz, frame 0: no forces"):
        read_frames(tmp_path / "bare.extxyz")


def test_clusters_are_refused(tmp_path):
    frame = argon()
    frame.pbc = False
    write_frames(tmp_path / "cluster.extxyz", [frame])
    with pytest.raises(DataError, match="not periodic"):
        read_frames(tmp_path / "cluster.extxyz")


def test_what_is_no_extxyz_is_refused(tmp_path):
    (tmp_path / "x.extxyz").write_text("this is a letter\n")
    with pytest.raises(DataError, match="not a readable extxyz"):
        read_frames(tmp_path / "x.extxyz")


@pytest.mark.parametrize(
    ("stress", "reason"), [(np.nan, "its stress is not finite"), (3.1, "a stress above 1")]
)
def test_a_stress_that_is_none_sets_its_frame_aside(alloy_frames, stress, reason):
    good = alloy_frames.train[0]
    bad = labelled(good, good.get_potential_energy(), good.get_forces(), np.full(6, stress))
    kept, set_aside = set_aside_absurd([good, bad])
    assert len(kept) == 1
    assert [(said[: len(reason)], count) for said, count in set_aside.items()] == [(reason, 1)]

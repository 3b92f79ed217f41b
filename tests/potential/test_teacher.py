import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.spacegroup import crystal as from_spacegroup

from ionsieve.errors import CandidateFailed
from ionsieve.potential.by_name import calculator_by_name
from ionsieve.potential.frames import labelled, write_frames
from ionsieve.potential.teacher import (
    MAX_ATOMS,
    softening_against_dft,
    teacher_cell,
    teacher_frames,
)


@pytest.fixture(scope="module")
def layered_lithium_cobaltate() -> Atoms:
    """LiCoO2, R-3m: the primitive rhombohedron, 4 atoms and 33 degrees sharp."""
    crystal = from_spacegroup(
        ["Li", "Co", "O"],
        [(0, 0, 0.5), (0, 0, 0), (0, 0, 0.2395)],
        spacegroup=166,
        cellpar=[2.816, 2.816, 14.05, 90, 90, 120],
        primitive_cell=True,
    )
    distances_A = crystal.repeat(2).get_all_distances(mic=True)
    assert len(crystal) == 4 and 1.9 < distances_A[distances_A > 0].min() < 2.0
    return crystal


def test_the_teacher_sees_a_compact_cell_even_of_a_sharp_rhombohedron(layered_lithium_cobaltate):
    cell = teacher_cell(layered_lithium_cobaltate)
    faces_A2 = np.linalg.norm(np.cross(cell.cell[[1, 2, 0]], cell.cell[[2, 0, 1]]), axis=1)
    heights_A = cell.get_volume() / faces_A2
    assert heights_A.min() > 4.8
    assert 24 <= len(cell) <= MAX_ATOMS
    assert cell.symbols.formula.reduce()[0] == layered_lithium_cobaltate.symbols.formula.reduce()[0]


def test_a_large_cell_is_taken_as_it_is(alloy):
    large = alloy.repeat(3)
    assert len(teacher_cell(large)) == len(large) == 108


def test_held_out_frames_are_hot_have_vacancies_and_runs_of_their_own(alloy_frames):
    sides = [
        {frame.info["trajectory"] for frame in side}
        for side in (alloy_frames.train, alloy_frames.validation, alloy_frames.test)
    ]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    for frame in [*alloy_frames.validation, *alloy_frames.test]:
        assert frame.info["kind"] in ("hot", "hop")
        assert np.sum(frame.symbols == "Au") < np.sum(frame.symbols == "Cu")
    assert sum(map(len, sides)) < 30 == sum(map(len, vars(alloy_frames).values()))


def test_training_frames_hold_every_kind_with_and_without_vacancies(alloy_frames):
    assert {frame.info["kind"] for frame in alloy_frames.train} == {"hop", "hot", "rattled", "strained"}
    gold = {int(np.sum(frame.symbols == "Au")) for frame in alloy_frames.train if frame.info["kind"] == "hot"}
    assert len(gold) == 2


def test_an_ion_on_a_hop_moves_across_its_way_only_and_keeps_its_whole_force(alloy_frames):
    hops = [frame for frame in alloy_frames.train if frame.info["kind"] == "hop"]
    of_one_run = [frame for frame in hops if frame.info["trajectory"] == hops[0].info["trajectory"]]
    first, *later = [frame.positions[frame.symbols == "Au"] for frame in of_one_run]
    moves_A = np.stack([positions - first for positions in later], axis=1)
    volumes_A3 = np.abs(np.linalg.det(moves_A))
    assert volumes_A3.shape[0] > 2 and volumes_A3.min() < 1e-12 < 1e-7 < np.sort(volumes_A3)[1]
    along, _, _ = np.linalg.svd(
        np.stack([positions - first for positions in later], axis=1)[volumes_A3.argmin()].T
    )
    held = np.flatnonzero(of_one_run[0].symbols == "Au")[volumes_A3.argmin()]
    for frame in of_one_run:
        assert not frame.constraints
        assert abs(frame.get_forces()[held] @ along[:, 2]) > 1e-3


def test_without_vacancies_there_are_no_hops(alloy):
    frames, _ = teacher_frames(alloy, EMT(), "Au", 0.0, 900.0, 12, seed=0)
    assert "hop" not in {frame.info["kind"] for side in vars(frames).values() for frame in side}


def test_same_seed_same_frames(alloy, alloy_frames):
    again, _ = teacher_frames(alloy, EMT(), "Au", 0.2, 900.0, 30, seed=0)
    other, _ = teacher_frames(alloy, EMT(), "Au", 0.2, 900.0, 30, seed=1)
    for before, after in zip(alloy_frames.test, again.test, strict=True):
        np.testing.assert_array_equal(before.positions, after.positions)
        np.testing.assert_array_equal(before.get_forces(), after.get_forces())
    assert not np.array_equal(other.test[0].positions, alloy_frames.test[0].positions)


class Stiff(EMT):
    """A teacher whose forces no solid has."""

    def get_forces(self, atoms: Atoms | None = None) -> np.ndarray:
        return 1e4 * super().get_forces(atoms)

    def get_property(self, name, atoms=None, allow_calculation=True):
        value = super().get_property(name, atoms, allow_calculation)
        return 1e4 * value if name == "forces" else value


def test_a_candidate_that_the_teacher_tears_apart_fails_with_the_count(alloy):
    with pytest.raises(CandidateFailed, match=r"of 12 teacher frames were set aside: .* (force|finite)"):
        teacher_frames(alloy, Stiff(), "Au", 0.2, 900.0, 12, seed=0)


def test_the_teacher_is_compared_with_dft_frames_of_the_candidates_elements(tmp_path, alloy, alloy_frames):
    """Here "DFT" has forces a quarter larger than the teacher's, and knows a crystal of other elements."""
    dft = [
        labelled(frame, frame.get_potential_energy(), 1.25 * frame.get_forces(), None)
        for frame in alloy_frames.test
    ]
    other = labelled(bulk("Pt", cubic=True), 0.0, np.ones((4, 3)), None)
    write_frames(tmp_path / "dft.extxyz", [*dft, other])
    told = softening_against_dft(EMT(), "EMT", alloy, [tmp_path / "dft.extxyz"])
    assert (told["of"], told["against"]) == ("EMT", "DFT frames")
    assert told["n_frames"] == len(dft)
    assert told["slope"] == pytest.approx(0.8, abs=1e-3)
    assert told["barrier_factor"] == pytest.approx(1.25, abs=2e-3)
    assert softening_against_dft(EMT(), "EMT", bulk("Ni"), [tmp_path / "dft.extxyz"]) is None


@pytest.mark.slow
def test_chgnet_stress_label_is_the_energy_per_strain_and_volume(
    layered_lithium_cobaltate, energy_per_strain
):
    frames, summary = teacher_frames(
        layered_lithium_cobaltate, calculator_by_name("chgnet"), "Li", 0.2, 1200.0, 10, seed=0
    )
    assert summary["set_aside"] == {}
    for voigt in (0, 2, 5):
        measured = energy_per_strain(frames.train[0], calculator_by_name("chgnet"), voigt, step=2e-3)
        assert frames.train[0].get_stress()[voigt] == pytest.approx(measured, abs=2e-3)

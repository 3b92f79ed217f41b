"""MPtrj becomes frames to train on: the right steps, the right signs, and damage set aside with a reason."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.io import read
from pymatgen.core import DummySpecies, Lattice, Structure

from ionsieve import config
from ionsieve.artifacts import digest, read_json
from ionsieve.data.frame_shards import ase_stress_eV_per_A3, first_three_and_last
from ionsieve.data.mptrj import sample
from ionsieve.errors import DataError
from ionsieve.potential.frames import gather_frames, read_frames, split_by_trajectory

ROOT = Path(__file__).parents[2]


def rock_salt(metal: str = "Mg", anion: str = "O", a_A: float = 4.21) -> Structure:
    primitive = Lattice([[0, a_A / 2, a_A / 2], [a_A / 2, 0, a_A / 2], [a_A / 2, a_A / 2, 0]])
    return Structure(primitive, [metal, anion], [[0, 0, 0], [0.5, 0.5, 0.5]])


def stored_frame(crystal: Structure | None = None, energy_eV: float = -12.5, **changes: object) -> dict:
    """A frame with all the keys that MPtrj has; a change to None means null."""
    crystal = crystal or rock_salt()
    n_atoms = len(crystal)
    return {
        "structure": crystal.as_dict(),
        "uncorrected_total_energy": energy_eV + 0.7,
        "corrected_total_energy": energy_eV,
        "energy_per_atom": energy_eV / n_atoms,
        "ef_per_atom": -3.0,
        "e_per_atom_relaxed": energy_eV / n_atoms,
        "ef_per_atom_relaxed": -3.0,
        "force": [[0.01 * (atom + 1), -0.02, 0.12345678] for atom in range(n_atoms)],
        "stress": [[10.0, 1.0, 2.0], [1.0, 20.0, 3.0], [2.0, 3.0, 30.0]],
        "magmom": [0.0] * n_atoms,
        "bandgap": 4.5,
        "mp_id": "mp-1265",
    } | changes


def without(key: str) -> dict:
    frame = stored_frame()
    del frame[key]
    return frame


class Sampled:
    """A file in MPtrj's shape, sampled into shards in a folder of its own."""

    def __init__(self, folder: Path, text: str, elements: tuple[str, ...] = (), n_shards: int = 4) -> None:
        self.path = folder / "MPtrj.json"
        self.path.write_text(text)
        self.shards = [folder / "frames" / f"{number:04d}.extxyz" for number in range(n_shards)]
        self.summary = sample(self.path, self.shards, elements)
        self.frames = [frame for shard in self.shards if shard.stat().st_size for frame in read_frames(shard)]
        self.frame_ids = [frame.info["frame_id"] for frame in self.frames]


@pytest.fixture
def sampled(tmp_path):
    def run(materials: dict | str, *elements: str) -> Sampled:
        text = materials if isinstance(materials, str) else json.dumps(materials)
        return Sampled(tmp_path, text, elements)

    return run


@pytest.mark.parametrize(
    ("n_steps", "taken"),
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (5, [0, 1, 2, 4]), (9, [0, 1, 2, 8])],
)
def test_the_first_three_and_the_last_step_are_taken_each_once(n_steps, taken):
    assert first_three_and_last(range(n_steps)) == taken


def test_the_first_relaxation_of_a_task_comes_before_the_second_and_steps_count_as_numbers(sampled):
    ids = ["mp-9-0-2", "mp-9-1-10", "mp-9-0-11", "mp-9-1-9", "mp-9-0-0", "mp-9-1-2"]
    result = sampled({"mp-1265": {name: stored_frame() for name in ids}})
    assert result.frame_ids == ["mp-9-1-2", "mp-9-1-9", "mp-9-1-10", "mp-9-0-11"]
    assert result.summary["frames_read"] == 6
    assert result.summary["frames"] == 4


def test_each_task_of_a_material_is_a_relaxation_of_its_own(sampled):
    ids = [f"mp-{task}-0-{step}" for task in (7, 8) for step in range(6)]
    result = sampled({"mp-1265": {name: stored_frame() for name in ids}})
    assert result.frame_ids == [f"mp-{task}-0-{step}" for task in (7, 8) for step in (0, 1, 2, 5)]
    assert {frame.info["task"] for frame in result.frames} == {"mp-7", "mp-8"}
    assert (result.summary["tasks_read"], result.summary["materials"]) == (2, 1)


def test_a_frame_keeps_its_crystal_and_labels(sampled):
    crystal = rock_salt("Ca", "S", 5.69).perturb(0.02)
    stored = stored_frame(crystal, energy_eV=-10.123456789)
    (frame,) = sampled({"mp-1672": {"mp-1672-0-0": stored}}).frames
    assert frame.get_chemical_symbols() == ["Ca", "S"]
    np.testing.assert_allclose(frame.cell.array, crystal.lattice.matrix, atol=1e-8)
    np.testing.assert_allclose(frame.positions, crystal.cart_coords, atol=1e-7)
    assert frame.get_potential_energy() == pytest.approx(-10.123456789, abs=1e-9)
    np.testing.assert_allclose(frame.get_forces(), stored["force"], atol=1e-8)
    assert frame.pbc.all()
    assert frame.info == {
        "kind": "relaxation",
        "material_id": "mp-1672",
        "task": "mp-1672",
        "frame_id": "mp-1672-0-0",
    }


def test_energy_is_the_corrected_one(sampled):
    (frame,) = sampled({"mp-1265": {"mp-1265-0-0": stored_frame(energy_eV=-12.5)}}).frames
    assert frame.get_potential_energy() == -12.5


def test_one_kbar_is_a_tenth_of_a_gigapascal_with_the_sign_turned():
    # 160.21766 GPa are 1 eV/A^3, so 1602.1766 kbar are, and compression is negative for ASE.
    np.testing.assert_allclose(
        ase_stress_eV_per_A3(np.array([1602.176634, 10.0, 0.0])), [-1.0, -0.1 * 10 / 160.21766208, 0.0]
    )


def test_a_compressed_crystal_has_negative_stress_in_voigt_order(sampled):
    (frame,) = sampled({"mp-1265": {"mp-1265-0-0": stored_frame()}}).frames
    by_hand = np.array([10.0, 20.0, 30.0, 3.0, 2.0, 1.0]) * -0.1 / 160.21766208
    np.testing.assert_allclose(frame.get_stress(), by_hand, atol=1e-9)
    assert (frame.get_stress()[:3] < 0).all()


DAMAGE = {
    "no forces": [without("force"), stored_frame(force=None)],
    "no stress": [without("stress"), stored_frame(stress=None)],
    "no energy": [without("corrected_total_energy"), stored_frame(corrected_total_energy=None)],
    "forces not of the right shape": [
        stored_frame(force=[[0.0, 0.0, 0.0]]),
        stored_frame(force=[[0.0, 0.0, 0.0], [0.0, 0.0]]),
        stored_frame(force="none"),
    ],
    "stress not of the right shape": [stored_frame(stress=[1.0, 2.0, 3.0, 0.0, 0.0, 0.0])],
    "energy not of the right shape": [stored_frame(corrected_total_energy=[-1.0, -2.0])],
    "unreadable structure": [
        without("structure"),
        stored_frame(structure={"sites": []}),
        stored_frame(structure="POSCAR"),
        ["not a frame"],
        None,
    ],
    "damaged structure": [
        stored_frame(rock_salt(a_A=1.7)),
        stored_frame(Structure(Lattice.cubic(4), ["Mg", {"O": 0.5, "F": 0.5}], [[0, 0, 0], [0.5] * 3])),
        stored_frame(Structure(Lattice.cubic(4), ["Mg", {"O": 0.5}], [[0, 0, 0], [0.5] * 3])),
    ],
    "unknown element": [
        stored_frame(Structure(Lattice.cubic(4), ["Mg", DummySpecies("X")], [[0, 0, 0], [0.5] * 3]))
    ],
}


@pytest.mark.parametrize("reason", DAMAGE)
def test_a_damaged_frame_is_set_aside_with_its_reason(sampled, reason):
    damaged = {f"mp-1-0-{step}": frame for step, frame in enumerate(DAMAGE[reason])}
    result = sampled({"mp-1": damaged, "mp-2": {"mp-2-0-0": stored_frame()}})
    assert result.frame_ids == ["mp-2-0-0"]
    assert sum(result.summary["set_aside"].values()) == min(len(damaged), 4)
    assert result.summary["set_aside"][reason] == min(len(damaged), 4)
    assert result.summary["set_aside_examples"][reason].startswith("mp-1-0-0: ")


def test_infinite_labels_are_set_aside(sampled):
    frame = stored_frame(force=[[1e308 * 10, 0, 0], [0, 0, 0]])
    materials = json.dumps({"mp-1": {"mp-1-0-0": frame, "mp-1-0-1": stored_frame()}})
    with pytest.raises(DataError, match="is cut short or is no JSON"):
        sampled(materials)  # JSON knows no infinity


def test_ids_that_do_not_tell_task_and_step_are_set_aside(sampled):
    odd = {"mp-1-0-0": stored_frame(), "seven": stored_frame(), 'mp-1 "x"-0-1': stored_frame()}
    result = sampled({"mp-1": odd, "a\nb": {"a-0-0": stored_frame()}, "mp-3": [1, 2]})
    assert result.frame_ids == ["mp-1-0-0"]
    assert result.summary["set_aside"] == {"frame id is not task-calc-step": 2, "not a material": 2}


def test_elements_leave_other_crystals_out(sampled):
    materials = {
        "mp-1": {"mp-1-0-0": stored_frame(rock_salt("Mg", "O"))},
        "mp-2": {"mp-2-0-0": stored_frame(rock_salt("Ca", "O"))},
        "mp-3": {"mp-3-0-0": stored_frame(rock_salt("Mg", "S"))},
    }
    result = sampled(materials, "Mg", "O", "S")
    assert sorted(result.frame_ids) == ["mp-1-0-0", "mp-3-0-0"]
    assert result.summary["frames_of_other_elements"] == 1
    assert result.summary["elements"] == ["Mg", "O", "S"]


def test_elements_that_leave_nothing_are_told(tmp_path):
    with pytest.raises(DataError, match=r"1 hold other elements than data.mptrj.elements \[Li, O\]"):
        Sampled(tmp_path, json.dumps({"mp-1": {"mp-1-0-0": stored_frame()}}), ("Li", "O"))
    assert not list((tmp_path / "frames").iterdir())


def test_a_file_of_damaged_frames_alone_tells_their_damage(tmp_path):
    with pytest.raises(DataError, match=r"no frame of the 1 in .* 1 x no forces \(mp-1-0-0"):
        Sampled(tmp_path, json.dumps({"mp-1": {"mp-1-0-0": without("force")}}))


@pytest.mark.parametrize(("kept_share", "n_whole"), [(0.02, 0), (0.5, 15), (0.999, 29)])
def test_a_truncated_file_is_one_message_with_the_remedy(tmp_path, kept_share, n_whole):
    text = json.dumps({f"mp-{number}": {f"mp-{number}-0-0": stored_frame()} for number in range(30)})
    cut = text[: int(kept_share * len(text))]
    with pytest.raises(DataError) as raised:
        Sampled(tmp_path, cut)
    message = str(raised.value)
    assert str(tmp_path / "MPtrj.json") in message
    assert f"of its {len(cut):,} bytes" in message
    assert "Fetch it again" in message and "11.35 GB" in message
    assert f"after {n_whole} materials" in message
    assert not list((tmp_path / "frames").iterdir())


@pytest.mark.parametrize("text", ["<html>404</html>", "", "mp-1,mp-2"])
def test_what_is_no_json_is_told(tmp_path, text):
    with pytest.raises(DataError, match="is cut short or is no JSON .NaN is none.: after 0 materials"):
        Sampled(tmp_path, text)


@pytest.mark.parametrize("text", ["{}", "[1, 2]", '"mp-1"'])
def test_a_file_without_materials_is_told(tmp_path, text):
    with pytest.raises(DataError, match="holds no materials"):
        Sampled(tmp_path, text)


def test_a_disk_that_takes_no_more_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ionsieve.data.frame_shards.write_xyz", full)
    with pytest.raises(DataError, match="No space left on device; make room"):
        Sampled(tmp_path, json.dumps({"mp-1": {"mp-1-0-0": stored_frame()}}))
    assert not list((tmp_path / "frames").iterdir())


def test_the_same_file_gives_the_same_bytes(tmp_path):
    text = json.dumps({f"mp-{number}": {f"mp-{number}-0-0": stored_frame()} for number in range(9)})
    first = [digest(shard) for shard in Sampled(tmp_path, text).shards]
    assert [digest(shard) for shard in Sampled(tmp_path, text).shards] == first


def test_a_material_is_in_one_shard_and_on_one_side_of_a_split(tmp_path):
    materials = {
        f"mp-{number}": {f"mp-{number}{task}-0-{step}": stored_frame() for task in "12" for step in range(6)}
        for number in range(20)
    }
    result = Sampled(tmp_path, json.dumps(materials), n_shards=4)
    homes = [{frame.info["material_id"] for frame in read(shard, ":")} for shard in result.shards]
    assert sum(len(home) for home in homes) == len(set().union(*homes)) == 20
    frames, set_aside = gather_frames(result.shards)
    assert (len(frames), set_aside) == (160, {})
    sets = split_by_trajectory(frames, seed=1)
    sides = [
        {frame.info["material_id"] for frame in side} for side in (sets.train, sets.validation, sets.test)
    ]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_shards_that_no_material_falls_in_are_empty_files_without_frames(tmp_path):
    result = Sampled(tmp_path, json.dumps({"mp-1": {"mp-1-0-0": stored_frame()}}), n_shards=16)
    assert sum(shard.stat().st_size == 0 for shard in result.shards) == 15
    frames, _ = gather_frames(result.shards)
    assert [frame.info["trajectory"] for frame in frames] == ["mp-1"]


def test_the_script_writes_shards_and_their_provenance(tmp_path):
    path = tmp_path / "MPtrj.json"
    path.write_text(json.dumps({"mp-1": {"mp-1-0-0": stored_frame(), "mp-1-0-1": without("force")}}))
    output = SimpleNamespace(shards=[str(tmp_path / "0000.extxyz")], summary=str(tmp_path / "mptrj.json"))
    job = SimpleNamespace(input=[str(path)], output=output, params=SimpleNamespace(elements=[]))
    runpy.run_path(str(ROOT / "workflow_scripts" / "mptrj_frames.py"))["main"](job)
    summary = read_json(output.summary)
    assert summary["licence"] == "CC BY 4.0"
    assert "Deng" in summary["cite"][0]
    assert summary["file_bytes"] == path.stat().st_size
    assert (summary["frames_read"], summary["frames"], summary["materials_read"]) == (2, 1, 1)
    assert len(read_frames(output.shards[0])) == 1


def test_mptrj_alone_is_input_enough_for_a_shared_potential(tmp_path):
    (tmp_path / "MPtrj.json").touch()
    (tmp_path / "vasprun.xml").touch()
    for data in (
        {"mptrj": {"location": str(tmp_path / "MPtrj.json")}},
        {"mptrj": {"location": "https://figshare.com/MPtrj.json"}},
        {"vasp_outputs": [str(tmp_path)]},
    ):
        assert config.load({"data": data, "potential": {"mode": "shared"}}).potential.mode == "shared"

"""A killed run goes on as if nothing had been: bit for bit, in every phase, also from damaged files."""

import itertools
import logging
import resource
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from nequip.integrations.utils import basic_transforms
from nequip.model import FullNequIPGNNModel
from nequip.utils import torch_default_dtype
from nequip.utils.global_state import set_global_state

from ionsieve.potential.calculator import PotentialCalculator
from ionsieve.potential.nequip_config import CUTOFF_A, DataScales, model_config
from ionsieve.transport.dynamics import draw_velocities, phases
from ionsieve.transport.guards import Guards
from ionsieve.transport.integrators import restored, state_of
from ionsieve.transport.trajectory import Trajectory, load, save, save_joined
from ionsieve.transport.unattended import simulate_unattended

# 20 steps of relaxing and 20 of sampling NPT, 40 of NVT; a frame each 5, a checkpoint each 10.
SHORT = {"npt_ps": 0.2, "nvt_ps": 0.2, "frame_interval_fs": 25.0}
MADE_WITH = {"potential": "argon"}


class Killed(BaseException):
    """The end of a process, as far as it can be had within one."""


@pytest.fixture
def run(argon, protocol, tmp_path, monkeypatch) -> Callable[..., tuple[bytes, bytes, dict]]:
    """Simulate in a folder; the bytes of the results and the summary."""

    def simulate(
        killed_after: int | None = None, folder: str = "run", seed: int = 3, checkpoint_ps: float = 0.05,
        made_with: dict[str, str] = MADE_WITH, **changes: float,
    ) -> tuple[bytes, bytes, dict]:  # fmt: skip
        atoms = argon(2)
        settings = protocol(**(SHORT | changes))
        with monkeypatch.context() as patch:
            if killed_after is not None:
                kill_after(killed_after, patch)
            simulation = simulate_unattended(
                atoms, settings, np.random.default_rng(seed), folder=tmp_path / folder,
                made_with=made_with, checkpoint_ps=checkpoint_ps,
            )  # fmt: skip
        simulation.save(tmp_path / "trajectory.npz", tmp_path / "thermo.csv")
        return (
            (tmp_path / "trajectory.npz").read_bytes(),
            (tmp_path / "thermo.csv").read_bytes(),
            simulation.summary | {"stopped": simulation.stopped},
        )

    return simulate


def kill_after(steps: int, patch: pytest.MonkeyPatch) -> None:
    """Let the process end when it has done so many steps."""
    checked, check_state = itertools.count(), Guards.check_state

    def dying(guards: Guards, *arguments: object) -> None:
        if next(checked) == steps:
            raise Killed
        check_state(guards, *arguments)

    patch.setattr(Guards, "check_state", dying)


@pytest.mark.parametrize(
    ("phase", "npt_cell"), [(0, "isotropic"), (1, "isotropic"), (1, "full"), (2, "full")]
)
def test_fifty_and_fifty_steps_are_a_hundred_to_the_last_bit(argon, protocol, phase, npt_cell):
    settings = protocol(npt_cell=npt_cell)
    build = phases(settings)[phase].build

    def start() -> Atoms:
        atoms = argon(2)
        draw_velocities(atoms, settings, np.random.default_rng(0))
        return atoms

    uninterrupted = build(start(), settings)
    for _ in range(50):
        uninterrupted.step()
    kept = state_of(uninterrupted)
    for _ in range(50):
        uninterrupted.step()
    resumed = restored(build, argon(2), settings, kept)
    for _ in range(50):
        resumed.step()
    expected, found = state_of(uninterrupted), state_of(resumed)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert value.tobytes() == found[name].tobytes(), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "npt_cell"), [(0, "isotropic"), (1, "isotropic"), (1, "full"), (2, "full")]
)
def test_so_they_are_with_nequip_in_a_fresh_calculator(protocol, phase, npt_cell):
    settings = protocol(npt_cell=npt_cell, temperature_K=300.0, timestep_fs=1.0)
    build = phases(settings)[phase].build

    def start() -> Atoms:
        atoms = bulk("MgO", "rocksalt", a=4.2, cubic=True).repeat(2)
        atoms.calc = untrained_nequip(["Mg", "O"])
        draw_velocities(atoms, settings, np.random.default_rng(0))
        return atoms

    uninterrupted = build(start(), settings)
    for _ in range(25):
        uninterrupted.step()
    resumed = restored(build, start(), settings, state_of(uninterrupted))
    for _ in range(25):
        uninterrupted.step()
        resumed.step()
    expected, found = state_of(uninterrupted), state_of(resumed)
    assert all(value.tobytes() == found[name].tobytes() for name, value in expected.items())


def untrained_nequip(elements: list[str]) -> PotentialCalculator:
    """A network of the preset ``small`` with the weights it starts from."""
    scales = DataScales(dict.fromkeys(elements, 0.0), dict.fromkeys(elements, 0.05), average_neighbors=20.0)
    config = model_config("small", elements, scales, zbl=False, seed=0)
    del config["_target_"]
    set_global_state(allow_tf32=False)
    with torch_default_dtype(torch.float64):
        model = FullNequIPGNNModel(**config).eval()
    names = {element: element for element in elements}
    transforms = basic_transforms(model.metadata, CUTOFF_A, elements, names, neighborlist_backend="vesin")
    return PotentialCalculator(model=model, device="cpu", transforms=transforms)


@pytest.mark.parametrize("steps", [7, 13, 20, 25, 39, 40, 47, 79])
def test_a_killed_run_ends_with_the_bytes_of_one_that_was_not(run, steps):
    expected = run(folder="uninterrupted")
    with pytest.raises(Killed):
        run(killed_after=steps)
    assert run() == expected


@pytest.mark.parametrize("steps", [25, 47])
def test_a_killed_run_of_the_full_cell_ends_with_the_same_bytes(run, steps):
    expected = run(folder="uninterrupted", npt_cell="full")
    with pytest.raises(Killed):
        run(killed_after=steps, npt_cell="full")
    assert run(npt_cell="full") == expected


def test_a_run_killed_again_and_again_ends_with_the_same_bytes(run, caplog):
    expected = run(folder="uninterrupted")
    caplog.set_level(logging.INFO)
    for _ in range(7):  # each comes one checkpoint further
        with pytest.raises(Killed):
            run(killed_after=12)
    assert run() == expected
    assert "going on after step 70 of 80" in caplog.text


def test_how_often_a_run_is_saved_changes_no_byte(run):
    assert run(folder="often", checkpoint_ps=0.025) == run(folder="seldom", checkpoint_ps=5.0)


def test_a_run_that_a_guard_stops_after_a_kill_stops_at_the_same_step(run):
    limit = {"max_volume_change": 0.06}  # reached in sampling NPT
    expected = run(folder="uninterrupted", **limit)
    assert "volume changed" in expected[2]["stopped"]
    assert expected[2]["n_frames"] == 6
    with pytest.raises(Killed):
        run(killed_after=25, **limit)
    assert run(**limit) == expected


def test_the_folder_holds_two_states_and_the_frames_in_chunks(run, tmp_path):
    with pytest.raises(Killed):
        run(killed_after=55)
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert [name for name in names if name.startswith("state")] == ["state_0004.npz", "state_0005.npz"]
    chunks = [name for name in names if name.startswith("frames")]
    assert chunks == [f"frames_000{n}_{'npt' if n < 5 else 'nvt'}.npz" for n in range(1, 6)]
    assert all(len(load(tmp_path / "run" / name).times_ps) == 2 for name in chunks)


@pytest.mark.parametrize("damage", ["cut short", "one bit", "empty", "frames gone", "frames changed"])
def test_damage_falls_back_to_the_checkpoint_before_and_is_said(run, tmp_path, caplog, damage):
    expected = run(folder="uninterrupted")
    with pytest.raises(Killed):
        run(killed_after=55)
    state, frames = tmp_path / "run" / "state_0005.npz", tmp_path / "run" / "frames_0005_nvt.npz"
    content = state.read_bytes()
    if damage == "cut short":
        state.write_bytes(content[:-100])
    elif damage == "one bit":
        state.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    elif damage == "empty":
        state.write_bytes(b"")
    elif damage == "frames gone":
        frames.unlink()
    else:
        frames.write_bytes(frames.read_bytes()[:-1])
    caplog.set_level(logging.INFO)
    assert run() == expected
    assert "state_0005.npz" in caplog.text
    assert "going on after step 40" in caplog.text


def test_with_both_checkpoints_damaged_the_run_starts_anew_and_says_so(run, tmp_path, caplog):
    expected = run(folder="uninterrupted")
    with pytest.raises(Killed):
        run(killed_after=55)
    for state in (tmp_path / "run").glob("state_*"):
        state.write_bytes(b"x")
    assert run() == expected
    assert "starting anew" in caplog.text


@pytest.mark.parametrize(
    "other", [{"seed": 4}, {"made_with": {"potential": "krypton"}}, {"thermostat_fs": 90.0}]
)
def test_a_checkpoint_of_another_run_is_not_used(run, caplog, other):
    expected = run(folder="uninterrupted", **other)
    with pytest.raises(Killed):
        run(killed_after=55)
    assert run(**other) == expected
    assert "of another run" in caplog.text
    assert "starting anew" in caplog.text


def test_a_full_disk_ends_the_run_and_a_later_one_goes_on(run, tmp_path, caplog):
    expected = run(folder="uninterrupted")
    with pytest.raises(Killed):
        run(killed_after=25)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert after == before  # neither half a file nor one lost
    caplog.set_level(logging.INFO)
    assert run() == expected
    assert "going on after step 20" in caplog.text


def test_the_log_tells_when_the_run_will_end(run, caplog):
    caplog.set_level(logging.INFO)
    run()
    lines = [message for message in caplog.messages if "steps/s" in message]
    assert len(lines) == 8
    assert lines[4].startswith("nvt: step 50 of 80, 0.25 of 0.40 ps, ")
    assert lines[-1].endswith(" 0:00:00 left")


def test_chunks_are_written_as_one_trajectory_would_be(argon, protocol, tmp_path):
    rng, whole = np.random.default_rng(0), tmp_path / "whole.npz"
    trajectory = Trajectory(
        times_ps=0.1 * np.arange(7),
        positions_A=rng.normal(size=(7, 32, 3)),
        cells_A=rng.normal(size=(7, 3, 3)),
        numbers=argon(2).numbers,
        reference_frac_coords=rng.random((32, 3)),
    )
    save(trajectory, whole)
    parts = []
    for index, stretch in enumerate((slice(0, 3), slice(3, 3), slice(3, 7))):
        part = replace(
            trajectory,
            times_ps=trajectory.times_ps[stretch],
            positions_A=trajectory.positions_A[stretch],
            cells_A=trajectory.cells_A[stretch],
        )
        parts.append(tmp_path / f"{index}.npz")
        save(part, parts[-1])
    save_joined(parts, tmp_path / "joined.npz")
    assert (tmp_path / "joined.npz").read_bytes() == whole.read_bytes()

"""The three scripts in a row on a small crystal, as Snakemake calls them."""

import math
import runpy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from ionsieve.artifacts import read_json, write_json
from ionsieve.tables import MSD, read_table

SCRIPTS = Path(__file__).parents[2] / "workflow_scripts"
OK_POTENTIAL = {"status": "ok", "reason": None}


def main_of(script: str) -> Callable[[SimpleNamespace], None]:
    return runpy.run_path(str(SCRIPTS / f"{script}.py"))["main"]


class Params(SimpleNamespace):
    def __getitem__(self, name: str) -> object:
        return getattr(self, name)


@pytest.fixture
def run_scripts(argon: Callable[[int], Atoms], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run all three scripts in a folder and return its transport.json and diffusivity.json."""
    calculator = argon(1).calc
    monkeypatch.setattr("ionsieve.potential.calculator.load_calculator", lambda path, device: calculator)
    monkeypatch.setattr("ionsieve.potential.calculator.check_elements", lambda path, atoms: None)

    def run(
        folder: str,
        potential: dict,
        crystal: Atoms | None = None,
        with_migration: bool = False,
        **changes: float,
    ) -> tuple[dict, dict]:
        place = tmp_path / folder
        place.mkdir()
        write(place / "x.cif", argon(2) if crystal is None else crystal)
        write_json(place / "model.json", potential)
        (place / "model.ckpt").write_text("weights")
        settings = {
            "algorithm": 1, "working_ion": "Ca", "seed": 0, "min_atoms": 60, "vacancy_fraction": 0.2,
            "timestep_fs": 5.0, "npt_ps": 0.5, "nvt_ps": 2.0, "thermostat_fs": 100.0, "barostat_fs": 500.0,
            "pressure_GPa": 0.0, "frame_interval_fs": 50.0, "max_temperature_factor": 3.0,
            "max_volume_change": 2.0, "npt_cell": "isotropic", "max_shape_change": 0.3, "min_distance_A": 0.8,
        }  # fmt: skip
        wildcards = SimpleNamespace(material_id="x", temperature="40", replica="0")
        md = SimpleNamespace(
            trajectory=str(place / "trajectory.npz"),
            thermo=str(place / "thermo.csv"),
            result=str(place / "md.json"),
        )
        analysis = SimpleNamespace(
            msd=str(place / "msd.parquet"),
            rdf=str(place / "rdf.parquet"),
            paths=str(place / "paths.parquet"),
            result=str(place / "diffusivity.json"),
        )
        params = Params(**(settings | changes))
        main_of("run_md")(
            SimpleNamespace(
                input=SimpleNamespace(
                    structure=str(place / "x.cif"),
                    model=str(place / "model.ckpt"),
                    potential=str(place / "model.json"),
                ),
                resources=SimpleNamespace(checkpoint_ps="0.4", device="cpu"),
                output=md,
                params=params,
                wildcards=wildcards,
            )
        )
        main_of("analyse_md")(
            SimpleNamespace(
                input=SimpleNamespace(
                    structure=str(place / "x.cif"), trajectories=[md.trajectory], simulations=[md.result]
                ),
                output=analysis,
                params=params,
            )
        )
        bands = [str(place / "migration.json")] if with_migration else []
        for path in bands:
            main_of("migration")(
                SimpleNamespace(
                    input=SimpleNamespace(
                        structure=str(place / "x.cif"),
                        model="model.ckpt",
                        potential=str(place / "model.json"),
                    ),
                    resources=SimpleNamespace(device="cpu"),
                    output=SimpleNamespace(result=path),
                    params=Params(working_ion="Ca", min_atoms=27, n_images=1),
                    wildcards=wildcards,
                )
            )
        main_of("arrhenius")(
            SimpleNamespace(
                input=SimpleNamespace(temperatures=[analysis.result], migration=bands),
                output=SimpleNamespace(result=str(place / "transport.json")),
                params=params,
            )
        )
        return read_json(place / "transport.json"), read_json(analysis.result)

    return run


KEYS = {
    "status", "reason", "temperature_K", "conductivity_mS_per_cm", "conductivity_low_mS_per_cm",
    "conductivity_high_mS_per_cm", "conductivity_kind", "diffusivity_cm2_per_s", "diffusivity_low_cm2_per_s",
    "diffusivity_high_cm2_per_s", "n_hops", "n_ions", "activation_energy_eV", "activation_energy_low_eV",
    "activation_energy_high_eV", "conductivity_300K_mS_per_cm", "conductivity_300K_low_mS_per_cm",
    "conductivity_300K_high_mS_per_cm", "temperatures",
}  # fmt: skip


def test_a_frozen_crystal_ends_with_an_upper_bound(run_scripts, tmp_path):
    transport, at_40K = run_scripts("frozen", OK_POTENTIAL)
    assert set(transport) >= KEYS
    assert (transport["status"], transport["n_hops"]) == ("ok", 0)
    assert transport["conductivity_kind"] == "upper_bound"
    assert transport["conductivity_mS_per_cm"] is None
    assert transport["conductivity_high_mS_per_cm"] > 0
    n_ions, time_ps = at_40K["n_ions"], 39 * 0.05
    simulation = read_json(tmp_path / "frozen" / "md.json")
    bound = 3 * simulation["hop_distance_A"] ** 2 / (6 * n_ions * time_ps) * 1e-4
    assert transport["diffusivity_high_cm2_per_s"] == pytest.approx(bound, rel=2e-3)
    msd = read_table(tmp_path / "frozen" / "msd.parquet", MSD)
    assert msd["msd_A2"].iloc[0] == 0.0
    assert msd["time_ps"].iloc[-1] == pytest.approx(time_ps)


def test_the_barrier_of_a_single_hop_stands_beside_the_conductivity(run_scripts, tmp_path):
    """Half of the atoms of solid argon bear the name of calcium, in planes: they connect within them."""
    layered = bulk("Ar", cubic=True, a=5.3)
    layered.numbers[layered.positions[:, 2] < 1.0] = 20
    transport, _ = run_scripts("band", OK_POTENTIAL, crystal=layered, with_migration=True)
    migration = read_json(tmp_path / "band" / "migration.json")
    assert transport["migration_barrier_eV"] == migration["barrier_1d_eV"]
    assert migration["status"] == "ok"
    # A vacancy of solid argon moves with 0.1 eV or so, a tenth of its cohesive energy.
    assert 0.02 < migration["barrier_1d_eV"] < 0.3


def test_without_bands_there_is_no_barrier_of_a_single_hop(run_scripts):
    assert "migration_barrier_eV" not in run_scripts("plain", OK_POTENTIAL)[0]


def test_the_status_of_a_rejected_potential_is_passed_on(run_scripts):
    rejected = {"status": "potential_rejected", "reason": "force error 0.9 eV/A on held-out frames"}
    transport, at_40K = run_scripts("rejected", rejected)
    assert {key: transport[key] for key in ("status", "reason")} == rejected
    assert set(transport) >= KEYS
    assert transport["conductivity_high_mS_per_cm"] is None
    assert at_40K["status"] == "potential_rejected"


def test_a_run_that_a_guard_stopped_is_unstable_with_its_frames_on_disk(run_scripts, tmp_path):
    transport, _ = run_scripts(
        "unstable", OK_POTENTIAL, max_temperature_factor=1.02, nvt_ps=50.0, frame_interval_fs=5.0
    )
    assert transport["status"] == "unstable"
    assert "temperature" in transport["reason"]
    assert (tmp_path / "unstable" / "trajectory.npz").read_bytes()[:2] == b"PK"
    assert not (tmp_path / "unstable" / "checkpoint").exists()
    assert (tmp_path / "unstable" / "thermo.csv").read_text().startswith("stage,time_ps,temperature_K")


def test_a_crystal_without_ions_fails_with_the_reason(run_scripts, argon):
    bare = argon(2)
    bare.numbers[:] = 18
    transport, _ = run_scripts("bare", OK_POTENTIAL, crystal=bare)
    assert (transport["status"], transport["reason"]) == ("failed", "the structure has no Ca")


def test_two_runs_give_the_same_bytes(run_scripts, tmp_path):
    for folder in ("first", "second"):
        run_scripts(folder, OK_POTENTIAL)
    for name in (
        "trajectory.npz",
        "thermo.csv",
        "md.json",
        "msd.parquet",
        "paths.parquet",
        "diffusivity.json",
        "transport.json",
    ):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_no_number_in_the_results_is_nan(run_scripts, tmp_path):
    run_scripts("strict", OK_POTENTIAL)

    def numbers(value):
        if isinstance(value, dict):
            return [number for item in value.values() for number in numbers(item)]
        if isinstance(value, list):
            return [number for item in value for number in numbers(item)]
        return [value] if isinstance(value, float) else []

    for name in ("md.json", "diffusivity.json", "transport.json"):
        document = read_json(tmp_path / "strict" / name)
        assert all(math.isfinite(number) for number in numbers(document))


def test_a_damaged_trajectory_is_named_with_what_to_do(tmp_path):
    from ionsieve.errors import DataError
    from ionsieve.transport.trajectory import load

    damaged = tmp_path / "trajectory.npz"
    damaged.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(DataError, match=r"trajectory\.npz is damaged .*delete it and run"):
        load(damaged)

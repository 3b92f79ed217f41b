"""The user's VASP runs become frames to train on: pymatgen reads the files, damage is set aside."""

import gzip
import runpy
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from crystals import rock_salt
from pymatgen.core import Structure

from ionsieve.artifacts import digest, read_json
from ionsieve.data.vasp_files import vasp_files
from ionsieve.data.vasp_frames import sample
from ionsieve.errors import DataError
from ionsieve.potential.frames import gather_frames, read_frames

ROOT = Path(__file__).parents[2]
KBAR_PER_EV_PER_A3 = 1602.176634
COMPRESSED_KBAR = np.array([[10.0, 1.0, 2.0], [1.0, 20.0, 3.0], [2.0, 3.0, 30.0]])


def magnesia(a_A: float = 4.21) -> Structure:
    return rock_salt("Mg", "O", a_A)


@dataclass(frozen=True)
class IonicStep:
    """One ``<calculation>`` of a vasprun.xml; None leaves the entry out."""

    structure: Structure = field(default_factory=magnesia)
    free_energy_eV: float = -48.5
    forces_eV_per_A: np.ndarray | None = field(default_factory=lambda: np.full((8, 3), 0.25))
    stress_kbar: np.ndarray | None = field(default_factory=lambda: COMPRESSED_KBAR)
    iterations: int = 5


def vasprun_xml(steps: list[IonicStep], **parameters: float) -> str:
    """The part of VASP's vasprun.xml that a frame is made of."""
    crystal = steps[0].structure
    counts = crystal.composition.get_el_amt_dict()
    atoms = "".join(
        f"<rc><c>{site.specie.symbol}</c><c>{1 + list(counts).index(site.specie.symbol)}</c></rc>"
        for site in crystal
    )
    types = "".join(
        f"<rc><c>{count:.0f}</c><c>{symbol}</c><c>1.0</c><c>6.0</c><c>PAW_PBE {symbol} 01Jan2000</c></rc>"
        for symbol, count in counts.items()
    )
    values = "".join(
        f'<i type="{"int" if isinstance(value, int) else ""}" name="{name}">{value}</i>'
        for name, value in {"NELM": 60, "NSW": 99, "IBRION": 2, "PSTRESS": 0.0, **parameters}.items()
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<modeling><generator>'
        '<i name="program" type="string">vasp</i><i name="version" type="string">6.4.3</i></generator>'
        '<incar></incar><kpoints><generation param="Gamma"><v type="int" name="divisions">1 1 1</v>'
        f'<v name="usershift">0 0 0</v></generation>{_varray("kpointlist", [[0, 0, 0]])}'
        f"{_varray('weights', [[1]])}</kpoints><parameters>{values}</parameters><atominfo>"
        f"<atoms>{len(crystal)}</atoms><types>{len(counts)}</types>"
        f'<array name="atoms"><set>{atoms}</set></array>'
        f'<array name="atomtypes"><set>{types}</set></array></atominfo>{_crystal(crystal, "initialpos")}'
        f"{''.join(map(_calculation, steps))}{_crystal(steps[-1].structure, 'finalpos')}</modeling>\n"
    )


def _calculation(step: IonicStep) -> str:
    # VASP's e_0_energy is another one: half way to zero smearing.
    energy = (
        f'<energy><i name="e_fr_energy">{step.free_energy_eV:.8f}</i>'
        f'<i name="e_wo_entrp">{step.free_energy_eV + 0.2:.8f}</i>'
        f'<i name="e_0_energy">{step.free_energy_eV + 0.1:.8f}</i></energy>'
    )
    forces = "" if step.forces_eV_per_A is None else _varray("forces", step.forces_eV_per_A)
    stress = "" if step.stress_kbar is None else _varray("stress", step.stress_kbar)
    iterations = f"<scstep>{energy}</scstep>" * step.iterations
    return f"<calculation>{iterations}{_crystal(step.structure)}{forces}{stress}{energy}</calculation>"


def _crystal(crystal: Structure, name: str = "") -> str:
    return (
        f'<structure name="{name}"><crystal>{_varray("basis", crystal.lattice.matrix)}</crystal>'
        f"{_varray('positions', crystal.frac_coords)}</structure>"
    )


def _varray(name: str, rows: object) -> str:
    lines = "".join(f"<v>{' '.join(f'{value:.8f}' for value in row)}</v>" for row in rows)
    return f'<varray name="{name}">{lines}</varray>'


class Runs:
    """A folder of VASP runs, sampled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dft"
        self.shard = folder / "frames" / "0000.extxyz"

    def add(self, name: str, steps: list[IonicStep], **parameters: float) -> Path:
        path = self.folder / name / "vasprun.xml"
        path.parent.mkdir(parents=True)
        path.write_text(vasprun_xml(steps, **parameters))
        return path

    def sample(self) -> tuple[list, dict]:
        summary = sample(vasp_files([self.folder]), self.shard)
        return read_frames(self.shard), summary


@pytest.fixture
def runs(tmp_path) -> Runs:
    return Runs(tmp_path)


def test_the_first_three_and_the_last_ionic_step_are_taken(runs):
    runs.add("relaxation", [IonicStep(free_energy_eV=-float(step)) for step in range(1, 8)])
    frames, summary = runs.sample()
    assert [frame.get_potential_energy() for frame in frames] == [-1.0, -2.0, -3.0, -7.0]
    assert (summary["files_read"], summary["frames_read"], summary["frames"]) == (1, 7, 4)


def test_a_frame_keeps_its_crystal_and_the_energy_that_the_forces_are_derivatives_of(runs):
    crystal = magnesia().perturb(0.05)
    forces = np.random.default_rng(0).normal(size=(8, 3)).round(8)
    runs.add("static", [IonicStep(crystal, -48.5, forces)])
    (frame,), _ = runs.sample()
    assert frame.get_potential_energy() == -48.5
    np.testing.assert_allclose(frame.get_forces(), forces, atol=1e-8)
    np.testing.assert_allclose(frame.cell.array, crystal.lattice.matrix, atol=1e-7)
    np.testing.assert_allclose(frame.positions, crystal.cart_coords, atol=1e-6)
    assert frame.info["material_id"] == "vasp-MgO"
    assert frame.info["kind"] == "relaxation"


def test_a_compressed_crystal_has_negative_stress(runs):
    runs.add("static", [IonicStep()])
    (frame,), _ = runs.sample()
    by_hand = np.array([10.0, 20.0, 30.0, 3.0, 2.0, 1.0]) * -0.1 / 160.21766208
    np.testing.assert_allclose(frame.get_stress(), by_hand, atol=1e-8)


def test_the_work_of_an_external_pressure_is_no_energy_of_the_crystal(runs):
    runs.add("pressed", [IonicStep(free_energy_eV=-48.5)], PSTRESS=50.0)
    (frame,), _ = runs.sample()
    assert frame.get_potential_energy() == pytest.approx(
        -48.5 - 50.0 * 4.21**3 / KBAR_PER_EV_PER_A3, abs=1e-7
    )


def test_gzipped_runs_in_folders_below_are_found_each_once(runs):
    plain = runs.add("a/relax_2", [IonicStep()])
    packed = runs.folder / "b" / "vasprun.xml.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    (runs.folder / "b" / "OUTCAR").touch()
    assert vasp_files([runs.folder, runs.folder / "a"]) == [plain, packed]
    frames, _ = runs.sample()
    assert len(frames) == 2


def test_a_run_that_is_there_plain_and_gzipped_counts_once(runs):
    runs.add("a", [IonicStep()])
    plain = runs.folder / "a" / "vasprun.xml"
    plain.with_name("vasprun.xml.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert vasp_files([runs.folder]) == [plain]


def test_runs_of_one_compound_are_one_material(runs):
    for name in ("relax_1", "relax_2"):
        runs.add(name, [IonicStep(), IonicStep()])
    runs.sample()
    frames, _ = gather_frames([runs.shard])
    assert {frame.info["trajectory"] for frame in frames} == {"vasp-MgO"}


def test_steps_that_did_not_converge_are_set_aside(runs):
    runs.add("relaxation", [IonicStep(iterations=60), IonicStep(), IonicStep(iterations=7)], NELM=60)
    frames, summary = runs.sample()
    assert len(frames) == 2
    assert summary["set_aside"] == {"electronic steps not converged": 1}
    assert summary["set_aside_examples"]["electronic steps not converged"].endswith(
        "relaxation/vasprun.xml, ionic step 1: all 60 (NELM) were used up"
    )


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (IonicStep(forces_eV_per_A=None), "no forces"),
        (IonicStep(forces_eV_per_A=np.zeros((7, 3))), "forces not of the right shape"),
        (IonicStep(forces_eV_per_A=np.full((8, 3), np.nan)), "forces not finite"),
        (IonicStep(iterations=0), "no electronic steps"),
        (IonicStep(magnesia(2.0)), "damaged structure"),
    ],
)
def test_a_damaged_step_is_set_aside_with_its_reason(runs, step, reason):
    runs.add("relaxation", [IonicStep(), step])
    frames, summary = runs.sample()
    assert len(frames) == 1
    assert summary["set_aside"] == {reason: 1}


def test_a_run_that_computed_no_stress_is_kept_and_counted(runs):
    runs.add("relaxation", [IonicStep(stress_kbar=None), IonicStep()])
    frames, summary = runs.sample()
    assert len(frames) == 2
    assert summary["frames_without_stress"] == 1


@pytest.mark.parametrize("content", ["", "killed", "<modeling></modeling>", None])
def test_unreadable_files_are_set_aside_and_stop_nothing(runs, content):
    good = runs.add("good", [IonicStep()])
    bad = runs.folder / "bad" / "vasprun.xml"
    bad.parent.mkdir()
    bad.write_text(good.read_text()[:-900] if content is None else content)
    frames, summary = runs.sample()
    assert len(frames) == 1
    assert sum(summary["set_aside"].values()) == 1
    assert str(bad) in next(iter(summary["set_aside_examples"].values()))


def test_a_folder_without_runs_is_told(runs):
    runs.folder.mkdir()
    with pytest.raises(DataError, match=r"data.vasp_outputs hold none of vasprun.xml, vasprun.xml.gz"):
        runs.sample()


def test_runs_of_damaged_steps_alone_tell_their_damage(runs):
    runs.add("bad", [IonicStep(forces_eV_per_A=None)])
    with pytest.raises(DataError, match=r"no frame of the 1 files .* 1 x no forces"):
        runs.sample()
    assert not runs.shard.exists()


def test_the_script_writes_the_same_bytes_again(runs, tmp_path):
    path = runs.add("relaxation", [IonicStep(), IonicStep()])
    output = SimpleNamespace(shard=str(runs.shard), summary=str(tmp_path / "vasp.json"))
    job = SimpleNamespace(input=SimpleNamespace(runs=[str(path)]), output=output)
    main = runpy.run_path(str(ROOT / "workflow_scripts" / "vasp_frames.py"))["main"]
    main(job)
    first = digest(runs.shard)
    main(job)
    assert digest(runs.shard) == first
    assert read_json(output.summary)["frames"] == 2

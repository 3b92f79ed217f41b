"""The project's rules and its SLURM profile on a real SLURM of one node, on loopback."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write

from ionsieve.artifacts import read_json, write_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("loopback_slurm.sh")
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
# 32 atoms of a Lennard-Jones solid, one in four called Mg.
CALCULATOR = {
    "calculator": "ase.calculators.lj.LennardJones",
    "arguments": {"sigma": 2.36, "epsilon": 0.05, "rc": 6.0},
}
SNAKEFILE = f"""
import os
from ionsieve import algorithms
from ionsieve import config as configuration

os.environ.update(OMP_NUM_THREADS="1", PYTHONPATH={str(ROOT)!r} + os.pathsep + os.getenv("PYTHONPATH", ""))
config_model = configuration.load({{
    "transport": {{
        "temperatures_K": [300.0], "min_atoms": 30, "timestep_fs": 1.0, "npt_ps": 0.2, "nvt_ps": 9.8,
        "frame_interval_fs": 10.0, "checkpoint_ps": 0.1, "max_temperature_factor": 20.0,
        "max_volume_change": 9.0,
    }},
}})
SHORTLIST, candidate_structure = "x.cif", "x.cif"
potential_model, potential_result = "model.json", "potential.json"
candidate_migration = []
MD_DEVICE = "cpu"


rule all:
    localrule: True
    default_target: True
    input:
        "results/transport/x/transport.json",
        "results/validation/x/inputs.zip",


include: "{ROOT}/rules/transport.smk"
include: "{ROOT}/rules/validation.smk"
"""
MD = Path("results/transport/x/300K/0")
STEPS = 10_000  # a quarter of a minute and more: time to cancel it half-way


@pytest.fixture(scope="module")
def slurm(tmp_path_factory) -> Iterator[Path]:
    """The folder of a running SLURM."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("snakemake-executor-plugin-slurm is not installed: make install")
    if not all(map(shutil.which, NEEDED)):
        pytest.skip("no SLURM here: tests/cluster/loopback_slurm.sh install, as root on Debian")
    if os.getuid() != 0:
        pytest.skip("only root can start SLURM's daemons")
    folder = tmp_path_factory.mktemp("slurm")
    start = subprocess.run([SCRIPT, "start", folder], capture_output=True, text=True, check=False)
    if start.returncode != 0:
        subprocess.run([SCRIPT, "stop", folder], check=False)
        pytest.skip(f"SLURM does not start here: {start.stderr[-300:]}")
    yield folder
    subprocess.run([SCRIPT, "stop", folder], check=False)


@pytest.fixture
def project(tmp_path) -> Path:
    """A crystal, an ASE calculator in place of a potential, and the rules of transport and validation."""
    crystal = bulk("O", "fcc", a=3.75, cubic=True)
    crystal.symbols[0] = "Mg"
    write(tmp_path / "x.cif", crystal)
    write_json(tmp_path / "model.json", CALCULATOR)
    write_json(tmp_path / "potential.json", {"status": "ok", "reason": None, "elements": None})
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    return tmp_path


QUICK = [
    "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3",
    "--seconds-between-status-checks", "3", "--latency-wait", "10",
]  # fmt: skip


def environment() -> dict[str, str]:
    """With this Python's Snakemake first, and the library where scripts look for it."""
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.getenv("PYTHONPATH")])]),
    }


def start(project: Path, *arguments: str) -> subprocess.Popen:
    """Start the controller on this node."""
    return subprocess.Popen(
        ["snakemake", "--profile", "profiles/slurm", *QUICK, *arguments],
        cwd=project,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def queue(rule: str) -> list[str]:
    """Ids of the running jobs of a rule."""
    listed = subprocess.run(
        ["squeue", "-h", "-t", "RUNNING", "-o", "%i %k"], capture_output=True, text=True, check=True
    )
    return [line.split()[0] for line in listed.stdout.splitlines() if f"rule_{rule}_" in line]


def is_in_queue(job: str) -> bool:
    listed = subprocess.run(
        ["squeue", "-h", "-t", "PENDING,RUNNING,COMPLETING", "-o", "%i"],
        capture_output=True,
        text=True,
        check=True,
    )
    return job in listed.stdout.split()


def wait_for_checkpoint(
    project: Path, number: int, is_alive: Callable[[], bool], story: Callable[[], str]
) -> None:
    """Until the MD job has written that checkpoint or a later one: it keeps the last two."""
    while not any(
        int(state.stem.removeprefix("state_")) >= number
        for state in (project / MD / "checkpoint").glob("state_*.npz")
    ):
        assert is_alive(), f"the controller ended before the job's checkpoint:\n{story()}"
        time.sleep(0.5)


def finished_jobs(slurm: Path) -> str:
    """What SLURM says of the jobs that ended, newest last."""
    listed = subprocess.run(
        ["sacct", "--completion", "-o", "jobid,jobname,partition,state,start,end"],
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout + listed.stderr + (slurm / "finished_jobs.txt").read_text()


def test_a_job_killed_for_memory_and_then_cancelled_half_way_through_comes_to_its_end(slurm, project):
    running = start(project, "--set-resources", "run_md:mem_mb=400 + 1600 * (attempt - 1)")
    wait_for_checkpoint(project, 3, lambda: running.poll() is None, lambda: running.communicate()[0])
    (job,) = queue("run_md")
    subprocess.run(["scancel", job], check=True)
    output, _ = running.communicate()
    assert running.returncode == 0, output[-4000:]
    ended = finished_jobs(slurm)
    print(ended)
    assert re.search(r"JobState=CANCELLED", ended)
    assert re.search(r"JobState=(FAILED|OUT_OF_MEMORY)", ended)
    log = (project / "results/logs/run_md/x/300K_0.log").read_text()
    assert int(re.search(rf"going on after step (\d+) of {STEPS}", log)[1]) >= 300
    assert read_json(project / MD / "md.json")["status"] == "ok"
    assert read_json(project / "results/transport/x/transport.json")["material_id"] == "x"
    assert (project / "results/validation/x/inputs.zip").stat().st_size > 0


@pytest.mark.long
def test_scancel_of_the_controller_stops_its_jobs_and_the_same_command_goes_on(slurm, project):
    def submit() -> str:
        sent = subprocess.run(
            ["sbatch", "--parsable", "--mem=800", "--time=30", "--output=controller.log",
             str(ROOT / "profiles/slurm/controller.sh"), *QUICK, str(MD / "md.json")],
            cwd=project, env=environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return sent.stdout.strip()

    log_of_controller = project / "controller.log"
    controller = submit()
    wait_for_checkpoint(project, 3, lambda: is_in_queue(controller), log_of_controller.read_text)
    subprocess.run(["scancel", controller], check=True)
    while queue("run_md"):
        time.sleep(0.5)
    assert not (project / MD / "md.json").exists(), log_of_controller.read_text()
    second = submit()
    while is_in_queue(second):
        time.sleep(0.5)
    assert (project / MD / "md.json").exists(), log_of_controller.read_text()
    log = (project / "results/logs/run_md/x/300K_0.log").read_text()
    assert int(re.search(rf"going on after step (\d+) of {STEPS}", log)[1]) >= 300

"""A small screening of real shape: the project's own Snakefile, rules and profile on tiny crystals.

The staleness tests ask which jobs run, not what MD computes. So the scripts that cost minutes, and one
that reads what they write, are replaced by doubles that write their outputs in a second
(tests/workflow/doubles); everything else, voltage training included, is the real thing.
tests/workflow/test_end_to_end.py runs without any double.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from pymatgen.core import Lattice, Structure

ROOT = Path(__file__).resolve().parents[2]
DOUBLES = Path(__file__).resolve().parent / "doubles"
DOUBLE_OF = {
    "teacher_frames.py": "declared_outputs.py",
    "train_potential.py": "declared_outputs.py",
    "deploy_potential.py": "declared_outputs.py",
    "train_committee_member.py": "declared_outputs.py",
    "explore_potential.py": "declared_outputs.py",
    "label_explored.py": "declared_outputs.py",
    "refine_potential.py": "declared_outputs.py",
    "run_md.py": "run_md.py",
    "relax_pair.py": "declared_outputs.py",
    "charged_host_hull.py": "declared_outputs.py",
    "gpaw_metal.py": "declared_outputs.py",
    "gpaw_voltage.py": "declared_outputs.py",
}
WORKFLOW_PARTS = ("Snakefile", "rules", "workflow_scripts", "profiles", "config.yaml", "envs", "ionsieve")
METALS = ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Mo", "W", "Nb", "Cu", "Zr")

# Small enough for a test, wide enough that a shortlist forms whatever the barely trained model says.
OVERLAY = {
    "data": {
        "sources": ["files"],
        "files": {"electrodes": ["electrodes.jsonl"], "structures": ["structures.jsonl"]},
    },
    "voltage": {"folds": 3, "epochs": 2, "batch_size": 8, "atom_features": 8, "hidden_features": 8},
    "screen": {
        "min_voltage_V": -4.0,
        "max_voltage_V": 9.0,
        "min_capacity_vol_Ah_per_L": 0.0,
        "max_candidates": 2,
        "controls": [],
    },
}


def perovskite(ion: str, metal: str, a_A: float, anion: str = "O") -> Structure:
    """A cubic perovskite with the working ion on its A site; any metal will do for bookkeeping."""
    return Structure(
        Lattice.cubic(a_A),
        [ion, metal, anion, anion, anion],
        [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]],
    )


def structure_line(name: str, structure: Structure) -> dict:
    """One line of a structures file."""
    return {"material_id": name, "structure": structure.as_dict()}


@dataclass(frozen=True)
class Run:
    """What one call of Snakemake did: exit status, output, jobs by rule."""

    status: int
    output: str
    jobs: Counter[str]


@dataclass
class Project:
    """A copy of the workflow in a folder of its own, with data and a configuration to change."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    overlay: dict[str, dict] = field(default_factory=lambda: OVERLAY)

    def write_data(self, candidates: dict[str, Structure], voltages_V: dict[str, float]) -> None:
        """Electrodes Li/Mg MO3 with the given voltages by metal, and the candidates."""
        electrodes, lines = [], []
        for ion in ("Li", "Mg"):
            for metal, voltage_V in voltages_V.items():
                discharged = perovskite(ion, metal, 3.9)
                host = Structure.from_sites([site for site in discharged if site.specie.symbol != ion])
                name = f"el-{ion}{metal}"
                electrodes.append(
                    {
                        "battery_id": f"{name}_{ion}",
                        "working_ion": ion,
                        "average_voltage": voltage_V + (0.5 if ion == "Li" else 0.0),
                        "num_steps": 1,
                        "id_discharge": name,
                        "id_charge": f"{name}-host",
                    }
                )
                lines += [structure_line(name, discharged), structure_line(f"{name}-host", host)]
        lines += [structure_line(name, structure) for name, structure in candidates.items()]
        (self.folder / "electrodes.jsonl").write_text("\n".join(json.dumps(row) for row in electrodes))
        (self.folder / "structures.jsonl").write_text("\n".join(json.dumps(line) for line in lines))

    def configure(self, **sections: dict) -> None:
        """Write the overlay with changes, section by section."""
        overlay = {
            name: {**self.overlay.get(name, {}), **sections.get(name, {})}
            for name in {*self.overlay, *sections}
        }
        (self.folder / "overlay.yaml").write_text(yaml.safe_dump(overlay))

    def start(self, *arguments: str, cores: int = 2, largest_file_bytes: int = -1) -> subprocess.Popen[str]:
        """Start Snakemake here, as a user would; no file may grow above the limit, if there is one."""
        command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--nocolor", *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= self.environment
        return subprocess.Popen(
            [*command, "--configfile", "overlay.yaml"],
            cwd=self.folder,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_FSIZE, (largest_file_bytes, largest_file_bytes)
            ),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def snakemake(self, *arguments: str, cores: int = 2, largest_file_bytes: int = -1) -> Run:
        """Run Snakemake to its end."""
        running = self.start(*arguments, cores=cores, largest_file_bytes=largest_file_bytes)
        output, _ = running.communicate()
        jobs = planned(output) if "-n" in arguments else finished(output)
        return Run(running.returncode, output, jobs)

    def run(self, *arguments: str) -> Run:
        """Run Snakemake and insist on success."""
        run = self.snakemake(*arguments)
        assert run.status == 0, run.output[-6000:]
        return run

    def update(self) -> Counter[str]:
        """Rerun after a change; returns the jobs executed.

        The run goes up to the shortlist first; what a dry run then plans must be what is executed.
        """
        before = self.run("--until", "shortlist").jobs
        plan = self.run("-n").jobs
        executed = self.run().jobs
        assert executed == plan
        return before + executed

    def copy_to(self, folder: Path) -> "Project":
        """The same project elsewhere, dates and Snakemake's records included."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return replace(self, folder=folder, environment=dict(self.environment))


def finished(output: str) -> Counter[str]:
    """Executed jobs by rule."""
    return Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", output)) - Counter(all=1)


def planned(output: str) -> Counter[str]:
    """Planned jobs by rule, from the table of a dry run."""
    jobs: Counter[str] = Counter()
    if "Job stats:" in output:
        for line in output.split("Job stats:")[1].splitlines()[3:]:
            if not (match := re.fullmatch(r"(\w+)\s+(\d+)\s*", line)):
                break
            jobs[match[1]] = int(match[2])
    del jobs["total"], jobs["all"]
    return jobs


def new_project(folder: Path, *, doubles: bool) -> Project:
    """A copy of the workflow in ``folder``."""
    folder.mkdir(parents=True)
    for part in WORKFLOW_PARTS:
        source = ROOT / part
        if part == "ionsieve":
            (folder / part).symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    if doubles:
        for script, double in DOUBLE_OF.items():
            shutil.copy2(DOUBLES / double, folder / "workflow_scripts" / script)
    return Project(folder)

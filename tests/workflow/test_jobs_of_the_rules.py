"""`ionsieve status` counts the jobs that the rules make, and no others."""

from collections import Counter

import pytest
import yaml
from screening_project import METALS, new_project, perovskite

from ionsieve.run.folder import RunFolder
from ionsieve.run.jobs import jobs

pytestmark = pytest.mark.slow

SETTINGS = {
    "by default": {},
    "more of everything": {
        "composition": {"benchmark": True},
        "potential": {"refinement_rounds": 2},
        "transport": {"temperatures_K": [800.0, 1200.0], "replicas": 2, "migration_images": 5},
        "validation": {"gpaw": True, "vasp": "run", "aimd": True},
    },
    "less of everything": {
        "voltage": {"interpretation": False},
        "potential": {"mode": "shared", "shared_calculator": "chgnet"},
        "validation": {"enabled": False, "universal_potential": None},
    },
}


def test_the_jobs_are_those_that_snakemake_plans(tmp_path):
    project = new_project(tmp_path / "project", doubles=True)
    project.write_data(
        {f"c-{metal}": perovskite("Mg", metal, 4.4, "F") for metal in METALS[:6]},
        {metal: 1.5 + 0.2 * index for index, metal in enumerate(METALS)},
    )
    project.configure()
    project.run("--until", "shortlist")
    for name, sections in SETTINGS.items():
        project.configure(**sections)
        project.run("results/config.yaml", "--forcerun", "resolved_config")
        run = RunFolder.find(project.folder)
        assert yaml.safe_load((run.results / "config.yaml").read_text()) == run.config
        expected = Counter(
            job.rule
            for job in jobs(run.config, run.material_ids(), run.results)
            if not (run.results / job.result).exists()
        )
        planned = project.run("-n").jobs
        assert planned == expected, name

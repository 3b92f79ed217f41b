"""IonSieve: one workflow from crystal databases to a ranked list of intercalation cathodes.

`snakemake --cores 4` runs everything; config.yaml says what. docs/architecture.md is the map.
"""

import os
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from ionsieve import algorithms
from ionsieve import config as configuration
from ionsieve.errors import ConfigError

min_version("9.27")


# A folder of one's own brings its config.yaml; without one, the defaults beside this file serve.
configfile: "config.yaml" if Path("config.yaml").exists() else f"{workflow.basedir}/config.yaml"


# Mistakes in the configuration cost a second, not a night.
try:
    config_model = configuration.load(config)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

# Small models run fastest on one thread each, several jobs side by side. And scripts find the library in
# environments that Snakemake makes itself, too.
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    PYTHONPATH=os.pathsep.join(
        [workflow.basedir, *filter(None, [os.getenv("PYTHONPATH")])]
    ),
)


# Safe as folder names: ionsieve.data.files.safe_id makes every id so.
wildcard_constraints:
    material_id=r"[A-Za-z0-9_-][A-Za-z0-9._-]*",
    potential=r"[A-Za-z0-9_-][A-Za-z0-9._-]*",
    temperature=r"[0-9.]+",
    replica=r"\d+",
    round=r"[1-9]\d*",
    member=r"\d+",
    bucket=r"\d{4}",


localrules:
    all,
    resolved_config,
    pull_materials_project,
    pull_gnome,
    host_phases,
    fetch_all,
    refresh,


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/frames.smk"
include: "rules/voltage.smk"
include: "rules/energy_features.smk"
include: "rules/voltage_benchmark.smk"
include: "rules/voltage_interpretation.smk"
include: "rules/screen.smk"
include: "rules/composition.smk"
include: "rules/discharge.smk"
include: "rules/potential.smk"
include: "rules/refinement.smk"
include: "rules/transport.smk"
include: "rules/validation.smk"
include: "rules/validation_tiers.smk"
include: "rules/report.smk"
include: "rules/demo.smk"
include: "rules/upkeep.smk"


# Every stage's results by name: see shortlist_results in rules/common.smk.
rule all:
    default_target: True
    input:
        "results/report/index.html",
        "results/candidates.csv",
        "results/config.yaml",
        SHORTLIST,  # itself too: jobs of candidates that are leaving it are then taken out of the plan
        after_catalogue("results/voltage/model/state.pt"),
        after_catalogue(
            expand("results/voltage/predictions/{bucket}.parquet", bucket=BUCKETS)
        ),
        after_catalogue("results/composition/model/state.pt"),
        "results/composition/shortlist.parquet",
        shortlist_results,
        shortlist_aimd,
        shortlist_gpaw,
        shortlist_vasp,

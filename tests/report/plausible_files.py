"""Crystals, ways of ions, model cards and measured jobs of a made-up run, and where all its files are."""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Composition, Lattice, Structure

from ionsieve import tables
from ionsieve.artifacts import read_json, write_json, write_text
from ionsieve.report.sources import ReportFiles

SHIPPED_MODELS = Path(__file__).parents[2] / "ionsieve" / "models"
JOBS = {  # rule and job: seconds by the clock and of processors; None for what was too short to be measured
    "catalogue": (2.0, None),
    "voltage_fold/framework_0": (610.0, 590.0),
    "voltage_fold/framework_1": (640.0, 620.0),
    "train_potential/demo-spinel-MgMn2O4": (1800.0, 1750.0),
    "run_md/demo-spinel-MgMn2O4/1200K_0": (3600.0, 3590.0),
    "somebodys_own_rule": (36.0, 36.0),
}


def write_crystal(results: Path, material_id: str, formula: str) -> None:
    """A spinel where the formula fits one, any arrangement with about the right distances where not."""
    if not re.fullmatch(r"([A-Z][a-z]?\d*)+", formula):
        return  # not even a formula: there to see what the page makes of it
    composition = Composition(formula)
    amounts = sorted(composition.get_el_amt_dict().values())
    if amounts == [1, 2, 4]:
        metal = next(name for name, amount in composition.get_el_amt_dict().items() if amount == 2)
        crystal = _manganese_spinel().copy().replace_species({"Mn": metal})
    else:
        elements = [site for name, n in composition.get_el_amt_dict().items() for site in [name] * int(n)]
        places = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3)[: len(elements)] / 3
        crystal = Structure(Lattice.cubic(6.3), elements, places)
    path = results / "screen" / "structures" / f"{material_id}.cif"
    path.parent.mkdir(parents=True, exist_ok=True)
    crystal.to(str(path))


@cache
def _manganese_spinel() -> Structure:
    """MgMn2O4; once in all, for the operations of its space group take pymatgen a second."""
    return Structure.from_spacegroup(
        "Fd-3m", Lattice.cubic(8.4), ["Mg", "Mn", "O"],
        [[0, 0, 0], [5 / 8, 5 / 8, 5 / 8], [0.3875, 0.3875, 0.3875]],
    )  # fmt: skip


def write_paths(folder: Path) -> None:
    """One ion that walks along x between oxygen, another that rattles."""
    walk_A = [[0.25 * step, 0.4 * np.sin(step / 3), 0.0] for step in range(40)]
    stay_A = [[2.0 + 0.2 * np.sin(step), 3.0, 0.2 * np.cos(step)] for step in range(40)]
    host_A = [[2.1 * x, y, z] for x in range(6) for y in (-1.9, 1.9) for z in (-1.2, 1.2)]
    rows = [
        {"path": number, "element": "Mg", "x_A": x, "y_A": y, "z_A": z}
        for number, way_A in enumerate((walk_A, stay_A))
        for x, y, z in way_A
    ]
    rows += [{"path": None, "element": "O", "x_A": x, "y_A": y, "z_A": z} for x, y, z in host_A]
    table = pd.DataFrame(rows).astype({"path": "Int64"})
    tables.write_table(table, tables.ION_PATHS, folder / "paths.parquet")


def write_cards_and_jobs(results: Path) -> None:
    """The shipped models' cards, and a benchmark file for each job."""
    for name in ("voltage", "composition"):
        write_json(results / name / "model" / "card.json", read_json(SHIPPED_MODELS / name / "card.json"))
    for job, (wall_s, cpu_s) in JOBS.items():
        memory_MB = "-" if cpu_s is None else "812.5"
        write_text(
            results / "benchmarks" / f"{job}.tsv",
            "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
            f"{wall_s}\t0:00:00\t{memory_MB}\t-\t-\t-\t-\t-\t-\t{'-' if cpu_s is None else cpu_s}\n",
        )


def files_of(results: Path) -> ReportFiles:
    """Where a finished run has its parts."""
    return ReportFiles(
        config=results / "config.yaml",
        catalogue=results / "data/catalogue.json",
        rejects=results / "data/rejects.csv",
        out_of_fold=results / "voltage/out_of_fold.parquet",
        metrics=results / "voltage/metrics.json",
        composition_metrics=results / "composition/metrics.json",
        composition_out_of_fold=results / "composition/out_of_fold.parquet",
        composition_tables=results / "composition/benchmark/table.json",
        composition_held_out=results / "composition/benchmark/out_of_fold.parquet",
        volume_changes=results / "composition/experiments/volume_change.parquet",
        leakage_audit=results / "composition/leakage_audit.json",
        interpretation=results / "voltage/interpretation/summary.json",
        learned_elements=results / "voltage/interpretation/elements.parquet",
        local_environments=results / "voltage/interpretation/environments.parquet",
        contributions=sorted(results.glob("voltage/contributions/*/contributions.json")),
        funnel=results / "screen/funnel.json",
        screened=results / "screen/screened.parquet",
        shortlist=results / "screen/shortlist.parquet",
        ranked=results / "report/ranked.parquet",
        transport=sorted(results.glob("transport/*/transport.json")),
        msd=sorted(results.glob("transport/*/*/msd.parquet")),
        potentials=sorted(results.glob("potential/*/model.json")),
        force_parity=sorted(results.glob("potential/*/model.parity.parquet")),
        validation=sorted(results.glob("validation/*/validation.json")),
        validation_summary=results / "validation/summary.parquet",
        candidates_csv=results / "candidates.csv",
        voltage_card=results / "voltage/model/card.json",
        composition_card=results / "composition/model/card.json",
        structures=sorted(results.glob("screen/structures/*.cif")),
        paths=sorted(results.glob("transport/*/*/paths.parquet")),
        benchmarks=results / "benchmarks",
    )

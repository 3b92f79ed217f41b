"""What the run cost: hours of processors by stage, as Snakemake measured them."""

from typing import Any

import pandas as pd

from ionsieve.report.figures import BLUE, Figure, canvas
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources

# Rules of each stage; a rule that is not named here is shown under its own name.
STAGES = {
    "data": (
        "ingest_demo", "ingest_files", "pull_materials_project", "pull_gnome", "catalogue", "download_mptrj",
        "mptrj_frames", "vasp_frames", "demo_shard", "demo_dataset",
    ),
    "voltage model": (
        "voltage_graphs", "voltage_fold", "voltage_model", "candidate_inputs", "predict_voltage",
        "energy_features", "voltage_benchmark_fold", "voltage_benchmark", "voltage_interpretation",
        "neighbor_contributions",
    ),
    "composition model": (
        "composition_fold", "composition_model", "second_opinion", "composition_experiment",
        "composition_volume_change", "composition_benchmark", "leakage_audit",
    ),
    "sieve": ("shortlist",),
    "potential": (
        "teacher_frames", "train_potential", "train_shared_potential", "deploy_potential",
        "train_committee_member", "explore_potential", "label_explored", "refine_potential",
    ),
    "molecular dynamics": ("run_md", "analyse_md", "migration", "arrhenius"),
    "validation": (
        "prepare_vasp", "vasp_relax", "vasp_metal", "vasp_voltage", "gpaw_metal", "gpaw_voltage",
        "aimd_inputs", "aimd_comparison", "host_phases", "relax_pair", "charged_host_hull",
        "validation_summary",
    ),
    "discharge curves": (
        "discharge_dataset", "discharge_member", "discharge_train", "discharge_comparison",
        "discharge_split_member", "discharge_evaluation", "discharge_forecast_test", "discharge_forecast",
        "discharge_predict", "discharge_candidates", "discharge_transfer",
    ),
    "report": ("rank", "report", "partial_report"),
}  # fmt: skip
STAGE_OF = {rule: stage for stage, rules in STAGES.items() for rule in rules}
# Where the configuration says that these jobs run.
DEVICE_KEYS = {
    "voltage": ("voltage_fold", "predict_voltage", "voltage_benchmark_fold", "voltage_interpretation"),
    "transport": ("run_md", "migration", "deploy_potential", "explore_potential"),
}


def section(sources: ReportSources) -> Section:
    """Hours and memory by stage; empty where nothing was measured."""
    rows = _rows(sources)
    total = {name: sum(row[name] for row in rows) for name in ("jobs", "wall_h", "cpu_h", "gpu_h")}
    return Section(
        name="costs",
        anchor="costs",
        title="Cost",
        context={"costs": rows, "total_cost": total},
        figures=[_hours(rows)],
    )


def _rows(sources: ReportSources) -> list[dict[str, Any]]:
    """Jobs, hours and the largest memory of each stage."""
    if sources.jobs is None or sources.jobs.empty:
        return []
    jobs = sources.jobs.assign(
        stage=[STAGE_OF.get(rule, rule.replace("_", " ")) for rule in sources.jobs["rule"]],
        gpu_s=sources.jobs["wall_s"].where(sources.jobs["rule"].isin(_on_gpu(sources)), 0.0),
    )
    order = [*STAGES, *sorted(set(jobs["stage"]) - set(STAGES))]
    rows = []
    for stage in order:
        of_stage = jobs[jobs["stage"] == stage]
        if of_stage.empty:
            continue
        memory_MB = of_stage["memory_MB"].max()
        rows.append(
            {
                "stage": stage,
                "jobs": len(of_stage),
                "wall_h": float(of_stage["wall_s"].sum()) / 3600,
                "cpu_h": float(of_stage["cpu_s"].sum()) / 3600,
                "gpu_h": float(of_stage["gpu_s"].sum()) / 3600,
                "memory_GB": None if pd.isna(memory_MB) else float(memory_MB) / 1024,
            }
        )
    return rows


def _on_gpu(sources: ReportSources) -> set[str]:
    """Rules that the configuration puts on a GPU by name; ``auto`` does not say where a job ran."""
    config = sources.config or {}
    return {
        rule
        for part, rules in DEVICE_KEYS.items()
        if (config.get(part) or {}).get("device") == "cuda"
        for rule in rules
    }


def _hours(rows: list[dict[str, Any]]) -> Figure | None:
    if not rows:
        return None
    plot = canvas("CPU hours", "")
    shown = rows[::-1]
    plot.add_bar(
        x=[float(f"{row['cpu_h']:.3g}") for row in shown],
        y=[row["stage"] for row in shown],
        orientation="h",
        marker={"color": BLUE},
        hovertemplate="%{y}: %{x:.3g} CPU hours<extra></extra>",
    )
    plot.update_yaxes(ticklabelstandoff=6)
    dearest = max(rows, key=lambda row: row["cpu_h"])
    return Figure(
        name="costs-by-stage",
        title="CPU hours by stage",
        alternative=f"Bars of CPU hours for {len(rows)} stages; the dearest is {dearest['stage']}.",
        caption="Processor time of all threads of a job, as the operating system counted it.",
        plot=plot,
    )

"""The jobs of a screening by stage, each with its result, log and benchmark file.

The counterpart of ``rules/``, for whoever wants to know how far a run is without planning it anew; a test
holds the two together (tests/workflow/test_jobs_of_the_rules.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionsieve.data.buckets import bucket_name

DATA, VOLTAGE, COMPOSITION, PREDICTIONS = "data", "voltage model", "composition model", "predictions"
SHORTLIST, POTENTIAL, TRANSPORT, VALIDATION = "shortlist", "potentials", "molecular dynamics", "validation"
REPORT = "report"
STAGES = (DATA, VOLTAGE, COMPOSITION, PREDICTIONS, SHORTLIST, POTENTIAL, TRANSPORT, VALIDATION, REPORT)
# Their number is known once there is a shortlist.
STAGES_OF_CANDIDATES = (POTENTIAL, TRANSPORT, VALIDATION, REPORT)

_INGESTION = {
    "demo": "ingest_demo",
    "files": "ingest_files",
    "materials_project": "pull_materials_project",
    "gnome": "pull_gnome",
}


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes
    ----------
    stage : one of :data:`STAGES`.
    rule : its name in ``rules/``.
    key : which of the rule's jobs, as logs and benchmarks are called; empty where there is one alone.
    result : the file that tells that it is done, below ``results``.
    material_id : whose, or None.
    """

    stage: str
    rule: str
    key: str
    result: str
    material_id: str | None = None

    @property
    def name(self) -> str:
        """Rule and key, as a reader knows them from the paths of logs."""
        return f"{self.rule} {self.key}".strip()

    def log(self, results: Path) -> Path:
        """Where its script logs."""
        return self._file(results / "logs", ".log")

    def benchmark(self, results: Path) -> Path:
        """Where Snakemake writes how long it took."""
        return self._file(results / "benchmarks", ".tsv")

    def _file(self, folder: Path, suffix: str) -> Path:
        # Keys hold dots, as in 300.5K: no with_suffix.
        if self.rule == "train_shared_potential":
            return folder / "train_potential" / f"shared{suffix}"
        return folder / (f"{self.rule}/{self.key}{suffix}" if self.key else f"{self.rule}{suffix}")


def jobs(config: Mapping[str, Any], material_ids: Sequence[str] | None, results: Path) -> list[Job]:
    """What a run consists of, stage after stage.

    Parameters
    ----------
    config : every key of the configuration.
    material_ids : the shortlist and its controls; None where it is not known yet, and its jobs neither.
    results : of the run; results of ab initio MD that were put back are looked for beside it.
    """
    expected = [*_data(config), *_voltage(config), *_composition(config), *_predictions(config)]
    expected.append(Job(SHORTLIST, "shortlist", "", "screen/shortlist.parquet"))
    names = material_ids or []
    expected += [*_potentials(config, names), *_transport(config, names)]
    expected += [*_validation(config, names, results), *_report(config, names)]
    return expected


def _data(config: Mapping[str, Any]) -> list[Job]:
    data = config["data"]
    expected = [
        Job(DATA, _INGESTION[source], "", f"data/raw/{source}/provenance.json") for source in data["sources"]
    ]
    if config["potential"]["mode"] == "shared":
        location = str(data["mptrj"]["location"] or "")
        if location.startswith(("http://", "https://")):
            expected.append(Job(DATA, "download_mptrj", "", "data/raw/mptrj/MPtrj.json"))
        if location:
            expected.append(Job(DATA, "mptrj_frames", "", "data/frames/mptrj.json"))
        if data["vasp_outputs"]:
            expected.append(Job(DATA, "vasp_frames", "", "data/frames/vasp.json"))
    return [*expected, Job(DATA, "catalogue", "", "data/catalogue.json")]


def _voltage(config: Mapping[str, Any]) -> list[Job]:
    folds = [("framework", fold) for fold in range(config["voltage"]["folds"])] + [("paper", 0)]
    return [
        Job(VOLTAGE, "voltage_graphs", "", "voltage/graphs.pt"),
        *(
            Job(VOLTAGE, "voltage_fold", f"{protocol}_{fold}", f"voltage/folds/{protocol}/{fold}/state.pt")
            for protocol, fold in folds
        ),
        Job(VOLTAGE, "voltage_model", "", "voltage/model/state.pt"),
    ]


def _composition(config: Mapping[str, Any]) -> list[Job]:
    expected = [
        *(
            Job(COMPOSITION, "composition_fold", str(fold), f"composition/folds/{fold}/state.pt")
            for fold in range(config["voltage"]["folds"])
        ),
        Job(COMPOSITION, "composition_model", "", "composition/model/state.pt"),
    ]
    if not config["composition"]["benchmark"]:
        return expected
    from ionsieve.composition.experiments import EXPERIMENTS

    return [
        *expected,
        *(
            Job(
                COMPOSITION,
                "composition_experiment",
                f"{name}_{protocol}",
                f"composition/experiments/{name}/{protocol}.parquet",
            )
            for name, experiment in EXPERIMENTS.items()
            for protocol in experiment.protocols
        ),
        Job(COMPOSITION, "composition_volume_change", "", "composition/experiments/volume_change.parquet"),
        Job(COMPOSITION, "composition_benchmark", "", "composition/benchmark/table.json"),
        Job(COMPOSITION, "leakage_audit", "", "composition/leakage_audit.json"),
    ]


def _predictions(config: Mapping[str, Any]) -> list[Job]:
    buckets = [bucket_name(number) for number in range(config["data"]["shards"])]
    return [
        *(Job(PREDICTIONS, "candidate_inputs", name, f"voltage/candidates/{name}.pt") for name in buckets),
        *(
            Job(PREDICTIONS, "predict_voltage", name, f"voltage/predictions/{name}.parquet")
            for name in buckets
        ),
    ]


def _potentials(config: Mapping[str, Any], material_ids: Sequence[str]) -> list[Job]:
    if config["potential"]["mode"] == "shared":
        return [
            Job(POTENTIAL, "train_shared_potential", "", "potential/shared/model.json"),
            Job(POTENTIAL, "deploy_potential", "shared", "potential/shared/deployed.json"),
        ]
    expected = []
    for name in material_ids:
        folder = f"potential/{name}"
        expected += [
            Job(POTENTIAL, "teacher_frames", name, f"{folder}/frames.json", name),
            Job(POTENTIAL, "train_potential", name, f"{folder}/model.json", name),
        ]
        for turn in range(1, config["potential"]["refinement_rounds"] + 1):
            expected += _refinement(name, turn)
        expected.append(Job(POTENTIAL, "deploy_potential", name, f"{folder}/deployed.json", name))
    return expected


def _refinement(name: str, turn: int) -> list[Job]:
    from ionsieve.potential.committee import MEMBERS

    folder, key = f"potential/{name}/refinement/{turn}", f"{name}_{turn}"
    return [
        *(
            Job(
                POTENTIAL,
                "train_committee_member",
                f"{key}_{member}",
                f"{folder}/committee/{member}/member.json",
                name,
            )
            for member in MEMBERS
        ),
        Job(POTENTIAL, "explore_potential", key, f"{folder}/explored.json", name),
        Job(POTENTIAL, "label_explored", key, f"{folder}/frames.json", name),
        Job(POTENTIAL, "refine_potential", key, f"potential/{name}/model-{turn}.json", name),
    ]


def _transport(config: Mapping[str, Any], material_ids: Sequence[str]) -> list[Job]:
    transport = config["transport"]
    expected = []
    for name in material_ids:
        folder = f"transport/{name}"
        for temperature_K in transport["temperatures_K"]:
            at = f"{temperature_K:g}K"
            for replica in range(transport["replicas"]):
                result = f"{folder}/{at}/{replica}/md.json"
                expected.append(Job(TRANSPORT, "run_md", f"{name}/{at}_{replica}", result, name))
            result = f"{folder}/{at}/diffusivity.json"
            expected.append(Job(TRANSPORT, "analyse_md", f"{name}/{at}", result, name))
        if transport["migration_images"]:
            expected.append(Job(TRANSPORT, "migration", name, f"{folder}/migration.json", name))
        expected.append(Job(TRANSPORT, "arrhenius", name, f"{folder}/transport.json", name))
    return expected


def _validation(config: Mapping[str, Any], material_ids: Sequence[str], results: Path) -> list[Job]:
    settings, ion = config["validation"], config["working_ion"]
    runs_vasp = settings["enabled"] and settings["vasp"] == "run"
    expected = []
    for rule, tier, asked in (
        ("vasp_metal", "vasp", runs_vasp),
        ("gpaw_metal", "gpaw", settings["enabled"] and settings["gpaw"]),
    ):
        if asked and material_ids:
            expected.append(Job(VALIDATION, rule, ion, f"validation/metals/{ion}/{tier}.json"))
    for name in material_ids:
        folder = f"validation/{name}"
        if settings["universal_potential"] is not None:
            if settings["hull_entries"] == "materials_project":
                result = f"data/host_phases/{name}.json"
                expected.append(Job(VALIDATION, "host_phases", name, result, name))
            expected += [
                Job(VALIDATION, "relax_pair", name, f"{folder}/universal_potential.json", name),
                Job(VALIDATION, "charged_host_hull", name, f"{folder}/hull.json", name),
            ]
        if not settings["enabled"]:
            continue
        expected.append(Job(VALIDATION, "prepare_vasp", name, f"{folder}/validation.json", name))
        if runs_vasp:
            expected += [
                Job(VALIDATION, "vasp_relax", f"{name}/{cell}", f"{folder}/vasp/{cell}.json", name)
                for cell in ("discharged", "charged")
            ]
            expected.append(Job(VALIDATION, "vasp_voltage", name, f"{folder}/vasp.json", name))
        if settings["gpaw"]:
            expected.append(Job(VALIDATION, "gpaw_voltage", name, f"{folder}/gpaw.json", name))
        if settings["aimd"]:
            expected.append(Job(VALIDATION, "aimd_inputs", name, f"{folder}/aimd_inputs.json", name))
        if settings["aimd_results"] and any(
            (results.parent / settings["aimd_results"] / name).glob("*K/vasprun.xml*")
        ):
            expected.append(Job(VALIDATION, "aimd_comparison", name, f"{folder}/aimd.json", name))
    return [*expected, Job(VALIDATION, "validation_summary", "", "validation/summary.parquet")]


def _report(config: Mapping[str, Any], material_ids: Sequence[str]) -> list[Job]:
    expected = [
        Job(REPORT, "resolved_config", "", "config.yaml"),
        Job(REPORT, "second_opinion", "", "composition/shortlist.parquet"),
    ]
    if config["voltage"]["interpretation"]:
        expected.append(Job(REPORT, "voltage_interpretation", "", "voltage/interpretation/summary.json"))
        expected += [
            Job(
                REPORT,
                "neighbor_contributions",
                name,
                f"voltage/contributions/{name}/contributions.json",
                name,
            )
            for name in material_ids
        ]
    return [
        *expected,
        Job(REPORT, "rank", "", "candidates.csv"),
        Job(REPORT, "report", "", "report/index.html"),
    ]

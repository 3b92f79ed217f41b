"""Where rules find their inputs: functions of the configuration and of the two checkpoints."""

import importlib.resources

import pyarrow.parquet

from ionsieve.composition.experiments import AUDITED, EXPERIMENTS
from ionsieve.data.buckets import bucket_name
from ionsieve.voltage.rivals import MODELS
from ionsieve.voltage.splits import PAPER

# Jobs of one candidate wait for a shortlist that is about to change, so that no work goes into candidates
# that are leaving it; `ancient`, because a new shortlist alone makes no candidate's result stale.
SHORTLIST = "results/screen/shortlist.parquet"
RAW_TABLES = expand(
    "results/data/raw/{source}/{table}",
    source=config_model.data.sources,
    table=[
        "electrodes.parquet",
        "candidates.parquet",
        "rejects.parquet",
        "provenance.json",
    ],
)
# No part of the catalogue: what sources calculated for pairs makes nothing stale but the audit that reads it.
CALCULATED_TABLES = expand(
    "results/data/raw/{source}/calculated.parquet", source=config_model.data.sources
)
# What the databases are asked for: parameters of their pulls, and of `refresh`.
MATERIALS_PROJECT_QUERY = {
    "working_ion": config_model.working_ion,
    "ions": sorted(config_model.data.materials_project.ions),
    "thermo_type": config_model.data.materials_project.thermo_type,
    "max_energy_above_hull_eV_per_atom": config_model.data.max_energy_above_hull_eV_per_atom,
    "include_gnome": config_model.data.materials_project.include_gnome,
}
GNOME_QUERY = {
    "working_ion": config_model.working_ion,
    "location": config_model.data.gnome.location,
    "max_formation_energy_eV_per_atom": config_model.data.gnome.max_formation_energy_eV_per_atom,
    "max_energy_above_hull_eV_per_atom": config_model.data.max_energy_above_hull_eV_per_atom,
}
# What each source's raw tables must answer: tables of another query are refused.
QUERIES = {
    "demo": {"working_ion": config_model.working_ion},
    "files": {
        "working_ion": config_model.working_ion,
        "label_kind": config_model.data.files.electrode_label_kind,
        "licence": config_model.data.files.licence,
    },
    "materials_project": MATERIALS_PROJECT_QUERY,
    "gnome": {key: value for key, value in GNOME_QUERY.items() if key != "location"},
}
BUCKETS = [bucket_name(number) for number in range(config_model.data.shards)]


def demo_table(name):
    return str(importlib.resources.files("ionsieve.data.demo") / name)


def electrodes_table(wildcards):
    """The electrodes, once the catalogue is made; unchanged bytes keep their date."""
    checkpoints.catalogue.get()
    return "results/data/electrodes.parquet"


def candidate_bucket(wildcards):
    """One bucket of candidates, once the catalogue is made."""
    checkpoints.catalogue.get()
    return f"results/data/candidates/{wildcards.bucket}.parquet"


def candidate_buckets(wildcards):
    """All buckets of candidates."""
    checkpoints.catalogue.get()
    return expand("results/data/candidates/{bucket}.parquet", bucket=BUCKETS)


def after_catalogue(paths):
    """An input function that gives ``paths`` (one, or a list) once the catalogue is made.

    Snakemake marks all that follows a stale checkpoint as stale, if it knows of it beforehand. Asked for
    this way, predictions and the voltage model enter the plan after the catalogue, and are then judged by
    whether the electrodes and buckets have changed.
    """

    def catalogued(wildcards):
        checkpoints.catalogue.get()
        return paths

    return catalogued


def shortlist_table():
    """The shortlist, once both checkpoints above it are made.

    The catalogue is asked for too: where it changes nothing the shortlist stays as it is, and Snakemake then
    looks again only at jobs that waited for the catalogue.
    """
    checkpoints.catalogue.get()
    return checkpoints.shortlist.get().output.shortlist


def shortlisted_ids(wildcards):
    """Ids of the shortlist and the controls, read from the table: never by globbing."""
    return pyarrow.parquet.read_table(shortlist_table(), columns=["material_id"])[
        "material_id"
    ].to_pylist()


def candidate_structure(wildcards):
    """The crystal of one shortlisted candidate."""
    shortlist_table()
    return f"results/screen/structures/{wildcards.material_id}.cif"


def shortlist_transport(wildcards):
    """Transport results of the shortlist."""
    return expand(
        "results/transport/{material_id}/transport.json",
        material_id=shortlisted_ids(wildcards),
    )


def candidate_migration(wildcards):
    """Barriers of a candidate's single hops; none where no bands are run."""
    wanted = config_model.transport.migration_images > 0
    return (
        [f"results/transport/{wildcards.material_id}/migration.json"] if wanted else []
    )


def shortlist_msd(wildcards):
    """Mean-squared displacements of the shortlist at every temperature."""
    return expand(
        "results/transport/{material_id}/{temperature:g}K/msd.parquet",
        material_id=shortlisted_ids(wildcards),
        temperature=config_model.transport.temperatures_K,
    )


def shortlist_paths(wildcards):
    """Where ions of the shortlist went at the highest temperature."""
    return expand(
        "results/transport/{material_id}/{temperature:g}K/paths.parquet",
        material_id=shortlisted_ids(wildcards),
        temperature=max(config_model.transport.temperatures_K),
    )


def shortlist_structures(wildcards):
    """The crystals of the shortlist."""
    return expand(
        "results/screen/structures/{material_id}.cif",
        material_id=shortlisted_ids(wildcards),
    )


def shortlist_results(wildcards):
    """What the report's parts are computed from, for `all` to ask for by name.

    A job that fails takes its outputs along. Snakemake is then content with what was computed from the earlier
    ones, unless somebody asks for the lost file itself.
    """
    runs = expand(
        "results/transport/{material_id}/{temperature:g}K/{replica}/md.json",
        material_id=shortlisted_ids(wildcards),
        temperature=config_model.transport.temperatures_K,
        replica=range(config_model.transport.replicas),
    )
    return [
        *shortlist_potentials(wildcards),
        *runs,
        *shortlist_msd(wildcards),
        *shortlist_transport(wildcards),
        *shortlist_universal_potential(wildcards),
        *shortlist_hull(wildcards),
        *shortlist_validation(wildcards),
    ]


def shortlist_potentials(wildcards):
    """Results of the potentials that drove MD of the shortlist."""
    if config_model.potential.mode == "shared":
        return (
            ["results/potential/shared/model.json"]
            if shortlisted_ids(wildcards)
            else []
        )
    return expand(
        f"results/potential/{{material_id}}/{LAST_MODEL}.json",
        material_id=shortlisted_ids(wildcards),
    )


def shortlist_force_parity(wildcards):
    """Held-out forces of the potentials that drove MD of the shortlist."""
    return [
        path.removesuffix(".json") + ".parity.parquet"
        for path in shortlist_potentials(wildcards)
    ]


def shortlist_universal_potential(wildcards):
    """Pairs of the shortlist relaxed by a universal potential; none where there is none."""
    if config_model.validation.universal_potential is None:
        return []
    return expand(
        "results/validation/{material_id}/universal_potential.json",
        material_id=shortlisted_ids(wildcards),
    )


def shortlist_hull(wildcards):
    """Charged hosts of those pairs against known phases."""
    return [
        path.replace("universal_potential.json", "hull.json")
        for path in shortlist_universal_potential(wildcards)
    ]


def hull_entries(wildcards):
    """Phases that a candidate's charged host may fall apart into, where they are asked for."""
    entries = config_model.validation.hull_entries
    if entries == "materials_project":
        return [f"results/data/host_phases/{wildcards.material_id}.json"]
    return [] if entries is None else [str(entries)]


def shortlist_validation(wildcards):
    """Validation results of the shortlisted candidates and controls; none where it is switched off."""
    if not config_model.validation.enabled:
        return []
    return expand(
        "results/validation/{material_id}/validation.json",
        material_id=shortlisted_ids(wildcards),
    )


def shortlist_vasp(wildcards):
    """VASP's voltages of the shortlist, where VASP is run."""
    if not config_model.validation.enabled or config_model.validation.vasp != "run":
        return []
    return expand(
        "results/validation/{material_id}/vasp.json",
        material_id=shortlisted_ids(wildcards),
    )


def shortlist_vasp_tier(wildcards):
    """VASP's voltages, or where it is not run what was prepared."""
    return shortlist_vasp(wildcards) or shortlist_validation(wildcards)


def shortlist_gpaw(wildcards):
    """GPAW's voltages of the shortlist, where GPAW is asked for."""
    if not config_model.validation.enabled or not config_model.validation.gpaw:
        return []
    return expand(
        "results/validation/{material_id}/gpaw.json",
        material_id=shortlisted_ids(wildcards),
    )


def shortlist_aimd(wildcards):
    """Inputs of ab initio MD of the shortlist where they are asked for, and comparisons where results are back."""
    wanted = []
    if config_model.validation.enabled and config_model.validation.aimd:
        wanted += expand(
            "results/validation/{material_id}/aimd_inputs.zip",
            material_id=shortlisted_ids(wildcards),
        )
    if config_model.validation.enabled and config_model.validation.aimd_results:
        wanted += [
            f"results/validation/{material_id}/aimd.json"
            for material_id in shortlisted_ids(wildcards)
            if aimd_runs(material_id)
        ]
    return wanted


def aimd_runs(material_id):
    """vasprun.xml of a candidate's ab initio MD, as far as they are back, coldest name first."""
    folder = Path(config_model.validation.aimd_results) / material_id
    names = ("vasprun.xml", "vasprun.xml.gz")
    return sorted(str(path) for name in names for path in folder.glob(f"*K/{name}"))


def _potential_file(wildcards, name):
    shared = config_model.potential.mode == "shared"
    folder = "shared" if shared else wildcards.material_id
    return f"results/potential/{folder}/{name}"


def model_name(rounds):
    """Name of a potential's files after so many rounds of refinement."""
    return f"model-{rounds}" if rounds else "model"


LAST_MODEL = model_name(config_model.potential.refinement_rounds)


# Where MD computes, as its jobs resolve it. `small` is faster on a core than through a GPU's launches.
MD_DEVICE = config_model.transport.device
if (
    MD_DEVICE == "auto"
    and config_model.potential.preset == "small"
    and not config_model.potential.shared_model
    and not config_model.potential.shared_calculator
):
    MD_DEVICE = "cpu"


def round_before(wildcards):
    """The potential that a round of refinement starts from, its result, and the frames it learned."""
    folder = f"results/potential/{wildcards.material_id}"
    before = int(wildcards.round) - 1
    return {
        "model": f"{folder}/{model_name(before)}.ckpt",
        "result": f"{folder}/{model_name(before)}.json",
        "train": (
            f"{folder}/refinement/{before}/train.extxyz"
            if before
            else f"{folder}/frames/train.extxyz"
        ),
    }


def parity_before(wildcards):
    """Held-out forces of the potential that a round of refinement starts from."""
    name = model_name(int(wildcards.round) - 1)
    return f"results/potential/{wildcards.material_id}/{name}.parity.parquet"


def trained_model(suffix):
    """An input function: the potential to deploy, or its result; after the last round of refinement."""

    def path(wildcards):
        name = "model" if wildcards.potential == "shared" else LAST_MODEL
        return f"results/potential/{wildcards.potential}/{name}{suffix}"

    return path


def potential_model(wildcards):
    """Model of the potential that drives MD of a candidate, in the form that MD runs."""
    return _potential_file(wildcards, "deployed.model")


def potential_result(wildcards):
    """Result of the potential that drives MD of a candidate: status, provenance and errors."""
    return _potential_file(wildcards, f"{LAST_MODEL}.json")


def deployment_frames(wildcards):
    """Frames on which the two forms of a potential are compared."""
    if wildcards.potential == "shared":
        return [*map(str, config_model.potential.shared_frames), *RELAXATION_FRAMES]
    return [f"results/potential/{wildcards.potential}/frames/test.extxyz"]


def benchmark_files(name):
    """One file of each training of each model on each fold; the paper's protocol has one fold per seed."""
    benchmark = config_model.voltage.benchmark
    return [
        f"results/voltage/benchmark/folds/{model}/{protocol}/{fold}_{training}{name}"
        for model in benchmark.models
        for protocol in benchmark.protocols
        for fold in range(
            benchmark.paper_seeds if protocol == PAPER else config_model.voltage.folds
        )
        # A split of the paper's is trained on once: the next split starts from other weights anyway.
        for training in range(
            benchmark.trainings
            if MODELS[model].starts_at_random and protocol != PAPER
            else 1
        )
    ]


def energy_features(wildcards):
    """The energy model's features, for a model that uses one."""
    uses = MODELS[wildcards.model].uses_energy_model
    return ["results/voltage/energy_features.parquet"] if uses else []


def composition_files(names, suffix):
    """One file of each protocol of these experiments on composition models."""
    return [
        f"results/composition/experiments/{name}/{protocol}{suffix}"
        for name in names
        for protocol in EXPERIMENTS[name].protocols
    ]


DISCHARGE_CURVES = {
    "profiles": "results/discharge/predictions/profiles.parquet",
    "capacities": "results/discharge/predictions/capacities.parquet",
    "high_entropy": "results/discharge/predictions/high_entropy.parquet",
    "summary": "results/discharge/predictions/summary.json",
}


def discharge_files_of_report():
    """What the report shows of this stage, by name; nothing where neither tests nor a model are given."""
    asked = config_model.discharge
    files = {}
    if asked.tests or asked.model:
        files = {f"discharge_{name}": path for name, path in DISCHARGE_CURVES.items()}
        if config_model.working_ion == "Li":
            files["discharge_candidates"] = "results/discharge/candidates.parquet"
    if asked.tests:
        files["discharge_data"] = "results/discharge/data/provenance.json"
        if asked.model:
            files["discharge_comparison"] = "results/discharge/comparison.json"
        else:
            files["discharge_evaluation"] = "results/discharge/evaluation.json"
    if asked.tests and asked.forecast_tests:
        files["discharge_forecast"] = "results/discharge/forecast.json"
    if asked.transfer:
        files["discharge_transfer"] = "results/discharge/transfer.json"
    return files

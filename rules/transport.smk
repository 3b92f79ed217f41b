# Molecular dynamics of every finalist, and what its trajectories say about transport.

# Minutes at 1,000 atom-steps a second, the slow end of what small potentials were measured at on one core, with
# half again as many atoms as asked for, and an hour to spare. What ends at its limit goes on when it is retried.
MD_MINUTES = 60 + round(
    (config_model.transport.npt_ps + config_model.transport.nvt_ps)
    * 1000
    / config_model.transport.timestep_fs
    * 1.5
    * config_model.transport.min_atoms
    / 1000
    / 60
)


rule run_md:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
        model=potential_model,
        potential=potential_result,
    output:
        trajectory="results/transport/{material_id}/{temperature}K/{replica}/trajectory.npz",
        thermo="results/transport/{material_id}/{temperature}K/{replica}/thermo.csv",
        result="results/transport/{material_id}/{temperature}K/{replica}/md.json",
    log:
        "results/logs/run_md/{material_id}/{temperature}K_{replica}.log",
    benchmark:
        "results/benchmarks/run_md/{material_id}/{temperature}K_{replica}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: (
            (2000 + 5 * config_model.transport.min_atoms) * attempt
        ),
        runtime=MD_MINUTES,
        # Not params, which would make results stale: how often a run is saved changes none of its numbers, and
        # where it computes only their rounding.
        checkpoint_ps=str(config_model.transport.checkpoint_ps),
        device=MD_DEVICE,
    params:
        algorithm=algorithms.TRANSPORT,
        working_ion=config_model.working_ion,
        seed=config_model.seed,
        min_atoms=config_model.transport.min_atoms,
        vacancy_fraction=config_model.transport.vacancy_fraction,
        timestep_fs=config_model.transport.timestep_fs,
        npt_ps=config_model.transport.npt_ps,
        nvt_ps=config_model.transport.nvt_ps,
        thermostat_fs=config_model.transport.thermostat_fs,
        barostat_fs=config_model.transport.barostat_fs,
        npt_cell=config_model.transport.npt_cell,
        pressure_GPa=config_model.transport.pressure_GPa,
        frame_interval_fs=config_model.transport.frame_interval_fs,
        max_temperature_factor=config_model.transport.max_temperature_factor,
        max_volume_change=config_model.transport.max_volume_change,
        max_shape_change=config_model.transport.max_shape_change,
        min_distance_A=config_model.transport.min_distance_A,
    message:
        "Molecular dynamics of {wildcards.material_id} at {wildcards.temperature} K, replica {wildcards.replica}"
    script:
        "../workflow_scripts/run_md.py"


rule analyse_md:
    input:
        structure=candidate_structure,
        trajectories=expand(
            "results/transport/{{material_id}}/{{temperature}}K/{replica}/trajectory.npz",
            replica=range(config_model.transport.replicas),
        ),
        simulations=expand(
            "results/transport/{{material_id}}/{{temperature}}K/{replica}/md.json",
            replica=range(config_model.transport.replicas),
        ),
    output:
        msd="results/transport/{material_id}/{temperature}K/msd.parquet",
        rdf="results/transport/{material_id}/{temperature}K/rdf.parquet",
        paths="results/transport/{material_id}/{temperature}K/paths.parquet",
        result="results/transport/{material_id}/{temperature}K/diffusivity.json",
    log:
        "results/logs/analyse_md/{material_id}/{temperature}K.log",
    benchmark:
        "results/benchmarks/analyse_md/{material_id}/{temperature}K.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        algorithm=algorithms.TRANSPORT,
        working_ion=config_model.working_ion,
    message:
        "Diffusivity of {wildcards.material_id} at {wildcards.temperature} K"
    script:
        "../workflow_scripts/analyse_md.py"


rule migration:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
        model=potential_model,
        potential=potential_result,
    output:
        result="results/transport/{material_id}/migration.json",
    log:
        "results/logs/migration/{material_id}.log",
    benchmark:
        "results/benchmarks/migration/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: (
            (2000 + 5 * config_model.transport.min_atoms) * attempt
        ),
        runtime=720,
        device=MD_DEVICE,
    params:
        algorithm=algorithms.TRANSPORT,
        working_ion=config_model.working_ion,
        min_atoms=config_model.transport.min_atoms,
        n_images=config_model.transport.migration_images,
    message:
        "Migration barriers of {wildcards.material_id}"
    script:
        "../workflow_scripts/migration.py"


# The runs themselves too: should their analysis fail, the earlier result is stale and not as good as new.
rule arrhenius:
    input:
        simulations=expand(
            "results/transport/{{material_id}}/{temperature:g}K/{replica}/md.json",
            temperature=config_model.transport.temperatures_K,
            replica=range(config_model.transport.replicas),
        ),
        migration=candidate_migration,
        temperatures=expand(
            "results/transport/{{material_id}}/{temperature:g}K/diffusivity.json",
            temperature=config_model.transport.temperatures_K,
        ),
    output:
        result="results/transport/{material_id}/transport.json",
    log:
        "results/logs/arrhenius/{material_id}.log",
    benchmark:
        "results/benchmarks/arrhenius/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        algorithm=algorithms.TRANSPORT,
        working_ion=config_model.working_ion,
    message:
        "Transport of {wildcards.material_id}"
    script:
        "../workflow_scripts/arrhenius.py"

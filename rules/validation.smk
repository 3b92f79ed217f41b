# First-principles validation: VASP inputs of every finalist, and VASP itself where `validation.vasp` is run.

# Starts of one relaxation that VASP did not survive; each goes on from the last ionic step of the one before.
VASP_STARTS = 4
VASP_SETTINGS = {
    key: getattr(config_model.validation, key)
    for key in (
        "encut_eV",
        "kspacing_per_A",
        "ediff_eV",
        "max_force_eV_per_A",
        "d3_damping",
    )
}
GPAW_SETTINGS = {
    "cutoff_eV": config_model.validation.gpaw_cutoff_eV,
    "kspacing_per_A": config_model.validation.gpaw_kspacing_per_A,
    "d3_damping": config_model.validation.d3_damping,
}
VASP_RESOURCES = {
    "mem_mb": lambda wildcards, threads, attempt: 2000 * threads * attempt,
    "runtime": 1440,
    # For the SLURM plugin: one slot for each of VASP's ranks, and no srun around mpirun.
    **(
        {
            "mpi": "mpirun",
            "tasks": config_model.validation.vasp_cores,
            "cpus_per_task": 1,
        }
        if config_model.validation.vasp_cores > 1
        else {}
    ),
    # Not params, which would make results stale: neither where VASP runs nor how often it is started is part of them.
    "vasp_folder": str(config_model.validation.vasp_folder),
    "starts_left": lambda wildcards, attempt: VASP_STARTS - attempt,
}


rule prepare_vasp:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
    output:
        inputs="results/validation/{material_id}/inputs.zip",
        result="results/validation/{material_id}/validation.json",
    log:
        "results/logs/prepare_vasp/{material_id}.log",
    benchmark:
        "results/benchmarks/prepare_vasp/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        **VASP_SETTINGS,
        algorithm=algorithms.VALIDATION,
        working_ion=config_model.working_ion,
    message:
        "VASP inputs of {wildcards.material_id}"
    script:
        "../workflow_scripts/prepare_vasp.py"


rule vasp_relax:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
        # Where VASP is missing, one small job says so, and those of the candidates do not start.
        metal=ancient(f"results/validation/metals/{config_model.working_ion}/vasp.json"),
    output:
        result="results/validation/{material_id}/vasp/{cell}.json",
    log:
        "results/logs/vasp_relax/{material_id}/{cell}.log",
    benchmark:
        "results/benchmarks/vasp_relax/{material_id}/{cell}.tsv"
    wildcard_constraints:
        cell="discharged|charged",
    retries: VASP_STARTS - 1
    conda:
        "../envs/ionsieve.yaml"
    threads: config_model.validation.vasp_cores
    resources:
        **VASP_RESOURCES,
    params:
        **VASP_SETTINGS,
        algorithm=algorithms.VALIDATION,
        working_ion=config_model.working_ion,
    message:
        "VASP relaxes {wildcards.material_id}, {wildcards.cell}"
    script:
        "../workflow_scripts/vasp_relax.py"


# One for all candidates: it depends on the ion and the settings alone.
rule vasp_metal:
    output:
        result="results/validation/metals/{ion}/vasp.json",
    log:
        "results/logs/vasp_metal/{ion}.log",
    benchmark:
        "results/benchmarks/vasp_metal/{ion}.tsv"
    retries: VASP_STARTS - 1
    conda:
        "../envs/ionsieve.yaml"
    threads: config_model.validation.vasp_cores
    resources:
        **VASP_RESOURCES,
    params:
        **VASP_SETTINGS,
        algorithm=algorithms.VALIDATION,
    message:
        "VASP relaxes {wildcards.ion} metal"
    script:
        "../workflow_scripts/vasp_metal.py"


rule vasp_voltage:
    input:
        discharged="results/validation/{material_id}/vasp/discharged.json",
        charged="results/validation/{material_id}/vasp/charged.json",
        metal=f"results/validation/metals/{config_model.working_ion}/vasp.json",
    output:
        result="results/validation/{material_id}/vasp.json",
    log:
        "results/logs/vasp_voltage/{material_id}.log",
    benchmark:
        "results/benchmarks/vasp_voltage/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        algorithm=algorithms.VALIDATION,
        working_ion=config_model.working_ion,
    message:
        "VASP voltage of {wildcards.material_id}"
    script:
        "../workflow_scripts/vasp_voltage.py"


rule gpaw_metal:
    output:
        result="results/validation/metals/{ion}/gpaw.json",
    log:
        "results/logs/gpaw_metal/{ion}.log",
    benchmark:
        "results/benchmarks/gpaw_metal/{ion}.tsv"
    conda:
        "../envs/gpaw.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=120,
    params:
        **GPAW_SETTINGS,
        algorithm=algorithms.VALIDATION,
    message:
        "GPAW computes {wildcards.ion} metal"
    script:
        "../workflow_scripts/gpaw_metal.py"


rule gpaw_voltage:
    input:
        relaxed="results/validation/{material_id}/universal_potential.json",
        metal=f"results/validation/metals/{config_model.working_ion}/gpaw.json",
    output:
        result="results/validation/{material_id}/gpaw.json",
    log:
        "results/logs/gpaw_voltage/{material_id}.log",
    benchmark:
        "results/benchmarks/gpaw_voltage/{material_id}.tsv"
    conda:
        "../envs/gpaw.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 6000 * attempt,
        runtime=2880,
    params:
        **GPAW_SETTINGS,
        algorithm=algorithms.VALIDATION,
        working_ion=config_model.working_ion,
    message:
        "GPAW computes {wildcards.material_id}"
    script:
        "../workflow_scripts/gpaw_voltage.py"


rule aimd_inputs:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
    output:
        inputs="results/validation/{material_id}/aimd_inputs.zip",
        result="results/validation/{material_id}/aimd_inputs.json",
    log:
        "results/logs/aimd_inputs/{material_id}.log",
    benchmark:
        "results/benchmarks/aimd_inputs/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        **VASP_SETTINGS,
        algorithm=algorithms.VALIDATION,
        working_ion=config_model.working_ion,
        seed=config_model.seed,
        min_atoms=config_model.validation.aimd_min_atoms,
        vacancy_fraction=config_model.transport.vacancy_fraction,
        temperatures_K=config_model.validation.aimd_temperatures_K,
        length_ps=config_model.validation.aimd_ps,
        timestep_fs=config_model.transport.timestep_fs,
    message:
        "Inputs of ab initio MD of {wildcards.material_id}"
    script:
        "../workflow_scripts/aimd_inputs.py"


# Where the user has put results of ab initio MD back.
rule aimd_comparison:
    input:
        structure=candidate_structure,
        aimd=lambda wildcards: aimd_runs(wildcards.material_id),
        mlmd=expand(
            "results/transport/{{material_id}}/{temperature:g}K/diffusivity.json",
            temperature=config_model.transport.temperatures_K,
        ),
    output:
        result="results/validation/{material_id}/aimd.json",
        plot="results/validation/{material_id}/aimd.html",
    log:
        "results/logs/aimd_comparison/{material_id}.log",
    benchmark:
        "results/benchmarks/aimd_comparison/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=60,
    params:
        algorithm=algorithms.VALIDATION,
        working_ion=config_model.working_ion,
    message:
        "Ab initio MD and MLMD of {wildcards.material_id}"
    script:
        "../workflow_scripts/aimd_comparison.py"

# The cheapest tier of the validation, a universal potential, its charged hosts against known phases, and the
# table of all tiers.


# Asks over the network, like a pull: a job of the machine that Snakemake itself runs on.
rule host_phases:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
    output:
        entries="results/data/host_phases/{material_id}.json",
    log:
        "results/logs/host_phases/{material_id}.log",
    benchmark:
        "results/benchmarks/host_phases/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        algorithm=algorithms.HULL,
        working_ion=config_model.working_ion,
    message:
        "Stable phases near the charged host of {wildcards.material_id}"
    script:
        "../workflow_scripts/host_phases.py"


rule relax_pair:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
    output:
        result="results/validation/{material_id}/universal_potential.json",
    log:
        "results/logs/relax_pair/{material_id}.log",
    benchmark:
        "results/benchmarks/relax_pair/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2500 * attempt,
        runtime=120,
    params:
        algorithm=algorithms.UNIVERSAL_POTENTIAL,
        working_ion=config_model.working_ion,
        calculator=config_model.validation.universal_potential,
        calculator_arguments=config_model.validation.universal_potential_arguments,
        partial_states=config_model.validation.partial_states,
        partial_states_by=config_model.validation.partial_states_by,
    message:
        "Relaxing {wildcards.material_id}, discharged and charged"
    script:
        "../workflow_scripts/relax_pair.py"


# Apart from the relaxation: other phases must not cost it, nor the DFT in its cells.
rule charged_host_hull:
    input:
        relaxed="results/validation/{material_id}/universal_potential.json",
        hull_entries=hull_entries,
    output:
        result="results/validation/{material_id}/hull.json",
    log:
        "results/logs/charged_host_hull/{material_id}.log",
    benchmark:
        "results/benchmarks/charged_host_hull/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        algorithm=algorithms.HULL,
    message:
        "Charged host of {wildcards.material_id} against known phases"
    script:
        "../workflow_scripts/charged_host_hull.py"


rule validation_summary:
    input:
        shortlist=SHORTLIST,
        structures=lambda wildcards: expand(
            "results/screen/structures/{material_id}.cif",
            material_id=shortlisted_ids(wildcards),
        ),
        universal_potential=shortlist_universal_potential,
        hull=shortlist_hull,
        gpaw=shortlist_gpaw,
        vasp=shortlist_vasp_tier,
    output:
        table="results/validation/summary.parquet",
    log:
        "results/logs/validation_summary.log",
    benchmark:
        "results/benchmarks/validation_summary.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        algorithm=algorithms.UNIVERSAL_POTENTIAL,
        working_ion=config_model.working_ion,
    message:
        "Predicted and computed voltages side by side"
    script:
        "../workflow_scripts/validation_summary.py"

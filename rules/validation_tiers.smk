# The cheapest tier of the validation, a universal potential, and the table of all tiers.


rule relax_pair:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
        hull_entries=[
            str(path) for path in [config_model.validation.hull_entries] if path
        ],
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


rule validation_summary:
    input:
        shortlist=SHORTLIST,
        structures=lambda wildcards: expand(
            "results/screen/structures/{material_id}.cif",
            material_id=shortlisted_ids(wildcards),
        ),
        universal_potential=shortlist_universal_potential,
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

# First-principles validation: VASP inputs of every finalist, ready to submit. VASP itself is not run.


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
        algorithm=algorithms.VALIDATION,
        working_ion=config_model.working_ion,
        encut_eV=config_model.validation.encut_eV,
        kspacing_per_A=config_model.validation.kspacing_per_A,
        ediff_eV=config_model.validation.ediff_eV,
        max_force_eV_per_A=config_model.validation.max_force_eV_per_A,
        d3_damping=config_model.validation.d3_damping,
    message:
        "VASP inputs of {wildcards.material_id}"
    script:
        "../workflow_scripts/prepare_vasp.py"

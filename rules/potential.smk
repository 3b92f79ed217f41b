# The potential that drives MD: one per candidate, distilled from a teacher (mode teacher), or one for all (mode shared).

from ionsieve.potential.break_even import compiling_pays


# A candidate may not be called like the folder of the shared potential.
ruleorder: train_shared_potential > train_potential


rule teacher_frames:
    input:
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
        dft=[str(path) for path in config_model.potential.dft_frames],
    output:
        train="results/potential/{material_id}/frames/train.extxyz",
        validation="results/potential/{material_id}/frames/validation.extxyz",
        test="results/potential/{material_id}/frames/test.extxyz",
        result="results/potential/{material_id}/frames.json",
    log:
        "results/logs/teacher_frames/{material_id}.log",
    benchmark:
        "results/benchmarks/teacher_frames/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2500 * attempt,
        runtime=120,
    params:
        algorithm=algorithms.POTENTIAL,
        working_ion=config_model.working_ion,
        vacancy_fraction=config_model.transport.vacancy_fraction,
        temperature_K=config_model.potential.teacher_temperature_K,
        teacher=config_model.potential.teacher,
        teacher_arguments=config_model.potential.teacher_arguments,
        n_frames=config_model.potential.teacher_frames,
        seed=config_model.seed,
    message:
        "Teacher frames of {wildcards.material_id}"
    script:
        "../workflow_scripts/teacher_frames.py"


rule train_potential:
    input:
        train="results/potential/{material_id}/frames/train.extxyz",
        validation="results/potential/{material_id}/frames/validation.extxyz",
        test="results/potential/{material_id}/frames/test.extxyz",
        result="results/potential/{material_id}/frames.json",
    output:
        model="results/potential/{material_id}/model.ckpt",
        result="results/potential/{material_id}/model.json",
    log:
        "results/logs/train_potential/{material_id}.log",
    benchmark:
        "results/benchmarks/train_potential/{material_id}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2500 * attempt,
        runtime=720,
    params:
        algorithm=algorithms.POTENTIAL,
        preset=config_model.potential.preset,
        epochs=config_model.potential.epochs,
        batch_size=config_model.potential.batch_size,
        learning_rate=config_model.potential.learning_rate,
        zbl=config_model.potential.zbl,
        seed=config_model.seed,
        devices=config_model.potential.devices,
        max_force_mae_eV_per_A=config_model.potential.max_force_mae_eV_per_A,
    message:
        "Potential of {wildcards.material_id}"
    script:
        "../workflow_scripts/train_potential.py"


# Never looks at the shortlist, so a change of candidates does not train it again.
rule train_shared_potential:
    input:
        frames=lambda wildcards: [
            *map(str, config_model.potential.shared_frames),
            *RELAXATION_FRAMES,
        ],
        ready=[str(path) for path in [config_model.potential.shared_model] if path],
    output:
        model="results/potential/shared/model.ckpt",
        result="results/potential/shared/model.json",
    log:
        "results/logs/train_potential/shared.log",
    benchmark:
        "results/benchmarks/train_potential/shared.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=4320,
    params:
        algorithm=algorithms.POTENTIAL,
        preset=config_model.potential.preset,
        epochs=config_model.potential.epochs,
        batch_size=config_model.potential.batch_size,
        learning_rate=config_model.potential.learning_rate,
        zbl=config_model.potential.zbl,
        seed=config_model.seed,
        devices=config_model.potential.devices,
        max_force_mae_eV_per_A=config_model.potential.max_force_mae_eV_per_A,
        calculator=config_model.potential.shared_calculator,
        calculator_arguments=config_model.potential.shared_calculator_arguments,
    message:
        "The potential that all candidates share"
    script:
        "../workflow_scripts/train_shared_potential.py"


# The model in the form that MD runs. Kept out of the training's rule: a longer MD compiles, and trains nothing again.
rule deploy_potential:
    input:
        model="results/potential/{potential}/model.ckpt",
        result="results/potential/{potential}/model.json",
        frames=deployment_frames,
    output:
        model="results/potential/{potential}/deployed.model",
        result="results/potential/{potential}/deployed.json",
    log:
        "results/logs/deploy_potential/{potential}.log",
    benchmark:
        "results/benchmarks/deploy_potential/{potential}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=60,
    params:
        algorithm=algorithms.POTENTIAL,
        choice=config_model.potential.compile,
        pays=compiling_pays(
            config_model.transport.npt_ps + config_model.transport.nvt_ps,
            config_model.transport.timestep_fs,
            config_model.transport.min_atoms,
        ),
    message:
        "Deploying the potential of {wildcards.potential}"
    script:
        "../workflow_scripts/deploy_potential.py"

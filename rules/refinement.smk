# Refinement of a candidate's own potential, where potential.refinement_rounds asks for it. Each round: a committee
# on the frames so far, MD that it judges, the teacher's labels on what was found, a new training on all frames.
# The number of rounds is fixed beforehand; a round after one that found nothing passes the model on.

from ionsieve.potential.committee import MEMBERS


rule train_committee_member:
    input:
        unpack(round_before),
        validation="results/potential/{material_id}/frames/validation.extxyz",
    output:
        model="results/potential/{material_id}/refinement/{round}/committee/{member}/model.ckpt",
        result="results/potential/{material_id}/refinement/{round}/committee/{member}/member.json",
    log:
        "results/logs/train_committee_member/{material_id}_{round}_{member}.log",
    benchmark:
        "results/benchmarks/train_committee_member/{material_id}_{round}_{member}.tsv"
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
    message:
        "Round {wildcards.round} of {wildcards.material_id}: committee member {wildcards.member}"
    script:
        "../workflow_scripts/train_committee_member.py"


rule explore_potential:
    input:
        unpack(round_before),
        structure=candidate_structure,
        shortlist=ancient(SHORTLIST),
        committee=expand(
            "results/potential/{{material_id}}/refinement/{{round}}/committee/{member}/model.ckpt",
            member=MEMBERS,
        ),
        members=expand(
            "results/potential/{{material_id}}/refinement/{{round}}/committee/{member}/member.json",
            member=MEMBERS,
        ),
    output:
        frames="results/potential/{material_id}/refinement/{round}/explored.extxyz",
        result="results/potential/{material_id}/refinement/{round}/explored.json",
    log:
        "results/logs/explore_potential/{material_id}_{round}.log",
    benchmark:
        "results/benchmarks/explore_potential/{material_id}_{round}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2500 * attempt,
        runtime=120,
        device=MD_DEVICE,
    params:
        algorithm=algorithms.POTENTIAL,
        working_ion=config_model.working_ion,
        vacancy_fraction=config_model.transport.vacancy_fraction,
        temperature_K=config_model.potential.teacher_temperature_K,
        max_disagreement_eV_per_A=config_model.potential.refinement_max_disagreement_eV_per_A,
        n_frames=config_model.potential.refinement_frames,
        seed=config_model.seed,
    message:
        "Round {wildcards.round} of {wildcards.material_id}: MD that a committee judges"
    script:
        "../workflow_scripts/explore_potential.py"


rule label_explored:
    input:
        unpack(round_before),
        explored="results/potential/{material_id}/refinement/{round}/explored.extxyz",
        explored_result="results/potential/{material_id}/refinement/{round}/explored.json",
    output:
        train="results/potential/{material_id}/refinement/{round}/train.extxyz",
        result="results/potential/{material_id}/refinement/{round}/frames.json",
    log:
        "results/logs/label_explored/{material_id}_{round}.log",
    benchmark:
        "results/benchmarks/label_explored/{material_id}_{round}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2500 * attempt,
        runtime=120,
    params:
        algorithm=algorithms.POTENTIAL,
        teacher=config_model.potential.teacher,
        teacher_arguments=config_model.potential.teacher_arguments,
    message:
        "Round {wildcards.round} of {wildcards.material_id}: labels of what was found"
    script:
        "../workflow_scripts/label_explored.py"


rule refine_potential:
    input:
        unpack(round_before),
        parity=parity_before,
        explored="results/potential/{material_id}/refinement/{round}/explored.json",
        labels="results/potential/{material_id}/refinement/{round}/frames.json",
        frames="results/potential/{material_id}/refinement/{round}/train.extxyz",
        validation="results/potential/{material_id}/frames/validation.extxyz",
        test="results/potential/{material_id}/frames/test.extxyz",
    output:
        model="results/potential/{material_id}/model-{round}.ckpt",
        result="results/potential/{material_id}/model-{round}.json",
        parity="results/potential/{material_id}/model-{round}.parity.parquet",
    log:
        "results/logs/refine_potential/{material_id}_{round}.log",
    benchmark:
        "results/benchmarks/refine_potential/{material_id}_{round}.tsv"
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
        "Round {wildcards.round} of {wildcards.material_id}: the refined potential"
    script:
        "../workflow_scripts/refine_potential.py"

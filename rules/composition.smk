"""Formulas to voltages: the second opinion in the shortlist, and what composition models are worth."""

COMPOSITION_FOLDS = expand(
    "results/composition/folds/{fold}", fold=range(config_model.voltage.folds)
)
# What the report asks for: nothing where composition.benchmark is switched off.
composition_benchmark_of_report = (
    {
        name: after_catalogue(path)
        for name, path in {
            "composition_tables": "results/composition/benchmark/table.json",
            "composition_held_out": "results/composition/benchmark/out_of_fold.parquet",
            "volume_changes": "results/composition/experiments/volume_change.parquet",
            "leakage_audit": "results/composition/leakage_audit.json",
        }.items()
    }
    if config_model.composition.benchmark
    else {}
)


rule composition_fold:
    input:
        electrodes=electrodes_table,
    output:
        state="results/composition/folds/{fold}/state.pt",
        predictions="results/composition/folds/{fold}/predictions.parquet",
    log:
        "results/logs/composition_fold/{fold}.log",
    benchmark:
        "results/benchmarks/composition_fold/{fold}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folds=config_model.voltage.folds,
        seed=config_model.seed,
        algorithm=algorithms.COMPOSITION,
    message:
        "Training the composition model of framework fold {wildcards.fold}"
    script:
        "../workflow_scripts/composition_fold.py"


rule composition_model:
    input:
        electrodes=electrodes_table,
        members=expand("{folder}/state.pt", folder=COMPOSITION_FOLDS),
        predictions=expand("{folder}/predictions.parquet", folder=COMPOSITION_FOLDS),
    output:
        state="results/composition/model/state.pt",
        card="results/composition/model/card.json",
        out_of_fold="results/composition/out_of_fold.parquet",
        metrics="results/composition/metrics.json",
    log:
        "results/logs/composition_model.log",
    benchmark:
        "results/benchmarks/composition_model.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        folds=config_model.voltage.folds,
        coverage=config_model.voltage.coverage,
        seed=config_model.seed,
        algorithm=algorithms.COMPOSITION,
    message:
        "Assembling, measuring and calibrating the composition model"
    script:
        "../workflow_scripts/composition_model.py"


rule second_opinion:
    input:
        shortlist="results/screen/shortlist.parquet",
        model=after_catalogue("results/composition/model/state.pt"),
    output:
        table="results/composition/shortlist.parquet",
    log:
        "results/logs/second_opinion.log",
    benchmark:
        "results/benchmarks/second_opinion.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        working_ion=config_model.working_ion,
        algorithm=algorithms.COMPOSITION,
    message:
        "Voltages of the shortlist from its formulas alone"
    script:
        "../workflow_scripts/second_opinion.py"


rule composition_experiment:
    input:
        electrodes=electrodes_table,
        calculated=CALCULATED_TABLES,
    output:
        predictions="results/composition/experiments/{experiment}/{protocol}.parquet",
        audits="results/composition/experiments/{experiment}/{protocol}.audits.json",
    log:
        "results/logs/composition_experiment/{experiment}_{protocol}.log",
    benchmark:
        "results/benchmarks/composition_experiment/{experiment}_{protocol}.tsv"
    wildcard_constraints:
        experiment="|".join(EXPERIMENTS),
        protocol=r"[a-z_]+",
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        folds=config_model.voltage.folds,
        random_splits=config_model.composition.random_splits,
        seed=config_model.seed,
        algorithm=algorithms.COMPOSITION,
    message:
        "Composition models: {wildcards.experiment}, {wildcards.protocol}"
    script:
        "../workflow_scripts/composition_experiment.py"


rule composition_volume_change:
    input:
        electrodes=electrodes_table,
        calculated=CALCULATED_TABLES,
    output:
        predictions="results/composition/experiments/volume_change.parquet",
    log:
        "results/logs/composition_volume_change.log",
    benchmark:
        "results/benchmarks/composition_volume_change.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folds=config_model.voltage.folds,
        random_splits=config_model.composition.random_splits,
        seed=config_model.seed,
        algorithm=algorithms.COMPOSITION,
    message:
        "Volume change from formulas"
    script:
        "../workflow_scripts/composition_volume_change.py"


# The paper's tables and the audit of its leak, from one target; an hour and more on two cores.
rule composition_benchmark:
    input:
        electrodes=electrodes_table,
        predictions=after_catalogue(composition_files(EXPERIMENTS, ".parquet")),
        audits=after_catalogue(composition_files(EXPERIMENTS, ".audits.json")),
        volume_change="results/composition/experiments/volume_change.parquet",
        model="results/composition/model/state.pt",
    output:
        out_of_fold="results/composition/benchmark/out_of_fold.parquet",
        csv="results/composition/benchmark/table.csv",
        json="results/composition/benchmark/table.json",
        markdown="results/composition/benchmark/table.md",
    log:
        "results/logs/composition_benchmark.log",
    benchmark:
        "results/benchmarks/composition_benchmark.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folds=config_model.voltage.folds,
        random_splits=config_model.composition.random_splits,
        seed=config_model.seed,
        algorithm=algorithms.COMPOSITION,
    message:
        "Putting the experiments on composition models together"
    script:
        "../workflow_scripts/composition_benchmark.py"


rule leakage_audit:
    input:
        electrodes=electrodes_table,
        calculated=CALCULATED_TABLES,
        predictions=after_catalogue(composition_files(AUDITED, ".parquet")),
        audits=after_catalogue(composition_files(AUDITED, ".audits.json")),
    output:
        json="results/composition/leakage_audit.json",
        markdown="results/composition/leakage_audit.md",
    log:
        "results/logs/leakage_audit.log",
    benchmark:
        "results/benchmarks/leakage_audit.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        seed=config_model.seed,
        algorithm=algorithms.COMPOSITION,
    message:
        "What each block of columns is worth, and which hold the answer"
    script:
        "../workflow_scripts/leakage_audit.py"

"""Electrodes to a voltage model, and the model to the voltages of candidates."""


wildcard_constraints:
    protocol=r"framework|paper",
    fold=r"\d+",


FRAMEWORK_FOLDS = expand(
    "results/voltage/folds/framework/{fold}", fold=range(config_model.voltage.folds)
)
PAPER_FOLD = "results/voltage/folds/paper/0"


rule voltage_graphs:
    input:
        electrodes=electrodes_table,
    output:
        graphs="results/voltage/graphs.pt",
    log:
        "results/logs/voltage_graphs.log",
    benchmark:
        "results/benchmarks/voltage_graphs.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        cutoff_A=config_model.voltage.cutoff_A,
        max_neighbors=config_model.voltage.max_neighbors,
        algorithm=algorithms.VOLTAGE,
    message:
        "Making crystal graphs of the electrodes"
    script:
        "../workflow_scripts/voltage_graphs.py"


rule voltage_fold:
    input:
        graphs="results/voltage/graphs.pt",
    output:
        state="results/voltage/folds/{protocol}/{fold}/state.pt",
        predictions="results/voltage/folds/{protocol}/{fold}/predictions.parquet",
    log:
        "results/logs/voltage_fold/{protocol}_{fold}.log",
    benchmark:
        "results/benchmarks/voltage_fold/{protocol}_{fold}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        model=config_model.voltage.model,
        folds=config_model.voltage.folds,
        epochs=config_model.voltage.epochs,
        batch_size=config_model.voltage.batch_size,
        learning_rate=config_model.voltage.learning_rate,
        weight_decay=config_model.voltage.weight_decay,
        device=config_model.voltage.device,
        atom_features=config_model.voltage.atom_features,
        convolutions=config_model.voltage.convolutions,
        hidden_features=config_model.voltage.hidden_features,
        seed=config_model.seed,
        algorithm=algorithms.VOLTAGE,
    message:
        "Training the voltage network of {wildcards.protocol} fold {wildcards.fold}"
    script:
        "../workflow_scripts/voltage_fold.py"


rule voltage_model:
    input:
        graphs="results/voltage/graphs.pt",
        members=expand("{folder}/state.pt", folder=FRAMEWORK_FOLDS),
        predictions=expand(
            "{folder}/predictions.parquet", folder=[*FRAMEWORK_FOLDS, PAPER_FOLD]
        ),
    output:
        state="results/voltage/model/state.pt",
        card="results/voltage/model/card.json",
        out_of_fold="results/voltage/out_of_fold.parquet",
        metrics="results/voltage/metrics.json",
    log:
        "results/logs/voltage_model.log",
    benchmark:
        "results/benchmarks/voltage_model.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        folds=config_model.voltage.folds,
        epochs=config_model.voltage.epochs,
        batch_size=config_model.voltage.batch_size,
        learning_rate=config_model.voltage.learning_rate,
        weight_decay=config_model.voltage.weight_decay,
        coverage=config_model.voltage.coverage,
        seed=config_model.seed,
        algorithm=algorithms.VOLTAGE,
    message:
        "Assembling, measuring and calibrating the voltage model"
    script:
        "../workflow_scripts/voltage_model.py"


rule candidate_inputs:
    input:
        candidates=candidate_bucket,
    output:
        inputs="results/voltage/candidates/{bucket}.pt",
    log:
        "results/logs/candidate_inputs/{bucket}.log",
    benchmark:
        "results/benchmarks/candidate_inputs/{bucket}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        working_ion=config_model.working_ion,
        cutoff_A=config_model.voltage.cutoff_A,
        max_neighbors=config_model.voltage.max_neighbors,
        algorithm=algorithms.VOLTAGE,
    message:
        "Making graphs and descriptors of bucket {wildcards.bucket}"
    script:
        "../workflow_scripts/candidate_inputs.py"


rule predict_voltage:
    input:
        model="results/voltage/model/state.pt",
        card="results/voltage/model/card.json",
        out_of_fold="results/voltage/out_of_fold.parquet",
        inputs="results/voltage/candidates/{bucket}.pt",
    output:
        predictions="results/voltage/predictions/{bucket}.parquet",
    log:
        "results/logs/predict_voltage/{bucket}.log",
    benchmark:
        "results/benchmarks/predict_voltage/{bucket}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        working_ion=config_model.working_ion,
        device=config_model.voltage.device,
        algorithm=algorithms.VOLTAGE,
    message:
        "Predicting the voltages of bucket {wildcards.bucket}"
    script:
        "../workflow_scripts/predict_voltage.py"

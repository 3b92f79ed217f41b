"""Voltage models against each other, on the same folds: the target `voltage_benchmark`."""


rule voltage_benchmark_fold:
    input:
        graphs="results/voltage/graphs.pt",
        energy_features=energy_features,
    output:
        predictions="results/voltage/benchmark/folds/{model}/{protocol}/{fold}_{training}.parquet",
        audit="results/voltage/benchmark/folds/{model}/{protocol}/{fold}_{training}.audit.json",
    log:
        "results/logs/voltage_benchmark_fold/{model}_{protocol}_{fold}_{training}.log",
    benchmark:
        "results/benchmarks/voltage_benchmark_fold/{model}_{protocol}_{fold}_{training}.tsv"
    wildcard_constraints:
        model="|".join(MODELS),
        protocol=r"[a-z_]+",
        fold=r"\d+",
        training=r"\d+",
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
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
        "Benchmark of voltages: {wildcards.model}, {wildcards.protocol} fold {wildcards.fold}, training {wildcards.training}"
    script:
        "../workflow_scripts/voltage_benchmark_fold.py"


rule voltage_benchmark:
    input:
        predictions=after_catalogue(benchmark_files(".parquet")),
        audits=after_catalogue(benchmark_files(".audit.json")),
    output:
        out_of_fold="results/voltage/benchmark/out_of_fold.parquet",
        csv="results/voltage/benchmark/table.csv",
        json="results/voltage/benchmark/table.json",
        markdown="results/voltage/benchmark/table.md",
    log:
        "results/logs/voltage_benchmark.log",
    benchmark:
        "results/benchmarks/voltage_benchmark.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        seed=config_model.seed,
        algorithm=algorithms.VOLTAGE,
    message:
        "Putting the benchmark of voltage models together"
    script:
        "../workflow_scripts/voltage_benchmark.py"

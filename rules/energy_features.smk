"""What CHGNet knows of the electrodes, for the voltage models that are marked so; about 1 CPU-s each."""

ENERGY_BUCKETS = 16


rule energy_features_bucket:
    input:
        electrodes=electrodes_table,
    output:
        features="results/voltage/energy_features/{bucket}.parquet",
    log:
        "results/logs/energy_features/{bucket}.log",
    benchmark:
        "results/benchmarks/energy_features/{bucket}.tsv"
    wildcard_constraints:
        bucket=r"\d{4}",
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        buckets=ENERGY_BUCKETS,
        algorithm=algorithms.VOLTAGE,
    message:
        "Asking CHGNet about the electrodes of bucket {wildcards.bucket}"
    script:
        "../workflow_scripts/energy_features_bucket.py"


rule energy_features:
    input:
        buckets=expand(
            "results/voltage/energy_features/{bucket}.parquet",
            bucket=[bucket_name(number) for number in range(ENERGY_BUCKETS)],
        ),
    output:
        features="results/voltage/energy_features.parquet",
    log:
        "results/logs/energy_features.log",
    benchmark:
        "results/benchmarks/energy_features.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        algorithm=algorithms.VOLTAGE,
    message:
        "Gathering what CHGNet knows of the electrodes"
    script:
        "../workflow_scripts/energy_features.py"

"""The shipped demo set made anew: `snakemake --cores N demo_dataset`. Nothing else asks for it."""

DEMO_SHARDS = 32


rule demo_shard:
    output:
        records="results/demo_dataset/shards/{shard}.jsonl",
    log:
        "results/logs/demo_shard/{shard}.log",
    benchmark:
        "results/benchmarks/demo_shard/{shard}.tsv"
    wildcard_constraints:
        shard=r"\d+",
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        algorithm=algorithms.DATA,
        shards=DEMO_SHARDS,
    message:
        "Relaxing shard {wildcards.shard} of the demo set with CHGNet"
    script:
        "../workflow_scripts/demo_shard.py"


rule demo_dataset:
    input:
        shards=expand(
            "results/demo_dataset/shards/{shard}.jsonl", shard=range(DEMO_SHARDS)
        ),
    output:
        electrodes="results/demo_dataset/electrodes.parquet",
        candidates="results/demo_dataset/candidates.parquet",
        records="results/demo_dataset/records.parquet",
        provenance="results/demo_dataset/provenance.json",
        comparison="results/demo_dataset/comparison.json",
    log:
        "results/logs/demo_dataset/all.log",
    benchmark:
        "results/benchmarks/demo_dataset/all.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        algorithm=algorithms.DATA,
        tolerance_meV_per_atom=5.0,
    message:
        "Writing the demo tables and comparing them with the shipped ones"
    script:
        "../workflow_scripts/demo_dataset.py"

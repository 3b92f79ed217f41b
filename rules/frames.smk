"""Relaxation frames for the shared potential: MPtrj, and VASP runs of the user's own."""

DOWNLOADED_MPTRJ = "results/data/raw/mptrj/MPtrj.json"
# Their number is fixed, since Snakemake must know it before the file is read.
MPTRJ_SHARDS = expand(
    "results/data/frames/mptrj/{shard}.extxyz", shard=map(bucket_name, range(16))
)
VASP_SHARD = "results/data/frames/vasp/0000.extxyz"


def mptrj_file(wildcards):
    """The user's own copy where it lies, or the one to download; from a function, since names may hold braces."""
    location = config_model.data.mptrj.location
    return (
        DOWNLOADED_MPTRJ if location.startswith(("https://", "http://")) else location
    )


def vasp_runs(wildcards):
    """Every vasprun.xml of the user; a folder compares by date only, its files by content."""
    # Costs a second, which no other workflow shall pay.
    from ionsieve.data.vasp_frames import vasp_files

    return [str(path) for path in vasp_files(config_model.data.vasp_outputs)]


localrules:
    download_mptrj,


rule download_mptrj:
    output:
        mptrj=DOWNLOADED_MPTRJ,
    log:
        "results/logs/download_mptrj.log",
    benchmark:
        "results/benchmarks/download_mptrj.tsv"
    conda:
        "../envs/ionsieve.yaml"
    params:
        address=config_model.data.mptrj.location,
    message:
        "Fetching MPtrj"
    script:
        "../workflow_scripts/download_mptrj.py"


rule mptrj_frames:
    input:
        mptrj=mptrj_file,
    output:
        shards=MPTRJ_SHARDS,
        summary="results/data/frames/mptrj.json",
    log:
        "results/logs/mptrj_frames.log",
    benchmark:
        "results/benchmarks/mptrj_frames.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        elements=config_model.data.mptrj.elements,
        algorithm=algorithms.DATA,
    message:
        "Sampling the relaxations of MPtrj"
    script:
        "../workflow_scripts/mptrj_frames.py"


rule vasp_frames:
    input:
        runs=vasp_runs,
    output:
        shard=VASP_SHARD,
        summary="results/data/frames/vasp.json",
    log:
        "results/logs/vasp_frames.log",
    benchmark:
        "results/benchmarks/vasp_frames.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        algorithm=algorithms.DATA,
    message:
        "Sampling VASP runs"
    script:
        "../workflow_scripts/vasp_frames.py"

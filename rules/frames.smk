"""Relaxation frames for the shared potential: MPtrj, and VASP runs of the user's own."""

from ionsieve.data.formats import is_address
from ionsieve.data.vasp_files import vasp_files

DOWNLOADED_MPTRJ = "results/data/raw/mptrj/MPtrj.json"
SHARED = config_model.potential.mode == "shared"  # a teacher needs no relaxations
MPTRJ_LOCATION = (SHARED and config_model.data.mptrj.location) or ""
# What must be fetched before anything can be sampled: MPtrj where it is an address, else nothing.
MPTRJ_FILE = [DOWNLOADED_MPTRJ] if is_address(MPTRJ_LOCATION) else []
# Their number is fixed, since Snakemake must know it before the file is read.
MPTRJ_SHARDS = expand(
    "results/data/frames/mptrj/{shard}.extxyz", shard=map(bucket_name, range(16))
)
VASP_SHARD = "results/data/frames/vasp/0000.extxyz"
RELAXATION_FRAMES = [
    *(MPTRJ_SHARDS if MPTRJ_LOCATION else []),
    *([VASP_SHARD] if config_model.data.vasp_outputs else []),
]


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
        address=MPTRJ_LOCATION,
    message:
        "Fetching MPtrj"
    script:
        "../workflow_scripts/download_mptrj.py"


rule mptrj_frames:
    input:
        MPTRJ_FILE or MPTRJ_LOCATION or [],
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
        # Listed only when asked for; a folder would compare by date, its files compare by content.
        runs=lambda wildcards: vasp_files(config_model.data.vasp_outputs),
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

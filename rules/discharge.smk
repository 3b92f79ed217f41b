"""Cycling tests to discharge curves: data set, ensemble, evaluation, and what the report shows of a model.

Nothing here is part of `all` unless discharge.tests or discharge.model is given. The targets by name:
discharge_train, discharge_evaluation, discharge_forecast, discharge_predict, discharge_transfer.
"""

import re

from ionsieve.discharge.splits import PROTOCOLS

DISCHARGE_POINTS = "results/discharge/data/points.parquet"
DISCHARGE_MEMBERS = range(config_model.discharge.members)
# The model that predicts: a ready one needs no training.
DISCHARGE_MODEL = {
    "state": f"{config_model.discharge.model or 'results/discharge/model'}/state.pt",
    "card": f"{config_model.discharge.model or 'results/discharge/model'}/card.json",
}


rule discharge_dataset:
    input:
        configuration.cycler_files(config_model),
    output:
        points=DISCHARGE_POINTS,
        rejects="results/discharge/data/rejects.parquet",
        provenance="results/discharge/data/provenance.json",
    log:
        "results/logs/discharge_dataset.log",
    benchmark:
        "results/benchmarks/discharge_dataset.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        cells={
            name: cell.model_dump(mode="json")
            for name, cell in config_model.discharge.cells.items()
        },
        algorithm=algorithms.DISCHARGE,
    message:
        "Reading and smoothing cycling tests"
    script:
        "../workflow_scripts/discharge_dataset.py"


rule discharge_member:
    input:
        points=DISCHARGE_POINTS,
    output:
        state="results/discharge/members/{member}/state.pt",
    log:
        "results/logs/discharge_member/{member}.log",
    benchmark:
        "results/benchmarks/discharge_member/{member}.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        configuration=config_model.discharge.configuration,
        epochs=config_model.discharge.epochs,
        least_steps=config_model.discharge.least_steps,
        seed=config_model.seed,
        algorithm=algorithms.DISCHARGE,
    message:
        "Training member {wildcards.member} of the ensemble for discharge curves"
    script:
        "../workflow_scripts/discharge_member.py"


rule discharge_train:
    input:
        points=DISCHARGE_POINTS,
        provenance="results/discharge/data/provenance.json",
        members=expand(
            "results/discharge/members/{member}/state.pt", member=DISCHARGE_MEMBERS
        ),
    output:
        state="results/discharge/model/state.pt",
        card="results/discharge/model/card.json",
    log:
        "results/logs/discharge_train.log",
    benchmark:
        "results/benchmarks/discharge_train.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        epochs=config_model.discharge.epochs,
        least_steps=config_model.discharge.least_steps,
        seed=config_model.seed,
        algorithm=algorithms.DISCHARGE,
    message:
        "Assembling the ensemble for discharge curves"
    script:
        "../workflow_scripts/discharge_train.py"


rule discharge_comparison:
    input:
        **DISCHARGE_MODEL,
        points=DISCHARGE_POINTS,
    output:
        errors="results/discharge/comparison.json",
    log:
        "results/logs/discharge_comparison.log",
    benchmark:
        "results/benchmarks/discharge_comparison.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        seed=config_model.seed,
        algorithm=algorithms.DISCHARGE,
    message:
        "Comparing the model of discharge curves with the cycling tests"
    script:
        "../workflow_scripts/discharge_comparison.py"


rule discharge_split_member:
    input:
        points=DISCHARGE_POINTS,
    output:
        predictions="results/discharge/evaluation/{protocol}/{member}.parquet",
    log:
        "results/logs/discharge_split_member/{protocol}_{member}.log",
    benchmark:
        "results/benchmarks/discharge_split_member/{protocol}_{member}.tsv"
    wildcard_constraints:
        protocol="|".join(map(re.escape, PROTOCOLS)),
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        configuration=config_model.discharge.configuration,
        epochs=config_model.discharge.epochs,
        least_steps=config_model.discharge.least_steps,
        seed=config_model.seed,
        algorithm=algorithms.DISCHARGE,
    message:
        "Discharge curves, split {wildcards.protocol}: training member {wildcards.member}"
    script:
        "../workflow_scripts/discharge_split_member.py"


rule discharge_evaluation:
    input:
        points=DISCHARGE_POINTS,
        predictions=expand(
            "results/discharge/evaluation/{protocol}/{member}.parquet",
            protocol=PROTOCOLS,
            member=DISCHARGE_MEMBERS,
        ),
    output:
        errors="results/discharge/evaluation.json",
        scored="results/discharge/evaluation.parquet",
    log:
        "results/logs/discharge_evaluation.log",
    benchmark:
        "results/benchmarks/discharge_evaluation.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        members=config_model.discharge.members,
        seed=config_model.seed,
        algorithm=algorithms.DISCHARGE,
    message:
        "Errors of discharge curves on compositions of more metals"
    script:
        "../workflow_scripts/discharge_evaluation.py"


rule discharge_forecast_test:
    input:
        points=DISCHARGE_POINTS,
    output:
        errors="results/discharge/forecast/{rank}.parquet",
    log:
        "results/logs/discharge_forecast_test/{rank}.log",
    benchmark:
        "results/benchmarks/discharge_forecast_test/{rank}.tsv"
    wildcard_constraints:
        rank=r"\d+",
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        seed=config_model.seed,
        algorithm=algorithms.DISCHARGE,
    message:
        "Forecasting the later cycles of a test from its earlier ones (test {wildcards.rank} by cycles)"
    script:
        "../workflow_scripts/discharge_forecast_test.py"


rule discharge_forecast:
    input:
        expand(
            "results/discharge/forecast/{rank}.parquet",
            rank=range(config_model.discharge.forecast_tests),
        ),
    output:
        errors="results/discharge/forecast.json",
    log:
        "results/logs/discharge_forecast.log",
    benchmark:
        "results/benchmarks/discharge_forecast.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        algorithm=algorithms.DISCHARGE,
    message:
        "Forecasts of later cycles beside persistence and the straight line"
    script:
        "../workflow_scripts/discharge_forecast.py"


rule discharge_predict:
    input:
        **DISCHARGE_MODEL,
    output:
        **DISCHARGE_CURVES,
    log:
        "results/logs/discharge_predict.log",
    benchmark:
        "results/benchmarks/discharge_predict.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        compositions=config_model.discharge.compositions,
        rates_mA_per_g=config_model.discharge.rates_mA_per_g,
        voltage_low_V=config_model.discharge.voltage_low_V,
        voltage_high_V=config_model.discharge.voltage_high_V,
        last_cycle=config_model.discharge.last_cycle,
        high_entropy_step=config_model.discharge.high_entropy_step,
        algorithm=algorithms.DISCHARGE,
    message:
        "Predicting discharge curves"
    script:
        "../workflow_scripts/discharge_predict.py"


rule discharge_candidates:
    input:
        **DISCHARGE_MODEL,
        shortlist="results/screen/shortlist.parquet",
    output:
        table="results/discharge/candidates.parquet",
    log:
        "results/logs/discharge_candidates.log",
    benchmark:
        "results/benchmarks/discharge_candidates.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        working_ion=config_model.working_ion,
        rate_mA_per_g=config_model.discharge.rates_mA_per_g[0],
        voltage_low_V=config_model.discharge.voltage_low_V,
        voltage_high_V=config_model.discharge.voltage_high_V,
        algorithm=algorithms.DISCHARGE,
    message:
        "First discharges of shortlisted rocksalt compositions"
    script:
        "../workflow_scripts/discharge_candidates.py"


rule discharge_transfer:
    output:
        errors="results/discharge/transfer.json",
    log:
        "results/logs/discharge_transfer.log",
    benchmark:
        "results/benchmarks/discharge_transfer.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        seed=config_model.seed,
        algorithm=algorithms.DISCHARGE,
    message:
        "Synthetic cells: does what is learned of two metals hold for three?"
    script:
        "../workflow_scripts/discharge_transfer.py"

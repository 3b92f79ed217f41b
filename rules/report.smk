# The final ranking and the page that shows it, complete or from what a stopped run has left.


rule rank:
    input:
        shortlist="results/screen/shortlist.parquet",
        second_opinion="results/composition/shortlist.parquet",
        transport=shortlist_transport,
        potentials=shortlist_potentials,
        validation=shortlist_validation,
        universal_potential=shortlist_universal_potential,
    output:
        csv="results/candidates.csv",
        table="results/report/ranked.parquet",
    log:
        "results/logs/rank.log",
    benchmark:
        "results/benchmarks/rank.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        algorithm=algorithms.REPORT,
        min_conductivity_mS_per_cm=config_model.transport.min_conductivity_mS_per_cm,
    message:
        "Ranking candidates"
    script:
        "../workflow_scripts/rank.py"


rule report:
    input:
        **interpretation_of_report,
        **composition_benchmark_of_report,
        **discharge_files_of_report(),
        config="results/config.yaml",
        catalogue="results/data/catalogue.json",
        rejects=after_catalogue("results/data/rejects.csv"),
        out_of_fold=after_catalogue("results/voltage/out_of_fold.parquet"),
        metrics=after_catalogue("results/voltage/metrics.json"),
        composition_metrics=after_catalogue("results/composition/metrics.json"),
        composition_out_of_fold=after_catalogue(
            "results/composition/out_of_fold.parquet"
        ),
        contributions=lambda wildcards: (
            expand(
                "results/voltage/contributions/{material_id}/contributions.json",
                material_id=shortlisted_ids(wildcards),
            )
            if config_model.voltage.interpretation
            else []
        ),
        funnel="results/screen/funnel.json",
        screened="results/screen/screened.parquet",
        shortlist="results/screen/shortlist.parquet",
        ranked="results/report/ranked.parquet",
        candidates_csv="results/candidates.csv",
        voltage_card=after_catalogue("results/voltage/model/card.json"),
        composition_card=after_catalogue("results/composition/model/card.json"),
        transport=shortlist_transport,
        msd=shortlist_msd,
        paths=shortlist_paths,
        structures=shortlist_structures,
        potentials=shortlist_potentials,
        force_parity=shortlist_force_parity,
        validation=shortlist_validation,
        validation_summary="results/validation/summary.parquet",
    output:
        page="results/report/index.html",
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        algorithm=algorithms.REPORT,
        benchmarks="results/benchmarks",
    message:
        "Writing results/report/index.html"
    script:
        "../workflow_scripts/report.py"


# Asked for by name when a run has stopped. It reads what is there without depending on it, and declares
# no output, so that it builds anew each time.
rule partial_report:
    log:
        "results/logs/partial_report.log",
    benchmark:
        "results/benchmarks/partial_report.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=20,
    params:
        algorithm=algorithms.REPORT,
        results="results",
        page="results/report/partial/index.html",
        temperatures_K=config_model.transport.temperatures_K,
        potential_mode=config_model.potential.mode,
        potential_result=f"{LAST_MODEL}.json",
        validated=config_model.validation.enabled,
        relaxed=config_model.validation.universal_potential is not None,
        min_conductivity_mS_per_cm=config_model.transport.min_conductivity_mS_per_cm,
    message:
        "Writing results/report/partial/index.html from what exists"
    script:
        "../workflow_scripts/partial_report.py"

"""Predictions and thresholds to the shortlist."""


# The structures are not declared: a survivor whose file has not changed keeps its potential and MD.
checkpoint shortlist:
    input:
        candidates=candidate_buckets,
        predictions=after_catalogue(
            expand("results/voltage/predictions/{bucket}.parquet", bucket=BUCKETS)
        ),
        catalogue="results/data/catalogue.json",
    output:
        shortlist="results/screen/shortlist.parquet",
        screened="results/screen/screened.parquet",
        funnel="results/screen/funnel.json",
    log:
        "results/logs/shortlist.log",
    benchmark:
        "results/benchmarks/shortlist.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        working_ion=config_model.working_ion,
        min_voltage_V=config_model.screen.min_voltage_V,
        max_voltage_V=config_model.screen.max_voltage_V,
        min_voltage_probability=config_model.screen.min_voltage_probability,
        min_capacity_vol_Ah_per_L=config_model.screen.min_capacity_vol_Ah_per_L,
        min_capacity_grav_mAh_per_g=config_model.screen.min_capacity_grav_mAh_per_g,
        min_redox_capacity_vol_Ah_per_L=config_model.screen.min_redox_capacity_vol_Ah_per_L,
        min_energy_density_Wh_per_kg=config_model.screen.min_energy_density_Wh_per_kg,
        exclude_elements=config_model.screen.exclude_elements,
        max_candidates=config_model.screen.max_candidates,
        controls=config_model.screen.controls,
        algorithm=algorithms.SCREEN,
    message:
        "Sieving candidates"
    script:
        "../workflow_scripts/shortlist.py"

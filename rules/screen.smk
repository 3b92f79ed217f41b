"""Predictions and thresholds to the shortlist."""

import pyarrow.parquet


# The structures are not declared: a survivor whose file has not changed keeps its potential and MD.
checkpoint shortlist:
    input:
        candidates=candidate_buckets,
        predictions=expand(
            "results/voltage/predictions/{bucket}.parquet", bucket=BUCKETS
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


def shortlisted_ids(wildcards):
    """Ids of the shortlist and the controls, read from the table: never by globbing."""
    table = checkpoints.shortlist.get().output.shortlist
    return pyarrow.parquet.read_table(table, columns=["material_id"])[
        "material_id"
    ].to_pylist()


def candidate_structure(wildcards):
    """The crystal of one shortlisted candidate."""
    checkpoints.shortlist.get()
    return f"results/screen/structures/{wildcards.material_id}.cif"


def shortlist_transport(wildcards):
    """Transport results of the shortlist."""
    return expand(
        "results/transport/{material_id}/transport.json",
        material_id=shortlisted_ids(wildcards),
    )


def shortlist_msd(wildcards):
    """Mean-squared displacements of the shortlist at every temperature."""
    return expand(
        "results/transport/{material_id}/{temperature:g}K/msd.parquet",
        material_id=shortlisted_ids(wildcards),
        temperature=config_model.transport.temperatures_K,
    )


def shortlist_potentials(wildcards):
    """Results of the potentials that drove MD of the shortlist."""
    if config_model.potential.mode == "shared":
        return (
            ["results/potential/shared/model.json"]
            if shortlisted_ids(wildcards)
            else []
        )
    return expand(
        "results/potential/{material_id}/model.json",
        material_id=shortlisted_ids(wildcards),
    )


def shortlist_validation(wildcards):
    """Validation results of the shortlisted candidates and controls; none where it is switched off."""
    if not config_model.validation.enabled:
        return []
    return expand(
        "results/validation/{material_id}/validation.json",
        material_id=shortlisted_ids(wildcards),
    )

"""Sources to one catalogue: electrodes, and candidates in buckets."""


# First of all, since `ionsieve status` reads from it what belongs to the run.
rule resolved_config:
    output:
        "results/config.yaml",
    log:
        "results/logs/resolved_config.log",
    priority: 1
    conda:
        "../envs/ionsieve.yaml"
    params:
        resolved=configuration.to_yaml(config_model),
    message:
        "Saving the resolved configuration"
    script:
        "../workflow_scripts/resolved_config.py"


rule ingest_demo:
    input:
        electrodes=demo_table("electrodes.parquet"),
        candidates=demo_table("candidates.parquet"),
        records=demo_table("records.parquet"),
    output:
        electrodes="results/data/raw/demo/electrodes.parquet",
        candidates="results/data/raw/demo/candidates.parquet",
        calculated="results/data/raw/demo/calculated.parquet",
        rejects="results/data/raw/demo/rejects.parquet",
        provenance="results/data/raw/demo/provenance.json",
    log:
        "results/logs/ingest_demo.log",
    benchmark:
        "results/benchmarks/ingest_demo.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        **QUERIES["demo"],
        algorithm=algorithms.DATA,
    message:
        "Reading the data set that ships with IonSieve"
    script:
        "../workflow_scripts/ingest_demo.py"


rule ingest_files:
    input:
        electrodes=[str(path) for path in config_model.data.files.electrodes],
        structures=configuration.structure_files(config_model),
    output:
        electrodes="results/data/raw/files/electrodes.parquet",
        candidates="results/data/raw/files/candidates.parquet",
        calculated="results/data/raw/files/calculated.parquet",
        rejects="results/data/raw/files/rejects.parquet",
        provenance="results/data/raw/files/provenance.json",
    log:
        "results/logs/ingest_files.log",
    benchmark:
        "results/benchmarks/ingest_files.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        **QUERIES["files"],
        algorithm=algorithms.DATA,
    message:
        "Reading electrodes and structures from files"
    script:
        "../workflow_scripts/ingest_files.py"


# Both pulls keep what they have fetched under results/data/cache until they are complete, so a broken one goes on
# where it stopped, and with `update` it leaves the tables that were there. They run where Snakemake runs: compute
# nodes often have no network.
rule pull_materials_project:
    output:
        electrodes=update("results/data/raw/materials_project/electrodes.parquet"),
        candidates=update("results/data/raw/materials_project/candidates.parquet"),
        calculated=update("results/data/raw/materials_project/calculated.parquet"),
        rejects=update("results/data/raw/materials_project/rejects.parquet"),
        provenance=update("results/data/raw/materials_project/provenance.json"),
    log:
        "results/logs/pull_materials_project.log",
    benchmark:
        "results/benchmarks/pull_materials_project.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=600,
    params:
        **MATERIALS_PROJECT_QUERY,
        algorithm=algorithms.DATA,
    message:
        "Pulling electrodes and candidates from the Materials Project"
    script:
        "../workflow_scripts/pull_database.py"


rule pull_gnome:
    output:
        electrodes=update("results/data/raw/gnome/electrodes.parquet"),
        candidates=update("results/data/raw/gnome/candidates.parquet"),
        calculated=update("results/data/raw/gnome/calculated.parquet"),
        rejects=update("results/data/raw/gnome/rejects.parquet"),
        provenance=update("results/data/raw/gnome/provenance.json"),
    log:
        "results/logs/pull_gnome.log",
    benchmark:
        "results/benchmarks/pull_gnome.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=600,
    params:
        **GNOME_QUERY,
        algorithm=algorithms.DATA,
    message:
        "Pulling candidates from GNoME (CC BY-NC 4.0)"
    script:
        "../workflow_scripts/pull_database.py"


# Its tables are not declared: a declared output would make everything behind it stale whenever the
# checkpoint runs, even where nothing changed.
checkpoint catalogue:
    input:
        RAW_TABLES,
    output:
        summary="results/data/catalogue.json",
    log:
        "results/logs/catalogue.log",
    benchmark:
        "results/benchmarks/catalogue.tsv"
    conda:
        "../envs/ionsieve.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        sources=config_model.data.sources,
        queries={source: QUERIES[source] for source in config_model.data.sources},
        working_ion=config_model.working_ion,
        shards=config_model.data.shards,
        max_energy_above_hull_eV_per_atom=config_model.data.max_energy_above_hull_eV_per_atom,
        max_sites=config_model.data.max_sites,
        algorithm=algorithms.DATA,
    message:
        "Merging sources into one catalogue"
    script:
        "../workflow_scripts/catalogue.py"

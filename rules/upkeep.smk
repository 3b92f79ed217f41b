"""Targets of their own: data fetched ahead, data brought up to date, failures cleared."""


# For machines whose compute nodes have no network: run it where there is one, the rest elsewhere.
rule fetch_all:
    input:
        RAW_TABLES,
        CALCULATED_TABLES,
        MPTRJ_FILE,
    message:
        "All that a run needs is in results/data"


# Without outputs, so that it runs whenever it is asked for, and the raw tables stay as they are where their
# content has not changed. In an invocation of its own: the next one plans with what has changed.
rule refresh:
    log:
        "results/logs/refresh.log",
    conda:
        "../envs/ionsieve.yaml"
    params:
        sources=config_model.data.sources,
        materials_project=MATERIALS_PROJECT_QUERY,
        gnome=GNOME_QUERY,
        queries=QUERIES,
        algorithm=algorithms.DATA,
    message:
        "Asking the databases for what is new"
    script:
        "../workflow_scripts/refresh.py"


rule retry_failed:
    log:
        "results/logs/retry_failed.log",
    conda:
        "../envs/ionsieve.yaml"
    params:
        algorithm=algorithms.TRANSPORT,
    message:
        "Clearing results of failed candidates; run the workflow again to retry them"
    script:
        "../workflow_scripts/retry_failed.py"

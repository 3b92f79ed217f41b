"""Targets of their own: clearing what failed."""


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

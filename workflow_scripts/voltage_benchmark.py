"""The benchmark of voltage models as one table.

Reads the held-out predictions and audits of all folds; writes the predictions together and the table
of errors as CSV, JSON and Markdown.
"""

import pandas as pd

from ionsieve.artifacts import atomic_path, read_json, write_json, write_text
from ionsieve.tables import read_table, write_table
from ionsieve.voltage.benchmark import BENCHMARK_FOLD, BENCHMARK_OUT_OF_FOLD, summarise, to_markdown


def main(snakemake) -> None:
    """Put all folds together and say how good each model is."""
    output = snakemake.output
    audits = [read_json(path) for path in snakemake.input.audits]
    out_of_fold = pd.concat(
        [
            read_table(path, BENCHMARK_FOLD).assign(model=audited["model"])
            for path, audited in zip(snakemake.input.predictions, audits, strict=True)
        ],
        ignore_index=True,
    )
    summary = summarise(out_of_fold, audits, snakemake.params.seed)
    write_table(out_of_fold, BENCHMARK_OUT_OF_FOLD, output.out_of_fold)
    with atomic_path(output.csv) as path:
        pd.DataFrame(summary["scores"]).to_csv(path, index=False)
    write_json(output.json, summary)
    write_text(output.markdown, to_markdown(summary))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)

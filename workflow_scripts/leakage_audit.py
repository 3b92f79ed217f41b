"""The leakage audit: what each block of columns is worth, and which hold the answer.

Reads the audit's experiments, the electrodes and what their sources calculated; writes the audit as JSON
and Markdown.
"""


def main(snakemake) -> None:
    """Compare, and say it in words."""
    from ionsieve.artifacts import write_json, write_text
    from ionsieve.composition.benchmark import load_electrodes, read_experiments
    from ionsieve.composition.benchmark import summarise as summarise_experiments
    from ionsieve.composition.leakage_audit import summarise, to_markdown

    source, output = snakemake.input, snakemake.output
    out_of_fold, audits, skipped = read_experiments(source.predictions, source.audits)
    summary = summarise(
        load_electrodes(source.electrodes, source.calculated),
        summarise_experiments(out_of_fold, snakemake.params.seed),
        audits,
        skipped,
    )
    write_json(output.json, summary)
    write_text(output.markdown, to_markdown(summary))


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)

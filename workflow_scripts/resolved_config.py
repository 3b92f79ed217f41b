"""Save the resolved configuration beside the results.

Input: none. Output: ``results/config.yaml``, every key with the value in force.
"""

from ionsieve.artifacts import write_text


def main(snakemake) -> None:
    write_text(snakemake.output[0], snakemake.params.resolved)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)

"""Pull a database: electrodes and candidates of the Materials Project, or GNoME's crystals.

Output: the raw tables of the source, replaced only where their content differs; what cannot be used is set
aside with the reason. The Materials Project needs an API key, in ``MP_API_KEY`` or the client's own settings.
"""

from pathlib import Path

from ionsieve.data.databases import pull_database


def main(snakemake) -> None:
    folder = Path(snakemake.output.provenance).parent
    print(f"{folder.name}: {pull_database(folder, snakemake.params)}")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)

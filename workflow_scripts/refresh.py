"""Pull the databases again; replace the raw tables of those whose content has changed.

Output: none. The next run of the workflow does what the changes make stale, and nothing else.
"""

from pathlib import Path

from ionsieve.data import gnome, materials_project
from ionsieve.data.records import refresh, require_pulled

RAW = Path("results/data/raw")
DATABASES = {"materials_project": materials_project, "gnome": gnome}


def main(snakemake) -> None:
    asked = [name for name in snakemake.params.sources if name in DATABASES]
    if not asked:
        print("data.sources lists no database: nothing to refresh")
    for name in asked:
        database = DATABASES[name]
        query = database.Query(**snakemake.params[name])
        require_pulled(RAW / name, snakemake.params.queries[name])
        written = refresh(lambda cache, pull=database.pull, query=query: pull(query, cache), RAW / name)
        print(f"{name}: {written}; {'has changed' if written.changed else 'as before'}")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)

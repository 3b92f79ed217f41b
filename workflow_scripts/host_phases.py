"""Ask the Materials Project for the stable phases that a candidate's charged host may fall apart into.

Input: the candidate's CIF. Output: pymatgen's entries as JSON. Needs an API key, as a pull does.
"""

from pathlib import Path
from typing import Any


def main(snakemake: Any) -> None:
    """Unpack the job, ask, write."""
    import json
    import shutil

    from pymatgen.core import Structure

    from ionsieve.artifacts import write_text
    from ionsieve.data.materials_project.phases import stable_entries

    elements = {site.specie.symbol for site in Structure.from_file(snakemake.input.structure)}
    entries_path = Path(snakemake.output.entries)
    cache = entries_path.with_suffix(".cache")
    entries = stable_entries(sorted(elements - {snakemake.params.working_ion}), cache)
    text = json.dumps([entry.as_dict() for entry in entries], sort_keys=True, indent=1)
    write_text(entries_path, text + "\n")
    shutil.rmtree(cache, ignore_errors=True)


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)

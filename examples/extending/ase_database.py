"""A data source: candidates from a database of ASE (`ase.db`, one SQLite file)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ase.db import connect

from ionsieve.data.files import safe_id
from ionsieve.data.records import Pulled, Record, check_candidate
from ionsieve.errors import DataError
from ionsieve.structures import to_columns

SOURCE = "ase_database"


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is asked for; the workflow fills it from the configuration, by name."""

    working_ion: str
    location: str


def pull(query: Query, cache: Path) -> Pulled:
    """Candidates with the working ion. A file needs no cache; a server's pages would go there."""
    if not Path(query.location).is_file():
        raise DataError(f"{query.location} does not exist; mend data.ase_database.location")
    provenance = {
        "source": SOURCE,
        "version": None,
        "licences": ["unknown"],
        "cite": [],
        "query": {"working_ion": query.working_ion},
    }
    return Pulled(electrodes=(), candidates=_candidates(query), provenance=provenance)


def _candidates(query: Query) -> Iterator[Record]:
    with connect(query.location) as database:
        for row in database.select(query.working_ion):
            crystal = {
                "material_id": safe_id(f"ase-{row.get('name', row.id)}"),
                "source": SOURCE,
                "licence": "unknown",
                "energy_above_hull_eV_per_atom": None,  # not known: passes, and is flagged
                "hull_reference": None,
                **to_columns(row.toatoms()),
            }
            yield check_candidate(crystal, query.working_ion)  # the row, or a reject with its reason

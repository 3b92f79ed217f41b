"""The shipped demo set: hosts from crystallographic facts, relaxed and labelled with CHGNet.

Reading it needs neither torch nor CHGNet; :mod:`ionsieve.data.demo.build` makes it anew.
"""

from collections.abc import Iterator
from importlib.resources import as_file, files
from typing import Any

import pandas as pd
import pyarrow as pa

from ionsieve.artifacts import read_json
from ionsieve.data import calculated
from ionsieve.data.records import Pulled, check_candidate, check_electrode
from ionsieve.tables import CANDIDATES, ELECTRODES, read_table

SOURCE = "demo"
LICENCE = "MIT (IonSieve)"
LABEL_KIND = "CHGNet"

# What came of every record of the set, those set aside included. Energies are of the relaxed
# primitive cell; the charged ones are null for candidates, which are relaxed discharged only.
RECORDS = pa.schema(
    [
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),  # electrode, candidate
        pa.field("prototype", pa.string(), nullable=False),
        pa.field("working_ion", pa.string(), nullable=False),
        pa.field("formula", pa.string(), nullable=False),  # reduced, of the discharged cell
        pa.field("framework", pa.string(), nullable=False),
        pa.field("reason", pa.string()),  # why it was set aside; null where it was kept
        pa.field("n_atoms", pa.int64(), nullable=False),  # of the discharged cell
        pa.field("n_ions", pa.int64(), nullable=False),
        pa.field("space_group", pa.int64(), nullable=False),  # of the relaxed discharged cell
        pa.field("energy_discharged_eV", pa.float64(), nullable=False),
        pa.field("energy_charged_eV", pa.float64()),
        pa.field("voltage_V", pa.float64()),
        pa.field("volume_discharged_A3", pa.float64(), nullable=False),
        pa.field("volume_charged_A3", pa.float64()),
        pa.field("steps_discharged", pa.int64(), nullable=False),
        pa.field("steps_charged", pa.int64()),
    ]
)


def load_electrodes() -> pd.DataFrame:
    """The shipped electrodes, columns of :data:`ionsieve.tables.ELECTRODES`."""
    return _shipped("electrodes.parquet", ELECTRODES)


def load_candidates() -> pd.DataFrame:
    """The shipped Mg candidates, columns of :data:`ionsieve.tables.CANDIDATES`."""
    return _shipped("candidates.parquet", CANDIDATES)


def pull(working_ion: str) -> Pulled:
    """What ships with IonSieve, with the checks of every other source."""
    return Pulled(
        (check_electrode(row) for row in _electrodes()),
        (check_candidate(row, working_ion) for row in _rows(load_candidates())),
        {
            "source": SOURCE,
            "version": None,
            "licences": [LICENCE],
            "cite": [],
            "query": {"working_ion": working_ion},
        },
    )


def load_records() -> pd.DataFrame:
    """Energies and outcome of every record, columns of :data:`RECORDS`."""
    return _shipped("records.parquet", RECORDS)


def load_provenance() -> dict[str, Any]:
    """How the shipped tables were made: versions, settings, metal energies, counts."""
    with as_file(files(__package__) / "provenance.json") as path:
        return read_json(path)


def _electrodes() -> Iterator[dict[str, Any]]:
    """The shipped electrodes, with what their records tell of the pair: no capacities, no hull."""
    records = load_records().set_index("record_id")
    for row in _rows(load_electrodes()):
        record = records.loc[row["electrode_id"]]
        charged_A3, discharged_A3 = record["volume_charged_A3"], record["volume_discharged_A3"]
        space_group = int(record["space_group"])
        yield row | {
            calculated.KEY: {
                "volume_change": max(charged_A3, discharged_A3) / min(charged_A3, discharged_A3) - 1,
                "discharged_space_group": space_group,
                "discharged_crystal_system": calculated.crystal_system(space_group),
            }
        }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _shipped(name: str, schema: pa.Schema) -> pd.DataFrame:
    with as_file(files(__package__) / name) as path:
        return read_table(path, schema)

"""From structure files to rows of voltages and capacities, a chunk in memory at a time."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ionsieve import tables
from ionsieve.command.rows import Rows
from ionsieve.data.formats import CRYSTAL_FORMATS, JSON_LINES_SUFFIX, is_crystal_file, is_json_lines
from ionsieve.data.records import Reject, check_candidate
from ionsieve.data.structure_files import SOURCE, Crystal, read_structure_file
from ionsieve.errors import DataError
from ionsieve.voltage.crystals import predict_crystals
from ionsieve.voltage.ensemble import Ensemble

# What is in memory together: as many crystals as one pass of the model takes, fewer where they are large.
CRYSTALS_PER_CHUNK = 512
ATOMS_PER_CHUNK = 16_384
NAMES_SHOWN = 3


class VoltageRows(Rows):
    """The table of `ionsieve predict`, made as it is read.

    Parameters
    ----------
    paths : files and folders with discharged crystals.
    ensemble : the voltage model.
    working_ion : symbol.
    tell : takes one line per crystal or file that is set aside.
    """

    def __init__(
        self, paths: Sequence[Path], ensemble: Ensemble, working_ion: str, tell: Callable[[str], None]
    ) -> None:
        super().__init__(tell)
        self._paths = paths
        self._ensemble = ensemble
        self._working_ion = working_ion

    def _tables(self) -> Iterator[pd.DataFrame]:
        return (predict_crystals(chunk, self._ensemble, self._working_ion) for chunk in self._chunks())

    def _chunks(self) -> Iterator[pd.DataFrame]:
        rows: list[dict[str, Any]] = []
        atoms = 0
        for row in self._candidates():
            rows.append(row)
            atoms += len(row["numbers"])
            if len(rows) == CRYSTALS_PER_CHUNK or atoms >= ATOMS_PER_CHUNK:
                yield pd.DataFrame(rows, columns=tables.CANDIDATES.names)
                rows, atoms = [], 0
        if rows:
            yield pd.DataFrame(rows, columns=tables.CANDIDATES.names)

    def _candidates(self) -> Iterator[dict[str, Any]]:
        """Rows of :data:`ionsieve.tables.CANDIDATES`; what is no candidate is told and counted."""
        for path in self._paths:
            for file in self._files(path):
                is_empty = True
                try:
                    for crystal in read_structure_file(file):
                        is_empty = False
                        row = crystal if isinstance(crystal, Reject) else self._check(crystal)
                        if isinstance(row, Reject):
                            self._reject(f"{row.material_id} ({file})", row.reason)
                        else:
                            yield row | {"material_id": self._distinct(row["material_id"], str(file))}
                except DataError as error:
                    self._reject(str(file), str(error).removeprefix(f"{file} ").removeprefix(f"{file}: "))
                else:
                    if is_empty:
                        self._reject(str(file), "holds no structure")

    def _check(self, crystal: Crystal) -> dict[str, Any] | Reject:
        row = {
            # Names of files, and JSON, may hold halves of characters, which no table can.
            "material_id": crystal.material_id.encode(errors="backslashreplace").decode(),
            "source": SOURCE,
            "licence": "unknown",
            "energy_above_hull_eV_per_atom": None,
            "hull_reference": None,
            **crystal.columns,
        }
        return check_candidate(row, self._working_ion)

    def _files(self, path: Path) -> list[Path]:
        """The structure files of a folder and below, in the order of their names; a file is its own."""
        if not path.is_dir():
            return [path]
        files, others = [], []
        for file in sorted(path.rglob("*")):
            if is_crystal_file(file) or is_json_lines(file):
                files.append(file)
            elif file.is_file():
                others.append(file.name)
        if not files:
            self._reject(
                str(path),
                f"holds no structure file; known: {CRYSTAL_FORMATS}, {JSON_LINES_SUFFIX}, all also .gz",
            )
        if others:
            names = ", ".join(others[:NAMES_SHOWN]) + (", ..." if len(others) > NAMES_SHOWN else "")
            self._tell(
                f"files in {path} whose names tell no structure, passed over: {len(others):,} ({names})"
            )
        return files

"""The electrodes that a voltage model learns from: graphs, descriptors, voltages and what splits them."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ionsieve.errors import DataError
from ionsieve.voltage.descriptors import describe
from ionsieve.voltage.graphs import Graphs, build_graphs
from ionsieve.voltage.state_files import GRAPHS, load_state, save_state

# Columns of tables.ELECTRODES that travel with the graphs.
TEXT_COLUMNS = ("electrode_id", "material_id", "label_kind", "working_ion", "framework")
NUMBER_COLUMNS = ("voltage_V", "x_charged")


@dataclass(frozen=True)
class Electrodes:
    """Graphs of S discharged crystals and what is known of their electrodes.

    Attributes
    ----------
    graphs : graphs of the discharged crystals.
    descriptors : what :mod:`ionsieve.voltage.descriptors` says of them, shape (S, D), float32.
    table : S rows with the columns TEXT_COLUMNS and NUMBER_COLUMNS.
    cutoff_A, max_neighbors : how the graphs were made.
    digest : SHA-256 of the table that they were made from.
    """

    graphs: Graphs
    descriptors: np.ndarray
    table: pd.DataFrame
    cutoff_A: float
    max_neighbors: int
    digest: str

    @property
    def voltages_V(self) -> np.ndarray:
        """Voltages in V, shape (S,)."""
        return self.table["voltage_V"].to_numpy(dtype=float)

    @classmethod
    def from_table(
        cls, electrodes: pd.DataFrame, cutoff_A: float, max_neighbors: int, digest: str
    ) -> "Electrodes":
        """Graphs and descriptors of a table with the columns of :data:`ionsieve.tables.ELECTRODES`.

        Raises
        ------
        DataError : the table has no rows, or a crystal lacks its working ion.
        """
        if electrodes.empty:
            raise DataError(
                "there are no electrodes to learn voltages from; add a source that has some (data.sources)"
            )
        graphs = build_graphs(electrodes, electrodes["working_ion"].tolist(), cutoff_A, max_neighbors)
        without_ion = np.bincount(graphs.crystal_of_node(), weights=graphs.is_ion, minlength=len(graphs)) == 0
        if without_ion.any():
            first = electrodes.iloc[int(np.flatnonzero(without_ion)[0])]
            raise DataError(
                f"the discharged crystal of electrode {first['electrode_id']} ({first['formula']}) contains"
                f" no {first['working_ion']}, its working ion; mend or remove the electrode"
            )
        table = electrodes[[*TEXT_COLUMNS, *NUMBER_COLUMNS]].reset_index(drop=True)
        descriptors = describe(electrodes, electrodes["working_ion"].tolist()).to_numpy(copy=True)
        return cls(graphs, descriptors, table, cutoff_A, max_neighbors, digest)

    def save(self, path: Path | str) -> None:
        """Write graphs and columns to one torch file."""
        arrays = {field.name: torch.from_numpy(getattr(self.graphs, field.name)) for field in fields(Graphs)}
        columns = {name: self.table[name].tolist() for name in self.table.columns}
        save_state(
            path,
            GRAPHS,
            {
                "graphs": arrays,
                "descriptors": torch.from_numpy(self.descriptors),
                "table": columns,
                "cutoff_A": self.cutoff_A,
                "max_neighbors": self.max_neighbors,
                "digest": self.digest,
            },
        )

    @classmethod
    def load(cls, path: Path | str) -> "Electrodes":
        """Read what :meth:`save` wrote; raises DataError for any other file."""
        state = load_state(path, GRAPHS)
        graphs = Graphs(**{name: array.numpy() for name, array in state["graphs"].items()})
        return cls(
            graphs,
            state["descriptors"].numpy(),
            pd.DataFrame(state["table"]),
            state["cutoff_A"],
            state["max_neighbors"],
            state["digest"],
        )

"""What a voltage model reads of candidates, made once per bucket and kept: graphs and descriptors.

Both depend on the crystals alone, and making them takes far longer than a model takes to read them, so
that a new voltage model does not wait for them again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ionsieve.voltage.descriptors import describe
from ionsieve.voltage.graphs import Graphs, build_graphs
from ionsieve.voltage.state_files import CANDIDATE_INPUTS, load_state, save_state

# Candidates whose graphs are made and predicted together; network batches are smaller still.
CANDIDATES_PER_CHUNK = 512


@dataclass(frozen=True)
class CandidateInputs:
    """Inputs of n candidates.

    Attributes
    ----------
    material_ids : length n.
    graphs : of their crystals.
    descriptors : shape (n, D), float32.
    cutoff_A, max_neighbors : how the graphs were made.
    """

    material_ids: list[str]
    graphs: Graphs
    descriptors: np.ndarray
    cutoff_A: float
    max_neighbors: int


def inputs_of(
    candidates: pd.DataFrame, working_ion: str, cutoff_A: float, max_neighbors: int
) -> Iterator[CandidateInputs]:
    """Inputs of candidates in their order, a chunk in memory at a time.

    Parameters
    ----------
    candidates : with the columns material_id, numbers, cell, frac_coords; each holds the working ion.
    cutoff_A, max_neighbors : of the model that will read them.
    """
    for start in range(0, len(candidates), CANDIDATES_PER_CHUNK):
        chunk = candidates.iloc[start : start + CANDIDATES_PER_CHUNK]
        ions = [working_ion] * len(chunk)
        yield CandidateInputs(
            chunk["material_id"].tolist(),
            build_graphs(chunk, ions, cutoff_A, max_neighbors),
            describe(chunk, ions).to_numpy(copy=True),
            cutoff_A,
            max_neighbors,
        )


def save_inputs(path: Path | str, inputs: Iterable[CandidateInputs]) -> None:
    """Write inputs to one torch file; the same bytes for the same candidates."""
    chunks = [
        {
            "material_ids": chunk.material_ids,
            "graphs": {
                field.name: torch.from_numpy(getattr(chunk.graphs, field.name)) for field in fields(Graphs)
            },
            "descriptors": torch.from_numpy(chunk.descriptors),
            "cutoff_A": chunk.cutoff_A,
            "max_neighbors": chunk.max_neighbors,
        }
        for chunk in inputs
    ]
    save_state(path, CANDIDATE_INPUTS, {"chunks": chunks})


def load_inputs(path: Path | str) -> Iterator[CandidateInputs]:
    """Read what :func:`save_inputs` wrote; raises DataError for any other file."""
    for chunk in load_state(path, CANDIDATE_INPUTS)["chunks"]:
        yield CandidateInputs(
            chunk["material_ids"],
            Graphs(**{name: array.numpy() for name, array in chunk["graphs"].items()}),
            chunk["descriptors"].numpy(),
            chunk["cutoff_A"],
            chunk["max_neighbors"],
        )

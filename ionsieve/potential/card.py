"""What a trained potential says of itself in ``model.json``: where it comes from and how good it is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ase import Atoms

from ionsieve.artifacts import digest
from ionsieve.potential.calculator import PotentialCalculator
from ionsieve.potential.evaluation import errors
from ionsieve.potential.frames import count_by_kind
from ionsieve.potential.training import TrainingSettings

LIBRARIES = ("nequip", "e3nn", "torch", "ase")


def card(
    calculator: PotentialCalculator,
    test_frames: Sequence[Atoms],
    sources: Mapping[str, Path | str],
    settings: TrainingSettings | None,
) -> dict[str, Any]:
    """Provenance and held-out errors of a potential.

    Parameters
    ----------
    calculator : the trained model.
    test_frames : of trajectories it did not train on; may be empty for a ready model.
    sources : files it was made from, by what they are; their SHA-256 goes in, not where they lie.
    settings : how it was trained; None for a ready model.
    """
    return {
        "elements": calculator.elements,
        "cutoff_A": float(calculator.model.metadata["r_max"]),
        "n_parameters": calculator.n_parameters,
        "training": None if settings is None else asdict(settings),
        "sources_sha256": {name: digest(path) for name, path in sorted(sources.items())},
        "versions": {library: version(library) for library in LIBRARIES},
        "test_kinds": count_by_kind(test_frames),
        "metrics": errors(calculator, test_frames) if test_frames else None,
    }

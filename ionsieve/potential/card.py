"""What a trained potential says of itself in ``model.json``: where it comes from and how good it is."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator

from ionsieve.artifacts import digest
from ionsieve.potential.calculator import description
from ionsieve.potential.evaluation import errors, predict
from ionsieve.potential.frames import FrameSets, count_by_kind
from ionsieve.potential.softening import softening
from ionsieve.potential.training import LIBRARIES, TrainingSettings


def card(
    calculator: Calculator,
    tested: Sequence[Atoms],
    frames: FrameSets,
    labels: str,
    sources: Mapping[str, Path | str],
    settings: TrainingSettings | None,
) -> dict[str, Any]:
    """Provenance, held-out errors and softening of a potential.

    Errors are those on the test frames. The slope of forces is taken over the validation frames too: it
    needs several trajectories for its interval, and stopping by them hardly bends it.

    Parameters
    ----------
    calculator : the trained model.
    tested : its predictions for the test frames, from :func:`.evaluation.predict`.
    frames : what it was trained on and held out from; a ready model has test frames only, or none.
    labels : whose energies and forces the frames carry.
    sources : files it was made from, by what they are; their SHA-256 goes in, not where they lie.
    settings : how it was trained; None for a ready model.
    """
    validated = predict(calculator, frames.validation)
    held_out = [*frames.validation, *frames.test]
    return {
        **description(calculator),
        "training": None if settings is None else asdict(settings),
        "sources_sha256": {name: digest(path) for name, path in sorted(sources.items())},
        "versions": {library: version(library) for library in LIBRARIES},
        "labels": labels,
        "test_kinds": count_by_kind(frames.test),
        "metrics": errors(tested, frames.test) if frames.test else None,
        "softening": softening([*validated, *tested], held_out, labels) if held_out else None,
    }

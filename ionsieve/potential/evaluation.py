"""How far a potential is from its labels, and the gate in front of MD."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms, units
from ase.calculators.calculator import Calculator

from ionsieve.errors import CandidateFailed
from ionsieve.potential.frames import labelled, stress_of

# What a parity plot shows, and no more.
PARITY_FRAMES, PARITY_ROWS = 40, 1500


def predict(calculator: Calculator, frames: Sequence[Atoms]) -> list[Atoms]:
    """Copies of the frames with the calculator's energy and forces, and stress where the frame has it."""
    predicted = []
    for frame in frames:
        atoms = frame.copy()
        atoms.calc = calculator
        stress = None if stress_of(frame) is None else atoms.get_stress()
        predicted.append(labelled(atoms, atoms.get_potential_energy(), atoms.get_forces(), stress))
    return predicted


def errors(predicted: Sequence[Atoms], frames: Sequence[Atoms]) -> dict[str, Any]:
    """Mean absolute errors over frames: all, by kind of frame, and of forces by element.

    Parameters
    ----------
    predicted : from :func:`predict`.
    frames : the same, with their labels.

    Returns
    -------
    ``energy_mae_meV_per_atom``, ``force_mae_eV_per_A`` (over components), ``force_rmse_eV_per_A``,
    ``stress_mae_GPa`` (over components; None without labels), ``n_frames``; ``by_kind`` with the same
    keys, and ``force_mae_by_element_eV_per_A``.
    """
    residuals = [_residuals(guess, frame) for guess, frame in zip(predicted, frames, strict=True)]
    kinds = [str(frame.info["kind"]) for frame in frames]
    symbols = np.concatenate([np.asarray(frame.get_chemical_symbols()) for frame in frames])
    forces = np.concatenate([residual["forces"] for residual in residuals])
    return {
        **_summary(residuals),
        "by_kind": {
            kind: _summary([residual for residual, its in zip(residuals, kinds, strict=True) if its == kind])
            for kind in sorted(set(kinds))
        },
        "force_mae_by_element_eV_per_A": {
            str(symbol): _number(np.mean(np.abs(forces[symbols == symbol]))) for symbol in np.unique(symbols)
        },
    }


def force_parity(predicted: Sequence[Atoms], frames: Sequence[Atoms]) -> pd.DataFrame:
    """Force components predicted and labelled, with the columns of ``ionsieve.tables.FORCE_PARITY``.

    Evenly chosen: of at most ``PARITY_FRAMES`` frames at most ``PARITY_ROWS`` finite components.

    Parameters
    ----------
    predicted : from :func:`predict`.
    frames : the same, with their labels.
    """
    places = _evenly(len(frames), PARITY_FRAMES)
    chosen = [frames[place] for place in places]
    rows = pd.DataFrame(
        {
            "kind": [str(frame.info["kind"]) for frame in chosen for _ in range(3 * len(frame))],
            "element": [symbol for frame in chosen for symbol in frame.get_chemical_symbols() for _ in "xyz"],
            "force_eV_per_A": _components(chosen),
            "predicted_force_eV_per_A": _components([predicted[place] for place in places]),
        }
    )
    finite = rows[np.isfinite(rows["predicted_force_eV_per_A"])]
    return finite.iloc[_evenly(len(finite), PARITY_ROWS)].reset_index(drop=True)


def _evenly(n_items: int, n_wanted: int) -> list[int]:
    """Indices of at most ``n_wanted`` of so many items, evenly spaced."""
    return (
        [index * n_items // n_wanted for index in range(n_wanted)]
        if n_items > n_wanted
        else [*range(n_items)]
    )


def _components(frames: Sequence[Atoms]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(frame.get_forces().ravel() for frame in frames)])


def require_accurate(metrics: Mapping[str, Any] | None, allowed_eV_per_A: float) -> None:
    """The gate in front of MD.

    Parameters
    ----------
    metrics : from :func:`errors`; None where a ready model came without frames to measure it on.
    allowed_eV_per_A : largest force MAE with which MD is run.

    Raises
    ------
    CandidateFailed : ``potential_rejected``, when forces are too far off or not finite.
    """
    if metrics is None:
        return
    force_mae_eV_per_A = metrics["force_mae_eV_per_A"]
    if force_mae_eV_per_A is None:
        raise CandidateFailed("the potential gives no finite forces on held-out frames", "potential_rejected")
    if force_mae_eV_per_A > allowed_eV_per_A:
        raise CandidateFailed(
            f"force MAE {force_mae_eV_per_A:.3f} eV/A on held-out trajectories is above the"
            f" {allowed_eV_per_A:g} eV/A allowed (potential.max_force_mae_eV_per_A)",
            "potential_rejected",
        )


def _residuals(predicted: Atoms, frame: Atoms) -> dict[str, Any]:
    label = stress_of(frame)
    return {
        "energy": (predicted.get_potential_energy() - frame.get_potential_energy()) / len(frame),
        "forces": predicted.get_forces() - frame.get_forces(),
        "stress": None if label is None else predicted.get_stress() - label,
    }


def _summary(residuals: Sequence[dict[str, Any]]) -> dict[str, Any]:
    forces = np.concatenate([residual["forces"].ravel() for residual in residuals])
    stresses = [residual["stress"] for residual in residuals if residual["stress"] is not None]
    return {
        "n_frames": len(residuals),
        "energy_mae_meV_per_atom": _number(
            1000 * np.mean([abs(residual["energy"]) for residual in residuals])
        ),
        "force_mae_eV_per_A": _number(np.mean(np.abs(forces))),
        "force_rmse_eV_per_A": _number(np.sqrt(np.mean(forces**2))),
        "stress_mae_GPa": _number(np.mean(np.abs(stresses)) / units.GPa) if stresses else None,
    }


def _number(value: float | np.floating[Any]) -> float | None:
    """A rounded figure for JSON, or None where it is not finite."""
    return round(float(value), 6) if math.isfinite(value) else None

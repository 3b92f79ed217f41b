"""From a trajectory to the numbers of one temperature, and from all temperatures to one candidate's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from ase.data import atomic_masses, atomic_numbers

from ionsieve.errors import CandidateFailed
from ionsieve.ions import ion_charge
from ionsieve.outcome import OK
from ionsieve.transport.arrhenius import MIN_TEMPERATURES, ROOM_TEMPERATURE_K, Estimate, fit_arrhenius
from ionsieve.transport.conductivity import conductivity_mS_per_cm
from ionsieve.transport.diffusivity import Diffusivity, diffusivity, ion_diffusivities_A2_per_ps
from ionsieve.transport.hops import ION_HOP_FRACTION, count_hops
from ionsieve.transport.host import HostState, host_state
from ionsieve.transport.msd import mean_squared_displacement_A2, without_drift
from ionsieve.transport.trajectory import Trajectory
from ionsieve.units import CM2_PER_S_PER_A2_PER_PS

# What every temperature's result carries, null where it is not known.
# A host that diffuses at this share of the ions' rate or faster carries them along: what is measured is
# not conduction through a crystal. Sound hosts stay below 0.05 even where the ions hop much.
MAX_HOST_SHARE = 0.3

NOT_KNOWN: dict[str, Any] = dict.fromkeys(
    [
        "conductivity_mS_per_cm",
        "conductivity_low_mS_per_cm",
        "conductivity_high_mS_per_cm",
        "conductivity_kind",
        "diffusivity_cm2_per_s",
        "diffusivity_low_cm2_per_s",
        "diffusivity_high_cm2_per_s",
        "n_hops",
        "n_ions",
        "volume_A3",
    ]
)
NO_BARRIER: dict[str, Any] = dict.fromkeys(
    [
        "activation_energy_eV",
        "activation_energy_low_eV",
        "activation_energy_high_eV",
        "conductivity_300K_mS_per_cm",
        "conductivity_300K_low_mS_per_cm",
        "conductivity_300K_high_mS_per_cm",
        "conductivity_300K_extrapolated",
    ]
)


@dataclass(frozen=True)
class Displacements:
    """What a trajectory says about motion, drift of the framework removed.

    Attributes
    ----------
    ion_msd_A2, host_msd_A2 : MSD of each working ion and of each host atom, shapes (F, n).
    frame_interval_ps : time between frames.
    hops : hops of each working ion, shape (n,).
    host : how the host fared.
    """

    ion_msd_A2: np.ndarray
    host_msd_A2: np.ndarray
    frame_interval_ps: float
    hops: np.ndarray
    host: HostState

    def table(self) -> pd.DataFrame:
        """MSD against time, with the columns of ``ionsieve.tables.MSD``."""
        return pd.DataFrame(
            {
                "time_ps": np.arange(len(self.ion_msd_A2)) * self.frame_interval_ps,
                "msd_A2": self.ion_msd_A2.mean(axis=1),
                "host_msd_A2": self.host_msd_A2.mean(axis=1),
            }
        )


def displacements(trajectory: Trajectory, working_ion: str, hop_distance_A: float) -> Displacements:
    """MSDs, hops and the state of the host.

    Parameters
    ----------
    trajectory : frames at constant cell.
    working_ion : the element that moves.
    hop_distance_A : distance between neighbouring sites of the working ion.
    """
    ions = trajectory.numbers == atomic_numbers[working_ion]
    positions_A = without_drift(trajectory.positions_A, ~ions, atomic_masses[trajectory.numbers])
    interval_ps = trajectory.frame_interval_ps
    return Displacements(
        ion_msd_A2=mean_squared_displacement_A2(positions_A[:, ions]),
        host_msd_A2=mean_squared_displacement_A2(positions_A[:, ~ions]),
        frame_interval_ps=interval_ps,
        hops=count_hops(positions_A[:, ions], interval_ps, ION_HOP_FRACTION * hop_distance_A),
        host=host_state(trajectory, positions_A, working_ion),
    )


def transport_of(
    moved: Displacements, working_ion: str, temperature_K: float, volume_A3: float, hop_distance_A: float
) -> dict[str, Any]:
    """Diffusivity and conductivity at one temperature, with the keys of ``NOT_KNOWN``.

    Raises
    ------
    CandidateFailed : the host diffuses or has melted: there is no conductivity of the crystal.
    """
    if moved.host.failure is not None:
        status, reason = moved.host.failure
        raise CandidateFailed(reason, status)
    result = diffusivity(moved.ion_msd_A2, moved.frame_interval_ps, moved.hops, hop_distance_A)
    host_cm2_per_s = host_diffusivity_cm2_per_s(moved)
    if result.cm2_per_s is not None and host_cm2_per_s > MAX_HOST_SHARE * result.cm2_per_s:
        share = 100 * host_cm2_per_s / result.cm2_per_s
        raise CandidateFailed(f"host atoms diffuse at {share:.0f} % of the ions' rate", "host_diffusing")
    n_ions = moved.ion_msd_A2.shape[1]

    def conductivity(value_cm2_per_s: float | None) -> float | None:
        if value_cm2_per_s is None:
            return None
        return conductivity_mS_per_cm(
            value_cm2_per_s, n_ions, volume_A3, ion_charge(working_ion), temperature_K
        )

    return {
        **_diffusivity_columns(result),
        "conductivity_kind": result.kind,
        "conductivity_mS_per_cm": conductivity(result.cm2_per_s),
        "conductivity_low_mS_per_cm": conductivity(result.low_cm2_per_s),
        "conductivity_high_mS_per_cm": conductivity(result.high_cm2_per_s),
    }


def host_diffusivity_cm2_per_s(moved: Displacements) -> float:
    """Slope of the host's MSD over 6: about zero for atoms that vibrate on their sites."""
    slopes = ion_diffusivities_A2_per_ps(moved.host_msd_A2, moved.frame_interval_ps)
    return float(slopes.mean()) * CM2_PER_S_PER_A2_PER_PS


def motion_of(moved: Displacements, volume_A3: float) -> dict[str, Any]:
    """Counts and the host's figures: known also where there is no conductivity."""
    return {
        "n_ions": int(moved.hops.size),
        "n_hops": int(moved.hops.sum()),
        "n_ions_that_hopped": int((moved.hops > 0).sum()),
        "volume_A3": volume_A3,
        "host": {
            "diffusivity_cm2_per_s": host_diffusivity_cm2_per_s(moved),
            "lindemann": moved.host.lindemann,
            "mobile_fraction": moved.host.mobile_fraction,
            "msd_A2": float(moved.host_msd_A2[len(moved.host_msd_A2) // 2].mean()),
            "sites_kept": moved.host.sites_kept,
        },
    }


def summary(temperatures: Sequence[dict[str, Any]], working_ion: str) -> dict[str, Any]:
    """One candidate's transport: its highest temperature, the barrier, and all temperatures.

    Parameters
    ----------
    temperatures : the result of each temperature.
    working_ion : the element that moves.
    """
    ordered = sorted(temperatures, key=lambda entry: entry["temperature_K"])
    highest = ordered[-1]
    return {
        **{key: highest.get(key) for key in ("material_id", "temperature_K", *NOT_KNOWN)},
        **barrier(ordered, working_ion),
        "temperatures": ordered,
    }


def barrier(ordered: Sequence[dict[str, Any]], working_ion: str) -> dict[str, Any]:
    """Barrier and conductivity at 300 K; all null unless three temperatures have a value."""
    fitted = [entry for entry in ordered if entry["status"] == OK and entry["conductivity_kind"] == "value"]
    if len(fitted) < MIN_TEMPERATURES:
        return dict(NO_BARRIER)
    fit = fit_arrhenius(
        [entry["temperature_K"] for entry in fitted],
        [
            Estimate(
                entry["diffusivity_cm2_per_s"],
                entry["diffusivity_low_cm2_per_s"],
                entry["diffusivity_high_cm2_per_s"],
            )
            for entry in fitted
        ],
    )
    coldest, at_300K = fitted[0], fit.diffusivity_cm2_per_s(ROOM_TEMPERATURE_K)
    value, low, high = (
        conductivity_mS_per_cm(
            number, coldest["n_ions"], coldest["volume_A3"], ion_charge(working_ion), ROOM_TEMPERATURE_K
        )
        for number in (at_300K.value, at_300K.low, at_300K.high)
    )
    return {
        "activation_energy_eV": fit.activation_energy_eV.value,
        "activation_energy_low_eV": fit.activation_energy_eV.low,
        "activation_energy_high_eV": fit.activation_energy_eV.high,
        "conductivity_300K_mS_per_cm": value,
        "conductivity_300K_low_mS_per_cm": low,
        "conductivity_300K_high_mS_per_cm": high,
        "conductivity_300K_extrapolated": coldest["temperature_K"] > ROOM_TEMPERATURE_K,
    }


def _diffusivity_columns(result: Diffusivity) -> dict[str, float | None]:
    return {
        "diffusivity_cm2_per_s": result.cm2_per_s,
        "diffusivity_low_cm2_per_s": result.low_cm2_per_s,
        "diffusivity_high_cm2_per_s": result.high_cm2_per_s,
    }

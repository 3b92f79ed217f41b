"""From a trajectory to the numbers of one temperature, and from all temperatures to one candidate's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from ase.data import atomic_masses, atomic_numbers
from scipy import stats

from ionsieve.errors import CandidateFailed
from ionsieve.ions import ion_charge
from ionsieve.outcome import OK
from ionsieve.transport.anisotropy import Anisotropy, CrystalFrame, anisotropy, diffusion_tensors_A2_per_ps
from ionsieve.transport.arrhenius import (
    MIN_TEMPERATURES,
    ROOM_TEMPERATURE_K,
    ArrheniusFit,
    Estimate,
    fit_arrhenius,
)
from ionsieve.transport.collective import HavenRatio, haven_ratio
from ionsieve.transport.conductivity import conductivity_mS_per_cm
from ionsieve.transport.diffusivity import (
    DIMENSIONS,
    Diffusivity,
    diffusivity,
    fit_lags,
    ion_diffusivities_A2_per_ps,
    weighted_mean,
)
from ionsieve.transport.hops import ION_HOP_FRACTION, Hops, find_hops
from ionsieve.transport.host import HostState, host_state
from ionsieve.transport.msd import (
    displacement_covariance_A2,
    in_blocks,
    mean_squared_displacement_A2,
    without_drift,
)
from ionsieve.transport.radial_distribution import HostDistances, host_distances, order
from ionsieve.transport.trajectory import Trajectory
from ionsieve.units import CM2_PER_S_PER_A2_PER_PS

# A host that diffuses at this share of the ions' rate or faster carries them along: what is measured is
# not conduction through a crystal. Sound hosts stay below 0.05 even where the ions hop much.
MAX_HOST_SHARE = 0.3
ONE_SIDED_95 = float(stats.norm.ppf(0.95))

# What every temperature's result carries, null where it is not known.
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
        "arrhenius_bounds_used_K",
        "arrhenius_bounds_contradicting_K",
    ]
)


@dataclass(frozen=True)
class Displacements:
    """What independent runs of one candidate at one temperature say about motion, drift removed.

    Attributes
    ----------
    ion_msd_A2, host_msd_A2 : MSD, mean over the working ions and over the host's atoms of all runs;
        shape (F,) of the shortest run.
    frame_interval_ps : time between frames.
    ion_slopes_A2_per_ps, host_slopes_A2_per_ps : diffusivity of each atom of all runs.
    ion_observed_ps, host_observed_ps : how long each of them was watched.
    ion_tensors_A2_per_ps : diffusivity tensor of each working ion, shape (N, 3, 3).
    collective_msd_A2 : MSD of the sum of the ions' positions over their number, mean over runs, shape (F,).
    n_runs : runs.
    hops : what each working ion did.
    host : how the host fared, in the run where it fared worst.
    host_distances : radial distribution of the host, mean over runs.
    """

    ion_msd_A2: np.ndarray
    host_msd_A2: np.ndarray
    frame_interval_ps: float
    ion_slopes_A2_per_ps: np.ndarray
    host_slopes_A2_per_ps: np.ndarray
    ion_observed_ps: np.ndarray
    host_observed_ps: np.ndarray
    ion_tensors_A2_per_ps: np.ndarray
    collective_msd_A2: np.ndarray
    n_runs: int
    hops: Hops
    host: HostState
    host_distances: HostDistances

    def table(self) -> pd.DataFrame:
        """MSD against time, with the columns of ``ionsieve.tables.MSD``."""
        return pd.DataFrame(
            {
                "time_ps": np.arange(len(self.ion_msd_A2)) * self.frame_interval_ps,
                "msd_A2": self.ion_msd_A2,
                "host_msd_A2": self.host_msd_A2,
            }
        )


@dataclass(frozen=True)
class _Motion:
    """MSD of one set of atoms in one run: mean over them, shape (F,), and the slope of each."""

    msd_A2: np.ndarray
    slopes_A2_per_ps: np.ndarray
    observed_ps: np.ndarray


def displacements(
    trajectories: Sequence[Trajectory], working_ion: str, hop_distance_A: float
) -> Displacements:
    """MSDs, hops and the state of the host, over all runs.

    Parameters
    ----------
    trajectories : independent runs, each at constant cell, with frames equally far apart.
    working_ion : the element that moves.
    hop_distance_A : distance between neighbouring sites of the working ion.
    """
    interval_ps = trajectories[0].frame_interval_ps
    ion_motion, host_motion, tensors, collective, hops, hosts = [], [], [], [], [], []
    for trajectory in trajectories:
        ions = trajectory.numbers == atomic_numbers[working_ion]
        positions_A = without_drift(trajectory.positions_A, ~ions, atomic_masses[trajectory.numbers])
        ion_motion.append(_motion(positions_A, np.flatnonzero(ions), interval_ps))
        host_motion.append(_motion(positions_A, np.flatnonzero(~ions), interval_ps))
        tensors.append(_tensors_A2_per_ps(positions_A, np.flatnonzero(ions), interval_ps))
        collective.append(_collective_msd_A2(positions_A[:, ions]))
        hops.append(find_hops(positions_A[:, ions], interval_ps, ION_HOP_FRACTION * hop_distance_A))
        hosts.append(host_state(trajectory, positions_A, working_ion))
    return Displacements(
        ion_msd_A2=_mean_msd_A2(ion_motion),
        host_msd_A2=_mean_msd_A2(host_motion),
        frame_interval_ps=interval_ps,
        ion_slopes_A2_per_ps=np.concatenate([motion.slopes_A2_per_ps for motion in ion_motion]),
        host_slopes_A2_per_ps=np.concatenate([motion.slopes_A2_per_ps for motion in host_motion]),
        ion_observed_ps=np.concatenate([motion.observed_ps for motion in ion_motion]),
        host_observed_ps=np.concatenate([motion.observed_ps for motion in host_motion]),
        ion_tensors_A2_per_ps=np.concatenate(tensors),
        collective_msd_A2=_mean_over_runs(collective, [len(part) for part in tensors]),
        n_runs=len(trajectories),
        hops=Hops.pooled(hops),
        host=max(hosts, key=lambda host: host.mobile_fraction),
        host_distances=host_distances(trajectories, working_ion),
    )


def _motion(positions_A: np.ndarray, atoms: np.ndarray, frame_interval_ps: float) -> _Motion:
    total_A2, slopes = np.zeros(len(positions_A)), []
    for block_A in in_blocks(positions_A, atoms):
        msd_A2 = mean_squared_displacement_A2(block_A)
        total_A2 += msd_A2.sum(axis=1)
        slopes.append(ion_diffusivities_A2_per_ps(msd_A2, frame_interval_ps))
    time_ps = (len(positions_A) - 1) * frame_interval_ps
    return _Motion(total_A2 / atoms.size, np.concatenate(slopes), np.full(atoms.size, time_ps))


def _tensors_A2_per_ps(positions_A: np.ndarray, ions: np.ndarray, frame_interval_ps: float) -> np.ndarray:
    lags = fit_lags(len(positions_A), frame_interval_ps)
    return np.concatenate(
        [
            diffusion_tensors_A2_per_ps(displacement_covariance_A2(block_A), lags, frame_interval_ps)
            for block_A in in_blocks(positions_A, ions)
        ]
    )


def _collective_msd_A2(ion_positions_A: np.ndarray) -> np.ndarray:
    total_A = ion_positions_A.sum(axis=1, keepdims=True)
    return mean_squared_displacement_A2(total_A)[:, 0] / ion_positions_A.shape[1]


def _mean_msd_A2(motions: Sequence[_Motion]) -> np.ndarray:
    return _mean_over_runs(
        [motion.msd_A2 for motion in motions], [motion.slopes_A2_per_ps.size for motion in motions]
    )


def _mean_over_runs(curves: Sequence[np.ndarray], sizes: Sequence[int]) -> np.ndarray:
    shortest = min(len(curve) for curve in curves)
    return np.average([curve[:shortest] for curve in curves], axis=0, weights=sizes)


def transport_of(
    moved: Displacements,
    working_ion: str,
    temperature_K: float,
    n_ions: int,
    volume_A3: float,
    hop_distance_A: float,
    frame: CrystalFrame,
) -> dict[str, Any]:
    """Diffusivity and conductivity at one temperature, with the keys of ``NOT_KNOWN``, and what they hide:
    its anisotropy, and the correlation between ions.

    Parameters
    ----------
    moved : what the runs say.
    working_ion : the element that moves.
    temperature_K : of the runs.
    n_ions, volume_A3 : working ions in one cell, and its volume.
    hop_distance_A : distance between neighbouring sites of the working ion.
    frame : the crystal's symmetry and axes, oriented as in the runs.

    Raises
    ------
    CandidateFailed : the host diffuses or has melted: there is no conductivity of the crystal.
    """
    if moved.host.failure is not None:
        status, reason = moved.host.failure
        raise CandidateFailed(reason, status)
    result = diffusivity(moved.ion_slopes_A2_per_ps, moved.ion_observed_ps, moved.hops, hop_distance_A)
    if host_diffuses(moved.host_slopes_A2_per_ps, moved.host_observed_ps, result):
        raise CandidateFailed(
            f"host atoms diffuse at {host_diffusivity_cm2_per_s(moved):.1e} cm2/s, "
            f"the ions at {result.cm2_per_s:.1e} cm2/s",
            "host_diffusing",
        )

    def conductivity(value_cm2_per_s: float | None) -> float | None:
        if value_cm2_per_s is None:
            return None
        return conductivity_mS_per_cm(
            value_cm2_per_s, n_ions, volume_A3, ion_charge(working_ion), temperature_K
        )

    by_direction = None
    if result.kind == "value":
        by_direction = anisotropy(moved.ion_tensors_A2_per_ps, moved.ion_observed_ps, frame)
    return {
        **_diffusivity_columns(result),
        "anisotropy": None if by_direction is None else by_direction.columns(),
        "haven_ratio": asdict(_haven_ratio(moved, by_direction)),
        "conductivity_kind": result.kind,
        "conductivity_mS_per_cm": conductivity(result.cm2_per_s),
        "conductivity_low_mS_per_cm": conductivity(result.low_cm2_per_s),
        "conductivity_high_mS_per_cm": conductivity(result.high_cm2_per_s),
    }


def _haven_ratio(moved: Displacements, by_direction: Anisotropy | None) -> HavenRatio:
    n_hops = int(moved.hops.hops.sum())
    return haven_ratio(
        moved.ion_msd_A2,
        moved.collective_msd_A2,
        moved.frame_interval_ps,
        residence_ps=float(moved.ion_observed_ps.sum()) / n_hops if n_hops else math.inf,
        n_runs=moved.n_runs,
        dimensions=DIMENSIONS if by_direction is None else by_direction.dimensions,
    )


def host_diffuses(slopes_A2_per_ps: np.ndarray, observed_ps: np.ndarray, ions: Diffusivity) -> bool:
    """Whether the host surely (95 %, one-sided) diffuses at ``MAX_HOST_SHARE`` of the ions' rate."""
    mean, error = weighted_mean(slopes_A2_per_ps, observed_ps)
    if ions.cm2_per_s is None:
        return False
    return (mean - ONE_SIDED_95 * error) * CM2_PER_S_PER_A2_PER_PS > MAX_HOST_SHARE * ions.cm2_per_s


def host_diffusivity_cm2_per_s(moved: Displacements) -> float:
    """Slope of the host's MSD over 6: about zero for atoms that vibrate on their sites."""
    return weighted_mean(moved.host_slopes_A2_per_ps, moved.host_observed_ps)[0] * CM2_PER_S_PER_A2_PER_PS


def motion_of(moved: Displacements, n_ions: int, volume_A3: float) -> dict[str, Any]:
    """Counts over all runs and the host's figures: known also where there is no conductivity."""
    return {
        "n_ions": n_ions,
        "n_hops": int(moved.hops.hops.sum()),
        "n_ions_that_hopped": int((moved.hops.hops > 0).sum()),
        "n_second_hops": moved.hops.second_hops,
        "n_onward_hops": moved.hops.onward_hops,
        "sites_per_ion": float(moved.hops.sites.mean()),
        "volume_A3": volume_A3,
        "host": {
            "diffusivity_cm2_per_s": host_diffusivity_cm2_per_s(moved),
            "lindemann": moved.host.lindemann,
            "mobile_fraction": moved.host.mobile_fraction,
            "rdf_order_crystal": order(moved.host_distances.crystal),
            "rdf_order_start": order(moved.host_distances.start),
            "rdf_order_end": order(moved.host_distances.end),
            "msd_A2": float(moved.host_msd_A2[len(moved.host_msd_A2) // 2]),
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


def of_kind(temperatures: Sequence[Mapping[str, Any]], kind: str) -> list[Mapping[str, Any]]:
    """Temperatures that ended well with a ``value``, or with an ``upper_bound``."""
    return [entry for entry in temperatures if entry["status"] == OK and entry["conductivity_kind"] == kind]


def line_through(temperatures: Sequence[Mapping[str, Any]]) -> ArrheniusFit | None:
    """The Arrhenius line of one candidate; None with values at fewer than three temperatures."""
    fitted = of_kind(temperatures, "value")
    if len(fitted) < MIN_TEMPERATURES:
        return None
    return fit_arrhenius(
        [entry["temperature_K"] for entry in fitted],
        [
            Estimate(
                entry["diffusivity_cm2_per_s"],
                entry["diffusivity_low_cm2_per_s"],
                entry["diffusivity_high_cm2_per_s"],
            )
            for entry in fitted
        ],
        [
            (entry["temperature_K"], entry["diffusivity_high_cm2_per_s"])
            for entry in of_kind(temperatures, "upper_bound")
        ],
    )


def barrier(ordered: Sequence[dict[str, Any]], working_ion: str) -> dict[str, Any]:
    """Barrier and conductivity at 300 K; all null unless three temperatures have a value.

    Temperatures with only a bound narrow the interval, or are named as contradicting the line.
    """
    fit = line_through(ordered)
    if fit is None:
        return dict(NO_BARRIER)
    fitted, bounded = of_kind(ordered, "value"), of_kind(ordered, "upper_bound")
    bounds_K = [entry["temperature_K"] for entry in bounded]
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
        "arrhenius_bounds_used_K": [
            kelvin for index, kelvin in enumerate(bounds_K) if index not in fit.contradicting
        ],
        "arrhenius_bounds_contradicting_K": [bounds_K[index] for index in fit.contradicting],
    }


def _diffusivity_columns(result: Diffusivity) -> dict[str, float | None]:
    return {
        "diffusivity_cm2_per_s": result.cm2_per_s,
        "diffusivity_low_cm2_per_s": result.low_cm2_per_s,
        "diffusivity_high_cm2_per_s": result.high_cm2_per_s,
    }

"""ASE's integrators as a protocol wants them, and their state, so that a run can go on where it stopped.

The total momentum is zero and stays zero, so 3N - 3 degrees of freedom carry the kinetic energy; the
thermostats, which count 3N, are set accordingly.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter

import numpy as np
from ase import Atoms, units
from ase.md.nose_hoover_chain import MTKNPT, IsotropicMTKNPT, NoseHooverChainNVT
from ase.md.nptberendsen import NPTBerendsen

from ionsieve.transport.protocol import Protocol

# Of a stiff oxide. With it the cell follows the pressure within the thermostat's time; softer crystals
# take proportionally longer.
COMPRESSIBILITY_PER_GPA = 1 / 100

Integrator = NPTBerendsen | IsotropicMTKNPT | MTKNPT | NoseHooverChainNVT
Builder = Callable[[Atoms, Protocol], Integrator]

# What an integrator remembers from one step to the next beside positions, momenta and cell of its atoms.
# ASE writes none of it; a test compares 50 + 50 steps with 100.
_CHAIN = ("_thermostat._eta", "_thermostat._p_eta")
_MEMORY: dict[type, tuple[str, ...]] = {
    NPTBerendsen: (),
    IsotropicMTKNPT: (
        *_CHAIN, "_q", "_p", "_eps", "_p_eps", "_cell0", "_volume0", "_barostat._xi", "_barostat._p_xi",
    ),
    MTKNPT: (*_CHAIN, "_q", "_p", "_h", "_p_g", "_barostat._xi", "_barostat._p_xi"),
    NoseHooverChainNVT: (*_CHAIN, "_q", "_p"),
}  # fmt: skip


def relaxing_npt(atoms: Atoms, protocol: Protocol) -> NPTBerendsen:
    """NPT that cannot overshoot: Berendsen."""
    return NPTBerendsen(
        atoms,
        timestep=protocol.timestep_fs * units.fs,
        temperature_K=_thermostat_temperature_K(atoms, protocol),
        pressure_au=protocol.pressure_GPa * units.GPa,
        taut=protocol.thermostat_fs * units.fs,
        taup=protocol.thermostat_fs * units.fs,
        compressibility_au=COMPRESSIBILITY_PER_GPA / units.GPa,
    )


def sampling_npt(atoms: Atoms, protocol: Protocol) -> IsotropicMTKNPT | MTKNPT:
    """NPT that samples the isothermal-isobaric ensemble: Martyna-Tobias-Klein, volume alone or whole cell."""
    ensemble = MTKNPT if protocol.npt_cell == "full" else IsotropicMTKNPT
    return ensemble(
        atoms,
        timestep=protocol.timestep_fs * units.fs,
        temperature_K=_thermostat_temperature_K(atoms, protocol),
        pressure_au=protocol.pressure_GPa * units.GPa,
        tdamp=protocol.thermostat_fs * units.fs,
        pdamp=protocol.barostat_fs * units.fs,
    )


def nvt(atoms: Atoms, protocol: Protocol) -> NoseHooverChainNVT:
    """NVT that samples the canonical ensemble: Nose-Hoover chains."""
    return NoseHooverChainNVT(
        atoms,
        timestep=protocol.timestep_fs * units.fs,
        temperature_K=_thermostat_temperature_K(atoms, protocol),
        tdamp=protocol.thermostat_fs * units.fs,
    )


def state_of(dynamics: Integrator) -> dict[str, np.ndarray]:
    """All that the next step depends on: of the atoms, of thermostat and barostat; copies."""
    atoms = dynamics.atoms
    state = {
        "positions": atoms.get_positions(),
        "momenta": atoms.get_momenta(),
        "cell": atoms.cell.array.copy(),
    }
    for name in _MEMORY[type(dynamics)]:
        state[name] = np.array(attrgetter(name)(dynamics))
    return state


def restored(build: Builder, atoms: Atoms, protocol: Protocol, state: Mapping[str, np.ndarray]) -> Integrator:
    """The integrator that ``build`` makes, in the state that :func:`state_of` gave.

    Parameters
    ----------
    build : what made the integrator of that state.
    atoms : the atoms of that run with their calculator; moved to where they were.
    protocol : that of the run.
    state : from :func:`state_of`.
    """
    atoms.set_cell(state["cell"], scale_atoms=False)
    atoms.set_positions(state["positions"])
    atoms.set_momenta(state["momenta"])
    dynamics = build(atoms, protocol)
    for name in _MEMORY[type(dynamics)]:
        owner, _, attribute = name.rpartition(".")
        value = state[name]
        setattr(
            attrgetter(owner)(dynamics) if owner else dynamics,
            attribute,
            value.copy() if value.ndim else value[()],  # a numpy scalar: Python's own powers round otherwise
        )
    return dynamics


def _thermostat_temperature_K(atoms: Atoms, protocol: Protocol) -> float:
    return protocol.temperature_K * (len(atoms) - 1) / len(atoms)

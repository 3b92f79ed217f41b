"""The working ions IonSieve knows: charge number and metal reference of each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkingIon:
    """A working ion and the metal that its voltage refers to.

    Attributes
    ----------
    symbol : element symbol.
    charge : charge number z of the ion.
    metal_structure : ground-state structure of the metal, in ASE's names (bcc, fcc, hcp).
    metal_a_A : experimental lattice parameter a in angstrom; a starting point for relaxation.
    metal_c_over_a : c/a of hexagonal metals, None for cubic ones.
    """

    symbol: str
    charge: int
    metal_structure: str
    metal_a_A: float
    metal_c_over_a: float | None = None


# Lattice parameters: room-temperature values of the CRC Handbook, 97th edition, section 12.
WORKING_IONS: dict[str, WorkingIon] = {
    ion.symbol: ion
    for ion in (
        WorkingIon("Li", 1, "bcc", 3.51),
        WorkingIon("Na", 1, "bcc", 4.29),
        WorkingIon("K", 1, "bcc", 5.33),
        WorkingIon("Rb", 1, "bcc", 5.59),
        WorkingIon("Cs", 1, "bcc", 6.14),
        WorkingIon("Mg", 2, "hcp", 3.21, 1.624),
        WorkingIon("Ca", 2, "fcc", 5.59),
        WorkingIon("Zn", 2, "hcp", 2.66, 1.856),
        WorkingIon("Al", 3, "fcc", 4.05),
        WorkingIon("Y", 3, "hcp", 3.65, 1.571),
    )
}


def ion_charge(symbol: str) -> int:
    """Charge number z of a working ion.

    Raises
    ------
    KeyError : the element is not one of the working ions; the message lists them.
    """
    if symbol not in WORKING_IONS:
        raise KeyError(f"{symbol!r} is not a working ion; known: {', '.join(WORKING_IONS)}")
    return WORKING_IONS[symbol].charge

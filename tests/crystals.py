"""Crystals that many tests share, built from their fractional coordinates.

pymatgen's ``from_spacegroup`` multiplies out the 192 operations of a cubic group at each call, for a second
or more; a test that wants a rock salt need not pay that.
"""

import numpy as np
from pymatgen.core import Lattice, Structure

FACE_CENTRED = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def rock_salt(cation: str, anion: str, a_A: float) -> Structure:
    """The conventional cell of eight atoms, cations first."""
    return Structure(
        Lattice.cubic(a_A), [cation] * 4 + [anion] * 4, np.vstack([FACE_CENTRED, FACE_CENTRED + 0.5]) % 1.0
    )

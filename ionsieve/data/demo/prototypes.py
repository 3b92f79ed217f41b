"""Host prototypes from their crystallographic facts: space group, cell, occupied Wyckoff positions.

A prototype is written for one reference compound, from the structure report named beside it, with
coordinates rounded to what a starting point for a relaxation needs. Sites carry roles instead of
elements: ``A`` is the working ion, ``M`` the redox metal, ``T`` the centre of an oxoanion or cyanide,
``X`` the anion, ``Y`` a second anion, ``L`` a second metal. Decorated with other elements, the cell
is scaled by the ratio of ionic radii and then left to the relaxation.

All cells built here are primitive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from ase import Atoms
from ase.spacegroup import crystal

# Effective ionic radii in angstrom, coordination number six, of the charge common in insertion
# hosts: R. D. Shannon, Acta Cryst. A32, 751 (1976). They only set the size of the starting cell.
IONIC_RADIUS_A: dict[str, float] = {
    "Li": 0.76, "Na": 1.02, "K": 1.38, "Mg": 0.72, "Ca": 1.00, "Zn": 0.74, "Al": 0.535,
    "Sc": 0.745, "Ti": 0.67, "V": 0.64, "Cr": 0.615, "Mn": 0.645, "Fe": 0.645, "Co": 0.61, "Ni": 0.60,
    "Cu": 0.73, "Ga": 0.62, "Y": 0.90, "Zr": 0.72, "Nb": 0.68, "Mo": 0.65, "Ru": 0.68, "Rh": 0.665,
    "In": 0.80, "Sn": 0.69, "Hf": 0.71, "Ta": 0.68, "W": 0.66, "Re": 0.63, "Ir": 0.625, "Pt": 0.625,
    "N": 1.46, "O": 1.40, "F": 1.33, "S": 1.84, "Cl": 1.81, "Se": 1.98, "Br": 1.96, "Te": 2.21,
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """One occupied Wyckoff position: its role and the fractional coordinates of one of its points."""

    role: str
    position: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Prototype:
    """A host with its working ion, as crystallographic facts.

    Attributes
    ----------
    name : short name, part of the ids.
    space_group : number in the International Tables.
    cell : a, b, c in angstrom and alpha, beta, gamma in degrees of the conventional cell (hexagonal
        axes for rhombohedral groups) of the reference compound.
    sites : occupied Wyckoff positions.
    reference : element of each role in the reference compound.
    source : where the structure was reported.
    setting : origin choice, where the International Tables list two (ASE's ``setting``).
    """

    name: str
    space_group: int
    cell: tuple[float, float, float, float, float, float]
    sites: tuple[Site, ...]
    reference: Mapping[str, str]
    source: str
    setting: int = 1


def _prototype(
    name: str,
    space_group: int,
    cell: tuple[float, float, float, float, float, float],
    reference: str,
    source: str,
    sites: Mapping[str, list[tuple[float, float, float]]],
    setting: int = 1,
) -> tuple[str, Prototype]:
    """A named prototype; ``reference`` reads "A=Li M=Co X=O"."""
    roles = dict(pair.split("=") for pair in reference.split())
    listed = tuple(Site(role, position) for role, positions in sites.items() for position in positions)
    return name, Prototype(name, space_group, cell, listed, roles, source, setting)


def _cubic(a: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, a, 90, 90, 90)


def _orthogonal(a: float, b: float, c: float) -> tuple[float, float, float, float, float, float]:
    return (a, b, c, 90, 90, 90)


def _hexagonal(a: float, c: float) -> tuple[float, float, float, float, float, float]:
    return (a, a, c, 90, 90, 120)


THIRD, TWO_THIRDS = 1 / 3, 2 / 3
_OLIVINE = {
    "T": [(0.095, 0.25, 0.418)],
    "X": [(0.097, 0.25, 0.743), (0.457, 0.25, 0.206), (0.166, 0.047, 0.285)],
}
_OLIVINE_4A, _OLIVINE_4C = (0.0, 0.0, 0.0), (0.282, 0.25, 0.975)

PROTOTYPES: dict[str, Prototype] = dict(
    [
        _prototype(
            "O3", 166, _hexagonal(2.82, 14.05), "A=Li M=Co X=O",
            "layered LiCoO2: Orman and Wiseman, Acta Cryst. C40, 12 (1984)",
            {"M": [(0, 0, 0)], "A": [(0, 0, 0.5)], "X": [(0, 0, 0.260)]},
        ),
        _prototype(
            "P2", 194, _hexagonal(2.83, 11.0), "A=Na M=Co X=O",
            "layered NaxCoO2: Fouassier et al., J. Solid State Chem. 6, 532 (1973)",
            {"M": [(0, 0, 0)], "A": [(TWO_THIRDS, THIRD, 0.25)], "X": [(THIRD, TWO_THIRDS, 0.091)]},
        ),
        _prototype(
            "1T", 164, _hexagonal(3.45, 6.19), "A=Li M=Ti X=S",
            "LiTiS2: Dahn et al., Can. J. Phys. 58, 207 (1980)",
            {"M": [(0, 0, 0)], "A": [(0, 0, 0.5)], "X": [(THIRD, TWO_THIRDS, 0.233)]},
        ),
        _prototype(
            "spinel", 227, _cubic(8.08), "A=Mg M=Al X=O",
            "MgAl2O4: Yamanaka and Takeuchi, Z. Kristallogr. 165, 65 (1983)",
            {"A": [(0.125, 0.125, 0.125)], "M": [(0.5, 0.5, 0.5)], "X": [(0.2625, 0.2625, 0.2625)]},
            setting=2,
        ),
        _prototype(
            "postspinel", 62, _orthogonal(9.23, 3.02, 10.70), "A=Ca M=Fe X=O",
            "CaFe2O4: Decker and Kasper, Acta Cryst. 10, 332 (1957)",
            {
                "A": [(0.757, 0.25, 0.655)],
                "M": [(0.433, 0.25, 0.612), (0.420, 0.25, 0.105)],
                "X": [(0.208, 0.25, 0.163), (0.117, 0.25, 0.474), (0.521, 0.25, 0.783), (0.427, 0.25, 0.424)],
            },
        ),
        _prototype(
            "olivine", 62, _orthogonal(10.33, 6.01, 4.69), "A=Li M=Fe X=O T=P",
            "LiFePO4: Streltsov et al., Acta Cryst. B49, 147 (1993)",
            {"A": [_OLIVINE_4A], "M": [_OLIVINE_4C], **_OLIVINE},
        ),
        _prototype(
            "monticellite", 62, _orthogonal(11.08, 6.38, 4.82), "A=Ca M=Mg X=O T=Si",
            "CaMgSiO4, the olivine with the ion on 4c: Onken, Tschermaks Min. Petr. Mitt. 10, 34 (1965)",
            {"A": [_OLIVINE_4C], "M": [_OLIVINE_4A], **_OLIVINE},
        ),
        _prototype(
            "anatase", 141, (4.05, 4.05, 8.74, 90, 90, 90), "A=Li M=Fe X=O",
            "LiFeO2, anatase when empty: Anderson and Schieber, J. Phys. Chem. Solids 25, 961 (1964)",
            {"M": [(0, 0, 0)], "A": [(0, 0, 0.5)], "X": [(0, 0, 0.235)]},
        ),
        _prototype(
            "perovskite", 221, _cubic(3.73), "A=Ca M=Mn X=O",
            "CaMnO3, ReO3 type when empty: Yakel, Acta Cryst. 8, 394 (1955)",
            {"A": [(0.5, 0.5, 0.5)], "M": [(0, 0, 0)], "X": [(0.5, 0, 0)]},
        ),
        _prototype(
            "ilmenite", 148, _hexagonal(5.088, 14.08), "A=Mg M=Ti X=O",
            "FeTiO3 and MgTiO3: Wechsler and Prewitt, Am. Mineral. 69, 176 (1984)",
            {"A": [(0, 0, 0.355)], "M": [(0, 0, 0.146)], "X": [(0.317, 0.023, 0.245)]},
        ),
        _prototype(
            "dolomite", 148, _hexagonal(4.81, 16.00), "A=Ca M=Mg X=O T=C",
            "CaMg(CO3)2: Reeder and Wenk, Am. Mineral. 68, 769 (1983)",
            {"A": [(0, 0, 0)], "M": [(0, 0, 0.5)], "T": [(0, 0, 0.243)], "X": [(0.248, -0.035, 0.244)]},
        ),
        _prototype(
            "wolframite", 13, (4.60, 5.66, 4.91, 90, 90.1, 90), "A=Mg M=W X=O",
            "NiWO4 and MgWO4: Keeling, Acta Cryst. 10, 209 (1957)",
            {"A": [(0.5, 0.66, 0.25)], "M": [(0, 0.18, 0.25)], "X": [(0.22, 0.11, 0.92), (0.26, 0.38, 0.39)]},
        ),
        _prototype(
            "trirutile", 136, (4.66, 4.66, 9.24, 90, 90, 90), "A=Zn M=Sn X=O",
            "ZnSb2O6: Bystroem et al., Ark. Kemi Mineral. Geol. 15B, 1 (1941)",
            {"A": [(0, 0, 0)], "M": [(0, 0, 0.333)], "X": [(0.31, 0.31, 0), (0.30, 0.30, 0.325)]},
        ),
        _prototype(
            "alphaV2O5", 59, _orthogonal(11.51, 3.56, 4.37), "A=Li M=V X=O",
            "V2O5, the ion between the layers: Enjalbert and Galy, Acta Cryst. C42, 1467 (1986)",
            {
                "A": [(0.25, 0.75, 0.64)],
                "M": [(0.101, 0.25, 0.892)],
                "X": [(0.104, 0.25, 0.531), (0.931, 0.25, 0.005), (0.25, 0.25, 0.005)],
            },
            setting=2,
        ),
        _prototype(
            "deltaV2O5", 63, _orthogonal(3.69, 9.97, 11.02), "A=Mg M=V X=O",
            "MgV2O5: Millet et al., Phys. Rev. B 57, 5005 (1998)",
            {
                "A": [(0.5, 0.39, 0.25)],
                "M": [(0, 0.20, 0.098)],
                "X": [(0.5, 0.20, 0.75), (0, 0.235, 0.577), (0, 0.04, 0.128)],
            },
        ),
        _prototype(
            "chevrel", 148, _hexagonal(9.19, 10.88), "A=Mg M=Mo X=S",
            "PbMo6S8: Marezio et al., Mater. Res. Bull. 8, 657 (1973)",
            {
                "A": [(0, 0, 0)],
                "M": [(0.0165, 0.1763, 0.400)],
                "X": [(-0.2915, 0.0330, 0.418), (0, 0, 0.249)],
            },
        ),
        _prototype(
            "tavorite", 2, (5.17, 5.31, 7.26, 107.6, 107.9, 98.4), "A=Li M=V X=O T=P Y=F",
            "LiVPO4F: Ateba Mba et al., Chem. Mater. 24, 1223 (2012)",
            {
                "A": [(0.75, 0.62, 0.75)],
                "M": [(0.5, 0, 0), (0.5, 0, 0.5)],
                "T": [(0.17, 0.38, 0.76)],
                "X": [(0.365, 0.345, 0.63), (0.255, 0.265, 0.935), (0.825, 0.325, 0.145), (0.13, 0.73, 0.38)],
                "Y": [(0.40, 0.085, 0.25)],
            },
        ),
        _prototype(
            "prussian", 216, _cubic(10.2), "A=K M=Fe L=Fe T=C X=N",
            "KFe[Fe(CN)6], Berlin green when empty: Keggin and Miles, Nature 137, 577 (1936)",
            {
                "A": [(0.25, 0.25, 0.25)],
                "M": [(0, 0, 0)],
                "L": [(0.5, 0.5, 0.5)],
                "X": [(0.205, 0, 0)],
                "T": [(0.318, 0, 0)],
            },
        ),
        _prototype(
            "FeOCl", 59, _orthogonal(3.77, 3.30, 7.92), "A=Li M=Fe X=O Y=Cl",
            "FeOCl, the ion between the layers: Lind, Acta Cryst. B26, 1058 (1970)",
            {
                "A": [(0.25, 0.75, 0.50)],
                "M": [(0.25, 0.75, 0.116)],
                "X": [(0.25, 0.25, 0.952)],
                "Y": [(0.25, 0.25, 0.330)],
            },
            setting=2,
        ),
        _prototype(
            "chalcopyrite", 122, (5.29, 5.29, 10.42, 90, 90, 90), "A=Zn M=Fe X=S",
            "CuFeS2: Hall and Stewart, Acta Cryst. B29, 579 (1973)",
            {"A": [(0, 0, 0)], "M": [(0, 0, 0.5)], "X": [(0.257, 0.25, 0.125)]},
        ),
        _prototype(
            "rocksalt", 225, _cubic(4.21), "A=Mg X=O",
            "MgO: Sasaki et al., Proc. Japan Acad. B55, 43 (1979)",
            {"A": [(0, 0, 0)], "X": [(0.5, 0.5, 0.5)]},
        ),
        _prototype(
            "rutile", 136, (4.62, 4.62, 3.05, 90, 90, 90), "A=Mg X=F",
            "MgF2: Baur, Acta Cryst. B32, 2200 (1976)",
            {"A": [(0, 0, 0)], "X": [(0.303, 0.303, 0)]},
        ),
    ]
)  # fmt: skip


def build(prototype: Prototype, elements: Mapping[str, str | tuple[str, str]]) -> Atoms:
    """The primitive cell of a prototype with other elements, scaled to their ionic radii.

    Parameters
    ----------
    prototype : the host.
    elements : element of each role; two for a mixed metal, which then alternate over the sites of
        the role in the order in which the space group generates them.

    Raises
    ------
    ValueError : the roles are not those of the prototype.
    """
    if set(elements) != set(prototype.reference):
        raise ValueError(
            f"{prototype.name} has the roles {sorted(prototype.reference)}, got {sorted(elements)}"
        )
    atoms, roles = _primitive_cell(prototype)
    symbols = np.empty(len(atoms), dtype="<U2")
    for role, chosen in elements.items():
        alternating = (chosen,) if isinstance(chosen, str) else chosen
        sites = np.flatnonzero(roles == role)
        symbols[sites] = np.resize(np.asarray(alternating), sites.size)
    scale = _size_A(elements) / _size_A(prototype.reference)
    return Atoms(
        symbols.tolist(),
        cell=atoms.cell.array * scale,
        scaled_positions=atoms.get_scaled_positions(),
        pbc=True,
    )


@cache
def _primitive_cell(prototype: Prototype) -> tuple[Atoms, np.ndarray]:
    """The primitive cell of the reference compound, and the role of each of its sites, shape (sites,)."""
    # A placeholder element for each role carries it through the symmetry operations.
    roles = list(prototype.reference)
    atoms = crystal(
        symbols=[roles.index(site.role) + 1 for site in prototype.sites],
        basis=[site.position for site in prototype.sites],
        spacegroup=prototype.space_group,
        setting=prototype.setting,
        cellpar=prototype.cell,
        primitive_cell=True,
    )
    return atoms, np.asarray(roles)[atoms.numbers - 1]


def _size_A(elements: Mapping[str, str | tuple[str, str]]) -> float:
    """Length of the chain ion-anion-metal, the measure by which a cell is scaled, in angstrom."""
    length = 0.0
    for role, weight in (("A", 1.0), ("M", 1.0), ("X", 2.0)):
        if role in elements:
            chosen = elements[role]
            members = (chosen,) if isinstance(chosen, str) else chosen
            length += weight * float(np.mean([IONIC_RADIUS_A[symbol] for symbol in members]))
    return length

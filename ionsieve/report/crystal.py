"""A crystal as spheres and sticks: for the 3D viewer, and as a drawing for those who look at many.

Colours say what an atom is for: the working ion, metals of the host, anions. Text beside the picture names
them, so that no reader depends on colours.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import atomic_numbers, covalent_radii
from markupsafe import Markup, escape

from ionsieve.report.figures import BLUE, GREEN, GREY, OLIVE, ORANGE, PURPLE, SKY, VERMILLION
from ionsieve.report.sources import IonPaths

ANIONS = ("Br", "Cl", "F", "I", "N", "O", "S", "Se", "Te")
CATION_COLOURS = (BLUE, GREEN, PURPLE, ORANGE)
ANION_COLOURS = (GREY, OLIVE, SKY)
# Atoms are bonded where they are nearer than this multiple of the sum of their covalent radii.
BOND_REACH = 1.18
# An atom on a face of the cell stands on the opposite face too.
ON_FACE = 0.02
# Seen from a little above and beside the first axis.
VIEW_DEGREES = (12.0, 18.0)


@dataclass(frozen=True)
class Scene:
    """Atoms, bonds and what else is drawn.

    Attributes
    ----------
    elements : symbol of each atom.
    positions_A : shape (N, 3).
    bonds : pairs of atoms.
    cell_A : lattice vectors as rows, or None where no cell is drawn.
    paths_A : ways of ions, each of shape (P, 3).
    colours : by element.
    """

    elements: Sequence[str]
    positions_A: np.ndarray
    bonds: np.ndarray
    cell_A: np.ndarray | None
    paths_A: Sequence[np.ndarray]
    colours: dict[str, str]

    def to_document(self) -> dict[str, Any]:
        """What the viewer reads: coordinates in hundredths of an angstrom, which keeps the page small."""
        return {
            "elements": list(self.elements),
            "positions": _hundredths(self.positions_A),
            "bonds": self.bonds.ravel().tolist(),
            "cell": None if self.cell_A is None else _hundredths(self.cell_A),
            "paths": [_hundredths(path_A) for path_A in self.paths_A],
            "colours": self.colours,
        }


def crystal_scene(cif: str, working_ion: str) -> Scene:
    """The unit cell of a CIF, with the atoms on its faces on both sides and the host's polyhedra complete."""
    from ase import Atoms
    from ase.io import read

    crystal = read(io.StringIO(cif), format="cif")
    assert isinstance(crystal, Atoms)
    elements, fractions = [], []
    for symbol, place in zip(crystal.symbols, crystal.get_scaled_positions(), strict=True):
        base = np.where(place > 1 - ON_FACE, place - 1.0, place)
        for shift in np.ndindex(*(2 if abs(value) < ON_FACE else 1 for value in base)):
            elements.append(symbol)
            fractions.append(base + shift)
    cell_A = crystal.cell.array
    positions_A = np.array(fractions) @ cell_A
    beyond, beyond_A = _anions_beyond(crystal, elements, positions_A, working_ion)
    elements, positions_A = [*elements, *beyond], np.concatenate([positions_A, beyond_A])
    colours = element_colours(crystal.symbols, working_ion)
    bonds = _bonds(elements, positions_A, working_ion)
    return Scene(elements, positions_A, bonds, cell_A, (), colours)


def path_scene(paths: IonPaths, working_ion: str) -> Scene:
    """Ways of ions through the host around them."""
    table = paths.table
    places_A = table[["x_A", "y_A", "z_A"]].to_numpy()
    on_path = table["path"].notna().to_numpy()
    elements = table["element"][~on_path].tolist()
    host_A = places_A[~on_path]
    ways_A = [
        places_A[on_path & (table["path"] == number).to_numpy(dtype=bool, na_value=False)]
        for number in sorted(table["path"].dropna().unique())
    ]
    return Scene(
        elements,
        host_A,
        _bonds(elements, host_A, working_ion),
        None,
        ways_A,
        element_colours([working_ion, *elements], working_ion),
    )


def element_colours(elements: Iterable[str], working_ion: str) -> dict[str, str]:
    """Colours by element: the working ion's own, then cations and anions in alphabetical order."""
    present = sorted(set(elements) - {working_ion})
    anions = [name for name in present if name in ANIONS]
    cations = [name for name in present if name not in anions]
    colours = {working_ion: VERMILLION} if working_ion else {}
    colours |= {name: CATION_COLOURS[place % len(CATION_COLOURS)] for place, name in enumerate(cations)}
    return colours | {name: ANION_COLOURS[place % len(ANION_COLOURS)] for place, name in enumerate(anions)}


def drawing(scene: Scene, label: str, size_px: int = 260) -> Markup:
    """The scene as SVG, far atoms behind near ones; ``label`` is for who cannot see it."""
    turned_A = _turned(scene.positions_A)
    corners_A = _turned(_corners(scene.cell_A)) if scene.cell_A is not None else turned_A
    reach_A = np.concatenate([turned_A, corners_A])
    low, high = reach_A.min(axis=0) - 1.0, reach_A.max(axis=0) + 1.0
    scale = size_px / max(high[0] - low[0], high[1] - low[1])
    width, height = (scale * (high - low))[:2]

    def at(place: np.ndarray) -> tuple[str, str]:
        return f"{scale * (place[0] - low[0]):.1f}", f"{height - scale * (place[1] - low[1]):.1f}"

    shapes: list[tuple[float, str]] = []
    for one, other in _edges(corners_A) if scene.cell_A is not None else ():
        (x1, y1), (x2, y2) = at(one), at(other)
        shapes.append((-np.inf, f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="cell"/>'))
    for first, second in scene.bonds:
        (x1, y1), (x2, y2) = at(turned_A[first]), at(turned_A[second])
        depth = float(turned_A[[first, second], 2].mean()) - 0.3
        shapes.append((depth, f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="bond"/>'))
    for element, place in zip(scene.elements, turned_A, strict=True):
        x, y = at(place)
        radius = scale * sphere_radius_A(element)
        colour = scene.colours[element]
        shapes.append((float(place[2]), f'<circle cx="{x}" cy="{y}" r="{radius:.1f}" fill="{colour}"/>'))
    drawn = "".join(shape for _, shape in sorted(shapes, key=lambda entry: entry[0]))
    return Markup(
        f'<svg class="crystal" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(label)}">{drawn}</svg>'
    )


def sphere_radius_A(element: str) -> float:
    """Radius of an atom's sphere in pictures."""
    return 0.25 + 0.25 * float(covalent_radii[atomic_numbers[element]])


def _bonds(elements: Sequence[str], positions_A: np.ndarray, working_ion: str) -> np.ndarray:
    """Pairs of a host cation and an anion that are near enough; the working ion stays free."""
    if not len(elements):
        return np.empty((0, 2), dtype=int)
    anion = np.isin(elements, ANIONS)
    host = ~anion & (np.array(elements) != working_ion)
    radii_A = covalent_radii[[atomic_numbers[name] for name in elements]]
    apart_A = np.linalg.norm(positions_A[:, None] - positions_A, axis=2)
    near = apart_A <= BOND_REACH * (radii_A[:, None] + radii_A)
    return np.argwhere(near & host[:, None] & anion)


def _anions_beyond(
    crystal: Any, elements: Sequence[str], positions_A: np.ndarray, working_ion: str
) -> tuple[list[str], np.ndarray]:
    """Anions of neighbouring cells that are bonded to the cations shown."""
    shifts_A = np.array([np.array(shift) - 1 for shift in np.ndindex(3, 3, 3)]) @ crystal.cell.array
    anions = np.flatnonzero(np.isin(crystal.symbols, ANIONS))
    inside_A = crystal.get_scaled_positions()[anions] @ crystal.cell.array
    symbols = np.tile(np.array(crystal.symbols, dtype=object)[anions], len(shifts_A)).tolist()
    images_A = (shifts_A[:, None] + inside_A).reshape(-1, 3)
    if not len(images_A):
        return [], np.empty((0, 3))
    new = np.linalg.norm(images_A[:, None] - positions_A, axis=2).min(axis=1) > 0.1
    host = ~np.isin(elements, (*ANIONS, working_ion))
    radii_A = covalent_radii[[atomic_numbers[name] for name in elements]]
    own_A = covalent_radii[[atomic_numbers[name] for name in symbols]]
    apart_A = np.linalg.norm(images_A[:, None] - positions_A, axis=2)
    bonded = (apart_A <= BOND_REACH * (own_A[:, None] + radii_A))[:, host].any(axis=1)
    chosen = np.flatnonzero(new & bonded)
    return [symbols[index] for index in chosen], images_A[chosen]


def _turned(positions_A: np.ndarray) -> np.ndarray:
    up, side = np.radians(VIEW_DEGREES)
    about_y = np.array([[np.cos(side), 0, np.sin(side)], [0, 1, 0], [-np.sin(side), 0, np.cos(side)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(up), -np.sin(up)], [0, np.sin(up), np.cos(up)]])
    return positions_A @ (about_x @ about_y).T


def _corners(cell_A: np.ndarray) -> np.ndarray:
    return np.array(list(np.ndindex(2, 2, 2))) @ cell_A


def _edges(corners_A: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The twelve edges between corners in the order of :func:`_corners`."""
    return [(corners_A[one], corners_A[one | bit]) for one in range(8) for bit in (1, 2, 4) if not one & bit]


def _hundredths(places_A: np.ndarray) -> list[int]:
    return np.round(100 * np.asarray(places_A)).astype(int).ravel().tolist()

"""Which ions, metals and anions each prototype is decorated with: the list of the demo set.

Electrodes and candidates must not share a framework (the host without its ion), whatever the ion.
Single-metal oxide, sulphide and fluoride hosts belong to the electrodes; candidates take what is
held out from them: other pairs of metals, other oxoanions, other clusters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations

import numpy as np
from pymatgen.core import Composition

from ionsieve.data.demo.prototypes import PROTOTYPES, build
from ionsieve.electrochemistry import framework_formula

Elements = dict[str, str | tuple[str, str]]

METALS_3D = ("Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni")
# Of the 21 pairs of those metals, six are for electrodes and fifteen for candidates.
ELECTRODE_PAIRS = (("Ti", "V"), ("Ti", "Fe"), ("V", "Mn"), ("Cr", "Co"), ("Mn", "Fe"), ("Co", "Ni"))
CANDIDATE_PAIRS = tuple(pair for pair in combinations(METALS_3D, 2) if pair not in ELECTRODE_PAIRS)

# Known references among the candidates. MgSc2Se4 conducts Mg well: Canepa et al., Nat. Commun. 8,
# 1759 (2017); so does the Chevrel phase: Aurbach et al., Nature 407, 724 (2000). In the close-packed
# oxides and in MgF2 the ion does not move on the time scale of MD.
FAST_CONTROLS = ("demo-MgSc2Se4-spinel", "demo-MgMo6S8-chevrel")
FROZEN_CONTROLS = ("demo-MgO-rocksalt", "demo-Mg2SiO4-olivine", "demo-MgF2-rutile")


@dataclass(frozen=True)
class Decoration:
    """A prototype with the element of each role, as an electrode or a candidate.

    Attributes
    ----------
    role : "electrode" (relaxed discharged and charged) or "candidate" (relaxed discharged only).
    prototype : key of :data:`ionsieve.data.demo.prototypes.PROTOTYPES`.
    elements : element, or two, of each of the prototype's roles; "A" is the working ion.
    """

    role: str
    prototype: str
    elements: Elements

    @property
    def working_ion(self) -> str:
        """Symbol of the ion that leaves on charging."""
        ion = self.elements["A"]
        assert isinstance(ion, str)
        return ion

    @cached_property
    def composition(self) -> Composition:
        """Composition of the discharged primitive cell."""
        return Composition(build(PROTOTYPES[self.prototype], self.elements).get_chemical_formula())

    @property
    def framework(self) -> str:
        """Reduced formula without the working ion."""
        return framework_formula(self.composition, self.working_ion)

    @property
    def record_id(self) -> str:
        """``demo-{formula}-{prototype}``: ion first, then metals, oxoanion centre, anions."""
        amounts = self.composition.get_el_amt_dict()
        divisor = np.gcd.reduce([int(amount) for amount in amounts.values()])
        formula = ""
        for symbol in dict.fromkeys(self._symbols_in_order()):
            amount = int(amounts[symbol]) // divisor
            formula += symbol + (str(amount) if amount > 1 else "")
        return f"demo-{formula}-{self.prototype}"

    def _symbols_in_order(self) -> Iterator[str]:
        for role in ("A", "M", "L", "T", "X", "Y"):
            chosen = self.elements.get(role, ())
            yield from (chosen,) if isinstance(chosen, str) else chosen


def _grid(
    role: str,
    prototype: str,
    ions: Sequence[str],
    metals: Sequence[str | tuple[str, str]],
    anion: str,
    **others: str,
) -> Iterator[Decoration]:
    """Every ion with every metal (or pair of metals) of a prototype."""
    for ion in ions:
        for metal in metals:
            yield Decoration(role, prototype, {"A": ion, "M": metal, "X": anion, **others})


def _electrodes() -> Iterator[Decoration]:
    yield from _electrode_oxides()
    yield from _electrode_chalcogenides()
    yield from _electrode_fluorides()
    yield from _electrode_polyanions()


def _electrode_oxides() -> Iterator[Decoration]:
    def grid(
        prototype: str, ions: Sequence[str], metals: Sequence[str | tuple[str, str]]
    ) -> Iterator[Decoration]:
        return _grid("electrode", prototype, ions, metals, "O")

    yield from grid("spinel", ["Li", "Mg", "Zn", "Ca", "Al"], METALS_3D)
    yield from grid("spinel", ["Na"], ["Ti", "V", "Mn", "Co"])
    yield from grid("spinel", ["Mg"], ["Ru", "Rh", "Mo"])
    yield from grid("spinel", ["Mg", "Zn"], ELECTRODE_PAIRS)
    yield from grid("O3", ["Li", "Na"], [*METALS_3D, "Ru"])
    yield from grid("O3", ["Li"], ["Mo", "Rh", "Nb"])
    yield from grid("O3", ["K"], ["Ti", "V", "Cr", "Mn", "Co"])
    yield from grid("O3", ["Mg", "Ca"], ["V", "Mn", "Fe", "Co", "Ni"])
    yield from grid("P2", ["Na", "K"], ["Ti", "V", "Cr", "Mn", "Co"])
    yield from grid("anatase", ["Li"], ["Ti", "V", "Mn", "Fe", "Ni"])
    yield from grid("postspinel", ["Mg", "Ca"], ["V", "Cr", "Mn", "Co"])
    yield from grid("postspinel", ["Na"], ["Ti", "Mn"])
    yield from grid("perovskite", ["Ca"], METALS_3D)
    yield from grid("ilmenite", ["Mg"], METALS_3D)
    yield from grid("ilmenite", ["Zn"], ["V", "Mn", "Fe"])
    yield from grid("ilmenite", ["Ca"], ["Cr", "Mn", "Co"])
    yield from grid("ilmenite", ["Li"], ["V", "Nb", "Mo", "W"])
    yield from grid("ilmenite", ["Al"], ["Ti", "V", "Cr", "Mn", "Fe"])
    yield from grid("ilmenite", ["Mg"], ELECTRODE_PAIRS[:4])
    for prototype in ("alphaV2O5", "deltaV2O5"):
        yield from grid(prototype, ["Li", "Na", "K", "Mg", "Ca", "Zn", "Al"], ["V"])
    yield from grid("alphaV2O5", ["Li", "Mg"], ["Mo", "Nb"])


def _electrode_chalcogenides() -> Iterator[Decoration]:
    def grid(
        prototype: str, ions: Sequence[str], metals: Sequence[str | tuple[str, str]], anion: str
    ) -> Iterator[Decoration]:
        return _grid("electrode", prototype, ions, metals, anion)

    yield from grid("spinel", ["Mg"], ["Ti", "V", "Cr", "Mn", "Co", "Zr", "Nb"], "S")
    yield from grid("spinel", ["Zn", "Ca"], ["Ti", "V", "Cr", "Mn"], "S")
    yield from grid("spinel", ["Li", "Al"], ["Ti", "V", "Cr", "Mn", "Zr"], "S")
    yield from grid("spinel", ["Mg", "Zn"], ["Ti", "V", "Cr", "Mn"], "Se")
    yield from grid("spinel", ["Al", "Ca"], ["Ti", "V", "Cr"], "Se")
    yield from grid("spinel", ["Mg"], ELECTRODE_PAIRS[:3], "S")
    yield from grid("O3", ["Na", "Li"], ["Ti", "V", "Cr", "Nb"], "S")
    yield from grid("O3", ["K"], ["Ti", "V", "Cr"], "S")
    yield from grid("1T", ["Li"], ["Ti", "V", "Cr", "Zr", "Nb", "Ta", "Mo"], "S")
    yield from grid("1T", ["Li", "Mg"], ["Ti", "V", "Zr", "Nb"], "Se")
    yield from grid("1T", ["Na", "K"], ["Ti", "V", "Zr", "Ta"], "S")
    yield from grid("1T", ["Na", "K", "Zn"], ["Ti", "Nb"], "Se")
    yield from grid("1T", ["Mg", "Zn"], ["Ti", "V", "Zr", "Nb"], "S")
    yield from grid("1T", ["Ca"], ["Ti", "V", "Nb"], "S")
    yield from grid("1T", ["Li", "Mg"], ["Ti"], "Te")
    yield from grid("chevrel", ["Li", "Na", "K", "Mg", "Ca", "Zn", "Al"], ["Mo"], "Se")
    yield from grid("chevrel", ["Li", "Mg", "Zn"], ["Mo"], "Te")
    yield from grid("chalcopyrite", ["Li", "Zn"], ["Ti", "Fe", "Co"], "S")


def _electrode_fluorides() -> Iterator[Decoration]:
    def grid(
        prototype: str, ions: Sequence[str], metals: Sequence[str | tuple[str, str]]
    ) -> Iterator[Decoration]:
        return _grid("electrode", prototype, ions, metals, "F")

    yield from grid("perovskite", ["K", "Na"], ["V", "Cr", "Mn", "Fe", "Co", "Ni"])
    yield from grid("wolframite", ["Mg"], METALS_3D)
    yield from grid("wolframite", ["Li", "Na", "Zn"], ["V", "Cr", "Mn", "Fe"])
    yield from grid("wolframite", ["Ca"], ["Ti", "V", "Mn", "Co"])
    yield from grid("wolframite", ["Mg"], ELECTRODE_PAIRS[1:5])
    yield from grid("trirutile", ["Mg"], ["V", "Cr", "Mn", "Fe", "Co"])
    yield from grid("trirutile", ["Li", "Zn"], ["V", "Fe"])
    yield from grid("trirutile", ["Mg"], ELECTRODE_PAIRS[2:5])


def _electrode_polyanions() -> Iterator[Decoration]:
    yield from _grid("electrode", "olivine", ["Li", "Na"], ["Mn", "Fe", "Co"], "O", T="P")
    yield from _grid("electrode", "olivine", ["Mg"], ["Mn", "Fe", "Co"], "O", T="Ge")
    yield from _grid("electrode", "monticellite", ["Ca"], ["Mn", "Fe"], "O", T="Ge")
    yield from _grid("electrode", "dolomite", ["Ca", "Zn", "Mg"], ["V", "Fe", "Ni"], "O", T="C")
    yield from _grid("electrode", "tavorite", ["Li", "Na"], ["V", "Mn", "Fe", "Co"], "O", T="S", Y="F")
    yield from _grid("electrode", "tavorite", ["Mg", "Zn", "Ca"], ["V", "Mn"], "O", T="As", Y="F")
    yield from _grid("electrode", "prussian", ["K", "Na"], ["Mn", "Fe", "Ni"], "N", T="C", L="Fe")
    yield from _grid("electrode", "prussian", ["Ca", "Zn", "Al"], ["Fe"], "N", T="C", L="Fe")
    yield from _grid("electrode", "prussian", ["K", "Na"], ["Mn"], "N", T="C", L="Mn")
    yield from _grid("electrode", "FeOCl", ["Li", "Na", "Al"], ["Ti", "V", "Fe"], "O", Y="Br")


def _candidates() -> Iterator[Decoration]:
    def grid(
        prototype: str, metals: Sequence[str | tuple[str, str]], anion: str, **others: str
    ) -> Iterator[Decoration]:
        return _grid("candidate", prototype, ["Mg"], metals, anion, **others)

    yield from grid("spinel", CANDIDATE_PAIRS, "O")
    yield from grid(
        "spinel", [("Cr", "Al"), ("Mn", "Al"), ("Fe", "Al"), ("Mn", "Ga"), ("Mn", "Ru"), ("Cr", "Rh")], "O"
    )
    yield from grid("postspinel", CANDIDATE_PAIRS[6::2], "O")
    yield from grid("ilmenite", CANDIDATE_PAIRS[5:], "O")
    yield from grid("spinel", CANDIDATE_PAIRS, "S")
    yield from grid("spinel", CANDIDATE_PAIRS, "Se")
    yield from grid("chalcopyrite", CANDIDATE_PAIRS, "S")
    yield from grid("wolframite", CANDIDATE_PAIRS[::3], "F")
    yield from grid("trirutile", CANDIDATE_PAIRS[4:], "F")
    yield from grid("olivine", ["V", "Cr", "Mn", "Fe", "Co", "Ni"], "O", T="Si")
    yield from grid("monticellite", ["Mn", "Co"], "O", T="Si")
    yield from grid("dolomite", ["Cr", "Mn", "Co", "Cu"], "O", T="C")
    yield from grid("dolomite", ["Ti", "V", "Cr", "Mn", "Sn"], "O", T="B")
    yield from grid("tavorite", METALS_3D, "O", T="P", Y="F")
    yield from grid("tavorite", CANDIDATE_PAIRS[6:14], "O", T="P", Y="F")
    yield from grid("FeOCl", ["Ti", "V", "Cr", "Fe"], "O", Y="Cl")
    for prototype in ("alphaV2O5", "deltaV2O5"):
        yield from grid(prototype, [("V", "Mo"), ("V", "Nb"), ("V", "Cr")], "O")
    yield from grid("1T", ["Hf", "Re", "Ir", "Pt"], "S")
    yield from grid("1T", ["Hf", "Ir", "Pt"], "Se")
    yield from grid("chevrel", ["Mo", "W", "Re"], "S")
    for anion in ("S", "Se"):
        yield from grid("spinel", ["Sc", "In", "Y"], anion)
    yield from grid("spinel", ["Al", "Ga", "Sc"], "O")
    yield from grid("olivine", ["Mg"], "O", T="Si")
    yield from grid("dolomite", ["Mg"], "O", T="C")
    yield Decoration("candidate", "rocksalt", {"A": "Mg", "X": "O"})
    yield Decoration("candidate", "rutile", {"A": "Mg", "X": "F"})


@cache
def decorations() -> tuple[Decoration, ...]:
    """All records of the demo set, in an order that is shuffled once and for all.

    Any beginning of the list is a fair sample of it, so shards take about the same time.
    """
    listed = [*_electrodes(), *_candidates()]
    order = np.random.default_rng(20170).permutation(len(listed))
    return tuple(listed[index] for index in order)

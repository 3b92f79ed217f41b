"""VASP settings of the validation: the Mg-cathode paper's, every tag set by name.

PBE PAW, cutoff 520 eV, k spacing 0.2 per angstrom (read as VASP's KSPACING, Gamma-centred), EDIFF
1e-6 eV, EDIFFG -0.01 eV/A, cell and positions relaxed, the Materials Project's U values, D3. atomate2's
own defaults are another protocol (PBEsol, 680 eV, LAECHG and LVTOT on), hence nothing is left to them.

U values, PAW choices and starting moments are those of pymatgen's ``MPRelaxSet``: U on Co, Cr, Fe, Mn,
Mo, Ni, V and W, only where O or F is the most electronegative element. The U values were fitted with
these PAW data sets (Jain et al., Phys. Rev. B 84, 045115 (2011)), so the two go together.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from atomate2.vasp.sets.core import RelaxSetGenerator
from pymatgen.core import Composition, Structure
from pymatgen.io.vasp import VaspInput
from pymatgen.io.vasp.sets import MPRelaxSet

from ionsieve.errors import CandidateFailed

D3_IVDW = {"zero": 11, "bj": 12}
OTHER_MOMENT_MUB = 0.6  # what pymatgen starts elements with that MP's table lacks


@dataclass(frozen=True)
class VaspSettings:
    """What the user may set; the defaults and reasons are in ``config.yaml``.

    Attributes
    ----------
    encut_eV : plane-wave cutoff.
    kspacing_per_A : VASP's KSPACING.
    ediff_eV : electronic convergence.
    max_force_eV_per_A : ionic convergence, -EDIFFG.
    d3_damping : "zero" (IVDW = 11) or "bj" (IVDW = 12).
    """

    encut_eV: float
    kspacing_per_A: float
    ediff_eV: float
    max_force_eV_per_A: float
    d3_damping: Literal["zero", "bj"]


@cache
def _mp_config() -> dict[str, Any]:
    """MP's tables, but Yb in its oxides' state: pymatgen warns of Yb_2, which MP has since left too."""
    config = deepcopy(MPRelaxSet()._config_dict)
    config["POTCAR"]["Yb"] = "Yb_3"
    return config


def _base_config() -> dict[str, Any]:
    """MP's PAW choices, starting moments and U; no other tag, so that none comes in unseen.

    The U tags stand here and not among ``user_incar_settings``: those are applied last, which would
    leave a bare LDAU (with VASP's default U of 1 eV on every d shell) in compounds that have no U.
    """
    mp = _mp_config()
    by_element = {
        key: value for key, value in mp["INCAR"].items() if key == "MAGMOM" or key.startswith("LDAU")
    }
    return deepcopy(
        {
            "INCAR": by_element,
            "KPOINTS": {},
            "POTCAR": mp["POTCAR"],
            "POTCAR_FUNCTIONAL": mp["POTCAR_FUNCTIONAL"],
        }
    )


@dataclass
class IntercalationRelaxSetGenerator(RelaxSetGenerator):
    """Input set of the validation's relaxations: element tables here, the rest in ``user_incar_settings``."""

    config_dict: dict = field(default_factory=_base_config)
    auto_ismear: bool = False
    auto_metal_kpoints: bool = False
    inherit_incar: bool = False

    @property
    def incar_updates(self) -> dict:
        """Nothing beside ``user_incar_settings``."""
        return {}

    def get_input_set(self, structure: Structure | None = None, *args: Any, **kwargs: Any) -> VaspInput:
        """The input set with sites grouped by element: each group has a POTCAR and a U of its own."""
        grouped = None if structure is None else structure.get_sorted_structure()
        return super().get_input_set(grouped, *args, **kwargs)


def input_set_generator(settings: VaspSettings, *, metal: bool) -> IntercalationRelaxSetGenerator:
    """The generator for a host (``metal`` false) or for the ion's metal."""
    incar: dict[str, Any] = {
        "GGA": "PE",
        "ENCUT": settings.encut_eV,
        "PREC": "Accurate",
        "LASPH": True,
        "LREAL": False,
        "ALGO": "Normal",
        "NELM": 200,
        "EDIFF": settings.ediff_eV,
        "KSPACING": settings.kspacing_per_A,
        "KGAMMA": True,
        "ISPIN": 2,
        "IBRION": 2,
        "ISIF": 3,
        "NSW": 99,
        "EDIFFG": -settings.max_force_eV_per_A,
        "IVDW": D3_IVDW[settings.d3_damping],
        "LORBIT": 11,
        "LAECHG": False,
        "LVTOT": False,
        "LVHAR": False,
        "LWAVE": False,
        "LCHARG": False,
        "LELF": False,
    }
    if metal:  # Methfessel-Paxton: forces consistent with the energy at partial occupancies
        incar |= {"ISMEAR": 1, "SIGMA": 0.2}
    else:  # Gaussian: safe whether or not the charged host has a gap
        incar |= {"ISMEAR": 0, "SIGMA": 0.05}
    return IntercalationRelaxSetGenerator(user_incar_settings=incar)


def hubbard_u(composition: Composition) -> dict[str, float]:
    """U of each element that gets one in this compound, in eV: MP's rule, oxides and fluorides only."""
    anion = max(composition.elements, key=lambda element: element.X).symbol
    values = _mp_config()["INCAR"]["LDAUU"].get(anion, {})
    return {symbol: float(values[symbol]) for symbol in sorted(composition.as_dict()) if values.get(symbol)}


def starting_moment(symbol: str) -> float:
    """MP's starting moment of an atom in Bohr magnetons."""
    moments = _mp_config()["INCAR"]["MAGMOM"]
    return float(moments.get(symbol, OTHER_MOMENT_MUB))


def potcar_symbols(composition: Composition) -> dict[str, str]:
    """MP's PAW data set of each element.

    Raises
    ------
    CandidateFailed : MP has no PAW data set for an element.
    """
    known = _mp_config()["POTCAR"]
    elements = sorted(element.symbol for element in composition.elements)
    without = [symbol for symbol in elements if symbol not in known]
    if without:
        raise CandidateFailed(f"no PAW data set for {', '.join(without)} in the Materials Project's PBE set")
    return {symbol: known[symbol] for symbol in elements}


def potcar_functional() -> str:
    """Name of the POTCAR library in pymatgen's words."""
    return _mp_config()["POTCAR_FUNCTIONAL"]

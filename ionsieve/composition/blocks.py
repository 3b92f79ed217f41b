"""Blocks of columns that a composition model may read, and what must be known before each can be.

scikit-learn is imported where columns are made: the workflow reads this registry when it plans.

The honest blocks follow from the two formulas and the ion. Others need the discharged crystal, or a
calculation of the pair; those that hold the answer exist for the leakage audit alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from ase.data import atomic_masses

from ionsieve.composition.descriptors import describe
from ionsieve.composition.formulas import N_ELEMENTS
from ionsieve.composition.pairs import Pairs
from ionsieve.electrochemistry import gravimetric_capacity
from ionsieve.errors import DataError


class NotStated(DataError):
    """No source states what a block holds."""


class Known(StrEnum):
    """When the columns of a block are known."""

    FORMULAS = "with the two formulas and the ion"
    CRYSTAL = "with the discharged crystal"
    CALCULATION = "after a calculation of the pair"


@dataclass(frozen=True)
class Electrodes:
    """S electrodes as the models of this package see them.

    Attributes
    ----------
    pairs : their formulas.
    table : S rows with the columns of :data:`ionsieve.tables.ELECTRODES`.
    calculated : S rows, in the same order, with the columns of :data:`ionsieve.tables.CALCULATED`; empty
        cells where a source does not state them.
    """

    pairs: Pairs
    table: pd.DataFrame
    calculated: pd.DataFrame

    @property
    def voltages_V(self) -> np.ndarray:
        """Voltages in V, shape (S,)."""
        return self.table["voltage_V"].to_numpy(dtype=float)


@dataclass(frozen=True)
class Block:
    """Columns that belong together.

    Attributes
    ----------
    title : what they are.
    known : when.
    columns : one row per electrode; NaN where a source does not state them.
    answer : whether they hold the answer, or what it is computed from.
    """

    title: str
    known: Known
    columns: Callable[[Electrodes], pd.DataFrame]
    answer: bool = False


def _amounts(state: str) -> Callable[[Electrodes], pd.DataFrame]:
    def columns(electrodes: Electrodes) -> pd.DataFrame:
        from ionsieve.composition.published_inputs import element_amounts

        return element_amounts(electrodes.pairs).filter(regex=f"^{state}_")

    return columns


def _working_ion(electrodes: Electrodes) -> pd.DataFrame:
    from ionsieve.composition.published_inputs import working_ion

    return working_ion(electrodes.pairs)


def _system(state: str) -> Callable[[Electrodes], pd.DataFrame]:
    def columns(electrodes: Electrodes) -> pd.DataFrame:
        from ionsieve.composition.published_inputs import crystal_systems

        stated = electrodes.calculated[f"{state}_crystal_system"]
        names, unknown = stated.tolist(), [None] * len(stated)
        if stated.isna().all():
            return pd.DataFrame({f"{state}_system": np.full(len(stated), np.nan)})
        both = crystal_systems(*((names, unknown) if state == "charged" else (unknown, names)))
        return both.filter(regex=f"^{state}_")

    return columns


def _calculated(*names: str) -> Callable[[Electrodes], pd.DataFrame]:
    return lambda electrodes: electrodes.calculated[list(names)].astype(float)


def _capacity_grav(electrodes: Electrodes) -> pd.DataFrame:
    """Of the discharged mass, for the ions that leave; from the formulas alone."""
    pairs = electrodes.pairs
    masses_g_per_mol = pairs.amounts(pairs.ions_discharged) @ atomic_masses[: N_ELEMENTS + 1]
    extracted = pairs.ions_discharged - pairs.ions_charged
    values = [
        gravimetric_capacity(float(n), str(ion), float(mass))
        for n, ion, mass in zip(extracted, pairs.working_ions, masses_g_per_mol, strict=True)
    ]
    return pd.DataFrame({"capacity_grav_mAh_per_g": values})


def _step_voltages(electrodes: Electrodes) -> pd.DataFrame:
    """First and last voltage of the steps, and their plain mean; of one step all are the voltage itself."""
    steps = electrodes.table["step_voltage_V"]
    return pd.DataFrame(
        {
            "step_first_V": [np.nan if not len(each) else float(each[0]) for each in steps],
            "step_last_V": [np.nan if not len(each) else float(each[-1]) for each in steps],
            "step_mean_V": [np.nan if not len(each) else float(np.mean(each)) for each in steps],
        }
    )


BLOCKS: Mapping[str, Block] = {
    "charged_formula": Block("charged formula, one-hot (118)", Known.FORMULAS, _amounts("charged")),
    "discharged_formula": Block("discharged formula, one-hot (118)", Known.FORMULAS, _amounts("discharged")),
    "working_ion": Block("working ion, one-hot", Known.FORMULAS, _working_ion),
    "descriptors": Block(
        "element statistics, ion content, formal charges",
        Known.FORMULAS,
        lambda electrodes: describe(electrodes.pairs),
    ),
    "capacity_grav": Block("gravimetric capacity", Known.FORMULAS, _capacity_grav),
    "discharged_system": Block("crystal system, discharged", Known.CRYSTAL, _system("discharged")),
    "discharged_space_group": Block(
        "space group, discharged", Known.CRYSTAL, _calculated("discharged_space_group")
    ),
    "capacity_vol": Block("volumetric capacity", Known.CRYSTAL, _calculated("capacity_vol_Ah_per_L")),
    "charged_system": Block("crystal system, charged", Known.CALCULATION, _system("charged")),
    "charged_space_group": Block(
        "space group, charged", Known.CALCULATION, _calculated("charged_space_group")
    ),
    "steps": Block(
        "number of voltage steps",
        Known.CALCULATION,
        lambda electrodes: electrodes.table[["n_steps"]].astype(float),
    ),
    "volume_change": Block("largest volume change", Known.CALCULATION, _calculated("volume_change")),
    "stability": Block(
        "hull distances of both end members",
        Known.CALCULATION,
        _calculated("stability_charged_eV_per_atom", "stability_discharged_eV_per_atom"),
        answer=True,
    ),
    "step_voltages": Block("voltages of the steps", Known.CALCULATION, _step_voltages, answer=True),
    "energy_grav": Block(
        "gravimetric energy", Known.CALCULATION, _calculated("energy_grav_Wh_per_kg"), answer=True
    ),
    "energy_vol": Block(
        "volumetric energy", Known.CALCULATION, _calculated("energy_vol_Wh_per_L"), answer=True
    ),
}
# The inputs of the MHA-ResNet paper, in its own order; space groups go through the network's embedding.
PUBLISHED = (
    "charged_formula",
    "discharged_formula",
    "charged_system",
    "discharged_system",
    "working_ion",
    "steps",
    "capacity_grav",
    "energy_grav",
)


def columns_of(electrodes: Electrodes, names: Sequence[str]) -> pd.DataFrame:
    """The columns of some blocks side by side, S rows.

    Raises
    ------
    DataError : there is no such block.
    NotStated : no electrode's source states one.
    """
    frames = [pd.DataFrame(index=range(len(electrodes.pairs)))]
    for name in names:
        if name not in BLOCKS:
            raise DataError(f"there is no block {name!r}; known: {', '.join(BLOCKS)}")
        frame = BLOCKS[name].columns(electrodes).reset_index(drop=True)
        if len(frame) and frame.isna().all(axis=None):
            raise NotStated(
                f"no source of these electrodes states {BLOCKS[name].title} ({name}); the Battery Explorer's"
                " JSON Lines do (data.files.electrodes)"
            )
        frames.append(frame)
    return pd.concat(frames, axis=1)

"""A points table as a network reads it: float32 arrays, and each composition once."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ionsieve.errors import DataError

# What a point must have, conditions in the order in which networks take them; the capacity of the first
# cycle may be missing.
CONDITIONS = ("rate_mA_per_g", "cycle", "voltage_low_V", "voltage_high_V", "voltage_V")
_TARGETS = ("capacity_mAh_per_g", "dq_dv_mAh_per_g_per_V")
_FIRST = "first_capacity_mAh_per_g"


@dataclass(frozen=True)
class Points:
    """P points of discharge curves; 36 bytes each.

    Attributes
    ----------
    compositions : the U formulas that occur, as written, sorted.
    composition_of_row : which of them, int32, shape (P,).
    rate_mA_per_g, cycle, voltage_low_V, voltage_high_V, voltage_V : float32, shape (P,) each.
    capacity_mAh_per_g, first_capacity_mAh_per_g, dq_dv_mAh_per_g_per_V : float32, shape (P,) each; the first
        capacity is NaN where cycle 1 was not measured.
    """

    compositions: tuple[str, ...]
    composition_of_row: np.ndarray
    rate_mA_per_g: np.ndarray
    cycle: np.ndarray
    voltage_low_V: np.ndarray
    voltage_high_V: np.ndarray
    voltage_V: np.ndarray
    capacity_mAh_per_g: np.ndarray
    first_capacity_mAh_per_g: np.ndarray
    dq_dv_mAh_per_g_per_V: np.ndarray

    def __len__(self) -> int:
        return len(self.composition_of_row)

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> "Points":
        """The points of a table, in its order.

        Raises
        ------
        DataError : a column is missing, the table is empty, or a number is not finite.
        """
        needed = ("composition", *CONDITIONS, *_TARGETS, _FIRST)
        if missing := [name for name in needed if name not in table]:
            raise DataError(
                f"a points table needs the columns {', '.join(needed)}; missing: {', '.join(missing)}"
            )
        if table.empty:
            raise DataError("the points table has no rows; look at the rejects for why tests were set aside")
        columns = {name: table[name].to_numpy(np.float32) for name in (*CONDITIONS, *_TARGETS, _FIRST)}
        for name, column in columns.items():
            bad = np.isinf(column) if name == _FIRST else ~np.isfinite(column)
            if bad.any():
                raise DataError(
                    f"{int(bad.sum())} of {len(table)} points have no finite {name} (the first in row"
                    f" {int(np.flatnonzero(bad)[0])}); set them aside before training"
                )
        # Not numpy's unique: an array of long strings would be larger than all else.
        place, formulas = pd.factorize(table["composition"], sort=True)
        return cls(tuple(map(str, formulas)), place.astype(np.int32), **columns)

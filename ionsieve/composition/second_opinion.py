"""Voltages of a shortlist from its formulas alone: another model's word beside the voltage model's."""

import pandas as pd

from ionsieve.composition.ensemble import CompositionEnsemble
from ionsieve.composition.formulas import pair_of
from ionsieve.composition.pairs import Pairs
from ionsieve.tables import SECOND_OPINION


def second_opinion(shortlist: pd.DataFrame, ensemble: CompositionEnsemble, working_ion: str) -> pd.DataFrame:
    """Rows of :data:`ionsieve.tables.SECOND_OPINION`, for the extraction of all ions.

    Parameters
    ----------
    shortlist : with the columns material_id and formula.
    """
    if shortlist.empty:
        return SECOND_OPINION.empty_table().to_pandas()
    predicted = ensemble.predict(
        Pairs.of([pair_of(formula, working_ion) for formula in shortlist["formula"]])
    )
    return pd.DataFrame(
        {
            "material_id": shortlist["material_id"].to_numpy(),
            "composition_voltage_V": predicted["voltage_V"],
            "composition_voltage_low_V": predicted["voltage_low_V"],
            "composition_voltage_high_V": predicted["voltage_high_V"],
            "composition_in_domain": predicted["in_domain"],
        }
    )

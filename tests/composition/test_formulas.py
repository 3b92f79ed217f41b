"""Formulas and pairs of formulas: what they mean, and which mean nothing."""

import numpy as np
import pytest

from ionsieve.composition.formulas import FormulaError, charged_formula, pair_of, parse_formula
from ionsieve.composition.pairs import Pairs


@pytest.mark.parametrize(
    ("discharged", "ion", "charged"),
    [
        ("LiCoO2", "Li", "CoO2"),
        ("MgMn2O4", "Mg", "Mn2O4"),
        ("Li2Co3(P2O7)2", "Li", "Co3P4O14"),
        ("Li1.2Mn0.4Ti0.4O2", "Li", "Mn0.4Ti0.4O2"),
        ("LiHeO", "Li", "HeO"),
    ],
)
def test_the_assumed_charged_formula_is_the_pair_of_full_extraction(discharged, ion, charged):
    assert charged_formula(discharged, ion) == charged
    assumed, given = pair_of(discharged, ion), pair_of(discharged, ion, charged)
    assert assumed.ions_charged == given.ions_charged == 0.0
    np.testing.assert_allclose(assumed.host, given.host, atol=1e-12)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("X2O", "unknown element: X"),
        ("QO", "unknown element: Q"),
        ("Mg" + "9" * 400, "not a formula"),
        ("MgO" + "9" * 400, "amounts differ by more than a million"),
        ("Mg0.0000001O", "amounts differ by more than a million"),
        ("MgO" * 400, "not a formula: 1,200 characters"),
    ],
)
def test_a_damaged_formula_is_refused_with_its_reason(formula, reason):
    with pytest.raises(FormulaError, match=reason):
        parse_formula(formula)


def test_formal_charges_of_a_pair_are_known_discharged_and_charged():
    """LiFePO4 to FePO4: Fe goes from 2+ to 3+ and alone gives electrons."""
    charges = Pairs.of([pair_of("LiFePO4", "Li")]).formal_charges
    assert charges.discharged[0, [8, 15, 26]].tolist() == pytest.approx([-2, 5, 2])
    assert charges.charged[0, [8, 15, 26]].tolist() == pytest.approx([-2, 5, 3])
    assert np.flatnonzero(charges.is_taker[0]).tolist() == [26]

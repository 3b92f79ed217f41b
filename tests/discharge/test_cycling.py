"""What every cycle of a test shares is checked once, when the test is made."""

import math

import pytest

from ionsieve.discharge.cycling import CyclingTest, canonical_composition
from ionsieve.errors import DataError

GOOD = {
    "test_id": "cell",
    "composition": "Li1.2Mn0.4Ti0.4O2",
    "label": "experiment",
    "rate_mA_per_g": 20.0,
    "voltage_low_V": 1.5,
    "voltage_high_V": 4.8,
    "profiles": (),
    "source": "cell.json",
}


def test_one_composition_has_one_spelling_and_keeps_its_amounts():
    assert canonical_composition("Li1.2 Mn0.4 Ti0.4 O2") == canonical_composition("Ti0.40O2.0Mn0.4Li1.2")
    assert canonical_composition("Li2.4Mn0.8Ti0.8O4") == "Li2.4Ti0.8Mn0.8O4"
    assert canonical_composition("Li1.333333Mn0.666667O2") == "Li1.333333Mn0.666667O2"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"composition": "Li1.2Xx"}, "unknown element"),
        ({"composition": ""}, "empty formula"),
        ({"label": "measured"}, "experiment, synthetic"),
        ({"rate_mA_per_g": 0.0}, "rate 0.0 mA/g"),
        ({"rate_mA_per_g": math.nan}, "rate nan"),
        ({"voltage_low_V": 4.8}, "lower limit must be below"),
        ({"voltage_high_V": 4800.0}, "within 0 and 10 V"),
        ({"voltage_low_V": math.nan}, "voltage window nan"),
        ({"active_mass_mg": 0.0}, "active_mass_mg is 0.0"),
        ({"electrode_mass_mg": math.inf}, "electrode_mass_mg is inf"),
    ],
)
def test_what_no_test_has_is_refused_with_what_is_allowed(change, reason):
    with pytest.raises(DataError, match=reason):
        CyclingTest(**{**GOOD, **change})

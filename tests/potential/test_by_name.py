from types import SimpleNamespace

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from ionsieve.errors import CandidateFailed, ConfigError
from ionsieve.potential.by_name import (
    calculator_by_name,
    elements_known_to,
    label_kind,
    require_known_elements,
)


def test_any_ase_calculator_can_be_named(alloy):
    named = calculator_by_name("ase.calculators.emt.EMT", {"asap_cutoff": True})
    assert isinstance(named, EMT) and named.parameters.asap_cutoff
    energies = []
    for calculator in (named, EMT(asap_cutoff=True)):
        crystal = bulk("Cu")
        crystal.calc = calculator
        energies.append(crystal.get_potential_energy())
    assert energies[0] == energies[1]


@pytest.mark.parametrize("name", ["mace", "no.such.Calculator", "ase.calculators.emt.NoSuch"])
def test_what_cannot_be_imported_says_what_to_give(name):
    with pytest.raises(ConfigError, match=rf"{name}' cannot be imported \(.*mace\.calculators\.mace_mp"):
        calculator_by_name(name)


def test_wrong_arguments_are_told_with_the_calculators_own_words():
    with pytest.raises(ConfigError, match=r"teacher_arguments \{'wheels': 4\}: TypeError"):
        calculator_by_name("ase.calculators.singlepoint.SinglePointDFTCalculator", {"wheels": 4})


def test_a_calculator_without_stress_is_refused():
    with pytest.raises(ConfigError, match="gives no stress"):
        calculator_by_name("ase.calculators.tip3p.TIP3P")


def test_labels_are_marked_with_the_calculators_name():
    assert label_kind("chgnet") == "CHGNet"
    assert label_kind("mace.calculators.mace_mp") == "mace.calculators.mace_mp"


def test_chgnet_knows_the_89_elements_of_its_training_set_and_no_others():
    known = elements_known_to(calculator_by_name("chgnet"))
    assert len(known) == 89 and {"H", "Mg", "U", "Pu"} <= set(known)
    with pytest.raises(CandidateFailed, match=r"^CHGNet was never trained on Po; it knows 89 others$"):
        require_known_elements(bulk("Po", "sc", a=3.4), known, "CHGNet")


def test_maces_table_of_atomic_numbers_tells_its_elements():
    mace = SimpleNamespace(z_table=SimpleNamespace(zs=[8, 12]))
    assert elements_known_to(mace) == ["O", "Mg"]
    with pytest.raises(CandidateFailed, match="MACE was never trained on Cu; it knows Mg, O"):
        require_known_elements(bulk("Cu"), elements_known_to(mace), "MACE")


def test_a_calculator_that_does_not_tell_is_taken_at_its_word(alloy):
    assert elements_known_to(EMT()) is None
    require_known_elements(alloy, None, "EMT")


def test_arguments_that_chgnet_does_not_take_are_named_with_their_key():
    with pytest.raises(
        ConfigError, match=r"cannot be made with potential\.teacher_arguments \{'model': 'nope'"
    ):
        calculator_by_name("chgnet", {"model": "nope"})

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionsieve.composition.formulas import FormulaError, Pair, charged_formula, pair_of, parse_formula
from ionsieve.composition.pairs import Pairs
from ionsieve.ions import WORKING_IONS


def host_of(pair: Pair) -> dict[int, float]:
    return {int(number): float(pair.host[number]) for number in np.flatnonzero(pair.host)}


def same(first: Pair, second: Pair) -> bool:
    return (
        first.working_ion == second.working_ion
        and np.allclose(first.host, second.host, atol=1e-12)
        and first.ions_discharged == pytest.approx(second.ions_discharged)
        and first.ions_charged == pytest.approx(second.ions_charged)
    )


def test_a_pair_counts_ions_per_atom_of_the_host():
    """LiCoO2 to Li0.5CoO2: three host atoms."""
    pair = pair_of("LiCoO2", "Li", "Li0.5CoO2")
    assert host_of(pair) == pytest.approx({27: 1 / 3, 8: 2 / 3})
    assert pair.host.sum() == pytest.approx(1.0)
    assert pair.ions_discharged == pytest.approx(1 / 3)
    assert pair.ions_charged == pytest.approx(1 / 6)
    assert pair.x_charged == pytest.approx(0.5)


def test_without_a_charged_formula_all_ions_leave():
    assert same(pair_of("MgMn2O4", "Mg"), pair_of("MgMn2O4", "Mg", "Mn2O4"))
    assert pair_of("MgMn2O4", "Mg").x_charged == 0.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Li2Co3(P2O7)2", "Li2Co3P4O14"),
        ("Li1.2Mn0.4Ti0.4O2", "Li2.4Mn0.8Ti0.8O4"),
        ("Li1.2Mn0.4Ti0.4O2", "O2Ti0.4Mn0.4Li1.2"),
        ("LiCoO2", "Li12Co12O24"),
        ("Li(Co(O)2)", " Li Co O2\n"),
        ("Li[Co]{O2}", "LiCoO2"),
        ("LiLiCoO2", "Li2CoO2"),
        ("Li1e0CoO2.0", "LiCoO2"),
        ("Li₁.₂Mn₀.₄Ti₀.₄O₂", "Li1.2Mn0.4Ti0.4O2"),
        ("Li1.2 Mn0.4 Ti0.4 O2", "Li1.2Mn0.4Ti0.4O2"),
        ("Li (Ni Co) O2", "LiNiCoO2"),
        ("LiMn2O4 (H2O)2", "LiMn2O4(H2O)2"),
        ("Li.5MnO2", "Li0.5MnO2"),
        ("LiNi0.8H2O", "LiNi0.8OH2"),
        ("LiMnO2.05H2O", "H2OLiMnO2.05"),
    ],
)
def test_formulas_of_one_composition_are_one_pair(one, other):
    assert same(pair_of(one, "Li"), pair_of(other, "Li"))


@pytest.mark.parametrize("formula", [None, "", "  ", "nan", float("nan")])
def test_an_empty_cell_is_named(formula):
    with pytest.raises(FormulaError, match="^empty formula$"):
        parse_formula(formula)


@pytest.mark.parametrize(
    "formula",
    [
        "co",
        "li co o2",
        "Lico",
        "LiFePO4·H2O",
        "Li(CoO2",
        "LiCo)O2",
        "Li()O",
        "Li+O2-",
        "Li1.2.3O2",
        "Li-1O2",
        "LiO2Li-2",
        "Li2*O",
        "LiCoO2 (layered)",
        "Li,O2",
        "LiCoO2\x00",
        "None",
        "<NA>",
        "inf",
        "LiVacO2",
        5,
        5.5,
        True,
        [],
        {"Li": 1, "O": 2},
        "Li0",
        "Li1e400O2",
        "Mg@Mn2O4",
        "Li Co O 2",
        "2LiCoO2",
        "O²",
        "LiMnO2 ½",
        "LiO2000001",
    ],
)
def test_what_is_not_a_formula_is_named(formula):
    with pytest.raises(FormulaError, match="^not a formula: "):
        parse_formula(formula)


@pytest.mark.parametrize(
    ("formula", "remedy"),
    [
        ("MgMn2O4.2H2O", "for a hydrate write MgMn2O4(H2O)2; if the amount 4.2 is meant, H2OMgMn2O4.2"),
        ("CuSO4.5H2O", "for a hydrate write CuSO4(H2O)5; if the amount 4.5 is meant, H2OCuSO4.5"),
        ("MgMn2O4.H2O", "for a hydrate write MgMn2O4(H2O)"),
        ("V2O5.0.5H2O", "for a hydrate write V2O5(H2O)0.5"),
        ("V₂O₅·2H₂O", "several formulas; write one: V2O5(H2O)2"),
        ("LiFePO4 * H2O", "several formulas; write one: LiFePO4(H2O)"),
        ("MgMn2O4·2(H2O)", "several formulas; write one: MgMn2O4(H2O)2"),
        ("MgMn2O4 2H2O", "several formulas; write one: MgMn2O4(H2O)2"),
        ("MgMn2O4 MnO2", "several formulas; write one: MgMn2O4(MnO2)"),
        ("Mg Mn2O4 MnO2", "several formulas; write one: MgMn2O4(MnO2)"),
        ("MgO.Al2O3", "several formulas; write one: MgO(Al2O3)"),
        ("MgMn2O4 + H2O", "several formulas; write one"),
    ],
)
def test_several_formulas_are_refused_with_what_to_write(formula, remedy):
    with pytest.raises(FormulaError) as caught:
        parse_formula(formula)
    assert str(caught.value) == f"not a formula: {formula!r} ({remedy})"


def test_what_to_write_for_water_parses_as_what_was_meant():
    assert parse_formula("MgMn2O4(H2O)2").as_dict() == {"Mg": 1, "Mn": 2, "O": 6, "H": 4}
    assert parse_formula("H2OMgMn2O4.2").as_dict() == {"Mg": 1, "Mn": 2, "O": pytest.approx(5.2), "H": 2}


@pytest.mark.parametrize(
    ("formula", "symbol"),
    [("MgMn2O0", "O"), ("MgMn2O4Fe0", "Fe"), ("Li0CoO2", "Li"), ("Li1e-9CoO2", "Li"), ("Li(CoO2)0", "Co")],
)
def test_an_amount_of_zero_is_refused(formula, symbol):
    """An oxide would else become an alloy without a word."""
    with pytest.raises(FormulaError, match=f"the amount of {symbol} is zero; mend it"):
        parse_formula(formula)


@pytest.mark.parametrize("formula", ["LiNiDO2", "LiNiHDO2", "T2O"])
def test_isotopes_are_refused(formula):
    with pytest.raises(FormulaError, match="^isotope: .*write H$"):
        parse_formula(formula)


@pytest.mark.parametrize(
    ("formula", "stranger"),
    [
        ("Va", "Va"),
        ("OxO2", "Ox"),
        ("XO2", "X"),
        ("LiXO2", "X"),
        ("LiQO2", "Q"),
        ("Li2Xa", "Xa"),
        ("NA", "A"),
    ],
)
def test_an_element_that_does_not_exist_is_named(formula, stranger):
    """X too, which pymatgen and ASE both take for a dummy atom."""
    with pytest.raises(FormulaError, match=f"^unknown element: {stranger} in '{formula}'$"):
        pair_of(formula, "Li")


def test_text_that_is_too_long_is_refused_before_it_is_parsed():
    """A hundred thousand brackets would take minutes; the message does not repeat them."""
    with pytest.raises(FormulaError, match="of 200002 characters, at most 300") as caught:
        parse_formula("Li" + "(" * 100_000 + "O" + ")" * 99_999)
    assert len(str(caught.value)) < 100


def test_a_message_is_one_line():
    for formula in ("Li\nCo(", "Li2\rX", "(\n" * 50):
        with pytest.raises(FormulaError) as caught:
            parse_formula(formula)
        assert "\n" not in str(caught.value)


def test_sodium_nitride_is_a_formula():
    """NaN as text is a compound; a spreadsheet's empty cell is written nan."""
    assert parse_formula("NaN").as_dict() == {"Na": 1.0, "N": 1.0}


@pytest.mark.parametrize("ion", ["Fe", "li", "", "Li+", None])
def test_an_ion_that_does_not_work_is_named(ion):
    with pytest.raises(FormulaError, match="not a working ion: .*known: .*Mg"):
        pair_of("LiFeO2", ion)


@pytest.mark.parametrize("formula", ["CoO2", "MgCoO2", "CO"])
def test_an_ion_that_is_absent_is_named(formula):
    with pytest.raises(FormulaError, match=f"^ion absent: the discharged formula {formula} holds no Li$"):
        pair_of(formula, "Li")


def test_a_pair_of_nothing_but_the_ion_is_named():
    with pytest.raises(FormulaError, match="^no host: the discharged formula Li3 is nothing but Li$"):
        pair_of("Li3", "Li")
    with pytest.raises(FormulaError, match="^no host: the charged formula Li2 is nothing but Li$"):
        pair_of("LiCoO2", "Li", "Li2")


@pytest.mark.parametrize("charged", ["LiCoO2", "Li2CoO2", "Li1.0000001CoO2", "Li2Co2O4"])
def test_a_charged_formula_with_as_much_of_the_ion_is_named(charged):
    with pytest.raises(FormulaError, match="^charged formula with as much Li as the discharged one or more"):
        pair_of("LiCoO2", "Li", charged)


@pytest.mark.parametrize(
    ("discharged", "charged"),
    [
        ("LiCoO2", "CoO3"),
        ("LiCoO2", "NiO2"),
        ("LiCoO2", "MgCoO2"),
        ("LiMn2O4", "Mn2O3.9"),
        # Hosts of two oxides that are often taken for one another.
        ("LiV5O12", "V9O22"),
        ("Li2Ti15O32", "Ti6O13"),
    ],
)
def test_hosts_that_are_not_balanced_are_named(discharged, charged):
    with pytest.raises(FormulaError, match="^unbalanced hosts: without Li, "):
        pair_of(discharged, "Li", charged)


@pytest.mark.parametrize(
    ("discharged", "charged"),
    [
        ("LiNi0.33Mn0.33Co0.33O2", "Ni0.3333Mn0.3333Co0.3333O2"),
        ("Li0.67Mn0.67Ni0.33O2", "Mn2NiO6"),
        ("LiFePO4", "Fe0.999PO4"),
        ("LiMn2O4", "MnO2"),
    ],
)
def test_hosts_of_rounded_formulas_are_balanced(discharged, charged):
    assert pair_of(discharged, "Li", charged).ions_charged == 0.0


@pytest.mark.parametrize(
    ("discharged", "ion", "charged"),
    [
        ("LiCoO2", "Li", "CoO2"),
        ("Li1.2Mn0.4Ti0.4O2", "Li", "Mn0.4Ti0.4O2"),
        ("Li2Co3(P2O7)2", "Li", "Co3P4O14"),
        ("Mg2Mn4O8", "Mg", "Mn4O8"),
        ("LiCo0.99999Al0.00001O2", "Li", "Co0.99999Al1e-05O2"),
    ],
)
def test_the_charged_formula_keeps_the_amounts_of_the_discharged_one(discharged, ion, charged):
    assert charged_formula(discharged, ion) == charged
    assert same(pair_of(discharged, ion, charged_formula(discharged, ion)), pair_of(discharged, ion))


SYMBOLS = st.sampled_from(["Li", "Mg", "Co", "O", "P", "F", "S", "X", "D", "Og", "A", "co", "Uue", "e"])
AMOUNTS = st.one_of(
    st.sampled_from(["", "0", "-1", "1e400", "1e-320", "nan", "inf", ".", "2.", "1.2.3", "٢"]),
    st.floats(allow_nan=False).map(str),
    st.integers(1, 99).map(str),
)
NEARLY_FORMULAS = st.lists(
    st.tuples(st.sampled_from(["", "(", "[", " "]), SYMBOLS, AMOUNTS, st.sampled_from(["", ")", ")2", "]"])),
    max_size=6,
).map(lambda parts: "".join("".join(part) for part in parts))
WILD = st.one_of(
    NEARLY_FORMULAS,
    st.text(alphabet="LiCoMgO(){}[]0123456789.e+-*@ X", max_size=30),
    st.text(max_size=20),
    st.none(),
    st.floats(),
    st.integers(),
)


@given(WILD, st.sampled_from([*WORKING_IONS, "Fe", ""]), WILD)
def test_wild_input_is_refused_in_words_or_is_a_pair(discharged, ion, charged):
    try:
        pair = pair_of(discharged, ion, charged)
    except FormulaError as error:
        assert str(error)
        return
    assert pair.host.shape == (119,) and pair.host[0] == 0.0
    assert pair.host.sum() == pytest.approx(1.0) and (pair.host >= 0).all()
    assert 0.0 <= pair.ions_charged < pair.ions_discharged < np.inf
    assert 0.0 <= pair.x_charged < 1.0


@given(WILD)
def test_what_a_wild_formula_leaves_is_balanced_with_it(formula):
    try:
        pair = pair_of(formula, "Li")
    except FormulaError:
        return
    left = charged_formula(formula, "Li")
    assert pair_of(formula, "Li", left).ions_charged == 0.0
    assert pair.working_ion == "Li"


@given(
    st.dictionaries(st.sampled_from(["Mn", "Ti", "O", "P"]), st.integers(1, 40), min_size=1),
    st.integers(1, 20),
    st.integers(1, 9),
)
def test_a_factor_does_not_change_a_pair(host, n_ions, factor):
    def formula(times: int) -> str:
        return f"Mg{times * n_ions}" + "".join(f"{symbol}{times * n}" for symbol, n in host.items())

    assert same(pair_of(formula(1), "Mg"), pair_of(formula(factor), "Mg"))


def test_formal_charges_of_a_pair_are_known_discharged_and_charged():
    """LiFePO4 to FePO4: Fe goes from 2+ to 3+ and alone gives electrons."""
    charges = Pairs.of([pair_of("LiFePO4", "Li")]).formal_charges
    assert charges.discharged[0, [8, 15, 26]].tolist() == pytest.approx([-2, 5, 2])
    assert charges.charged[0, [8, 15, 26]].tolist() == pytest.approx([-2, 5, 3])
    assert np.flatnonzero(charges.is_taker[0]).tolist() == [26]

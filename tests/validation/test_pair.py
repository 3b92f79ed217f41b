import numpy as np
import pytest
from pymatgen.analysis.ewald import EwaldSummation
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser, CifWriter

from ionsieve.errors import CandidateFailed
from ionsieve.validation.orderings import lowest_orderings
from ionsieve.validation.pair import intercalation_pair, pair_digest


@pytest.fixture(scope="module")
def layered_licoo2() -> Structure:
    """R-3m, a 2.816 A, c 14.05 A, oxygen at z = 0.2395 (Orman and Wiseman, Acta Cryst. C40, 12 (1984))."""
    hexagonal = Structure.from_spacegroup(
        "R-3m", Lattice.hexagonal(2.816, 14.05), ["Co", "Li", "O"], [[0, 0, 0], [0, 0, 0.5], [0, 0, 0.2395]]
    )
    return hexagonal.get_primitive_structure()


def lithium_neighbours_in_plane(structure: Structure) -> list[int]:
    return [
        sum(neighbour.specie.symbol == "Li" for neighbour in structure.get_neighbors(site, 3.0))
        for site in structure
        if site.specie.symbol == "Li"
    ]


def test_half_charged_licoo2_orders_its_lithium_in_rows(layered_licoo2):
    """The order of monoclinic Li0.5CoO2: Reimers and Dahn, J. Electrochem. Soc. 139, 2091 (1992)."""
    lowest = lowest_orderings(layered_licoo2, "Li", 0.5, 1)[0]
    assert lowest.composition.reduced_formula == "Li(CoO2)2"
    assert lithium_neighbours_in_plane(lowest) == [2]


def test_full_and_empty_layers_cost_more_than_rows(layered_licoo2):
    orderings = lowest_orderings(layered_licoo2, "Li", 0.5, 10)
    staged = [k for k, structure in enumerate(orderings) if lithium_neighbours_in_plane(structure) == [6]]
    assert staged == [len(orderings) - 1]


def test_orderings_rise_in_the_ewald_energy_of_their_formal_charges(layered_licoo2):
    energies_eV_per_atom = []
    for structure in lowest_orderings(layered_licoo2, "Li", 0.5, 10):
        structure.add_oxidation_state_by_element({"Li": 1, "Co": 3.5, "O": -2})
        energies_eV_per_atom.append(EwaldSummation(structure).total_energy / len(structure))
    assert len(energies_eV_per_atom) > 2
    assert np.diff(energies_eV_per_atom).min() > 1e-5


@pytest.fixture(scope="module")
def chain_of_twenty_sites() -> Structure:
    """Twenty lithium sites in a row: half of them in 184,756 ways, too many to try."""
    n_sites = 20
    lattice = Lattice.orthorhombic(6.0, 6.0, 2.5 * n_sites)
    lithium = [[0, 0, k / n_sites] for k in range(n_sites)]
    manganese = [[0.5, 0.5, k / n_sites] for k in range(n_sites)]
    oxygen = [[0.5, 0, (k + 0.5) / n_sites] for k in range(n_sites)]
    symbols = ["Li"] * n_sites + ["Mn"] * n_sites + ["O"] * n_sites
    return Structure(lattice, symbols, lithium + manganese + oxygen)


def test_ions_in_a_long_row_take_every_other_site(chain_of_twenty_sites):
    lowest = lowest_orderings(chain_of_twenty_sites, "Li", 0.5, 1)[0]
    heights = sorted(site.frac_coords[2] * 20 for site in lowest if site.specie.symbol == "Li")
    np.testing.assert_allclose(np.diff(heights), 2.0, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "formula"), [(0.5, "Li(CoO2)2"), (1 / 3, "Li(CoO2)3"), (0.75, "Li3(CoO2)4")]
)
def test_a_partial_state_keeps_the_content_asked_for(layered_licoo2, content, formula):
    assert lowest_orderings(layered_licoo2, "Li", content, 1)[0].composition.reduced_formula == formula


def test_a_content_that_no_small_supercell_has_fails_with_the_remedy(layered_licoo2):
    with pytest.raises(CandidateFailed, match="ask for contents further from 0 and 1"):
        lowest_orderings(layered_licoo2, "Li", 0.01, 1)


def test_the_digest_survives_a_cif_and_another_order_of_sites(layered_licoo2):
    digest = pair_digest(layered_licoo2, "Li")
    through_cif = CifParser.from_str(str(CifWriter(layered_licoo2, significant_figures=10)))
    reread = through_cif.parse_structures(primitive=False)[0]
    shuffled = Structure.from_sites(layered_licoo2.sites[::-1])
    assert pair_digest(shuffled, "Li") == digest
    assert pair_digest(reread, "Li") == pair_digest(Structure.from_sites(reread.sites[::-1]), "Li")


def test_a_moved_atom_another_cell_or_another_ion_changes_the_digest(layered_licoo2):
    digest = pair_digest(layered_licoo2, "Li")
    moved, strained = layered_licoo2.copy(), layered_licoo2.copy()
    moved.translate_sites([3], [0, 0, 0.001])
    strained.apply_strain(0.001)
    others = {pair_digest(moved, "Li"), pair_digest(strained, "Li"), pair_digest(layered_licoo2, "Na")}
    assert digest not in others
    assert len(others) == 3


def test_the_pair_keeps_the_hosts_sites_in_order(layered_licoo2):
    pair = intercalation_pair(layered_licoo2, "Li")
    host = [site for site in pair.discharged if site.specie.symbol != "Li"]
    assert (pair.n_ions, [site.specie for site in pair.charged]) == (1, [site.specie for site in host])
    np.testing.assert_array_equal(pair.charged.frac_coords, [site.frac_coords for site in host])

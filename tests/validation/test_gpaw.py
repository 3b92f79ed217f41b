"""GPAW's settings per element, and LiCoO2 for real where GPAW is installed."""

import importlib.metadata
import importlib.util

import pytest
from pymatgen.core import Lattice, Structure

from ionsieve.validation.dispersion import voltages
from ionsieve.validation.gpaw_static import (
    GpawSettings,
    GpawUnavailable,
    d3_parameters,
    gpaw_parameters,
    prepared,
    require_gpaw,
    static_energies,
)
from ionsieve.validation.pair import metal_cell

SETTINGS = GpawSettings(cutoff_eV=400.0, kspacing_per_A=0.3, d3_damping="bj")


def cobalt_oxide(a_A: float, c_A: float, alpha: float, x: float, *, lithium: bool) -> Structure:
    """Rhombohedral LiCoO2, or its host, as CHGNet relaxes it; oxygen at (x, x, 1 - 3x) and its inverse."""
    sites = {(0.0, 0.0, 0.0): "Co", (x, x, 1 - 3 * x): "O", (1 - x, 1 - x, 3 * x): "O"}
    if lithium:
        sites[0.5, 0.5, 0.5] = "Li"
    return Structure(
        Lattice.from_parameters(a_A, a_A, c_A, alpha, alpha, 60.0), list(sites.values()), list(sites)
    )


@pytest.fixture
def lithium_cobalt_oxide() -> Structure:
    return cobalt_oxide(2.8291, 4.9785, 73.493, 0.25892, lithium=True)


def test_cobalt_in_an_oxide_gets_mps_u_on_its_d_shell_and_no_other_element_any(lithium_cobalt_oxide):
    parameters = gpaw_parameters(lithium_cobalt_oxide, SETTINGS, metal=False)
    assert parameters["setups"] == {"Co": ":d,3.32"}
    assert parameters["xc"] == "PBE"
    assert parameters["mode"] == {"name": "pw", "ecut": 400.0}
    assert (parameters["spinpol"], parameters["occupations"]["width"]) == (True, 0.05)


def test_a_metal_has_no_u_and_no_spin_and_a_wider_smearing():
    parameters = gpaw_parameters(metal_cell("Mg"), SETTINGS, metal=True)
    assert (parameters["setups"], parameters["spinpol"]) == ({}, False)
    assert parameters["occupations"] == {"name": "fermi-dirac", "width": 0.2}


def test_k_points_lie_as_close_as_vasps_kspacing_asks(lithium_cobalt_oxide):
    from ase.calculators.calculator import kpts2sizeandoffsets
    from pymatgen.io.ase import AseAtomsAdaptor

    given = gpaw_parameters(lithium_cobalt_oxide, SETTINGS, metal=False)["kpts"]
    size, offsets = kpts2sizeandoffsets(atoms=AseAtomsAdaptor.get_atoms(lithium_cobalt_oxide), **given)
    lengths_per_A = lithium_cobalt_oxide.lattice.reciprocal_lattice.abc
    spacings = [length / n for length, n in zip(lengths_per_A, size, strict=True)]
    assert max(spacings) <= SETTINGS.kspacing_per_A
    # Gamma is among them: an even mesh is shifted back by half a division.
    assert all((n % 2 == 1) == (offset == 0) for n, offset in zip(size, offsets, strict=True))


def test_hosts_start_with_mps_moments_in_a_reduced_cell(lithium_cobalt_oxide):
    oxide = lithium_cobalt_oxide.copy()
    oxide.replace_species({"Co": "Mn"})
    cell = prepared(oxide * (2, 1, 1), metal=False)
    moments = {site.specie.symbol: site.properties["magmom"] for site in cell}
    assert moments == {"Li": 0.6, "Mn": 5.0, "O": 0.6}
    assert cell.volume == pytest.approx(2 * oxide.volume)
    assert "magmom" not in prepared(metal_cell("Mg"), metal=True).site_properties


def test_dispersion_has_the_damping_asked_for():
    assert d3_parameters(SETTINGS) == {"method": "PBE", "damping": "d3bj"}
    assert d3_parameters(GpawSettings(400.0, 0.3, "zero"))["damping"] == "d3zero"


def test_without_gpaw_one_message_says_how_to_install_it(monkeypatch):
    def not_installed(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr("importlib.metadata.version", not_installed)
    with pytest.raises(GpawUnavailable, match=r"gpaw is not installed: on Debian apt-get install libxc-dev"):
        require_gpaw()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("gpaw") is None, reason="GPAW is not installed: make gpaw")
def test_lithium_cobalt_oxide_is_near_3_8_volts_without_d3(lithium_cobalt_oxide, tmp_path):
    charged = cobalt_oxide(2.8354, 4.9393, 73.320, 0.26588, lithium=False)
    discharged, charged, metal = (
        static_energies(name, cell, SETTINGS, tmp_path / name, metal=name == "metal")
        for name, cell in (
            ("discharged", lithium_cobalt_oxide),
            ("charged", charged),
            ("metal", metal_cell("Li")),
        )
    )
    found = voltages(discharged, charged, metal, 1, "Li")
    assert found["voltage_without_d3_V"] == pytest.approx(3.85, abs=0.1)
    # D3 holds the discharged crystal together, and adds more than it takes by the metal.
    assert found["d3_on_metal_V"] < 0 < found["voltage_V"] - found["voltage_without_d3_V"]

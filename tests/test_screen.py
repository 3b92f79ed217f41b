"""The funnel: who passes, who does not and why, and in which order."""

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionsieve import tables
from ionsieve.screen import Thresholds, screen, shortlist, write_structures
from ionsieve.structures import to_columns

LIMITS = {
    "min_voltage_V": 3.0,
    "min_voltage_probability": None,
    "max_voltage_V": 5.0,
    "min_capacity_vol_Ah_per_L": 800.0,
    "min_capacity_grav_mAh_per_g": 0.0,
    "min_redox_capacity_vol_Ah_per_L": 0.0,
    "min_energy_density_Wh_per_kg": 0.0,
    "exclude_elements": ["U"],
}


def _perovskite(metal: str, a_A: float = 3.9) -> Structure:
    return Structure(
        Lattice.cubic(a_A),
        ["Mg", metal, "O", "O", "O"],
        [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]],
    )


def _shard(*entries: tuple[str, Structure, float], source: str = "files", sigma_V: float = 0.3):
    candidates = pd.DataFrame(
        [
            {
                "material_id": name,
                "source": source,
                "licence": "CC0",
                "formula": structure.composition.reduced_formula,
                "energy_above_hull_eV_per_atom": None,
                "hull_reference": None,
                **to_columns(structure),
            }
            for name, structure, _ in entries
        ]
    )
    predictions = pd.DataFrame(
        [
            {
                "material_id": name,
                "voltage_V": voltage_V,
                "voltage_low_V": voltage_V - 0.5,
                "voltage_high_V": voltage_V + 0.5,
                "voltage_spread_V": 0.1,
                "voltage_sigma_V": sigma_V,
                "distance": 0.3,
                "in_domain": True,
                "known": False,
                "label_voltage_V": None,
                "label_kind": None,
            }
            for name, _, voltage_V in entries
        ]
    )
    return candidates, predictions


def _screen(*shards, controls=(), **limits):
    return screen(shards, "Mg", Thresholds(**(LIMITS | limits)), controls)


def _removed(funnel):
    return {step["name"]: step["removed"] for step in funnel["steps"] if step["removed"]}


def test_each_step_counts_what_it_removed():
    screened, _, funnel = _screen(
        _shard(
            ("good", _perovskite("Mn"), 3.5),
            ("low", _perovskite("V"), 2.9),
            ("high", _perovskite("Ni"), 5.1),
            ("roomy", _perovskite("Mn", a_A=5.2), 3.5),
            ("radioactive", _perovskite("U"), 3.5),
        )
    )
    assert screened["material_id"].tolist() == ["good"]
    assert _removed(funnel) == {"excluded_element": 1, "voltage_low": 1, "voltage_high": 1, "capacity_vol": 1}
    assert funnel["considered"] == 5 and funnel["steps"][-1]["remaining"] == 1


def test_capacity_counts_two_electrons_per_magnesium():
    screened, _, _ = _screen(_shard(("x", _perovskite("Mn"), 3.5)))
    assert screened.loc[0, "capacity_vol_Ah_per_L"] == pytest.approx(44504.9 * 2 / 3.9**3, rel=1e-5)
    assert screened.loc[0, "energy_density_Wh_per_L"] == pytest.approx(3.5 * 44504.9 * 2 / 3.9**3, rel=1e-4)


def test_what_the_metal_cannot_release_is_flagged_as_anion_redox():
    screened, _, _ = _screen(_shard(("Mn", _perovskite("Mn"), 3.5), ("Cr", _perovskite("Cr"), 3.5)))
    flags = screened.set_index("material_id")["anion_redox"]
    assert flags["Mn"] and not flags["Cr"]  # MnO3 would need Mn6+, CrO3 has Cr6+


def test_one_crystal_from_two_sources_is_counted_once():
    same = _perovskite("Cr")
    supercell = same * (2, 1, 1)
    screened, _, funnel = _screen(
        _shard(("a", same, 3.5)),
        _shard(("b", supercell, 3.5), source="demo"),
        _shard(("c", _perovskite("Mo"), 3.5)),
    )
    assert len(screened) == 2
    assert _removed(funnel) == {"duplicate": 1}


def test_probability_that_the_voltage_passes_is_a_half_at_the_threshold():
    screened, _, _ = _screen(_shard(("x", _perovskite("Cr"), 3.0 + 1e-9), sigma_V=0.2))
    assert screened.loc[0, "voltage_pass_probability"] == pytest.approx(0.5, abs=1e-6)


def test_a_sure_candidate_ranks_before_an_unsure_one_of_the_same_voltage():
    screened, _, _ = _screen(
        _shard(("unsure", _perovskite("Cr"), 3.4), sigma_V=1.0),
        _shard(("sure", _perovskite("Mo"), 3.4), sigma_V=0.1),
    )
    assert screened["material_id"].tolist() == ["sure", "unsure"]


def test_controls_go_through_whatever_the_funnel_says_and_come_last():
    screened, _, funnel = _screen(
        _shard(("control", _perovskite("V"), 1.0), ("good", _perovskite("Cr"), 3.5)),
        controls=["control", "absent"],
    )
    assert screened["role"].tolist() == ["candidate", "control"]
    assert funnel["missing_controls"] == ["absent"]
    assert shortlist(screened, 1)["material_id"].tolist() == ["good", "control"]


def test_nothing_passes_is_a_result_and_not_an_error(tmp_path):
    screened, _, funnel = _screen(_shard(("low", _perovskite("V"), 1.0)))
    assert screened.empty and funnel["steps"][-1]["remaining"] == 0
    tables.write_table(shortlist(screened, 4), tables.SCREENED, tmp_path / "shortlist.parquet")


def test_order_of_candidates_does_not_change_the_result():
    entries = [(f"c-{index}", _perovskite(metal), 3.5) for index, metal in enumerate(["Cr", "Mo", "W", "Re"])]
    forward, _, _ = _screen(_shard(*entries))
    backward, _, _ = _screen(_shard(*entries[::-1]))
    pd.testing.assert_frame_equal(forward, backward)


def test_histogram_holds_every_candidate_considered():
    _, _, funnel = _screen(_shard(("a", _perovskite("V"), -0.1), ("b", _perovskite("Cr"), 3.3)))
    assert funnel["voltage_histogram"]["by_source"]["files"] == {"-0.25": 1, "3.25": 1}


def test_structure_files_hold_the_crystal_only_and_keep_their_date(tmp_path):
    import os

    screened, crystals, _ = _screen(_shard(("x", _perovskite("Cr"), 3.5)))
    write_structures(crystals, screened["material_id"], tmp_path)
    os.utime(tmp_path / "x.cif", (1, 1))
    rescreened, crystals, _ = _screen(_shard(("x", _perovskite("Cr"), 3.9)))
    write_structures(crystals, rescreened["material_id"], tmp_path)
    assert (tmp_path / "x.cif").stat().st_mtime == 1
    back = Structure.from_file(tmp_path / "x.cif")
    assert np.isclose(back.volume, 3.9**3) and back.composition == _perovskite("Cr").composition


def test_a_probability_can_be_asked_for_in_place_of_the_mean():
    """2.9 V with a narrow error bar may pass where 3.1 V with one far wider than the window does not."""
    near = _shard(("near", _perovskite("V"), 2.9), sigma_V=0.3)
    wild = _shard(("wild", _perovskite("Mn"), 3.1), sigma_V=4.0)
    screened, _, funnel = _screen(near, wild, min_voltage_probability=0.3)
    assert screened["material_id"].tolist() == ["near"]
    assert _removed(funnel) == {"voltage_probability": 1}
    assert _screen(near, wild)[0]["material_id"].tolist() == ["wild"]

"""Decomposition energies of charged hosts against given phases, and files that hold none."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from monty.serialization import dumpfn
from pymatgen.core import Composition
from pymatgen.entries.computed_entries import ComputedEntry

from ionsieve.artifacts import read_json, write_json
from ionsieve.errors import DataError
from ionsieve.validation.hull import charged_host_decomposition, read_entries

SCRIPT = Path(__file__).parents[2] / "workflow_scripts" / "charged_host_hull.py"
DECOMPOSITION = "decomposition_energy_eV_per_atom"


@pytest.fixture
def charged_mno2() -> dict[str, Any]:
    """MnO2 at -7.9 eV/atom, as the universal potential's result says it."""
    return {
        "status": "ok",
        "reason": None,
        "structure_digest": "of MgMn2O4",
        "provenance": {"calculator": "chgnet"},
        "cells": {"charged": {"numbers": [25, 25, 8, 8, 8, 8], "energy_eV": -7.9 * 6}},
    }


def entries_of(energies_eV_per_atom: dict[str, float]) -> list[ComputedEntry]:
    return [
        ComputedEntry(Composition(formula), energy * Composition(formula).num_atoms)
        for formula, energy in energies_eV_per_atom.items()
    ]


@pytest.fixture
def phases(tmp_path) -> Path:
    path = tmp_path / "entries.json"
    dumpfn(entries_of({"Mn": -9.0, "O2": -4.9, "Mn2O3": -8.4, "MgO": -6.0}), path)
    return path


def test_decomposition_energy_is_the_distance_to_the_products(charged_mno2, phases):
    """2 MnO2 -> Mn2O3 + 1/2 O2: 5/6 of the atoms at -8.4, 1/6 at -4.9 eV/atom."""
    found = charged_host_decomposition(charged_mno2, [phases])
    expected_eV_per_atom = -7.9 - (5 * -8.4 + 1 * -4.9) / 6
    assert found[DECOMPOSITION] == pytest.approx(expected_eV_per_atom)
    assert found["decomposition_products"] == pytest.approx({"Mn2O3": 5 / 6, "O2": 1 / 6}, abs=1e-6)
    assert found["hull_reason"] is None


def test_a_host_below_all_known_phases_has_a_negative_distance(charged_mno2, tmp_path):
    dumpfn(entries_of({"Mn": -9.0, "O2": -4.9}), tmp_path / "entries.json")
    found = charged_host_decomposition(charged_mno2, [tmp_path / "entries.json"])
    assert found[DECOMPOSITION] == pytest.approx(-7.9 - (-9.0 + 2 * -4.9) / 3)


def test_without_entries_the_distance_is_null_with_the_reason(charged_mno2):
    found = charged_host_decomposition(charged_mno2, [])
    assert found[DECOMPOSITION] is None
    assert "asks for no phases" in found["hull_reason"]


def test_without_the_elements_themselves_there_is_no_hull(charged_mno2, tmp_path):
    dumpfn(entries_of({"Mn2O3": -8.4, "O2": -4.9}), tmp_path / "entries.json")
    found = charged_host_decomposition(charged_mno2, [tmp_path / "entries.json"])
    assert found[DECOMPOSITION] is None
    assert "the element Mn" in found["hull_reason"]


def test_energies_of_another_potential_are_not_compared_with_corrected_ones(charged_mno2, phases):
    charged_mno2["provenance"] = {"calculator": "mace.calculators.mace_mp"}
    found = charged_host_decomposition(charged_mno2, [phases])
    assert found[DECOMPOSITION] is None and found["decomposition_products"] is None
    assert "mace.calculators.mace_mp" in found["hull_reason"] and "chgnet" in found["hull_reason"]


ENTRY = ComputedEntry("Mn", -9.0).as_dict()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[1, 2", "is no JSON"),
        (json.dumps({"Mn": -9.0}), "holds a dict, not a list"),
        (json.dumps([ENTRY, {"Mn": -9.0}]), "member 2 of 2, is a dict"),
        (json.dumps([[ENTRY]]), "member 1 of 1, is a list"),
        (json.dumps([{k: v for k, v in ENTRY.items() if k != "correction"}]), "KeyError: 'correction'"),
        (json.dumps([{k: v for k, v in ENTRY.items() if k != "energy"}]), "KeyError: 'energy'"),
        (json.dumps([{**ENTRY, "energy": "low"}]), "member 1 of 1, is no pymatgen ComputedEntry"),
        (json.dumps([{**ENTRY, "composition": {}}]), "member 1 of 1, is no pymatgen ComputedEntry"),
        (json.dumps([{**ENTRY, "@class": "NoSuchEntry"}]), "member 1 of 1, is"),
    ],
)
def test_a_file_of_something_else_is_refused_with_what_it_is_and_how_to_write_one(tmp_path, content, what):
    (tmp_path / "entries.json").write_text(content)
    with pytest.raises(DataError) as refused:
        read_entries(tmp_path / "entries.json")
    message = str(refused.value)
    assert what in message and "validation.hull_entries" in message and "dumpfn" in message
    assert str(tmp_path / "entries.json") in message


def test_an_entry_whose_energy_is_not_a_number_is_named(tmp_path):
    (tmp_path / "entries.json").write_text(json.dumps([{**ENTRY, "energy": float("nan")}]))
    with pytest.raises(DataError, match="member 1 of 1, Mn, has no finite energy"):
        read_entries(tmp_path / "entries.json")


def compare(folder: Path, relaxed: dict[str, Any], entry_files: list[Path]) -> dict[str, Any]:
    write_json(folder / "universal_potential.json", relaxed)
    runpy.run_path(str(SCRIPT))["main"](
        SimpleNamespace(
            input=SimpleNamespace(
                relaxed=str(folder / "universal_potential.json"),
                hull_entries=[str(path) for path in entry_files],
            ),
            output=SimpleNamespace(result=str(folder / "hull.json")),
            wildcards=SimpleNamespace(material_id="x"),
        )
    )
    return read_json(folder / "hull.json")


def test_the_result_holds_the_distance_and_the_digest_of_the_crystal(charged_mno2, phases, tmp_path):
    result = compare(tmp_path, charged_mno2, [phases])
    assert (result["status"], result["material_id"]) == ("ok", "x")
    assert result["structure_digest"] == "of MgMn2O4"
    assert result[DECOMPOSITION] == pytest.approx(-7.9 + 46.9 / 6)


def test_a_pair_that_was_not_relaxed_passes_its_reason_on(phases, tmp_path):
    relaxed = {"status": "failed", "reason": "CHGNet was never trained on Po", "provenance": {}}
    result = compare(tmp_path, relaxed, [phases])
    assert (result["status"], result["reason"]) == ("failed", "CHGNet was never trained on Po")


def test_a_bad_file_leaves_the_relaxation_as_it_was(charged_mno2, tmp_path):
    (tmp_path / "entries.json").write_text("{}")
    with pytest.raises(DataError):
        compare(tmp_path, charged_mno2, [tmp_path / "entries.json"])
    assert read_json(tmp_path / "universal_potential.json") == charged_mno2
    assert not (tmp_path / "hull.json").exists()

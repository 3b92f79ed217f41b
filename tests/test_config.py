"""The configuration: the three places that state it agree, and mistakes are named."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from ionsieve import config
from ionsieve.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent


def test_config_yaml_holds_exactly_the_defaults_of_the_model():
    written = yaml.safe_load((ROOT / "config.yaml").read_text())
    assert written == config.Config().model_dump(mode="json")


def test_schema_for_editors_is_that_of_the_model():
    assert json.loads((ROOT / "config.schema.json").read_text()) == json.loads(config.json_schema())


def test_every_key_of_config_yaml_has_a_comment():
    lines = (ROOT / "config.yaml").read_text().splitlines()
    bare = [
        line
        for above, line in pairwise(lines)
        if ":" in line and "#" not in line + above and not line.rstrip().endswith(":")
    ]
    assert bare == []


@pytest.mark.parametrize("overlay", sorted(path.name for path in (ROOT / "examples").glob("*.yaml")))
def test_examples_name_only_known_keys_and_allowed_values(overlay):
    values = yaml.safe_load((ROOT / "examples" / overlay).read_text())
    for keys in values.values():
        if isinstance(keys, dict):
            keys.pop("files", None)
            keys.pop("shared_frames", None)
            keys.pop("sources", None)
            keys.pop("mode", None)
    assert config.load(values)


def _message(values: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        config.load(values)
    return str(caught.value)


def test_unknown_key_is_refused_with_the_known_ones():
    message = _message({"screen": {"min_voltage": 3.0}})
    assert "screen.min_voltage" in message and "min_voltage_V" in message


def test_unknown_ion_is_refused_with_the_known_ones():
    message = _message({"working_ion": "Fe"})
    assert "'Fe'" in message and "Mg" in message


def test_closed_voltage_window_is_refused():
    assert "open the window" in _message({"screen": {"min_voltage_V": 4.0, "max_voltage_V": 3.5}})


def test_every_mistake_is_named_in_one_message():
    message = _message({"seed": -1, "transport": {"temperatures_K": [0.0]}, "data": {"sources": ["oqmd"]}})
    assert all(key in message for key in ("seed", "transport.temperatures_K", "data.sources"))


def test_missing_file_is_named_with_its_path():
    message = _message(
        {"data": {"sources": ["files"], "files": {"electrodes": ["no.jsonl"], "structures": ["x"]}}}
    )
    assert "no.jsonl does not exist" in message


def test_shared_potential_needs_frames_or_a_model():
    assert "shared_model or shared_calculator" in _message({"potential": {"mode": "shared"}})


def test_corrected_and_uncorrected_energies_are_not_mixed(tmp_path):
    (tmp_path / "vasprun.xml").touch()
    data = {"mptrj": {"location": "https://example.org/MPtrj.json"}, "vasp_outputs": [str(tmp_path)]}
    assert "give one of them" in _message({"data": data})


def test_own_structures_may_go_with_the_electrodes_of_a_database(tmp_path):
    (tmp_path / "MgO.cif").touch()
    files = {"structures": [str(tmp_path)]}
    assert config.load({"data": {"sources": ["files", "materials_project"], "files": files}})
    assert "give no electrodes" in _message({"data": {"sources": ["files", "gnome"], "files": files}})
    assert "give no electrodes" in _message({"data": {"sources": ["gnome"]}})


def test_braces_in_a_file_name_are_refused(tmp_path):
    (tmp_path / "Mg{x}O.cif").touch()
    (tmp_path / "e.jsonl").touch()
    files = {"electrodes": [str(tmp_path / "e.jsonl")], "structures": [str(tmp_path)]}
    message = _message({"data": {"sources": ["files"], "files": files}})
    assert "Mg{x}O.cif" in message and "rename the file" in message


def test_a_folder_without_vasp_runs_is_named(tmp_path):
    assert "holds no vasprun.xml" in _message({"data": {"vasp_outputs": [str(tmp_path)]}})


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"mptrj": {"location": "no/such/file.json"}}, "neither an http(s) address nor a file"),
        ({"mptrj": {"elements": ["Mg", "Xx"]}}, "not chemical symbols: Xx"),
        ({"materials_project": {"ions": ["Mg", "Fe"]}}, "not working ions: Fe"),
        ({"materials_project": {"thermo_type": "PBE"}}, "GGA_GGA+U"),
        ({"materials_project": {"api_key": "secret"}}, "no such key"),
    ],
)
def test_what_the_databases_cannot_be_asked_is_refused(section, reason):
    assert reason in _message({"data": section})


def test_run_too_short_for_its_frames_is_refused():
    assert "fewer than 20 frames" in _message({"transport": {"nvt_ps": 0.1, "frame_interval_fs": 50.0}})


def test_md_hotter_than_the_frames_its_potential_learnt_from_is_refused():
    message = _message({"transport": {"temperatures_K": [300.0, 1800.0]}})
    assert "1800 K" in message and "potential.teacher_temperature_K" in message


def test_demo_has_candidates_of_its_own_ion_only():
    assert "add the source `files`" in _message({"working_ion": "Na"})


def test_leaving_out_the_working_ion_leaves_nothing():
    assert "exclude_elements lists the working ion Mg" in _message({"screen": {"exclude_elements": ["Mg"]}})


def test_infinite_threshold_is_refused():
    assert "min_capacity_vol_Ah_per_L" in _message({"screen": {"min_capacity_vol_Ah_per_L": float("inf")}})


def test_folder_without_crystals_is_named(tmp_path):
    (tmp_path / "README.txt").write_text("nothing here")
    (tmp_path / "e.jsonl").write_text("{}")
    files = {"electrodes": [str(tmp_path / "e.jsonl")], "structures": [str(tmp_path)]}
    assert "holds no structure file" in _message({"data": {"sources": ["files"], "files": files}})


def test_resolved_configuration_reads_back_as_itself():
    model = config.load({"seed": 7, "screen": {"min_voltage_V": 2.5}})
    assert config.load(yaml.safe_load(config.to_yaml(model))) == model


@pytest.mark.parametrize("tier", [{"gpaw": True}, {"vasp": "run"}, {"aimd": True}])
def test_a_dear_tier_is_not_ignored_in_a_validation_that_is_off(tier):
    message = _message({"validation": {"enabled": False, **tier}})
    assert "enabled is false, but" in message and next(iter(tier)) in message


@pytest.mark.parametrize(
    "section", [{"potential": {"teacher": "chgnt"}}, {"validation": {"universal_potential": "chgnt"}}]
)
def test_a_misspelt_calculator_is_answered_with_what_may_be_named(section):
    assert "'chgnt' is no calculator; give chgnet, or the import path" in _message(section)


def test_gpaw_without_a_tier_that_relaxes_its_cells_is_refused():
    message = _message({"validation": {"gpaw": True, "universal_potential": None}})
    assert "GPAW computes in the cells that it relaxes" in message


def test_a_folder_of_ab_initio_results_that_is_not_there_is_refused(tmp_path):
    message = _message({"validation": {"aimd_results": str(tmp_path / "no_such_folder")}})
    assert "no_such_folder is not a folder" in message


def test_cycling_tests_that_do_not_exist_are_named():
    assert "no.csv does not exist" in _message({"discharge": {"tests": ["no.csv"]}})


def test_a_folder_that_is_no_discharge_model_is_refused_with_how_to_make_one(tmp_path):
    message = _message({"discharge": {"model": str(tmp_path)}})
    assert "lacks state.pt and card.json" in message and "ionsieve discharge-convert" in message


def test_a_cell_needs_its_file_among_the_tests(tmp_path):
    cell = {"composition": "LiMnO2", "active_mass_mg": 3.0, "voltage_low_V": 1.5, "voltage_high_V": 4.8}
    (tmp_path / "there.csv").write_text("")
    message = _message({"discharge": {"tests": [str(tmp_path)], "cells": {"gone.csv": cell}}})
    assert "gone.csv" in message and "there.csv" in message


def test_a_wrong_key_of_a_cell_is_refused_with_the_known_ones():
    message = _message({"discharge": {"cells": {"a.csv": {"mass": 3.0}}}})
    assert "discharge.cells.a.csv.mass" in message and "active_mass_mg" in message


def test_a_discharge_that_goes_up_is_refused():
    message = _message({"discharge": {"voltage_low_V": 4.8, "voltage_high_V": 1.5}})
    assert "voltage_low_V 4.8 is not below" in message


def test_folders_of_cycling_tests_depend_on_their_files_and_on_what_tells_of_their_cells(tmp_path):
    for name in ("a.csv", "a.yaml", "b.json", "notes.md", "c.csv", "c.yml"):
        (tmp_path / name).write_text("")
    folder = config.load({"discharge": {"tests": [str(tmp_path)]}})
    names = [Path(path).name for path in config.cycler_files(folder)]
    assert names == ["a.csv", "a.yaml", "b.json", "c.csv", "c.yml"]
    one = config.load({"discharge": {"tests": [str(tmp_path / "c.csv")]}})
    assert [Path(path).name for path in config.cycler_files(one)] == ["c.csv", "c.yml"]

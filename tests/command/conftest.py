"""Crystals as users have them, and a voltage model that has learned little but is made like any other."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from pymatgen.core import Lattice, Structure
from typer.testing import CliRunner, Result

from ionsieve.artifacts import write_json
from ionsieve.command import app
from ionsieve.structures import to_columns
from ionsieve.voltage.cross_validation import run_fold
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.ensemble import assemble, measure, model_card
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.training import Schedule

FOLDS = 3


def layered_crystal(ion: str, metal: str, anion: str) -> Structure:
    return Structure(
        Lattice.tetragonal(3.1, 4.3),
        [ion, metal, anion, anion],
        [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0, 0, 0.5]],
    )


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    """A model of twenty electrodes with Li and Mg, made of O, S, Ti, V, Mn, Fe and Co."""
    torch.set_num_threads(1)
    metals = {"Ti": 1.5, "V": 2.2, "Mn": 3.4, "Fe": 3.0, "Co": 3.9}
    table = pd.DataFrame(
        [
            {
                "electrode_id": f"{ion}{metal}{anion}",
                "material_id": f"m-{ion}{metal}{anion}",
                "source": "synthetic",
                "licence": "MIT",
                "label_kind": "CHGNet",
                "working_ion": ion,
                "formula": f"{ion}{metal}{anion}2",
                "framework": f"{metal}{anion}2",
                "voltage_V": voltage_V - (anion == "S"),
                "x_charged": 0.0,
                "n_steps": 1,
                "step_voltage_V": [],
                "step_x": [],
                **to_columns(layered_crystal(ion, metal, anion)),
            }
            for ion in ("Li", "Mg")
            for metal, voltage_V in metals.items()
            for anion in ("O", "S")
        ]
    )
    electrodes = Electrodes.from_table(table, cutoff_A=8.0, max_neighbors=12, digest="synthetic")
    architecture = Architecture(8.0, 12, atom_features=8, convolutions=1, hidden_features=8)
    schedule = Schedule(epochs=2, batch_size=8, learning_rate=0.01, weight_decay=0.0)
    folds = [
        run_fold(electrodes, "ionsieve", protocol, fold, FOLDS, architecture, schedule, seed=0)
        for protocol, fold in [*(("framework", fold) for fold in range(FOLDS)), ("paper", 0)]
    ]
    out_of_fold = pd.concat([rows for _, rows in folds])
    members = [member for member, _ in folds[:FOLDS]]
    ensemble, out_of_fold = assemble(members, electrodes, out_of_fold, coverage=0.9, seed=0)
    metrics = measure(electrodes, out_of_fold, FOLDS, 0.9, seed=0)
    folder = tmp_path_factory.mktemp("model")
    ensemble.save(folder / "state.pt")
    write_json(folder / "card.json", model_card(electrodes, ensemble, schedule, metrics, seed=0))
    return folder


@pytest.fixture
def layered() -> Callable[[str, str, str], Structure]:
    """A M X2 of a working ion, a metal and an anion, as the electrodes of the model are."""
    return layered_crystal


@pytest.fixture
def predict(model_folder, tmp_path, monkeypatch) -> Callable[..., Result]:
    """The command in an empty folder, with the small model unless another is named."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, ion: str = "Mg", model: Path | None = model_folder) -> Result:
        model_arguments = [] if model is None else ["--model", str(model)]
        return CliRunner().invoke(
            app, ["predict", *map(str, arguments), "--ion", ion, *model_arguments], catch_exceptions=False
        )

    return run


@pytest.fixture
def spinel_mgmn2o4() -> Structure:
    """MgMn2O4 as a cubic spinel, its primitive cell of 14 atoms."""
    return Structure.from_spacegroup(
        "Fd-3m:2",
        Lattice.cubic(8.6),
        ["Mg", "Mn", "O"],
        [[0.125, 0.125, 0.125], [0.5, 0.5, 0.5], [0.2625, 0.2625, 0.2625]],
    ).get_primitive_structure()


@pytest.fixture
def compact() -> Callable[..., str]:
    """A line in the compact form: id, formula, cell parameters, species, fractional coordinates."""

    def line(material_id: str, structure: Structure, **changes: object) -> str:
        document = {
            "id": material_id,
            "formula": structure.formula,
            "cell": list(structure.lattice.parameters),
            "species": [site.specie.symbol for site in structure],
            "xyz": structure.frac_coords.ravel().tolist(),
        }
        return json.dumps(document | changes)

    return line

"""Which model is used, what is said of it, and what happens to one that cannot be."""

import json
import shutil
from pathlib import Path

import pytest

from ionsieve.errors import DataError
from ionsieve.voltage import model_search
from ionsieve.voltage.model_search import OF_THE_WORKFLOW, find_model
from ionsieve.voltage.state_files import save_state


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """An empty folder in the place of the model that ships; the current folder is empty too."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(model_search, "SHIPPED", folder)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


@pytest.fixture
def copied(model_folder, tmp_path) -> Path:
    return shutil.copytree(model_folder, tmp_path / "copied")


def test_the_given_folder_comes_first_then_the_workflows_then_the_shipped_one(shipped, model_folder, copied):
    with pytest.raises(DataError, match="there is no voltage model in .*snakemake .*--cores 4 voltage_model"):
        find_model(None)
    shutil.copytree(model_folder, shipped)
    assert find_model(None).folder == shipped
    shutil.copytree(model_folder, OF_THE_WORKFLOW)
    assert find_model(None).folder == OF_THE_WORKFLOW
    assert find_model(copied).folder == copied


def test_no_other_model_stands_in_for_a_damaged_one(shipped, model_folder):
    shutil.copytree(model_folder, shipped)
    shutil.copytree(model_folder, OF_THE_WORKFLOW)
    (OF_THE_WORKFLOW / "state.pt").unlink()
    with pytest.raises(DataError, match=r"results/voltage/model is no voltage model: it lacks state\.pt"):
        find_model(None)


@pytest.mark.parametrize("name", ["state.pt", "card.json"])
def test_a_folder_without_one_of_its_files_is_named(copied, name):
    (copied / name).unlink()
    with pytest.raises(DataError, match=f"is no voltage model: it lacks {name}; .*--model"):
        find_model(copied)


def test_a_path_that_is_no_folder_is_named(copied, tmp_path):
    for path in (copied / "state.pt", tmp_path / "absent"):
        with pytest.raises(DataError, match="is no folder; name the folder that holds"):
            find_model(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_state_is_named_with_the_remedy(copied, share):
    whole = (copied / "state.pt").read_bytes()
    (copied / "state.pt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=r"state\.pt is damaged .*train one with `snakemake") as raised:
        find_model(copied)
    assert "run the workflow again" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "state"),
    [
        ("ionsieve voltage ensemble 0", {}),
        ("ionsieve voltage member 1", {"weights": {}}),
        ("ionsieve voltage ensemble 1", {}),
        ("ionsieve voltage ensemble 1", {"members": [{"architecture": {"size": 3}}]}),
    ],
)
def test_a_state_of_another_version_is_named_with_the_remedy(copied, content, state):
    save_state(copied / "state.pt", content, state)
    with pytest.raises(DataError, match=r"state\.pt .*version of IonSieve.*; train one with `snakemake"):
        find_model(copied)


@pytest.mark.parametrize("text", ["", "{", "\xff", "[]", "{}", '{"label_kinds": {}}'])
def test_a_damaged_or_foreign_card_is_named_with_the_remedy(copied, text):
    (copied / "card.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"card\.json .*train one with `snakemake"):
        find_model(copied).introduction("Mg")


def test_a_model_introduces_itself_with_labels_numbers_and_error(copied):
    card = json.loads((copied / "card.json").read_text())
    errors_V = card["metrics"]["protocols"]["framework"]
    (line,) = find_model(copied).introduction("Mg")
    assert line == (
        f"model {copied}: learned from 20 electrodes (labels: CHGNet), 10 of them with Mg; mean absolute"
        f" error on frameworks it had not seen {errors_V['all']['mae_V']:.2f} V"
        f" ({errors_V['by_ion']['Mg']['mae_V']:.2f} V with Mg); intervals of 90 % coverage"
    )


def test_labels_of_several_kinds_are_counted(copied):
    card = json.loads((copied / "card.json").read_text())
    card["label_kinds"] = {"CHGNet": 5, "DFT (Materials Project)": 1500}
    (copied / "card.json").write_text(json.dumps(card))
    assert "(labels: 5 CHGNet, 1,500 DFT (Materials Project))" in find_model(copied).introduction("Mg")[0]


def test_the_shipped_model_says_that_it_is_small(shipped, model_folder):
    shutil.copytree(model_folder, shipped)
    assert "ships with IonSieve and learned from its demo set" in find_model(None).introduction("Mg")[-1]

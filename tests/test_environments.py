"""The lock file and the conda environment name the same versions."""

from pathlib import Path

import yaml

ENVS = Path(__file__).resolve().parent.parent / "envs"


def _locked() -> list[str]:
    return (ENVS / "requirements.lock").read_text().split()


def test_conda_environment_has_the_versions_of_the_lock_file():
    dependencies = yaml.safe_load((ENVS / "ionsieve.yaml").read_text())["dependencies"]
    (from_pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert from_pip == _locked()


def test_gpaws_environment_is_the_same_and_gpaw():
    dependencies = yaml.safe_load((ENVS / "gpaw.yaml").read_text())["dependencies"]
    (from_pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    added = from_pip[len(_locked()) :]
    assert from_pip[: len(_locked())] == _locked()
    assert [line.split("==")[0] for line in added] == ["dftd3", "gpaw", "gpaw-data"]


def test_every_locked_package_is_pinned_exactly_and_torch_to_its_release():
    locked = _locked()
    assert all("==" in line for line in locked)
    assert "torch==2.13.0" in locked

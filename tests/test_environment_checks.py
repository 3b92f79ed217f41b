"""`ionsieve doctor`: what is there is ok, what is not has a remedy, and no secret is told."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ionsieve import environment
from ionsieve.command import app
from ionsieve.environment import Check, can_screen

KEY = "abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture
def away(monkeypatch, tmp_path):
    """No network, no VASP, no key: the addresses lead nowhere, at once."""
    monkeypatch.setenv("MP_API_ENDPOINT", "http://127.0.0.1:9/")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("MP_API_KEY", "PMG_MAPI_KEY", "VASP_CMD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def one(found: list[Check], name: str) -> Check:
    return next(check for check in found if check.name == name)


def test_every_thing_that_is_not_ok_has_a_remedy_and_every_group_is_looked_at(away):
    found = list(environment.checks(Path()))
    assert {check.group for check in found} == set(environment.GROUPS)
    assert [check for check in found if (check.state == "ok") == bool(check.remedy)] == []
    assert can_screen(found)


def test_a_key_is_found_and_never_shown(away, monkeypatch):
    monkeypatch.setenv("MP_API_KEY", KEY)
    monkeypatch.setattr(
        environment, "_imports", lambda group, name, module, remedy: Check(group, name, "ok", "")
    )
    result = CliRunner().invoke(app, ["doctor", "--json"])
    document = json.loads(result.stdout)
    (key,) = [check for check in document["checks"] if check["name"] == "MP_API_KEY"]
    assert key["state"] == "ok"
    assert KEY not in result.stdout
    assert (result.exit_code, document["can_screen"]) == (0, True)


def test_what_is_missing_for_the_screening_is_the_exit_status(away, monkeypatch):
    absent = Check(environment.SCREENING, "CHGNet", "missing", "does not load: x", "install it")
    monkeypatch.setattr(environment, "checks", lambda folder, online: iter([absent]))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "install it" in result.stdout
    assert "see what is missing under screening" in result.stderr


def test_a_version_that_was_not_tested_is_named_beside_the_tested_one(monkeypatch, tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("rich==1.0\ntyper==0.0.1\n")
    monkeypatch.setattr(environment, "LOCK", lock)
    monkeypatch.setattr(environment, "_requirements", lambda: ["rich", "no-such-package-here"])
    absent, other = list(environment._versions())
    assert (absent.state, other.state) == ("missing", "warning")
    assert "no-such-package-here" in absent.found
    assert "(tested: 1.0)" in other.found


def test_a_program_that_is_not_there_is_missing(away, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "g++")
    assert environment._compiler().state == "warning"
    (slurm,) = environment._slurm()
    assert slurm.found == "no sbatch on the PATH"


def test_no_network_is_told_with_the_address(away):
    check = environment._network()
    assert check.state == "missing"
    assert "http://127.0.0.1:9/heartbeat" in check.found

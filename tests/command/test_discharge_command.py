"""`ionsieve discharge` and `ionsieve discharge-convert`, as users call them."""

import io
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from discharge_networks import LMTO, RANGES, reference_cases, released_files, untrained
from typer.testing import CliRunner, Result

from ionsieve.artifacts import digest
from ionsieve.command import app
from ionsieve.discharge.ensemble import Ensemble, model_card
from ionsieve.discharge.network import IONSIEVE, PUBLISHED
from ionsieve.discharge.released_weights import released_name

COLUMNS = ["voltage_V", "capacity_mAh_per_g", "capacity_std_mAh_per_g", "dq_dv_mAh_per_g_per_V"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model of two untrained members."""
    folder = tmp_path_factory.mktemp("discharge")
    ensemble = Ensemble((untrained(IONSIEVE, 1), untrained(IONSIEVE, 2)), RANGES)
    ensemble.save(
        folder,
        model_card(ensemble, label="synthetic", data_digest=None, provenance="made up", licence="MIT"),
    )
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch) -> Callable[..., Result]:
    """The command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)

    return call


def table(result: Result) -> pd.DataFrame:
    assert result.exit_code == 0, result.stderr
    return pd.read_csv(io.StringIO(result.stdout))


def test_a_curve_goes_to_standard_output_from_the_lower_to_the_upper_voltage(run, model):
    result = run(
        "discharge", LMTO, "--rate", 20, "--cycle", 1, "--window", 1.5, 4.8, "--model", model, "--points", 34
    )
    curve = table(result)
    assert list(curve) == COLUMNS
    assert curve["voltage_V"].tolist() == pytest.approx(np.linspace(1.5, 4.8, 34).tolist(), rel=1e-6)
    assert curve["capacity_mAh_per_g"].iloc[-1] == 0.0
    assert (np.diff(curve["capacity_mAh_per_g"]) <= 0).all()
    assert (curve["capacity_std_mAh_per_g"] >= 0).all() and (curve["dq_dv_mAh_per_g_per_V"] <= 0).all()
    assert result.stderr.count("\n") == 1
    assert f"model {model}: 2 members, settings ionsieve, labels: synthetic; made up" in result.stderr


def test_out_holds_what_standard_output_would(run, model):
    arguments = ("discharge", LMTO, "--model", model)
    assert run(*arguments, "--out", "curves/one.csv").stdout == ""
    assert Path("curves/one.csv").read_text() == run(*arguments).stdout
    assert len(table(run(*arguments))) == 100


def test_the_workflows_model_is_used_where_none_is_named(run, model):
    ensemble = Ensemble.load(model)
    ensemble.save(
        "results/discharge/model",
        model_card(ensemble, label="synthetic", data_digest=None, provenance="of here", licence="MIT"),
    )
    assert "model results/discharge/model: 2 members" in run("discharge", LMTO).stderr
    Path("results/discharge/model/state.pt").write_bytes(b"damaged")
    result = run("discharge", LMTO)
    assert result.exit_code == 2 and "is damaged or is no torch file" in result.stderr


def test_without_a_model_three_lines_say_how_to_get_one(run):
    result = run("discharge", LMTO)
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert "there is no discharge model in results/discharge/model. To get one" in lines[0]
    assert "snakemake --cores 2 discharge_train" in lines[1]
    assert "ionsieve discharge-convert" in lines[2] and "--model models/drxnet" in lines[2]


def test_what_lies_outside_the_training_is_answered_and_told(run, model):
    result = run("discharge", "Li1.2Mn0.4Ru0.4O2", "--rate", 5000, "--model", model)
    assert len(table(result)) == 100
    assert (
        "warning: extrapolation: no training data with Ru; rate 5000 mA/g outside 10 to 1000 mA/g"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("Li1000MnO2", "cations per anion 500 outside 1 to 1; share of Li among the cations 0.999 outside"),
        ("MnO2", "cations per anion 0.5 outside 1 to 1; share of Li among the cations 0 outside 0.5 to 0.7"),
        ("MnO", "share of Li among the cations 0 outside 0.5 to 0.7"),
    ],
)
def test_a_composition_unlike_all_of_the_training_is_answered_and_told(run, model, formula, reason):
    result = run("discharge", formula, "--model", model)
    assert len(table(result)) == 100
    assert f"warning: extrapolation: {reason}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["LiXxO2"], "unknown element"),
        (["LiRfO2"], "no vector for Rf"),
        (["Li1.2Mn-0.8O2"], "not a formula"),
        (["LiMnF3"], "no oxygen"),
        (["O2"], "no cation"),
        ([""], "empty formula"),
        ([LMTO, "--window", "4.8", "1.5"], "window 4.8 to 1.5 V; the first voltage must be below the second"),
        ([LMTO, "--window", "3", "3"], "window 3 to 3 V; the first voltage must be below the second"),
        ([LMTO, "--window", "nan", "4.8"], "window nan to 4.8 V"),
        ([LMTO, "--cycle", "0"], "cycle 0; cycles are counted from 1"),
        ([LMTO, "--rate", "1e300"], "rate 1e+300 mA/g; it must be above 0, and at most 1,000,000"),
        ([LMTO, "--cycle", "1" + 30 * "0"], "cycles are counted from 1 to 1,000,000"),
        ([LMTO, "--rate", "0"], "rate 0 mA/g; it must be above 0, and at most 1,000,000"),
        ([LMTO, "--rate", "-20"], "rate -20 mA/g"),
        ([LMTO, "--rate", "nan"], "rate nan mA/g"),
        ([LMTO, "--rate", "inf"], "rate inf mA/g"),
        ([LMTO, "--points", "1"], "--points 1; a curve has 2 to"),
        ([LMTO, "--out", "."], "is no regular file"),
    ],
)
def test_a_wrong_call_is_refused_in_one_line(run, model, arguments, message):
    result = run("discharge", *arguments, "--model", model)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(run, model):
    Path("file").touch()
    for out in ("/proc/x.csv", "/proc/no/x.csv", "file/x.csv", "file/no/x.csv"):
        result = run("discharge", LMTO, "--model", model, "--out", out)
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = [line for line in result.stderr.splitlines() if "model" not in line]
        assert line.startswith(f"ionsieve: {out} cannot be written: "), line
    weights = {released_name(name): weight for name, weight in untrained(PUBLISHED).state_dict().items()}
    torch.save(weights, "weights")
    result = run("discharge-convert", "weights", "--out", "/proc/model")
    assert result.exit_code == 2
    assert result.stderr.startswith("ionsieve: /proc/model/state.pt cannot be written: ")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "card.json").unlink(), "lacks card.json"),
        (lambda folder: (folder / "card.json").write_text("{}"), "lacks 'label'"),
        (lambda folder: (folder / "card.json").write_text("{"), "card.json is damaged"),
        (
            lambda folder: torch.save({"content": "ionsieve voltage ensemble 2"}, folder / "state.pt"),
            "another",
        ),
        (
            lambda folder: torch.save(
                {"content": "ionsieve discharge ensemble 2", "settings": {"new": 1}}, folder / "state.pt"
            ),
            "another version of IonSieve",
        ),
    ],
)
def test_a_damaged_model_is_named_and_no_other_stands_in(run, model, tmp_path, damage, message):
    folder = tmp_path / "copied"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    damage(folder)
    result = run("discharge", LMTO, "--model", folder)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr and "discharge-convert" in result.stderr
    # Where the workflow trains, no converted model belongs.
    assert "--out models/drxnet" in result.stderr and "--out results" not in result.stderr


def test_converted_weights_give_the_released_curves(run):
    result = run("discharge-convert", *released_files(), "--out", "results/discharge/model")
    assert result.exit_code == 0, result.stderr
    assert "licence: MIT (DRXNet)" in result.stderr
    for case in reference_cases():
        window = (case["V_low"], case["V_high"])
        curve = table(
            run(
                *("discharge", case["composition"], "--rate", case["rate_mA_g"], "--cycle", case["cycle"]),
                *("--window", *window),
            )
        )
        expected = np.mean(case["Q_per_model"], axis=0)
        assert curve["capacity_mAh_per_g"].to_numpy() == pytest.approx(expected, abs=1e-3)
        slopes = np.mean(case["dQdV_per_model"], axis=0)
        assert curve["dq_dv_mAh_per_g_per_V"].to_numpy() == pytest.approx(slopes, abs=1e-3)


def test_a_conversion_is_the_same_each_time_and_may_be_repeated(run):
    weights = OrderedDict(
        (released_name(name), weight) for name, weight in untrained(PUBLISHED).state_dict().items()
    )
    torch.save(weights, "weights")
    digests = []
    for _ in range(2):
        told = run("discharge-convert", "weights", "--out", "model")
        assert told.exit_code == 0 and "model: 1 member; " in told.stderr
        digests.append([digest(Path("model") / name) for name in ("state.pt", "card.json")])
    assert digests[0] == digests[1]
    result = run("discharge", LMTO, "--model", "model", "--points", 3)
    assert table(result)["capacity_std_mAh_per_g"].isna().all()
    assert "one member has no spread" in result.stderr


def test_weights_that_cannot_be_used_are_refused_in_one_line(run, model):
    Path("text.pt").write_text("no weights")
    Path("file").touch()
    Path("folder").mkdir()
    with zipfile.ZipFile("archive.zip", "w") as archive:
        archive.writestr("notes", "no weights")
    torch.save({"layer.weight": torch.zeros(3)}, "other.pt")
    torch.save({released_name(n): w for n, w in untrained(PUBLISHED).state_dict().items()}, "weights.pt")
    for arguments, message in (
        (["absent", "--out", "model"], "absent is no file; name files of weights"),
        (["folder", "--out", "model"], "folder is no file; name files of weights"),
        (["text.pt", "--out", "model"], "text.pt is no torch file: it begins with b'no w'"),
        (["file", "--out", "model"], "file is no torch file: it is empty"),
        (["archive.zip", "--out", "model"], "archive.zip is damaged or is no torch file"),
        (["other.pt", "--out", "model"], "other.pt holds no DRXNet weights"),
        (["weights.pt", "weights.pt", "--out", "model"], "weights.pt holds the weights of weights.pt again"),
        (["weights.pt", "text.pt", "--out", "model"], "text.pt is no torch file"),
        (["text.pt", "--out", "file"], "--out file is no folder"),
        (["text.pt", "--out", model], "holds a model that was not converted"),
    ):
        result = run("discharge-convert", *arguments)
        assert result.exit_code == 2 and result.stderr.count("\n") == 1
        assert message in result.stderr
    assert not Path("model").exists()


@pytest.mark.parametrize("command", ["discharge", "discharge-convert"])
def test_help_shows_an_example(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0 and f"ionsieve {command}" in result.stdout

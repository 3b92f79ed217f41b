"""Each guard against leaks, and what it does when its cause is there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from ionsieve.structures import to_columns, to_structure
from ionsieve.tables import ENERGY_FEATURES, write_table
from ionsieve.voltage.electrodes import Electrodes
from ionsieve.voltage.leakage import COPY_R2, LeakageError, answer_r2, audit, blinded, forbidden_names
from ionsieve.voltage.members import Architecture
from ionsieve.voltage.rivals import MODELS, Rival, Settings, fit_predict
from ionsieve.voltage.splits import BENCHMARK_PROTOCOLS, held_out_rows
from ionsieve.voltage.training import Schedule

SETTINGS = Settings(
    Architecture(8.0, 12, atom_features=8, convolutions=1, hidden_features=8),
    Schedule(epochs=2, batch_size=16, learning_rate=0.01, weight_decay=0.0),
)


@pytest.fixture(scope="module")
def electrodes(synthetic_electrodes) -> Electrodes:
    """Voltages at random: the synthetic ones are sums over elements, which a composition reproduces."""
    voltages_V = np.random.default_rng(5).uniform(1.0, 4.5, len(synthetic_electrodes.table))
    return replace(synthetic_electrodes, table=synthetic_electrodes.table.assign(voltage_V=voltages_V))


def rows_of(electrodes: Electrodes, protocol: str, fold: int = 0) -> tuple[np.ndarray, np.ndarray]:
    table = electrodes.table
    return held_out_rows(protocol, fold, table["working_ion"].tolist(), table["framework"].tolist(), 3, 0)


@pytest.mark.parametrize("protocol", BENCHMARK_PROTOCOLS)
def test_an_honest_fold_passes(electrodes, protocol):
    training, held_out = rows_of(electrodes, protocol)
    features = MODELS["composition_gbm"].features(electrodes, SETTINGS)
    found = audit(electrodes, protocol, training, held_out, features, uses_energy_model=False)
    assert found["held_out_rows_with_their_crystal_in_training"] == 0
    assert found["training_rows"] == len(training)
    assert found["tabular_features"] == features.shape[1]
    assert (found["groups_on_both_sides"] > 0) == (protocol == "paper")


@pytest.mark.parametrize("protocol", ["framework", "chemical_system"])
def test_a_split_that_ignores_groups_is_refused(electrodes, protocol):
    training, held_out = rows_of(electrodes, "paper")
    with pytest.raises(LeakageError, match="both sides of the split"):
        audit(electrodes, protocol, training, held_out, None, uses_energy_model=False)


def test_chemical_systems_that_are_kept_apart_by_framework_alone_are_refused(electrodes):
    """MnO2 and Mn2O3 are two frameworks of one chemical system."""
    frameworks = electrodes.table["framework"].where(electrodes.table["framework"] != "MnO2", "Mn2O3")
    frameworks[electrodes.table["working_ion"].eq("Li") & frameworks.eq("Mn2O3")] = "MnO2"
    mixed = replace(electrodes, table=electrodes.table.assign(framework=frameworks))
    held_out = np.flatnonzero(frameworks == "MnO2")
    training = np.flatnonzero(frameworks != "MnO2")
    audit(mixed, "framework", training, held_out, None, uses_energy_model=False)
    with pytest.raises(LeakageError, match="Mn-O"):
        audit(mixed, "chemical_system", training, held_out, None, uses_energy_model=False)


@pytest.mark.parametrize("protocol", BENCHMARK_PROTOCOLS)
def test_a_row_on_both_sides_is_refused(electrodes, protocol):
    training, held_out = rows_of(electrodes, protocol)
    with pytest.raises(LeakageError, match="at once"):
        audit(electrodes, protocol, training, np.append(held_out, training[0]), None, uses_energy_model=False)


def with_another_record(table: pd.DataFrame, structure: Structure) -> Electrodes:
    """The electrodes and one more, which names a framework of its own."""
    first = {**table.iloc[0], **to_columns(structure)}
    other = first | {"electrode_id": "other", "material_id": "m-other", "framework": "Ti9O9"}
    both = pd.concat([table, pd.DataFrame([other])], ignore_index=True)
    return Electrodes.from_table(both, cutoff_A=8.0, max_neighbors=12, digest="with another record")


def sides(electrodes: Electrodes) -> tuple[np.ndarray, np.ndarray]:
    """All rows but the last in training, the last held out."""
    last = len(electrodes.table) - 1
    return np.arange(last), np.array([last])


def test_a_crystal_under_another_id_and_framework_is_refused_and_counted_for_the_paper(synthetic_table):
    """Another cell, other order of atoms, noise of a relaxation: still the crystal of the first row."""
    same = to_structure(synthetic_table.iloc[0]).copy()
    same.make_supercell([[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
    same = Structure.from_sites(list(reversed(same.sites)))
    same.perturb(0.002)
    electrodes = with_another_record(synthetic_table, same)
    training, held_out = sides(electrodes)
    with pytest.raises(LeakageError, match="under another id or framework"):
        audit(electrodes, "framework", training, held_out, None, uses_energy_model=False)
    found = audit(electrodes, "paper", training, held_out, None, uses_energy_model=False)
    assert found["held_out_rows_with_their_crystal_in_training"] == 1


def test_a_polymorph_is_another_crystal(synthetic_table):
    first = to_structure(synthetic_table.iloc[0])
    a_A, _, c_A = first.lattice.abc
    polymorph = Structure(Lattice.tetragonal(1.03 * a_A, c_A / 1.03**2), first.species, first.frac_coords)
    electrodes = with_another_record(synthetic_table, polymorph)
    found = audit(electrodes, "framework", *sides(electrodes), None, uses_energy_model=False)
    assert found["held_out_rows_with_their_crystal_in_training"] == 0


@pytest.mark.parametrize(
    "name",
    [
        "voltage_V",
        "average_voltage",
        "step_voltage_V",
        "max_voltage_step",
        "energy_grav",
        "energy_vol",
        "energy_density_Wh_per_kg",
        "adj_pairs",
        "stability_charge",
        "stability_discharge",
        "relaxed_voltage_V",
        "energy_model_relaxed_voltage_V",
        "energy_model_volume_ratio",
    ],
)
def test_features_with_the_name_of_an_answer_are_refused(electrodes, name):
    training, held_out = rows_of(electrodes, "framework")
    noise = np.random.default_rng(0).normal(size=len(electrodes.table))
    with pytest.raises(LeakageError, match=name):
        audit(electrodes, "framework", training, held_out, pd.DataFrame({name: noise}), False)


def test_an_energy_models_knowledge_is_for_marked_models_alone():
    names = ["density", "energy_model_relaxed_voltage_V", "relaxed_voltage_V"]
    assert forbidden_names(names, uses_energy_model=False) == names[1:]
    assert forbidden_names(names, uses_energy_model=True) == ["relaxed_voltage_V"]


N_ROWS, N_HONEST = 400, 60
CHARGES = np.array([1.0, 2.0, 3.0])


@pytest.fixture(scope="module")
def problem():
    """Labels, ions, and features of which a few say something of the labels, as honest ones do."""
    random = np.random.default_rng(8)
    voltages_V = random.uniform(-0.5, 4.5, N_ROWS)
    ions = np.array(["Li", "Mg", "Al"], dtype=object)[random.choice(3, N_ROWS, p=[0.6, 0.3, 0.1])]
    honest = random.normal(size=(N_ROWS, N_HONEST))
    honest[:, :5] += 0.5 * voltages_V[:, None]
    honest[random.uniform(size=honest.shape) < 0.02] = np.nan
    rows = random.permutation(N_ROWS)
    return voltages_V, ions, honest, np.sort(rows[:320]), np.sort(rows[320:])


def largest_r2(problem, *columns: np.ndarray) -> float:
    voltages_V, ions, honest, training, held_out = problem
    features = np.column_stack([honest, *columns])
    found = answer_r2(features, voltages_V, ions, training, held_out)
    return max(found.values())


def capacities(random: np.random.Generator) -> np.ndarray:
    return random.uniform(80.0, 300.0, N_ROWS)


def rotated_copy(voltages_V: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """The label as one direction of fifteen, in no column alone: what a PCA leaves of it."""
    hidden = np.column_stack([voltages_V, random.normal(size=(N_ROWS, 14))])
    return list((hidden @ np.linalg.qr(random.normal(size=(15, 15)))[0]).T)


def energies(voltages_V: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """Energies of both end members, whose small difference is the voltage."""
    discharged_eV = random.normal(-200.0, 40.0, N_ROWS)
    return [discharged_eV, discharged_eV + voltages_V]


LEAKS = {
    "a copy": lambda V, ions, random: [V],
    "a scaled and shifted copy": lambda V, ions, random: [7.0 - 3.0 * V],
    "a rounded copy": lambda V, ions, random: [V.round(1)],
    "energy density and capacity": lambda V, ions, random: [(q := capacities(random)), q * V],
    "energy per ion": lambda V, ions, random: [
        V * np.array([{"Li": 1, "Mg": 2, "Al": 3}[ion] for ion in ions])
    ],
    "energies of both ends": lambda V, ions, random: energies(V, random),
    "a rotated copy": lambda V, ions, random: rotated_copy(V, random),
    "a copy among hundreds of features": lambda V, ions, random: [V, *random.normal(size=(300, N_ROWS))],
}


@pytest.mark.parametrize("leak", LEAKS)
def test_unnamed_copies_of_the_answer_are_seen(problem, leak):
    columns = LEAKS[leak](problem[0], problem[1], np.random.default_rng(3))
    assert largest_r2(problem, *columns) > COPY_R2


def test_a_copy_on_the_held_out_rows_alone_is_seen(problem):
    """Noise where the model learns, the answer where it is scored."""
    voltages_V, _, _, _, held_out = problem
    column = np.random.default_rng(4).normal(size=N_ROWS)
    column[held_out] = voltages_V[held_out]
    assert largest_r2(problem, column) > COPY_R2


def test_honest_features_pass(problem):
    assert largest_r2(problem) < 0.9


def test_a_good_energy_models_voltage_passes(problem):
    """An error of 0.24 V, as CHGNet's own voltages have."""
    random = np.random.default_rng(6)
    assert 0.85 < largest_r2(problem, problem[0] + random.laplace(0.0, 0.24, N_ROWS)) < COPY_R2


def test_too_few_rows_are_no_evidence(problem):
    voltages_V, ions, honest, training, held_out = problem
    found = answer_r2(honest, voltages_V, ions, training, held_out[:9])
    assert set(found.values()) == {None}


def test_an_unnamed_copy_stops_the_fold(electrodes):
    training, held_out = rows_of(electrodes, "framework")
    features = pd.DataFrame({"density": 3.0 - electrodes.voltages_V})
    with pytest.raises(LeakageError, match="give the held-out voltages away"):
        audit(electrodes, "framework", training, held_out, features, uses_energy_model=True)


def test_held_out_answers_do_not_exist_for_a_model(electrodes):
    training, _ = rows_of(electrodes, "paper")
    steps = electrodes.table.assign(step_voltage_V=[[3.0, 4.0]] * len(electrodes.table))
    hidden = blinded(replace(electrodes, table=steps), training)
    np.testing.assert_array_equal(hidden.voltages_V[training], electrodes.voltages_V[training])
    others = np.setdiff1d(np.arange(len(steps)), training)  # those held out, and the validation tenth
    assert np.isnan(hidden.voltages_V[others]).all()
    assert hidden.table["step_voltage_V"].iloc[others].isna().all()
    assert hidden.table["step_voltage_V"].iloc[training].notna().all()
    assert np.isfinite(electrodes.voltages_V).all()


def normalised_over_all_rows(electrodes, training, held_out, settings, seed):
    """A model whose normaliser has seen the answer."""
    return np.full(len(held_out), electrodes.voltages_V.mean())


def test_a_model_that_reads_hidden_labels_is_refused(electrodes, monkeypatch):
    leaky = Rival("leaky", normalised_over_all_rows, lambda electrodes, settings: None)
    monkeypatch.setitem(MODELS, "leaky", leaky)
    with pytest.raises(Exception, match="not finite"):
        fit_predict("leaky", electrodes, *rows_of(electrodes, "paper"), SETTINGS, seed=0)


@pytest.fixture(scope="module")
def settings(electrodes, tmp_path_factory) -> Settings:
    """Small sizes, and a table of what an energy model might say of each electrode."""
    random, rows = np.random.default_rng(12), []
    for electrode in electrodes.table.to_dict("records"):
        numbers = {field.name: float(random.normal()) for field in ENERGY_FEATURES if field.type == "double"}
        lists = {
            field.name: random.normal(size=3).tolist()
            for field in ENERGY_FEATURES
            if str(field.type).startswith("list")
        }
        keys = {name: electrode[name] for name in ("electrode_id", "material_id", "working_ion")}
        rows.append(keys | numbers | lists | {"host_numbers": [25.0, 8.0, 8.0]})
    path = tmp_path_factory.mktemp("energy") / "energy_features.parquet"
    write_table(rows, ENERGY_FEATURES, path)
    return replace(SETTINGS, energy_features=str(path))


def reads_held_out_labels(rival: Rival, electrodes: Electrodes, settings: Settings) -> bool:
    """Whether predictions change with labels outside training, which nothing hides from the model here."""
    training, held_out = rows_of(electrodes, "paper")
    others = np.setdiff1d(np.arange(len(electrodes.table)), training)
    changed_V = electrodes.voltages_V.copy()
    # Not only permuted: that would leave the mean of all rows as it is.
    changed_V[others] = 2.0 * np.random.default_rng(9).permutation(changed_V[others]) + 1.0
    changed = replace(electrodes, table=electrodes.table.assign(voltage_V=changed_V))
    first, second = (
        rival.predict(of, training, held_out, settings, 3).tobytes() for of in (electrodes, changed)
    )
    return first != second


@pytest.mark.parametrize("name", MODELS)
def test_predictions_do_not_depend_on_held_out_labels(electrodes, settings, name):
    assert not reads_held_out_labels(MODELS[name], electrodes, settings)


@pytest.mark.parametrize("name", MODELS)
def test_every_models_features_pass_the_audit_under_its_own_mark(electrodes, settings, name):
    rival = MODELS[name]
    features = rival.features(electrodes, settings)
    audit(electrodes, "paper", *rows_of(electrodes, "paper"), features, rival.uses_energy_model)


def test_a_normaliser_over_all_rows_is_found_by_changed_labels(electrodes):
    assert reads_held_out_labels(
        Rival("leaky", normalised_over_all_rows, lambda electrodes, settings: None), electrodes, SETTINGS
    )


def test_an_unknown_model_is_a_clear_error(electrodes):
    with pytest.raises(Exception, match="known: ion_mean, composition_gbm"):
        fit_predict("cgnn", electrodes, *rows_of(electrodes, "paper"), SETTINGS, seed=0)

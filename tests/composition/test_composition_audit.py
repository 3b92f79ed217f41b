"""The guards of composition models against leaks, and what each does when its cause is there."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ionsieve.composition.audit import audit, check_columns, overlaps
from ionsieve.composition.benchmark import rows_of
from ionsieve.composition.blocks import BLOCKS, Known, NotStated, columns_of
from ionsieve.composition.experiments import EXPERIMENTS, PROTOCOLS, RANDOM
from ionsieve.errors import DataError
from ionsieve.voltage.leakage import COPY_R2, LeakageError

# What the shipped model may read: nothing but the two formulas and the ion.
HONEST = tuple(name for name, block in BLOCKS.items() if block.known is Known.FORMULAS)


def sides(electrodes, protocol: str = "framework", fold: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return rows_of(electrodes, protocol, fold, 4, 0)


@pytest.fixture(scope="module")
def honest(electrodes) -> pd.DataFrame:
    """Every column that is known with the two formulas and the ion."""
    return columns_of(electrodes, HONEST)


def test_honest_blocks_are_those_known_with_the_formulas():
    assert set(HONEST) == {
        "charged_formula",
        "discharged_formula",
        "working_ion",
        "descriptors",
        "capacity_grav",
    }
    answers = {name for name, block in BLOCKS.items() if block.answer}
    assert answers == {"stability", "step_voltages", "energy_grav", "energy_vol"}
    assert all(BLOCKS[name].known is Known.CALCULATION for name in answers)


def test_honest_blocks_need_no_calculated_table(silent_electrodes, honest):
    bare = replace(silent_electrodes, calculated=pd.DataFrame(index=silent_electrodes.table.index))
    pd.testing.assert_frame_equal(columns_of(bare, HONEST), honest)


def test_honest_blocks_do_not_read_the_voltage(electrodes, honest):
    absurd = replace(
        electrodes,
        table=electrodes.table.assign(voltage_V=1e6, step_voltage_V=[[1e6]] * len(electrodes.table)),
    )
    pd.testing.assert_frame_equal(columns_of(absurd, HONEST), honest)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_honest_feature_set_passes(electrodes, honest, protocol):
    found = audit(electrodes, protocol, *sides(electrodes, protocol), honest, honest=True)
    closeness = found["largest_r2_of_columns_with_the_answer"]
    assert all(r2 is not None and r2 < COPY_R2 for r2 in closeness.values())
    # Voltages follow from elements, as in reality: honest columns know a lot.
    assert max(closeness.values()) > 0.8
    assert found["columns"] == honest.shape[1]
    assert found["training"] + found["held_out"] == len(electrodes.table)


@pytest.mark.parametrize(
    "name",
    [
        "energy_grav_Wh_per_kg",
        "energy_vol_Wh_per_L",
        "stability_charged_eV_per_atom",
        "stability_discharge",
        "voltage_V",
        "Average_Voltage",
        "max_voltage_step",
        "adj_pairs_0",
        "energy_density",
        "energy_model_relaxed_voltage_V",
    ],
)
def test_a_leaking_column_is_refused_by_its_name(electrodes, honest, name):
    """Whatever it holds: noise, here."""
    columns = honest.assign(**{name: np.random.default_rng(0).normal(size=len(honest))})
    with pytest.raises(LeakageError, match=f"the features {name} carry the answer"):
        audit(electrodes, "framework", *sides(electrodes), columns, honest=True)


@pytest.mark.parametrize("name", ["stability", "energy_grav", "energy_vol"])
def test_a_leaking_block_is_refused_by_its_columns_names(electrodes, name):
    columns = columns_of(electrodes, (*HONEST, name))
    with pytest.raises(LeakageError, match="carry the answer"):
        check_columns(electrodes, columns, *sides(electrodes))


@pytest.mark.parametrize("name", ["step_voltages", "energy_grav", "energy_vol"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_leaking_block_without_names_is_refused_by_its_values(electrodes, protocol, name):
    """Energies need their capacity beside them; the gravimetric one is honest."""
    leak = columns_of(electrodes, (name, "capacity_vol"))
    columns = pd.concat([columns_of(electrodes, HONEST), leak.set_axis(range(leak.shape[1]), axis=1)], axis=1)
    with pytest.raises(LeakageError, match="give the held-out voltages away"):
        check_columns(
            electrodes, columns.set_axis(map(str, columns.columns), axis=1), *sides(electrodes, protocol)
        )


def sum_of_two(voltages_V: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """Neither half alone says much."""
    hidden = random.normal(0.0, 5.0, len(voltages_V))
    return [hidden, voltages_V - hidden]


LEAKS = {
    "a copy": lambda V, charges, random: [V],
    "a linear copy": lambda V, charges, random: [12.0 - 0.3 * V],
    "a rounded copy": lambda V, charges, random: [V.round(1)],
    "a copy scaled by the ion's charge": lambda V, charges, random: [charges * V],
    "two columns whose sum it is": lambda V, charges, random: sum_of_two(V, random),
    "three columns whose sum it is": lambda V, charges, random: [
        (first := random.normal(size=len(V))),
        (second := random.normal(size=len(V))),
        V + first - 2.0 * second,
    ],
    "energies of both ends, per electron": lambda V, charges, random: [
        (charged_eV := random.normal(-20.0, 4.0, len(V))),
        charged_eV - V,
    ],
    "bent: its exponential": lambda V, charges, random: [np.exp(V)],
    "bent: its saturation": lambda V, charges, random: [np.tanh(V - 3.0)],
    "its rank": lambda V, charges, random: [np.argsort(np.argsort(V)).astype(float)],
    "two columns whose quotient it is": lambda V, charges, random: [
        (q := random.uniform(80.0, 300.0, len(V))),
        q * V,
    ],
}


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unnamed_copy_of_the_target_beside_the_honest_feature_set_is_refused(
    electrodes, honest, protocol, leak
):
    columns = LEAKS[leak](electrodes.voltages_V, electrodes.pairs.ion_charges, np.random.default_rng(1))
    leaking = honest.assign(**{f"content_looks_honest_{i}": column for i, column in enumerate(columns)})
    with pytest.raises(LeakageError, match="give the held-out voltages away: R2 0.9|R2 1.0"):
        audit(electrodes, protocol, *sides(electrodes, protocol), leaking, honest=True)
    # The leakage audit's own experiments read it all the same.
    audit(electrodes, protocol, *sides(electrodes, protocol), leaking, honest=False)


def test_a_column_that_is_known_nowhere_passes(electrodes, honest):
    audit(electrodes, "framework", *sides(electrodes), honest.assign(empty=np.nan), honest=True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_row_on_both_sides_is_refused(electrodes, protocol):
    training, held_out = sides(electrodes, protocol)
    with pytest.raises(LeakageError, match="rows are in training and held out at once"):
        audit(electrodes, protocol, training, np.append(held_out, training[:1]), pd.DataFrame(), honest=True)


@pytest.mark.parametrize("protocol", ["framework", "chemical_system"])
@pytest.mark.parametrize("honest_columns", [True, False])
def test_groups_on_both_sides_are_refused(electrodes, protocol, honest_columns):
    training, held_out = sides(electrodes, RANDOM)
    with pytest.raises(LeakageError, match=f"groups of protocol {protocol} are on both sides"):
        audit(electrodes, protocol, training, held_out, pd.DataFrame(), honest=honest_columns)
    audit(electrodes, RANDOM, training, held_out, pd.DataFrame(), honest=honest_columns)


def test_hosts_of_the_same_elements_are_on_one_side_of_chemical_systems(electrodes):
    """MnO2 and Mn3O8 are two frameworks and one chemical system."""
    with pytest.raises(LeakageError, match="groups of protocol chemical_system"):
        audit(electrodes, "chemical_system", *sides(electrodes, "framework"), pd.DataFrame(), honest=True)


def test_overlaps_are_counted_one_by_one(electrodes):
    """Of MnO2's three electrodes one is held out, and once with the record of another id."""
    table = electrodes.table
    of_mno2 = np.flatnonzero(table["framework"] == "MnO2")
    held_out, training = of_mno2[:1], np.setdiff1d(np.arange(len(table)), of_mno2[:1])
    assert overlaps(electrodes, training, held_out) == {
        "held_out": 1,
        "same_framework": 1,
        "same_formula_pair": 0,
        "same_material": 0,
    }
    # The same pair of formulas in another crystal; then the same crystal.
    rows = np.append(np.arange(len(table)), held_out)
    twice = replace(electrodes, table=table.iloc[rows].reset_index(drop=True), pairs=electrodes.pairs[rows])
    twice.table.loc[len(table), "material_id"] = "another crystal"
    assert overlaps(twice, np.setdiff1d(np.arange(len(rows)), held_out), held_out) == {
        "held_out": 1,
        "same_framework": 1,
        "same_formula_pair": 1,
        "same_material": 0,
    }
    twice.table.loc[len(table), "material_id"] = table["material_id"].iloc[held_out[0]]
    assert overlaps(twice, np.setdiff1d(np.arange(len(rows)), held_out), held_out)["same_material"] == 1
    assert set(overlaps(electrodes, *sides(electrodes)).values()) == {0, len(sides(electrodes)[1])}


def test_only_experiments_with_the_answer_are_spared():
    spared = {name for name, experiment in EXPERIMENTS.items() if not experiment.is_audited}
    assert spared == {
        "mha_resnet_leak",
        "mha_resnet_leak_settled",
        "with_stability",
        "with_step_voltages",
        "with_energy_grav",
        "with_energy_vol",
    }
    assert all(EXPERIMENTS[name].part == "leak" for name in spared)
    rivals = [experiment for experiment in EXPERIMENTS.values() if experiment.part in ("rivals", "size")]
    assert all(set(experiment.blocks) <= set(HONEST) for experiment in rivals)


def test_gravimetric_capacity_is_that_of_the_discharged_formula(electrodes):
    """LiCoO2, all of it: F / (3.6 * 97.87 g/mol) = 273.8 mAh/g; MgMn2O4: 2 F / (3.6 * 198.2) = 270.5."""
    from ionsieve.composition.formulas import pair_of
    from ionsieve.composition.pairs import Pairs

    pairs = Pairs.of(
        [pair_of("LiCoO2", "Li"), pair_of("Li2Co2O4", "Li", "LiCo2O4"), pair_of("MgMn2O4", "Mg")]
    )
    columns = columns_of(replace(electrodes, pairs=pairs), ["capacity_grav"])
    assert columns["capacity_grav_mAh_per_g"].tolist() == pytest.approx([273.8, 136.9, 270.5], abs=0.1)


def test_step_voltages_of_an_electrode_without_steps_are_not_known(electrodes):
    steps = [[4.0, 3.0, 2.6], [], *[[2.0]] * (len(electrodes.table) - 2)]
    with_steps = replace(electrodes, table=electrodes.table.assign(step_voltage_V=steps))
    first = columns_of(with_steps, ["step_voltages"]).iloc[:3].to_numpy()
    np.testing.assert_allclose(first, [[4.0, 2.6, 3.2], [np.nan] * 3, [2.0] * 3])


def test_an_unknown_block_is_named(electrodes):
    with pytest.raises(DataError, match="there is no block 'energy'; known: charged_formula"):
        columns_of(electrodes, ["energy"])


@pytest.mark.parametrize(
    "name",
    [
        "discharged_space_group",
        "capacity_vol",
        "charged_space_group",
        "volume_change",
        "stability",
        "energy_grav",
        "energy_vol",
        "charged_system",
        "discharged_system",
    ],
)
def test_a_block_that_no_source_states_is_named(silent_electrodes, name):
    with pytest.raises(NotStated, match=rf"\({name}\); the Battery Explorer's JSON Lines do"):
        columns_of(silent_electrodes, ["descriptors", name])

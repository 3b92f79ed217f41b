"""The columns, types and units of every table that flows between stages.

A numeric column that has a unit carries it in its name. Nothing reaches the disk but through
:func:`write_table`, which refuses a table whose columns differ from its schema, so drift shows where
it starts. Parquet written here has the same bytes for the same content.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ionsieve.artifacts import atomic_path
from ionsieve.errors import DataError

# One crystal, as columns: cheap to stream by the hundred thousand, unlike one file each.
_STRUCTURE = [
    pa.field("numbers", pa.list_(pa.int16()), nullable=False),  # atomic number of each site
    pa.field("cell", pa.list_(pa.float64()), nullable=False),  # 9 numbers, row-major lattice vectors, A
    pa.field("frac_coords", pa.list_(pa.float64()), nullable=False),  # 3 per site, row-major
]


def _text(name: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, pa.string(), nullable=nullable)


def _number(name: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, pa.float64(), nullable=nullable)


def _numbers(name: str) -> pa.Field:
    return pa.field(name, pa.list_(pa.float64()), nullable=False)


def _integer(name: str, nullable: bool = False) -> pa.Field:
    return pa.field(name, pa.int64(), nullable=nullable)


def _flag(name: str) -> pa.Field:
    return pa.field(name, pa.bool_(), nullable=False)


# A discharged crystal with the average voltage of the pair it belongs to: what voltage models learn.
ELECTRODES = pa.schema(
    [
        _text("electrode_id"),
        _text("material_id"),  # of the discharged structure
        _text("source"),
        _text("licence"),
        _text("label_kind"),  # what the voltage is: "CHGNet", "DFT (Materials Project)", ...
        _text("working_ion"),
        _text("formula"),  # reduced, of the discharged cell
        _text("framework"),  # reduced formula without the working ion
        _number("voltage_V"),
        _number("x_charged"),  # working ions left when charged, as a fraction of those when discharged
        _integer("n_steps"),
        # The voltage steps from charged to discharged, empty where the source does not tell: the voltage of
        # each, and the ion content at their ends (n_steps + 1 fractions, x_charged first, 1 last).
        _numbers("step_voltage_V"),
        _numbers("step_x"),
        *_STRUCTURE,
    ]
)

# What a source calculated for the pair of an electrode, as it states it. Only audits of leaks may read it: of
# a candidate nobody knows these, so no model that screens may learn from them.
CALCULATED = pa.schema(
    [
        _text("electrode_id"),
        _text("source"),
        _integer("charged_space_group", nullable=True),
        _integer("discharged_space_group", nullable=True),
        _text("charged_crystal_system", nullable=True),  # lower case
        _text("discharged_crystal_system", nullable=True),
        _number("volume_change", nullable=True),  # larger over smaller volume minus 1, of the worst step
        _number("capacity_grav_mAh_per_g", nullable=True),
        _number("capacity_vol_Ah_per_L", nullable=True),
        _number("energy_grav_Wh_per_kg", nullable=True),
        _number("energy_vol_Wh_per_L", nullable=True),
        _number("stability_charged_eV_per_atom", nullable=True),  # distance from the convex hull
        _number("stability_discharged_eV_per_atom", nullable=True),
    ]
)

# A crystal to be screened.
CANDIDATES = pa.schema(
    [
        _text("material_id"),
        _text("source"),
        _text("licence"),
        _text("formula"),
        _number("energy_above_hull_eV_per_atom", nullable=True),
        _text("hull_reference", nullable=True),  # whose convex hull that distance refers to
        *_STRUCTURE,
    ]
)

# A record set aside, with the reason.
REJECTS = pa.schema([_text("material_id"), _text("source"), _text("stage"), _text("reason")])

# Held-out electrodes with the voltage that a model which never saw them predicts.
HELD_OUT = pa.schema(
    [
        _text("electrode_id"),
        _text("material_id"),
        _text("working_ion"),
        _text("framework"),
        _text("protocol"),  # how the electrodes were split
        _integer("fold"),
        _number("voltage_V"),  # the label
        _number("predicted_voltage_V"),
        _number("x_charged"),
    ]
)

# The same of the model that a screening uses. Intervals, and what they are made of, are of the protocol
# ``framework`` alone.
OUT_OF_FOLD = pa.schema(
    [
        *HELD_OUT,
        _number("disagreement_V"),  # between the member's network and its trees
        _number("distance", nullable=True),  # to the member's training electrodes
        _number("expected_error_V", nullable=True),  # by what the other folds' errors tell
        _number("voltage_low_V", nullable=True),  # interval calibrated on the other folds
        _number("voltage_high_V", nullable=True),
    ]
)

# What a universal potential knows of an electrode's discharged crystal; see voltage/energy_model.py.
ENERGY_FEATURES = pa.schema(
    [
        _text("electrode_id"),
        _text("material_id"),
        _text("working_ion"),
        _number("unrelaxed_voltage_V"),  # full extraction, host as it stands
        _number("relaxed_voltage_V"),  # full extraction, host after a few steps of relaxation
        _number("energy_discharged_eV_per_atom"),
        _number("energy_host_eV_per_atom"),
        _number("largest_force_eV_per_A"),  # left in the host
        _number("volume_ratio"),  # host after and before
        _number("ion_site_energy_eV"),
        # One value per site but the working ions', in the order of the discharged crystal.
        _numbers("host_numbers"),
        _numbers("moments_discharged_muB"),
        _numbers("moments_host_muB"),
        _numbers("site_energies_discharged_eV"),
        _numbers("site_energies_host_eV"),
        # The potential's own vectors, of its length: mean of the ions, of the crystal, of the host.
        _numbers("latent_ions"),
        _numbers("latent_discharged"),
        _numbers("latent_host"),
    ]
)

# One row per candidate of a shard.
PREDICTIONS = pa.schema(
    [
        _text("material_id"),
        _number("voltage_V"),  # ensemble mean; out-of-fold for a known electrode
        _number("voltage_low_V"),
        _number("voltage_high_V"),
        _number("voltage_spread_V"),  # standard deviation over the ensemble
        _number("voltage_sigma_V"),  # of the predictive distribution, read as Gaussian
        _number("distance"),  # to the nearest training electrode, in normalised descriptors
        _flag("in_domain"),  # near enough, and of elements and an ion that the model was trained on
        _flag("known"),  # a training electrode
        _number("label_voltage_V", nullable=True),  # its label
        _text("label_kind", nullable=True),
    ]
)

# Mean squared displacement of one MD run against time, drift of the framework removed.
MSD = pa.schema(
    [
        _number("time_ps"),
        _number("msd_A2"),  # mean over the working ions
        _number("host_msd_A2"),  # mean over the host's atoms
    ]
)

# Force components of a potential on held-out frames, beside those of its labels.
FORCE_PARITY = pa.schema(
    [_text("kind"), _text("element"), _number("force_eV_per_A"), _number("predicted_force_eV_per_A")]
)

# Ways of a few ions through the host, and the host atoms around them (ionsieve.transport.ion_paths).
ION_PATHS = pa.schema(
    [
        pa.field("path", pa.int64(), nullable=True),  # null for atoms of the host
        _text("element"),
        _number("x_A"),
        _number("y_A"),
        _number("z_A"),
    ]
)

# Radial distribution of the host's atoms, all pairs: in the crystal, and at the start and end of MD.
HOST_RDF = pa.schema([_number("distance_A"), _number("crystal"), _number("start"), _number("end")])

# Candidates with all that the funnel needs, one row each; the shortlist is its first rows.
SCREENED = pa.schema(
    [
        _text("material_id"),
        _text("source"),
        _text("licence"),
        _text("formula"),
        _text("framework"),
        _integer("n_sites"),
        _number("volume_A3"),
        _number("energy_above_hull_eV_per_atom", nullable=True),
        _text("hull_reference", nullable=True),  # whose convex hull that distance refers to
        _number("voltage_V"),
        _number("voltage_low_V"),
        _number("voltage_high_V"),
        _number("voltage_spread_V"),
        _number("voltage_pass_probability"),  # P(voltage within the screen's window)
        _flag("in_domain"),
        _flag("known"),
        _number("label_voltage_V", nullable=True),
        _text("label_kind", nullable=True),
        _number("capacity_grav_mAh_per_g"),
        _number("capacity_vol_Ah_per_L"),
        _number("redox_capacity_grav_mAh_per_g"),
        _number("redox_capacity_vol_Ah_per_L"),
        _number("energy_density_Wh_per_kg"),
        _number("energy_density_Wh_per_L"),
        _flag("anion_redox"),  # full extraction needs the anions to be oxidised
        _number("screen_score"),  # P(voltage passes) x redox-limited energy density, Wh/L
        _text("role"),  # "candidate", or "control": sent to MD whatever the funnel says, never ranked
    ]
)

# What the composition model says of the shortlist, from formulas alone and for the extraction of all ions.
SECOND_OPINION = pa.schema(
    [
        _text("material_id"),
        _number("composition_voltage_V"),
        _number("composition_voltage_low_V"),
        _number("composition_voltage_high_V"),
        _flag("composition_in_domain"),
    ]
)

# The final table: results/candidates.csv and the report's ranked table.
RANKED = pa.schema(
    [
        pa.field("rank", pa.int64(), nullable=True),
        *[SCREENED.field(name) for name in SCREENED.names],
        pa.field("temperature_K", pa.float64(), nullable=True),
        _number("conductivity_mS_per_cm", nullable=True),  # null where only a bound is known
        _number("conductivity_low_mS_per_cm", nullable=True),
        _number("conductivity_high_mS_per_cm", nullable=True),
        _text("conductivity_kind", nullable=True),  # "value", "upper_bound" or null
        _number("diffusivity_cm2_per_s", nullable=True),
        _number("activation_energy_eV", nullable=True),
        _number("conductivity_300K_mS_per_cm", nullable=True),
        _number("migration_barrier_eV", nullable=True),  # of single hops, by nudged elastic bands
        _number("potential_force_mae_eV_per_A", nullable=True),
        _text("md_status"),  # ok, failed, unstable, host_melted, host_diffusing, potential_rejected, missing
        _text("md_reason", nullable=True),
        _text("validation_status"),  # prepared, failed, missing
        _number("universal_potential_voltage_V", nullable=True),  # of the pair, relaxed
        _number("voltage_disagreement_V", nullable=True),  # that one minus voltage_V
        _number("composition_voltage_V", nullable=True),  # from the formula alone
        _number("composition_voltage_low_V", nullable=True),
        _number("composition_voltage_high_V", nullable=True),
        _number("score", nullable=True),
        _text("flags"),  # known, anion_redox, hull_unknown, upper_bound ...; separated by ";"
    ]
)


# Predicted and computed voltages of the finalists, one row per finalist and tier.
VALIDATION_SUMMARY = pa.schema(
    [
        _text("material_id"),
        _text("formula"),
        _text("role"),
        _text("tier"),  # universal_potential, vasp ...
        _text("status"),  # prepared, running, done, failed, stale
        _text("reason", nullable=True),
        _number("predicted_voltage_V"),  # of the voltage model
        _number("computed_voltage_V", nullable=True),
        _number("disagreement_V", nullable=True),  # computed minus predicted
        _number("volume_change", nullable=True),  # charged over discharged volume, minus 1
        pa.field("framework_collapsed", pa.bool_(), nullable=True),
        _number("decomposition_energy_eV_per_atom", nullable=True),  # of the charged host
        _text("label_kind", nullable=True),  # what the computed voltage is: "CHGNet" ...
    ]
)

# Measured or synthetic discharge curves, 100 points each, sorted by test, cycle and voltage.
DISCHARGE_POINTS = pa.schema(
    [
        _text("test_id"),
        _text("label"),  # "experiment" or "synthetic"
        _text("composition"),
        _number("rate_mA_per_g"),
        _number("voltage_low_V"),  # window of the test
        _number("voltage_high_V"),
        pa.field("cycle", pa.int32(), nullable=False),  # from 1
        _number("voltage_V"),  # ascending within a cycle
        _number("capacity_mAh_per_g"),  # discharged until that voltage is reached
        _number("first_capacity_mAh_per_g", nullable=True),  # of cycle 1 at that voltage; null without it
        _number("dq_dv_mAh_per_g_per_V"),  # at most 0
    ]
)

# Cycling tests, and single cycles, that are not among the points.
DISCHARGE_REJECTS = pa.schema(
    [
        _text("test_id"),
        pa.field("cycle", pa.int32(), nullable=True),  # null: the whole test, or the file
        _text("source"),  # name of the file
        _text("reason"),
    ]
)


def write_table(rows: pd.DataFrame | list[dict[str, Any]], schema: pa.Schema, path: Path | str) -> None:
    """Write rows as Parquet, atomically, with exactly the columns of ``schema``.

    Raises
    ------
    DataError : a column is missing, unknown, of another type, or null where it may not be.
    """
    with atomic_path(path) as temporary:
        pq.write_table(to_arrow(rows, schema), temporary, compression="zstd", row_group_size=16_384)


def to_arrow(rows: pd.DataFrame | list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table with exactly the columns of ``schema``; raises DataError otherwise."""
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows, columns=schema.names)
    missing, unknown = set(schema.names) - set(frame.columns), set(frame.columns) - set(schema.names)
    if missing or unknown:
        raise DataError(
            f"table does not fit its schema: missing {sorted(missing)}, unknown {sorted(unknown)}"
        )
    try:
        table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False, safe=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as error:
        raise DataError(f"table does not fit its schema: {error}") from error
    # pandas metadata carries library versions: without it, the same rows are the same bytes.
    table = table.replace_schema_metadata(None)
    for field in schema:
        if not field.nullable and table.column(field.name).null_count:
            raise DataError(f"column {field.name} has empty values, which its schema does not allow")
    return table


def stream(path: Path | str) -> pq.ParquetFile:
    """A Parquet file to iterate over, without the read-ahead that ends up holding all of it in memory."""
    return pq.ParquetFile(path, pre_buffer=False)


def read_table(path: Path | str, schema: pa.Schema) -> pd.DataFrame:
    """Read a Parquet table and check that it has the columns of ``schema``."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist") from error
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is not a Parquet table: {error}") from error
    missing = set(schema.names) - set(table.column_names)
    if missing:
        raise DataError(f"{path} lacks the columns {sorted(missing)}; it was made by another version")
    return table.select(schema.names).to_pandas()

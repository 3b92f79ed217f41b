"""A made-up but plausible run on disk, for the report's tests and for looking at the page."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from plausible_composition import write_composition
from plausible_files import write_cards_and_jobs, write_crystal, write_paths

from ionsieve import tables
from ionsieve.artifacts import write_json, write_text
from ionsieve.config import Config
from ionsieve.ranking import rank, write_csv
from ionsieve.report.sources import by_material, documents_by_material, force_errors
from ionsieve.units import BOLTZMANN_EV_PER_K
from ionsieve.validation.summary import summary
from ionsieve.voltage.interpretation_tables import LEARNED_ELEMENTS, LOCAL_ENVIRONMENTS

TEMPERATURE_K = 1200.0
BARRIER_EV = 0.4
ION_COUNTS = {"Li": 120, "Na": 60, "Mg": 60, "Ca": 30, "Zn": 30, "Al": 12, "K": 12, "Y": 6}

# id, formula, voltage, full and redox-limited capacity, MD (status, conductivity or bound, kind), role
FINALISTS = (
    ("demo-spinel-MgMn2O4", "MgMn2O4", 3.32, 1310.0, 1310.0, ("ok", 214.0, "value"), "candidate"),
    ("demo-cf-MgCr2O4", "MgCr2O4", 3.61, 1480.0, 1480.0, ("ok", 62.0, "upper_bound"), "candidate"),
    ("demo-fluoro-MgVPO4F", "MgVPO4F", 3.48, 1020.0, 510.0, ("ok", 38.0, "value"), "candidate"),
    ("demo-olivine-MgFeSiO4", "MgFeSiO4", 3.20, 1420.0, 710.0, ("host_melted", None, None), "candidate"),
    ("demo-fast-Mg2SeCl2O3", "Mg2SeCl2O3", 1.10, 620.0, 0.0, ("ok", 1830.0, "value"), "control"),
)


def write_run(results: Path, finalists: tuple = FINALISTS, considered: int = 163) -> None:
    """Write everything that a finished run leaves under ``results`` but the report."""
    _write_data(results, considered)
    _write_voltage(results)
    _write_interpretation(results)
    _write_screen(results, finalists, considered)
    for material_id, formula, *_, molecular_dynamics, _ in finalists:
        _write_candidate(results, material_id, formula, *molecular_dynamics)
        write_crystal(results, material_id, formula)
    write_cards_and_jobs(results)
    write_composition(
        results,
        tables.read_table(results / "screen" / "shortlist.parquet", tables.SCREENED),
        tables.read_table(results / "voltage" / "out_of_fold.parquet", tables.OUT_OF_FOLD),
    )
    _write_ranking(results)


def _write_data(results: Path, considered: int) -> None:
    config = Config().model_dump(mode="json")
    write_text(results / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    write_text(
        results / "data" / "rejects.csv",
        "material_id,source,stage,reason\n"
        "mp-77,files,candidates,overlapping atoms: Mg-O at 0.42 A\n"
        "mp-78,files,candidates,partial occupancies (Mg:0.5); order the structure first\n",
    )
    write_json(
        results / "data" / "catalogue.json",
        {
            "working_ion": "Mg",
            "electrodes": {
                "count": sum(ION_COUNTS.values()),
                "by_ion": ION_COUNTS,
                "by_label_kind": {"CHGNet": sum(ION_COUNTS.values())},
                "licences": {"MIT": sum(ION_COUNTS.values())},
            },
            "candidates": {"read": considered + 9, "candidates": considered, "licence MIT": considered},
            "sources": {
                "materials_project": {
                    "version": "2026.11.20",
                    "licences": ["CC BY 4.0"],
                    "cite": ["Jain et al. (2013)"],
                }
            },
            "rejects": {"candidates: overlapping atoms": 1, "candidates: partial occupancies": 1},
        },
    )


def _write_voltage(results: Path) -> None:
    random = np.random.default_rng(0)
    rows = []
    for protocol, spread in (("framework", 0.42), ("paper", 0.33)):
        for ion, count in ION_COUNTS.items():
            for index, voltage in enumerate(np.clip(random.normal(2.9, 1.1, count), -0.5, 5.5)):
                rows.append(
                    {
                        "electrode_id": f"{ion}-{index}",
                        "material_id": f"{ion}-{index}",
                        "working_ion": ion,
                        "framework": f"Mn{1 + index % 7}O{2 + index % 5}",
                        "protocol": protocol,
                        "fold": index % 5,
                        "voltage_V": float(voltage),
                        "predicted_voltage_V": float(voltage + random.normal(0, spread)),
                        "disagreement_V": 0.1,
                        "x_charged": 0.0,
                    }
                )
    out_of_fold = pd.DataFrame(rows, columns=tables.OUT_OF_FOLD.names)
    tables.write_table(out_of_fold, tables.OUT_OF_FOLD, results / "voltage" / "out_of_fold.parquet")
    write_json(results / "voltage" / "metrics.json", _metrics())


def _metrics() -> dict[str, Any]:
    def scores(count: int, mae_V: float) -> dict[str, Any]:
        return {
            "count": count,
            "mae_V": mae_V,
            "rmse_V": 1.35 * mae_V,
            "median_absolute_error_V": 0.8 * mae_V,
            "r2": 1 - mae_V**2,
            "n_frameworks": max(1, count // 4),
            "mae_interval_V": [0.9 * mae_V, 1.1 * mae_V],
        }

    def protocol(mae_V: float) -> dict[str, Any]:
        return {
            "all": scores(sum(ION_COUNTS.values()), mae_V),
            "by_ion": {ion: scores(count, mae_V) for ion, count in sorted(ION_COUNTS.items())},
            "full_extraction": scores(300, mae_V),
            "ion_mean_baseline": {"count": 330, "mae_V": 0.95, "rmse_V": 1.2, "r2": 0.1},
            "splits": [],
        }

    share = {"count": 330, "coverage": 0.89, "mean_width_V": 1.4}
    return {
        "protocols": {
            "chemical_system": protocol(0.372),
            "framework": protocol(0.336),
            "paper": protocol(0.261),
        },
        "interval": {
            "nominal_coverage": 0.9,
            "all": share,
            "by_ion": {ion: {**share, "count": count} for ion, count in sorted(ION_COUNTS.items())},
            "predicted_high": {"threshold_V": 3.0, "precision": 0.84, **share, "count": 141},
        },
    }


def _write_interpretation(results: Path) -> None:
    random = np.random.default_rng(2)
    classes = {
        "Li": "alkali metal",
        "Na": "alkali metal",
        "Mg": "alkaline-earth metal",
        "Mn": "transition metal",
        "Fe": "transition metal",
        "La": "f-block metal",
        "Al": "post-transition metal",
        "Si": "metalloid",
        "O": "nonmetal",
        "F": "halogen",
    }
    elements = [
        {
            "element": element,
            "element_class": element_class,
            "n_electrodes": 30,
            "component_1": random.normal(),
            "component_2": random.normal(),
        }
        for element, element_class in classes.items()
    ]
    environments = [
        {
            "electrode_id": f"{element}-{index}",
            "framework": "MnO2",
            "element": element,
            "element_class": element_class,
            "is_working_ion": element in ION_COUNTS,
            "tsne_1": random.normal(),
            "tsne_2": random.normal(),
        }
        for element, element_class in classes.items()
        for index in range(20)
    ]
    folder = results / "voltage" / "interpretation"
    tables.write_table(elements, LEARNED_ELEMENTS, folder / "elements.parquet")
    tables.write_table(environments, LOCAL_ENVIRONMENTS, folder / "environments.parquet")
    own_class = {
        "shuffled_share": 0.2,
        "shuffled_high_share": 0.31,
        "p_value": 0.004,
        "untrained_share": 0.23,
    }
    write_json(
        folder / "summary.json",
        {
            "electrodes": sum(ION_COUNTS.values()),
            "frameworks": 35,
            "label_kinds": ["CHGNet"],
            "explained_variance": [0.23, 0.1],
            "elements_of_own_class": {**own_class, "count": 71, "share": 0.38},
            "host_environments_of_own_class": {**own_class, "count": 120, "share": 0.43},
            "environments_of_own_class": {**own_class, "count": 200, "share": 0.27},
            "working_ions_near_each_other": {
                "count": 80,
                "share": 0.69,
                "untrained_share": 0.32,
                "chance_share": 0.47,
            },
        },
    )


def screened_row(
    material_id: str, formula: str, voltage_V: float, full: float, redox: float, role: str
) -> dict:
    """A row of the screened table."""
    return {
        "material_id": material_id,
        "source": "demo",
        "licence": "MIT",
        "formula": formula,
        "framework": formula.removeprefix("Mg"),
        "n_sites": 14,
        "volume_A3": 150.0,
        "energy_above_hull_eV_per_atom": None if "spinel" in material_id else 0.02,
        "hull_reference": None if "spinel" in material_id else "Materials Project (GGA_GGA+U_R2SCAN)",
        "voltage_V": voltage_V,
        "voltage_low_V": voltage_V - 0.6,
        "voltage_high_V": voltage_V + 0.6,
        "voltage_spread_V": 0.12,
        "voltage_pass_probability": min(0.99, max(0.01, 0.5 + (voltage_V - 3.0))),
        "in_domain": True,
        "known": "spinel" in material_id,
        "label_voltage_V": 2.9 if "spinel" in material_id else None,
        "label_kind": "CHGNet" if "spinel" in material_id else None,
        "capacity_grav_mAh_per_g": full / 4.4,
        "capacity_vol_Ah_per_L": full,
        "redox_capacity_grav_mAh_per_g": redox / 4.4,
        "redox_capacity_vol_Ah_per_L": redox,
        "energy_density_Wh_per_kg": voltage_V * full / 4.4,
        "energy_density_Wh_per_L": voltage_V * full,
        "anion_redox": redox < full,
        "screen_score": min(0.99, max(0.01, 0.5 + (voltage_V - 3.0))) * voltage_V * redox,
        "role": role,
    }


def _write_screen(results: Path, finalists: tuple, considered: int) -> None:
    random = np.random.default_rng(1)
    chosen = [screened_row(*finalist[:5], finalist[6]) for finalist in finalists]
    candidates = [row for row in chosen if row["role"] == "candidate"]
    rest = [
        screened_row(
            f"demo-rest-{index}", f"MgFe{1 + index}O{3 + index}", voltage, full, 0.7 * full, "candidate"
        )
        for index, (voltage, full) in enumerate(
            zip(random.uniform(3.0, 4.4, 14), random.uniform(820, 1400, 14), strict=True)
        )
    ]
    screened = (
        [*candidates, *rest, *[row for row in chosen if row["role"] == "control"]] if candidates else chosen
    )
    tables.write_table(chosen, tables.SCREENED, results / "screen" / "shortlist.parquet")
    tables.write_table(screened, tables.SCREENED, results / "screen" / "screened.parquet")
    passed = sum(row["role"] == "candidate" for row in screened)
    edges, counts = np.unique(np.floor(random.normal(2.4, 1.2, considered) / 0.25) * 0.25, return_counts=True)
    histogram = {str(edge): int(count) for edge, count in zip(edges, counts, strict=True)}
    write_json(
        results / "screen" / "funnel.json",
        {
            "working_ion": "Mg",
            "considered": considered,
            "steps": [
                {
                    "name": "voltage_low",
                    "why": "predicted voltage at or below screen.min_voltage_V",
                    "removed": considered - passed - 30,
                    "remaining": passed + 30,
                },
                {
                    "name": "capacity_vol",
                    "why": "volumetric capacity at or below screen.min_capacity_vol_Ah_per_L",
                    "removed": 30,
                    "remaining": passed,
                },
            ],
            "thresholds": {"min_voltage_V": 3.0, "min_capacity_vol_Ah_per_L": 800.0},
            "voltage_histogram": {"bin_V": 0.25, "by_source": {"demo": histogram}},
            "missing_controls": [],
        },
    )


def _write_candidate(
    results: Path, material_id: str, formula: str, status: str, conductivity: float | None, kind: str | None
) -> None:
    value = conductivity if kind == "value" else None
    host_drift = 2.0 if status == "host_melted" else 0.0
    run = {
        "status": status,
        "reason": None if status == "ok" else "host atoms left 31 % of their sites (MSD 9.4 A2)",
        "material_id": material_id,
        "temperature_K": TEMPERATURE_K,
        "conductivity_mS_per_cm": value,
        "conductivity_low_mS_per_cm": value and value / 1.6,
        "conductivity_high_mS_per_cm": conductivity
        and (conductivity * 1.6 if kind == "value" else conductivity),
        "conductivity_kind": kind,
        "diffusivity_cm2_per_s": value and value * 2.4e-8,
        "diffusivity_low_cm2_per_s": value and value * 1.5e-8,
        "diffusivity_high_cm2_per_s": conductivity and conductivity * (3.8e-8 if value else 2.4e-8),
        "n_hops": 0 if value is None else int(value / 4),
        "n_ions": 13,
        "anisotropy": value and _anisotropy(value * 2.4e-8),
        "haven_ratio": _haven_ratio(material_id),
        "host": {
            "lindemann": 0.06,
            "sites_kept": 1.0,
            "rdf_order_crystal": 1.9,
            "rdf_order_start": 0.41,
            "rdf_order_end": 0.4,
        },
    }
    transport = results / "transport" / material_id
    temperatures = [run]
    if value:
        temperatures = [_bound(_colder(run, 600.0)), _colder(run, 800.0), _colder(run, 1000.0), run]
    barrier = {
        "activation_energy_eV": value and BARRIER_EV,
        "conductivity_300K_mS_per_cm": value and value * 1e-5,
    }
    write_json(transport / "transport.json", {**run, **barrier, "temperatures": temperatures})
    at_temperature = transport / f"{TEMPERATURE_K:g}K"
    write_json(at_temperature / "diffusivity.json", run)
    time_ps = np.arange(150) * 0.02
    msd = [
        {
            "time_ps": time,
            "msd_A2": 0.8 * (1 - np.exp(-time / 0.1)) + (value or 0.5) * 0.02 * time,
            "host_msd_A2": 0.25 * (1 - np.exp(-time / 0.08)) + host_drift * time,
        }
        for time in time_ps
    ]
    tables.write_table(msd, tables.MSD, at_temperature / "msd.parquet")
    if value:
        write_paths(at_temperature)
    write_json(
        results / "potential" / material_id / "model.json",
        {
            "status": "ok",
            "reason": None,
            "metrics": {"force_mae_eV_per_A": 0.113, "energy_mae_meV_per_atom": 8.1},
            "softening": {
                "against": "CHGNet",
                "slope": 0.8,
                "slope_lower": 0.75,
                "slope_upper": 0.85,
                "barrier_factor": 1.25,
                "barrier_factor_lower": 1.1765,
                "barrier_factor_upper": 1.3333,
            },
        },
    )
    random = np.random.default_rng(3)
    forces = random.standard_t(4, 900)
    parity = pd.DataFrame(
        {
            "kind": "hot",
            "element": np.repeat(["Mg", "Mn", "O"], 300),
            "force_eV_per_A": forces,
            "predicted_force_eV_per_A": 0.8 * forces + random.normal(0, 0.15, 900),
        }
    )
    tables.write_table(
        parity, tables.FORCE_PARITY, results / "potential" / material_id / "model.parity.parquet"
    )
    write_json(
        results / "voltage" / "contributions" / material_id / "contributions.json",
        {
            "working_ion": "Mg",
            "members": 5,
            "baseline_V": 2.22,
            "descriptors_V": 0.31,
            "largest_descriptors": [{"name": "redox_potential_V", "contribution_V": 0.27}],
            "voltage_V": 3.05,
            "neighbors": [
                {
                    "neighbor": element,
                    "distance_A": distance_A,
                    "count": 6.0,
                    "contribution_V": contribution_V,
                    "contribution_spread_V": 0.05,
                }
                for element, distance_A, contribution_V in [
                    ("O", 2.05, 0.7),
                    ("O", 2.21, 0.2),
                    ("Cr", 2.96, -0.38),
                ]
            ],
        },
    )
    write_json(
        results / "validation" / material_id / "universal_potential.json",
        {
            "status": "ok",
            "reason": None,
            "state": "done",
            "structure_digest": "as computed",
            "voltage_V": 3.11,
            "volume_change": -0.04,
            "framework_collapsed": False,
            "label_kind": "CHGNet",
        },
    )
    write_json(
        results / "validation" / material_id / "validation.json",
        {
            "status": "ok",
            "reason": None,
            "state": "prepared",
            "n_atoms": {"discharged": 14, "charged": 12, "metal": 2},
            "hubbard_u_eV": {"Mn": 3.9} if "Mn" in formula else {},
            "potcar_symbols": {"Mg": "Mg_pv", "O": "O"},
        },
    )


def _colder(run: dict[str, Any], temperature_K: float) -> dict[str, Any]:
    """The same run at another temperature, by the barrier."""
    factor = np.exp(-BARRIER_EV / BOLTZMANN_EV_PER_K * (1 / temperature_K - 1 / TEMPERATURE_K))
    scaled = {name: factor * run[name] for name in run if name.startswith("diffusivity")}
    return {**run, "temperature_K": temperature_K, **scaled}


def _bound(run: dict[str, Any]) -> dict[str, Any]:
    """The same run with too few hops for a value."""
    nothing = dict.fromkeys(["diffusivity_cm2_per_s", "diffusivity_low_cm2_per_s", "anisotropy"])
    return {**run, **nothing, "conductivity_kind": "upper_bound", "n_hops": 1}


def _anisotropy(diffusivity_cm2_per_s: float) -> dict[str, Any]:
    along = [share * diffusivity_cm2_per_s for share in (1.4, 1.4, 0.2)]
    return {
        "principal_cm2_per_s": along,
        "principal_error_cm2_per_s": [0.3 * value for value in along],
        "principal_directions": [[1.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]],
        "p_isotropic": 0.001,
        "ratio": 7.0,
        "ratio_low": 3.1,
        "ratio_high": 16.0,
    }


def _haven_ratio(material_id: str) -> dict[str, Any]:
    if "fast" in material_id:
        return {"value": 0.62, "low": 0.4, "high": 0.9, "unknown_because": None}
    few = "each ion must hop 10 times or more in a run, on average"
    return {"value": None, "low": None, "high": None, "unknown_because": few}


def _write_ranking(results: Path) -> None:
    shortlist = tables.read_table(results / "screen" / "shortlist.parquet", tables.SCREENED)
    transport = documents_by_material(results.glob("transport/*/transport.json"))
    validation = documents_by_material(results.glob("validation/*/validation.json"))
    potentials = documents_by_material(results.glob("potential/*/model.json"))
    relaxed = documents_by_material(results.glob("validation/*/universal_potential.json"))
    digests = dict.fromkeys(shortlist["material_id"], "as computed")
    computed = summary(shortlist, digests, {"universal_potential": relaxed, "vasp": validation})
    tables.write_table(computed, tables.VALIDATION_SUMMARY, results / "validation" / "summary.parquet")
    errors = force_errors(potentials, shortlist["material_id"])
    opinion = tables.read_table(results / "composition" / "shortlist.parquet", tables.SECOND_OPINION)
    ranked = rank(shortlist, transport, validation, relaxed, by_material(opinion), errors, 100.0)
    tables.write_table(ranked, tables.RANKED, results / "report" / "ranked.parquet")
    write_csv(ranked, results / "candidates.csv")

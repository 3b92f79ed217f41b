"""The composition stage of a made-up run: the model, the paper's tables redone, the leakage audit."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ionsieve import tables
from ionsieve.artifacts import write_json
from ionsieve.composition.benchmark import OUT_OF_FOLD
from ionsieve.composition.blocks import BLOCKS
from ionsieve.composition.experiments import AUDITED, EXPERIMENTS, FRAMEWORK, RANDOM
from ionsieve.composition.published import TABLE_S1
from ionsieve.composition.volume_change import HELD_OUT as VOLUME_CHANGES
from ionsieve.composition.volume_change import summarise as summarise_volume_change

NOT_STATED = "no source of these electrodes states space groups"
SKIPPED = "boosting_crystal"
VOLUME_CHANGES_OF_EACH = 240


def write_composition(results: Path, shortlist: pd.DataFrame, of_voltage_model: pd.DataFrame) -> None:
    """Write what the model, the benchmark and the audit leave under ``results/composition``.

    Parameters
    ----------
    shortlist : rows of :data:`ionsieve.tables.SCREENED`.
    of_voltage_model : out-of-fold predictions; those by framework get a wider spread.
    """
    random = np.random.default_rng(5)
    folder = results / "composition"
    rows = of_voltage_model[of_voltage_model["protocol"] == FRAMEWORK].reset_index(drop=True)
    rows["predicted_voltage_V"] += random.normal(0, 0.25, len(rows))
    tables.write_table(rows, tables.OUT_OF_FOLD, folder / "out_of_fold.parquet")
    counts = rows["working_ion"].value_counts().to_dict()
    write_json(folder / "metrics.json", _metrics(counts))
    tables.write_table(_second_opinion(shortlist), tables.SECOND_OPINION, folder / "shortlist.parquet")

    held_out = _held_out(rows, random)
    tables.write_table(held_out, OUT_OF_FOLD, folder / "benchmark" / "out_of_fold.parquet")
    changes = _volume_changes(random)
    tables.write_table(changes, VOLUME_CHANGES, folder / "experiments" / "volume_change.parquet")
    write_json(
        folder / "benchmark" / "table.json",
        {
            "seed": 0,
            "folds": 5,
            "random_splits": 3,
            "scores": _scores(counts),
            "skipped": {SKIPPED: NOT_STATED},
            "overlaps": _overlaps(),
            "coverage": 0.9,
            "table_s1": _table_s1(),
            "table_s5": summarise_volume_change(changes, seed=0),
        },
    )
    write_json(folder / "leakage_audit.json", _audit())


def _metrics(counts: dict[str, int]) -> dict[str, Any]:
    def scores(count: int) -> dict[str, Any]:
        return {
            "count": count,
            "mae_V": 0.412,
            "rmse_V": 0.61,
            "median_absolute_error_V": 0.27,
            "r2": 0.81,
            "n_frameworks": max(1, count // 4),
            "mae_interval_V": [0.391, 0.433],
        }

    share = {"coverage": 0.896, "mean_width_V": 1.61}
    total = sum(counts.values())
    return {
        "protocols": {
            FRAMEWORK: {
                "all": scores(total),
                "by_ion": {ion: scores(count) for ion, count in sorted(counts.items())},
                "full_extraction": scores(total),
                "ion_mean_baseline": {"count": total, "mae_V": 0.95, "rmse_V": 1.2, "r2": 0.1},
                "splits": [],
            }
        },
        "interval": {
            "nominal_coverage": 0.9,
            "all": {**share, "count": total},
            "by_ion": {ion: {**share, "count": count} for ion, count in sorted(counts.items())},
            "predicted_high": {"threshold_V": 3.0, "precision": 0.8, **share, "count": 120},
        },
    }


def _second_opinion(shortlist: pd.DataFrame) -> pd.DataFrame:
    """Half a volt less than the voltage model; of the controls something quite different."""
    voltage_V = shortlist["voltage_V"] - np.where(shortlist["role"] == "control", -2.0, 0.5)
    return pd.DataFrame(
        {
            "material_id": shortlist["material_id"],
            "composition_voltage_V": voltage_V,
            "composition_voltage_low_V": voltage_V - 0.8,
            "composition_voltage_high_V": voltage_V + 0.8,
            "composition_in_domain": True,
        }
    )


def _held_out(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    parts = []
    for place, size in enumerate(("", "_200", "_150", "_100", "_50")):
        for name, spread_V in (("mha_resnet", 0.55), ("ionsieve", 0.4)):
            predicted_V = rows["voltage_V"] + random.normal(0, spread_V * (1 + 0.12 * place), len(rows))
            parts.append(rows.assign(experiment=name + size, predicted_voltage_V=predicted_V))
    return pd.concat(parts, ignore_index=True)[OUT_OF_FOLD.names]


def _volume_changes(random: np.random.Generator) -> pd.DataFrame:
    parts = []
    for protocol, spread in ((RANDOM, 0.5), (FRAMEWORK, 0.8)):
        changes = np.exp(random.normal(np.log(0.05), 1.0, VOLUME_CHANGES_OF_EACH))
        changes[:3] = 0.0, 3.2, 41.0
        predicted = (changes + 0.02) ** 0.6 * 0.05**0.4 * np.exp(random.normal(0, spread, changes.size))
        parts.append(
            pd.DataFrame(
                {
                    "electrode_id": [f"e-{index}" for index in range(changes.size)],
                    "working_ion": "Li",
                    "framework": [f"Mn{1 + index % 40}O2" for index in range(changes.size)],
                    "protocol": protocol,
                    "fold": 0,
                    "volume_change": changes,
                    "predicted_volume_change": predicted,
                    "median_volume_change": 0.051,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _scores(counts: dict[str, int]) -> list[dict[str, Any]]:
    scored = []
    for place, (name, experiment) in enumerate(EXPERIMENTS.items()):
        if name == SKIPPED:
            continue
        for protocol in experiment.protocols:
            mae_V = 0.06 if "leak" in name else 0.8 - 0.02 * (place % 20) + 0.05 * (protocol != RANDOM)
            for ion, count in {"all": sum(counts.values()), **counts}.items():
                scored.append(
                    {
                        "experiment": name,
                        "label": experiment.label,
                        "part": experiment.part,
                        "protocol": protocol,
                        "working_ion": ion,
                        "folds": 5,
                        "count": count,
                        "mae_V": mae_V,
                        "rmse_V": 1.4 * mae_V,
                        "median_absolute_error_V": 0.7 * mae_V,
                        "r2": 1 - mae_V**2,
                        "groups": count // 4,
                        "mae_low_V": None if ion == "Y" else 0.93 * mae_V,
                        "mae_high_V": None if ion == "Y" else 1.07 * mae_V,
                    }
                )
    return scored


def _table_s1() -> list[dict[str, Any]]:
    return [
        {
            "charged": row.charged,
            "discharged": row.discharged,
            "working_ion": row.working_ion,
            "paper_dft_V": row.dft_V,
            "paper_predicted_V": row.predicted_V,
            "labels_V": [] if place % 3 else [row.dft_V - 0.4, row.dft_V],
            "voltage_V": row.dft_V - 1.0,
            "voltage_low_V": row.dft_V - 2.0,
            "voltage_high_V": row.dft_V + (0.3 if place % 2 else -0.2),
            "in_domain": place != 6,
            "known_host": place % 3 == 0,
        }
        for place, row in enumerate(TABLE_S1)
    ]


def _overlaps() -> dict[str, dict[str, float]]:
    return {
        RANDOM: {"same_framework": 0.71, "same_formula_pair": 0.22, "same_material": 0.05},
        FRAMEWORK: {"same_framework": 0.0, "same_formula_pair": 0.0, "same_material": 0.0},
    }


def _audit() -> dict[str, Any]:
    blocks = []
    for name in (name.removeprefix("with_") for name in AUDITED if name.startswith("with_")):
        block, skipped = BLOCKS[name], NOT_STATED if "space_group" in name else None
        mae_V = 0.07 if block.answer else 0.4
        gains = {
            protocol: {
                "mae_V": mae_V,
                "mae_low_V": 0.95 * mae_V,
                "mae_high_V": 1.05 * mae_V,
                "gain_V": 0.4 - mae_V,
                "gain_share": 1 - mae_V / 0.4,
            }
            for protocol in (RANDOM, FRAMEWORK)
        }
        blocks.append(
            {
                "block": name,
                "title": block.title,
                "known": str(block.known),
                "answer": block.answer,
                "skipped": skipped,
                "protocols": {} if skipped else gains,
                "verdict": f"not tested: {skipped}" if skipped else "leaks" if block.answer else "honest",
            }
        )
    network = {"skipped": None, "mae_V": 0.05, "rmse_V": 0.08, "r2": 0.996, "count": 385}
    return {
        "electrodes": 330,
        "base_mae_V": {RANDOM: 0.377, FRAMEWORK: 0.42},
        "blocks": blocks,
        "networks": [
            {"experiment": name, "label": EXPERIMENTS[name].label, **network}
            for name in AUDITED
            if name.startswith("mha_resnet")
        ],
        "trivial_check": {
            "count": 330,
            "largest_error_V": 2.1e-6,
            "mean_error_V": 3.0e-7,
            "is_the_voltage": True,
        },
        "overlaps": _overlaps(),
    }

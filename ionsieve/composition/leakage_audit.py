"""The leakage audit of a voltage from tabulated data: what each block of columns is worth, and why.

For each block the error of boosted trees with it, beside those without, at random and on new hosts; when
its columns are known; whether energy over capacity is the voltage; how much of a random test set is in
training too; and a verdict in words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ionsieve.composition.benchmark import overlap_shares
from ionsieve.composition.blocks import BLOCKS, Block, Electrodes, Known
from ionsieve.composition.experiments import AUDIT_BASE, AUDITED, EXPERIMENTS, FRAMEWORK, RANDOM
from ionsieve.composition.paper_tables import TITLES
from ionsieve.composition.published import TABLE_S2, TABLE_S3, TABLE_S4
from ionsieve.composition.text_table import TextTable

# A block is told to leak where it takes away this share of the error on hosts never seen.
LEAKING_GAIN = 0.2
# Of a copy: voltages are stated with six digits and more.
COPY_ERROR_V = 1e-3


def summarise(
    electrodes: Electrodes,
    scored: Sequence[Mapping[str, Any]],
    audits: Sequence[Mapping[str, Any]],
    skipped: Mapping[str, str],
) -> dict[str, Any]:
    """The content of ``leakage_audit.json``.

    Parameters
    ----------
    scored : of :func:`ionsieve.composition.benchmark.summarise`.
    audits : of all folds, as :func:`ionsieve.composition.benchmark.run` gives them.
    skipped : why an experiment could not be run, by its name.
    """
    errors_V = {(row["experiment"], row["protocol"]): row for row in scored if row["working_ion"] == "all"}
    blocks = [
        _block_row(name, block, errors_V, skipped.get(f"with_{name}"))
        for name, block in BLOCKS.items()
        if f"with_{name}" in AUDITED
    ]
    networks = [
        {
            "experiment": name,
            "label": EXPERIMENTS[name].label,
            "skipped": skipped.get(name),
            **{key: row[key] for key in ("mae_V", "rmse_V", "r2", "count")},
        }
        if (row := errors_V.get((name, RANDOM))) is not None
        else {"experiment": name, "label": EXPERIMENTS[name].label, "skipped": skipped.get(name)}
        for name in AUDITED
        if name.startswith("mha_resnet")
    ]
    base = {
        protocol: errors_V[AUDIT_BASE, protocol]["mae_V"]
        for protocol in (RANDOM, FRAMEWORK)
        if (AUDIT_BASE, protocol) in errors_V
    }
    return {
        "electrodes": len(electrodes.table),
        "base_mae_V": base,
        "blocks": blocks,
        "networks": networks,
        "trivial_check": trivial_check(electrodes),
        "overlaps": {
            protocol: share
            for protocol, share in overlap_shares(audits).items()
            if protocol in (RANDOM, FRAMEWORK)
        },
    }


def trivial_check(electrodes: Electrodes) -> dict[str, Any] | None:
    """How exactly the stated energy over the stated capacity is the voltage; None where not stated."""
    stated = electrodes.calculated[["energy_grav_Wh_per_kg", "capacity_grav_mAh_per_g"]].astype(float)
    known = (stated.notna().all(axis=1) & (stated["capacity_grav_mAh_per_g"] > 0)).to_numpy()
    if not known.any():
        return None
    # Wh/kg over mAh/g, which is Ah/kg.
    quotient_V = (stated["energy_grav_Wh_per_kg"] / stated["capacity_grav_mAh_per_g"]).to_numpy()[known]
    errors_V = np.abs(quotient_V - electrodes.voltages_V[known])
    return {
        "count": int(known.sum()),
        "largest_error_V": float(errors_V.max()),
        "mean_error_V": float(errors_V.mean()),
        "is_the_voltage": bool(errors_V.max() < COPY_ERROR_V),
    }


def _block_row(
    name: str, block: Block, errors_V: Mapping[tuple[str, str], Mapping[str, Any]], skipped: str | None
) -> dict[str, Any]:
    gains: dict[str, Any] = {}
    for protocol in (RANDOM, FRAMEWORK):
        row, base = errors_V.get((f"with_{name}", protocol)), errors_V.get((AUDIT_BASE, protocol))
        if row is None or base is None:
            continue
        gains[protocol] = {
            "mae_V": row["mae_V"],
            "mae_low_V": row["mae_low_V"],
            "mae_high_V": row["mae_high_V"],
            "gain_V": base["mae_V"] - row["mae_V"],
            "gain_share": 1.0 - row["mae_V"] / base["mae_V"],
        }
    return {
        "block": name,
        "title": block.title,
        "known": str(block.known),
        "answer": block.answer,
        "skipped": skipped,
        "protocols": gains,
        "verdict": _verdict(block, gains, skipped),
    }


def _verdict(block: Block, gains: Mapping[str, Any], skipped: str | None) -> str:
    if FRAMEWORK in gains:
        gain = gains[FRAMEWORK]["gain_share"]
        found = f"takes away {100 * max(gain, 0):.0f} % of the error on new hosts"
    else:
        gain, found = None, f"not tested: {skipped}" if skipped else "not tested"
    if block.answer:
        return f"leaks: it is computed from the energies of both ends; {found}"
    if gain is None:
        return found
    if block.known is Known.CALCULATION:
        if gain >= LEAKING_GAIN:
            return f"not known beforehand, and {found}: leaks"
        return "not known beforehand: no input for a screening, whatever it gains"
    if gain >= LEAKING_GAIN:
        return f"{found}, more than honest columns do: find out why before it is used"
    return "honest" if block.known is Known.FORMULAS else "honest where the discharged crystal is known"


def text_tables(summary: Mapping[str, Any]) -> list[TextTable]:
    """The audit in words and tables."""
    return [
        _blocks(summary),
        _trivial(summary["trivial_check"]),
        _networks(summary["networks"]),
        _overlap_shares(summary["overlaps"]),
        _inconsistencies(),
    ]


def to_markdown(summary: Mapping[str, Any]) -> str:
    """The tables of the documentation."""
    return "\n\n".join(table.to_markdown() for table in text_tables(summary)) + "\n"


def _blocks(summary: Mapping[str, Any]) -> TextTable:
    base = summary["base_mae_V"]
    # JSON's keys come back sorted by name.
    stated = ", ".join(
        f"{base[protocol]:.3f} V ({TITLES[protocol]})" for protocol in (RANDOM, FRAMEWORK) if protocol in base
    )
    rows = []
    for row in summary["blocks"]:
        cells = []
        for protocol in (RANDOM, FRAMEWORK):
            found = row["protocols"].get(protocol)
            cells += (
                ["-", "-"]
                if found is None
                else [
                    f"{found['mae_V']:.3f}",
                    f"{1000 * found['gain_V']:+.0f} mV ({100 * found['gain_share']:+.0f} %)",
                ]
            )
        rows.append((row["title"], row["known"], *cells, row["verdict"]))
    return TextTable(
        title="What each block is worth",
        before=f"Boosted trees on descriptors of the two formulas: {stated}; {summary['electrodes']:,}"
        " electrodes. With one block more:",
        header=("block", "known", "MAE / V, random", "gain", "MAE / V, new hosts", "gain", "verdict"),
        rows=tuple(rows),
        words=(0, 1, 6),
    )


def _trivial(check: Mapping[str, Any] | None) -> TextTable:
    title = "The trivial check"
    if check is None:
        return TextTable(title, after="No source of these electrodes states energies.")
    verdict = (
        "A model that reads both columns needs to learn one division."
        if check["is_the_voltage"]
        else "Here the quotient is not the voltage: energies and capacities are of other states."
    )
    return TextTable(
        title,
        after=f"`energy_grav / capacity_grav` against the voltage, {check['count']:,} electrodes: mean"
        f" difference {check['mean_error_V']:.1e} V, largest {check['largest_error_V']:.1e} V. {verdict}",
    )


def _networks(networks: Sequence[Mapping[str, Any]]) -> TextTable:
    rows = []
    for row in networks:
        if "mae_V" not in row:
            rows.append((row["label"], f"not run: {row['skipped'] or 'no result'}", "", "", ""))
            continue
        r2 = "-" if row["r2"] is None else f"{row['r2']:.4f}"  # of labels that do not vary
        numbers = (f"{row['mae_V']:.3f}", f"{row['rmse_V']:.3f}", r2, str(row["count"]))
        rows.append((row["label"], *numbers))
    paper = TABLE_S2["mha_resnet_leak"]
    rows.append(
        (
            "the paper's table S2",
            f"{paper.mae_V:.2f}",
            f"{paper.rmse_V:.2f}",
            f"{paper.r2:.3f}",
            "not stated",
        )
    )
    return TextTable(
        title="The paper's network, on its own inputs",
        header=("model", "MAE / V", "RMSE / V", "R²", "held out"),
        rows=tuple(rows),
    )


def _overlap_shares(shares: Mapping[str, Mapping[str, float]]) -> TextTable:
    names = ("same_framework", "same_formula_pair", "same_material")
    return TextTable(
        title="What a test set shares with its training set",
        header=("split", "same host", "same pair of formulas", "same discharged crystal"),
        rows=tuple(
            (TITLES[protocol], *(f"{100 * shares[protocol][name]:.0f} %" for name in names))
            for protocol in (RANDOM, FRAMEWORK)
            if protocol in shares
        ),
    )


def _inconsistencies() -> TextTable:
    rows = {**TABLE_S2, **{f"S3, {size or 'all'}": value for size, value in TABLE_S3.items()}}
    spreads = [value.implied_spread_V for value in rows.values() if value.implied_spread_V is not None]
    by_ion_V = [value.mae_V for value in TABLE_S4.values()]
    return TextTable(
        title="The paper's tables against each other",
        after="RMSE and R² together imply the spread of the labels, RMSE / √(1 - R²): from"
        f" {min(spreads):.2f} to {max(spreads):.2f} V over the rows of S2 and S3: these are not one test set."
        f" Every ion of S4 has an MAE of {min(by_ion_V):.2f} V or more, above S2's"
        f" {TABLE_S2['mha_resnet_leak'].mae_V:.2f} V for all ions: not the same model and split.",
    )

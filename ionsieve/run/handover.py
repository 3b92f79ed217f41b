"""The shortlist as people at the bench want it: one folder with table, crystals, references and licences."""

import csv
import io
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ionsieve import __version__
from ionsieve.artifacts import UNFINISHED, read_json, write_text
from ionsieve.citations import bibtex, methods_of
from ionsieve.errors import DataError
from ionsieve.outcome import OK
from ionsieve.plurals import noun
from ionsieve.report.wording import FLAG_MEANINGS, NON_COMMERCIAL, number, voltage
from ionsieve.run.folder import RunFolder

UNFINISHED_RUN = (
    "The run has not ended: these are its shortlist, by voltage and capacity alone, and not its ranking."
)
TABLE, COLUMNS_TABLE, STRUCTURES = "candidates.csv", "columns.csv", "structures"
REFERENCES, LICENCES, README = "references.bib", "licences.txt", "README.txt"

# Unit and meaning of every column of the table.
COLUMNS: dict[str, tuple[str, str]] = {
    "rank": ("", "place by score; empty where there is no conductivity"),
    "material_id": ("", "name of the material, also that of its files"),
    "source": ("", "database or files that it comes from"),
    "licence": ("", "licence of its record there"),
    "formula": ("", "reduced formula of the discharged material"),
    "framework": ("", "the same without the working ion: the host"),
    "n_sites": ("", "atoms in the cell of its CIF"),
    "volume_A3": ("cubic angstrom", "volume of that cell"),
    "energy_above_hull_eV_per_atom": ("eV/atom", "distance from the convex hull; 0 is stable, empty unknown"),
    "hull_reference": ("", "whose convex hull that is"),
    "voltage_V": ("V", "predicted average voltage against the metal of the ion, all ions extracted"),
    "voltage_low_V": ("V", "lower end of its interval (90 % unless configured otherwise)"),
    "voltage_high_V": ("V", "upper end of its interval"),
    "voltage_spread_V": ("V", "standard deviation between the members of the model"),
    "voltage_pass_probability": ("0 to 1", "probability that the voltage lies within the screening window"),
    "in_domain": ("", "False where the material is unlike those that the model learned from"),
    "known": ("", "True where its voltage was among the training data"),
    "label_voltage_V": ("V", "that known voltage"),
    "label_kind": ("", "how the known voltage was obtained"),
    "capacity_grav_mAh_per_g": ("mAh/g", "capacity per mass of the discharged material, all ions extracted"),
    "capacity_vol_Ah_per_L": ("Ah/L", "the same per volume of the crystal, without porosity"),
    "redox_capacity_grav_mAh_per_g": ("mAh/g", "what the metals can release by common oxidation states"),
    "redox_capacity_vol_Ah_per_L": ("Ah/L", "the same per volume"),
    "energy_density_Wh_per_kg": ("Wh/kg", "voltage times capacity per mass, all ions extracted"),
    "energy_density_Wh_per_L": ("Wh/L", "voltage times capacity per volume, all ions extracted"),
    "anion_redox": ("", "True where extracting all ions needs the anions to be oxidised"),
    "screen_score": ("Wh/L", "probability of the voltage times energy density within the redox couples"),
    "role": ("", "candidate, or control: a reference that is never ranked"),
    "temperature_K": ("K", "temperature of the molecular dynamics behind the conductivity"),
    "conductivity_mS_per_cm": ("mS/cm", "ionic conductivity at that temperature; empty where only a bound"),
    "conductivity_low_mS_per_cm": ("mS/cm", "lower end of its 95 % interval"),
    "conductivity_high_mS_per_cm": ("mS/cm", "upper end of it, or the bound itself"),
    "conductivity_kind": ("", "value, upper_bound (too few hops seen), or empty"),
    "diffusivity_cm2_per_s": ("cm2/s", "tracer diffusivity of the ion at that temperature"),
    "activation_energy_eV": ("eV", "barrier from the temperatures that were run"),
    "conductivity_300K_mS_per_cm": ("mS/cm", "extrapolated to room temperature: an order of magnitude"),
    "migration_barrier_eV": ("eV", "barrier of single hops, from nudged elastic bands"),
    "potential_force_mae_eV_per_A": ("eV/angstrom", "error of the potential that drove molecular dynamics"),
    "md_status": ("", "how molecular dynamics ended"),
    "md_reason": ("", "why, where it did not end well"),
    "validation_status": ("", "whether first-principles inputs are prepared, running, done"),
    "universal_potential_voltage_V": ("V", "voltage of the pair relaxed by a universal potential"),
    "voltage_disagreement_V": ("V", "that one minus the predicted voltage"),
    "composition_voltage_V": ("V", "second opinion: voltage from the formula alone"),
    "composition_voltage_low_V": ("V", "lower end of its interval"),
    "composition_voltage_high_V": ("V", "upper end of its interval"),
    "score": ("Wh/L", "what the ranking sorts by: the energy density to be expected"),
    "flags": ("", "what to know before trusting the row; README.txt explains them"),
}


def hand_over(run: RunFolder, folder: Path, top: int | None = None) -> list[str]:
    """Write the folder; returns the ids that are in it, best first.

    Parameters
    ----------
    folder : new, or empty; it appears once everything is in it.
    top : so many candidates; all of the shortlist when None.

    Raises
    ------
    DataError : there is no shortlist or no candidate on it, or the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is there already; name a new folder, nothing is overwritten")
    table = run.candidates
    chosen = table[table["role"] == "candidate"].head(len(table) if top is None else top)
    if chosen.empty:
        raise DataError(
            f"the shortlist of {run.results} has no candidate; loosen the thresholds under screen"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=UNFINISHED) as name:
        aside = Path(name) / "export"
        text = chosen.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_text(aside / TABLE, text)
        write_text(aside / COLUMNS_TABLE, _columns(list(chosen.columns)))
        charged = [_write_crystals(run, row, aside / STRUCTURES) for row in chosen["material_id"]]
        write_text(aside / REFERENCES, bibtex(methods_of(run.config), run.catalogue))
        write_text(aside / LICENCES, _licences(chosen, run.catalogue))
        write_text(aside / README, _readme(run, chosen, any(charged)))
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    return list(chosen["material_id"])


def _columns(names: list[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("column", "unit", "meaning"))
    writer.writerows((name, *COLUMNS[name]) for name in names)
    return text.getvalue()


def _write_crystals(run: RunFolder, material_id: str, folder: Path) -> bool:
    """The discharged crystal, and the host without its ions where it was relaxed; whether it was."""
    from pymatgen.io.cif import CifWriter

    from ionsieve.structures import to_structure

    discharged = run.results / "screen" / "structures" / f"{material_id}.cif"
    if discharged.exists():
        write_text(folder / f"{material_id}.cif", discharged.read_text())
    relaxed = run.results / "validation" / material_id / "universal_potential.json"
    document = read_json(relaxed) if relaxed.exists() else {}
    cells = document.get("cells") if document.get("status") == OK else None
    if not cells:
        return False
    charged = str(CifWriter(to_structure(cells["charged"]), significant_figures=10))
    write_text(folder / f"{material_id}_charged_host.cif", charged)
    return True


def _licences(chosen: pd.DataFrame, catalogue: Mapping[str, Any]) -> str:
    by_licence: dict[str, list[str]] = defaultdict(list)
    for material_id, licence in zip(chosen["material_id"], chosen["licence"], strict=True):
        by_licence[licence].append(material_id)
    lines = ["Licences of the records that these candidates come from.", ""]
    for licence, names in sorted(by_licence.items()):
        lines.append(f"{licence}: {', '.join(names)}")
    trained = sorted(catalogue.get("electrodes", {}).get("licences", {}))
    if trained:
        lines += ["", f"The voltage model learned from electrodes under: {', '.join(trained)}."]
    if any(NON_COMMERCIAL in licence for licence in [*by_licence, *trained]):
        lines += ["", "CC BY-NC bars commercial use of the data and, perhaps, of what is derived from them."]
    return "\n".join(lines) + "\n"


def _readme(run: RunFolder, chosen: pd.DataFrame, has_charged_hosts: bool) -> str:
    ion = run.working_ion
    kinds = ", ".join(run.catalogue.get("electrodes", {}).get("by_label_kind", {})) or "an unknown kind"
    lines = [
        f"{len(chosen)} {noun(len(chosen), 'candidate')} for {ion} cathodes, from a computer screening"
        f" (IonSieve {__version__}).",
        "Nothing here has been measured. The numbers say what is worth trying first.",
        *([] if run.ranked is not None else [UNFINISHED_RUN]),
        "",
        f"{TABLE:<16} the candidates, best first",
        f"{COLUMNS_TABLE:<16} unit and meaning of each of its columns",
        f"{STRUCTURES + '/':<16} a CIF of each discharged material, as it would be made",
        *([f"{'':<16} and *_charged_host.cif: the host without {ion}"] if has_charged_hosts else []),
        f"{REFERENCES:<16} what to cite (BibTeX)",
        f"{LICENCES:<16} licences of the data",
        "",
        "The candidates",
        "",
    ]
    for place, row in enumerate(chosen.to_dict("records"), start=1):
        low_V, high_V = voltage(row["voltage_low_V"]), voltage(row["voltage_high_V"])
        lines.append(f"{place:>3}. {row['formula']} ({row['material_id']})")
        lines.append(
            f"     voltage {voltage(row['voltage_V'])} V ({low_V} to {high_V} V) against {ion} metal"
        )
        lines.append(
            f"     capacity {number(row['redox_capacity_grav_mAh_per_g'])} mAh/g,"
            f" {number(row['redox_capacity_vol_Ah_per_L'])} Ah/L within the metals' common oxidation states"
        )
        lines += [f"     {line}" for line in _conductivity(row)]
        for flag in filter(None, str(row.get("flags") or "").split(";")):
            lines.append(f"     note: {FLAG_MEANINGS.get(flag, flag)}")
        if run.ranked is None and not row["in_domain"]:
            lines.append(f"     note: {FLAG_MEANINGS['out_of_domain']}")
    lines += [
        "",
        "How far to trust this",
        "",
        f"* Voltages are predictions of a model that learned from voltages of this kind: {kinds}.",
        "  The interval beside each is where most true values of that kind lie, not a guarantee.",
        "* Conductivities are of hot crystals (see temperature_K), from short simulations. They tell fast",
        "  conductors from slow ones; at room temperature they are smaller by orders of magnitude.",
        "* Whether a material can be made is not known. energy_above_hull near 0 is a good sign.",
    ]
    if has_charged_hosts:
        lines.append("* Charged hosts were relaxed by a universal potential, not by DFT, and not measured.")
    return "\n".join(lines) + "\n"


def _conductivity(row: Mapping[Any, Any]) -> list[str]:
    kind = row.get("conductivity_kind")
    if kind == "upper_bound":
        bound = number(row["conductivity_high_mS_per_cm"], 2)
        return [f"conductivity below {bound} mS/cm at {number(row['temperature_K'])} K"]
    if kind == "value":
        value = number(row["conductivity_mS_per_cm"], 2)
        return [f"conductivity {value} mS/cm at {number(row['temperature_K'])} K (simulated)"]
    return ["conductivity not known"]

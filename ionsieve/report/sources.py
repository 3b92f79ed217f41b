"""What the report is made of, read from the files of a run; every part may be missing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ionsieve import tables
from ionsieve.artifacts import read_json
from ionsieve.ranking import as_csv, rank
from ionsieve.report import discharge_sources
from ionsieve.report.discharge_sources import DischargeSources
from ionsieve.voltage.interpretation_tables import LEARNED_ELEMENTS, LOCAL_ENVIRONMENTS

SHARED_POTENTIAL = "shared"


@dataclass(frozen=True, kw_only=True)
class ReportFiles:
    """Where the parts are; None or an empty list for what is not there."""

    config: Path | None = None
    catalogue: Path | None = None
    rejects: Path | None = None
    out_of_fold: Path | None = None
    metrics: Path | None = None
    composition_metrics: Path | None = None
    composition_out_of_fold: Path | None = None
    composition_tables: Path | None = None
    composition_held_out: Path | None = None
    volume_changes: Path | None = None
    leakage_audit: Path | None = None
    discharge: Mapping[str, Path] = field(default_factory=dict)
    interpretation: Path | None = None
    learned_elements: Path | None = None
    local_environments: Path | None = None
    funnel: Path | None = None
    screened: Path | None = None
    shortlist: Path | None = None
    second_opinion: Path | None = None
    ranked: Path | None = None
    contributions: Sequence[Path] = ()
    transport: Sequence[Path] = ()
    msd: Sequence[Path] = ()
    potentials: Sequence[Path] = ()
    force_parity: Sequence[Path] = ()
    validation: Sequence[Path] = ()
    universal_potential: Sequence[Path] = ()
    validation_summary: Path | None = None
    candidates_csv: Path | None = None
    voltage_card: Path | None = None
    composition_card: Path | None = None
    structures: Sequence[Path] = ()
    paths: Sequence[Path] = ()
    benchmarks: Path | None = None


@dataclass(frozen=True, kw_only=True)
class IonPaths:
    """Ways of a few ions of one candidate at one temperature.

    Attributes
    ----------
    table : rows of :data:`ionsieve.tables.ION_PATHS`.
    """

    temperature_K: float
    table: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class MsdCurve:
    """Mean squared displacement of one candidate at one temperature.

    Attributes
    ----------
    table : rows of :data:`ionsieve.tables.MSD`.
    """

    material_id: str
    temperature_K: float
    table: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class ReportSources:
    """Loaded parts of the report; None or empty for what a run has not reached.

    Attributes
    ----------
    config : the resolved configuration.
    catalogue, metrics, funnel : documents of the stages.
    composition_metrics, composition_out_of_fold : the same of the model that reads formulas alone.
    composition_tables, leakage_audit : documents of the benchmark of composition models and of the audit.
    composition_held_out : their held-out predictions (:mod:`ionsieve.composition.benchmark`).
    volume_changes : of the same pairs (:mod:`ionsieve.composition.volume_change`).
    discharge : discharge curves of real cells.
    interpretation : counts of what a network without chemistry learned.
    learned_elements, local_environments : its maps (:mod:`ionsieve.voltage.interpretation_tables`).
    contributions : by material_id, the neighbours that drive its voltage.
    rejects, out_of_fold, screened, shortlist, second_opinion, ranked, validation_summary : tables, see
        :mod:`ionsieve.tables`.
    transport, potentials, validation, universal_potential : result documents by material_id; a potential
        that all share has the key ``shared``.
    force_parity : held-out forces of potentials, by the same keys.
    msd : curves of the shortlist.
    candidates_csv : the ranked table for spreadsheets, as the run wrote it; in a partial report, so far.
    voltage_card, composition_card : cards of the models that predict.
    structures : by material_id, the CIF of the shortlist.
    paths : by material_id, where ions went in the hottest run.
    jobs : what each job took, see :func:`read_benchmarks`.
    missing : what a partial report must say is missing; None for a complete one.
    """

    config: Mapping[str, Any] | None = None
    catalogue: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    composition_metrics: Mapping[str, Any] | None = None
    composition_out_of_fold: pd.DataFrame | None = None
    composition_tables: Mapping[str, Any] | None = None
    composition_held_out: pd.DataFrame | None = None
    volume_changes: pd.DataFrame | None = None
    leakage_audit: Mapping[str, Any] | None = None
    discharge: DischargeSources | None = None
    funnel: Mapping[str, Any] | None = None
    interpretation: Mapping[str, Any] | None = None
    learned_elements: pd.DataFrame | None = None
    local_environments: pd.DataFrame | None = None
    contributions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rejects: pd.DataFrame | None = None
    out_of_fold: pd.DataFrame | None = None
    screened: pd.DataFrame | None = None
    shortlist: pd.DataFrame | None = None
    second_opinion: pd.DataFrame | None = None
    ranked: pd.DataFrame | None = None
    transport: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    potentials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    validation: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    force_parity: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    universal_potential: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    validation_summary: pd.DataFrame | None = None
    msd: Sequence[MsdCurve] = ()
    candidates_csv: str | None = None
    voltage_card: Mapping[str, Any] | None = None
    composition_card: Mapping[str, Any] | None = None
    structures: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, IonPaths] = field(default_factory=dict)
    jobs: pd.DataFrame | None = None
    missing: Sequence[str] | None = None


def load(files: ReportFiles, missing: Sequence[str] | None = None) -> ReportSources:
    """Read the parts that are there."""
    return ReportSources(
        config=yaml.safe_load(files.config.read_text()) if files.config else None,
        catalogue=read_json(files.catalogue) if files.catalogue else None,
        metrics=read_json(files.metrics) if files.metrics else None,
        composition_metrics=read_json(files.composition_metrics) if files.composition_metrics else None,
        composition_out_of_fold=tables.read_table(files.composition_out_of_fold, tables.OUT_OF_FOLD)
        if files.composition_out_of_fold
        else None,
        composition_tables=read_json(files.composition_tables) if files.composition_tables else None,
        composition_held_out=_composition_held_out(files.composition_held_out),
        volume_changes=_volume_changes(files.volume_changes),
        leakage_audit=read_json(files.leakage_audit) if files.leakage_audit else None,
        discharge=discharge_sources.load(files.discharge),
        funnel=read_json(files.funnel) if files.funnel else None,
        interpretation=read_json(files.interpretation) if files.interpretation else None,
        learned_elements=tables.read_table(files.learned_elements, LEARNED_ELEMENTS)
        if files.learned_elements
        else None,
        local_environments=tables.read_table(files.local_environments, LOCAL_ENVIRONMENTS)
        if files.local_environments
        else None,
        contributions=documents_by_material(files.contributions),
        rejects=pd.read_csv(files.rejects, dtype=str, keep_default_na=False) if files.rejects else None,
        out_of_fold=tables.read_table(files.out_of_fold, tables.OUT_OF_FOLD) if files.out_of_fold else None,
        screened=tables.read_table(files.screened, tables.SCREENED) if files.screened else None,
        shortlist=tables.read_table(files.shortlist, tables.SCREENED) if files.shortlist else None,
        second_opinion=tables.read_table(files.second_opinion, tables.SECOND_OPINION)
        if files.second_opinion
        else None,
        ranked=tables.read_table(files.ranked, tables.RANKED) if files.ranked else None,
        transport=documents_by_material(files.transport),
        potentials=documents_by_material(files.potentials),
        validation=documents_by_material(files.validation),
        force_parity={
            path.parent.name: tables.read_table(path, tables.FORCE_PARITY)
            for path in files.force_parity
            if _has_result(path)
        },
        universal_potential=documents_by_material(files.universal_potential),
        validation_summary=tables.read_table(files.validation_summary, tables.VALIDATION_SUMMARY)
        if files.validation_summary
        else None,
        msd=_msd_curves(files.msd),
        candidates_csv=files.candidates_csv.read_text() if files.candidates_csv else None,
        voltage_card=read_json(files.voltage_card) if files.voltage_card else None,
        composition_card=read_json(files.composition_card) if files.composition_card else None,
        structures={path.stem: path.read_text() for path in files.structures},
        paths=_hottest_paths(files.paths),
        jobs=read_benchmarks(files.benchmarks) if files.benchmarks else None,
        missing=missing,
    )


# The two schemas live with what fills them, beside trees that most reports have no use for.
def _composition_held_out(path: Path | None) -> pd.DataFrame | None:
    if path is None:
        return None
    from ionsieve.composition.benchmark import OUT_OF_FOLD

    return tables.read_table(path, OUT_OF_FOLD)


def _volume_changes(path: Path | None) -> pd.DataFrame | None:
    if path is None:
        return None
    from ionsieve.composition.volume_change import HELD_OUT

    return tables.read_table(path, HELD_OUT)


def load_partial(
    results: Path,
    temperatures_K: Sequence[float],
    min_conductivity_mS_per_cm: float,
    *,
    shared_potential: bool,
    validated: bool,
    relaxed: bool,
    potential_result: str = "model.json",
) -> ReportSources:
    """Read what a stopped run left behind, and rank the shortlist with the results that exist.

    The candidates are those of the shortlist table; outputs of withdrawn ones, which stay on disk, are
    never looked for.

    Parameters
    ----------
    results : folder of the run.
    temperatures_K, min_conductivity_mS_per_cm : as configured.
    shared_potential : one potential drives MD of all candidates.
    validated : VASP inputs are asked for.
    relaxed : a universal potential relaxes the finalists.
    potential_result : name of the result of the potential behind MD: another after rounds of refinement.
    """
    shortlist_path = results / "screen" / "shortlist.parquet"
    material_ids: list[str] = []
    if shortlist_path.exists():
        material_ids = list(tables.read_table(shortlist_path, tables.SCREENED)["material_id"])
    expected = _expected_files(
        results, material_ids, temperatures_K, shared_potential, validated, relaxed, potential_result
    )
    there = {
        name: [path for path in paths if path.exists()] if isinstance(paths, list) else _if_exists(paths)
        for name, paths in expected.items()
    }
    files = ReportFiles(**there, discharge=discharge_sources.existing(results))  # type: ignore[arg-type]
    sources = load(files, missing=_missing(expected, there))
    if sources.shortlist is None:
        return sources
    ranked = rank(
        sources.shortlist,
        sources.transport,
        sources.validation,
        sources.universal_potential,
        by_material(sources.second_opinion),
        force_errors(sources.potentials, material_ids),
        min_conductivity_mS_per_cm,
    )
    so_far: dict[str, Any] = {"ranked": ranked, "candidates_csv": as_csv(ranked)}
    if sources.validation_summary is None and sources.config is not None:
        so_far["validation_summary"] = _validation_so_far(
            results, sources.shortlist, sources.universal_potential, sources.config["working_ion"]
        )
    return ReportSources(**{**vars(sources), **so_far})


def _validation_so_far(
    results: Path,
    shortlist: pd.DataFrame,
    relaxed: Mapping[str, Mapping[str, Any]],
    working_ion: str,
) -> pd.DataFrame:
    """The summary of the validation with the tiers that have results, and VASP's that are on their way."""
    from ionsieve.validation.pair import digests
    from ionsieve.validation.summary import summary, vasp_so_far, with_hulls

    validation, material_ids = results / "validation", list(shortlist["material_id"])

    def there(*paths: Path) -> dict[str, dict[str, Any]]:
        return documents_by_material(path for path in paths if path.exists())

    cifs = [results / "screen" / "structures" / f"{material_id}.cif" for material_id in material_ids]
    crystals = digests([cif for cif in cifs if cif.exists()], working_ion)
    hulls = there(*(validation / name / "hull.json" for name in crystals))
    known = {name: vasp_so_far(validation, results / "logs", name) for name in crystals}
    tiers: dict[str, Mapping[str, Mapping[str, Any]]] = {
        "universal_potential": with_hulls(
            {name: relaxed[name] for name in crystals if name in relaxed}, hulls
        ),
        "gpaw": there(*(validation / name / "gpaw.json" for name in crystals)),
        "vasp": {name: document for name, document in known.items() if document is not None},
    }
    return summary(shortlist, crystals, tiers)


def documents_by_material(paths: Iterable[Path | str]) -> dict[str, dict[str, Any]]:
    """JSON documents by the name of the folder that holds each: the material_id."""
    return {Path(path).parent.name: read_json(path) for path in paths}


def by_material(table: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    """Rows of a table with the column material_id, by it; nothing where there is no table."""
    return {} if table is None else table.set_index("material_id", drop=False).to_dict("index")  # type: ignore[return-value]


def force_errors(
    potentials: Mapping[str, Mapping[str, Any]], material_ids: Iterable[str]
) -> dict[str, float | None]:
    """Held-out force MAE in eV/A of the potential behind each candidate."""
    return {
        material_id: (potential_of(potentials, material_id).get("metrics") or {}).get("force_mae_eV_per_A")
        for material_id in material_ids
    }


def potential_of(potentials: Mapping[str, Mapping[str, Any]], material_id: str) -> Mapping[str, Any]:
    """The result document of a candidate's own potential, or of the shared one; empty if there is none."""
    return potentials.get(material_id) or potentials.get(SHARED_POTENTIAL) or {}


def finalists(sources: ReportSources) -> list[tuple[str, str]]:
    """(material_id, formula) of the shortlist; best candidate first where one is ranked, controls last."""
    table = sources.ranked if sources.ranked is not None else sources.shortlist
    if table is None:
        return []
    ordered = table.sort_values("role", kind="stable")
    return list(zip(ordered["material_id"], ordered["formula"], strict=True))


def _expected_files(
    results: Path,
    material_ids: Sequence[str],
    temperatures_K: Sequence[float],
    shared_potential: bool,
    validated: bool,
    relaxed: bool,
    potential_result: str,
) -> dict[str, Path | list[Path]]:
    transport, validation = results / "transport", results / "validation"
    interpretation = results / "voltage" / "interpretation"
    composition = results / "composition"
    potentials = [SHARED_POTENTIAL] if shared_potential else material_ids
    return {
        "config": results / "config.yaml",
        "catalogue": results / "data" / "catalogue.json",
        "rejects": results / "data" / "rejects.csv",
        "metrics": results / "voltage" / "metrics.json",
        "out_of_fold": results / "voltage" / "out_of_fold.parquet",
        "composition_metrics": composition / "metrics.json",
        "composition_out_of_fold": composition / "out_of_fold.parquet",
        "composition_tables": composition / "benchmark" / "table.json",
        "composition_held_out": composition / "benchmark" / "out_of_fold.parquet",
        "volume_changes": composition / "experiments" / "volume_change.parquet",
        "leakage_audit": composition / "leakage_audit.json",
        "interpretation": interpretation / "summary.json",
        "learned_elements": interpretation / "elements.parquet",
        "local_environments": interpretation / "environments.parquet",
        "contributions": [
            results / "voltage" / "contributions" / material_id / "contributions.json"
            for material_id in material_ids
        ],
        "funnel": results / "screen" / "funnel.json",
        "screened": results / "screen" / "screened.parquet",
        "shortlist": results / "screen" / "shortlist.parquet",
        "second_opinion": composition / "shortlist.parquet",
        "potentials": [results / "potential" / name / potential_result for name in potentials],
        "force_parity": [
            results / "potential" / name / potential_result.replace(".json", ".parity.parquet")
            for name in potentials
        ],
        "transport": [transport / material_id / "transport.json" for material_id in material_ids],
        "msd": [
            transport / material_id / f"{temperature_K:g}K" / "msd.parquet"
            for material_id in material_ids
            for temperature_K in temperatures_K
        ],
        "validation": [
            validation / material_id / "validation.json" for material_id in material_ids if validated
        ],
        "universal_potential": [
            validation / material_id / "universal_potential.json" for material_id in material_ids if relaxed
        ],
        "validation_summary": validation / "summary.parquet",
        "voltage_card": results / "voltage" / "model" / "card.json",
        "composition_card": composition / "model" / "card.json",
        "structures": [
            results / "screen" / "structures" / f"{material_id}.cif" for material_id in material_ids
        ],
        "paths": [
            transport / material_id / f"{max(temperatures_K):g}K" / "paths.parquet"
            for material_id in material_ids
        ],
        "benchmarks": results / "benchmarks",
    }


_IN_WORDS = {
    "catalogue": "the catalogue of electrodes and candidates",
    "metrics": "the voltage model",
    "composition_metrics": "the composition model",
    "shortlist": "the shortlist",
    "transport": "molecular dynamics",
    "universal_potential": "the universal potential's voltage",
    "validation": "VASP inputs",
}


def _missing(expected: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """What a reader misses, in the order of the stages."""
    sentences = []
    for name, words in _IN_WORDS.items():
        if isinstance(expected[name], list):
            absent = [path.parent.name for path in expected[name] if path not in there[name]]
            if absent:
                sentences.append(f"{words} of {', '.join(absent)}")
        elif there[name] is None:
            sentences.append(words)
    return sentences


def _if_exists(path: Path) -> Path | None:
    return path if path.exists() else None


def _msd_curves(paths: Sequence[Path]) -> list[MsdCurve]:
    curves = []
    for path in paths:
        if _has_result(path):
            curves.append(
                MsdCurve(
                    material_id=path.parent.parent.name,
                    temperature_K=float(path.parent.name.removesuffix("K")),
                    table=tables.read_table(path, tables.MSD),
                )
            )
    return curves


def _hottest_paths(paths: Sequence[Path]) -> dict[str, IonPaths]:
    """By material_id, those of its highest temperature that has any."""
    hottest: dict[str, IonPaths] = {}
    for path in paths:
        material_id, temperature_K = path.parent.parent.name, float(path.parent.name.removesuffix("K"))
        known = hottest.get(material_id)
        if _has_result(path) and (known is None or known.temperature_K < temperature_K):
            table = tables.read_table(path, tables.ION_PATHS)
            hottest[material_id] = IonPaths(temperature_K=temperature_K, table=table)
    return hottest


def read_benchmarks(folder: Path) -> pd.DataFrame:
    """What Snakemake measured of each job: columns rule, wall_s, cpu_s, memory_MB.

    Files are ``{rule}.tsv`` or ``{rule}/....tsv``, one line for each time the job ran: the last one counts.
    Jobs too short to be measured have a dash for what is not known, which counts as nothing, and so does a
    file that a killed run left empty.
    """
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        if not path.stat().st_size:
            continue
        lines = pd.read_csv(path, sep="\t", na_values=["-", "NA"])
        if lines.empty:
            continue
        last = lines.iloc[-1]
        rows.append(
            {
                "rule": path.relative_to(folder).parts[0].removesuffix(".tsv"),
                "wall_s": last.get("s"),
                "cpu_s": last.get("cpu_time"),
                "memory_MB": last.get("max_rss"),
            }
        )
    return pd.DataFrame(rows, columns=["rule", "wall_s", "cpu_s", "memory_MB"])


def _has_result(path: Path) -> bool:
    """Whether a table is there: a job that failed leaves one line in its place."""
    with path.open("rb") as file:
        return not file.read(16).startswith(b"no result")

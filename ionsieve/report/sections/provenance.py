"""What was run: records set aside, data with licences, versions, configuration."""

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.resources import files
from typing import Any

import yaml

from ionsieve.report import wording
from ionsieve.report.section import Section
from ionsieve.report.sources import ReportSources

PACKAGES = (
    "ionsieve",
    "snakemake",
    "torch",
    "torch-geometric",
    "chgnet",
    "nequip",
    "e3nn",
    "ase",
    "pymatgen",
    "atomate2",
    "jobflow",
    "pandas",
    "numpy",
    "plotly",
)


def section(sources: ReportSources) -> Section:
    """Where the numbers come from."""
    return Section(
        name="provenance",
        anchor="behind",
        title="What was run",
        context={
            "rejects": (sources.catalogue or {}).get("rejects") or {},
            "reject_examples": _reject_examples(sources),
            "catalogue": sources.catalogue,
            "label_kinds": wording.label_kinds(sources),
            "licences": _licences(sources),
            "hulls": wording.counted(sources, "hull "),
            "config": yaml.safe_dump(sources.config, sort_keys=False) if sources.config else None,
            "versions": _versions(),
            "bundled": {
                name: files("ionsieve.report").joinpath(f"vendor/{name}.LICENSE").read_text(encoding="utf-8")
                for name in ("plotly", "3Dmol")
            },
        },
    )


def _reject_examples(sources: ReportSources, shown: int = 20) -> Sequence[Mapping[Any, Any]]:
    """The first records that were set aside, those with rare reasons before what befell many."""
    if sources.rejects is None:
        return []
    common = sources.rejects["reason"].map(sources.rejects["reason"].value_counts())
    return sources.rejects.loc[common.sort_values(kind="stable").index].head(shown).to_dict("records")


def _licences(sources: ReportSources) -> dict[str, list[str]]:
    """Licences of what the page shows, and on what."""
    licences: dict[str, list[str]] = {}
    if sources.catalogue is not None:
        licences["electrodes"] = sorted(sources.catalogue["electrodes"]["licences"])
        licences["candidates"] = sorted(wording.counted(sources, "licence "))
    return licences


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}}

"""The folder of a screening: where its results lie, and with which configuration it was run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import yaml

from ionsieve import tables
from ionsieve.artifacts import read_json
from ionsieve.errors import DataError

RESULTS = "results"
CONFIG = "config.yaml"
# One of them is in every folder of results.
SIGNS = ("data", "screen", "voltage", "logs")


@dataclass(frozen=True)
class RunFolder:
    """A screening, as far as it came.

    Attributes
    ----------
    folder : where Snakemake runs.
    results : its results.
    """

    folder: Path
    results: Path

    @classmethod
    def find(cls, path: Path | str) -> "RunFolder":
        """The run in ``path``: the folder that Snakemake runs in, or its results; there may be none yet.

        Raises
        ------
        DataError : there is neither.
        """
        path = Path(path)
        if not path.is_dir():
            raise DataError(f"{path} is no folder; name the folder of a screening, which holds {RESULTS}/")
        if (path / RESULTS).is_dir():
            return cls(path, path / RESULTS)
        is_results = path.resolve().name == RESULTS
        if is_results or any((path / sign).exists() for sign in SIGNS):
            return cls(path.resolve().parent if is_results else path, path)
        if (path / CONFIG).exists():
            return cls(path, path / RESULTS)
        raise DataError(
            f"{path} holds no screening: neither {RESULTS}/ nor what belongs in there; name the folder that"
            " snakemake runs in, or make one with `ionsieve init`"
        )

    @cached_property
    def config_file(self) -> Path | None:
        """The configuration that was read: resolved, else the folder's own; None for the defaults."""
        for path in (self.results / CONFIG, self.folder / CONFIG):
            if path.is_file():
                return path
        return None

    @cached_property
    def config(self) -> dict[str, Any]:
        """Every key of the configuration. What the file leaves out has its default.

        Not checked as a run checks it: paths in it are seen from elsewhere.

        Raises
        ------
        DataError : the file is no YAML mapping, or a section of it is none.
        """
        from ionsieve.config import Config

        defaults = Config().model_dump(mode="json")
        if self.config_file is None:
            return defaults
        values = _yaml_mapping(self.config_file)
        for section, keys in defaults.items():
            if isinstance(keys, dict) and not isinstance(values.get(section, keys), dict):
                raise DataError(
                    f"{self.config_file}: {section} is {values[section]!r}; it must be a mapping of keys, or"
                    " be left out"
                )
        return _laid_over(defaults, values)

    @property
    def working_ion(self) -> str:
        """Symbol of the ion that moves."""
        return str(self.config["working_ion"])

    @property
    def min_conductivity_mS_per_cm(self) -> float:
        """What the configuration asks for at the highest temperature."""
        return float(self.config["transport"]["min_conductivity_mS_per_cm"])

    @cached_property
    def shortlist(self) -> pd.DataFrame | None:
        """Rows of :data:`ionsieve.tables.SCREENED`; None before the funnel has run."""
        return self.table("screen/shortlist.parquet", tables.SCREENED)

    @cached_property
    def screened(self) -> pd.DataFrame | None:
        """Candidates that passed the funnel, best first; None before it has run."""
        return self.table("screen/screened.parquet", tables.SCREENED)

    @cached_property
    def ranked(self) -> pd.DataFrame | None:
        """Rows of :data:`ionsieve.tables.RANKED`; None before the ranking."""
        return self.table("report/ranked.parquet", tables.RANKED)

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """The shortlist with all that is known so far: the ranking, before it the shortlist alone.

        Raises
        ------
        DataError : there is neither yet.
        """
        table = self.ranked if self.ranked is not None else self.shortlist
        if table is None:
            raise DataError(f"{self.results} has no shortlist yet; `ionsieve status` tells how far it is")
        return table

    @cached_property
    def catalogue(self) -> dict[str, Any]:
        """What the catalogue counts; empty before it is made."""
        return self.document("data/catalogue.json")

    @cached_property
    def funnel(self) -> dict[str, Any]:
        """Steps and thresholds of the funnel; empty before it has run."""
        return self.document("screen/funnel.json")

    def table(self, name: str, schema: pa.Schema) -> pd.DataFrame | None:
        """A table of the results, or None where it is not there."""
        path = self.results / name
        return tables.read_table(path, schema) if path.exists() else None

    def document(self, name: str) -> dict[str, Any]:
        """A JSON document of the results, or an empty one."""
        path = self.results / name
        return read_json(path) if path.exists() else {}

    def material_ids(self) -> list[str] | None:
        """Ids of the shortlist and the controls; None before the funnel has run."""
        return None if self.shortlist is None else list(self.shortlist["material_id"])

    @cached_property
    def buckets(self) -> list[Path]:
        """The catalogue's buckets of candidates, in order."""
        return sorted((self.results / "data" / "candidates").glob("[0-9]*.parquet"))

    def predictions_of(self, bucket: Path) -> Path:
        """The voltages of a bucket, whether they are there or not."""
        return self.results / "voltage" / "predictions" / bucket.name

    def rejects(self) -> Iterator[dict[str, str]]:
        """Records that were set aside, one at a time (:data:`ionsieve.tables.REJECTS`)."""
        import csv

        path = self.results / "data" / "rejects.csv"
        if path.exists():
            with path.open(newline="") as handle:
                yield from csv.DictReader(handle)


def _yaml_mapping(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no YAML: {' '.join(str(error).split())}; mend it") from error
    if not isinstance(document, dict):
        raise DataError(f"{path} holds no configuration; it must be a YAML mapping like config.yaml")
    return document


def _laid_over(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(defaults)
    for key, value in values.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _laid_over(merged[key], value) if both else value
    return merged

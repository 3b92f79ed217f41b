"""One release of the Materials Project: documents in pages and batches, converted and kept as they come."""

import json
import logging
from collections.abc import Iterator, Sequence
from itertools import combinations, count
from pathlib import Path
from typing import Any

from ionsieve.data.materials_project import documents
from ionsieve.data.materials_project.client import Client
from ionsieve.data.materials_project.documents import Kind, Row
from ionsieve.data.materials_project.pages import Pages
from ionsieve.data.network import MayPass

logger = logging.getLogger(__name__)

PAGE_DOCUMENTS = 1000  # the most that the server gives
BATCH_IDS = 100  # that fit into an address


class Release:
    """The Materials Project as it is now.

    Parameters
    ----------
    cache : folder for pages that were fetched.
    """

    def __init__(self, cache: Path) -> None:
        self._client = Client()
        self._pages = Pages(cache, f"{self._client.endpoint} {self._client.version}")
        self.version = self._client.version

    def electrodes(self, ion: str) -> list[Row]:
        """Every insertion electrode of a working ion (:func:`documents.electrode`)."""
        what = f"insertion electrodes of {ion}"
        # Nothing that electrodes can be sorted by is unique; capacity per volume nearly is. One ion at a
        # time, since the client ignores the size of pages where a criterion holds a comma.
        rows: list[Row] = []
        on_earlier_pages: set[str] = set()
        for page in self._all_pages(
            what, documents.ELECTRODES, working_ion=[ion], _sort_fields="capacity_vol"
        ):
            distinct = {json.dumps(row, sort_keys=True): row for row in page}
            # One electrode on two pages stands where another should; on one page it is the server's own.
            if any("reason" not in distinct[text] for text in distinct.keys() & on_earlier_pages):
                raise self._contradiction(what)
            on_earlier_pages |= distinct.keys()
            rows += distinct.values()
        return rows

    def materials(self, element: str, include_gnome: bool) -> list[Row]:
        """Every material with an element that is not deprecated (:func:`documents.material`)."""
        what = f"materials with {element}"
        pages = self._all_pages(
            what,
            documents.MATERIALS,
            elements=[element],
            deprecated=False,
            include_gnome=include_gnome,
            _sort_fields="material_id",
        )
        rows = [row for page in pages for row in page]
        ids = [row["id"] for row in rows if "reason" not in row]
        if len(set(ids)) < len(ids):
            raise self._contradiction(what)
        return rows

    def hull_distances(self, ids: Sequence[str], thermo_type: str) -> Iterator[Row]:
        """Distances of materials from the hull of a thermo type (:func:`documents.hull_distance`).

        Materials that this hull does not know are missing.
        """
        wanted = documents.THERMO_TYPE_IN_DOCUMENTS.get(thermo_type, thermo_type)
        for stage, batch in _batches(f"{thermo_type} hull distances", ids):
            rows = self._batch(
                stage,
                documents.HULL_DISTANCES,
                material_ids=batch,
                thermo_types=[thermo_type],
            )
            yield from (row for row in rows if row.get("thermo_type", wanted) == wanted)

    def crystals(
        self, what: str, ids: Sequence[str], *, include_gnome: bool, deprecated_too: bool
    ) -> Iterator[Row]:
        """The crystal of each material (:func:`documents.crystal`), in the order of ``ids``.

        An id that the server does not know gives a row with a ``reason``. Electrodes may refer to deprecated
        materials, which the server hides from those who do not ask for them.
        """
        for stage, batch in _batches(what, ids):
            found: dict[str, Row] = {}
            for deprecated in (False, True) if deprecated_too else (False,):
                missing = [material_id for material_id in batch if material_id not in found]
                if missing:
                    rows = self._batch(
                        stage,
                        documents.CRYSTALS,
                        material_ids=missing,
                        deprecated=deprecated,
                        include_gnome=include_gnome,
                    )
                    found |= {row["id"]: row for row in rows}
            for material_id in batch:
                yield found.get(material_id) or {
                    "id": material_id,
                    "reason": "the Materials Project has no such structure, or hides it for its licence",
                }

    def stable_phases(self, elements: Sequence[str]) -> list[Row]:
        """Phases on the GGA and GGA+U hull of these elements, 2020 corrections applied, by id."""
        systems = [
            "-".join(chosen)
            for size in range(1, len(elements) + 1)
            for chosen in combinations(sorted(elements), size)
        ]
        rows = [
            row
            for stage, batch in _batches(f"stable phases of {'-'.join(sorted(elements))}", systems)
            for row in self._batch(
                stage,
                documents.STABLE_PHASES,
                chemsys=batch,
                thermo_types=["GGA_GGA+U"],
                is_stable=True,
            )
        ]
        return sorted(rows, key=lambda row: row["id"])

    def check_still_current(self) -> None:
        """Raise MayPass if a new release replaced this one during the pull."""
        now = self._client.current_version()
        if now != self.version:
            raise MayPass(
                f"the Materials Project went from release {self.version} to {now} during the pull, which "
                "mixed both; run the same command again"
            )

    def _all_pages(self, what: str, kind: Kind, **criteria: Any) -> Iterator[list[Row]]:
        total: int | None = None
        for number in count(1):
            of = "" if total is None else f" of {_ceil_div(total, PAGE_DOCUMENTS)}"
            stage = f"{what}, page {number}{of}"
            page = self._page(stage, kind, limit=PAGE_DOCUMENTS, page=number, **criteria)
            if total is not None and page["total"] != total:
                raise self._contradiction(what)
            total = page["total"]
            yield page["rows"]
            if number * PAGE_DOCUMENTS >= total:
                return

    def _batch(self, stage: str, kind: Kind, **criteria: Any) -> list[Row]:
        return self._page(stage, kind, limit=PAGE_DOCUMENTS, **criteria)["rows"]

    def _page(self, stage: str, kind: Kind, *, limit: int, **criteria: Any) -> dict[str, Any]:
        """Rows of one page, and the total over all pages."""

        def fetch() -> dict[str, Any]:
            logger.info("%s", stage)
            answer = self._client.search(kind.resource, stage, fields=kind.fields, limit=limit, **criteria)
            documents.check_schema(answer.documents, kind, stage)
            return {"total": answer.total, "rows": [kind.convert(document) for document in answer.documents]}

        question = {"resource": kind.resource, "fields": kind.fields, "limit": limit, **criteria}
        return self._pages.get(question, fetch)

    def _contradiction(self, what: str) -> MayPass:
        self._pages.forget()
        return MayPass(
            f"Materials Project, {what}: pages contradict one another, so the database changed between them; "
            f"what was fetched is forgotten; run the same command again"
        )


def _batches(what: str, ids: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Batches of ids, each with its name for messages."""
    total = _ceil_div(len(ids), BATCH_IDS)
    for number in range(total):
        yield (
            f"{what}, batch {number + 1} of {total}",
            list(ids[number * BATCH_IDS : (number + 1) * BATCH_IDS]),
        )


def _ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)

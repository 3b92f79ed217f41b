"""A Materials Project on loopback that tests of its source share; imported only where one asks for it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ionsieve.data import demo
from ionsieve.data.materials_project import Query, pull
from ionsieve.data.records import Reject

if TYPE_CHECKING:
    from servers.materials_project import MaterialsProjectServer
    from servers.materials_project_documents import Documents


@pytest.fixture
def query() -> Query:
    return Query(
        working_ion="Mg",
        ions=["Mg"],
        thermo_type="GGA_GGA+U_R2SCAN",
        max_energy_above_hull_eV_per_atom=0.15,
        include_gnome=False,
    )


@pytest.fixture(scope="session")
def crystals() -> tuple:
    """Six electrodes each of Mg, Ca and Li, and twelve candidates with Mg."""
    electrodes = demo.load_electrodes()
    few = [electrodes[electrodes.working_ion == ion].head(6) for ion in ("Mg", "Ca", "Li")]
    return type(electrodes).from_records([row for part in few for row in part.to_dict("records")]), (
        demo.load_candidates().head(12)
    )


@pytest.fixture(scope="session")
def built(crystals) -> Documents:
    from servers.materials_project_documents import build_documents

    return build_documents(*crystals)


@pytest.fixture
def documents(built) -> Documents:
    """Documents that a test may damage."""
    return copy.deepcopy(built)


@pytest.fixture(scope="session")
def running(built) -> Iterator[MaterialsProjectServer]:
    from servers.materials_project import MaterialsProjectServer

    with MaterialsProjectServer(built) as server:
        yield server


@pytest.fixture
def server(running, documents, monkeypatch) -> MaterialsProjectServer:
    running.restore(documents)
    monkeypatch.setenv("MP_API_KEY", running.key)
    monkeypatch.setenv("MP_API_ENDPOINT", running.endpoint)
    monkeypatch.setattr("ionsieve.data.network.FIRST_WAIT_S", 0.01)
    return running


@pytest.fixture
def rows(server, query, tmp_path) -> Callable[..., dict]:
    """Pulls the query, changed as told: electrodes, candidates, reasons of rejects by id, provenance."""

    def rows(**changes) -> dict:
        pulled = pull(replace(query, **changes), tmp_path / "cache")
        electrodes, candidates = list(pulled.electrodes), list(pulled.candidates)
        both = electrodes + candidates
        return {
            "electrodes": [row for row in electrodes if not isinstance(row, Reject)],
            "candidates": [row for row in candidates if not isinstance(row, Reject)],
            "rejects": {row.material_id: row.reason for row in both if isinstance(row, Reject)},
            "provenance": pulled.provenance,
        }

    return rows

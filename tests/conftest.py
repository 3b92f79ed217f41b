"""Its place puts tests/ on the import path, so that tests share the servers in tests/servers."""

import os
from pathlib import Path
from typing import Any

import pytest

from ionsieve.data.files import electrode_rows
from ionsieve.data.records import Reject

# The finished screening that these start from takes minutes: one worker makes it, for all.
ONE_SCREENING = {"test_composition_stage", "test_freshness", "test_staleness"}
SHARED = Path(os.environ.get("IONSIEVE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The workflow's tests first, since they take longest."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file go to one worker, and so do files that share a screening."""
    from xdist.scheduler import LoadFileScheduling

    class ByScreening(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = Path(nodeid.partition("::")[0])
            return "screening" if path.stem in ONE_SCREENING else str(path)

    return ByScreening(config, log)


@pytest.fixture(scope="session")
def real_electrode_rows() -> list[dict[str, Any]]:
    """Rows of ELECTRODES of the Materials Project's insertion electrodes, where the data are at hand."""
    folder = SHARED / "materials_project"
    paths = [folder / name for name in ("insertion_electrodes.jsonl.gz", "structures.jsonl.gz")]
    for path in paths:
        if not path.exists():
            pytest.skip(
                f"{path} is not there; set IONSIEVE_SHARED_DATA to the folder with materials_project/"
            )
    electrodes, structures = paths
    return [
        row
        for row in electrode_rows([electrodes], [structures], "DFT", "CC BY 4.0")
        if not isinstance(row, Reject)
    ]

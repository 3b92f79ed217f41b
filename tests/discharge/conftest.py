import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("IONSIEVE_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="session")
def lmto_table() -> Path:
    path = SHARED / "drxnet" / "LMTO_example.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there (set IONSIEVE_SHARED_DATA to the folder with drxnet/)")
    return path

"""The original CGCNN (Xie and Grossman, 2018) beside ours: its code checked out, crystals as it reads them.

Nothing of it is kept here. Fetch it once with `git clone --bare https://github.com/txie-93/cgcnn`.
"""

import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pandas as pd
from pymatgen.core import Structure

from ionsieve import structures


def check_out(repository: Path, folder: Path) -> None:
    """Unpack the newest commit of a (bare) repository into ``folder`` and make it importable."""
    archive = subprocess.run(
        ["git", "--git-dir", str(repository), "archive", "HEAD"], check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as content:
        content.extractall(folder, filter="data")
    sys.path.insert(0, str(folder))


def write_cif_folder(electrodes: pd.DataFrame, checkout: Path, folder: Path) -> None:
    """The folder that CIFData reads: a CIF file per electrode, its voltage, CGCNN's own atom vectors."""
    folder.mkdir()
    shutil.copy(checkout / "data" / "sample-regression" / "atom_init.json", folder)
    with (folder / "id_prop.csv").open("w") as targets:
        for number, row in enumerate(electrodes.to_dict("records")):
            structures.to_structure(row).to(filename=str(folder / f"{number}.cif"))
            targets.write(f"{number},{row['voltage_V']}\n")


def skip_cif_parsing(cgcnn_data: ModuleType, folder: Path) -> None:
    """Give the module ``cgcnn.data`` crystals that are parsed already, so that only its graphs take time."""
    parsed = {str(path): Structure.from_file(path) for path in folder.glob("*.cif")}

    class Parsed:
        from_file = staticmethod(parsed.__getitem__)

    cgcnn_data.Structure = Parsed  # type: ignore[attr-defined]

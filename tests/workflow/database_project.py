"""A Materials Project and a GNoME on loopback, and screenings that pull from them."""

import copy
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pymatgen.core import Structure
from screening_project import OVERLAY, Project, new_project, perovskite
from servers.bucket import Bucket, write_gnome
from servers.materials_project import MaterialsProjectServer
from servers.materials_project_documents import Documents, add_material, electrode_document

HULL_EV_PER_ATOM = 0.02
ELECTRODE_HULL_EV_PER_ATOM = 0.5  # above the limit: no candidate is an electrode
SHARDS = 4  # what the tests of freshness move touches three of them
VERSION = "2026.11.20"
AWAY = {"MP_API_ENDPOINT": "http://127.0.0.1:9/", "MP_API_KEY": ""}  # what a node without a network sees


@dataclass
class Databases:
    """What the two databases hold now.

    Attributes
    ----------
    voltages_V : of the electrodes LiMO3 and MgMO3, by metal M; Li has 0.5 V more.
    candidates : of the Materials Project, by id.
    gnome : crystals of GNoME, by MaterialId.
    """

    server: MaterialsProjectServer
    bucket: Bucket
    voltages_V: dict[str, float]
    candidates: dict[str, Structure]
    gnome: dict[str, Structure]

    def publish(self, version: str | None = None) -> None:
        """Serve the present content, as a release of its own where a version is given."""
        self.server.replace(self._documents())
        self.server.version = version or self.server.version
        shutil.rmtree(self.bucket.folder, ignore_errors=True)
        write_gnome(self.bucket.folder, self.gnome)

    def _documents(self) -> Documents:
        documents: Documents = {"insertion_electrodes": [], "summary": [], "thermo": []}
        number = 0
        for ion, more_V in (("Li", 0.5), ("Mg", 0.0)):
            for metal, voltage_V in self.voltages_V.items():
                number += 2
                discharged = perovskite(ion, metal, 3.9)
                pair = {
                    f"mp-{number}": discharged,
                    f"mp-{number + 1}": discharged.copy().remove_species([ion]),
                }
                documents["insertion_electrodes"].append(electrode_document(ion, voltage_V + more_V, pair))
                for name, structure in pair.items():
                    add_material(documents, name, structure, ELECTRODE_HULL_EV_PER_ATOM)
        for name, structure in self.candidates.items():
            add_material(documents, name, structure, HULL_EV_PER_ATOM)
        return documents


def sulphides(metals: Iterable[str]) -> dict[str, Structure]:
    """Crystals of GNoME by MaterialId: MgMS3."""
    return {f"x{metal}": perovskite("Mg", metal, 4.9, "S") for metal in metals}


@contextmanager
def databases(
    folder: Path,
    voltages_V: Mapping[str, float],
    candidates: Mapping[str, Structure],
    gnome: Mapping[str, Structure],
) -> Iterator[Databases]:
    """Both databases on loopback, with this content."""
    empty: Documents = {"insertion_electrodes": [], "summary": [], "thermo": []}
    with MaterialsProjectServer(empty) as server, Bucket(folder) as bucket:
        both = Databases(server, bucket, dict(voltages_V), dict(candidates), dict(gnome))
        both.publish()
        yield both


def database_project(folder: Path, both: Databases, *, doubles: bool) -> Project:
    """A copy of the workflow that pulls from these databases."""
    project = new_project(folder, doubles=doubles)
    project.environment = {"MP_API_KEY": both.server.key, "MP_API_ENDPOINT": both.server.endpoint}
    project.overlay = {
        **copy.deepcopy(OVERLAY),
        "data": {
            "sources": ["materials_project", "gnome"],
            "materials_project": {"ions": ["Li", "Mg"]},
            "gnome": {"location": both.bucket.url},
            "shards": SHARDS,
        },
    }
    project.configure()
    return project

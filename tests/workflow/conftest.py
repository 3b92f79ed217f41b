"""Two databases on loopback, a finished screening of what they hold, and copies of it to change."""

import copy
from collections.abc import Iterator

import pytest
from database_project import AWAY, VERSION, Databases, database_project, databases, sulphides
from screening_project import METALS, Project, perovskite

VOLTAGES_V = {metal: 1.5 + 0.2 * index for index, metal in enumerate(METALS)}
CANDIDATES = {f"mp-{1000 + index}": perovskite("Mg", metal, 4.4, "F") for index, metal in enumerate(METALS)}


@pytest.fixture(scope="session")
def running(tmp_path_factory) -> Iterator[tuple[Databases, Project]]:
    """The databases, and a screening of their first release that finished without them."""
    folder = tmp_path_factory.mktemp("databases")
    with databases(folder / "bucket", VOLTAGES_V, CANDIDATES, sulphides(METALS)) as both:
        project = database_project(folder / "project", both, doubles=True)
        reachable = project.environment
        project.run("fetch_all")
        project.environment = AWAY
        project.run()
        project.environment = reachable
        yield both, project


@pytest.fixture
def both(running) -> Databases:
    """The databases as they were at the first pull, for a test to change."""
    both, _ = running
    both.voltages_V, both.candidates = dict(VOLTAGES_V), copy.deepcopy(CANDIDATES)
    both.gnome = sulphides(METALS)
    both.publish(VERSION)
    both.server.requests.clear()
    both.bucket.requests.clear()
    return both


@pytest.fixture
def project(running, both, tmp_path) -> Project:
    """A copy of the finished screening that a test may change."""
    return running[1].copy_to(tmp_path / "project")

"""A finished screening of tiny crystals, and copies of it to change."""

import pytest
from screening_project import METALS, Project, new_project, perovskite


@pytest.fixture(scope="session")
def screened_once(tmp_path_factory) -> Project:
    """A finished screening; tests change copies of it."""
    project = new_project(tmp_path_factory.mktemp("base") / "project", doubles=True)
    project.write_data(
        {f"cand-{metal}": perovskite("Mg", metal, 4.0) for metal in METALS},
        {metal: 1.5 + 0.2 * index for index, metal in enumerate(METALS)},
    )
    project.configure()
    project.run()
    return project


@pytest.fixture
def project(screened_once: Project, tmp_path) -> Project:
    """A copy of the finished screening that a test may change."""
    return screened_once.copy_to(tmp_path / "project")

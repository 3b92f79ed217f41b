"""One ion walks through a made-up cubic host, another stays; the picture must show the walk and its cages."""

import numpy as np
import pytest

from ionsieve import tables
from ionsieve.transport.ion_paths import CAGE_A, POINTS_PER_PATH, ion_paths
from ionsieve.transport.trajectory import Trajectory

EDGE_A = 12.0


@pytest.fixture
def walk() -> Trajectory:
    """Oxygen on a simple cubic lattice of 3 A; of two Ca ions in cube centres, one leaves the cell."""
    grid = np.arange(4) * 3.0
    host_A = np.stack(np.meshgrid(grid, grid, grid), axis=-1).reshape(-1, 3)
    sites_A = np.concatenate([host_A, [[1.5, 1.5, 1.5], [7.5, 7.5, 7.5]]])
    positions_A = np.repeat(sites_A[None], 240, axis=0)
    positions_A[:, -2, 0] += np.repeat(np.arange(6) * 3.0, 40)
    positions_A += np.random.default_rng(0).normal(0, 0.05, positions_A.shape)
    return Trajectory(
        times_ps=np.arange(1, 241) * 0.02,
        positions_A=positions_A,
        cells_A=np.repeat(np.eye(3)[None] * EDGE_A, 240, axis=0),
        numbers=np.array([8] * len(host_A) + [20, 20]),
        reference_frac_coords=sites_A / EDGE_A,
    )


def test_the_farthest_ion_comes_first_and_its_path_runs_on_beyond_the_cell(walk):
    rows = ion_paths(walk, "Ca")
    first = rows[rows["path"] == 0]
    assert len(first) == POINTS_PER_PATH
    assert first["x_A"].iloc[[0, -1]].tolist() == pytest.approx([1.5, 16.5], abs=0.15)
    assert first["x_A"].is_monotonic_increasing or (first["x_A"].diff().min() > -0.2)


def test_an_ion_that_starts_elsewhere_is_left_out_and_one_beside_it_is_not(walk):
    assert set(ion_paths(walk, "Ca")["path"].dropna()) == {0}  # 6 A away in each direction
    walk.positions_A[:, -1] -= 3.0
    assert set(ion_paths(walk, "Ca")["path"].dropna()) == {0, 1}


def test_the_host_is_there_all_along_the_path_with_its_images(walk):
    rows = ion_paths(walk, "Ca")
    host = rows[rows["path"].isna()]
    assert set(host["element"]) == {"O"}
    path_A = rows[rows["path"] == 0][["x_A", "y_A", "z_A"]].to_numpy()
    host_A = host[["x_A", "y_A", "z_A"]].to_numpy()
    distances_A = np.linalg.norm(host_A[:, None] - path_A, axis=2)
    assert distances_A.min(axis=1).max() <= CAGE_A + 0.01
    # six cube centres in a row have 7 x 4 corners, each within 2.6 A of one
    assert len(host) == 28


def test_rows_have_the_columns_of_their_table(walk, tmp_path):
    tables.write_table(ion_paths(walk, "Ca"), tables.ION_PATHS, tmp_path / "paths.parquet")
    read = tables.read_table(tmp_path / "paths.parquet", tables.ION_PATHS)
    assert list(read.columns) == tables.ION_PATHS.names

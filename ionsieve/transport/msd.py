"""Mean squared displacements over all time origins, without the drift of the framework.

    MSD_i(m) = 1/(F - m) sum_k |r_i(k + m) - r_i(k)|^2

by the fast correlation algorithm: two running sums and one autocorrelation by FFT (Calandrini et al.,
Collection SFN 12, 201 (2011)), F log F instead of F^2.
"""

from collections.abc import Iterator

import numpy as np

# Atoms at a time: the Fourier transforms of 3000 frames of a block take 10 MB.
BLOCK_ATOMS = 32


def without_drift(positions_A: np.ndarray, framework: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Positions relative to the framework's centre of mass, which is put where it was at first.

    Parameters
    ----------
    positions_A : unwrapped positions, shape (F, N, 3).
    framework : mask of the host atoms, shape (N,).
    masses : atomic masses, shape (N,).
    """
    weights = masses[framework] / masses[framework].sum()
    centre = np.einsum("n,fnk->fk", weights, positions_A[:, framework])
    return positions_A - (centre - centre[0])[:, None, :]


def mean_squared_displacement_A2(positions_A: np.ndarray) -> np.ndarray:
    """MSD of each atom at each lag.

    Parameters
    ----------
    positions_A : unwrapped positions, shape (F, N, 3).

    Returns
    -------
    Array of shape (F, N); row m is the lag of m frames.
    """
    n_frames = len(positions_A)
    centred = positions_A - positions_A.mean(axis=0)
    spectrum = np.fft.rfft(centred, n=2 * n_frames, axis=0)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, n=2 * n_frames, axis=0)[:n_frames].sum(axis=2)
    squares = (centred**2).sum(axis=2)
    # sum over k of |r(k)|^2 + |r(k + m)|^2 for every m: all squares twice, less those that fall out
    falling_out = np.zeros_like(squares)
    falling_out[1:] = np.cumsum(squares[:-1] + squares[:0:-1], axis=0)
    both_squares = 2 * squares.sum(axis=0) - falling_out
    origins = np.arange(n_frames, 0, -1)[:, None]
    msd_A2 = np.maximum((both_squares - 2 * correlation) / origins, 0.0)
    msd_A2[0] = 0.0  # exactly, where rounding leaves 1e-18
    return msd_A2


def displacement_covariance_A2(positions_A: np.ndarray) -> np.ndarray:
    """Mean of dr_a dr_b over all time origins, of each atom at each lag; its trace is the MSD.

    Parameters
    ----------
    positions_A : unwrapped positions, shape (F, N, 3).

    Returns
    -------
    Array of shape (F, N, 3, 3); row m is the lag of m frames.
    """
    n_frames = len(positions_A)
    centred = positions_A - positions_A.mean(axis=0)
    spectrum = np.fft.rfft(centred, n=2 * n_frames, axis=0)
    origins = np.arange(n_frames, 0, -1)[:, None]
    covariance_A2 = np.empty((*positions_A.shape, 3))
    for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        # The real part of the cross spectrum: the mean of both orders in time.
        crossed = (spectrum[..., a].conj() * spectrum[..., b]).real
        correlation = np.fft.irfft(crossed, n=2 * n_frames, axis=0)[:n_frames]
        products = centred[..., a] * centred[..., b]
        falling_out = np.zeros_like(products)
        falling_out[1:] = np.cumsum(products[:-1] + products[:0:-1], axis=0)
        mean_A2 = (2 * products.sum(axis=0) - falling_out - 2 * correlation) / origins
        covariance_A2[..., a, b] = covariance_A2[..., b, a] = mean_A2
    return covariance_A2


def in_blocks(positions_A: np.ndarray, atoms: np.ndarray) -> Iterator[np.ndarray]:
    """Positions of chosen atoms, a block of atoms at a time, so that memory does not grow with their number.

    Parameters
    ----------
    positions_A : unwrapped positions, shape (F, N, 3).
    atoms : indices of the atoms, shape (n,).

    Yields
    ------
    Arrays of shape (F, at most ``BLOCK_ATOMS``, 3), in the order of ``atoms``.
    """
    for first in range(0, len(atoms), BLOCK_ATOMS):
        yield positions_A[:, atoms[first : first + BLOCK_ATOMS]]

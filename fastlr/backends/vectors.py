"""The vector operations of the engine, by NumPy; `compiled.vectors` has the same as loops, which Numba puts in their place."""

import numpy as np

from fastlr.machine.blas import dot

__all__ = ["add_multiple", "combine", "dot", "lower_times", "lower_transposed_times", "multiply", "remove_common", "scale_into",
           "standardised_size", "weighted_size"]

_ROWS = 128                     # rows of a lower triangle that are multiplied together, some of their zeros included


def scale_into(a: float, x: np.ndarray, out: np.ndarray) -> None:
    """out = a x."""
    np.multiply(x, a, out=out)


def combine(x: np.ndarray, a: float, y: np.ndarray, out: np.ndarray) -> None:
    """out = x + a y, where out is neither of them."""
    np.multiply(y, a, out=out)
    out += x


def add_multiple(x: np.ndarray, a: float, y: np.ndarray) -> None:
    """x += a y."""
    x += a * y


def multiply(x: np.ndarray, y: np.ndarray) -> None:
    """x *= y, element by element."""
    x *= y


def weighted_size(x: np.ndarray, weights: np.ndarray) -> float:
    """The sum of |weights x|, as far as there are weights."""
    return float(np.abs(weights * x[:weights.size]).sum())


def lower_times(P: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """out = P x for a lower triangular P (k, k), or K of them (K k, k) along a diagonal; no BLAS thread is started."""
    blocks, parts, results = _by_block(P, x, out)
    for i in range(0, P.shape[-1], _ROWS):
        np.vecdot(blocks[:, i:i + _ROWS, :i + _ROWS], parts[:, None, :i + _ROWS], out=results[:, i:i + _ROWS])


def lower_transposed_times(P: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """out = P^T x for a lower triangular P (k, k), or K of them (K k, k) along a diagonal; no BLAS thread is started."""
    blocks, parts, results = _by_block(P, x, out)
    results[:] = 0.0
    for i in range(0, P.shape[-1], _ROWS):
        results[:, :i + _ROWS] += np.einsum("kij,ki->kj", blocks[:, i:i + _ROWS, :i + _ROWS], parts[:, i:i + _ROWS])


def _by_block(P: np.ndarray, x: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P as (K, k, k), and x and out, whose memory is shared, as (K, k)."""
    side = P.shape[-1]
    return P.reshape(-1, side, side), x.reshape(-1, side), out.reshape(-1, side)


def remove_common(v: np.ndarray, common: np.ndarray) -> None:
    """Take away from v (K (n + 1),) what its K rows have in common, where common (n + 1,) is 1; nothing where it is (0,)."""
    if common.size:
        rows = v.reshape(-1, common.size)
        rows -= common * rows.mean(axis=0)


def standardised_size(grad: np.ndarray, ratio: np.ndarray, shift: np.ndarray) -> float:
    """The largest of |db| and |ratio_j dw_j + shift_j db| in all rows, with a ratio of 1 and no shift where there are none."""
    if not ratio.size:
        return float(np.abs(grad).max())
    rows = grad.reshape(-1, ratio.size + 1)
    standardised = rows.copy()
    standardised[:, :-1] = ratio * rows[:, :-1] + shift * rows[:, -1:]
    return float(np.abs(standardised).max())

"""The vector operations of the engine, by NumPy; `compiled.vectors` has the same as loops, which Numba puts in their place."""

from collections.abc import Iterable

import numpy as np

from fastlr.machine.blas import dot

__all__ = ["add_multiple", "combine", "dot", "lower_times", "lower_transposed_times", "multiply", "scale_into", "weighted_size",
           "weighted_square"]

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


def weighted_square(x: np.ndarray, weights: np.ndarray) -> float:
    """The sum of weights x^2."""
    return dot(x, weights * x)


def weighted_size(x: np.ndarray, weights: np.ndarray) -> float:
    """The sum of |weights x|, as far as there are weights."""
    return float(np.abs(weights * x[:weights.size]).sum())


def lower_times(P: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """out = P x for a lower triangular P, or several of them along a diagonal; no BLAS thread is started."""
    for block, part, result in _each_block(P, x, out):
        for i in range(0, part.size, _ROWS):
            np.vecdot(block[i:i + _ROWS, :i + _ROWS], part[:i + _ROWS], out=result[i:i + _ROWS])


def lower_transposed_times(P: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """out = P^T x for a lower triangular P, or several of them along a diagonal; no BLAS thread is started."""
    out[:] = 0.0
    for block, part, result in _each_block(P, x, out):
        for i in range(0, part.size, _ROWS):
            result[:i + _ROWS] += np.einsum("ij,i->j", block[i:i + _ROWS, :i + _ROWS], part[i:i + _ROWS])


def _each_block(P: np.ndarray, x: np.ndarray, out: np.ndarray) -> Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The squares of P (k, k) or (K, k, k), with their parts of x and out."""
    if P.ndim == 2:
        return ((P, x, out),)
    side = P.shape[-1]
    return zip(P.reshape(-1, side, side), x.reshape(-1, side), out.reshape(-1, side), strict=True)


def standardised_size(grad: np.ndarray, ratio: np.ndarray, shift: np.ndarray) -> float:
    """The largest of |db| and |ratio_j dw_j + shift_j db| in all rows, with a ratio of 1 and no shift where there are none."""
    if not ratio.size:
        return float(np.abs(grad).max())
    rows = grad.reshape(-1, ratio.size + 1)
    standardised = rows.copy()
    standardised[:, :-1] = ratio * rows[:, :-1] + shift * rows[:, -1:]
    return float(np.abs(standardised).max())

"""The rows of a design matrix [x - center, 1] with their margins, a block at a time, and sums and quadratic forms of them.

The column of ones is left out of a block, which then needs no copy where X is float64 in C order and the center is 0.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastlr.backends.csr import Csr, as_float64, joined
from fastlr.backends.numpy_vectorized import margins_of_block
from fastlr.backends.ranges import pieces
from fastlr.data.dataset import InMemory

# Numbers in a block of a dense design matrix: a megabyte of float64.
_BLOCK_ELEMENTS = 1 << 17


def blocks(part: InMemory, theta: np.ndarray, center: np.ndarray,
           width: int = 0) -> Iterator[tuple[Any, np.ndarray, np.ndarray, np.ndarray]]:
    """Some rows of the design matrix of a part at a time, with the margins at theta (n + 1,) or (K, n + 1), which belongs to it.

    The center (n,) is 0 where X is sparse.  Blocks are shorter where the caller needs `width` numbers a row.

    Yields
    ------
    A : (r, n) float64 array in C order, or SciPy's sparse array where X is sparse
        The rows x - center, without the ones.
    z : (r,) or (r, K) float64
        The margins, offsets included.
    y : (r,) int8 or int32
    s : (r,) float64
        The weights.
    """
    for rows in row_ranges(part.X, width):
        A = features(part.X, rows, center)
        s = part.sample_weight[rows] if part.sample_weight.size else np.ones(A.shape[0])
        yield A, margins_of_block(A, part.offset[rows], theta), part.y[rows], s


def row_ranges(X: np.ndarray | Csr, width: int = 0) -> Iterator[slice]:
    """Slices that cover the rows of X, each for one block."""
    m, n = X.shape
    size = max(64, _BLOCK_ELEMENTS // max(n, width))
    is_whole = isinstance(X, Csr) and width == 0
    return (slice(*each) for each in (pieces(X) if is_whole else ((start, min(start + size, m)) for start in range(0, m, size))))


def features(X: np.ndarray | Csr, rows: slice, center: np.ndarray) -> Any:
    """Some rows of x - center, (r, n) float64 in C order; of sparse X, whose center is 0, as SciPy's array."""
    A = as_float64(X, rows) if isinstance(X, Csr) else np.ascontiguousarray(X[rows], np.float64)
    return A - center if center.any() else A


def scores(A: Any, r: np.ndarray) -> Any:
    """r (x) [x, 1] for the rows x of A (q, n), with slopes r (q, k): (q, k (n + 1)), an array or SciPy's sparse array."""
    return joined([part for slope in r.T[:, :, None] for part in (A * slope, slope)], axis=1)


def sum_of_rows(weight: np.ndarray, A: Any) -> np.ndarray:
    """The sum of weighted rows [x, 1] for the rows x of A (r, n), for weights (r,) or (q, r)."""
    return np.concatenate([weight @ A, weight.sum(axis=-1, keepdims=True)], axis=-1)

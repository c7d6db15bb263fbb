"""The rows of a design matrix [x - center, 1] with their margins, a block at a time, and quadratic forms in them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastlr.backends.csr import Csr, as_float64
from fastlr.backends.ranges import pieces
from fastlr.data.dataset import InMemory

# Numbers in a block of a dense design matrix: half a megabyte of float64.
_BLOCK_ELEMENTS = 1 << 16


class Block(NamedTuple):
    """Some rows of a design matrix.

    Attributes
    ----------
    rows : slice
        The place of the rows in their part.
    Z : (r, n + 1) float64 array, or SciPy's sparse array where X is sparse
    z : (r,) float64
        The margins, offsets included.
    y : (r,) int8
    s : (r,) float64
        The weights.
    """

    rows: slice
    Z: Any
    z: np.ndarray
    y: np.ndarray
    s: np.ndarray


def blocks(part: InMemory, theta: np.ndarray, center: np.ndarray, width: int = 0) -> Iterator[Block]:
    """The design matrix of a part, with the margins at theta (n + 1,), which belongs to the design matrix.

    The center (n,) is 0 where X is sparse.  Blocks are shorter where the caller needs `width` numbers a row.
    """
    X, (m, n) = part.X, part.X.shape
    size = max(64, _BLOCK_ELEMENTS // max(n, width))
    whole = isinstance(X, Csr) and width == 0
    ranges = pieces(X) if whole else ((start, min(start + size, m)) for start in range(0, m, size))
    for rows in (slice(*each) for each in ranges):
        Z = design(X, rows, center)
        z = Z @ theta
        if part.offset.size:
            z += part.offset[rows]
        yield Block(rows, Z, z, part.y[rows], part.sample_weight[rows] if part.sample_weight.size else np.ones(z.size))


def design(X: np.ndarray | Csr, rows: slice, center: np.ndarray) -> Any:
    """Some rows of [x - center, 1] in float64; of sparse X, whose center is 0, as SciPy's array."""
    if isinstance(X, Csr):
        from scipy.sparse import csr_array, hstack  # SciPy is there: X was one of its matrices

        A = as_float64(X, rows)
        return hstack([A, csr_array(np.ones((A.shape[0], 1)))], format="csr")
    block = X[rows]
    Z = np.empty((block.shape[0], X.shape[1] + 1))
    np.subtract(block, center, out=Z[:, :-1])
    Z[:, -1] = 1.0
    return Z


def quadratic_forms(Z: Any, V: np.ndarray) -> np.ndarray:
    """v^T V v of every row v of Z, (r,)."""
    if isinstance(Z, np.ndarray):
        return np.vecdot(Z @ V, Z)
    size = max(64, _BLOCK_ELEMENTS // len(V))
    parts = (Z[start:start + size] for start in range(0, Z.shape[0], size))
    return np.concatenate([part.multiply(part @ V).sum(axis=1) for part in parts])


def variances(X: np.ndarray | Csr, V: np.ndarray, center: np.ndarray) -> np.ndarray:
    """v^T V v of every row v of [x - center, 1], (m,): the variance of its margin."""
    m, n = X.shape
    size = m if isinstance(X, Csr) else max(64, _BLOCK_ELEMENTS // n)
    return np.concatenate([quadratic_forms(design(X, slice(start, start + size), center), V) for start in range(0, m, size)])

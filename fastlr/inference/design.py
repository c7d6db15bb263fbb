"""The rows of a design matrix [x - center, 1] with their margins, a block at a time, and quadratic forms in them.

A block is transposed, with one feature a row, so that what NumPy does to a feature runs along memory.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from fastlr.backends.csr import Csr, as_float64
from fastlr.backends.ranges import pieces
from fastlr.data.dataset import InMemory

# Numbers in a block of a dense design matrix: a megabyte of float64.
_BLOCK_ELEMENTS = 1 << 17


class Block(NamedTuple):
    """Some rows of a design matrix.

    Attributes
    ----------
    rows : slice
        The place of the rows in their part.
    Zt : (n + 1, r) float64 array, or SciPy's sparse array where X is sparse
        The rows [x - center, 1], one a column.
    z : (r,) or (K, r) float64
        The margins, offsets included.
    y : (r,) int8 or int32
    s : (r,) float64
        The weights.
    """

    rows: slice
    Zt: Any
    z: np.ndarray
    y: np.ndarray
    s: np.ndarray


def blocks(part: InMemory, theta: np.ndarray, center: np.ndarray, width: int = 0) -> Iterator[Block]:
    """The design matrix of a part, with the margins at theta (n + 1,) or (K, n + 1), which belongs to the design matrix.

    The center (n,) is 0 where X is sparse.  Blocks are shorter where the caller needs `width` numbers a row.
    """
    for rows in row_ranges(part.X, width):
        Zt = transposed_design(part.X, rows, center)
        z = theta @ Zt
        if part.offset.size:
            z += part.offset[rows].T
        s = part.sample_weight[rows] if part.sample_weight.size else np.ones(z.shape[-1])
        yield Block(rows, Zt, z, part.y[rows], s)


def row_ranges(X: np.ndarray | Csr, width: int = 0) -> Iterator[slice]:
    """Slices that cover the rows of X, each for one block."""
    m, n = X.shape
    size = max(64, _BLOCK_ELEMENTS // max(n, width))
    is_whole = isinstance(X, Csr) and width == 0
    return (slice(*each) for each in (pieces(X) if is_whole else ((start, min(start + size, m)) for start in range(0, m, size))))


def transposed_design(X: np.ndarray | Csr, rows: slice, center: np.ndarray) -> Any:
    """Some rows of [x - center, 1] in float64, one a column; of sparse X, whose center is 0, as SciPy's array."""
    if isinstance(X, Csr):
        from scipy.sparse import csr_array, hstack  # SciPy is there: X was one of its matrices

        A = as_float64(X, rows)
        return hstack([A, csr_array(np.ones((A.shape[0], 1)))], format="csr").T
    block = X[rows].T
    Zt = np.empty((X.shape[1] + 1, block.shape[1]))
    Zt[:-1], Zt[-1] = block, 1.0
    if center.any():
        Zt[:-1] -= center[:, None]
    return Zt


def quadratic_forms(Zt: Any, V: np.ndarray) -> np.ndarray:
    """v^T V v of every column v of Zt, (r,)."""
    if isinstance(Zt, np.ndarray):
        return np.einsum("ij,ij->j", V @ Zt, Zt)
    size = max(64, _BLOCK_ELEMENTS // len(V))
    parts = (Zt[:, start:start + size] for start in range(0, Zt.shape[1], size))
    return np.concatenate([part.multiply(V @ part).sum(axis=0) for part in parts])

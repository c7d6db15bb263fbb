"""Compressed sparse rows, and functions that take a dense X and a sparse X alike."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlr.machine.arrays import read_only


class Csr(NamedTuple):
    """A sparse X: `values` and `indices` from indptr[i] to indptr[i + 1] are row i, and all else is 0.

    It is a NamedTuple because Numba takes one as it is.  Within a row the columns are in order, each at most once.
    """

    values: np.ndarray          # (size,) float64 or float32
    indices: np.ndarray         # (size,) int32 or int64: columns
    indptr: np.ndarray          # (m + 1,) of the same dtype; a range of rows may begin beyond 0
    n_columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (m, n)."""
        return self.indptr.size - 1, self.n_columns

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self.values.dtype

    @property
    def size(self) -> int:
        """The number of values stored."""
        return int(self.indptr[-1]) - int(self.indptr[0])

    def rows(self, rows: slice) -> "Csr":
        """Slice rows without a copy."""
        start, stop, _ = rows.indices(self.shape[0])
        return self._replace(indptr=self.indptr[start:stop + 1])

    def take(self, chosen: np.ndarray) -> "Csr":
        """Copy the chosen rows."""
        sizes = np.diff(self.indptr)[chosen]
        indptr = np.zeros(chosen.size + 1, self.indptr.dtype)
        np.cumsum(sizes, out=indptr[1:])
        at = np.arange(int(indptr[-1])) + np.repeat(self.indptr[chosen] - indptr[:-1], sizes)
        return Csr(read_only(self.values[at]), read_only(self.indices[at]), read_only(indptr), self.n_columns)

    def row(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """The columns and values of one row."""
        stored = slice(self.indptr[i], self.indptr[i + 1])
        return self.indices[stored], self.values[stored]

    def each(self, of_rows: np.ndarray) -> np.ndarray:
        """Repeat the number of each row for all of its values."""
        return np.repeat(of_rows, np.diff(self.indptr))

    def stored(self) -> tuple[np.ndarray, np.ndarray]:
        """The columns and values of all rows."""
        whole = slice(self.indptr[0], self.indptr[-1])
        return self.indices[whole], self.values[whole]

    def squares(self) -> float:
        """The sum over rows of the squared number of values: the multiplications of a Hessian."""
        return float(np.square(np.diff(self.indptr), dtype=np.float64).sum())        # a dot product would start BLAS threads

    def scipy(self) -> Any:
        """Make a SciPy matrix of float64 that shares memory where it can."""
        indices, values = self.stored()
        from scipy.sparse import csr_array  # SciPy is there: X was one of its matrices

        A = csr_array(self.shape)
        A.data, A.indices, A.indptr = values.astype(np.float64, copy=False), indices, self.indptr - self.indptr[0]
        return A


def numbers_of(X: Any) -> np.ndarray:
    """View the numbers of X in the order of memory, (size,)."""
    if isinstance(X, Csr):
        return X.values
    return X.reshape(-1) if X.flags.c_contiguous else X.T.reshape(-1)


def bytes_a_row(X: Any) -> int:
    """The average size of a row of X in memory, in bytes."""
    if isinstance(X, Csr):
        return max(1, X.size * (X.values.itemsize + X.indices.itemsize) // X.shape[0])
    return X.shape[1] * X.itemsize


def as_float64(X: Any, rows: slice) -> Any:
    """Rows of X in float64, as an array or a SciPy matrix, for products."""
    return X.rows(rows).scipy() if isinstance(X, Csr) else X[rows].astype(np.float64, copy=False)


def joined(parts: Sequence[Any], axis: int) -> Any:
    """Arrays one behind the other along an axis; SciPy's sparse array where the first is one."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis)
    from scipy import sparse  # which is there: X was one of its matrices

    return (sparse.vstack, sparse.hstack)[axis](parts, format="csr")


def with_zeros(sums: np.ndarray, pivot: np.ndarray, total: float) -> tuple[np.ndarray, np.ndarray]:
    """Turn the moments of the values that are stored into those of all rows, zeros included.

    Parameters
    ----------
    sums : (3 n,) float64
        Sums over the stored values of s (x - pivot), of s (x - pivot)^2, and of s.
    pivot : (n,) float64
    total : float
        The sum of s over all rows.
    """
    first, second, held = sums.reshape(3, -1)
    rest = total - held
    rest[rest <= 1e-12 * total] = 0.0       # a column that is stored whole: only rounding is left
    return first - rest * pivot, second + rest * pivot ** 2

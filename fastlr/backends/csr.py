"""Compressed sparse rows, as every backend takes them, and what both kinds of X are asked for alike."""

from typing import Any, NamedTuple

import numpy as np

from fastlr.machine.forks import imported


class Csr(NamedTuple):
    """X of m rows: those of `values` and `indices` from indptr[i] to indptr[i + 1] are row i; all else is 0.

    A NamedTuple, because Numba takes it as it is.  Columns are in order within a row, and none is there twice.
    """

    values: np.ndarray          # (size,) float64 or float32
    indices: np.ndarray         # (size,) int32 or int64: columns
    indptr: np.ndarray          # (m + 1,) of the same dtype; a range of rows may begin beyond 0
    n_columns: int

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.indptr.size - 1, self.n_columns

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""
        return self.values.dtype

    @property
    def size(self) -> int:
        """Numbers stored."""
        return int(self.indptr[-1]) - int(self.indptr[0])

    def rows(self, rows: slice) -> "Csr":
        """So many rows, without a copy."""
        start, stop, _ = rows.indices(self.shape[0])
        return self._replace(indptr=self.indptr[start:stop + 1])

    def take(self, chosen: np.ndarray) -> "Csr":
        """A copy of the chosen rows."""
        sizes = np.diff(self.indptr)[chosen]
        indptr = np.zeros(chosen.size + 1, self.indptr.dtype)
        np.cumsum(sizes, out=indptr[1:])
        at = np.arange(int(indptr[-1])) + np.repeat(self.indptr[chosen] - indptr[:-1], sizes)
        parts = self.values[at], self.indices[at], indptr
        for part in parts:
            part.flags.writeable = False
        return Csr(*parts, self.n_columns)

    def row(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns and values of a row."""
        stored = slice(self.indptr[i], self.indptr[i + 1])
        return self.indices[stored], self.values[stored]

    def each(self, of_rows: np.ndarray) -> np.ndarray:
        """A number for each row, repeated for all of its values."""
        return np.repeat(of_rows, np.diff(self.indptr))

    def stored(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns and values of all rows."""
        whole = slice(self.indptr[0], self.indptr[-1])
        return self.indices[whole], self.values[whole]

    def squares(self) -> float:
        """The numbers stored in a row squared, over all rows: products in a Hessian."""
        return float(np.square(np.diff(self.indptr), dtype=np.float64).sum())        # a dot product would start BLAS threads

    def scipy(self) -> Any:
        """As a SciPy matrix of float64, which shares what it can."""
        indices, values = self.stored()
        A = imported("scipy.sparse").csr_array(self.shape)
        A.data, A.indices, A.indptr = values.astype(np.float64, copy=False), indices, self.indptr - self.indptr[0]
        return A


def numbers_of(X: Any) -> np.ndarray:
    """X's numbers in the order of memory, (size,): a view."""
    if isinstance(X, Csr):
        return X.values
    return X.reshape(-1) if X.flags.c_contiguous else X.T.reshape(-1)


def bytes_a_row(X: Any) -> int:
    """What a row of X takes in memory, on average."""
    if isinstance(X, Csr):
        return max(1, X.size * (X.values.itemsize + X.indices.itemsize) // X.shape[0])
    return X.shape[1] * X.itemsize


def as_float64(X: Any, rows: slice) -> Any:
    """Rows of X as an array or a SciPy matrix, for products."""
    return X.rows(rows).scipy() if isinstance(X, Csr) else X[rows].astype(np.float64, copy=False)


def with_zeros(sums: np.ndarray, pivot: np.ndarray, total: float) -> tuple[np.ndarray, np.ndarray]:
    """Moments of all rows from those of what is stored.

    Parameters
    ----------
    sums : (3 n,) float64
        Sums over what is stored of s (x - pivot), of s (x - pivot)^2, and of s.
    pivot : (n,) float64
    total : float
        The sum of s over all rows.
    """
    first, second, held = sums.reshape(3, -1)
    rest = total - held
    rest[rest <= 1e-12 * total] = 0.0       # a column that is stored whole: only rounding is left
    return first - rest * pivot, second + rest * pivot ** 2

"""Columns of X that are so far from 0 that products with them lose digits, and X counted from elsewhere."""

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.data.dataset import InMemory
from fastlr.machine.arrays import read_only

_FAR = 1e4                      # Deviations from 0 at which a column's products lose four digits of sixteen.
_FAR_OF_SPARSE = 1e2            # Deviations from 0 at which its squares, from which a sparse Hessian is centered, lose as many.
_MOST_BYTES_SHIFTED = 1 << 30   # The most bytes of X that are copied.


def constant_column(data: InMemory) -> tuple[int, float] | None:
    """A column with one value other than 0 in every row, and that value."""
    rows = data.take(np.arange(min(2, data.count.rows))).dense(slice(None))
    for j in np.flatnonzero((rows[0] == rows[-1]) & (rows[0] != 0)):
        column = data.X.scipy()[:, [j]].toarray() if isinstance(data.X, Csr) else data.X[:, j]
        if (column == rows[0, j]).all():
            return int(j), float(rows[0, j])
    return None


def far_from_zero(data: InMemory, center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The center (n,) of columns so far from 0, for their spread, that products with them lose digits; 0 for all others.

    It is a number of X's dtype, so that X less it is exact.  A sparse column that is not stored in every row has no center.
    """
    X, shift = data.X, np.zeros(center.size)
    if X.size * X.dtype.itemsize > _MOST_BYTES_SHIFTED or X.dtype == np.uint8:
        return shift
    is_far = np.abs(center) > (_FAR if isinstance(X, np.ndarray) else _FAR_OF_SPARSE) * spread
    if isinstance(X, Csr):
        is_far |= (center != 0.0) & (spread == np.maximum(np.abs(center), 1.0))     # what counts as constant
        if is_far.any():
            columns, values = X.stored()
            is_far &= np.bincount(columns, minlength=center.size) == X.shape[0]
            for j in np.flatnonzero(is_far):
                column = values[columns == j]
                is_far[j] = column.min() < column.max()
    shift[is_far] = center[is_far].astype(X.dtype)
    return shift


def shifted(data: InMemory, shift: np.ndarray) -> InMemory:
    """Subtract a shift (n,) from every row of X, in the dtype of X."""
    X = data.X
    less = shift.astype(X.dtype)
    if not isinstance(X, Csr):
        return data.with_features(read_only(np.subtract(X, less, order="K")))
    columns, values = X.stored()
    return data.with_features(Csr(read_only(values - less[columns]), read_only(columns.copy()),
                                  read_only(X.indptr - X.indptr[0]), X.n_columns))

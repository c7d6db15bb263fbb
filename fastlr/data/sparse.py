"""The gate for sparse X: SciPy matrices in, `Csr` out, never dense.

CSR with float64 or float32 values and columns in order is taken as it is, with either kind of index; other formats, other
numbers, duplicates and columns out of order are converted in a copy, once.  What is not what SciPy says it is, is refused: a
kernel that followed a wrong index would read somebody else's memory.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.machine.arrays import read_only

_COMPRESSED = ("csr", "csc", "bsr")


def is_scipy(value: Any) -> bool:
    """Whether this is one of SciPy's sparse matrices or arrays; SciPy is not imported to find out."""
    package = sys.modules.get("scipy.sparse")
    return package is not None and bool(package.issparse(value))


def csr(X: Any) -> Csr:
    """X, two-dimensional, as kernels take it, not yet known to be finite.

    Raises
    ------
    TypeError
        Values that are no real numbers.
    ValueError
        Pointers or indices that don't fit together.
    """
    if X.dtype.kind not in "biuf":
        raise TypeError(f"X must hold real numbers, not {X.dtype}")
    if X.format in _COMPRESSED:
        _refuse_corrupt(X)
    elif X.format == "coo":
        for axis, places in enumerate((X.row, X.col)):
            _refuse_out_of_range(np.asarray(places), X.shape[axis], ("row", "column")[axis])
    if X.format != "csr":
        X = X.tocsr()
    n = X.shape[1]
    index = np.dtype(np.int32 if X.indices.dtype == X.indptr.dtype == np.int32 else np.int64)
    stored = int(X.indptr[-1])
    result = Csr(_floats(X.data[:stored]), np.ascontiguousarray(X.indices[:stored], index),
                 np.ascontiguousarray(X.indptr, index), n)
    values, indices, indptr = (read_only(np.require(part, requirements="A")) for part in _in_order(result)[:3])
    return Csr(values, indices, indptr, n)


def _refuse_corrupt(X: Any) -> None:
    rows, columns = X.shape[::-1] if X.format == "csc" else X.shape
    if X.format == "bsr":
        rows, columns = rows // X.blocksize[0], columns // X.blocksize[1]
    indptr, indices = np.asarray(X.indptr), np.asarray(X.indices)
    if indptr.dtype.kind not in "iu" or indices.dtype.kind not in "iu" or indptr.ndim != 1 or indices.ndim != 1:
        raise ValueError(f"X is a damaged {type(X).__name__}: indptr and indices must be integers in one dimension")
    if indptr.size != rows + 1 or indptr[0] != 0:
        raise ValueError(f"X is a damaged {type(X).__name__}: indptr must begin with 0 and have {rows + 1} values; it has "
                         f"{indptr.size}, from {int(indptr[0]) if indptr.size else 'none'} on")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        i = int(np.argmax(falls))
        raise ValueError(f"X is a damaged {type(X).__name__}: indptr falls from {int(indptr[i])} to {int(indptr[i + 1])} at {i}")
    if indptr[-1] > min(len(indices), len(X.data)):
        raise ValueError(f"X is a damaged {type(X).__name__}: indptr ends at {int(indptr[-1])}, and there are {len(X.data)} "
                         f"values and {len(indices)} indices")
    _refuse_out_of_range(indices[:int(indptr[-1])], columns, "index")


def _refuse_out_of_range(places: np.ndarray, size: int, what: str) -> None:
    if places.size and not (0 <= places.min() and places.max() < size):
        k = int(np.argmax((places < 0) | (places >= size)))
        raise ValueError(f"X is damaged: {what} {int(places[k])} of value {k} is out of range; there are {size}")


def _floats(values: np.ndarray) -> np.ndarray:
    if values.dtype.newbyteorder("=") in (np.float64, np.float32):
        return np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):            # what overflows is found, and named, as infinite
        return values.astype(np.float32 if np.can_cast(values.dtype, np.float32) else np.float64)


def _in_order(X: Csr) -> Csr:
    """X itself where every row's columns ascend, without a duplicate, and else a copy of which that is true."""
    from scipy.sparse import csr_array  # SciPy is there: X was one of its matrices

    A = csr_array(X.shape, dtype=X.dtype)
    A.data, A.indices, A.indptr = X.values, X.indices, X.indptr
    if A.has_canonical_format:
        return X
    A.data, A.indices, A.indptr = X.values.copy(), X.indices.copy(), X.indptr.copy()
    A.sum_duplicates()
    stored = int(A.indptr[-1])
    return Csr(A.data[:stored], A.indices[:stored], A.indptr, X.n_columns)


def transposed(X: Csr) -> Csr:
    """A copy of X with columns for rows."""
    from scipy.sparse import csr_array  # SciPy is there: X was one of its matrices

    indices, values = X.stored()
    A = csr_array((values, indices, X.indptr - X.indptr[0]), shape=X.shape).tocsc()
    return Csr(read_only(A.data), read_only(A.indices), read_only(A.indptr), X.shape[0])


def stacked(parts: Sequence[Csr]) -> Csr:
    """Copy the rows of several parts below each other."""
    stored, values = zip(*(part.stored() for part in parts), strict=True)
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    indices = np.concatenate(stored)
    indptr = np.append(0, np.cumsum(lengths, dtype=indices.dtype)).astype(indices.dtype)
    return Csr(read_only(np.concatenate(values)), read_only(indices), read_only(indptr), parts[0].n_columns)


def place(X: Csr, k: int) -> tuple[int, int]:
    """Row and column of a stored value."""
    return int(np.searchsorted(X.indptr, k, side="right")) - 1, int(X.indices[k])

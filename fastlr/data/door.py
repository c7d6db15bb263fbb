"""The one door: the arguments of `train` that are about rows become a `Dataset`, or one clear error.

A path becomes a stream, and so does a memory map that would take more than half of the memory there is.
"""

from typing import Any, NamedTuple

import numpy as np

from fastlr.data import arrays, frames, labels, trials, weights
from fastlr.data.dataset import Dataset, InMemory, rows_of
from fastlr.machine.arrays import read_only


class Vectors(NamedTuple):
    """The checked labels, weights and offsets of the rows."""

    y: np.ndarray                               # (m,) int8 of two classes, or int32 of K
    sample_weight: np.ndarray                   # (m,) float64, or (0,)
    offset: np.ndarray                          # (m,) float64, (m, K) of K classes, or (0,)
    classes: np.ndarray                         # (2,) or (K,), in the order of their codes 0, 1 ..


def data(X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, offset: Any = None) -> Dataset:
    """Check the arguments of `train` that are about rows; an X in memory may still hold NaN or infinity.

    The moments of X show that at no cost, once they are computed.

    Raises
    ------
    TypeError
        The type of X, y or the weights can't be that of numbers, labels or weights.
    ValueError
        Shapes don't fit; a value is NaN or infinite; there is one class only; or the weights leave a class without rows.
    NotImplementedError
        A sparse X is not SciPy's.
    """
    if arrays.is_dask(X):
        from fastlr.data import dask

        return dask.data(X, y, sample_weight, class_weight, offset)
    index = frames.index_of(X)
    X, names, y, sample_weight, offset = _matrix_or_stream(X, y, sample_weight, offset)
    outcomes = trials.labels_or_counts(y, X.shape[0])
    found = (_of_trials(X, names, outcomes, sample_weight, class_weight, offset) if outcomes.ndim == 2 else
             _dataset(X, names, _vectors(outcomes, sample_weight, class_weight, offset)))
    found.index = index
    return found


def data_as_given(X: Any, y: Any, sample_weight: Any = None, offset: Any = None, n_classes: int = 2) -> Dataset:
    """Check the arguments of `cost_and_gradient`: y is 0 .. K - 1, some of which may be missing, and X must be finite."""
    if arrays.is_dask(X):
        from fastlr.data import dask

        return dask.data_as_given(X, y, sample_weight, offset, n_classes)
    X, names, y, sample_weight, offset = _matrix_or_stream(X, y, sample_weight, offset)
    if not arrays.is_stream(X):
        arrays.refuse_not_finite(X, names)
    return _dataset(X, names, vectors_as_given(X.shape[0], y, sample_weight, offset, n_classes))


def _of_trials(X: Any, names: tuple[str, ...] | None, counts: np.ndarray, sample_weight: Any, class_weight: Any,
               offset: Any) -> Dataset:
    """The rows that stand for successes and failures (m, 2) of the examples X, each times the example's weight."""
    is_stream = arrays.is_stream(X)
    if not is_stream:
        arrays.refuse_not_finite(X, names)      # as long as its rows are those of the user
    m = X.shape[0]
    rows = trials.rows_of(counts, weights.checked(sample_weight, m), arrays.real_vector("offset", offset, m))
    trials.refuse_no_trial(rows.y.size > 0)
    vectors = _vectors(rows.y, rows.sample_weight, class_weight, None if offset is None else rows.offset)
    data = _dataset(X if is_stream else rows_of(X, rows.example), names, vectors)
    data.example_of_rows, data.n_examples = lambda: rows.example, m
    return data


def _vectors(y: np.ndarray, sample_weight: Any, class_weight: Any, offset: Any) -> Vectors:
    """Check the labels (m,), weights and offsets of m rows."""
    m = y.size
    codes, classes = labels.codes_of(y)
    labels.refuse_one_class(classes)
    s = weights.of_rows(sample_weight, class_weight, codes, classes)
    if s.size:
        weights.refuse_class_without_weight(weights.totals(s, codes, classes.size), classes)
    return Vectors(codes, read_only(s), arrays.real_offset(offset, m, classes), classes)


def vectors_as_given(m: int, y: Any, sample_weight: Any, offset: Any, n_classes: int) -> Vectors:
    """Check what is beside an X of m rows where y is 0 .. K - 1 already, and some class may be missing."""
    s = weights.checked(sample_weight, m)
    if s.size:
        weights.refuse_extreme_total(float(s.sum()))
    classes = np.arange(n_classes)
    return Vectors(labels.zero_one(y, m, n_classes), s, arrays.real_offset(offset, m, classes), classes)


def _matrix_or_stream(X: Any, y: Any, sample_weight: Any, offset: Any) -> tuple[Any, ...]:
    """Return X for the kernels, or a scanned stream; the names of its columns; and vectors, which a stream may bring."""
    frames.refuse_other_order(X=X, y=y, sample_weight=sample_weight, offset=offset)
    if isinstance(X, np.memmap) or arrays.is_in_blocks(X):
        from fastlr.data.stream.blocks import Stream, stream

        if not (isinstance(X, np.memmap) and (X.mode == "c" or X.nbytes <= stream(X).memory)):
            source = X if isinstance(X, Stream) else stream(X)
            vectors = source.scan(y, sample_weight, offset)
            return source, source.names, *vectors
    arrays.refuse_names(y=y, sample_weight=sample_weight, offset=offset)
    A, names = arrays.real_matrix(X)
    _refuse_examples_in_columns(A.shape, y)
    return A, names, y, sample_weight, offset


def _refuse_examples_in_columns(shape: tuple[int, int], y: Any) -> None:
    """Raise ValueError where y has a value for each column of X, as in the course, and not for each row."""
    size = y.size if isinstance(y, np.ndarray) else len(y) if isinstance(y, list) else None
    if size == shape[1] != shape[0]:
        raise ValueError(f"y has {size} values, and X has shape {shape}.  If each column of X is an example, pass X.T"
                         + (" and y.ravel()" if getattr(y, "ndim", 1) > 1 else ""))


def _dataset(X: Any, names: tuple[str, ...] | None, vectors: Vectors) -> Dataset:
    if arrays.is_stream(X):
        from fastlr.data.stream.dataset import InBlocks

        return InBlocks(X, *vectors)
    return InMemory(X, *vectors, names)

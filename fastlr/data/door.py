"""The one door: what `train` is given about rows becomes a `Dataset`, or one clear error.

A path, and a memory map that would take more than half of the memory there is, become a stream.
"""

import os
from typing import Any

import numpy as np

from fastlr.data import arrays, frames
from fastlr.data.arrays import Vectors
from fastlr.data.dataset import Dataset, InMemory


def data(X: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, offset: Any = None) -> Dataset:
    """All that `train` is given about the rows, checked; but X in memory may not be finite yet.

    That is found at no cost by whoever computes its moments, see `Objective.refuse_not_finite`.

    Raises
    ------
    TypeError
        An array of a kind that can't be numbers (X), labels (y) or weights.
    ValueError
        Wrong shapes, NaN, infinity, labels of other than two classes, weights that leave no row of a class.
    NotImplementedError
        Sparse data that is not SciPy's.
    """
    if arrays.is_dask(X):
        from fastlr.data import dask

        return dask.data(X, y, sample_weight, class_weight, offset)
    X, names, y, sample_weight, offset = _matrix_or_stream(X, y, sample_weight, offset)
    return _dataset(X, names, arrays.vectors(X.shape[0], y, sample_weight, class_weight, offset))


def data_as_given(X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Dataset:
    """`data` for y of 0 and 1, one of which may be missing; X in memory is finite."""
    if arrays.is_dask(X):
        from fastlr.data import dask

        return dask.data_as_given(X, y, sample_weight, offset)
    X, names, y, sample_weight, offset = _matrix_or_stream(X, y, sample_weight, offset)
    if not arrays.is_stream(X):
        arrays.refuse_not_finite(X, names)
    return _dataset(X, names, arrays.vectors_as_given(X.shape[0], y, sample_weight, offset))


def _matrix_or_stream(X: Any, y: Any, sample_weight: Any, offset: Any) -> tuple[Any, ...]:
    """X as kernels take it, or a stream that has been scanned; its column names; and vectors, which a stream may have brought."""
    frames.refuse_other_order(X=X, y=y, sample_weight=sample_weight, offset=offset)
    if isinstance(X, (str, os.PathLike, np.memmap)) or arrays.is_stream(X):
        from fastlr.data.stream.blocks import Stream, stream

        if not (isinstance(X, np.memmap) and (X.mode == "c" or X.nbytes <= stream(X).memory)):
            source = X if isinstance(X, Stream) else stream(X)
            vectors = source.scan(y, sample_weight, offset)
            return source, source.names, *vectors
    return *arrays.real_matrix(X), y, sample_weight, offset


def _dataset(X: Any, names: tuple[str, ...] | None, vectors: Vectors) -> Dataset:
    if arrays.is_stream(X):
        from fastlr.data.stream.dataset import InBlocks

        return InBlocks(X, *vectors)
    return InMemory(X, *vectors, names)

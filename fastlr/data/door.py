"""Where a training's data lie: the door to `arrays` for arrays, to `stream.rows` for streams, to `dask` for Dask's.

What comes in as a path, or as a memory map that would take more than half of the memory there is, becomes a stream.
"""

import os
from typing import Any

import numpy as np

from fastlr.data import arrays, frames
from fastlr.data.arrays import Data


def data(X: Any, y: Any, sample_weight: Any, class_weight: Any, offset: Any) -> Data:
    """All that `train` is given about the rows, checked as by `arrays.data`, but that X in memory may not be finite yet.

    That is found at no cost by whoever computes its moments, see `Objective.refuse_not_finite`.
    """
    if arrays.is_dask(X):
        from fastlr.data import dask

        return dask.data(X, y, sample_weight, class_weight, offset)
    frames.refuse_other_order(X=X, y=y, sample_weight=sample_weight, offset=offset)
    found = _streamed(X, y, sample_weight, offset)
    X, names, y, sample_weight, offset = (*arrays.real_matrix(X), y, sample_weight, offset) if found is None else found
    return arrays.with_rows(X, names, y, sample_weight, class_weight, offset)


def data_as_given(X: Any, y: Any, sample_weight: Any, offset: Any) -> Data:
    """The same for y of 0 and 1; see `arrays.data_as_given`."""
    if arrays.is_dask(X):
        from fastlr.data import dask

        return dask.data_as_given(X, y, sample_weight, offset)
    frames.refuse_other_order(X=X, y=y, sample_weight=sample_weight, offset=offset)
    found = _streamed(X, y, sample_weight, offset)
    if found is None:
        return arrays.data_as_given(X, y, sample_weight, offset)
    X, names, y, sample_weight, offset = found
    return arrays.with_rows_as_given(X, names, y, sample_weight, offset)


def _streamed(X: Any, y: Any, sample_weight: Any, offset: Any) -> tuple[Any, Any, Any, Any, Any] | None:
    """X, names and vectors of a stream that has been scanned; None for X in memory."""
    if not (isinstance(X, (str, os.PathLike, np.memmap)) or arrays.is_stream(X)):
        return None
    from fastlr.data.stream.blocks import Stream, stream
    from fastlr.data.stream.rows import Streamed

    if isinstance(X, np.memmap) and (X.mode == "c" or X.nbytes <= stream(X).memory):
        return None
    source = X if isinstance(X, Stream) else stream(X)
    vectors = source.scan(y, sample_weight, offset)
    return Streamed(source), source.names, *vectors

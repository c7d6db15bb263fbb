"""Predictions for the rows of a stream, one block at a time."""

import contextlib
from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from fastlr.data import arrays, frames
from fastlr.data.stream.blocks import Stream, stream
from fastlr.data.stream.source import Block, named_columns

Method = Callable[[Any, Any], np.ndarray]
"""A method of a Model that predicts: (X, offset) -> (rows, ...)."""


def predicted(method: Method, X: Any, features: tuple[str, ...] | None, offset: Any) -> np.ndarray:
    """Let a method of a Model predict for each block, and return the array of all rows; y that comes with X is left alone.

    The features are the columns of tables and frames that the model was trained on.  The offset may be the name of a column.
    """
    given = X if arrays.is_stream(X) else stream(X)
    if given.is_scanned and not isinstance(offset, str) and (features is None or given.names in (None, features)):
        return _of_each(method, given, given.blocks(), offset)
    apart = given.apart()
    return _of_each(method, apart, apart.first_pass({}, None, _with_offset(features, offset), is_only=True), offset)


def predicted_beside(method: Method, X: Any, features: tuple[str, ...] | None, y: Any, sample_weight: Any,
                     offset: Any) -> tuple[np.ndarray, Any, Any]:
    """Do as `predicted`, and return y and sample_weight too, as `scan` does; y is None for blocks that bring it."""
    apart, beside = X.apart() if arrays.is_stream(X) else stream(X), {"y": y, "sample_weight": sample_weight}
    blocks = apart.first_pass(named_columns(beside), y is None, _with_offset(features, offset), is_only=True)
    values = _of_each(method, apart, blocks, offset)
    y, sample_weight = (beside | apart.gathered()).values()
    return values, y, sample_weight


def _with_offset(features: tuple[str, ...] | None, offset: Any) -> tuple[str, ...] | None:
    """The columns to read, where a column that is the offset is read as one of X."""
    return features if features is None or not isinstance(offset, str) else (*features, offset)


def _of_each(method: Method, source: Stream, blocks: Generator[tuple[int, Block]], offset: Any) -> np.ndarray:
    is_named = isinstance(offset, str)
    has_labels = frames.columns_of(offset) is not None  # which are compared with the classes
    offsets = None if offset is None or is_named else offset if has_labels else arrays.as_array("offset", offset)
    found = []
    with contextlib.closing(blocks):
        for first, block in blocks:
            own = None if offsets is None else getattr(offsets, "iloc", offsets)[first:first + block.shape[0]]
            if is_named:
                block, own = _cut_out(block, source, offset)
            try:
                found.append(method(block, own))
            except ValueError as error:
                raise ValueError(f"{source.place(first)}, whose row 0 is row {first} of the whole: {error}") from error
    if offsets is not None and len(offsets) != source.shape[0]:
        raise ValueError(f"offset has {len(offsets)} values, and X has {source.shape[0]} rows")
    return np.concatenate(found)


def _cut_out(block: Block, source: Stream, offset: str) -> tuple[Block, np.ndarray]:
    """A block of a table without the column of the offset, and that column."""
    if source.names is None or offset not in source.names or not isinstance(block, np.ndarray):
        raise ValueError(f"offset is {offset!r}, and {source!r} has no column of that name; pass an array (m,)")
    j = source.names.index(offset)
    return np.delete(block, j, axis=1), block[:, j]

"""The rows of a stream: blocks that are in memory for as long as a sum over them takes."""

import contextlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from fastlr.data.arrays import Data
from fastlr.data.parts import InParts, Parts
from fastlr.data.rows import Count, Rows, frozen, without_features
from fastlr.data.stream.blocks import Stream


class Streamed(InParts):
    """X of a stream."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.shape, self.size, self.dtype = stream.shape, stream.size, stream.dtype

    def rows(self, backend: ModuleType, data: Data, n_threads: int) -> "StreamedRows":
        """See `InParts`."""
        return StreamedRows(self.stream, backend, data, n_threads)


class StreamedRows(Parts):
    """A stream's blocks as parts; labels, weights and offsets are in memory whole.

    Parameters
    ----------
    stream : Stream
        Scanned.
    backend, data, n_threads
        As for `Rows`.
    """

    def __init__(self, stream: Stream, backend: ModuleType, data: Data, n_threads: int) -> None:
        counts = [Count.of(data.y[rows], data.sample_weight[rows]) for rows in stream.ranges]
        super().__init__(backend, n_threads, stream.shape, stream.shape[1] * stream.dtype.itemsize, counts, data.offset.size > 0)
        self.count = Count.of(data.y, data.sample_weight)       # to the last bit
        self.most_bytes_of_samples = stream.sample_bytes
        self._stream, self._data = stream, data

    def reduce(self, together: Callable[[Any, Any], Any], method: str, *arguments: Any) -> Any:
        total = None
        for first, X in self._stream.blocks():
            found = getattr(self._rows_of(first, X), method)(*arguments)
            if not _is_finite(found):                   # J may be too large for float64, but X can have changed
                self._stream.refuse_not_finite(first, X)
            total = found if total is None else together(total, found)
        return total

    def gather(self, method: str, arguments: Mapping[int, Any]) -> list[Any]:
        found, last = [], max(arguments)
        with contextlib.closing(self._stream.blocks()) as blocks:
            for part, (first, X) in enumerate(blocks):
                if part in arguments:
                    self._stream.refuse_not_finite(first, X)
                    found.append(getattr(self._rows_of(first, X), method)(*arguments[part]))
                if part == last:
                    break
        return found

    def _rows_of(self, first: int, X: np.ndarray) -> Rows:
        rows = slice(first, first + X.shape[0])
        y, sample_weight, offset = (vector[rows] for vector in self._data[1:4])
        block = self._data._replace(X=X, y=y, sample_weight=sample_weight, offset=offset)
        return Rows(self._backend, block, self._n_threads)

    def in_unit(self, exponent: int) -> "StreamedRows":
        data = self._data._replace(sample_weight=frozen(np.ldexp(self._data.sample_weight, -exponent)))
        return StreamedRows(self._stream, self._backend, data, self._n_threads)

    def without_features(self) -> Rows:
        return without_features(self._data)


def _is_finite(found: Any) -> bool:
    return all(map(_is_finite, found)) if isinstance(found, tuple) else bool(np.isfinite(found).all())

"""The rows of a stream: blocks that are in memory for as long as a sum over them takes."""

import contextlib
import copy
from collections.abc import Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from fastlr.data import sampling, sparse
from fastlr.data.dataset import Count, Dataset, InMemory, OfRows, Pass, no_features, rows_of
from fastlr.data.stream.blocks import Stream
from fastlr.data.stream.source import Block
from fastlr.machine.arrays import read_only

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class InBlocks(Dataset):
    """The blocks of a stream that has been scanned; labels, weights and offsets are in memory whole, as for `InMemory`.

    Where there are counts of trials, `example_of_rows` says which row of the stream each row is.
    """

    def __init__(self, stream: Stream, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray, classes: np.ndarray) -> None:
        form = stream.form._replace(shape=(y.size, stream.form.shape[1]))
        super().__init__(form, sample_weight.size > 0, offset.size > 0, classes, stream.names)
        self.stream, self.y, self.sample_weight, self.offset = stream, y, sample_weight, offset
        self.most_bytes_of_samples = stream.sample_bytes
        self._count = Count.of(y, sample_weight, classes.size)

    def reduce(self, pass_: Pass[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        merged: list[_Result] = []
        for first, X in self.stream.blocks():
            rows = self._rows(first, first + X.shape[0])
            if rows.start == rows.stop:
                continue
            own: list[Any] = [each[rows] if isinstance(each, OfRows) else each for each in arguments]
            found = pass_(self._part(first, X), *own, **named)
            if not _is_finite(found):                   # J may be too large for float64, but X can have changed
                self.stream.refuse_not_finite(first, X)
            merged = [pass_.merge(merged[0], found) if merged else found]
        return merged[0]

    def take_each(self, samples: Sequence[np.ndarray]) -> list[InMemory]:
        sizes = [rows.stop - rows.start if not self.has_weights else int(np.count_nonzero(self.sample_weight[rows]))
                 for rows in (self._rows(rows.start, rows.stop) for rows in self.stream.ranges)]
        wanted, found = sampling.by_part(samples, sizes), []
        with contextlib.closing(self.stream.blocks()) as blocks:
            for number, (first, X) in zip(range(max(wanted) + 1), blocks, strict=False):            # no block behind the last
                if number in wanted:
                    self.stream.refuse_not_finite(first, X)
                    found.append([taken.rows for taken in self._part(first, X).take_each(wanted[number])])
        return [self._in_memory(*sampling.stacked(parts)) for parts in zip(*found, strict=True)]

    def divided_weights(self, exponent: int) -> "InBlocks":
        other = copy.copy(self)
        other.sample_weight = read_only(np.ldexp(self.sample_weight, -exponent))
        other._count = Count.of(other.y, other.sample_weight, other.classes.size)
        return other

    def refuse_not_finite(self) -> None:
        """Do nothing: every block was looked through at the door, and is again where a sum is not finite."""

    def without_features(self) -> InMemory:
        return InMemory(no_features(self.shape[0]), self.y, self.sample_weight, self.offset, self.classes)

    def _part(self, first: int, X: Block) -> InMemory:
        rows = self._rows(first, first + X.shape[0])
        X = X if self.example_of_rows is None else rows_of(X, self.example_of_rows()[rows] - first)
        return self._in_memory(X, *(vector[rows] for vector in (self.y, self.sample_weight, self.offset)))

    def _rows(self, start: int, stop: int) -> slice:
        """The rows that stand for those of the stream from `start` to `stop`."""
        if self.example_of_rows is None:
            return slice(start, stop)
        return slice(*np.searchsorted(self.example_of_rows(), (start, stop)).tolist())


def _is_finite(found: Any) -> bool:
    if isinstance(found, tuple):
        return all(map(_is_finite, found))
    return bool(np.isfinite(found.data if sparse.is_scipy(found) else found).all())

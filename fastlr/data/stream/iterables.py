"""X in blocks that the caller's code gives, with or without y."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.data import arrays, frames, trials
from fastlr.data.stream import buffers
from fastlr.data.stream.source import Block, Room, where


class GivenSource:
    """An iterable of blocks X (rows, n) or (X, y), or a function that returns one, which gives the same blocks in every pass.

    A block is copied, so that the memory it lies in may be used for the next.
    """

    title, seeks = "source", False

    def __init__(self, blocks: Any) -> None:
        if isinstance(blocks, Iterator):
            raise TypeError(f"source is a {type(blocks).__name__}, which gives its blocks once, and training takes several "
                            "passes; pass the function that makes it, or a list")
        if not isinstance(blocks, Iterable) and not callable(blocks):
            raise TypeError("source must be the path of a file (.npy, .parquet, .feather, .arrow) or of a folder of such tables, "
                            "a memory map, an array, a pyarrow.dataset.Dataset, an iterable of (X, y) blocks or a function that "
                            f"returns one, not {type(blocks).__name__}")
        self._blocks = blocks
        self._brings_y: bool | None = False
        self._features: tuple[str, ...] | None = None
        self._y: list[np.ndarray] = []
        self.names: tuple[str, ...] | None = None
        self._first: tuple[str, int, np.dtype, tuple[str, ...] | None]

    def form(self, columns: Mapping[str, str], brings_y: bool | None, features: tuple[str, ...] | None) -> None:
        """Note whether y comes with X; the form is known after a pass, as described at `Source`."""
        for argument, name in columns.items():
            raise ValueError(f"{argument} is {name!r}, the name of a column, which only tables have; pass an array (m,)"
                             + ("" if argument != "y" else ", or None for blocks (X, y)"))
        self._brings_y, self._features = brings_y, features
        self._y = []

    def read(self, ranges: Sequence[tuple[int, slice]], room: Room) -> Iterator[Block]:
        blocks = iter(self._blocks if isinstance(self._blocks, Iterable) else self._blocks())
        start = 0
        for number in itertools.count():
            try:
                given = next(blocks)
            except StopIteration:
                break
            except BaseException as error:
                error.add_note(f"raised by the source of a stream, at block {number} (from row {start} on)")
                raise
            if ranges and number == len(ranges):
                raise ValueError(f"source gives more than {number} blocks, as many as it gave at first; {_SAME}")
            X = self._checked(given, number, start, bool(ranges))
            rows = slice(start, start + X.shape[0])
            if ranges and rows != ranges[number][1]:
                raise ValueError(f"{where(self.title, *ranges[number])} has {X.shape[0]} rows now; {_SAME}")
            yield buffers.copied(X, room(number, buffers.bytes_of(X)))
            start = rows.stop
        if not ranges and not start:
            raise ValueError("source gives no block")
        if ranges and number < len(ranges):
            raise ValueError(f"source gives {number} blocks, and gave {len(ranges)} at first; {_SAME}")

    def gathered(self) -> Mapping[str, np.ndarray]:
        if not self._brings_y:
            return {}
        y, self._y = self._y, []
        return {"y": np.concatenate(y)}

    def _checked(self, given: Any, number: int, start: int, is_known: bool) -> Block:
        """X of a block, which is like that of the first; y is gathered in the first pass."""
        place = f"source, block {number} (from row {start} on)"
        is_pair = isinstance(given, tuple) and len(given) == 2
        if is_pair is not (is_pair if self._brings_y is None else self._brings_y):
            raise TypeError(f"{place}: the block brings its own y; pass no other" if is_pair else
                            f"{place}: a block must be (X, y) where y is not passed, and is a {type(given).__name__}")
        X, y = given if is_pair else (given, None)
        try:
            frames.refuse_other_order(X=X, y=y)
            A, names = arrays.real_matrix(X, self._features)
            if self._brings_y and not is_known:
                self._y.append(self._of_one_kind(np.array(trials.as_given(y, A.shape[0]))))
        except (TypeError, ValueError, NotImplementedError) as error:
            raise type(error)(f"{place}: {error}") from error
        found = "sparse" if isinstance(A, Csr) else "dense", A.shape[1], A.dtype, names
        if number == 0 and not is_known:
            self._first = found
            self.names = names
        whats = "layout", "number of columns", "dtype", "names of columns"
        for what, here, first in zip(whats, found, self._first, strict=True):
            if here != first:
                raise ValueError(f"{place}: X has another {what} than the first block: {here}, not {first}")
        return A

    def _of_one_kind(self, y: np.ndarray) -> np.ndarray:
        """y, unless NumPy would turn its labels into others to put them beside those of the first block."""
        first = self._y[0] if self._y else y
        if (y.ndim, y.dtype.kind in "SU") != (first.ndim, first.dtype.kind in "SU"):
            here, before = ("counts" if each.ndim == 2 else each.dtype for each in (y, first))
            raise ValueError(f"y holds {here} here, and {before} in the first block; make them all of one kind")
        return y


_SAME = "every pass must give the same blocks"

"""The sources of a stream: the contract between `Stream` and each kind of source."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.data import arrays
from fastlr.data.form import Form
from fastlr.machine.arrays import read_only

Order = Literal["C", "F"]
Block = np.ndarray | Csr
Room = Callable[[int, int], np.ndarray]
"""A function that gives memory for block i, so many bytes (size,) uint8, and waits until there is some."""


class Source(Protocol):
    """A source of blocks of rows.

    Errors of a source name it, the block and the row, as `where` does.  Its blocks are read-only.
    """

    title: str
    names: tuple[str, ...] | None               # of the features; known with the first block
    # Whether a pass that leaves out blocks saves as much reading wherever they lie.
    seeks: bool

    def form(self, columns: Mapping[str, str], brings_y: bool | None, features: tuple[str, ...] | None) -> Form | None:
        """Say the form of X, and begin anew; None if only a pass over all blocks can tell.

        Parameters
        ----------
        columns : mapping
            From "y", "sample_weight" and "offset" to the names of columns that are these, and no features.
        brings_y : bool
            Whether y comes with X, in no column; None if that is all the same.
        features : tuple of str, or None
            The columns of tables and frames that X must have; other columns of a table are left alone.
        """

    def read(self, ranges: Sequence[tuple[int, slice]], room: Room) -> Iterator[Block]:
        """Read the blocks of these numbers and rows into memory that `room` gives; read all blocks if the form is None."""

    def gathered(self) -> Mapping[str, np.ndarray]:
        """Return what the first pass found beside X, by the names "y", "sample_weight" and "offset"."""
        return {}


def where(title: str, number: int, rows: slice) -> str:
    """Name a block in a message."""
    return f"{title}, block {number} (rows {rows.start} to {rows.stop - 1})"


def system_error(error: OSError, path: str, number: int, rows: slice) -> OSError:
    """Make an error of the system name the block."""
    what = os.strerror(error.errno or 0)
    return OSError(error.errno, f"{what}, at block {number} (rows {rows.start} to {rows.stop - 1})", path)


class ArraySource(Source):
    """An array in memory."""

    title, names, seeks = "X", None, True

    def __init__(self, X: np.ndarray) -> None:
        self._X = X = arrays.as_array("X", X)
        arrays.refuse_shape(X.shape)
        self._form = Form((X.shape[0], X.shape[1]), arrays.kernel_dtype(X.dtype))

    def form(self, columns: Mapping[str, str], brings_y: bool | None, features: tuple[str, ...] | None) -> Form:
        """Say the form of X, as described at `Source`."""
        refuse_other_columns("an array", columns, brings_y)
        return self._form

    def read(self, ranges: Sequence[tuple[int, slice]], room: Room) -> Iterator[Block]:
        for number, rows in ranges:
            block = empty(room, number, rows, self._form, "F" if self._X.flags.fnc else "C")
            with np.errstate(over="ignore"):
                block[...] = self._X[rows]
            yield read_only(block)


def empty(room: Room, number: int, rows: slice, form: Form, order: Order) -> np.ndarray:
    """The array that block i of a dense X is to be written to, in memory that `room` gives."""
    shape = rows.stop - rows.start, form.shape[1]
    return room(number, math.prod(shape) * form.dtype.itemsize).view(form.dtype).reshape(shape, order=order)


def named_columns(given: Mapping[str, Any]) -> dict[str, str]:
    """The arguments that are given as names of columns."""
    return {argument: value for argument, value in given.items() if isinstance(value, str)}


def refuse_other_columns(what: str, columns: Mapping[str, str], brings_y: bool | None) -> None:
    """Raise if a source of numbers only is asked for y or for columns by their names."""
    if brings_y:
        raise ValueError(f"y is missing, and {what} holds X alone; pass an array (m,)")
    for argument, name in columns.items():
        raise ValueError(f"{argument} is {name!r}, the name of a column, and {what} has no names; pass an array (m,)")

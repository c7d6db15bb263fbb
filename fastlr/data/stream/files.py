"""X in a file of numbers, .npy or a memory map's: read, not mapped, since a mapped file that shrinks kills the process."""

import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from fastlr.data import arrays
from fastlr.data.form import Form
from fastlr.data.stream.source import Block, Order, Room, Source, empty, refuse_other_columns, system_error, where
from fastlr.machine.arrays import read_only

# Bytes of one call of the system to read.
_BYTES_A_READ = 1 << 24
# Bytes that are read and converted to another dtype at a time, so that they stay in cache.
BYTES_TO_CONVERT = 1 << 20


class Layout(NamedTuple):
    """The place, shape and dtype of X in its file."""

    offset: int
    shape: tuple[int, int]
    dtype: np.dtype
    order: Order
    stride: int                                 # bytes from a row to the next ("C"), or from a column to the next ("F")


class FileSource(Source):
    """Numbers in one file, in C or Fortran order; one with a header is an .npy file, which must go on saying what it says now."""

    names, seeks = None, True

    def __init__(self, path: str, layout: Layout, has_header: bool) -> None:
        self.title, self._path, self._layout, self._has_header = path, os.path.abspath(path), layout, has_header
        arrays.refuse_shape(layout.shape)
        self._form = Form(layout.shape, arrays.kernel_dtype(layout.dtype))
        rows, columns = layout.shape
        lines, length = (rows, columns) if layout.order == "C" else (columns, rows)
        self._end = layout.offset + (lines - 1) * layout.stride + length * layout.dtype.itemsize
        size = os.stat(path).st_size
        if size < self._end:
            raise ValueError(f"{path}: {rows} rows of {columns} columns of {layout.dtype} need {self._end} bytes, and the file "
                             f"has {size}; it is cut short")

    @classmethod
    def of_npy(cls, path: str) -> "FileSource":
        """An .npy file; ValueError for a damaged one, and for an array of other than two dimensions."""
        with open(path, "rb") as file:
            return cls(path, _header(path, file), has_header=True)

    @classmethod
    def of_memmap(cls, X: np.memmap) -> "FileSource":
        """The file behind a memory map, or behind a part of one."""
        if X.filename is None:
            raise ValueError("source is a memory map of a file without a name; pass np.asarray(X), or write it to an .npy file")
        if X.mode == "c":
            raise ValueError("source is a memory map with mode='c', which may differ from its file; open it with mode='r'")
        arrays.refuse_shape(X.shape)
        rows, columns = X.shape
        size = X.dtype.itemsize
        order: Order
        if X.flags.c_contiguous:
            order, stride = "C", columns * size
        elif X.flags.f_contiguous:
            order, stride = "F", rows * size
        elif X.strides[0] == size and X.strides[1] >= rows * size:         # some rows of an array in Fortran order
            order, stride = "F", X.strides[1]
        else:
            raise ValueError("source is a memory map of some of an array's columns, or of rows with steps between them; pass "
                             "the whole array or rows a:b of it, or write it to an .npy file of its own")
        return cls(os.fspath(X.filename), Layout(_offset_in_file(X), (rows, columns), X.dtype, order, stride), has_header=False)

    def form(self, columns: Mapping[str, str], brings_y: bool | None, features: tuple[str, ...] | None) -> Form:
        """Say the form of X, as described at `Source`."""
        refuse_other_columns(self.title, columns, brings_y)
        return self._form

    def read(self, ranges: Sequence[tuple[int, slice]], room: Room) -> Iterator[Block]:
        number, rows = ranges[0]
        try:
            with open(self._path, "rb", buffering=0) as file:
                if hasattr(os, "posix_fadvise"):            # doubles what the system reads ahead, and the pace of a disk
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
                if self._has_header:
                    self._refuse_another(_header(self.title, file), where(self.title, number, rows))
                for number, rows in ranges:
                    block = empty(room, number, rows, self._form, self._layout.order)
                    self._fill(block, file.fileno(), number, rows)
                    yield read_only(block)
        except OSError as error:
            raise system_error(error, self.title, number, rows) from error

    def _refuse_another(self, layout: Layout, place: str) -> None:
        """Raise if the header has changed."""
        if layout != self._layout:
            raise ValueError(f"{place}: the file has changed since training began: it holds {layout.shape} {layout.dtype} in "
                             f"{layout.order} order, and held {self._layout.shape} {self._layout.dtype} in {self._layout.order} "
                             "order")

    def _fill(self, block: np.ndarray, file: int, number: int, rows: slice) -> None:
        offset, _, dtype, order, stride = self._layout
        if order == "C":
            lines = [(offset + rows.start * stride, block.reshape(-1))]
        else:
            lines = [(offset + j * stride + rows.start * dtype.itemsize, column) for j, column in enumerate(block.T)]
        for start, line in lines:
            read = _read_line(file, start, line, dtype)
            if read < line.size:
                columns = 1 if order == "F" else block.shape[1]
                raise ValueError(f"{where(self.title, number, rows)}: the file ends at row {rows.start + read // columns}; it "
                                 "has become shorter since training began")


def _header(path: str, file: BinaryIO) -> Layout:
    """Read the header of an .npy file that holds an array of two dimensions."""
    npy = np.lib.format
    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0       # 3 differs in its text alone
        shape, is_fortran, dtype = read(file)
    except ValueError as error:
        raise ValueError(f"{path} is not an .npy file, or is damaged: {error}") from error
    arrays.refuse_shape(shape)
    rows, columns = shape
    order: Order = "F" if is_fortran else "C"
    return Layout(file.tell(), (rows, columns), dtype, order, (rows if is_fortran else columns) * dtype.itemsize)


def _offset_in_file(X: np.memmap) -> int:
    """The place of X's first element in the file; `X.offset` is that of the whole map, of which X may be a part."""
    mapped: Any = X
    while not isinstance(mapped, mmap.mmap):
        mapped = mapped.base
    begin = X.offset - X.offset % mmap.ALLOCATIONGRANULARITY
    return begin + X.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data


def _read_line(file: int, start: int, values: np.ndarray, dtype: np.dtype) -> int:
    """Fill contiguous values from a place in the file, where they have a dtype; return how many there were."""
    if dtype == values.dtype:
        return _read(file, start, values) // dtype.itemsize
    scratch = np.empty(max(1, BYTES_TO_CONVERT // dtype.itemsize), dtype)
    for first in range(0, values.size, scratch.size):
        part = values[first:first + scratch.size]
        read = _read(file, start + first * dtype.itemsize, scratch[:part.size]) // dtype.itemsize
        with np.errstate(over="ignore"):        # what overflows is found, and named, as infinite
            part[:read] = scratch[:read]
        if read < part.size:
            return first + read
    return values.size


def _read(file: int, start: int, values: np.ndarray) -> int:
    """Fill contiguous values with bytes from a place in the file; return how many bytes there were."""
    memory = memoryview(values.view(np.uint8).data)
    done = 0
    while done < len(memory):
        read = os.preadv(file, [memory[done:done + _BYTES_A_READ]], start + done)
        if not read:
            break
        done += read
    return done

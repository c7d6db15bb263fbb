"""stream and Stream: an X larger than memory, one block of rows at a time."""

import itertools
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np

from fastlr.data import arguments, arrays
from fastlr.data.form import Form
from fastlr.data.stream import buffers
from fastlr.data.stream.buffers import AllOrNone, Kept
from fastlr.data.stream.read_ahead import ReadAhead, Stopped
from fastlr.data.stream.source import Block, Source, named_columns, where
from fastlr.machine.limits import available_memory


def stream(source: Any, *, memory: int | None = None) -> "Stream":
    """Make an X that is larger than memory, for `train`, `cost_and_gradient` and a Model's predictions: read a block at a time.

    Training passes over the blocks several times.  The next block is read while one is computed on.  Blocks that fit into
    `memory` are kept there, and read once.  The first pass checks every number.

    The model is that of an array in memory, up to rounding.  By "parallel" and "fused" it has the same bits if the blocks are
    those of 256 MB into which an array is cut.  They are if `memory` holds two of them and the samples; otherwise blocks are
    shorter.

    Parameters
    ----------
    source : path, np.memmap, np.ndarray, pyarrow.dataset.Dataset, iterable or callable
        - The path of an .npy file, or a memory map of any file.  The file is read, never mapped.
        - The path of a Parquet, Feather or Arrow file, of a folder of such files, or a dataset of pyarrow's (``pip install
          pyarrow``).  All columns are features but those that are y, sample_weight or offset, and the index of a pandas
          frame.  They are float64, unless float32 holds all of them, or all are uint8, int8 or int16.  Labels keep their type;
          decimals are numbers if they are written as Python writes them (1, 0.5), else text (1.00).
        - An iterable of blocks (X, y), or of X where y is passed to `train`, or a function that returns one.  It gives the same
          blocks in every pass.  Blocks are frames, arrays, or SciPy's sparse matrices, and are copied; their y is labels or
          counts, as for `train`.  Files that SciPy has written are blocks of ``lambda: map(scipy.sparse.load_npz, paths)``.
        - An array in memory.
    memory : int, optional
        Bytes that X may take: blocks that are computed on and read, blocks kept, and samples of rows that solvers take (a quarter
        of it, at most 64 MiB).  On top come y, weights and offset, up to 17 bytes a row while they are checked, a megabyte for
        numbers of a file that are converted, and what somebody's iterable needs, or pyarrow (some 3 MB for each column of
        Parquet, whatever its row groups; a record batch of Feather or Arrow).  By default half of what the system and the
        control groups leave to this process.

    Returns
    -------
    Stream
        To pass as X.  For `train` and `score` y is an array (m,), the name of a column of a table, or None for blocks (X, y).
        sample_weight and offset are arrays or names; blocks don't bring them.

    Raises
    ------
    TypeError
        A source of a kind that can't be read, or can be read once only.
    ValueError
        A damaged file, or too little memory for two blocks of 512 rows (which is found when training starts).
    OSError
        The file can't be read.
    ImportError
        There is no pyarrow.

    Notes
    -----
    A file must not be written to while it is trained on.  If it vanishes, ends early, or holds NaN, that is an error that names
    the block and the row, also in the middle of training.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, fastlr
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3))
    >>> y = X @ [1.0, -2.0, 0.5] + rng.logistic(size=1000) > 0
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "X.npy")
    ...     np.save(path, X)
    ...     model = fastlr.train(fastlr.stream(path, memory=1_000_000), y)
    >>> model.converged, model.w.round(3)
    (True, array([ 0.866, -2.058,  0.593]))

    Blocks that your own code gives, each with its y:

    >>> def blocks():
    ...     for first in range(0, 1000, 250):
    ...         yield X[first:first + 250], y[first:first + 250]
    >>> fastlr.train(fastlr.stream(blocks), None).w.round(3)
    array([ 0.866, -2.058,  0.593])
    """
    if memory is None:
        available = available_memory()
        if available is None:
            raise ValueError("memory is missing, and this system does not say how much there is; pass a number of bytes")
        memory = available // 2
    from fastlr.data.stream.open import source_of  # with all that files and tables need, which takes long to import

    return Stream(source, source_of(source), arguments.integer("memory", memory, at_least=1))


class Stream:
    """X in blocks of rows that are read; made by `fastlr.stream`.

    `scan` is the first pass.  What else there is, is known after it.
    """

    is_fastlr_stream = True             # what the gate asks about, which does not import this module

    def __init__(self, given: Any, source: Source, memory: int) -> None:
        self._given, self._source = given, source
        self.memory = memory                                    # bytes for X in all, and
        self.sample_bytes = buffers.sample_bytes(memory)        # those that samples of rows may take
        self.ranges: list[slice] = []                           # the rows of every block
        self._form: Form | None = None
        self._has_begun = self.is_scanned = False
        self._kept = Kept(set())
        self._buffers = [np.empty(0, np.uint8) for _ in range(buffers.IN_FLIGHT)]
        self._pass: ReadAhead | None = None
        self._beginning = threading.Lock()

    def __repr__(self) -> str:
        return f"Stream({self._source.title!r}, memory={self.memory})"

    @property
    def form(self) -> Form:
        """The shape of X, its dtype, and what a sparse one stores."""
        if self._form is None:
            raise self._error_of_no_pass()
        return self._form

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (m, n)."""
        return self.form.shape

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the columns of a table or frame."""
        return self._source.names

    # ---- passes -----------------------------------------------------------------------------------------------------

    def scan(self, y: Any, sample_weight: Any, offset: Any) -> tuple[Any, Any, Any]:
        """The first pass: check every number of X, and find y, sample_weight and offset.

        These are returned as they were given to `train`, or as arrays (m,) where X has brought them; they are not checked.

        Raises
        ------
        TypeError, ValueError, NotImplementedError
            X that can't be trained on; what is asked for is not there; too little memory.
        OSError
            X can't be read.
        """
        given = {"y": y, "sample_weight": sample_weight, "offset": offset}
        for first, block in self.first_pass(named_columns(given), y is None):
            self.refuse_not_finite(first, block)
        y, sample_weight, offset = (given | self.gathered()).values()
        return y, sample_weight, offset

    def first_pass(self, columns: Mapping[str, str], brings_y: bool | None, features: tuple[str, ...] | None = None,
                   is_only: bool = False) -> Generator[tuple[int, Block]]:
        """The pass that finds out what there is, as `blocks`, with the numbers of X not checked.

        `Source.form` is given the columns, whether y comes with X, and the features.  The only pass there will be keeps no block.
        """
        with self._beginning:
            self._end_pass()
        self._has_begun, self.is_scanned = True, False
        self._form = self._source.form(columns, brings_y, features)
        self.ranges = [] if self._form is None else buffers.ranges(self._form, self.memory)
        if is_only:
            self._kept = Kept(set())
        elif self._form is None:
            self._kept = AllOrNone(self.memory)
        else:
            self._kept = Kept(buffers.numbers_to_keep(self._form, self.ranges, self.memory, self._source.seeks))
        yield from self.blocks()
        self.is_scanned = True

    def gathered(self) -> dict[str, np.ndarray]:
        """The arrays (m,) that the first pass has found beside X, by the names of arguments; the stream keeps none."""
        return dict(self._source.gathered())

    def apart(self) -> "Stream":
        """Another stream of the same source, whose passes leave this one's alone."""
        return stream(self._given, memory=self.memory)

    def blocks(self) -> Generator[tuple[int, Block]]:
        """One pass over X.  A pass that begins ends the one before it.  The first finds out what there is, if nobody knows.

        Yields
        ------
        first : int
            The block's first row.
        block : (rows, n) ndarray or Csr
            Read-only, in C or Fortran order if it is dense.  It is valid until the next one is asked for: then its memory may
            be used again.

        Raises
        ------
        ValueError, OSError
            X can't be read, or is another than it was.
        RuntimeError
            Another pass has begun.
        """
        if not self._has_begun:
            raise self._error_of_no_pass()
        reader = self._begin([(number, rows) for number, rows in enumerate(self.ranges) if number not in self._kept.blocks])
        try:
            for number in itertools.count():
                if (block := self._next(reader, number)) is None:
                    break
                if number == len(self.ranges):
                    first = 0 if self._form is None else self._form.shape[0]
                    self.ranges.append(slice(first, first + block.shape[0]))
                    self._form = Form.of(block) if self._form is None else self._form.above(Form.of(block))
                yield self.ranges[number].start, block
                reader.give_back()
        finally:
            reader.stop()

    def _next(self, reader: ReadAhead, number: int) -> Block | None:
        """The block of this number, kept or read; None behind the last."""
        try:
            if reader.is_stopped:               # where blocks are kept, nothing else would say so
                raise Stopped
            if number in self._kept.blocks:
                return self._kept.blocks[number]
            block = reader.next()
        except Stopped:
            raise RuntimeError(f"another pass over {self!r} has begun; give each its own stream") from None
        if block is not None:
            self._kept.add(number, block)
        return block

    def _begin(self, missing: list[tuple[int, slice]]) -> ReadAhead:
        """A pass that reads these blocks, or all if it is not known what there is; the one before it has ended."""
        def read(buffer: Callable[[int], np.ndarray]) -> Iterator[Block]:
            def room(number: int, size: int) -> np.ndarray:
                return np.empty(size, np.uint8) if self._kept.takes(number, size) else buffer(size)

            return self._source.read(missing, room) if missing or not self.ranges else iter(())

        with self._beginning:
            self._end_pass()
            self._pass = ReadAhead(read, self._buffers)
            self._pass.start()
            return self._pass

    def _end_pass(self) -> None:
        if self._pass is not None:
            self._pass.stop()
            self._pass.join()

    # ---- messages ---------------------------------------------------------------------------------------------------

    def refuse_not_finite(self, first: int, block: Block) -> None:
        """Raise ValueError, with the place, if the block of this first row holds what `train` can't square."""
        try:
            arrays.refuse_not_finite(block, self.names, first)
        except ValueError as error:
            since = " has changed since training began" if self.is_scanned else ""
            raise ValueError(f"{self.place(first)}{since}: {error}") from None

    def place(self, first: int) -> str:
        """Name the block of this first row in a message."""
        number = [rows.start for rows in self.ranges].index(first)
        return where(self._source.title, number, self.ranges[number])

    def _error_of_no_pass(self) -> RuntimeError:
        return RuntimeError(f"{self!r} has not been read yet; pass it to fastlr.train")

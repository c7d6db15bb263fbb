"""Tables in files, read and written a batch of rows at a time with pyarrow.

CSV, compressed where the suffix says so (.gz, .bz2, .zst, .lz4), and by their suffixes Parquet and Feather.  "-" is
standard input or output, as CSV.  Rows in messages count from 1, below the header.
"""

import contextlib
import csv
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from fastlr._distribution import how_to_install
from fastlr._files import replacing
from fastlr.backends._forks import imported

_BLOCK_BYTES = 1 << 20          # of CSV
_LONGEST_HEADER = 1 << 24
_BATCH_ROWS = 1 << 16           # of Parquet
_PANEL_BYTES = 1 << 26          # so large that freeing a panel gives its memory back to the system
_MOST_LABELS = 100
WAY_OUT = "turn text into numbers first (one column of 0 and 1 for each category), or leave the column out"
NO_ROW = "there is a header and no row"
_PARQUET, _FEATHER = (".parquet",), (".feather", ".arrow", ".ipc")


class Table(NamedTuple):
    """A file that is open for reading."""

    names: list[str]
    # (numbers, labels, kept), names of columns in each, to record batches of all of them
    batches: Callable[[Sequence[str], Sequence[str], Sequence[str]], Iterator[Any]]
    is_text: bool                               # labels are text, which may stand for numbers


# ---- reading --------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def reading(path: str, delimiter: str = ",") -> Iterator[Table]:
    """The table in a file.

    Raises
    ------
    ValueError
        What is wrong with the table, and with what was asked of it; names the file.
    OSError
        The file can't be read.
    ImportError
        There is no pyarrow.
    """
    pa = pyarrow()
    with naming(_shown(path)), _opened(path) as file:
        if path.endswith(_PARQUET):
            yield _parquet(file)
        elif path.endswith(_FEATHER):
            yield feather(file)
        else:
            codec = _codec(path)
            yield _csv(file if codec is None else io.BufferedReader(pa.CompressedInputStream(file, codec)), delimiter)


@contextlib.contextmanager
def naming(place: str) -> Iterator[None]:
    """Raise what is wrong with a table as a ValueError that says where; an error of the system's stays what it is."""
    from pyarrow import ArrowException

    try:
        yield
    except (ValueError, ArrowException) as error:
        raise ValueError(f"{place}: {error}") from error
    except OSError as error:
        if error.errno is None:                 # a codec's, or Parquet's
            raise ValueError(f"{place}: {error}") from error
        raise


def pyarrow() -> ModuleType:
    """pyarrow, or how to install it."""
    try:
        return imported("pyarrow")
    except ImportError as error:
        raise ImportError(f"tables are read and written with pyarrow ({error}); {how_to_install('pyarrow')}") from error


def _opened(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    return contextlib.nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb")


def _shown(path: str) -> str:
    return "standard input" if path == "-" else path


def _codec(path: str) -> str | None:
    suffix = os.path.splitext(path)[1]
    return {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}.get(suffix)


def _csv(file: Any, delimiter: str) -> Table:
    import pyarrow as pa
    from pyarrow import csv as arrow

    header = file.readline(_LONGEST_HEADER)
    while header.count(b'"') % 2 and (more := file.readline(_LONGEST_HEADER)):      # a name with a line break
        header += more
    if not header.strip():
        raise ValueError("the file is empty" if not header else "the first line is blank; it must name the columns")
    if len(header) >= _LONGEST_HEADER:
        raise ValueError(f"the first line has more than {_LONGEST_HEADER} bytes: is this a CSV file?")
    parse = arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        names = arrow.read_csv(io.BytesIO(header.rstrip(b"\r\n") + b"\n"), parse_options=parse).column_names
    except UnicodeDecodeError:
        raise ValueError("the first line is not text in UTF-8: is this a CSV file?") from None

    def batches(numbers: Sequence[str], labels: Sequence[str], kept: Sequence[str]) -> Iterator[Any]:
        types = {name: pa.string() for name in kept} | {name: pa.float64() for name in numbers}
        types |= {name: pa.dictionary(pa.int32(), pa.string()) for name in labels}
        # A row must fit into a block.  In one thread it is as fast, and errors say in which row.
        read = arrow.ReadOptions(column_names=names, use_threads=False, block_size=max(_BLOCK_BYTES, 32 * len(header)))
        convert = arrow.ConvertOptions(column_types=types, include_columns=[*types], strings_can_be_null=bool(labels))
        try:
            yield from arrow.open_csv(file, read, parse, convert)
        except pa.ArrowInvalid as error:
            if str(error) != "Empty CSV file":
                raise ValueError(_readable(str(error), names)) from error

    return Table(names, batches, is_text=True)


def _readable(message: str, names: list[str]) -> str:
    """What pyarrow says about a value, with the column's name; anything else as it is."""
    found = re.fullmatch(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to (\w+): invalid (?:value '(.*)'|UTF8 data)",
                         message, re.DOTALL)
    if found is None:
        return message
    column, row, kind, value = found.groups()
    if kind != "double":
        return f"column {names[int(column)]!r}, row {row}: not text in UTF-8"
    return _not_a_number(names[int(column)], int(row), value)


def _not_a_number(name: str, row: int, value: Any) -> str:
    return f"column {name!r}, row {row}: {value!r} is not a number; {WAY_OUT}"


def _parquet(file: BinaryIO) -> Table:
    from pyarrow import parquet

    reader = parquet.ParquetFile(file)

    def batches(*columns: Sequence[str]) -> Iterator[Any]:
        yield from reader.iter_batches(_BATCH_ROWS, columns=_each_once(columns))

    return Table(reader.schema_arrow.names, batches, is_text=False)


def feather(file: BinaryIO) -> Table:
    """The table in a Feather or Arrow file, one of its record batches at a time."""
    from pyarrow import ipc

    schema = ipc.open_file(file).schema

    def batches(*columns: Sequence[str]) -> Iterator[Any]:
        names = _each_once(columns)
        fields = [schema.get_field_index(name) for name in names]
        reader = ipc.open_file(file, options=ipc.IpcReadOptions(included_fields=fields))
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i).select(names)

    return Table(schema.names, batches, is_text=False)


def _each_once(columns: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in columns for name in names))


# ---- columns --------------------------------------------------------------------------------------------------------

def require(names: Sequence[str], what: str, *columns: str) -> None:
    """Refuse columns that are not there, or there twice."""
    missing = [name for name in columns if name not in names]
    if missing:
        is_or_are = " is" if len(missing) == 1 else "s are"
        raise ValueError(f"{what}{is_or_are} missing: {_listed(missing)}; there are {_listed(names)}")
    for name in columns:
        if names.count(name) > 1:
            raise ValueError(f"{names.count(name)} columns are called {name!r}; rename all but one")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:30])) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def numbers(batch: Any, names: Sequence[str], first_row: int) -> np.ndarray:
    """Columns of a batch, (k, rows) float64, all finite; the first of its rows is called `first_row`."""
    block = np.empty((len(names), batch.num_rows))
    for values, name in zip(block, names, strict=True):
        values[:] = _column(batch.column(name), name, first_row)
        bad = ~np.isfinite(values)
        if bad.any():
            i = int(np.argmax(bad))
            refuse_not_finite(name, first_row + i, values[i])
    return block


def _column(column: Any, name: str, first_row: int) -> np.ndarray:
    import pyarrow as pa

    if not holds_numbers(column.type):
        raise ValueError(_not_a_number(name, first_row, column[0].as_py()))
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)         # what is missing is NaN


def numbers_of(column: Any) -> np.ndarray:
    """A column without missing values, of the dtype that it has."""
    from pyarrow import float64, types

    return (column.cast(float64()) if types.is_decimal(column.type) else column).to_numpy(zero_copy_only=False)


def holds_numbers(kind: Any) -> bool:
    """Whether a type of pyarrow's is one of real numbers, or of booleans."""
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)


def refuse_not_finite(name: str, row: int, value: float) -> None:
    """Raise ValueError for one value of a column; NaN stands for one that is missing."""
    what = "the value is missing" if np.isnan(value) else f"{float(value)!r} is not finite"
    raise ValueError(f"column {name!r}, row {row}: {what}; fill such values in, drop their rows, or leave the column out")


class Labels:
    """The distinct values of a column as it is read, and which of them each row has."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._codes: dict[Any, int] = {}
        self._parts: list[np.ndarray] = []

    def add(self, batch: Any, first_row: int) -> None:
        """Read on."""
        import pyarrow as pa

        column = batch.column(self._name)
        if column.null_count:
            raise ValueError(f"column {self._name!r}, row {first_row + column.is_null().index(True).as_py()}: the label is "
                             "missing; drop such rows")
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        codes = [self._codes.setdefault(label, len(self._codes)) for label in encoded.dictionary.to_pylist()]
        if len(self._codes) > _MOST_LABELS:
            raise ValueError(f"column {self._name!r} has more than {_MOST_LABELS} different values; the target has two")
        self._parts.append(np.array(codes, dtype=np.int8)[encoded.indices.to_numpy()])

    def array(self, may_be_numbers: bool) -> np.ndarray:
        """The column, (m,); as numbers if all of it are numbers."""
        labels = list(self._codes)
        for kind in (int, float) if may_be_numbers else ():
            with contextlib.suppress(ValueError):
                labels = [kind(label) for label in labels]
                break
        return np.array(labels)[np.concatenate(self._parts)]


def side_by_side(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Blocks (k, any) as one (k, m) array, with little more memory than that takes."""
    panels: list[np.ndarray] = []
    room = m = 0
    for block in blocks:
        m += block.shape[1]
        while block.shape[1]:
            if not room:
                room = max(1, _PANEL_BYTES // (8 * block.shape[0]))
                panels.append(np.empty((block.shape[0], room)))
            here = min(room, block.shape[1])
            start = panels[-1].shape[1] - room
            panels[-1][:, start:start + here] = block[:, :here]
            block, room = block[:, here:], room - here
    if not m:
        raise ValueError(NO_ROW)
    whole = np.empty((panels[0].shape[0], m))
    start = 0
    while panels:
        panel = panels.pop(0)
        stop = min(start + panel.shape[1], m)
        whole[:, start:stop] = panel[:, :stop - start]
        start = stop
    return whole


class Named:
    """X with the names of its columns, as data frames have them, in place."""

    def __init__(self, X: np.ndarray, columns: Sequence[str]) -> None:
        self._X = X
        self.columns = columns

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self._X, dtype=dtype, copy=copy)


# ---- writing --------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def writing(path: str, is_plain: bool) -> Iterator[Callable[[Any], None]]:
    """A function that appends a record batch to a new file, which is there at the end if all went well.

    Parameters
    ----------
    path : str
    is_plain : bool
        Whether no text in it needs quotes in CSV.
    """
    pa = pyarrow()
    with contextlib.ExitStack() as stack:
        sink: Any = sys.stdout.buffer if path == "-" else stack.enter_context(replacing(path))
        codec = _codec(path)
        if codec is not None:
            file = stack.enter_context(os.fdopen(os.dup(sink.fileno()), "wb"))     # which the stream closes
            sink = stack.enter_context(pa.CompressedOutputStream(file, codec))
        writer = None

        def write(batch: Any) -> None:
            nonlocal writer
            if writer is None:
                writer = stack.enter_context(_writer(sink, path, is_plain, batch.schema))
            writer.write_batch(batch)

        yield write


def _writer(sink: Any, path: str, is_plain: bool, schema: Any) -> Any:
    import pyarrow as pa

    if path.endswith(_PARQUET):
        from pyarrow import parquet

        return parquet.ParquetWriter(sink, schema)
    if path.endswith(_FEATHER):
        return pa.ipc.new_file(sink, schema)
    from pyarrow import csv as arrow

    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(schema.names)
    sink.write(header.getvalue().encode())
    options = arrow.WriteOptions(include_header=False, quoting_style="none" if is_plain else "needed")
    return arrow.CSVWriter(sink, schema, write_options=options)

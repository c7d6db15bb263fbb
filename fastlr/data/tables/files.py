"""Tables in files of any format: opened for reading, and written."""

import contextlib
import csv
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from fastlr.data.tables import arrow_files, csv_files, npy_files
from fastlr.data.tables.csv_files import Dialect
from fastlr.data.tables.table import Table, naming, pyarrow
from fastlr.machine.files import replacing

FORMATS = {".parquet": "parquet", ".feather": "ipc", ".arrow": "ipc", ".ipc": "ipc"}
_CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}


@contextlib.contextmanager
def reading(path: str, dialect: Dialect) -> Iterator[Table]:
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
    kind = "npy" if path.lower().endswith(".npy") else format_of(path)
    with naming("standard input" if path == "-" else path), _opened(path) as file:
        if kind is not None and dialect != Dialect():
            raise ValueError("--delimiter, --decimal and --na say how CSV is written, and this file is not CSV")
        if kind == "parquet":
            yield arrow_files.parquet(file)
        elif kind == "ipc":
            yield arrow_files.feather(file)
        elif kind == "npy":
            yield npy_files.table(path)
        else:
            codec = _codec(path)
            yield csv_files.table(file if codec is None else io.BufferedReader(pa.CompressedInputStream(file, codec)), dialect)


@contextlib.contextmanager
def writing(path: str, is_plain: bool) -> Iterator[Callable[[Any], None]]:
    """A function that appends a record batch to a new file, which is there at the end if all went well.

    In a plain file no text needs quotes in CSV.
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


def format_of(path: str) -> str | None:
    """The format of a file by its name, in pyarrow's words; None for CSV."""
    return FORMATS.get(os.path.splitext(path)[1].lower())


def refuse_other_format(path: str) -> None:
    """Raise ValueError where the name of a file to write is that of another format than those that can be written."""
    stem, suffix = os.path.splitext(path)
    suffix = (os.path.splitext(stem)[1] if suffix.lower() in _CODECS else suffix).lower()
    if suffix not in ("", ".csv", ".txt", *FORMATS):
        raise ValueError(f"{path}: {suffix} can't be written; name the file .csv (or .csv.gz), .parquet or .feather")


def _opened(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if path != "-":
        return open(path, "rb")
    if sys.stdin is None:
        raise ValueError("it is closed")
    return contextlib.nullcontext(sys.stdin.buffer)


def _codec(path: str) -> str | None:
    return _CODECS.get(os.path.splitext(path)[1].lower())


def _writer(sink: Any, path: str, is_plain: bool, schema: Any) -> Any:
    import pyarrow as pa

    if format_of(path) == "parquet":
        from pyarrow import parquet

        return parquet.ParquetWriter(sink, schema)
    if format_of(path) == "ipc":
        return pa.ipc.new_file(sink, schema)
    from pyarrow import csv as arrow

    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(schema.names)
    sink.write(header.getvalue().encode())
    options = arrow.WriteOptions(include_header=False, quoting_style="none" if is_plain else "needed")
    return arrow.CSVWriter(sink, schema, write_options=options)

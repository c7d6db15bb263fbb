"""Tables in CSV files, read with pyarrow a piece at a time; rows in messages count from 1, below the header."""

import io
import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from fastlr.data.tables.columns import TEXT_WAY_OUT, missing
from fastlr.data.tables.table import NO_ROW, Table

# Bytes of CSV that are read at a time.
BLOCK_BYTES = 1 << 20
# Bytes of the longest header of a CSV file.
_LONGEST_HEADER = 1 << 24
# Seconds that pyarrow's thread has to let go of a file whose reading ends early.
_LONGEST_WAIT = 0.2
# Bytes of the longest row of a CSV file.
_LONGEST_ROW = 1 << 28
_FIRST_LINE = re.compile(rb'(?:[^"\r\n]++|"[^"]*+")*+(?:\r\n?|\n)')
# What the first bytes of a file that is called a CSV file say.
_OTHER_FILES = {
    b"PAR1": "it is Parquet; its name must end in .parquet",
    b"ARROW1": "it is an Arrow file; its name must end in .arrow or .feather",
    b"FEA1": "it is a Feather file; its name must end in .feather",
    b"PK\x03\x04": "it is an Excel file, or another archive; save the sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "it is an old Excel file; save the sheet as CSV in UTF-8",
    b"\x1f\x8b": "it is compressed; its name must end in .gz",
    b"BZh": "it is compressed; its name must end in .bz2",
    b"\x28\xb5\x2f\xfd": "it is compressed; its name must end in .zst",
    b"\x93NUMPY": "it is a NumPy file, which has no names of columns; train on it in Python",
}
_ENCODING = "; a file in another encoding can be converted, as by iconv -f {} -t UTF-8"
_MISSING_IN_QUOTES = ("", "NA", "NaN", "nan", "N/A", "NULL", "null")


class Dialect(NamedTuple):
    """The conventions of a CSV file."""

    delimiter: str = ","
    decimal: str = "."
    missing: Sequence[str] | None = None        # texts that stand for a missing value; None for those that pyarrow knows


def table(file: Any, dialect: Dialect) -> Table:
    """The table in a CSV file that is open in binary."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    header, rest = _first_line(file)
    parse = arrow.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True)
    try:
        names = arrow.read_csv(io.BytesIO(header.rstrip(b"\r\n") + b"\n"), arrow.ReadOptions(block_size=len(header) + 1),
                               parse_options=parse).column_names
    except pa.ArrowInvalid:
        raise ValueError("the first line can't be split into column names; perhaps a quotation mark is not closed") from None
    except UnicodeDecodeError:
        encoding = "UTF-16" if header.startswith((b"\xff\xfe", b"\xfe\xff")) else "WINDOWS-1252"
        raise ValueError("the first line is not text in UTF-8.  If this is a CSV file in another encoding, "
                         f"convert it first, for example by iconv -f {encoding} -t UTF-8") from None

    def batches(numbers: Sequence[str], labels: Sequence[str], kept: Sequence[str]) -> Iterator[Any]:
        types = {name: pa.string() for name in kept} | {name: pa.float64() for name in numbers}
        types |= {name: pa.dictionary(pa.int32(), pa.string()) for name in labels}
        # In one thread it is as fast, and errors say in which row.
        read = arrow.ReadOptions(column_names=names, use_threads=False, block_size=_LONGEST_ROW * 2)
        convert = arrow.ConvertOptions(
            column_types=types, include_columns=[*types], null_values=dialect.missing, decimal_point=dialect.decimal,
            strings_can_be_null=bool(labels), quoted_strings_can_be_null=False)
        pieces: Any = _Pieces(rest, file, max(BLOCK_BYTES, 32 * len(header)))
        is_let_go = threading.Event()
        weakref.finalize(pieces, is_let_go.set)
        try:
            yield from arrow.open_csv(pieces, read, parse, convert)
        except pa.ArrowInvalid as error:
            if str(error) != "Empty CSV file":
                raise ValueError(_readable(str(error), names, dialect)) from error
        finally:
            pieces.stop()
            del pieces
            is_let_go.wait(_LONGEST_WAIT)       # Python aborts if it exits while pyarrow's thread has the file, or a piece of it

    def frame() -> Any:
        convert = arrow.ConvertOptions(null_values=dialect.missing, decimal_point=dialect.decimal, strings_can_be_null=True,
                                       quoted_strings_can_be_null=False)
        try:
            table = arrow.read_csv(io.BytesIO(rest + file.read()), arrow.ReadOptions(column_names=names), parse, convert)
        except pa.ArrowInvalid as error:
            raise ValueError(NO_ROW if str(error) == "Empty CSV file" else _readable(str(error), names, dialect)) from error
        return table.to_pandas()

    return Table(names, [""] if "" in names else [], batches, True, frame)


class _Piece(bytes):
    """Bytes of a file, which is there as long as they are."""

    file: "_Pieces"


class _Pieces(io.RawIOBase):
    """A CSV file in pieces of about a size in bytes; a row ends in each, because pyarrow wants no row in three of them.

    The start of the file has been read already.
    """

    def __init__(self, start: bytes, file: BinaryIO, size: int) -> None:
        self._start, self._file, self._size = start, file, size
        self._is_quoted = self._is_stopped = False

    def readable(self) -> bool:
        """Say that the file can be read."""
        return True

    def read(self, _: int = -1) -> _Piece:
        """Read the next piece."""
        pieces = [b"" if self._is_stopped else self._start or self._file.read(self._size)]
        self._start = b""
        size = len(pieces[0])
        while pieces[-1] and not self._ends_a_row(pieces[-1]) and size < _LONGEST_ROW:
            pieces.append(self._file.read(self._size))
            size += len(pieces[-1])
        piece = _Piece(b"".join(pieces))
        piece.file = self
        return piece

    def stop(self) -> None:
        """End the file here."""
        self._is_stopped = True

    def _ends_a_row(self, piece: bytes) -> bool:
        """Whether a line ends in it that is no part of a text in quotes."""
        texts = piece.split(b'"')
        outside = texts[self._is_quoted::2]
        self._is_quoted ^= len(texts) % 2 == 0
        return any(b"\n" in text or b"\r" in text for text in outside)


def _first_line(file: Any) -> tuple[bytes, bytes]:
    """The first line, with the line breaks that names in quotes have, and what had to be read behind it."""
    start = file.readline(_LONGEST_HEADER)
    while (found := _FIRST_LINE.match(start)) is None and len(start) < _LONGEST_HEADER and (more := file.read(len(start))):
        start += more
    for magic, what in _OTHER_FILES.items():
        if start.startswith(magic):
            raise ValueError(f"this is not a CSV file: {what}")
    end = len(start) if found is None else found.end()
    if not start[:end].strip():
        raise ValueError("the first line is blank; it must name the columns" if start else "the file is empty")
    if end >= _LONGEST_HEADER:
        raise ValueError(f"the first line has more than {_LONGEST_HEADER} bytes: is this a CSV file?")
    if (excel := re.fullmatch(rb"(?:\xef\xbb\xbf)?sep=(.)\s*", start[:end])) is not None:
        raise ValueError(f"the first line is an instruction to Excel; remove it, and pass --delimiter "
                         f"{excel[1].decode('latin-1')!r}")
    return start[:end], start[end:]


def _readable(message: str, names: list[str], dialect: Dialect) -> str:
    """Add the column's name to pyarrow's message about a value; other messages pass as they are."""
    if "straddling" in message:
        return "a row is too long: is a quotation mark not closed, or does one stand within a text without quotes?"
    found = re.fullmatch(r"In CSV column #(\d+): Row #(\d+): CSV conversion error to (\w+): invalid (?:value '(.*)'|UTF8 data)",
                         message, re.DOTALL)
    if found is None:
        more = re.match(r"CSV parse error: Row #\d+: Expected (\d+) columns, got (\d+)", message)
        if more is None or int(more[2]) < int(more[1]):
            return message
        return (f"{message}; the first line must name every column, also row numbers (in R, write.csv does), and a text or "
                "number with the delimiter in it needs quotes")
    column, row, kind, value = found.groups()
    place = f"column {names[int(column)]!r}, row {row}"
    if kind != "double":
        return f"{place}: not text in UTF-8" + _ENCODING.format("WINDOWS-1252")
    return missing(place) if value in _MISSING_IN_QUOTES else f"{place}: {value!r} is not a number; {_way_out(value, dialect)}"


def _way_out(value: str, dialect: Dialect) -> str:
    """Say what to do about a text in a CSV file that is not a number."""
    value, other = value.strip(), "," if dialect.decimal == "." else "."
    digits = re.fullmatch(r"[+-]?\d*([^\w+-])\d+(?:[eE][+-]?\d+)?", value)
    thousands = re.fullmatch(r"[+-]?\d{1,3}(?:([^\w+-])\d{3})(?:\1\d{3})*(?:[.,]\d*)?", value)
    if digits is not None and digits[1] == other:
        also = "" if thousands is None else f"; take out {other!r} if it separates thousands"
        return f"pass --decimal {other!r} if that is the decimal point{also}"
    if thousands is not None:
        return f"take out {thousands[1]!r}, which separates thousands"
    if value.lower() in ("true", "false"):
        return "write 1 for true and 0 for false, or leave the column out"
    return TEXT_WAY_OUT

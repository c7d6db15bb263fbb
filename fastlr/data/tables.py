"""Tables in files, read and written a batch of rows at a time with pyarrow.

CSV, compressed where the suffix says so (.gz, .bz2, .zst, .lz4), and by their suffixes Parquet and Feather.  "-" is
standard input or output, as CSV.  Rows in messages count from 1, below the header.
"""

import contextlib
import csv
import difflib
import io
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from fastlr.machine.distribution import how_to_install
from fastlr.machine.files import replacing
from fastlr.machine.forks import imported

# Bytes of CSV that are read at a time.
_BLOCK_BYTES = 1 << 20
# Bytes of the longest header of a CSV file.
_LONGEST_HEADER = 1 << 24
# Bytes of the longest row of a CSV file.
_LONGEST_ROW = 1 << 28
# Rows of Parquet that are read at a time.
_BATCH_ROWS = 1 << 16
# Bytes of a panel of columns, which is so large that freeing it gives its memory back to the system.
_PANEL_BYTES = 1 << 26
# Distinct labels in a column, at most.
_MOST_LABELS = 100
NO_ROW = "there is a header and no row"
FORMATS = {".parquet": "parquet", ".feather": "ipc", ".arrow": "ipc", ".ipc": "ipc"}
_CODECS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_WAYS_OUT = {
    "text": "turn text into numbers first (one column of 0 and 1 for each category), or leave the column out",
    "dates": "turn dates and times into numbers first (days since some day, say), or leave the column out",
    "others": "turn them into columns of numbers first, or leave the column out",
}
_FIRST_LINE = re.compile(rb'(?:[^"\r\n]++|"[^"]*+")*+(?:\r\n?|\n)')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?")
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


class Dialect(NamedTuple):
    """The conventions of a CSV file."""

    delimiter: str = ","
    decimal: str = "."
    missing: Sequence[str] | None = None        # texts that stand for a missing value; None for those that pyarrow knows


class Table(NamedTuple):
    """A file that is open for reading."""

    names: list[str]
    # Columns that number the rows, and are no features unless somebody names them.
    row_numbers: list[str]
    # (numbers, labels, kept), names of columns in each, to record batches of all of them
    batches: Callable[[Sequence[str], Sequence[str], Sequence[str]], Iterator[Any]]
    is_text: bool                               # labels are text, which may stand for numbers
    frame: Callable[[], Any]                    # all of it as a pandas frame


# ---- reading --------------------------------------------------------------------------------------------------------

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
    kind = format_of(path)
    with naming("standard input" if path == "-" else path), _opened(path) as file:
        if kind is not None and dialect != Dialect():
            raise ValueError("--delimiter, --decimal and --na say how CSV is written, and this file is not CSV")
        if kind == "parquet":
            yield _parquet(file)
        elif kind == "ipc":
            yield feather(file)
        else:
            codec = _codec(path)
            yield _csv(file if codec is None else io.BufferedReader(pa.CompressedInputStream(file, codec)), dialect)


def format_of(path: str) -> str | None:
    """The format of a file by its name, in pyarrow's words; None for CSV."""
    return FORMATS.get(os.path.splitext(path)[1].lower())


@contextlib.contextmanager
def naming(place: str) -> Iterator[None]:
    """Raise an error of a table as a ValueError that says where it is; an error of the system passes as it is."""
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
    """Import pyarrow, or say how to install it."""
    try:
        return imported("pyarrow")
    except ImportError as error:
        raise ImportError(f"tables are read and written with pyarrow ({error}); {how_to_install('pyarrow')}") from error


def _opened(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if path != "-":
        return open(path, "rb")
    if sys.stdin is None:
        raise ValueError("it is closed")
    return contextlib.nullcontext(sys.stdin.buffer)


def refuse_other_format(path: str) -> None:
    """Raise ValueError where the name of a file to write is that of another format than those that can be written."""
    stem, suffix = os.path.splitext(path)
    suffix = (os.path.splitext(stem)[1] if suffix.lower() in _CODECS else suffix).lower()
    if suffix not in ("", ".csv", ".txt", *FORMATS):
        raise ValueError(f"{path}: {suffix} can't be written; name the file .csv (or .csv.gz), .parquet or .feather")


def _codec(path: str) -> str | None:
    return _CODECS.get(os.path.splitext(path)[1].lower())


class _Pieces(io.RawIOBase):
    """A CSV file in pieces of about a size; a row ends in each, because pyarrow wants no row in three of them.

    Parameters
    ----------
    start : bytes
        What has been read already.
    file : file
        What follows.
    size : int
        In bytes.
    """

    def __init__(self, start: bytes, file: BinaryIO, size: int) -> None:
        self._start, self._file, self._size = start, file, size
        self._is_quoted = False

    def readable(self) -> bool:
        """Say that the file can be read."""
        return True

    def read(self, _: int = -1) -> bytes:
        """Read the next piece."""
        pieces = [self._start or self._file.read(self._size)]
        self._start = b""
        size = len(pieces[0])
        while pieces[-1] and not self._ends_a_row(pieces[-1]) and size < _LONGEST_ROW:
            pieces.append(self._file.read(self._size))
            size += len(pieces[-1])
        return b"".join(pieces)

    def _ends_a_row(self, piece: bytes) -> bool:
        """Whether a line ends in it that is no part of a text in quotes."""
        texts = piece.split(b'"')
        outside = texts[self._is_quoted::2]
        self._is_quoted ^= len(texts) % 2 == 0
        return any(b"\n" in text or b"\r" in text for text in outside)


def _csv(file: Any, dialect: Dialect) -> Table:
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
        pieces: Any = _Pieces(rest, file, max(_BLOCK_BYTES, 32 * len(header)))
        try:
            yield from arrow.open_csv(pieces, read, parse, convert)
        except pa.ArrowInvalid as error:
            if str(error) != "Empty CSV file":
                raise ValueError(_readable(str(error), names, dialect)) from error

    def frame() -> Any:
        convert = arrow.ConvertOptions(null_values=dialect.missing, decimal_point=dialect.decimal, strings_can_be_null=True,
                                       quoted_strings_can_be_null=False)
        try:
            table = arrow.read_csv(io.BytesIO(rest + file.read()), arrow.ReadOptions(column_names=names), parse, convert)
        except pa.ArrowInvalid as error:
            raise ValueError(NO_ROW if str(error) == "Empty CSV file" else _readable(str(error), names, dialect)) from error
        return table.to_pandas()

    return Table(names, [""] if "" in names else [], batches, True, frame)


def _first_line(file: Any) -> tuple[bytes, bytes]:
    """The first line, with the line breaks that names in quotes have, and what had to be read behind it."""
    start = file.readline(_LONGEST_HEADER)
    while (found := _FIRST_LINE.match(start)) is None and len(start) < _LONGEST_HEADER and (more := file.read(len(start))):
        start += more
    for magic, what in _OTHER_FILES.items():
        if start.startswith(magic):
            raise ValueError(f"this is no CSV file: {what}")
    end = len(start) if found is None else found.end()
    if not start[:end].strip():
        raise ValueError("the first line is blank; it must name the columns" if start else "the file is empty")
    if end >= _LONGEST_HEADER:
        raise ValueError(f"the first line has more than {_LONGEST_HEADER} bytes: is this a CSV file?")
    if (excel := re.fullmatch(rb"(?:\xef\xbb\xbf)?sep=(.)\s*", start[:end])) is not None:
        raise ValueError(f"the first line is a word to Excel; take it out, and pass --delimiter {excel[1].decode('latin-1')!r}")
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


_MISSING_IN_QUOTES = ("", "NA", "NaN", "nan", "N/A", "NULL", "null")


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
    return _WAYS_OUT["text"]


def _parquet(file: BinaryIO) -> Table:
    from pyarrow import parquet

    reader = parquet.ParquetFile(file)

    def batches(*columns: Sequence[str]) -> Iterator[Any]:
        yield from reader.iter_batches(_BATCH_ROWS, columns=_each_once(columns))

    def frame() -> Any:
        return reader.read().to_pandas()

    return Table(reader.schema_arrow.names, index_of_pandas(reader.schema_arrow), batches, False, frame)


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

    def frame() -> Any:
        return ipc.open_file(file).read_pandas()

    return Table(schema.names, index_of_pandas(schema), batches, False, frame)


def index_of_pandas(schema: Any) -> list[str]:
    """Columns that were the index of a pandas frame, by what pandas has written beside the table."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in index if name in schema.names]


def _each_once(columns: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in columns for name in names))


# ---- columns --------------------------------------------------------------------------------------------------------

def require(names: Sequence[str], what: str, *columns: str) -> None:
    """Refuse columns that are not there, or there twice."""
    missing = [name for name in columns if name not in names]
    if missing:
        is_or_are = " is" if len(missing) == 1 else "s are"
        raise ValueError(f"{what}{is_or_are} missing: {_listed(missing)}; {_meant(names, missing)}there are {_listed(names)}"
                         + _other_delimiter(names))
    for name in columns:
        if names.count(name) > 1:
            raise ValueError(f"{names.count(name)} columns are called {name!r}; rename all but one")


def _meant(names: Sequence[str], missing: Sequence[str]) -> str:
    """Suggest the names that are closest to those that are missing."""
    of_simple = {name.strip().casefold(): name for name in names}
    close = [found for name in missing[:10]
             for found in difflib.get_close_matches(name.strip().casefold(), list(of_simple)[:10_000], 1, 0.75)]
    return f"did you mean {_listed([of_simple[name] for name in dict.fromkeys(close)])}? " if close else ""


def _other_delimiter(names: Sequence[str]) -> str:
    """Say what to do about a CSV file of one column whose name holds another delimiter."""
    found = [mark for mark in ";\t|," if len(names) == 1 and mark in names[0]]
    return f"; pass --delimiter {'tab' if found[0] == chr(9) else repr(found[0])} if that is between the columns" if found else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:30])) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


def numbers(batch: Any, names: Sequence[str], first_row: int, at_most: float = sys.float_info.max,
            or_missing: bool = False) -> np.ndarray:
    """Columns of a batch, (k, rows) float64, finite and `at_most` in magnitude, or perhaps NaN for what is missing.

    The first row of the batch is called `first_row`.
    """
    block = np.empty((len(names), batch.num_rows))
    for values, name in zip(block, names, strict=True):
        values[:] = _column(batch.column(name), name, first_row)
        bad = np.abs(values) > at_most if or_missing else ~(np.abs(values) <= at_most)
        if bad.any():
            i = int(np.argmax(bad))
            refuse_value(name, first_row + i, values[i])
    return block


def _column(column: Any, name: str, first_row: int) -> np.ndarray:
    import pyarrow as pa

    kind = kind_of_values(column.type)
    if not (holds_numbers(kind) or pa.types.is_null(kind)):
        what = f" holds {kind}"
        if column.null_count < len(column):
            i = column.is_valid().index(True).as_py()
            value = column[i].as_py()
            shown = repr(value) if isinstance(value, (str, bytes)) else str(value)
            what = f", row {first_row + i}: {shown:.100} is not a number"
        raise ValueError(f"column {name!r}{what}; {way_out(kind)}")
    return _decoded(column).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)       # what is missing is NaN


def kind_of_values(kind: Any) -> Any:
    """A type of pyarrow's, or for categories that of their values."""
    from pyarrow import types

    return kind.value_type if types.is_dictionary(kind) else kind


def _decoded(column: Any) -> Any:
    return column if kind_of_values(column.type) is column.type else column.dictionary_decode()


def numbers_of(column: Any) -> np.ndarray:
    """A column without missing values, of the dtype that it has."""
    from pyarrow import float64, types

    column = _decoded(column)
    return (column.cast(float64()) if types.is_decimal(column.type) else column).to_numpy(zero_copy_only=False)


def holds_numbers(kind: Any) -> bool:
    """Whether a type of pyarrow's is one of real numbers, or of booleans."""
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)


def _holds_text(kind: Any) -> bool:
    from pyarrow import types

    return any(is_one(kind) for is_one in (types.is_string, types.is_large_string, types.is_string_view, types.is_binary,
                                           types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary))


def way_out(kind: Any) -> str:
    """Say what to do about a column whose type is not a number."""
    from pyarrow import types

    return _WAYS_OUT["text" if _holds_text(kind) else "dates" if types.is_temporal(kind) else "others"]


def refuse_value(name: str, row: int, value: float) -> None:
    """Raise ValueError for one value of a column; NaN stands for one that is missing."""
    place = f"column {name!r}, row {row}"
    if np.isnan(value):
        raise ValueError(missing(place))
    what, way_out = ("too large", "divide the column by a constant") if math.isfinite(value) else (
        "not finite", "fill such values in, drop their rows")
    raise ValueError(f"{place}: {float(value)!r} is {what}; {way_out}, or leave the column out")


def missing(place: str) -> str:
    """Say what to do about a missing number."""
    return f"{place}: the value is missing; fill such values in, drop their rows, or leave the column out"


def _is_missing(label: Any) -> bool:
    """Whether a label of a table is none: NaN, nothing, or an empty text."""
    return label in (None, "") or label != label


class Labels:
    """The distinct values of a column as it is read, and which of them each row has.

    Parameters
    ----------
    name : str
    are_texts : bool
        Whether numbers among them come as text.
    noun : str
        What a value is called in messages.
    most : int
        Distinct values, at most.
    """

    def __init__(self, name: str, are_texts: bool = False, noun: str = "label", most: int = _MOST_LABELS) -> None:
        self._name, self._are_texts, self._noun, self._most = name, are_texts, noun, most
        self._kind = ""
        self._codes: dict[Any, int] = {}
        self._parts: list[np.ndarray] = []

    def known(self, batch: Any, first_row: int) -> np.ndarray:
        """Which rows of a batch have a label, (rows,)."""
        values, indices = self._distinct(batch.column(self._name), first_row)
        is_known = [not _is_missing(label) for label in values]
        return np.array(is_known)[indices]

    def add(self, batch: Any, first_row: int, kept: np.ndarray | None = None) -> None:
        """Read on, in all rows of a batch or in those that are kept (rows,)."""
        values, indices = self._distinct(batch.column(self._name), first_row)
        kept = np.ones(indices.size, bool) if kept is None else kept
        codes = np.zeros(len(values), np.min_scalar_type(-self._most))
        for i in np.flatnonzero(np.bincount(indices[kept], minlength=len(values))):
            label = values[i]
            if _is_missing(label) or (isinstance(label, float) and math.isinf(label)):
                what = f"{label!r}" if isinstance(label, float) and math.isinf(label) else "missing"
                na = ", or say with --na which texts stand for a missing value (--na '' for nothing only)"
                place = int(np.argmax(kept & (indices == i)))
                raise ValueError(f"column {self._name!r}, row {first_row + place}: the {self._noun} is {what}; drop such rows"
                                 f"{na if self._are_texts else ''}")
            codes[i] = self._codes.setdefault(label, len(self._codes))
            if len(self._codes) > self._most:
                raise ValueError(f"column {self._name!r} has more than {self._most} different values; the target has two")
        self._parts.append(codes[indices[kept]])

    def _distinct(self, column: Any, first_row: int) -> tuple[list[Any], np.ndarray]:
        """The distinct values, None behind them, and which of these each row has."""
        import pyarrow as pa

        kind = kind_of_values(column.type)
        if not (holds_numbers(kind) or _holds_text(kind) or pa.types.is_null(kind)):
            raise ValueError(f"column {self._name!r} holds {kind}, which can't be {self._noun}s; write them as numbers or text")
        sort = "text" if _holds_text(kind) else "booleans" if pa.types.is_boolean(kind) else "numbers"
        if self._kind not in ("", sort):
            raise ValueError(f"column {self._name!r}, row {first_row}: {self._noun}s are {sort} here, and {self._kind} before; "
                             "make them all of one kind")
        self._kind = sort
        if kind is column.type:
            if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
                column = column.cast(pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary())
            column = column.dictionary_encode()
        values = column.dictionary.to_pylist()
        if pa.types.is_decimal(kind):
            values, self._are_texts = [str(value) for value in values], True
        return [*values, None], column.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)

    def in_order(self) -> tuple[list[Any], np.ndarray]:
        """The distinct labels, and which of them each row has, (m,) int8.

        Numbers are in the order of their values, also where a file of text writes them so that they stay text, and other text is
        in that of its letters.
        """
        found = list(self._codes)
        labels = _as_numbers(found) if self._are_texts else found
        are_numbers = self._are_texts and all(isinstance(label, str) and _NUMBER.fullmatch(label) for label in labels)
        ordered = sorted(labels, key=_value_and_text if are_numbers else None)
        places = np.array([ordered.index(label) for label in labels], np.int8)
        return ordered, places[self.codes]

    @property
    def codes(self) -> np.ndarray:
        """Which of the distinct values, in the order in which they occur, each row has, (m,)."""
        return np.concatenate(self._parts)

    def array(self) -> np.ndarray:
        """The column, (m,)."""
        labels, codes = self.in_order()
        return array_of(labels)[codes]


def array_of(labels: list[Any]) -> np.ndarray:
    """Labels as an array of their type, or of objects where NumPy would change one: 2 ** 64 - 1 beside 1, a NUL at the end."""
    made = np.array(labels)
    return made if made.tolist() == labels else np.array(labels, object)


def _value_and_text(text: str) -> tuple[Decimal, str]:
    return Decimal(text), text


def _as_numbers(texts: list[str]) -> list[Any]:
    """Numbers where each is written as Python writes it, so that none comes back otherwise than it stood; else the texts."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            numbers = [kind(text) for text in texts]
            if [str(number) for number in numbers] == texts and len({*numbers}) == len(texts) and all(
                    abs(number) < 2 ** 63 for number in numbers):
                return numbers
    return texts


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

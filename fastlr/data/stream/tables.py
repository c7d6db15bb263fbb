"""X in Parquet, Feather and Arrow files, and other datasets of pyarrow's: columns of numbers in batches of rows.

Parquet is decoded a batch at a time, whatever the size of its row groups; Arrow's record batches are read one at a time.
"""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlr.data import arrays
from fastlr.data.form import Form
from fastlr.data.stream.source import Block, Room, empty, system_error, where
from fastlr.data.tables import arrow_files
from fastlr.data.tables.columns import holds_numbers, kind_of_values, numbers, numbers_of, refuse_value, require, way_out
from fastlr.data.tables.files import FORMATS, format_of
from fastlr.data.tables.labels import Labels
from fastlr.data.tables.table import naming, pyarrow
from fastlr.machine.arrays import read_only

# Bytes of one batch of rows, roughly.
_BATCH_BYTES = 1 << 20
# Rows of the shortest batch.
_FEWEST_ROWS = 1024


class _Part(NamedTuple):
    """A fragment of the dataset."""

    fragment: Any
    title: str
    rows: int
    groups: dict[int, int] | None               # rows of each row group that is read, in Parquet
    keys: Mapping[str, Any]                     # columns that the name of its folder holds, and their value in all its rows


class TableSource:
    """A dataset of pyarrow's."""

    seeks = False

    def __init__(self, dataset: Any, title: str) -> None:
        self.title, self._dataset = title, dataset
        self.names: tuple[str, ...] | None = None
        self._columns: Mapping[str, str] = {}
        self._form: Form
        self._parts: list[_Part] = []
        self._is_gathered = False
        self._labels: Labels | None = None
        self._vectors: dict[str, list[np.ndarray]] = {}

    @classmethod
    def of_path(cls, path: str) -> "TableSource":
        """A file, or a folder of files of one format, in the order of their names.

        Raises
        ------
        ValueError
            A damaged file, or one of another kind.
        OSError
            A file that can't be read.
        ImportError
            There is no pyarrow.
        """
        pyarrow()
        from pyarrow import dataset

        os.stat(path)                           # pyarrow's error has no number
        files = _tables_in(path) if os.path.isdir(path) else [path]
        formats = {format_of(name) for name in files}
        if len(formats) != 1 or None in formats:
            raise ValueError(f"{path} can't be streamed: it must be an .npy file, a table ({', '.join(FORMATS)}), or a "
                             "folder of tables of one kind; other tables can be written as Parquet")
        with naming(path):
            return cls(dataset.dataset([*map(os.path.abspath, files)], format=formats.pop()), path)

    def form(self, columns: Mapping[str, str], brings_y: bool | None, features: tuple[str, ...] | None) -> Form:
        """Say the form of X, as described at `Source`."""
        if brings_y:
            raise ValueError(f"y is missing; pass the name of one of the columns of {self.title}, or an array (m,)")
        schema = self._dataset.schema
        for argument, name in columns.items():
            require(schema.names, f"{self.title}: the column of {argument}", name)
        no_features = {*columns.values(), *arrow_files.index_of_pandas(schema)}
        self.names = features or tuple(name for name in schema.names if name not in no_features)
        if not self.names:
            raise ValueError(f"{self.title} has no columns but {', '.join(map(repr, sorted(no_features)))}, and no feature")
        require(schema.names, f"{self.title}: column", *self.names)
        self._columns, self._is_gathered = columns, not columns
        self._labels = Labels(columns["y"]) if "y" in columns else None
        self._vectors = {argument: [] for argument in columns if argument != "y"}
        with naming(self.title):
            dtype = _common([_dtype(name, schema.field(name).type) for name in self.names])
            self._parts = [_part(fragment) for fragment in self._dataset.get_fragments()]
            self._form = Form((sum(part.rows for part in self._parts), len(self.names)), dtype)
        arrays.refuse_shape(self._form.shape)
        return self._form

    def read(self, ranges: Sequence[tuple[int, slice]], room: Room) -> Iterator[Block]:
        assert self.names is not None
        gathers = not self._is_gathered
        number, rows = ranges[0]
        columns = dict.fromkeys([*self.names, *(self._columns.values() if gathers else ())])        # two may be the same
        batches = self._batches(rows.start, list(columns))
        batch, used = None, 0
        try:
            for number, rows in ranges:
                block = empty(room, number, rows, self._form, "F")
                done = 0
                with naming(where(self.title, number, rows)):
                    while done < len(block):
                        if batch is None or used == batch.num_rows:
                            batch, used = next(batches), 0
                        part = batch.slice(used, len(block) - done)
                        self._copy(part, block[done:done + part.num_rows], rows.start + done)
                        if gathers:
                            self._gather(part, rows.start + done)
                        used += part.num_rows
                        done += part.num_rows
                yield read_only(block)
        except OSError as error:
            raise system_error(error, self.title, number, rows) from error
        self._is_gathered = True

    def gathered(self) -> Mapping[str, np.ndarray]:
        found = {argument: np.concatenate(parts) for argument, parts in self._vectors.items()}
        if self._labels is not None:
            found["y"] = self._labels.array()
        self._labels, self._vectors = None, {}
        return found

    def _batches(self, start: int, columns: Sequence[str]) -> Iterator[Any]:
        """Record batches of some columns, from a row on."""
        for part in self._parts:
            if start < part.rows:
                with contextlib.nullcontext() if len(self._parts) == 1 else naming(part.title):
                    yield from _read(part, start, columns)
            start = max(0, start - part.rows)

    def _copy(self, batch: Any, block: np.ndarray, first_row: int) -> None:
        for j, name in enumerate(self.names or ()):
            column = batch.column(name)
            if column.null_count:
                refuse_value(name, first_row + column.is_null().index(True).as_py(), math.nan)
            values = numbers_of(column)
            if not np.can_cast(values.dtype, block.dtype):
                raise ValueError(f"column {name!r}, row {first_row}: there are {values.dtype} in this file, and {block.dtype} is "
                                 "all that the first file needs; write all files with the same types")
            block[:, j] = values

    def _gather(self, batch: Any, first_row: int) -> None:
        if self._labels is not None:
            self._labels.add(batch, first_row)
        for argument, parts in self._vectors.items():
            parts.append(numbers(batch, [self._columns[argument]], first_row)[0])


def _tables_in(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        inside = [entry for entry in entries if not entry.name.startswith(("_", "."))]
    for entry in inside:
        if entry.is_dir():
            raise ValueError(f"{folder} holds another folder, {entry.name!r}; pass pyarrow.dataset.dataset({folder!r}, "
                             "partitioning=...), which says what their names mean")
    return sorted(entry.path for entry in inside if format_of(entry.name) is not None)


def _part(fragment: Any) -> _Part:
    from pyarrow.dataset import get_partition_keys

    groups = getattr(fragment, "row_groups", None)
    sizes = None if groups is None else {group.id: group.num_rows for group in groups}
    rows = fragment.count_rows() if sizes is None else sum(sizes.values())
    return _Part(fragment, getattr(fragment, "path", ""), rows, sizes, get_partition_keys(fragment.partition_expression))


def _read(part: _Part, start: int, columns: Sequence[str]) -> Iterator[Any]:
    """Record batches of these columns of a part, from a row of it on."""
    import pyarrow as pa

    in_file = [name for name in columns if name not in part.keys]
    rows = max(_FEWEST_ROWS, _BATCH_BYTES // (8 * len(columns)))
    with _opened(part, start, in_file, rows) as (batches, to_skip):
        left = part.rows - start
        for batch in batches:
            batch, to_skip = batch.slice(to_skip), max(0, to_skip - batch.num_rows)
            left -= batch.num_rows
            if left < 0:
                break
            for name in part.keys.keys() & columns:
                batch = batch.append_column(name, pa.repeat(part.keys[name], batch.num_rows))
            yield batch
    if left:
        now = "more" if left < 0 else part.rows - left
        raise ValueError(f"the file has changed since training began: it had {part.rows} rows, and has {now}")


@contextlib.contextmanager
def _opened(part: _Part, start: int, columns: Sequence[str], rows: int) -> Iterator[tuple[Iterator[Any], int]]:
    """Record batches of about so many rows, and how many rows of them lie before the one that is looked for.

    Parquet and Arrow are read here and not by the dataset, which would read ahead on its own, hundreds of megabytes.
    """
    from pyarrow.dataset import IpcFileFormat

    fragment = part.fragment
    if part.groups is not None:
        with fragment.open() as opened:
            file = arrow_files.opened_parquet(opened)
            _refuse_without(file.schema_arrow.names, columns)
            groups = list(part.groups)
            if {group: file.metadata.row_group(group).num_rows for group in groups if group < file.num_row_groups} != part.groups:
                raise ValueError(f"the file has changed since training began: it has {file.metadata.num_rows} rows in "
                                 f"{file.num_row_groups} row groups")
            while start >= part.groups[groups[0]]:
                start -= part.groups[groups.pop(0)]
            yield file.iter_batches(rows, groups, columns), start
    elif isinstance(getattr(fragment, "format", None), IpcFileFormat):
        with fragment.open() as opened:
            table = arrow_files.feather(opened)
            _refuse_without(table.names, columns)
            yield table.batches(columns, (), ()), start
    else:
        yield fragment.to_batches(columns=columns, batch_size=rows, batch_readahead=1, fragment_readahead=1), start


def _refuse_without(names: Sequence[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in names]
    if missing:
        raise ValueError(f"there is no column {missing[0]!r} in this file; all files must have the same columns")


def _dtype(name: str, kind: Any) -> np.dtype:
    """The dtype of the numbers of a column."""
    from pyarrow import types

    kind = kind_of_values(kind)
    if not holds_numbers(kind):
        raise ValueError(f"column {name!r} holds {kind}, which are not numbers; {way_out(kind)}")
    return np.dtype(np.float64 if types.is_decimal(kind) else kind.to_pandas_dtype())


def _common(dtypes: Sequence[np.dtype]) -> np.dtype:
    """The kernels' dtype that holds all columns."""
    kinds = {arrays.kernel_dtype(dtype) for dtype in dtypes}
    if len(kinds) == 1:
        return kinds.pop()
    return np.dtype(np.float64 if np.dtype(np.float64) in kinds else np.float32)        # which holds the short integers

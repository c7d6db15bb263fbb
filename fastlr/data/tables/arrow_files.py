"""Tables in Parquet, Feather and Arrow files, read with pyarrow a batch of rows at a time."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from fastlr.data.tables.table import Table, each_once

# Bytes of pyarrow's buffer for each column.
_BUFFER_BYTES = 1 << 16
# Rows of Parquet that are read at a time.
_BATCH_ROWS = 1 << 16


def parquet(file: BinaryIO) -> Table:
    """The table in a Parquet file."""
    reader = opened_parquet(file)

    def batches(*columns: Sequence[str]) -> Iterator[Any]:
        yield from reader.iter_batches(_BATCH_ROWS, columns=each_once(columns))

    schema = reader.schema_arrow
    return Table(schema.names, index_of_pandas(schema), batches, False, lambda: reader.read().to_pandas())


def opened_parquet(file: BinaryIO) -> Any:
    """A Parquet file as pyarrow's reader, which decodes a batch of rows at a time, whatever the size of the row groups."""
    from pyarrow.parquet import ParquetFile

    return ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER_BYTES)


def feather(file: BinaryIO) -> Table:
    """The table in a Feather or Arrow file, one of its record batches at a time."""
    from pyarrow import ipc

    schema = ipc.open_file(file).schema

    def batches(*columns: Sequence[str]) -> Iterator[Any]:
        names = each_once(columns)
        fields = [schema.get_field_index(name) for name in names]
        reader = ipc.open_file(file, options=ipc.IpcReadOptions(included_fields=fields))
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i).select(names)

    return Table(schema.names, index_of_pandas(schema), batches, False, lambda: ipc.open_file(file).read_pandas())


def index_of_pandas(schema: Any) -> list[str]:
    """Columns that were the index of a pandas frame, by what pandas has written beside the table."""
    index = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in index if name in schema.names]

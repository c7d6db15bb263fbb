"""Tables in .npy files, whose columns are called x0, x1, ... as in a summary."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastlr.backends.ranges import shorter_pieces
from fastlr.data.stream.files import FileSource
from fastlr.data.tables.table import Table, each_once

# Bytes of rows that are read at a time, roughly.
BATCH_BYTES = 1 << 20


def table(path: str) -> Table:
    """The table in an .npy file of two dimensions."""
    import pyarrow as pa

    source = FileSource.of_npy(path)
    form = source.form({}, None, None)
    m, n = form.shape
    names = [f"x{j}" for j in range(n)]

    def batches(*columns: Sequence[str]) -> Iterator[Any]:
        wanted = each_once(columns)
        places = [names.index(name) for name in wanted]
        pieces = shorter_pieces(0, m, BATCH_BYTES // form.bytes_a_row)
        for block in source.read([(i, slice(*rows)) for i, rows in enumerate(pieces)], lambda i, size: np.empty(size, np.uint8)):
            assert isinstance(block, np.ndarray)
            yield pa.record_batch([pa.array(block[:, j]) for j in places], wanted)

    return Table(names, [], batches, False, lambda: pa.Table.from_batches(batches(names)).to_pandas())

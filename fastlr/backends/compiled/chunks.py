"""Chunks of rows: what is split between threads, and how the pieces are put together.

Chunks depend on the shape (and stored size) of X alone, each writes a row of its own, and one strict loop adds the rows
in order.  So the bits of a result are the same for any number of threads, one included.
"""

import math
from typing import Any

from fastlr.backends.compiled.jit import by_layout, helper

_MOST_CHUNKS = 64               # enough to keep 16 cores evenly busy, few enough that adding them up costs nothing


@helper
def number_of_chunks(m: int, block: int) -> int:
    """How many chunks m rows are split into, each a whole number of blocks of `block` rows."""
    return min((m + block - 1) // block, _MOST_CHUNKS)


def _most_of_array(X: Any, rows: int) -> int:
    return _MOST_CHUNKS


def _most_of_csr(X: Any, rows: int) -> int:
    """A chunk has four values a column or more, since its gradient is set to 0 and added up: a tenth of the time.

    The number is a power of two, so that two or four threads have as much to do each.
    """
    values = X.values.size * rows // (X.indptr.size - 1)
    return 1 << int(math.log2(max(1, min(_MOST_CHUNKS, values // (4 * X.n_columns)))))


_most_chunks = by_layout(_most_of_array, _most_of_array, _most_of_csr)


@helper
def chunks_of(X: Any, rows: int, block: int) -> int:
    """How many chunks so many rows of X are split into, each with a gradient of its own."""
    return min(number_of_chunks(rows, block), _most_chunks(X, rows))


@helper
def rows_of(chunk: int, chunks: int, first: int, last: int, block: int) -> tuple[int, int]:
    """First row of a chunk of the rows first..last, and the row behind its last."""
    blocks = (last - first + block - 1) // block
    return first + chunk * blocks // chunks * block, min(last, first + (chunk + 1) * blocks // chunks * block)


@helper
def combine(partial: Any, grad: Any) -> float:
    """Add the chunks' rows in order: grad (n + 1,) is overwritten, the sum of losses (last column) is returned."""
    grad[:] = 0.0
    loss = 0.0
    for chunk in range(partial.shape[0]):
        row = partial[chunk]
        for j in range(grad.size):
            grad[j] += row[j]
        loss += row[grad.size]
    return loss

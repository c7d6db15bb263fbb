"""Blocks, chunks and ranges of rows: how a pass over X is split.

A block of rows stays in cache from a forward to a backward pass.  A chunk is what one thread takes, a whole number of blocks.
Chunks depend on the shape (and stored size) of X alone, each is added up by itself, and their sums are added in order: so the
bits of a result are the same for any number of threads, one included.
"""

import math

import numpy as np

from fastlr.backends.csr import Csr

Matrix = np.ndarray | Csr

MOMENT_ROWS = 512
"""Rows of a block whose moments are added up."""

PANEL_ROWS = 136
"""Rows of X in a panel of the Hessian: few enough for it to stay in L2; not 128, where its rows would share cache sets."""

BESIDE_PANEL = 3
"""Rows of scratch memory for each thread beside a panel."""

SPACE_ROWS = 3
"""Rows of scratch memory for each thread, beside the margins of the classes, with a number for each row of a block."""

_MOST_CHUNKS = 64               # are enough to keep 16 cores evenly busy, and few enough that adding them up costs nothing
# Rows of a block where X is a stream of rows: so few that the processor goes on reading ahead while exponentials are taken.
_SHORT_BLOCK = 64
# Rows of a block where X is a stream for each column: as many as have their margins in the L1 cache.
_LONG_BLOCK = 4096
# The Hessian is computed in tiles of 4 x 3 sums, which with what is loaded for them fill the 16 vector registers of AVX2.  (4 x 4
# would be spilled: less than half as fast.)
_TILE = 4
_BESIDE = 3


def block_rows(X: Matrix, m: int) -> int:
    """Rows of a block of m rows of X: few enough to stay in cache, a multiple of 8.

    In C order, and where X is sparse, a block is a stream of 256 kB, which the L2 cache keeps.  Where X is sparse and has
    many columns, a block has as many values as columns: w and dw take turns in the cache, once a block.  In Fortran order it
    is n streams: 4 kB each while all of them fit into 1 MB of cache, but no less than 2 kB, since short streams are slow to read
    (measured for a plain sum of float32: 0.1 ns an element for whole columns, 0.25 for pieces of 256 bytes; see
    docs/speed.md).
    """
    if isinstance(X, Csr):
        values = max(1 << 14, X.n_columns)      # of 12 bytes
        cached = max(8, values * (X.indptr.size - 1) // max(1, X.values.size) // 8 * 8)
    elif X.flags.c_contiguous:
        cached = max(8, (1 << 18) // (X.shape[1] * X.itemsize) // 8 * 8)
    else:
        cached = max(2048 // X.itemsize, min(4096 // X.itemsize, (1 << 20) // (X.shape[1] * X.itemsize) // 8 * 8))
    return min(cached, 1024, _quarter(m))


def prediction_rows(X: Matrix, m: int) -> int:
    """Rows of a block of m rows of X that is predicted for."""
    is_stream_of_rows = isinstance(X, Csr) or X.flags.c_contiguous
    return min(_SHORT_BLOCK if is_stream_of_rows else _LONG_BLOCK, _quarter(m))


def _quarter(m: int) -> int:
    """Four even blocks at least, so that threads share a small X."""
    return max(64, (m + 31) // 32 * 8)


def number_of_chunks(m: int, block: int) -> int:
    """How many chunks m rows are split into."""
    return min((m + block - 1) // block, _MOST_CHUNKS)


def gradient_chunks(X: Matrix, m: int, block: int) -> int:
    """How many chunks m rows of X are split into, each with a gradient of its own.

    Where X is sparse, a chunk has four values a column or more, since its gradient is set to 0 and added up: a tenth of the time.
    The number is a power of two, so that two or four threads have as much to do each.
    """
    chunks = number_of_chunks(m, block)
    if not isinstance(X, Csr):
        return chunks
    values = X.values.size * m // (X.indptr.size - 1)
    return min(chunks, 1 << int(math.log2(max(1, min(_MOST_CHUNKS, values // (4 * X.n_columns))))))


def grouped_chunks(m: int, block: int, groups: int) -> int:
    """How many chunks m rows are split into, each with sums of its own for every group.

    A chunk has sixteen rows a group or more, since its sums are set to 0 and added up.
    """
    return min(number_of_chunks(m, block), 1 << int(math.log2(max(1, m // (16 * groups)))))


def ranges(first: int, last: int, chunks: int, block: int) -> np.ndarray:
    """Where the chunks of the rows first..last begin, and the last of them ends, (chunks + 1,)."""
    blocks = (last - first + block - 1) // block
    return np.array([first + k * blocks // chunks * block for k in range(chunks)] + [last])


def side_of(n: int) -> int:
    """Rows and columns of a Hessian with room for whole tiles."""
    return (n + _TILE) // _TILE * _TILE + _BESIDE - 1

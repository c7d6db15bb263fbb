"""Ranges of rows, each for one call of a kernel: Ctrl-C is answered when a call returns, so no call may take long."""

from collections.abc import Iterator
from typing import Any

from fastlr.backends.csr import bytes_a_row
from fastlr.machine.limits import BYTES_A_CALL

# Rows of which a range is a multiple; no kernel has longer blocks.
_WHOLE_BLOCKS = 1024
# Rows in the shortest range, so that threads have something to share.
FEWEST = 512


def pieces(X: Any) -> list[tuple[int, int]]:
    """The ranges (first row, row after the last) that cover X; one range for X of ordinary size.

    The ranges depend on the shape, dtype and size of X only.  Compiled kernels add the sums of the ranges in order, so X in parts
    that are cut at the same rows gives the same bits.
    """
    return shorter_pieces(0, X.shape[0], BYTES_A_CALL // bytes_a_row(X))


def blocks(m: int, rows: int) -> Iterator[slice]:
    """Slices of so many rows each that cover m rows."""
    return (slice(start, start + rows) for start in range(0, m, rows))


def shorter_pieces(first: int, last: int, rows: int) -> list[tuple[int, int]]:
    """Ranges of about `rows` rows that cover first..last, for kernels that do more with a row than read it."""
    if rows >= last - first:
        return [(first, last)]
    rows = max(rows // _WHOLE_BLOCKS * _WHOLE_BLOCKS, FEWEST)
    return [(start, min(start + rows, last)) for start in range(first, last, rows)]

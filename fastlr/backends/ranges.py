"""X in pieces of rows, so that no call of a kernel takes long: Ctrl-C is answered when a call returns."""

from typing import Any

from fastlr.backends.csr import bytes_a_row

_BYTES = 1 << 28                # a hundredth of a second from memory, a third from a disk
_WHOLE_BLOCKS = 1024            # rows: no kernel has longer blocks
FEWEST = 512                    # rows, so that threads have something to share


def pieces(X: Any) -> list[tuple[int, int]]:
    """First row of each piece, and the row behind its last; one piece for X of ordinary size.

    The pieces depend on shape, dtype and size of X alone.  Compiled kernels add sums over pieces, so that theirs over
    X in parts that are its pieces (see `fastlr.data.parts`) have the same bits.
    """
    return shorter_pieces(0, X.shape[0], _BYTES // bytes_a_row(X))


def shorter_pieces(first: int, last: int, rows: int) -> list[tuple[int, int]]:
    """The rows first..last in pieces of about so many rows, for kernels whose work a row is more than reading it."""
    if rows >= last - first:
        return [(first, last)]
    rows = max(rows // _WHOLE_BLOCKS * _WHOLE_BLOCKS, FEWEST)
    return [(start, min(start + rows, last)) for start in range(first, last, rows)]

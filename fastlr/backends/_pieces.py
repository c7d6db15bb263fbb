"""X in pieces of rows, so that no call of a kernel takes long: Ctrl-C is answered when a call returns."""

from typing import Any

from fastlr.backends._csr import bytes_a_row

_BYTES = 1 << 28                # a hundredth of a second from memory, a third from a disk
_WHOLE_BLOCKS = 1024            # rows: no kernel has longer blocks
_FEWEST = 512                   # rows, so that threads have something to share


def pieces(X: Any, most_rows: int | None = None) -> list[tuple[int, int]]:
    """First row of each piece, and the row behind its last; one piece for X of ordinary size.

    Parameters
    ----------
    X : (m, n) array, or Csr
        The pieces depend on its shape, dtype and size alone.
    most_rows : int, optional
        For kernels whose work a row is more than reading it.
    """
    m = X.shape[0]
    rows = _BYTES // bytes_a_row(X)
    if most_rows is not None:
        rows = min(rows, most_rows)
    if rows >= m:
        return [(0, m)]
    rows = max(rows // _WHOLE_BLOCKS * _WHOLE_BLOCKS, _FEWEST)
    return [(first, min(first + rows, m)) for first in range(0, m, rows)]

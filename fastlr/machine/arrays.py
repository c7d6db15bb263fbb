"""Arrays that nobody may write to, memory for arrays, and values as Python writes them."""

import math
from typing import Any

import numpy as np

# Bytes of a page of memory.
_PAGE = 4096
# Bytes of a line of the cache.
_CACHE_LINE = 64


def read_only(A: np.ndarray) -> np.ndarray:
    """A read-only view of A: kernels are compiled once for read-only arrays, and serve writable ones too."""
    view = A.view(np.ndarray)
    view.flags.writeable = False
    return view


def at_a_page(size: int) -> np.ndarray:
    """New memory, (size,) uint8, at the start of a page.

    The system copies what it has read of a file.  Its instruction for that takes AMD's processors seven times as long where the
    target begins up to 31 bytes further in its page than the source.  NumPy's own memory begins 16 bytes behind the start of a
    page, and numbers in a file often begin at the start of one.
    """
    return _memory(size, _PAGE)


def zeros_at_a_cache_line(*shape: int) -> np.ndarray:
    """Zeros (float64) from the start of a cache line on: a vector that reaches into two lines takes twice as long to load."""
    A: np.ndarray = _memory(8 * math.prod(shape), _CACHE_LINE).view(np.float64).reshape(shape)
    A[:] = 0.0
    return A


def _memory(size: int, alignment: int) -> np.ndarray:
    """New memory, (size,) uint8, that begins at a multiple of so many bytes."""
    memory = np.empty(size + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start:start + size]


def plain(value: Any) -> Any:
    """A NumPy scalar as Python's own value: 0, not np.int64(0)."""
    return value.item() if isinstance(value, np.generic) else value


def repeated(values: np.ndarray, size: int) -> np.ndarray:
    """A vector of a size that is made of these values, one after another, as often as they fit."""
    return values if values.size == size else np.tile(values, size // values.size)

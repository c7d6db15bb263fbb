"""Arrays that nobody may write to, and values as Python writes them."""

from typing import Any

import numpy as np


def read_only(A: np.ndarray) -> np.ndarray:
    """A read-only view of A: kernels are compiled once for read-only arrays, and serve writable ones too."""
    view = A.view(np.ndarray)
    view.flags.writeable = False
    return view


def plain(value: Any) -> Any:
    """A NumPy scalar as Python's own value: 0, not np.int64(0)."""
    return value.item() if isinstance(value, np.generic) else value

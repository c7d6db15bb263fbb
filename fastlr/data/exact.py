"""The loss with more digits than float64 has, for parameters whose products with X cancel."""

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.data.arrays import Data

_BLOCK_ELEMENTS = 1 << 16       # a megabyte of long doubles


def loss_in_long_double(data: Data, theta: np.ndarray) -> np.longdouble:
    """The sum of s_i loss_i at theta (n + 1,), with margins of long doubles (on x86 they have 64 bits, elsewhere perhaps 53)."""
    w, b = theta[:-1].astype(np.longdouble), np.longdouble(theta[-1])
    total, size = np.longdouble(0.0), max(1, _BLOCK_ELEMENTS // theta.size)
    for start in range(0, data.y.size, size):
        rows = slice(start, start + size)
        X = data.X.rows(rows).scipy().toarray() if isinstance(data.X, Csr) else data.X[rows]
        z = (X * w).sum(axis=1) + b
        if data.offset.size:
            z += data.offset[rows]
        t = np.where(data.y[rows] == 1, -z, z)
        loss = np.maximum(t, 0.0) + np.log1p(np.exp(-np.abs(t)))
        total += (loss * data.sample_weight[rows] if data.sample_weight.size else loss).sum()
    return total

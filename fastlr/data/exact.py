"""The loss with more digits than float64 has, for parameters whose products with X cancel."""

import numpy as np

from fastlr.backends import logistic
from fastlr.backends.csr import Csr
from fastlr.data.dataset import InMemory, summed

_BLOCK_ELEMENTS = 1 << 16       # Elements in a block of rows: a megabyte of long doubles.


@summed
def loss_in_long_double(part: InMemory, theta: np.ndarray) -> np.longdouble:
    """The sum of s_i loss_i at theta (n + 1,), with margins of long doubles (on x86 they have 64 bits, elsewhere perhaps 53)."""
    w, b = theta[:-1].astype(np.longdouble), np.longdouble(theta[-1])
    total, size = np.longdouble(0.0), max(1, _BLOCK_ELEMENTS // theta.size)
    for start in range(0, part.y.size, size):
        rows = slice(start, start + size)
        X = part.X.rows(rows).scipy().toarray() if isinstance(part.X, Csr) else part.X[rows]
        z = (X * w).sum(axis=1) + b
        if part.offset.size:
            z += part.offset[rows]
        loss, _ = logistic.loss_and_slope(part.y[rows], z)
        total += (loss * part.sample_weight[rows] if part.sample_weight.size else loss).sum()
    return total

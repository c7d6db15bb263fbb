"""The loss with more digits than float64 has, for parameters whose products with X cancel."""

from collections.abc import Callable

import numpy as np

from fastlr.backends.ranges import blocks
from fastlr.data.dataset import InMemory, summed

_BLOCK_ELEMENTS = 1 << 16       # Elements in a block of rows: a megabyte of long doubles.


@summed
def loss_in_long_double(part: InMemory, value: Callable[[np.ndarray, np.ndarray], np.ndarray],
                        theta: np.ndarray) -> np.longdouble:
    """The sum of s_i loss_i at theta (r, n + 1), with margins of long doubles (on x86 they have 64 bits, elsewhere perhaps 53).

    The losses (m,) are value(y, z), for labels (m,) and margins (m, r).
    """
    theta = theta.astype(np.longdouble)
    total = np.longdouble(0.0)
    for rows in blocks(part.y.size, max(1, _BLOCK_ELEMENTS // theta.shape[1])):
        X = part.dense(rows)
        z = np.column_stack([(X * row[:-1]).sum(axis=1) + row[-1] for row in theta])
        if part.offset.size:
            z += part.offset[rows].reshape(len(z), -1)
        loss = value(part.y[rows], z)
        total += (loss * part.sample_weight[rows] if part.sample_weight.size else loss).sum()
    return total

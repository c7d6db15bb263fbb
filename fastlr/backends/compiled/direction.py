"""Where a quasi-Newton step goes, in one compiled call: in Python it takes as long as a step on a few thousand rows."""

from typing import Any

import numpy as np

from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.jit import Entry, block


@block
def _base(inverse: Any, factor: Any, p: Any) -> None:
    """p := M0 p in place."""
    if factor.size == 0:
        for j in range(p.size):
            p[j] *= inverse[j]
        return
    q = p.copy()
    p[:] = 0.0
    for i in range(p.size):
        row, along = factor[i], 0.0
        for j in range(i + 1):
            along += row[j] * q[j]
        for j in range(i + 1):
            p[j] += along * row[j]


@block
def direct(grad: Any, inverse: Any, factor: Any, steps: Any, changes: Any, curvatures: Any, p: Any) -> None:
    """p = -M grad, see `fastlr.backends`."""
    pairs, size = curvatures.size, grad.size
    shares = np.empty(pairs)
    for j in range(size):
        p[j] = -grad[j]
    for k in range(pairs - 1, -1, -1):
        du, dg, share = steps[k], changes[k], 0.0
        for j in range(size):
            share += du[j] * p[j]
        shares[k] = share / curvatures[k]
        for j in range(size):
            p[j] -= shares[k] * dg[j]
    _base(inverse, factor, p)
    if factor.size == 0 and pairs:
        dg, last = changes[pairs - 1], 0.0
        for j in range(size):
            last += dg[j] * inverse[j] * dg[j]
        if last > 0.0:
            for j in range(size):
                p[j] *= curvatures[pairs - 1] / last
    for k in range(pairs):
        du, dg, share = steps[k], changes[k], 0.0
        for j in range(size):
            share += dg[j] * p[j]
        share = shares[k] - share / curvatures[k]
        for j in range(size):
            p[j] += share * du[j]


def _direct(grad: Any, inverse: Any, factor: Any, steps: Any, changes: Any, curvatures: Any, p: Any) -> None:
    direct(grad, inverse, factor, steps, changes, curvatures, p)


_entry = Entry(_direct, self_test.direction, writes=("p",))


def direction(grad: np.ndarray, inverse: np.ndarray, factor: np.ndarray, steps: np.ndarray, changes: np.ndarray,
              curvatures: np.ndarray) -> np.ndarray:
    """See `fastlr.backends`."""
    p = np.empty_like(grad)
    _entry(grad, inverse, factor, steps, changes, curvatures, p)
    return p

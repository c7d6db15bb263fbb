"""The definition: gradient descent's forward and backward pass as the lecture writes it, two nested loops.

Every other backend is tested against this one.
"""

import math
from typing import Any

from fastlr.backends.csr import Csr


def cost_gradient(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, grad: Any) -> float:
    m, n = X.shape
    *w, b = theta.tolist()
    J, dw, db = 0.0, [0.0] * n, 0.0
    for i in range(m):
        x = _row(X, i)
        s = float(sample_weight[i]) if sample_weight.size else 1.0

        z = b + (float(offset[i]) if offset.size else 0.0)
        for j in range(n):
            z += w[j] * x[j]
        a = _sigmoid(z)

        # The lecture's loss is -log a for y = 1 and -log(1 - a) for y = 0, and its dz is a - y.  Where a is next to y, both would
        # cancel: 1 - a is the sigmoid of -z, and the loss log(1 + e^t), with t = z for y = 0 and t = -z for y = 1.
        if y[i] == 0:
            J += s * _log1p_exp(z)
            dz = s * a
        else:
            J += s * _log1p_exp(-z)
            dz = s * -_sigmoid(-z)
        for j in range(n):
            dw[j] += x[j] * dz
        db += dz
    grad[:n] = dw
    grad[n] = db
    return J


def _sigmoid(z: float) -> float:
    """1 / (1 + e^-z), by an exponential that never overflows."""
    e = math.exp(-abs(z))
    return 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)


def _log1p_exp(t: float) -> float:
    """log(1 + e^t)."""
    return max(t, 0.0) + math.log1p(math.exp(-abs(t)))


def _row(X: Any, i: int) -> list[float]:
    """x_i, of a sparse X with its zeros: loops that leave them out are the compiled backends'."""
    if not isinstance(X, Csr):
        return X[i].tolist()
    x = [0.0] * X.n_columns
    for j, x_j in zip(*X.row(i), strict=True):
        x[j] = x_j.item()
    return x

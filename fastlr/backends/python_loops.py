"""The definition: gradient descent's forward and backward pass as the lecture writes it, two nested loops.

Every other backend is tested against this one.
"""

import math
from typing import Any

from fastlr.backends._csr import Csr


def cost_gradient(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, grad: Any) -> float:
    m, n = X.shape
    *w, b = theta.tolist()
    J, dw, db = 0.0, [0.0] * n, 0.0
    for i in range(m):
        x = _row(X, i)

        z = b + (float(offset[i]) if offset.size else 0.0)
        for j in range(n):
            z += w[j] * x[j]
        e = math.exp(-abs(z))                                   # in (0, 1]: never overflows
        a = 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)
        loss = max(z, 0.0) - y[i].item() * z + math.log1p(e)    # -(y log a + (1-y) log(1-a)), without the cancellation

        s = float(sample_weight[i]) if sample_weight.size else 1.0
        J += s * loss
        dz = s * (a - y[i].item())
        for j in range(n):
            dw[j] += x[j] * dz
        db += dz
    grad[:n] = dw
    grad[n] = db
    return J


def _row(X: Any, i: int) -> list[float]:
    """x_i, of a sparse X with its zeros: loops that leave them out are the compiled backends'."""
    if not isinstance(X, Csr):
        return X[i].tolist()
    x = [0.0] * X.n_columns
    for j, x_j in zip(*X.row(i), strict=True):
        x[j] = x_j.item()
    return x

"""The definition: the forward and backward pass as the lecture writes them, in two nested loops.

Every other backend is tested against this one.
"""

import math

import numpy as np

from fastlr.backends.csr import Csr


def sigmoid(z: float) -> float:
    """1 / (1 + e^-z), by an exponential that never overflows."""
    e = math.exp(-abs(z))
    return 1.0 / (1.0 + e) if z >= 0.0 else e / (1.0 + e)


def log_loss(z: float, y: int) -> float:
    """-log a for y = 1 and -log(1 - a) for y = 0, where a = sigmoid(z): log(1 + e^-z) and log(1 + e^z), which never overflow."""
    t = z if y == 0 else -z
    return max(t, 0.0) + math.log1p(math.exp(-abs(t)))


def cost_gradient(X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray, theta: np.ndarray,
                  grad: np.ndarray) -> float:
    """The sum of the losses; grad becomes that of their gradients."""
    m, n = X.shape
    *w, b = theta.tolist()
    J, dw, db = 0.0, [0.0] * n, 0.0
    for i in range(m):
        x, y_i, s_i, offset_i = _example(i, X, y, sample_weight, offset)
        z = b + offset_i
        for j in range(n):
            z += w[j] * x[j]
        a = sigmoid(z)
        J += s_i * log_loss(z, y_i)
        dz = s_i * (a if y_i == 0 else -sigmoid(-z))        # a - y: 1 - a would cancel, and sigmoid(-z) is the same
        for j in range(n):
            dw[j] += x[j] * dz
        db += dz
    # J, dw and db are sums; the lecture's J /= m, dw /= m and w := w - alpha dw are in descent.py.
    grad[:n] = dw
    grad[n] = db
    return J


def softmax_cost_gradient(X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray, Theta: np.ndarray,
                          Grad: np.ndarray) -> float:
    """The sum of the losses of K classes; Grad becomes that of their gradients: `cost_gradient` with K rows of w."""
    m, n = X.shape
    K = len(Theta)
    w, b = Theta[:, :n].tolist(), Theta[:, n].tolist()
    J, dw, db = 0.0, [[0.0] * n for _ in range(K)], [0.0] * K
    for i in range(m):
        x, y_i, s_i, _ = _example(i, X, y, sample_weight, np.empty(0))
        z = [b[k] + (float(offset[i, k]) if offset.size else 0.0) for k in range(K)]
        for k in range(K):
            for j in range(n):
                z[k] += w[k][j] * x[j]
        loss, dz = softmax_loss_and_slope(z, y_i)
        J += s_i * loss
        for k in range(K):
            for j in range(n):
                dw[k][j] += x[j] * s_i * dz[k]
            db[k] += s_i * dz[k]
    Grad[:, :n] = dw
    Grad[:, n] = db
    return J


def softmax_loss_and_slope(z: list[float], y: int) -> tuple[float, list[float]]:
    """-log a_y for a_k = e^z_k / sum_l e^z_l, and dz = a - [y = k]; exponentials of z_k - max z never overflow."""
    K = len(z)
    most = max(z)
    e = [math.exp(z[k] - most) for k in range(K)]
    others = sum(e[k] for k in range(K) if k != y)
    total = e[y] + others
    dz = [e[k] / total for k in range(K)]
    dz[y] = -others / total                                 # a_y - 1 would cancel
    return most - z[y] + math.log1p(others + (e[y] - 1.0)), dz


def _example(i: int, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray,
             offset: np.ndarray) -> tuple[list[float], int, float, float]:
    """Row i as plain numbers: x, y, weight and offset."""
    return (_row(X, i), int(y[i]), float(sample_weight[i]) if sample_weight.size else 1.0,
            float(offset[i]) if offset.size else 0.0)


def _row(X: np.ndarray | Csr, i: int) -> list[float]:
    """x_i with all its zeros; the compiled backends have the loops that leave them out."""
    if not isinstance(X, Csr):
        return X[i].tolist()
    x = [0.0] * X.n_columns
    for j, x_j in zip(*X.row(i), strict=True):
        x[j] = x_j.item()
    return x

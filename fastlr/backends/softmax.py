"""The formulas of the softmax loss in NumPy, the reference of every kernel; they take a block of rows.

The margins z are (m, K), a class a column.  Exponentials are taken from the largest margin of a row down, so none overflows.
"""

import numpy as np


def loss_and_slope(y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loss log sum_k e^z_k - z_y of every row, (m,), and its derivatives p_k - [y = k] by the margins, (m, K).

    What the other classes have together stands for 1 - p_y, which would cancel.
    """
    rows = np.arange(y.size)
    most = z.max(axis=1)
    below = most - z[rows, y]
    e = np.exp(z - most[:, None])
    own = e[rows, y]
    e[rows, y] = 0.0
    others = e.sum(axis=1)
    e[rows, y] = -others
    e /= (own + others)[:, None]
    return below + np.log1p(others + (own - 1.0)), e


def probabilities(z: np.ndarray) -> np.ndarray:
    """The probabilities e^z_k / sum_l e^z_l of every row, (m, K)."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def leave_out(p: np.ndarray, sample_weight: np.ndarray, floor: float) -> None:
    """Leave out of each row, in place, the classes whose s p_k / 2 is below the floor; p becomes p / sqrt(P).

    With the sum P of the others' p_k, the row's loss is, but for a linear function, at least P log sum_k p_k e^z_k of these.  The
    second derivatives of that are P times those of p_k / P.
    """
    p[(p * sample_weight[:, None] if sample_weight.size else p) < 2.0 * floor] = 0.0
    p /= np.sqrt(np.maximum(p.sum(axis=1, keepdims=True), np.finfo(float).tiny))


def log_probabilities(z: np.ndarray) -> np.ndarray:
    """The logarithms of the probabilities, (m, K), finite for all margins and exact for probabilities next to 1."""
    rows, top = np.arange(len(z)), z.argmax(axis=1)
    z = z - z[rows, top][:, None]
    e = np.exp(z)
    e[rows, top] = 0.0
    return z - np.log1p(e.sum(axis=1, keepdims=True))


def log_odds(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The log-odds z_k - log sum_(l != k) e^z_l of each class against all others, (m, K), and their derivatives, (m, K, K).

    By the margins z these are 1 and, for the others, less their shares among themselves.
    """
    identity = np.eye(z.shape[1])
    others = np.where(identity, -np.inf, z[:, None])
    return z - np.logaddexp.reduce(others, axis=2), identity - probabilities(others.reshape(-1, z.shape[1])).reshape(others.shape)


def curvatures(p: np.ndarray) -> np.ndarray:
    """The second derivatives p_k (1 - p_k) of the loss by each margin, (m, K), as exact for p_k near 1 as near 0."""
    rows, top = np.arange(len(p)), p.argmax(axis=1)
    d = p * (1.0 - p)
    others = p.copy()
    others[rows, top] = 0.0
    d[rows, top] = p[rows, top] * others.sum(axis=1)
    return d


def curvature_product(p: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The product p_k (u_k - sum_l p_l u_l) of the second derivatives by all margins with u, (m, K).

    u is taken from its value at the likeliest class, since u_k - sum_l p_l u_l would cancel there.
    """
    u = u - u[np.arange(len(u)), p.argmax(axis=1)][:, None]
    return p * (u - np.vecdot(p, u)[:, None])

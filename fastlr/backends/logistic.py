"""The formulas of the logistic loss in NumPy, the reference of every kernel.

They lie below the kernels that need them.  `fastlr.problem.loss` has what else J needs to know of the loss.
"""

import numpy as np


def loss_and_slope(y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The loss of every row, (m,), and its derivative by the margin, for labels 0 or 1 (m,) and margins (m,).

    The derivative is a - y, without the cancellation where a is next to y.
    """
    side = 1.0 - 2.0 * y
    t = side * z
    e = np.exp(-np.abs(t))
    return np.maximum(t, 0.0) + np.log1p(e), side * _sigmoid(t, e)


def curvature(z: np.ndarray) -> np.ndarray:
    """The second derivative a (1 - a) of the loss by the margin, (m,), as exact for large margins as for small."""
    e = np.exp(-np.abs(z))
    return e / (1.0 + e) ** 2


def sigmoid(t: np.ndarray) -> np.ndarray:
    """The sigmoid 1 / (1 + e^-t), finite and free of warnings for every t."""
    return _sigmoid(t, np.exp(-np.abs(t)))


def _sigmoid(t: np.ndarray, e: np.ndarray) -> np.ndarray:
    return np.maximum(e, t >= 0) / (1.0 + e)         # e is at most 1; `np.where` takes longer

"""A backend with what the contract asks for and no more, written as README tells: `pytest --backend toy -k toy` tests it."""

import numpy as np

layouts = ("dense",)


def cost_gradient(X, y, sample_weight, offset, theta, grad):
    """Overwrite grad (n + 1,) with the sum over rows of s_i * dz_i * [x_i, 1]; return the sum of s_i * loss_i."""
    z = X.astype(np.float64) @ theta[:-1] + (theta[-1] + offset if offset.size else theta[-1])
    s = sample_weight if sample_weight.size else np.ones(len(y))
    sign = 1.0 - 2.0 * y
    t = sign * z
    e = np.exp(-np.abs(t))
    dz = s * sign * np.where(t >= 0.0, 1.0, e) / (1.0 + e)
    grad[:-1] = X.T.astype(np.float64) @ dz
    grad[-1] = dz.sum()
    return float(s @ (np.maximum(t, 0.0) + np.log1p(e)))

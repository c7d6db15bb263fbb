"""Small problems that the tests share."""

import numpy as np


def problem(m=57, n=7, dtype=np.float64, order="C", seed=0, scale=1.0):
    """X, 0/1 labels y with both classes, and parameters w, b of a size that gives margins of a few units."""
    rng = np.random.default_rng(seed)
    X = scale * rng.standard_normal((m, n))
    if np.issubdtype(dtype, np.integer):
        X = np.clip(np.rint(X * 2), 0 if dtype == np.uint8 else -99, 99)
    X = np.asarray(X, dtype=dtype, order=order)
    y = (rng.random(m) < 0.4).astype(float)
    if m > 1:
        y[:2] = 0.0, 1.0
    return X, y, rng.standard_normal(n) / (scale * np.sqrt(n)), 0.3


def weights(m, seed=1):
    """Sample weights (some 0) and offsets."""
    rng = np.random.default_rng(seed)
    s = rng.random(m)
    s[rng.random(m) < 0.1] = 0.0
    s[:2] = 1.0
    return s, rng.standard_normal(m)

"""The loss of logistic regression and its cost J as computation graphs."""

from typing import Any

import numpy as np

from fastlr.graph import drawing
from fastlr.graph.value import Value, applied, real_numbers, sigmoid, softplus

# The largest |z| at which a = sigmoid(z) and 1 - a have reciprocals in float64.
_LARGEST_MARGIN_OF_A = 700.0


def log_loss(z: Any, y: Any) -> Value:
    """Return the loss -(y log a + (1 - y) log(1 - a)) with a = sigmoid(z), for any margin z.

    Computed from a, the loss has no value beyond z = 37, where a rounds to 1 and log(1 - a) is lost.  But log(1 - a) is
    -softplus(z), and log a is -softplus(-z).  Softplus is finite for every z, and so is its derivative, the sigmoid.

    Parameters
    ----------
    z : Value
    y : float or array
        The labels, each 0 or 1.

    Raises
    ------
    ValueError
        Some y is neither 0 nor 1.

    Examples
    --------
    >>> from fastlr.graph import Value, log_loss
    >>> L = log_loss(Value(-1000.0, "z"), 1)
    >>> L.value, L.derivatives()
    (1000.0, {'dz': -1.0})
    """
    y = real_numbers(y)
    if not np.all((y == 0.0) | (y == 1.0)):
        raise ValueError(f"y must be 0 or 1, not {drawing.number(y)}")
    return softplus((1.0 - 2.0 * y) * z)


def logistic_cost(X: Any, y: Any, w: Any, b: float, *, reduction: str = "mean", l2: float = 0.0, sample_weight: Any = None,
                  offset: Any = None) -> Value:
    """Return the cost J that `fastlr.cost_and_gradient` computes, as a graph of w1, w2, ... and b.

    Parameters
    ----------
    X, y, w, b, reduction, l2, sample_weight, offset
        As for `fastlr.cost_and_gradient`.

    Returns
    -------
    Value
        A Value named J.  The named Values behind it are the losses L (m,), a (m,), z (m,), w1, w2, ... and b.  Where some |z| is
        beyond 700, L is computed from z alone, since the derivative with respect to a overflows.

    Notes
    -----
    The lecture's dz is a - y: the derivative of each loss L with respect to its z.  With "sum", the derivative of J is the same,
    and with "mean" it is (a - y) / m: the lecture divides by m at the end.

    Examples
    --------
    >>> from fastlr.graph import logistic_cost
    >>> J = logistic_cost([[1, 3], [-2, 0.5], [-1, -3.2]], [1, 1, 0], [1, 2], 1.5)
    >>> round(J.value, 10), {name: round(J.derivatives()[name], 6) for name in ("dw1", "dw2", "db")}
    (0.1590053771, {'dw1': 0.250715, 'dw2': -0.066041, 'db': -0.125004})
    >>> print(J.chain_rule())
    dJ/dL = [0.333, 0.333, 0.333]
    dJ/da = dJ/dL * dL/da = [0.333, 0.333, 0.333] * [-1, -1.61, 1] = [-0.333, -0.536, 0.334]
    dJ/dz = dJ/da * da/dz = [-0.333, -0.536, 0.334] * [0.000203, 0.235, 0.00272] = [-6.78e-05, -0.126, 0.000911]
    dJ/db = sum(dJ/dz * dz/db) = sum([-6.78e-05, -0.126, 0.000911] * 1) = -0.125
    dJ/dw2 = sum(dJ/dz * dz/dw2) = sum([-6.78e-05, -0.126, 0.000911] * [3, 0.5, -3.2]) = -0.06604
    dJ/dw1 = sum(dJ/dz * dz/dw1) = sum([-6.78e-05, -0.126, 0.000911] * [1, -2, -1]) = 0.2507
    """
    X = np.asarray(X, np.float64)
    weights = [Value(value, f"w{j}") for j, value in enumerate(w, start=1)]
    z = sum(w_j * x_j for w_j, x_j in zip(weights, X.T, strict=True)) + Value(b, "b")
    if offset is not None:
        z = z + offset
    z.named("z")
    has_a = np.abs(z.value).max() <= _LARGEST_MARGIN_OF_A
    L = (applied("loss", sigmoid(z).named("a"), z.value, y) if has_a else log_loss(z, y)).named("L")
    return cost_of_losses(L, weights, reduction, l2, sample_weight)


def cost_of_losses(L: Value, weights: list[Value], reduction: str, l2: float, sample_weight: Any) -> Value:
    """Return the cost J of losses L (m,) and an l2 penalty on weights, with options as for `logistic_cost`."""
    s = np.ones(L.value.size) if sample_weight is None else np.asarray(sample_weight, np.float64)
    J = L.sum() if sample_weight is None else (s * L).sum()
    if reduction == "mean":
        J = J / s.sum()
    if l2:
        J = J + l2 / 2.0 * sum(w_j ** 2 for w_j in weights)
    return J.named("J")

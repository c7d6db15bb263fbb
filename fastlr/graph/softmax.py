"""Softmax and its loss as computation graphs: K classes, with a margin for each."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlr.graph.logistic import cost_of_losses
from fastlr.graph.value import Value, exp, softplus


def softmax(z: Sequence[Value]) -> list[Value]:
    """Return the probabilities e^z_k / (e^z_1 + ... + e^z_K) of K classes as Values.

    A number that all margins have in common changes no probability.  So the largest margin is subtracted from each, and
    no exponential overflows.

    Parameters
    ----------
    z : sequence of Value
        The margins, one for each class: numbers, or arrays with an element for each example.

    Examples
    --------
    >>> from fastlr.graph import Value, softmax
    >>> p = softmax([Value(1.0, "z0"), Value(1001.0, "z1"), Value(1001.0, "z2")])
    >>> [p_k.value for p_k in p], p[1].derivatives()
    ([0.0, 0.5, 0.5], {'dz2': -0.25, 'dz1': 0.25, 'dz0': 0.0})
    """
    largest = np.max([z_k.value for z_k in z], axis=0)
    e = [exp(z_k - largest) for z_k in z]
    total = sum(e)
    return [e_k / total for e_k in e]


def cross_entropy(z: Sequence[Value], y: Any) -> Value:
    """Return the loss -log p_y with p = softmax(z), for any margins z.

    That is log sum_k e^(z_k - z_y).  The sum starts at 0, the term of class y itself, and takes in one other class at a time:
    log(e^L + e^d) is L + softplus(d - L).  All terms are positive, so that a small loss keeps its digits.  With two classes it is
    log_loss(z_1 - z_0, y).

    Parameters
    ----------
    z : sequence of Value
        The margins, one for each class: numbers, or arrays with an element for each example.
    y : int, or array of int
        The label of the example, or of each, from 0 to K - 1.

    Raises
    ------
    ValueError
        Some y is not a class.

    Examples
    --------
    >>> from fastlr.graph import Value, cross_entropy
    >>> L = cross_entropy([Value(1.0, "z0"), Value(1001.0, "z1"), Value(1001.0, "z2")], 0)
    >>> round(L.value, 6), L.derivatives()
    (1000.693147, {'dz2': 0.5, 'dz1': 0.5, 'dz0': -1.0})
    """
    is_own = [np.equal(y, k) for k in range(len(z))]
    if not np.any(is_own, axis=0).all():
        raise ValueError(f"y must be a class from 0 to {len(z) - 1}, as there are {len(z)} margins, not {y!r}")
    z_y = sum(z_k * own for z_k, own in zip(z, is_own, strict=True))
    L: Any = 0.0
    for z_k, own in zip(z, is_own, strict=True):
        if not np.all(own):
            L = L + softplus(z_k - z_y - L) * ~own
    return L


def softmax_cost(X: Any, y: Any, w: Any, b: Any, *, reduction: str = "mean", l2: float = 0.0, sample_weight: Any = None,
                 offset: Any = None) -> Value:
    """Return the cost J of K classes that `fastlr.cost_and_gradient` computes, as a graph of w0_1, w0_2, ... and b0, b1, ...

    Parameters
    ----------
    X, y, w, b, reduction, l2, sample_weight, offset
        As for `fastlr.cost_and_gradient`, with w (K, n) and b (K,).

    Returns
    -------
    Value
        A Value named J.  The named Values behind it are the losses L (m,), the margins z0, z1, ... (m,), and for each class k
        the parameters wk_1, wk_2, ... and bk.

    Examples
    --------
    The derivative by a margin is p_k - 1 for the class of the example, and p_k for the others:

    >>> from fastlr.graph import softmax_cost
    >>> J = softmax_cost([[1.0], [2.0]], [0, 2], [[0.0], [0.0], [0.0]], [0.0, 0.0, 0.0], reduction="sum")
    >>> {name: J.derivatives()[name].round(3).tolist() for name in ("dz0", "dz1", "dz2")}
    {'dz0': [-0.667, 0.333], 'dz1': [0.333, 0.333], 'dz2': [0.333, -0.667]}
    >>> round(J.derivatives()["dw0_1"], 6)
    0.0
    """
    X = np.asarray(X, np.float64)
    offsets = np.zeros((len(X), len(w))) if offset is None else np.asarray(offset, np.float64)
    weights = [[Value(value, f"w{k}_{j}") for j, value in enumerate(row, start=1)] for k, row in enumerate(w)]
    z = []
    for k, (row, b_k, offset_k) in enumerate(zip(weights, b, offsets.T, strict=True)):
        z_k = sum(w_j * x_j for w_j, x_j in zip(row, X.T, strict=True)) + Value(b_k, f"b{k}") + offset_k
        z.append(z_k.named(f"z{k}"))
    L = cross_entropy(z, np.asarray(y)).named("L")
    return cost_of_losses(L, [w_j for row in weights for w_j in row], reduction, l2, sample_weight)

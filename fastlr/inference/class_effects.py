"""Marginal effects of K classes: how the probability of each class changes with a column, by one read of the rows.

With the probabilities p_ik of row i, v_i = [x_i, 1] and mean weights c_ij = sum_q p_iq w_qj, the effect of column j on class k is

    continuous    mean(p_ik (w_kj - c_ij))          discrete    mean(p_ik with x_ij = 1, less that with x_ij = 0)

By the margin of class l a probability has the derivative p_ik ([k = l] - p_il), so that the delta method needs sums over rows of
p_ik v_i, p_ik p_il v_i and p_ik p_il p_iq v_i only.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlr.backends import softmax
from fastlr.data.dataset import Dataset, InMemory, summed
from fastlr.inference.design import blocks, sum_of_rows
from fastlr.inference.marginal_effects import MarginalEffects, averaged, chosen_columns, columns_of, values_of
from fastlr.inference.statistics import Statistics
from fastlr.inference.table import ClassTable


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ClassEffects(ClassTable, MarginalEffects):
    """The table that `Model.marginal_effects` returns for K classes.

    It has the attributes and methods of `MarginalEffects` and `ClassTable`.
    The effects of a column add up to 0 over the classes.
    """


@summed
def sums_of_products(part: InMemory, Theta: np.ndarray, discrete: list[int]) -> tuple[np.ndarray, ...]:
    """Sums over rows at Theta (K, n + 1), weighted by s, for q discrete columns.

    Returns
    -------
    one : (K, n + 1)
        p_k v.
    two : (K, K, n + 1)
        p_k p_l v.
    three : (K, K, K, n + 1)
        p_k p_l p_q v.
    differences : (K, q)
        p_k with x_j = 1, less that with x_j = 0.
    gradients : (K, q, K, n + 1)
        Their derivatives by Theta.
    """
    (K, side), q = Theta.shape, len(discrete)
    one, two, three = np.zeros((K, side)), np.zeros((K * K, side)), np.zeros((K ** 3, side))
    differences, gradients = np.zeros((K, q)), np.zeros((K, q, K, side))
    for A, z, _, s in blocks(part, Theta, np.zeros(side - 1), K ** 3):
        p = softmax.probabilities(z).T
        products = (p[:, None] * p).reshape(K * K, -1)
        one += sum_of_rows(s * p, A)
        two += sum_of_rows(s * products, A)
        three += sum_of_rows((products[:, None] * (s * p)).reshape(K ** 3, -1), A)
        for i, j in enumerate(discrete):
            w = Theta[:, j, None]
            zero = z.T - w * columns_of(A, [j])
            (low, by_low), (high, by_high) = _with_derivatives(zero), _with_derivatives(zero + w)
            differences[:, i] += (high - low) @ s
            by_theta = sum_of_rows((s * (by_high - by_low)).reshape(K * K, -1), A).reshape(K, K, side)
            by_theta[..., j] = by_high @ s
            gradients[:, i] += by_theta
    return one, two.reshape(K, K, side), three.reshape(K, K, K, side), differences, gradients


def _with_derivatives(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (K, r) at margins z (K, r), and their derivatives by the margins (K, K, r)."""
    p = softmax.probabilities(z.T).T
    return p, p[:, None] * (np.eye(len(p))[:, :, None] - p)


@np.errstate(all="ignore")
def class_effects(data: Dataset, Theta: np.ndarray, V: np.ndarray, found: Statistics, names: tuple[str, ...],
                  labels: list[Any], at: Any, columns: Any, discrete: Any, **table: Any) -> ClassEffects:
    """Find the effects on the rows of `data` at Theta (K, n + 1), whose covariance is V (K (n + 1), K (n + 1)).

    Arguments are those of `marginal_effects`, without values for `at`, and the labels of the classes.
    """
    if isinstance(at, dict):
        raise NotImplementedError(f"marginal_effects(at={{...}}) is for two classes, and the model has {len(labels)}")
    chosen, by_difference = chosen_columns(data, columns, discrete, names)
    data = averaged(data, at)
    sums = data.reduce(sums_of_products, Theta, by_difference)
    one, two, three, differences, gradients = (each / data.count.total for each in sums)
    K, c, w = len(Theta), len(chosen), Theta[:, chosen]
    estimate = one[:, -1:] * w - two[..., -1] @ w
    jacobian = 2.0 * np.einsum("qj,klqa->kjla", w, three) - two[:, None] * (w[:, :, None] + w.T)[..., None]
    itself, each = np.arange(K), np.arange(c)
    jacobian[itself, :, itself] += one[:, None] * w[..., None] - np.einsum("qj,kqa->kja", w, two)
    jacobian[:, each, :, chosen] += np.diag(one[:, -1]) - two[..., -1]
    jacobian = jacobian.reshape(K, c, Theta.size)
    return ClassEffects(names=tuple(names[j] for _ in labels for j in chosen),
                        class_of=tuple(label for label in labels for _ in chosen), **table,
                        **values_of(estimate, jacobian, differences, gradients.reshape(K, -1, Theta.size), V, found,
                                    chosen, by_difference, names))

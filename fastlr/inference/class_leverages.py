"""Leverages of K classes: how much each example has to say about its own margins.

Example i has the probabilities p_i, and W_i = s_i (diag(p_i) - p_i p_i^T), the second derivatives of its loss by its margins.
The covariance of these is Q_i, (Q_i)_kl = v_i^T V_kl v_i with the blocks V_kl of the model's covariance.  W_i Q_i (K, K) takes
the place of the leverage h_i of two classes.  Its trace is the leverage of the example, and all of them add up to the number of
parameters.  Without the example one step of Newton's method moves the parameters by V (r (x) v_i), where r is
(I - W_i Q_i)^-1 s_i (p_i - [y_i]).
"""

import itertools
from typing import Any

import numpy as np

from fastlr.backends import softmax
from fastlr.backends.numpy_passes import quadratic_forms
from fastlr.data.dataset import InMemory, merged_by
from fastlr.inference.design import blocks


def covariances_of_margins(A: Any, V: np.ndarray, K: int) -> np.ndarray:
    """Q, (r, K, K), of rows x of A (r, n) with v = [x, 1], where V (K (n + 1), K (n + 1)) is the covariance of the parameters."""
    side = len(V) // K
    V, Q = V.reshape(K, side, K, side), np.empty((A.shape[0], K, K))
    for k, l in itertools.combinations_with_replacement(range(K), 2):
        Q[:, k, l] = Q[:, l, k] = quadratic_forms(A, V[k, :, l])
    return Q


def root_of_curvature(p: np.ndarray, s: np.ndarray) -> np.ndarray:
    """G, (r, K, K), with G G^T = s (diag(p) - p p^T), for probabilities p (r, K) and weights s (r,)."""
    root = np.sqrt(p)
    return np.sqrt(s)[:, None, None] * root[:, :, None] * (np.eye(p.shape[1]) - root[:, :, None] * root[:, None])


def adjusted(residuals: np.ndarray, G: np.ndarray, Q: np.ndarray, power: float) -> np.ndarray:
    """(I - G G^T Q)^-power times residuals (r, K), (r, K).

    That is r + G f(S) G^T Q r with the symmetric S = G^T Q G and f(h) = ((1 - h)^-power - 1) / h.  No probability is divided by.
    """
    half = np.swapaxes(G, 1, 2) @ Q
    h, E = np.linalg.eigh(half @ G)
    f = np.divide(np.expm1(-power * np.log1p(-h)), h, out=np.full(h.shape, power), where=h != 0.0)
    more = G @ (E @ (f[..., None] * (np.swapaxes(E, 1, 2) @ (half @ residuals[..., None]))))
    return residuals + more[..., 0]


@merged_by(lambda first, second: np.concatenate([first, second], axis=1))
def leverages_and_moves(part: InMemory, Theta: np.ndarray, center: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The leverage of every row, and how far the parameters move without it, (2, r).

    The second is r^T Q r, which is d^T V^-1 d for the move d = V (r (x) v) of the parameters.
    """
    K, found = len(Theta), []
    for A, z, y, s in blocks(part, Theta, center, Theta.size + len(Theta) ** 2):
        p = softmax.probabilities(z)
        G, Q = root_of_curvature(p, s), covariances_of_margins(A, V, K)
        r = adjusted(s[:, None] * softmax.loss_and_slope(y, z)[1], G, Q, 1.0)
        found.append([np.einsum("ilk,ilj,ijk->i", G, Q, G, optimize=True), np.einsum("ik,ikl,il->i", r, Q, r, optimize=True)])
    return np.concatenate(found, axis=1)

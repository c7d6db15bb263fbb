"""Passes over rows for leverages: how much each example has to say about its own fitted probability.

The leverage of row i is h_i = d_i v_i^T I^-1 v_i, with its curvature d_i = s_i a_i (1 - a_i), its features
v_i = [(x_i - center) / spread, 1], and the information I = sum_i d_i v_i v_i^T.  All leverages lie between 0 and 1.  They add up
to the number of parameters.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fastlr.backends import logistic
from fastlr.data.dataset import InMemory, summed
from fastlr.data.margin_changes import standardised_rows


class _Rows(NamedTuple):
    """A block of rows: their features (r, k) of free parameters, margins, a (1 - a) and leverages, each (r,)."""

    features: np.ndarray
    margins: np.ndarray
    curvature: np.ndarray
    leverages: np.ndarray


@summed
def jeffreys_gradient_and_hessian(part: InMemory, center: np.ndarray, spread: np.ndarray, u: np.ndarray,
                                  P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient (k,) of -1/2 log det I by the k free parameters, and how it changes with h held fixed, (k, k).

    Parameters
    ----------
    part, center, spread
        As in `margin_changes`.
    u : (n + 1,) float64
        The parameters of the standardised features, with the intercept last.
    P : (k, k) float64
        I^-1 = P^T P.  k is n + 1, or n where the intercept is fixed.

    Returns
    -------
    The sum of h_i (a_i - 1/2) v_i, and that of h_i a_i (1 - a_i) v_i v_i^T.
    """
    gradient, hessian = np.zeros(len(P)), np.zeros(P.shape)
    for rows in _blocks(part, center, spread, u, P):
        gradient += rows.features.T @ (0.5 * rows.leverages * np.tanh(0.5 * rows.margins))
        hessian += rows.features.T @ (rows.features * (rows.leverages * rows.curvature)[:, None])
    return gradient, hessian


def _blocks(part: InMemory, center: np.ndarray, spread: np.ndarray, u: np.ndarray, P: np.ndarray) -> Iterator[_Rows]:
    for rows, features in standardised_rows(part, center, spread):
        z = features @ u
        if part.offset.size:
            z += part.offset[rows]
        curvature = logistic.curvature(z)
        features = features[:, :len(P)]
        leverages = curvature * np.square(features @ P.T).sum(axis=1)
        if part.sample_weight.size:
            leverages *= part.sample_weight[rows]
        yield _Rows(features, z, curvature, leverages)

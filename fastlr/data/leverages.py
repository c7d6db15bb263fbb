"""The pass over rows for Firth's penalty, by leverages: how much each example has to say about its own fitted probability.

The leverage of row i is h_i = d_i v_i^T I^-1 v_i, with its curvature d_i = s_i a_i (1 - a_i), its features
v_i = [(x_i - center) / spread, 1], and the information I = sum_i d_i v_i v_i^T.  All leverages lie between 0 and 1.  They add up
to the number of parameters.
"""

import numpy as np

from fastlr.backends import logistic
from fastlr.data.dataset import InMemory, summed
from fastlr.data.margin_changes import standardised_rows


@summed
def jeffreys_gradient_and_hessian(part: InMemory, center: np.ndarray, spread: np.ndarray, u: np.ndarray,
                                  P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient (k,) of -1/2 log det I by the k free parameters, and how it changes with h held fixed, (k, k).

    These are the sum of h_i (a_i - 1/2) v_i, and that of h_i a_i (1 - a_i) v_i v_i^T, at the parameters u (n + 1,) of the
    standardised features, with the intercept last.  P (k, k) has I^-1 = P^T P.  k is n + 1, or n where the intercept is fixed.
    """
    gradient, hessian, weights = np.zeros(len(P)), np.zeros(P.shape), part.weights
    for rows, features in standardised_rows(part, center, spread):
        z = features @ u
        if part.offset.size:
            z += part.offset[rows]
        features, curvature = features[:, :len(P)], logistic.curvature(z)
        leverages = curvature * np.square(features @ P.T).sum(axis=1) * weights[rows]
        gradient += features.T @ (0.5 * leverages * np.tanh(0.5 * z))
        hessian += features.T @ (features * (leverages * curvature)[:, None])
    return gradient, hessian

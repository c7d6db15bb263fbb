"""Tests of hypotheses about the parameters: Wald's of linear ones, and the likelihood ratio of nested models."""

from typing import NamedTuple

import numpy as np

from fastlr.inference.distributions import chi_squared_tail
from fastlr.inference.statistics import Statistics, far_from_optimum

# The least eigenvalue of a correlation matrix of contrasts that is no rounding.
_DEPENDENT = 1e-12
# The relative difference of sums over the same rows that is no rounding.
_OTHER_ROWS = 1e-7


class ChiSquaredTest(NamedTuple):
    """A test whose statistic has a chi-squared distribution where the hypothesis is true.

    Attributes
    ----------
    chi2 : float
    df : int
        The degrees of freedom.
    p_value : float
        The probability of a statistic of at least `chi2`.
    """

    chi2: float
    df: int
    p_value: float

    @classmethod
    def of(cls, chi2: float, df: int) -> "ChiSquaredTest":
        """Make the test with this statistic."""
        return cls(chi2, df, chi_squared_tail(chi2, df))


def wald(theta: np.ndarray, V: np.ndarray, R: np.ndarray, r: np.ndarray) -> ChiSquaredTest:
    """Test R theta = r for contrasts R (q, k), where theta has the covariance V; ValueError where rows of R are dependent."""
    used = R.any(axis=0)
    covariance = R[:, used] @ V[np.ix_(used, used)] @ R[:, used].T
    size = np.sqrt(covariance.diagonal())
    size[size == 0.0] = 1.0
    eigenvalues, Q = np.linalg.eigh(covariance / np.outer(size, size))
    if eigenvalues[0] <= _DEPENDENT:
        raise ValueError("a row of R is 0 or depends on the others, so that there are fewer hypotheses than rows; leave it out")
    along = Q.T @ ((R @ theta - r) / size)
    return ChiSquaredTest.of(float(along @ (along / eigenvalues)), len(R))


def likelihood_ratio(larger: Statistics, smaller: Statistics) -> ChiSquaredTest:
    """Test that the smaller of two nested models is right.

    Raises
    ------
    ValueError
        There are no likelihoods, or the models can't be nested ones of the same data.
    """
    for name, model in (("the larger model", larger), ("smaller", smaller)):
        if model.penalty():
            raise ValueError(f"{name} was trained with {model.penalty()}, and a likelihood ratio compares maxima; train without")
        if np.isnan(model.log_likelihood):
            raise ValueError(f"{name} has no likelihood: {' '.join(model.notes)}")
        if far := far_from_optimum(model.notes):
            raise ValueError(f"{name} does not have the largest likelihood, and a likelihood ratio compares maxima.  {far}")
    if not np.isclose(larger.examples, smaller.examples, rtol=_OTHER_ROWS):
        raise ValueError(f"smaller was trained on {smaller.examples:.12g} examples, and the larger model on "
                         f"{larger.examples:.12g}; train both on the same rows")
    is_same = np.isclose(larger.null_log_likelihood, smaller.null_log_likelihood, rtol=_OTHER_ROWS)
    if larger.fit_intercept == smaller.fit_intercept and not is_same:
        raise ValueError("smaller was trained on other labels, weights or offsets: the log-likelihoods without features are "
                         f"{smaller.null_log_likelihood:.10g} and {larger.null_log_likelihood:.10g}; train both on the same rows")
    df = larger.parameters - smaller.parameters
    if df <= 0:
        raise ValueError(f"smaller has {smaller.parameters} parameters, and the larger model has {larger.parameters}; ask the "
                         "model with more parameters, and pass the one with fewer")
    chi2 = 2.0 * (larger.log_likelihood - smaller.log_likelihood)
    if chi2 < -_OTHER_ROWS * abs(larger.log_likelihood):
        raise ValueError(f"smaller has the larger likelihood, by {-0.5 * chi2:.3g} in its logarithm: its features are not among "
                         "those of the larger model, or that has not converged")
    return ChiSquaredTest.of(max(chi2, 0.0), df)

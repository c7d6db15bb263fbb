"""The one joint between solver and kernel: what is averaged, weighed and penalised.

Kernels return sums over rows; a solver sees J and its gradient, and no X:

    J = scale * sum_i s_i loss_i + l2/2 ||w||^2         scale = 1 / sum_i s_i for "mean", 1 for "sum"

theta is (n + 1,) float64 with the intercept last; l2 never touches the intercept; without an intercept its
component of every gradient is 0.
"""

import math
from functools import cached_property
from types import ModuleType

import numpy as np

from fastlr import _moments
from fastlr._check import Data
from fastlr.backends import _descent
from fastlr.backends._descent import Rule


class Objective:
    """J(theta) of one data set, computed by one backend.

    Parameters
    ----------
    backend : module
        See `fastlr.backends`.
    data : Data
    l2 : float
    reduction : {"mean", "sum"}
    fit_intercept : bool
    n_threads : int
        For the kernel.
    """

    def __init__(self, backend: ModuleType, data: Data, l2: float, reduction: str, fit_intercept: bool, n_threads: int) -> None:
        rows = (data.X, data.y, data.sample_weight, data.offset)
        prepare = getattr(backend, "prepare", None)
        self._prepared = rows if prepare is None else prepare(*rows, n_threads)
        self._backend = backend
        self._data = data
        total = float(data.sample_weight.sum()) if data.sample_weight.size else float(data.X.shape[0])
        to_mean = 1.0 if reduction == "mean" else 1.0 / total
        self.rule = _descent.SUMS._replace(intercept=float(fit_intercept), scale=1.0 / total if reduction == "mean" else 1.0,
                                           l2=l2, to_mean=to_mean)
        self.n_parameters = data.X.shape[1] + 1

    def cost_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """J at theta and its gradient (n + 1,)."""
        grad = np.empty(self.n_parameters)
        with np.errstate(over="ignore", invalid="ignore"):      # a cost that is not finite is the solver's to judge
            loss = self._backend.cost_gradient(*self._prepared, theta, grad)
            return _descent.scaled_cost_gradient(loss, grad, theta, self.rule), grad

    def descend(self, theta: np.ndarray, previous: np.ndarray, rule: Rule, costs: np.ndarray) -> tuple[int, int]:
        """At most `costs.size` steps of gradient descent in place; see `_descent.descend`."""
        own = getattr(self._backend, "descend", None)
        if own is not None:
            updates, status = own(*self._prepared, theta, previous, rule, costs)
            return updates, status
        return _descent.descend(self._backend.cost_gradient, self._prepared, theta, previous, rule, costs)

    def gradient_norm(self, grad: np.ndarray) -> float:
        """What `tol` bounds: the largest component of the gradient in standardised coordinates, on the mean scale."""
        center, spread = self.standardisation
        return _descent.gradient_norm(grad, self.rule._replace(center=center, spread=spread))

    @cached_property
    def standardisation(self) -> tuple[np.ndarray, np.ndarray]:
        """Center mu_j and spread sd_j of every column, each (n,)."""
        return _moments.standardisation(self._data.X, self._data.sample_weight, bool(self.rule.intercept))

    def cost_of_guessing(self) -> float:
        """J of a = 1/2 for every example."""
        return math.log(2.0) / self.rule.to_mean

    def lipschitz(self) -> float:
        """A constant L such that a step of 1/L never makes J larger."""
        squares = _moments.largest_eigenvalue(self._data.X, self._data.sample_weight, bool(self.rule.intercept))
        return 0.25 * self.rule.scale * squares + self.rule.l2      # sigma' <= 1/4

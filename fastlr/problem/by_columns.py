"""The minimum of J with l1 in compiled calls, which read X column by column."""

from typing import NamedTuple, Self

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.penalized_newton import Goal
from fastlr.data import passes
from fastlr.data.dataset import InMemory
from fastlr.machine.arrays import read_only
from fastlr.problem.cost_model import MOST_BY_COLUMNS
from fastlr.problem.problem import Evaluation, Problem


class ByColumns(NamedTuple):
    """A problem with a copy of its X by columns.

    Attributes
    ----------
    problem : Problem
        With an ElasticNet.
    data : InMemory
        Its rows.
    X : (n, m) array or Csr
        X transposed, as float64, in the units of the coordinates: dense with the center at 0, sparse with its zeros.
    """

    problem: Problem
    data: InMemory
    X: np.ndarray | Csr

    @classmethod
    def of(cls, problem: Problem) -> Self | None:
        """Copy X; None where the backend has no such calls for this loss, or X is too large for a copy."""
        data, coordinates = problem.data, problem.coordinates
        if not (isinstance(data, InMemory) and hasattr(data.backend, "penalized_newton")
                and problem.loss.cost_gradient is passes.cost_gradient and data.size <= MOST_BY_COLUMNS):
            return None
        X = data.transposed
        if isinstance(X, Csr):
            return cls(problem, data, X._replace(values=read_only(X.values * X.each(coordinates.scales[:-1]))))
        columns = np.empty(X.shape)
        np.subtract(X, coordinates.center[:, None], out=columns)
        columns *= coordinates.scales[:-1, None]
        return cls(problem, data, read_only(columns))

    def minimize(self, u: np.ndarray, cost: float, tol: float, gap: float, enough: float,
                 record: np.ndarray) -> tuple[np.ndarray, Evaluation, int, int]:
        """Make at most `len(record)` updates in one compiled call, see `fastlr.backends`.

        Parameters
        ----------
        u, cost : (n + 1,), float
            The start, and J there.
        tol, gap, enough : float
            The goal, see `fastlr.backends.penalized_newton.Goal`; the gap is relative to J.
        record : (k, 3)
            It becomes J and the least subgradient before each update, and its step.

        Returns
        -------
        u, J with the gradient of all but l1, the number of updates, and the reason for the end.
        """
        problem, scales, costs = self.problem, self.problem.coordinates.scales, self.problem.costs
        goal = Goal(problem.to_cost, problem.to_mean, float(problem.fit_intercept), tol, gap * cost, enough,
                    problem.rounding(u, cost), costs.numbers_read, float(costs.has_compiled_hessian))
        shift = problem.coordinates.center * scales[:-1] if isinstance(self.X, Csr) else np.zeros(u.size - 1)
        u, grad = u.copy(), np.empty_like(u)
        cost, updates, status = self.data.backend.penalized_newton(
            *self.data.prepared, self.X, u, grad, shift, problem.elastic_net.thresholds(scales),
            problem.penalty_diagonal[:-1].copy(), goal, record)
        return u, Evaluation(cost, grad), updates, status

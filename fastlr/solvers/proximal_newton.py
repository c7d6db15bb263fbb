"""Proximal Newton's method for the elastic net, on sums over rows alone: for K classes, streams and Dask.

A step minimizes the quadratic model of the loss plus the penalty, l1 included:

    v = argmin  g . (v - u) + (v - u) H (v - u) / 2 + sum_j t_j |v_j|

over the columns of a working set, with the gradient g and the second derivatives H of all classes at u.  A line search on J
makes the step shorter where it has to be.  J comes with its gradient by all columns.  That says in the same read which columns
have to come in, and bounds how far J is above its minimum.  (Lee, Sun and Saunders, Proximal Newton-type methods for minimizing
composite functions, 2014.)
"""

import math

import numpy as np

from fastlr.machine.arrays import repeated
from fastlr.problem.cost_model import MOST_SIDE
from fastlr.problem.penalty_bounds import with_l1
from fastlr.problem.problem import Problem
from fastlr.problem.self_concordance import Certificate
from fastlr.solvers import Options, Result, elastic_net
from fastlr.solvers.elastic_net import EXPECTED_STEPS, Aim, in_order, kernels, needs_no_penalized, wanted_gap, working_set
from fastlr.solvers.proximal_step import OF_MODEL, RIDGE, Point, line_search, minimize_quadratic, subgradient_norm

__all__ = ["EXPECTED_STEPS", "Optimizer", "kernels", "solve"]

# Up to so many parameters all columns are the working set.
_FEW = 400
# The most by which the gradient of a new column may be below its threshold, as a share of it.
_MOST_SLACK = 0.5


class Optimizer(elastic_net.Optimizer):
    """The optimizer of one training, over several penalties: it makes the updates, and records them."""

    def minimize(self, problem: Problem, point: Point, aim: Aim, slack: float = 0.0) -> tuple[Point, Certificate]:
        penalty, scales = problem.elastic_net, problem.coordinates.scales
        point = self._under(problem, point)
        while True:
            norm = subgradient_norm(problem, point)
            self.recorder.show(point.cost, norm)
            gap = wanted_gap(problem, point, aim.gap)
            is_near = norm <= aim.tol and penalty.gap(point.u, point.grad, scales, point.cost, 0.0) <= gap
            if is_near:                         # a step on few of the w costs less than a proof by all second derivatives
                is_cheap = 2 * np.count_nonzero(point.u) < point.u.size
                certificate = with_l1(problem, *point, enough=math.inf if is_cheap else gap)
                if certificate.gap <= gap:
                    return point, certificate
            found = None if self.recorder.is_over else _step(problem, point, norm, slack)
            if found is None:
                return point, with_l1(problem, *point, enough=gap)
            before, slack = point.cost, 0.0
            share, point = found
            self._note([(before, norm, share)], point.u)

    def weaken(self, problem: Problem, point: Point, times: float, aim: Aim) -> tuple[Point, Certificate]:
        return self.minimize(problem, point, aim, max(times - 1.0, 0.0))


def solve(problem: Problem, theta: np.ndarray | None, options: Options) -> Result:
    """Minimize J from theta, or from the best model without the penalized columns."""
    return elastic_net.solve(problem, theta, options, Optimizer)


def _step(problem: Problem, point: Point, norm: float, slack: float) -> tuple[float, Point] | None:
    """Find a step toward the minimum of the quadratic model that lowers J enough: its share and where it leads."""
    coordinates = problem.coordinates
    if needs_no_penalized(problem, point.u, point.cost):
        return None
    is_held = _is_held(problem, point, slack)
    columns = in_order(is_held.sum(axis=0))
    place, on_set = np.append(columns, coordinates.scales.size - 1), problem.on_columns(columns)
    is_held = np.column_stack([is_held[:, columns], np.ones(len(is_held), bool)]).ravel()
    thresholds = repeated(problem.thresholds, point.u.size)
    u, grad, of_set = (coordinates.rows(each)[:, place].ravel() for each in (point.u, point.grad, thresholds))
    H = on_set.hessian_of(u, is_held)
    H.flat[::len(H) + 1] += (RIDGE * on_set.diagonal + on_set.penalty_diagonal)[is_held]
    v = u.copy()
    v[is_held] = minimize_quadratic(H, grad[is_held], u[is_held], of_set[is_held], OF_MODEL * norm / problem.to_mean)
    on_set.remove_common(v)
    whole = point.u.copy()
    coordinates.rows(whole)[:, place] = v.reshape(-1, place.size)
    return line_search(problem, point, whole, norm)[0]


def _is_held(problem: Problem, point: Point, slack: float) -> np.ndarray:
    """Which w, (r, n), may differ from 0 next: few are all held."""
    penalty, n = problem.elastic_net, problem.data.shape[1]
    if point.u.size <= _FEW:
        return np.tile(~penalty.is_left_out, (problem.loss.n_margins, 1))
    places = working_set(problem, point, np.empty(0, np.intp), min(slack, _MOST_SLACK))
    if places.size > MOST_SIDE:
        raise NotImplementedError(f"l1={penalty.l1:g} keeps {places.size} parameters w, and there is room for the second "
                                  f"derivatives of {MOST_SIDE} at most.  Raise l1; or train with l2 alone, on X without the "
                                  "columns whose penalty factor is infinity")
    is_held = np.zeros(problem.loss.n_margins * n, bool)
    is_held[places] = True
    return is_held.reshape(-1, n)

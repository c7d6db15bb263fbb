"""Proximal Newton's method for the elastic net, on sums over rows alone: for K classes, streams and Dask.

A step minimizes the quadratic model of the loss plus the penalty, l1 included:

    v = argmin  g . (v - u) + (v - u) H (v - u) / 2 + sum_j t_j |v_j|

over the columns of a working set, with the gradient g and the second derivatives H of all classes at u.  A line search on J
makes the step shorter where it has to be.  J comes with its gradient by all columns.  That says in the same read which columns
have to come in, and bounds how far J is above its minimum.  (Lee, Sun and Saunders, Proximal Newton-type methods for minimizing
composite functions, 2014.)
"""

import numpy as np

from fastlr.machine.arrays import repeated
from fastlr.problem.certificate import Certificate, with_l1
from fastlr.problem.cost_model import MOST_SIDE
from fastlr.problem.penalty import ElasticNet
from fastlr.problem.problem import Problem
from fastlr.solvers import Options, Result, elastic_net
from fastlr.solvers.elastic_net import Aim, Point, expected_steps, kernels, line_search, minimize_quadratic, needs_no_penalized

__all__ = ["ProximalNewton", "expected_steps", "kernels", "solve"]

# Up to so many parameters all columns are the working set.
_FEW = 400
# The least number of columns that may come into a working set at once; otherwise as many as the support has.
_FEWEST_NEW = 20
# The share of the least subgradient to which the quadratic model is minimized.
_OF_MODEL = 1e-2
# Added to the second derivatives, as a share of their diagonal at the null model, so that collinear columns have a solution.
_RIDGE = 1e-11


class ProximalNewton(elastic_net.Descent):
    """The updates of one training, over several penalties."""

    def minimize(self, problem: Problem, point: Point, aim: Aim, slack: float = 0.0) -> tuple[Point, Certificate]:
        penalty, scales, options = problem.penalty, problem.coordinates.scales, self._options
        assert isinstance(penalty, ElasticNet)
        point = self._under(problem, point)
        while True:
            norm = problem.bounded_by_tol(penalty.least_subgradient(point.u, point.grad, scales))
            if options.progress is not None:
                options.progress.show(self.recorder.n_iter, point.cost, norm)
            gap = max(aim.gap * point.cost, problem.rounding(point.u, point.cost))
            is_near = norm <= aim.tol and penalty.gap(point.u, point.grad, scales, point.cost, 0.0) <= gap
            certificate = _certificate(problem, point, gap) if is_near else None
            if certificate is not None and certificate.gap <= gap:
                break
            found = None if self.is_over else _step(problem, point, norm, slack)
            if found is None:
                break
            before, slack = point.cost, 0.0
            share, point = found
            self._note([(before, norm, share)], point.u)
        self._penalty = penalty
        return point, _certificate(problem, point, gap) if certificate is None else certificate

    def weaken(self, problem: Problem, point: Point, times: float, aim: Aim) -> tuple[Point, Certificate]:
        return self.minimize(problem, point, aim, max(times - 1.0, 0.0))


def solve(problem: Problem, theta: np.ndarray | None, options: Options) -> Result:
    """Minimize J from theta, or from the best model without the penalized columns; the intercepts of classes sum to 0."""
    found = elastic_net.solve(problem, theta, options, ProximalNewton)
    if problem.fit_intercept:
        problem.loss.remove_common(problem.coordinates.rows(found.theta)[:, -1:])
    return found


def _step(problem: Problem, point: Point, norm: float, slack: float) -> tuple[float, Point] | None:
    """Find a step toward the minimum of the quadratic model that lowers J enough: its share and where it leads."""
    penalty, coordinates = problem.penalty, problem.coordinates
    assert isinstance(penalty, ElasticNet)
    if needs_no_penalized(problem, point):
        return None
    columns = _working_set(problem, point, slack)
    place, held = np.append(columns, coordinates.scales.size - 1), problem.on_columns(columns)
    thresholds = repeated(penalty.thresholds(coordinates.scales), point.u.size)
    u, grad, of_set = (coordinates.rows(each)[:, place].ravel() for each in (point.u, point.grad, thresholds))
    H = held.loss_hessian(u)
    H.flat[::len(H) + 1] += _RIDGE * held.diagonal + held.penalty_diagonal
    v = minimize_quadratic(H, grad, u, of_set, _OF_MODEL * norm / problem.to_mean)
    held.remove_common(v)
    whole = point.u.copy()
    coordinates.rows(whole)[:, place] = v.reshape(-1, place.size)
    return line_search(problem, point, whole, norm)[0]


def _working_set(problem: Problem, point: Point, slack: float) -> np.ndarray:
    """The columns, in order, that may differ from 0 next: the support, and those whose gradients are the most above it."""
    penalty, coordinates, classes = problem.penalty, problem.coordinates, problem.loss.classes
    assert isinstance(penalty, ElasticNet)
    if point.u.size <= _FEW:
        return _in_order(~penalty.is_left_out)
    is_held = _support(problem, point)
    thresholds = np.where(is_held, np.inf, penalty.thresholds(coordinates.scales)[:-1])
    score = np.abs(coordinates.rows(point.grad)[:, :-1]).max(axis=0) / thresholds
    new, support = np.flatnonzero(score > max(1.0 - slack, 0.5)), np.count_nonzero(is_held)
    is_held[new[np.argsort(-score[new], kind="stable")[:max(_FEWEST_NEW, support)]]] = True
    parameters = classes * np.count_nonzero(is_held)
    if parameters > MOST_SIDE:
        raise NotImplementedError(f"l1={penalty.l1:g} keeps {parameters} parameters w, and there is room for the second "
                                  f"derivatives of {MOST_SIDE} at most.  Raise l1; or train with l2 alone, on X without the "
                                  "columns whose penalty factor is infinity")
    return _in_order(is_held)


def _support(problem: Problem, point: Point) -> np.ndarray:
    """Which columns, (n,), have a w other than 0, or no l1 to hold it there."""
    is_not_zero: np.ndarray = (problem.coordinates.rows(point.u) != 0.0).any(axis=0) | problem.penalty.is_smooth(
        problem.coordinates.scales)
    return is_not_zero[:-1]


def _in_order(is_held: np.ndarray) -> np.ndarray:
    """The columns that are held, in order; a problem has at least one."""
    return np.flatnonzero(is_held) if is_held.any() else np.array([0])


def _certificate(problem: Problem, point: Point, enough: float) -> Certificate:
    """What is proved about a point, by its support."""
    columns = _in_order(_support(problem, point))
    at = problem.coordinates.rows(point.u)[:, np.append(columns, -1)].ravel()
    return with_l1(problem, point.u, point.cost, point.grad, problem.on_columns(columns), at, enough=enough)

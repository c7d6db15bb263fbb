"""Proximal Newton's method for the elastic net, on sums over rows alone: for K classes, streams and Dask.

A step minimizes the quadratic model of the loss plus the penalty, l1 included:

    v = argmin  g . (v - u) + (v - u) H (v - u) / 2 + sum_j t_j |v_j|

over the columns of a working set, with the gradient g and the second derivatives H of all classes at u.  A line search on J
makes the step shorter where it has to be.  J comes with its gradient by all columns.  That says in the same read which columns
have to come in, and bounds how far J is above its minimum.  (Lee, Sun and Saunders, Proximal Newton-type methods for minimizing
composite functions, 2014.)
"""

import numpy as np

from fastlr.machine.blas import dot
from fastlr.problem.certificate import Certificate, with_l1
from fastlr.problem.cost_model import MOST_SIDE
from fastlr.problem.penalty import ElasticNet
from fastlr.problem.problem import Problem
from fastlr.solvers import Options, Result, State, elastic_net, weights_and_intercept
from fastlr.solvers.elastic_net import Aim, Point, evaluated, expected_steps, kernels

__all__ = ["ProximalNewton", "expected_steps", "kernels", "minimize_model", "solve"]

# Up to so many parameters all columns are the working set.
_FEW = 400
# The least number of columns that may come into a working set at once; otherwise as many as the support has.
_FEWEST_NEW = 20
# The share of the decrease that a linear model of J promises, which a step has to bring.
_SUFFICIENT = 1e-4
# The shortest step, as a share of the full one.
_SHORTEST = 2.0 ** -30
# The share of the least subgradient that may be left after a step whose change of J is rounding.
_SMALLER = 0.5
# The share of the least subgradient to which the quadratic model is minimized.
_OF_MODEL = 1e-2
# Added to the second derivatives, as a share of their diagonal at the null model, so that collinear columns have a solution.
_RIDGE = 1e-11
# Passes over the coordinates between two linear systems.
_SWEEPS = 3
# Linear systems that the minimum of a quadratic model may take.
_MOST_SYSTEMS = 100


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
            if is_near and _certificate(problem, point, gap).gap <= gap:
                break
            found = None if self.is_over else _step(problem, point, norm, slack)
            if found is None:
                break
            (share, following), before, slack = found, point, 0.0
            point = following
            self.recorder.add([(before.cost, norm, share)])
            if options.callback is not None:
                theta = self._coordinates.parameters(point.u).reshape(problem.shape)
                state = State(self.recorder.n_iter, before.cost, *weights_and_intercept(theta), self.recorder.elapsed())
                self.is_stopped = bool(options.callback(state))
        self._penalty = penalty
        return point, _certificate(problem, point, gap)

    def weaken(self, problem: Problem, point: Point, times: float, aim: Aim) -> tuple[Point, Certificate]:
        return self.minimize(problem, point, aim, max(times - 1.0, 0.0))


def solve(problem: Problem, theta: np.ndarray | None, options: Options) -> Result:
    """Minimize J from theta, or from the best model without the penalized columns; the intercepts of classes sum to 0."""
    found = elastic_net.solve(problem, theta, options, ProximalNewton)
    if problem.fit_intercept:
        problem.loss.remove_common(problem.coordinates.rows(found.theta)[:, -1:])
    return found


def minimize_model(H: np.ndarray, grad: np.ndarray, u: np.ndarray, thresholds: np.ndarray, enough: float) -> np.ndarray:
    """Minimize grad . (v - u) + (v - u) H (v - u) / 2 + sum_j thresholds_j |v_j| over v.

    Coordinate descent finds which v_j are 0 and the signs of the others.  For these signs the minimum is the solution of a linear
    system.  On the way there, components that would change their sign stop at 0.

    Parameters
    ----------
    H : (k, k)
        Symmetric, and positive on its diagonal.
    grad, u : (k,)
        The start, and the gradient of the smooth part there.
    thresholds : (k,)
        At least 0.
    enough : float
        The largest least subgradient that may be left.
    """
    v, q = u.copy(), grad.copy()                # q is the gradient of the smooth part at v
    share, before = 0.0, np.inf
    for _ in range(_MOST_SYSTEMS):
        left = float(np.abs(_least_subgradient(v, q, thresholds)).max())
        if share == 1.0 and left > _SMALLER * before:
            break                               # what is left is rounding
        before = left
        for _ in range(_SWEEPS):
            violated = np.flatnonzero(np.abs(_least_subgradient(v, q, thresholds)) > enough)
            if not violated.size:
                return v
            for j in violated:
                curvature = H[j, j]
                target = curvature * v[j] - q[j]
                least = np.copysign(max(abs(target) - thresholds[j], 0.0), target) / curvature
                if least != v[j]:
                    q += (least - v[j]) * H[j]
                    v[j] = least
        support = np.flatnonzero((v != 0.0) | (thresholds == 0.0))
        slope = q[support] + thresholds[support] * np.sign(v[support])
        step = -np.linalg.solve(H[np.ix_(support, support)], slope)
        is_held = thresholds[support] > 0.0
        share = 1.0
        while share >= _SHORTEST:
            crosses = is_held & (v[support] * (v[support] + share * step) < 0.0)
            moved = np.where(crosses, -v[support], share * step)
            Hm = moved @ H[support]
            size = np.abs(v[support] + moved) - np.abs(v[support])
            if dot(moved, q[support] + 0.5 * Hm[support]) + dot(thresholds[support], size) < 0.0:
                v[support] += moved
                v[support[crosses]] = 0.0
                q += Hm
                break
            share *= 0.5
        share = 0.0 if crosses.any() else share
    return v


def _least_subgradient(v: np.ndarray, q: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return np.where(v != 0.0, q + thresholds * np.sign(v), np.maximum(np.abs(q) - thresholds, 0.0))


def _step(problem: Problem, point: Point, norm: float, slack: float) -> tuple[float, Point] | None:
    """Find a step toward the minimum of the quadratic model that lowers J enough: its share and where it leads."""
    penalty, coordinates = problem.penalty, problem.coordinates
    assert isinstance(penalty, ElasticNet)
    if elastic_net._needs_no_penalized(problem, point):
        return None
    columns = _working_set(problem, point, slack)
    place, held = np.append(columns, coordinates.scales.size - 1), problem.on_columns(columns)
    u, grad = (coordinates.rows(each)[:, place].ravel() for each in (point.u, point.grad))
    thresholds = np.tile(penalty.thresholds(coordinates.scales)[place], problem.loss.classes)
    H = held.loss_hessian(u)
    H.flat[::len(H) + 1] += _RIDGE * held.diagonal + held.penalty_diagonal
    v = minimize_model(H, grad, u, thresholds, _OF_MODEL * norm / problem.to_mean)
    part = (v - u).reshape(-1, place.size)
    is_free = np.append(penalty.is_unpenalized(coordinates.scales), True)[place]
    of_free = part[:, is_free]
    problem.loss.remove_common(of_free)
    part[:, is_free] = of_free
    step = np.zeros(point.u.size)
    coordinates.rows(step)[:, place] = part
    whole = point.u + step
    coordinates.rows(whole)[:, columns] = np.where(v.reshape(part.shape)[:, :-1] == 0.0, 0.0,
                                                   coordinates.rows(whole)[:, columns])
    of_all = np.tile(penalty.thresholds(coordinates.scales), problem.loss.classes)
    promised = -dot(point.grad, step) - dot(of_all, np.abs(whole) - np.abs(point.u))
    is_hidden, share = promised <= problem.rounding(point.u, point.cost), 1.0
    while share >= _SHORTEST:
        there = evaluated(problem, whole if share == 1.0 else point.u + share * step)
        if is_hidden:
            left = problem.bounded_by_tol(penalty.least_subgradient(there.u, there.grad, coordinates.scales))
            return (share, there) if left <= _SMALLER * norm else None
        if there.cost <= point.cost - _SUFFICIENT * share * promised:
            return share, there
        share *= 0.5
    return None


def _working_set(problem: Problem, point: Point, slack: float) -> np.ndarray:
    """The columns, in order, that may differ from 0 next: the support, and those whose gradients are the most above it."""
    penalty, coordinates, classes = problem.penalty, problem.coordinates, problem.loss.classes
    assert isinstance(penalty, ElasticNet)
    thresholds = penalty.thresholds(coordinates.scales)[:-1]
    is_held = (coordinates.rows(point.u)[:, :-1] != 0.0).any(axis=0) | penalty.is_unpenalized(coordinates.scales)
    if point.u.size <= _FEW:
        is_held = ~penalty.is_left_out
    else:
        score = np.abs(coordinates.rows(point.grad)[:, :-1]).max(axis=0) / np.where(is_held, np.inf, thresholds)
        new, support = np.flatnonzero(score > max(1.0 - slack, 0.5)), np.count_nonzero(is_held)
        is_held[new[np.argsort(-score[new], kind="stable")[:max(_FEWEST_NEW, support)]]] = True
    if classes * np.count_nonzero(is_held) > MOST_SIDE:
        raise NotImplementedError(f"l1 has come to {np.count_nonzero(is_held)} columns with {classes} parameters each, and there "
                                  f"is room for the second derivatives of {MOST_SIDE} parameters; raise l1, or use l2")
    return np.flatnonzero(is_held) if is_held.any() else np.array([0])


def _certificate(problem: Problem, point: Point, enough: float) -> Certificate:
    """What is proved about a point, by its support and the columns without a penalty."""
    penalty, rows = problem.penalty, problem.coordinates.rows(point.u)
    assert isinstance(penalty, ElasticNet)
    is_held = (rows[:, :-1] != 0.0).any(axis=0) | penalty.is_unpenalized(problem.coordinates.scales)
    columns = np.flatnonzero(is_held) if is_held.any() else np.array([0])
    held, at = problem.on_columns(columns), rows[:, np.append(columns, -1)].ravel()
    return with_l1(problem, point.u, point.cost, point.grad, held, at, enough=enough)

"""Firth's penalized likelihood: estimates that are finite where the classes are separated, and less biased in small samples.

Jeffreys' prior is the root of the determinant of the information I = sum_i s_i a_i (1 - a_i) v_i v_i^T, with v_i = [x_i, 1].
Minimized is, on the scale of the mean over N examples,

    J = (1/N) (sum_i s_i loss_i - 1/2 log det I)

Its gradient takes the leverages h_i into account (Firth, Bias reduction of maximum likelihood estimates, 1993):

    dJ = (1/N) sum_i (s_i (a_i - y_i) + h_i (a_i - 1/2)) v_i

This is the gradient that the data would have with two more rows for every row, one of each class, that weigh h_i / 2.  A step is
Newton's for these data, with h held fixed, and shorter where it does not lower J (Heinze and Schemper, A solution to the problem
of separation in logistic regression, 2002).
"""

import math
from typing import NamedTuple

import numpy as np

from fastlr.data.leverages import jeffreys_gradient_and_hessian
from fastlr.machine import blas
from fastlr.machine.warnings import ConvergenceWarning
from fastlr.machine.wording import listed
from fastlr.problem.better_coordinates import near_origin
from fastlr.problem.problem import Problem
from fastlr.solvers import Options, Result
from fastlr.solvers.newton import EXPECTED_STEPS, kernels
from fastlr.solvers.recorder import Recorder

__all__ = ["EXPECTED_STEPS", "cost_gradient", "kernels", "solve"]

# The share of the decrease that a linear model of J promises, which a step has to bring.
_SUFFICIENT = 1e-4
# The shortest step, as a share of the full one.
_SHORTEST = 2.0 ** -40
# The promised decrease of J, as a share of the loss, up to which rounding hides it: the gradient then says if a step is good.
_HIDDEN = 1e-9
# The least eigenvalue of an information with a diagonal of ones; below it, columns depend on each other.
_LEAST_EIGENVALUE = 1e-11
# Earlier steps that Anderson's acceleration combines.
_REMEMBERED = 5


class _Cost(NamedTuple):
    """J at a point and what it is made of."""

    J: float
    loss: float
    gradient: np.ndarray        # (n + 1,) by u, of the loss
    H: np.ndarray               # (k, k) the second derivatives of the loss by the k free parameters
    P: np.ndarray               # (k, k) H^-1 = P^T P


class _Point(NamedTuple):
    """A point, and what leads on from there."""

    u: np.ndarray
    cost: _Cost
    gradient: np.ndarray        # (n + 1,) by u, of J
    step: np.ndarray            # (n + 1,) Newton's
    gap: float                  # half of the decrease that the step promises
    grad_norm: float            # what tol bounds


def solve(problem: Problem, theta: np.ndarray | None, options: Options) -> Result:
    """Minimize J from theta, or from the best model with w = 0."""
    if not problem.costs.has_room_for_hessian:
        raise ValueError(f"firth=True needs the information of all parameters, which {problem.costs.columns} features make too "
                         "large; train on fewer, or use l2")
    problem, u, _ = problem.start(theta)
    near = near_origin(problem)
    problem, u = near, near.coordinates.from_other(problem.coordinates, u)
    start = _cost(problem, u)
    if start is None:
        _refuse_dependent_columns(problem)
        raise ValueError("J is infinite at the start: init and X together leave no curvature.  Start closer to 0")
    here, recorder = _point(problem, u, start), Recorder(options)
    path: list[_Point] = []
    while True:
        recorder.show(here.cost.J, here.grad_norm)
        enough = max(options.tol * here.cost.loss, problem.rounding(here.u, here.cost.loss))
        is_optimum = here.grad_norm <= options.tol and here.gap <= enough
        if is_optimum or recorder.is_over:
            break
        path = [*path[-_REMEMBERED:], here]
        found = _line_search(problem, here, _accelerated(path)) or _line_search(problem, here, here.step)
        if found is None:
            break
        share, here = found
        recorder.add([(path[-1].cost.J, path[-1].grad_norm, share)])
        recorder.ask(problem, here.u)
    return _result(problem, here, recorder, options, is_optimum)


def _result(problem: Problem, point: _Point, recorder: Recorder, options: Options, is_optimum: bool) -> Result:
    has_converged, grad_norm, warning = is_optimum and options.tol > 0.0, point.grad_norm, None
    reason = f"the gradient of the penalized J is at most tol={options.tol:g}" if has_converged else recorder.ending.told(options)
    if options.tol == 0.0:
        grad_norm = math.nan
    elif not (has_converged or recorder.is_stopped):
        warning = ConvergenceWarning(f"training did not converge: after {recorder.n_iter} updates the gradient is "
                                     f"{grad_norm:.3g} at J = {point.cost.J:.6g}, with tol={options.tol:g}, and {reason}.  "
                                     f"{recorder.ending.advice}")
    theta = problem.coordinates.parameters(point.u)
    return Result(theta, recorder.history(point.cost.J, grad_norm), has_converged, reason, "firth", grad_norm, point.gap,
                  "estimate", warning)


def cost_gradient(problem: Problem, u: np.ndarray) -> tuple[float, np.ndarray]:
    """J at u and its gradient by u, (n + 1,); infinity and NaN where the information is singular."""
    here = _cost(problem, u)
    return (math.inf, np.full_like(u, np.nan)) if here is None else (here.J, _point(problem, u, here).gradient)


def _cost(problem: Problem, u: np.ndarray) -> _Cost | None:
    """Compute J at u in two reads; None where it is infinite."""
    loss, gradient = problem.evaluate(u)
    free = u.size - (not problem.fit_intercept)
    H = problem.hessian(u)[:free, :free]
    P = _inverse_factor(H)
    if P is None or not math.isfinite(loss):
        return None
    N = _examples(problem)
    log_det = free * math.log(N) - 2.0 * float(np.log(P.diagonal()).sum()) + 2.0 * float(np.log(problem.coordinates.spread).sum())
    return _Cost(loss - 0.5 * log_det / N, loss, gradient, H, P)


def _examples(problem: Problem) -> float:
    """The sum of the weights on the mean scale, and 1 on that of sums: what divides log det I in J."""
    return problem.examples * problem.to_mean


def _inverse_factor(H: np.ndarray) -> np.ndarray | None:
    """P with H^-1 = P^T P; None where H is singular to float64."""
    size = np.sqrt(H.diagonal())
    if not (size > 0.0).all():
        return None
    try:
        P = blas.inverse_factor(H / np.outer(size, size))
    except np.linalg.LinAlgError:
        return None
    return P / size if np.vecdot(P.T, P.T).max() <= 1.0 / _LEAST_EIGENVALUE else None


def _point(problem: Problem, u: np.ndarray, here: _Cost) -> _Point:
    """Compute the gradient of J at u, where J is known, and a step, in one read."""
    N, free = _examples(problem), len(here.P)
    coordinates, of_sums = problem.coordinates, here.P * math.sqrt(problem.to_cost)
    by_penalty, change = problem.data.reduce(jeffreys_gradient_and_hessian, coordinates.center, coordinates.spread, u, of_sums)
    gradient, step = here.gradient.copy(), np.zeros_like(u)
    gradient[:free] += by_penalty / N
    P = _inverse_factor(here.H + change / N)
    assert P is not None                        # it is larger than H
    along = P @ gradient[:free]
    step[:free] = -P.T @ along
    return _Point(u, here, gradient, step, 0.5 * float(along @ along), problem.bounded_by_tol(gradient))


def _accelerated(path: list[_Point]) -> np.ndarray:
    """Combine the last steps so that they cancel best, as if the step were a linear function of u (Anderson, 1965)."""
    u, steps = np.array([point.u for point in path]), np.array([point.step for point in path])
    changes = np.diff(steps, axis=0)
    shares = np.linalg.lstsq(changes.T, steps[-1])[0]
    return steps[-1] - shares @ (np.diff(u, axis=0) + changes)


def _line_search(problem: Problem, here: _Point, direction: np.ndarray) -> tuple[float, _Point] | None:
    """Find the longest of the whole direction, half of it, a quarter ... that lowers J enough: its share and where it leads."""
    promised, share = -float(direction @ here.gradient), 1.0
    while promised > 0.0 and share >= _SHORTEST:
        u = here.u + share * direction
        cost = _cost(problem, u)
        if cost is not None:
            if share * promised <= _HIDDEN * here.cost.loss:
                there = _point(problem, u, cost)
                return (share, there) if there.gap < here.gap else None
            if cost.J <= here.cost.J - _SUFFICIENT * share * promised:
                return share, _point(problem, u, cost)
        share *= 0.5
    return None


def _refuse_dependent_columns(problem: Problem) -> None:
    """Raise ValueError, naming the columns, where some depend linearly on others: log det I is then infinite everywhere."""
    u = np.zeros(problem.data.shape[1] + 1)
    H = problem.hessian(u)
    size = np.sqrt(np.where(H.diagonal() > 0.0, H.diagonal(), 1.0))
    eigenvalues, V = np.linalg.eigh(H / np.outer(size, size))
    flat = np.abs(V[:-1, eigenvalues <= _LEAST_EIGENVALUE]).max(axis=1, initial=0.0)
    if flat.any():
        columns = [problem.column(int(j)) for j in np.flatnonzero(flat > 1e-5)]
        raise ValueError(f"firth=True needs columns that don't depend on each other, and these do: {listed(columns)}.  Drop one "
                         "of them, or use l2")

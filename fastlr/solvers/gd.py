"""Gradient descent: w := w - alpha dw, b := b - alpha db, over all examples each time."""

import math
import time

import numpy as np

from fastlr._objective import Objective
from fastlr._warnings import ConvergenceWarning
from fastlr.backends._descent import CONVERGED, DIVERGED, GOING, Rule
from fastlr.solvers import DEFAULT_MAX_ITER, Options, Result, State

_SECONDS_A_CALL = 0.05          # of steps in one compiled call: Ctrl-C is answered between calls
_CEILING = 1e6                  # a cost so many times that of the start is the work of a learning rate that is far too large


def expected_steps(options: Options) -> int:
    """See `fastlr.solvers`."""
    return DEFAULT_MAX_ITER if options.max_iter is None else options.max_iter


def solve(objective: Objective, theta: np.ndarray, options: Options) -> Result:
    """Descend from theta until the gradient is at most `tol`, or for `max_iter` updates if `tol` is 0.

    Without a learning rate the step is 1/L, L the largest curvature J has anywhere: J never rises.
    """
    max_iter = DEFAULT_MAX_ITER if options.max_iter is None else options.max_iter
    start = time.perf_counter()
    rule = _rule(objective, theta, options)
    previous, pieces = theta.copy(), [np.empty(0)]
    n_iter, steps, status = 0, 1, GOING
    reason = f"max_iter={max_iter} updates were made"

    while n_iter < max_iter and status == GOING:
        costs = np.empty(min(steps, max_iter - n_iter))
        call = time.perf_counter()
        updates, status = objective.descend(theta, previous, rule, costs)
        if n_iter == 0:         # the first call is one step: its cost sets the ceiling for all others, its time their number
            rule = rule._replace(ceiling=_CEILING * max(costs[0], objective.cost_of_guessing()))
        n_iter += updates
        pieces.append(costs[:updates])
        if options.callback is None:
            steps = max(1, int(costs.size * _SECONDS_A_CALL / (time.perf_counter() - call)))
        elif status == GOING and options.callback(
                State(n_iter, float(costs[-1]), theta[:-1].copy(), float(theta[-1]), time.perf_counter() - start)):
            reason = "the callback asked to stop"
            rule = rule._replace(tol=0.0)
            break
    if status == CONVERGED:
        reason = f"the gradient is at most tol={options.tol:g}"

    all_costs = np.concatenate(pieces)
    cost, grad = (float(costs[updates]), None) if status == DIVERGED else objective.cost_gradient(theta)
    if math.isfinite(cost) and cost <= rule.ceiling and grad is not None:
        return _result(objective, theta, all_costs, cost, grad, rule.tol, reason)
    if n_iter == 0:
        raise ValueError(f"J is {cost} at the start: init and X together are too large for float64")
    return _diverged(objective, previous, all_costs, cost, rule.alpha)


def _rule(objective: Objective, theta: np.ndarray, options: Options) -> Rule:
    alpha = options.learning_rate or 1.0 / max(objective.lipschitz(), np.finfo(float).tiny)
    rule = objective.rule._replace(alpha=alpha, tol=options.tol)
    if options.tol > 0.0:
        center, spread = objective.standardisation
        rule = rule._replace(center=center, spread=spread)
    return rule


def _result(objective: Objective, theta: np.ndarray, costs: np.ndarray, cost: float, grad: np.ndarray, tol: float,
            reason: str) -> Result:
    grad_norm = objective.gradient_norm(grad) if tol > 0.0 else math.nan
    converged = grad_norm <= tol
    warning = None
    if tol > 0.0 and not converged:
        warning = ConvergenceWarning(
            f"gradient descent did not converge: after {costs.size} updates the gradient is {grad_norm:.3g}, above "
            f"tol={tol:g}, at J = {cost:.6g}.  Raise max_iter, bring the features to one scale, or set a larger tol")
    return Result(theta, cost, costs, converged, reason, grad_norm, None, "gd", warning)


def _diverged(objective: Objective, previous: np.ndarray, costs: np.ndarray, cost: float, alpha: float) -> Result:
    """The parameters before the last update, the one that led to `cost`."""
    reason = f"diverged: J rose from {costs[0]:.3g} to {cost:.3g} at update {costs.size}"
    warning = ConvergenceWarning(
        f"gradient descent {reason}; the parameters before that update are returned.  The learning rate {alpha:g} is far too "
        "large for features of this scale: lower it, bring the features to one scale, or leave it out for a step that is "
        "guaranteed to descend")
    return Result(previous, objective.cost_gradient(previous)[0], costs[:-1], False, reason, math.nan, None, "gd", warning)

"""Gradient descent's rule, and the loop for backends that have no compiled one.

The rule is everything a step needs to know besides the data.  From the sums of a kernel it makes, on the scale of J,

    J  = scale * loss + l2/2 ||w||^2        dw = scale * dw_sum + l2 w        db = scale * db_sum

then tests the cost, tests convergence, and updates theta := theta - alpha * gradient.  Parameters of K classes, and their
gradient, are K such rows.  `apply` is plain Python that Numba compiles too; `compiled.descent` has what it calls as loops.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastlr.machine.blas import dot

GOING, CONVERGED, DIVERGED, EVALUATED = 0, 1, 2, 3


class Rule(NamedTuple):
    """One step of gradient descent."""

    alpha: float            # learning rate; 0: evaluate J and the gradient, update nothing
    intercept: float        # 1.0, or 0.0 to leave b where it is
    scale: float            # from sums to J: 1 / sum of weights for "mean", 1 for "sum"
    l2: float
    tol: float              # 0: never stop early
    ceiling: float          # a cost above it has diverged
    to_mean: float          # from the scale of J to the mean scale, on which tol is meant
    center: np.ndarray      # (n,) mu_j, and
    spread: np.ndarray      # (n,) sd_j: converged when |dw_j - mu_j db| / sd_j <= tol for every j; both (0,) if tol is 0


SUMS = Rule(alpha=0.0, intercept=1.0, scale=1.0, l2=0.0, tol=0.0, ceiling=math.inf, to_mean=1.0,
            center=np.empty(0), spread=np.empty(0))
"""The rule that leaves a kernel's sums as they are."""


def gradient_norm(grad: np.ndarray, rule: Rule) -> float:
    """The largest component of the gradient in standardised coordinates, on the mean scale: what `tol` bounds."""
    dw, db = grad[..., :-1], grad[..., -1:]
    return float(rule.to_mean * max(np.max(np.abs(db)), np.max(np.abs(dw - rule.center * db) / rule.spread)))


def scaled_cost_gradient(loss: float, grad: np.ndarray, theta: np.ndarray, rule: Rule) -> float:
    """J from the sum of losses; `grad` is turned from sums into the gradient of J in place."""
    w = theta[..., :-1]
    grad *= rule.scale
    grad[..., :-1] += rule.l2 * w
    if rule.intercept == 0.0:
        grad[..., -1] = 0.0
    flat = w.ravel()
    return float(rule.scale * loss + 0.5 * rule.l2 * dot(flat, flat))


def update(theta: np.ndarray, previous: np.ndarray, alpha: float, grad: np.ndarray) -> None:
    """previous = theta, and theta -= alpha grad."""
    previous[:] = theta
    theta -= alpha * grad


def apply(loss: float, grad: np.ndarray, theta: np.ndarray, previous: np.ndarray, rule: Rule) -> tuple[int, float, float]:
    """One update in place.

    Returns
    -------
    status : int
        GOING: theta is updated, and `previous` is what it was.  Otherwise both stay.  CONVERGED: the gradient is small.
        DIVERGED: `previous` has the last parameters whose cost was acceptable.  EVALUATED: the learning rate is 0.
    cost : float
        J at the theta that came in.
    grad_norm : float
        What `tol` bounds, there; NaN where tol is 0 or J has diverged.
    """
    cost = scaled_cost_gradient(loss, grad, theta, rule)
    if rule.alpha == 0.0:
        return EVALUATED, cost, math.nan
    if not (math.isfinite(cost) and cost <= rule.ceiling):
        return DIVERGED, cost, math.nan
    grad_norm = gradient_norm(grad, rule) if rule.tol > 0.0 else math.nan
    if grad_norm <= rule.tol:
        return CONVERGED, cost, grad_norm
    update(theta, previous, rule.alpha, grad)
    return GOING, cost, grad_norm


def descend(cost_gradient: Callable[[np.ndarray, np.ndarray], float], theta: np.ndarray, previous: np.ndarray, rule: Rule,
            record: np.ndarray) -> tuple[int, int]:
    """At most `len(record)` updates of theta in place; record[i] is J and the gradient's norm before update i.

    Returns
    -------
    updates : int
        How many were made.
    status : int
        GOING, CONVERGED or DIVERGED.
    """
    grad = np.empty_like(theta)
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(len(record)):
            loss = cost_gradient(theta, grad)
            status, record[step, 0], record[step, 1] = apply(loss, grad, theta, previous, rule)
            if status != GOING:
                return step, status
    return len(record), GOING

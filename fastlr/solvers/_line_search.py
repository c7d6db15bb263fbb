"""How far to go along a direction: all the way where that lowers J, else to where J is expected to be least, and again."""

import math
from typing import NamedTuple

import numpy as np

from fastlr._one_thread import dot
from fastlr._standardised import Standardised

_ENOUGH = 1e-4                  # of the decrease that the slope promises (Armijo)
_FLATTER = 0.9                  # where J says nothing, the slope has to fall to this
_TRIALS = 40
_TRIALS_BY_CUBIC = 8            # more say that the direction is out of all proportion
_TRIALS_BY_SLOPE = 8            # more say that the slope is rounding too


class Step(NamedTuple):
    """Where a step has led."""

    u: np.ndarray
    cost: float
    grad: np.ndarray
    length: float               # 1: all the way


def line_search(problem: Standardised, u: np.ndarray, cost: float, grad: np.ndarray, p: np.ndarray) -> Step | None:
    """The step from u along p, or None if no step lowers J any more."""
    slope = dot(grad, p)
    if not slope < 0.0:
        return None
    t = 1.0
    by_slope = 0
    rounding = problem.rounding(u, cost)
    for k in range(_TRIALS):
        trial = u + t * p
        trial_cost, trial_grad = problem.cost_gradient(trial)
        if trial_cost <= cost + _ENOUGH * t * slope and -t * slope > rounding:
            return Step(trial, trial_cost, trial_grad, t)
        trial_slope = dot(trial_grad, p)
        if not trial_cost <= cost + rounding:
            t = _minimum_of_cubic(t, cost, slope, trial_cost, trial_slope) if k < _TRIALS_BY_CUBIC else 1e-3 * t
            continue
        if abs(trial_slope) <= _FLATTER * abs(slope):
            return Step(trial, trial_cost, trial_grad, t)
        by_slope += 1
        if by_slope == _TRIALS_BY_SLOPE:
            return None
        t *= min(max(slope / (slope - trial_slope), 0.05), 0.7) if trial_slope > 0.0 else 2.0
    return None


def _minimum_of_cubic(t: float, cost: float, slope: float, trial_cost: float, trial_slope: float) -> float:
    """Where the cubic with these values and slopes at 0 and t is least, kept well inside; near 0 if J overflowed."""
    d1 = slope + trial_slope + 3.0 * (cost - trial_cost) / t
    radicand = d1 * d1 - slope * trial_slope
    if not math.isfinite(radicand):
        return 0.01 * t
    if radicand < 0.0:
        return 0.5 * t
    d2 = math.sqrt(radicand)
    denominator = trial_slope - slope + 2.0 * d2
    if denominator == 0.0:
        return 0.5 * t
    return min(max(t - t * (trial_slope + d2 - d1) / denominator, 0.05 * t), 0.7 * t)

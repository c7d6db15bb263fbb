"""How far to go along a direction: all the way where that lowers J, else to where J is expected to be least, and again."""

from typing import NamedTuple

import numpy as np

from fastlr.backends.step_rules import ENOUGH, FLATTER, TRIALS_BY_CUBIC, minimum_of_cubic
from fastlr.machine.blas import dot
from fastlr.problem.standardised import Standardised

_TRIALS = 40
_TRIALS_BY_SLOPE = 8            # more say that the slope is rounding too
_TRIALS_AHEAD = 12              # each twice as far ahead, compared with the one before, as that: 10^23 steps in all


class Step(NamedTuple):
    """Where a step has led."""

    u: np.ndarray
    cost: float
    grad: np.ndarray
    length: float               # 1: all the way


def line_search(problem: Standardised, u: np.ndarray, cost: float, slope: float, p: np.ndarray, rounding: float) -> Step | None:
    """The step from u along p, or None if no step lowers J any more.

    Parameters
    ----------
    problem : Standardised
    u : (n + 1,)
    cost, slope : float
        J at u, and the gradient there times p.
    p : (n + 1,)
    rounding : float
        A difference of J that says nothing.
    """
    if not slope < 0.0:
        return None
    t = 1.0
    by_slope = ahead = 0
    for k in range(_TRIALS):
        trial = u + t * p
        trial_cost, trial_grad = problem.cost_gradient(trial)
        if trial_cost <= cost + ENOUGH * t * slope and -t * slope > rounding:
            return Step(trial, trial_cost, trial_grad, t)
        trial_slope = dot(trial_grad, p)
        if not trial_cost <= cost + rounding:
            t = minimum_of_cubic(t, cost, slope, trial_cost, trial_slope) if k < TRIALS_BY_CUBIC else 1e-3 * t
            continue
        if abs(trial_slope) <= FLATTER * abs(slope):
            return Step(trial, trial_cost, trial_grad, t)
        if trial_slope > 0.0:
            by_slope += 1
            t *= min(max(slope / (slope - trial_slope), 0.05), 0.7)
        else:
            ahead += 1
            t *= 2.0 ** ahead           # where one row alone has made the step short, the end may be far away
        if by_slope == _TRIALS_BY_SLOPE or ahead == _TRIALS_AHEAD:
            return None
    return None

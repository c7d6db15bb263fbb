"""What a descent along -M g is told and what it decides by: for the engine in Python and for the compiled one.

M approximates an inverse Hessian, see `fastlr.solvers.quasi_newton`; the gap is grad^T M grad / 2.
"""

import math
from typing import NamedTuple

import numpy as np

ENOUGH = 1e-4                   # of the decrease that the slope promises (Armijo)
FLATTER = 0.9                   # where J says nothing, the slope has to fall to this
TRIALS_BY_CUBIC = 8             # more say that the direction is out of all proportion
ROUNDING = 1e-12                # of J, relative: smaller differences may be those of adding up a million losses
_EPS = 2.0 ** -52
MEMORY = 10                     # steps that correct M
GAPS = 1024
_MOST_EVIDENCE = GAPS - 3       # steps
_WORST_RATE = 0.999             # as good as none
_SMALLEST_TOL = 1e-16           # beyond which tol is out of reach

DUE, DIAGONAL, SAMPLED, HESSIAN = 0, 1, 2, 3    # what M is made from: SAMPLED is a Hessian of other rows
KIND, PAIRS, ARRIVALS, AIMED = 0, 1, 2, 3       # places in `MetricArrays.state`


class Space(NamedTuple):
    """The standardised coordinates u of theta, and J in them."""

    center: np.ndarray      # (n,) mu_j
    scales: np.ndarray      # (n + 1,) 1 / sd_j, and 1
    penalty: np.ndarray     # (n + 1,) l2 / sd_j^2, and 0
    diagonal: np.ndarray    # (n + 1,) of a Hessian that costs nothing
    ratio: np.ndarray       # (n,) and
    shift: np.ndarray       # (n,): tol bounds |ratio_j dw_j + shift_j db| and |db|, times
    to_mean: float          # as in Rule
    scale: float            # as in Rule
    intercept: float


class Goal(NamedTuple):
    """Where a descent ends, and what it costs on the way."""

    tol: float              # of the gradient's norm, at the very end
    gap: float              # that is small enough in its place; 0 for none
    cost: float             # at which the caller has a look
    steps_a_hessian: float  # what a Hessian costs
    evidence: float         # the same, for `steps_of_evidence`; 0 where steps cost nothing
    rate_with_hessian: float    # by what factor a step with it is expected to shrink the gradient
    ridge: float            # of the diagonal, added to a Hessian


class MetricArrays(NamedTuple):
    """What M is made from, the last steps that correct it, and how fast it has been."""

    state: np.ndarray       # (4,) int64: what M is made from; the number of pairs; of gaps; whether p is known here
    factor: np.ndarray      # (n + 1, n + 1) P, lower triangular, with P^T P the inverse of a Hessian; (0, 0) where there is none
    steps: np.ndarray       # (MEMORY, n + 1) of u, the oldest first, and
    changes: np.ndarray     # (MEMORY, n + 1) of the gradient in them
    curvatures: np.ndarray  # (MEMORY,) their products
    gaps: np.ndarray        # (GAPS,) at the last points, in turns
    least: np.ndarray       # (1,) the gradient's norm that is to be halved where J says nothing


def rounding(cost: float, cancelled: float, to_mean: float) -> float:
    """A difference of J that may be rounding: also of margins w x, of size `cancelled`, where b takes most of it.

    A margin that is off by e changes a loss by at most e, and by at most e times the loss.
    """
    return ROUNDING * abs(cost) + _EPS * cancelled * min(1.0 / to_mean, abs(cost))


def minimum_of_cubic(t: float, cost: float, slope: float, trial_cost: float, trial_slope: float) -> float:
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


def steps_of_evidence(steps_a_hessian: float, kind: int) -> int:
    """Over how many steps to look for the rate before a Hessian is made: as many as it costs, half of that for the first.

    One more from the diagonal, whose first step nothing has corrected.
    """
    steps = math.floor(min(steps_a_hessian if kind == HESSIAN else 0.5 * steps_a_hessian, _MOST_EVIDENCE) + 0.5)
    return int(max(2, steps + 1) if kind == DIAGONAL else max(1, steps))


def rate_of_gaps(before: float, after: float, steps: int) -> float:
    """By what factor each of some steps has shrunk the gradient."""
    return (after / before) ** (0.5 / steps)


def steps_left(grad_norm: float, rate: float, tol: float) -> float:
    """How many steps it takes from a gradient to tol, if each shrinks it by a rate; none as far as is known for a rate of 0."""
    if rate == 0.0 or grad_norm <= tol:
        return 0.0
    return math.log(grad_norm / max(tol, _SMALLEST_TOL)) / -math.log(min(rate, _WORST_RATE))

"""Descent along -M g as a state machine over small arrays: the engine of "newton", "lbfgs" and "auto".

It is written once, in plain Python that Numba compiles too.  M approximates the inverse Hessian: it is the inverse of a Hessian,
or of its diagonal, somewhere near, corrected by the last steps (the two-loop recursion of L-BFGS: Nocedal and Wright, Numerical
Optimization, algorithm 7.4).  A correction is free; a new Hessian costs as much as several steps.  So one is asked for only when
the steps that are left, at the rate at which the gradient has been shrinking, would cost more than the Hessian and the steps that
are left with it.

Whoever drives the engine calls `advance` until it returns DONE, and answers what else it returns:

    EVALUATE            at.trial_cost = J at `trial`, and trial_grad = its gradient
    HESSIAN             `factor` = P with P^T P the inverse of the Hessian at u; at.is_definite = whether there is one
    SAMPLE_HESSIAN      the same from a sample of the rows
    DIRECTION           p = where to go from u, for an M of the kind SOLVED
    POINT               nothing: u, grad and p are those of a new point, which the caller may look at

A trial of the line search is an EVALUATE like any other.  All vectors have n + 1 components: the coordinates u of the parameters,
with the intercept last.
"""

import ctypes
import math
from typing import NamedTuple, TypeVar, get_type_hints

import numpy as np

from fastlr.backends.vectors import (
    add_multiple,
    combine,
    dot,
    lower_times,
    lower_transposed_times,
    multiply,
    remove_common,
    scale_into,
    standardised_size,
    weighted_size,
)

NOTHING, EVALUATE, HESSIAN, SAMPLE_HESSIAN, DIRECTION, POINT, DONE = range(7)
"""What `advance` asks for; NOTHING has been asked for at the start."""
DUE, DIAGONAL, SAMPLED, EXACT, SOLVED = range(5)
"""What M is made from: a Hessian that is yet to be made, a diagonal, a Hessian of other rows, or of these; or SOLVED, no M."""

PAIRS = 10                      # steps that correct M at most
GAPS = 1024                     # points whose gap is remembered
ROUNDING = 1e-12                # of J, relative: smaller differences may be those of adding up a million losses
_EPS = 2.0 ** -52
_ENOUGH = 1e-4                  # of the decrease that the slope promises, what a step has to bring (Armijo)
_FLATTER = 0.9                  # of the slope, what may be left at the end of a step where J says nothing
_TRIALS = 40                    # trials of a line search at most,
_TRIALS_BY_CUBIC = 8            # of which so many by a cubic: more say that the direction is out of all proportion
_TRIALS_BY_SLOPE = 8            # trials by the slope: more say that the slope is rounding too
_TRIALS_AHEAD = 12              # trials further ahead, each twice as far compared with the one before as that: 10^23 steps in all
_STEPS_OF_CLASSES = 2           # steps that show the size of second derivatives of each class alone; one may mislead
_STALE = 10                     # steps in a row, too small for J to tell, that have not brought the gradient to
_STALE_SHARE = 0.5              # this share, where M starts from a Hessian; and
_STALE_OF_DIAGONAL = 100        # likewise where it starts from a diagonal, with which the rate may be poor
_STALE_SHARE_OF_DIAGONAL = 0.9
_MOST_EVIDENCE = GAPS - 3       # steps over which a rate is looked for
_WORST_RATE = 0.999             # a rate as good as none
_SMALLEST_TOL = 1e-16           # a tol beyond reach

_Record = TypeVar("_Record", bound=type[ctypes.Structure])


class Scale(NamedTuple):
    """The coordinates u of theta, and J in them."""

    center: np.ndarray          # (n,) mu_j
    scales: np.ndarray          # (r (n + 1),) 1 / sd_j, and 1, for each of r rows of parameters
    l2: np.ndarray              # (r (n + 1),) the penalty is half the sum of l2_j theta_j^2, and
    penalty: np.ndarray         # (r (n + 1),) this the diagonal of its Hessian by u
    diagonal: np.ndarray        # (r (n + 1),) that of a Hessian of J that costs nothing
    far: np.ndarray             # (r (n + 1),) |mu_j| / sd_j, and 0
    ratio: np.ndarray           # (n,) or (0,), and
    shift: np.ndarray           # (n,) or (0,): the gradient's norm is the largest |ratio_j g_j + shift_j db| or |db|, times
    common: np.ndarray          # (n + 1,) 1 where p is freed of what all classes have in common, or (0,) for two classes
    to_mean: float              # from J to the mean scale
    sums: float                 # from sums over rows to J
    intercept: float            # 1, or 0 to leave b where it is


class StoppingRule(NamedTuple):
    """Where a driver stops to let its caller look."""

    tol: float                  # of the gradient's norm
    gap: float                  # that is small enough in its place; 0 for none
    cost: float                 # at which the caller has a look


class Price(NamedTuple):
    """What a Hessian costs, and what it brings."""

    steps: float                # that take as long; infinity for a Hessian that is never asked for
    rate: float                 # by what factor a step with it is expected to shrink the gradient
    evidence: float             # steps, for `steps_of_evidence`; 0 where steps cost nothing


def _laid_out(record: _Record) -> _Record:
    """Give the annotated fields of a record their places in its memory, eight bytes each."""
    record._fields_ = [(name, ctypes.c_int64 if type_ is int else ctypes.c_double)
                       for name, type_ in get_type_hints(record).items()]
    return record


@_laid_out
class Position(ctypes.Structure):
    """Where a descent is.  Compiled code is given its memory."""

    asked: int                  # what `advance` has asked for last
    updates: int
    cost: float                 # J at u, and
    grad_norm: float            # the gradient's norm,
    slope: float                # its product with p,
    rounding: float             # a difference of J that says nothing there
    length: float               # of the step to `trial`, which is u + length p; 0 at the start
    trial_cost: float           # J there, and
    trial_slope: float          # the product of its gradient with p
    trials: int                 # made before it from u, and
    trials_by_slope: int        # how many of them had their length from the slope,
    trials_ahead: int           # or went further ahead
    cost_before: float          # J at the point before u, and
    grad_norm_before: float
    least: float                # the gradient's norm that is to become smaller where J says nothing,
    stale: int                  # and for how many steps it has not
    is_definite: int            # whether the Hessian that was asked for has an inverse


class Descent(NamedTuple):
    """A point, where to go from there, and the next point to try."""

    at: Position
    vectors: np.ndarray         # (5, n + 1), whose rows are the others
    u: np.ndarray
    grad: np.ndarray
    p: np.ndarray
    trial: np.ndarray
    trial_grad: np.ndarray

    @classmethod
    def start(cls, u: np.ndarray) -> "Descent":
        """A descent from u."""
        vectors = np.empty((5, u.size))
        vectors[3] = u
        return cls(Position(least=math.inf, is_definite=1), vectors, *vectors)


@_laid_out
class Kind(ctypes.Structure):
    """What M is made from.  Compiled code is given its memory."""

    made_from: int
    pairs: int                  # steps that have corrected it since,
    points: int                 # and points whose gap has been noted


class Approximation(NamedTuple):
    """M."""

    kind: Kind
    factor: np.ndarray          # (k, k) P, lower triangular, with P^T P the inverse of a Hessian, if M is made from one; or
                                # (K (n + 1), n + 1), one below the other for the parameters of each of K classes
    vectors: np.ndarray         # (2 PAIRS + 4, n + 1), and
    scalars: np.ndarray         # (3 PAIRS + 3 + GAPS,), of which the others are `parts`
    inverse: np.ndarray         # (n + 1,) the inverse diagonal, if M is made from that
    scratch: np.ndarray         # (n + 1,) a scratch pad, and
    shares: np.ndarray          # (PAIRS + 1,) another
    steps: np.ndarray           # (PAIRS + 1, n + 1) of u, in turns, and
    changes: np.ndarray         # (PAIRS + 1, n + 1) of the gradient in them
    curvatures: np.ndarray      # (PAIRS + 1,) their products, and
    squares: np.ndarray         # (PAIRS + 1,) those of the changes with M times them, where M has its size from steps
    gaps: np.ndarray            # (GAPS,) grad^T M grad / 2 at the last points, in turns


def parts(vectors: np.ndarray, scalars: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays of an Approximation that are parts of two, in its order."""
    slots = vectors.shape[0] // 2 - 1
    return (vectors[0], vectors[1], scalars[:slots], vectors[2:2 + slots], vectors[2 + slots:], scalars[slots:2 * slots],
            scalars[2 * slots:3 * slots], scalars[3 * slots:])


RECORDS = {record: np.dtype((np.record, np.dtype(record).descr)) for record in (Position, Kind)}
"""The dtypes by which compiled code reads the memory of a Position or a Kind."""


# ---- the state machine ----------------------------------------------------------------------------------------------

def advance(descent: Descent, M: Approximation, scale: Scale, tol: float, hessian: Price, sample: Price) -> int:
    """Go on from the answer to what was asked for last.

    Parameters
    ----------
    descent : Descent
    M : Approximation
    scale : Scale
    tol : float
        What the gradient's norm is to be at the end of it all.
    hessian, sample : Price
        Of a Hessian of J, and of a sample.

    Returns
    -------
    int
        What is wanted next.
    """
    at = descent.at
    is_new = at.asked == EVALUATE           # the point, if the trial is one
    if at.asked == NOTHING:
        at.asked = EVALUATE
    elif at.asked == POINT:
        at.asked = _depart(descent, M)
    elif is_new and not _is_point(descent):
        at.asked = _next_trial(descent)
    else:
        if is_new:
            _arrive(descent, M, scale)
        elif at.asked != DIRECTION:
            restart(M, DIAGONAL if not at.is_definite else EXACT if at.asked == HESSIAN else SAMPLED)
        at.asked = _aim(descent, M, is_new, tol, hessian, sample)
        if at.asked == POINT:
            remove_common(descent.p, scale.common)
    return at.asked


def _is_point(descent: Descent) -> bool:
    """Whether the trial lowers J enough; or its slope, where J is so small a change that it says nothing."""
    at, t = descent.at, descent.at.length
    if t == 0.0 or (at.trial_cost <= at.cost + _ENOUGH * t * at.slope and -t * at.slope > at.rounding):
        return True
    at.trial_slope = dot(descent.trial_grad, descent.p)
    return at.trial_cost <= at.cost + at.rounding and abs(at.trial_slope) <= _FLATTER * abs(at.slope)


def _next_trial(descent: Descent) -> int:
    """EVALUATE where J is expected to be least along p; or DONE if no step lowers J any more."""
    at, t = descent.at, descent.at.length
    if not at.trial_cost <= at.cost + at.rounding:
        if at.trials < _TRIALS_BY_CUBIC:
            at.length = minimum_of_cubic(t, at.cost, at.slope, at.trial_cost, at.trial_slope)
        else:
            at.length = 1e-3 * t
    elif at.trial_slope > 0.0:
        at.trials_by_slope += 1
        at.length = t * min(max(at.slope / (at.slope - at.trial_slope), 0.05), 0.7)
    else:
        at.trials_ahead += 1
        at.length = t * float(1 << at.trials_ahead)     # where one row alone has made the step short, the end may be far away
    at.trials += 1
    if at.trials == _TRIALS or at.trials_by_slope == _TRIALS_BY_SLOPE or at.trials_ahead == _TRIALS_AHEAD:
        return DONE
    combine(descent.u, at.length, descent.p, descent.trial)
    return EVALUATE


def _arrive(descent: Descent, M: Approximation, scale: Scale) -> None:
    """Make the trial the point, and let M learn from the step."""
    at = descent.at
    if at.length > 0.0:
        at.updates += 1
        update(M, descent)
    at.cost_before, at.grad_norm_before = at.cost, at.grad_norm
    at.cost = at.trial_cost
    scale_into(1.0, descent.trial, descent.u)
    scale_into(1.0, descent.trial_grad, descent.grad)
    at.grad_norm = gradient_norm(descent.grad, scale)
    at.rounding = rounding(at.cost, weighted_size(descent.u, scale.far), scale.to_mean)


def _aim(descent: Descent, M: Approximation, is_new: bool, tol: float, hessian: Price, sample: Price) -> int:
    """POINT once p is known; or what has to be known for it, which only a new point may ask for."""
    at, made_from = descent.at, M.kind.made_from
    if is_new and made_from == SOLVED:
        return DIRECTION
    if is_new and made_from == DUE:
        return HESSIAN
    if made_from != SOLVED:
        direction(M, descent.grad, descent.p)
    at.slope = dot(descent.grad, descent.p)
    M.gaps[M.kind.points % M.gaps.size] = -0.5 * at.slope
    M.kind.points += 1
    if is_new and pays(sample, at.grad_norm, rate(M, sample.evidence), tol):    # far from the optimum it is good enough
        return SAMPLE_HESSIAN
    return HESSIAN if is_new and pays(hessian, at.grad_norm, rate(M, hessian.evidence), tol) else POINT


def _depart(descent: Descent, M: Approximation) -> int:
    """EVALUATE the end of a whole step; or DONE, if what is left of the gradient is rounding."""
    at, is_diagonal = descent.at, M.kind.made_from == DIAGONAL
    share = _STALE_SHARE_OF_DIAGONAL if is_diagonal else _STALE_SHARE
    if -0.5 * at.slope <= at.rounding and at.grad_norm > share * at.least:
        at.stale += 1
        if at.stale == (_STALE_OF_DIAGONAL if is_diagonal else _STALE):
            return DONE
    else:
        at.least, at.stale = at.grad_norm, 0
    if not at.slope < 0.0:
        return DONE
    at.length = 1.0
    at.trials = at.trials_by_slope = at.trials_ahead = 0
    combine(descent.u, 1.0, descent.p, descent.trial)
    return EVALUATE


# ---- M --------------------------------------------------------------------------------------------------------------

def restart(M: Approximation, made_from: int) -> None:
    """M is made anew: no step has corrected it, and nothing is known of its rate."""
    M.kind.made_from = made_from
    M.kind.pairs = M.kind.points = 0


def update(M: Approximation, descent: Descent) -> None:
    """Correct M by the step to the trial, in place of the oldest correction; not if J bends the wrong way along it."""
    slots = M.curvatures.size
    new = M.kind.pairs % slots          # free, as one correction less than there are slots is in use
    combine(descent.trial, -1.0, descent.u, M.steps[new])
    combine(descent.trial_grad, -1.0, descent.grad, M.changes[new])
    M.curvatures[new] = dot(M.steps[new], M.changes[new])
    if M.curvatures[new] > 0.0:
        M.kind.pairs += 1


def direction(M: Approximation, grad: np.ndarray, p: np.ndarray) -> None:
    """p = -M grad."""
    slots, end = M.curvatures.size, M.kind.pairs
    start = max(0, end - (slots - 1))
    scale_into(-1.0, grad, p)
    for k in range(end - 1, start - 1, -1):
        i = k % slots
        M.shares[i] = dot(M.steps[i], p) / M.curvatures[i]
        add_multiple(p, -M.shares[i], M.changes[i])
    if M.kind.made_from == DIAGONAL:
        multiply(p, M.inverse)
    else:
        lower_times(M.factor, p, M.scratch)
        lower_transposed_times(M.factor, M.scratch, p)
    if end > 0 and not _is_in_scale(M):
        scale_into(_size_by_steps(M), p, p)
    for k in range(start, end):
        i = k % slots
        add_multiple(p, M.shares[i] - dot(M.changes[i], p) / M.curvatures[i], M.steps[i])


def _is_in_scale(M: Approximation) -> bool:
    """Whether M is made from all second derivatives; a diagonal, or those of each class alone, are too large or too small."""
    return M.kind.made_from != DIAGONAL and M.factor.shape[0] == M.factor.shape[1]


def _size_by_steps(M: Approximation) -> float:
    """By what factor M is too small, before any correction, as the last steps show: one of a diagonal, and several of classes."""
    slots, end = M.curvatures.size, M.kind.pairs
    steps = 1 if M.kind.made_from == DIAGONAL else min(end, _STEPS_OF_CLASSES)
    M.squares[(end - 1) % slots] = _square(M, M.changes[(end - 1) % slots])
    curvature = square = 0.0
    for k in range(end - steps, end):
        curvature += M.curvatures[k % slots]
        square += M.squares[k % slots]
    return curvature / square if square > 0.0 else 1.0      # the squares of a gradient below 1e-162 are 0


def _square(M: Approximation, v: np.ndarray) -> float:
    """v^T M v, before any correction."""
    if M.kind.made_from == DIAGONAL:
        scale_into(1.0, v, M.scratch)
        multiply(M.scratch, M.inverse)
        return dot(v, M.scratch)
    lower_times(M.factor, v, M.scratch)
    return dot(M.scratch, M.scratch)


def rate(M: Approximation, evidence: float) -> float:
    """By what factor a step has been shrinking the gradient, over `steps_of_evidence`; 0 before."""
    steps, last = steps_of_evidence(evidence, M.kind.made_from), M.kind.points - 1
    if last < steps:
        return 0.0
    before, after = M.gaps[(last - steps) % M.gaps.size], M.gaps[last % M.gaps.size]
    return float((after / before) ** (0.5 / steps))


def steps_of_evidence(steps_a_hessian: float, made_from: int) -> int:
    """Over how many steps to look for the rate before a Hessian is made: as many as it costs, half of that for the first.

    One more from the diagonal, whose first step nothing has corrected.
    """
    steps = math.floor(min(steps_a_hessian if made_from == EXACT else 0.5 * steps_a_hessian, _MOST_EVIDENCE) + 0.5)
    return int(max(2, steps + 1) if made_from == DIAGONAL else max(1, steps))


def steps_left(grad_norm: float, rate: float, tol: float) -> float:
    """How many steps it takes from a gradient to tol, if each shrinks it by a rate; none as far as is known for a rate of 0."""
    if rate == 0.0 or grad_norm <= tol:
        return 0.0
    return math.log(grad_norm / max(tol, _SMALLEST_TOL)) / -math.log(min(rate, _WORST_RATE))


def pays(price: Price, grad_norm: float, rate: float, tol: float) -> bool:
    """Whether a Hessian costs less than the steps that it saves on the way from a gradient to tol."""
    return steps_left(grad_norm, rate, tol) > price.steps + steps_left(grad_norm, price.rate, tol)


# ---- what is small --------------------------------------------------------------------------------------------------

def gradient_norm(grad: np.ndarray, scale: Scale) -> float:
    """How large the gradient by u is, on the mean scale: what is made small."""
    return standardised_size(grad, scale.ratio, scale.shift) * scale.to_mean


def is_small(at: Position, rule: StoppingRule) -> bool:
    """Whether a driver is to stop at this point."""
    gap = -0.5 * at.slope
    return (gap <= rule.gap if rule.gap > 0.0 else at.grad_norm <= rule.tol) or at.cost <= rule.cost


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

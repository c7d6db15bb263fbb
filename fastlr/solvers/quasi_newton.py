"""Descent along -M g, where M approximates the inverse Hessian: the engine of "newton", "lbfgs" and "auto".

M is the inverse of a Hessian, or of its diagonal, somewhere near, corrected by the last steps (the two-loop recursion of
L-BFGS: Nocedal and Wright, Numerical Optimization, algorithm 7.4).  A correction is free; a new Hessian costs as much as
several steps.  So one is computed only when the steps that are left, at the rate at which the gradient has been
shrinking, would cost more than the Hessian and the steps that are left with it.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastlr.backends import step_rules
from fastlr.backends.step_rules import (
    AIMED,
    ARRIVALS,
    DIAGONAL,
    DUE,
    GAPS,
    HESSIAN,
    KIND,
    MEMORY,
    PAIRS,
    SAMPLED,
    Goal,
    MetricArrays,
)
from fastlr.machine.blas import dot, ridged_inverse_factor
from fastlr.machine.limits import UPDATES_A_CALL
from fastlr.problem.standardised import Standardised
from fastlr.solvers.line_search import line_search

RIDGE = 1e-11                   # of the null model's diagonal, added to a Hessian: collinear columns make it singular
_RATE_OF_HESSIAN = 0.05         # of all rows, where J is not quadratic yet
_RATE_OF_DIAGONAL = 0.5         # with the corrections of L-BFGS, where columns are not too much alike
_STALE = 10, 0.5                # steps in a row, too small for J to tell, that have not brought the gradient to such a share,
_STALE_OF_DIAGONAL = 100, 0.9   # where M starts from a Hessian, and from a diagonal, with which the rate may be poor
_NO_FACTOR = np.empty((0, 0))


def kernels(is_small: bool) -> tuple[str, ...]:
    """See `fastlr.solvers`."""
    if is_small:
        return "compiled.moments", "compiled.quasi_newton", "compiled.hessian"
    return "compiled.first_read", "numba_fused"


class Metric:
    """M.

    Parameters
    ----------
    problem : Standardised
        Whose Hessians it is about.
    factor : (n + 1, n + 1), optional
        P, lower triangular, where M starts from P^T P, the inverse of a Hessian.
    is_due : bool
        Whether M is to be made from the Hessian at the first point.  Else, without a factor, it starts from the inverse of the
        diagonal of the Hessian at the null model, which costs nothing.
    """

    def __init__(self, problem: Standardised, factor: np.ndarray | None = None, is_due: bool = False) -> None:
        size = problem.diagonal.size
        kind = DUE if is_due else DIAGONAL if factor is None else SAMPLED if problem.is_sample else HESSIAN
        self.arrays = MetricArrays(np.array([kind, 0, 0, 0]), _NO_FACTOR if factor is None else factor, np.empty((MEMORY, size)),
                                   np.empty((MEMORY, size)), np.empty(MEMORY), np.empty(GAPS), np.array([math.inf]))
        self._inverse = 1.0 / problem.diagonal
        self._direction = problem.objective.direction

    @classmethod
    def hessian(cls, problem: Standardised, u: np.ndarray) -> "Metric":
        """From the Hessian at u.  A sample's is drawn towards its diagonal, since it can't know what goes together rarely."""
        return cls(problem, ridged_inverse_factor(problem.hessian(u), problem.diagonal, RIDGE + problem.uncertainty))

    @property
    def is_due(self) -> bool:
        """Whether a Hessian is to be made before this is one."""
        return bool(self.arrays.state[KIND] == DUE)

    @property
    def is_diagonal(self) -> bool:
        """Whether it starts from a diagonal, whose size the last step has to correct."""
        return bool(self.arrays.state[KIND] == DIAGONAL)

    def expected_rate(self, problem: Standardised) -> float:
        """By what factor a step shrinks the gradient, as far as can be known beforehand."""
        return _RATE_OF_DIAGONAL if self.is_diagonal else _rate_with_hessian(problem)

    def direction(self, grad: np.ndarray) -> np.ndarray:
        """-M grad."""
        state, factor, steps, changes, curvatures, *_ = self.arrays
        pairs = state[PAIRS]
        return self._direction(grad, self._inverse, factor if state[KIND] >= SAMPLED else _NO_FACTOR, steps[:pairs],
                               changes[:pairs], curvatures[:pairs])

    def learn(self, du: np.ndarray, dg: np.ndarray) -> None:
        """Correct M by a step du that changed the gradient by dg."""
        curvature = dot(du, dg)
        if not curvature > 0.0:
            return
        state, _, steps, changes, curvatures, *_ = self.arrays
        if state[PAIRS] == MEMORY:
            for pairs in (steps, changes, curvatures):
                pairs[:-1] = pairs[1:]
            state[PAIRS] -= 1
        last = state[PAIRS]
        steps[last], changes[last], curvatures[last] = du, dg, curvature
        state[PAIRS] += 1

    def arrive(self, grad: np.ndarray) -> tuple[np.ndarray, float]:
        """-M grad and grad^T of it at a new point, whose gap is noted for the rate."""
        p = self.direction(grad)
        slope = dot(grad, p)
        self.arrays.gaps[self.arrays.state[ARRIVALS] % GAPS] = -0.5 * slope
        self.arrays.state[ARRIVALS] += 1
        return p, slope

    def forget_rate(self) -> None:
        """On the way to another problem."""
        self.arrays.state[KIND] = min(self.arrays.state[KIND], SAMPLED)
        self.arrays.state[ARRIVALS] = self.arrays.state[AIMED] = 0
        self.arrays.least[0] = math.inf

    def rate(self, evidence: float) -> float:
        """By what factor a step has been shrinking the gradient, over `steps_of_evidence`; 0 before."""
        steps, gaps = step_rules.steps_of_evidence(evidence, int(self.arrays.state[KIND])), self.arrays.gaps
        last = int(self.arrays.state[ARRIVALS]) - 1
        if last < steps:
            return 0.0
        return step_rules.rate_of_gaps(float(gaps[(last - steps) % GAPS]), float(gaps[last % GAPS]), steps)


class Hessians(NamedTuple):
    """Where a metric may come from."""

    steps: float                # what one costs; infinity for none
    rate: float                 # by what factor a step with it is expected to shrink the gradient
    evidence: float             # the same, for `steps_of_evidence`; 0 where steps cost nothing
    metric: Callable[[np.ndarray], Metric]      # from the one at u

    def pay(self, grad_norm: float, rate: float, tol: float) -> bool:
        """Whether one costs less than the steps that it saves on the way from a gradient to tol; a rate of 0 is unknown."""
        return step_rules.steps_left(grad_norm, rate, tol) > self.steps + step_rules.steps_left(grad_norm, self.rate, tol)


def hessians_of(problem: Standardised, steps: float) -> Hessians:
    """Those of the problem itself, at so many steps each.  (Steps on a sample cost next to nothing.)"""
    evidence = 0.0 if problem.is_sample else steps
    return Hessians(steps, _rate_with_hessian(problem), evidence, lambda u: Metric.hessian(problem, u))


def _rate_with_hessian(problem: Standardised) -> float:
    return math.sqrt(problem.uncertainty) if problem.is_sample else _RATE_OF_HESSIAN


class Iterate(NamedTuple):
    """A point on the way."""

    u: np.ndarray               # (n + 1,) standardised coordinates
    cost: float                 # J
    grad: np.ndarray            # (n + 1,)
    metric: Metric | None       # None: a Hessian that has not been made
    p: np.ndarray               # (n + 1,) -M grad: where the next step goes
    gap: float                  # grad^T M grad / 2, an estimate of J - J*
    grad_norm: float            # what tol bounds
    before: Sequence[tuple[float, float, float]] | np.ndarray   # of each update since the last: J, gradient norm, step


def iterates(problem: Standardised, u: np.ndarray, metric: Metric, tol: float, steps_a_hessian: float, enough: float = 0.0,
             most: int = 0, updates_a_call: int = UPDATES_A_CALL, sample: Hessians | None = None) -> Iterator[Iterate]:
    """Descend from u along -M g.

    Parameters
    ----------
    problem : Standardised
    u : (n + 1,)
    metric : Metric
        To begin with.
    tol : float
        Where all this is going: what the gradient's norm is to be at the end.
    steps_a_hessian : float
        What a Hessian costs, in steps; infinity for none.
    enough : float
        A gap at which the caller will stop,
    most : int
        and the number of updates.  Where both leave it any, small problems are descended in compiled code,
    updates_a_call : int
        so many updates an iterate.
    sample : Hessians, optional
        Of a sample: one is made at most.
    """
    metric.forget_rate()
    of_all = hessians_of(problem, steps_a_hessian)
    if most and problem.has_quasi_newton:
        goal = Goal(tol, enough, problem.cost_of_one_error, steps_a_hessian, of_all.evidence, of_all.rate,
                    RIDGE + problem.uncertainty)
        for point in _in_calls(problem, u, metric, goal, most, updates_a_call):
            yield point
            u, metric = point.u, point.metric or metric
    last: tuple[np.ndarray, np.ndarray] | None = None

    def aim(u: np.ndarray, grad: np.ndarray, grad_norm: float) -> tuple[Metric, np.ndarray, float]:
        nonlocal metric, last, sample
        if metric.is_due:
            metric = Metric.hessian(problem, u)
        elif last is not None:
            metric.learn(u - last[0], grad - last[1])
        last = u, grad
        p, slope = metric.arrive(grad)
        for hessians in (sample, of_all):           # far from the optimum a sample's is good enough
            if hessians is not None and hessians.pay(grad_norm, metric.rate(hessians.evidence), tol):
                sample = None if hessians is sample else sample
                metric = hessians.metric(u)
                return metric, *metric.arrive(grad)
        return metric, p, slope

    yield from descent(problem, u, aim)


def _in_calls(problem: Standardised, u: np.ndarray, metric: Metric, goal: Goal, most: int,
              updates_a_call: int) -> Iterator[Iterate]:
    """The start, and an iterate for each compiled call, until a call has found nothing to do or something out of the ordinary."""
    if not metric.arrays.factor.size:
        metric.arrays = metric.arrays._replace(factor=np.empty((u.size, u.size)))
    cost, grad = problem.known(u) or (math.nan, np.empty_like(u))
    p, is_sound, updates = np.empty_like(u), True, 0 if updates_a_call == 1 else updates_a_call
    while is_sound:
        u, cost, grad, p, before, is_sound = problem.quasi_newton(u, cost, grad, p, goal, metric.arrays, min(updates, most))
        if is_sound or len(before):
            yield Iterate(u, cost, grad, metric, p, -0.5 * dot(grad, p), problem.gradient_norm(grad), before)
        if len(before) < updates:
            return
        most -= len(before)
        updates = updates_a_call


def descent(problem: Standardised, u: np.ndarray,
            aim: Callable[[np.ndarray, np.ndarray, float], tuple[Metric | None, np.ndarray, float]]) -> Iterator[Iterate]:
    """Descend from u for as long as somebody asks and J can be lowered.

    Parameters
    ----------
    problem : Standardised
    u : (n + 1,)
    aim : callable
        (u, gradient, its norm) -> (metric, p, slope): where the next step goes, asked once at every point; the slope is the
        gradient times p.
    """
    cost, grad = problem.cost_gradient(u)
    before: tuple[tuple[float, float, float], ...] = ()
    least, stale = math.inf, 0
    while True:
        grad_norm = problem.gradient_norm(grad)
        metric, p, slope = aim(u, grad, grad_norm)
        gap = -0.5 * slope
        yield Iterate(u, cost, grad, metric, p, gap, grad_norm, before)
        rounding = problem.rounding(u, cost)
        most_stale, share = _STALE_OF_DIAGONAL if metric is not None and metric.is_diagonal else _STALE
        if gap <= rounding and grad_norm > share * least:
            stale += 1
            if stale == most_stale:
                return                      # what is left of the gradient is rounding
        else:
            least, stale = grad_norm, 0
        step = line_search(problem, u, cost, slope, p, rounding)
        if step is None:
            return
        before = ((cost, grad_norm, step.length),)
        u, cost, grad = step.u, step.cost, step.grad

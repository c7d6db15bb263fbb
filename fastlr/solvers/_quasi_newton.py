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

from fastlr._one_thread import dot, ridged_inverse_factor
from fastlr._standardised import Standardised
from fastlr.solvers._line_search import line_search

_MEMORY = 10                    # steps that correct M
RIDGE = 1e-11                   # of the null model's diagonal, added to a Hessian: collinear columns make it singular
_MOST_EVIDENCE = 1000           # steps
_RATE_OF_HESSIAN = 0.05         # of all rows, where J is not quadratic yet
_RATE_OF_DIAGONAL = 0.5         # with the corrections of L-BFGS, where columns are not too much alike
_WORST_RATE = 0.999             # as good as none
_MOST_STALE = 10                # steps in a row, too small for J to tell, that have not halved the gradient
_SMALLEST_TOL = 1e-16           # beyond which tol is out of reach


class Metric:
    """M.

    Parameters
    ----------
    base : callable
        g -> M g before corrections.
    is_diagonal : bool
        Whether `base` stands for a diagonal, whose size the last step has to correct.
    expected_rate : float
        By what factor a step shrinks the gradient, as far as can be known beforehand.
    """

    def __init__(self, base: Callable[[np.ndarray], np.ndarray], is_diagonal: bool, expected_rate: float) -> None:
        self._base = base
        self.is_diagonal, self.expected_rate = is_diagonal, expected_rate
        self._pairs: list[tuple[np.ndarray, np.ndarray, float]] = []
        self._gaps: list[float] = []                # at every point

    @classmethod
    def diagonal(cls, problem: Standardised) -> "Metric":
        """From the diagonal of the Hessian at the null model, which costs nothing."""
        inverse = 1.0 / problem.diagonal
        return cls(lambda g: inverse * g, is_diagonal=True, expected_rate=_RATE_OF_DIAGONAL)

    @classmethod
    def hessian(cls, problem: Standardised, u: np.ndarray) -> "Metric":
        """From the Hessian at u.  A sample's is drawn towards its diagonal, since it can't know what is rare."""
        P = ridged_inverse_factor(problem.hessian(u), problem.diagonal, RIDGE + problem.uncertainty)
        if P is None:
            return cls.diagonal(problem)
        P_transposed = np.ascontiguousarray(P.T)
        return cls(lambda g: np.vecdot(P_transposed, np.vecdot(P, g)),         # vecdot starts no BLAS threads
                   is_diagonal=False, expected_rate=_rate_with_hessian(problem))

    def direction(self, grad: np.ndarray) -> np.ndarray:
        """-M grad."""
        q, along = -grad, []
        for du, dg, curvature in reversed(self._pairs):
            alpha = dot(du, q) / curvature
            q = q - alpha * dg
            along.append(alpha)
        p = self._base(q)
        if self.is_diagonal and self._pairs:
            _, dg, curvature = self._pairs[-1]
            size = dot(dg, self._base(dg))
            if size > 0.0:                      # the squares of a gradient below 1e-162 are 0
                p *= curvature / size
        for (du, dg, curvature), alpha in zip(self._pairs, reversed(along), strict=True):
            p += du * (alpha - dot(dg, p) / curvature)
        return p

    def learn(self, du: np.ndarray, dg: np.ndarray) -> None:
        """Correct M by a step du that changed the gradient by dg."""
        curvature = dot(du, dg)
        if curvature > 0.0:
            self._pairs = [*self._pairs[1 - _MEMORY:], (du, dg, curvature)]

    def arrive(self, gap: float) -> None:
        """Note the gap at a new point, for the rate."""
        self._gaps.append(gap)

    def forget_rate(self) -> None:
        """On the way to another problem."""
        self._gaps = []

    def rate(self, steps: float) -> float:
        """By what factor a step has been shrinking the gradient, over so many steps at least; 0 before."""
        steps = max(2 if self.is_diagonal else 1, math.ceil(min(steps, _MOST_EVIDENCE)))
        if len(self._gaps) <= steps:
            return 0.0
        return (self._gaps[-1] / self._gaps[-1 - steps]) ** (0.5 / steps)


class Iterate(NamedTuple):
    """A point on the way."""

    u: np.ndarray               # (n + 1,) standardised coordinates
    cost: float                 # J
    grad: np.ndarray            # (n + 1,)
    metric: Metric | None       # None: a Hessian that has not been kept
    p: np.ndarray               # (n + 1,) -M grad: where the next step goes
    gap: float                  # grad^T M grad / 2, an estimate of J - J*
    grad_norm: float            # what tol bounds
    before: Sequence[tuple[float, float, float]] | np.ndarray   # of each update since the last: J, gradient norm, step


def iterates(problem: Standardised, u: np.ndarray, metric: Metric, tol: float, steps_a_hessian: float) -> Iterator[Iterate]:
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
        What a Hessian costs; infinity for none.
    """
    metric.forget_rate()
    evidence = 0.0 if problem.is_sample else steps_a_hessian        # steps on a sample cost next to nothing
    last: tuple[np.ndarray, np.ndarray] | None = None

    def aim(u: np.ndarray, grad: np.ndarray, grad_norm: float) -> tuple[Metric, np.ndarray]:
        nonlocal metric, last
        if last is not None:
            metric.learn(u - last[0], grad - last[1])
        last = u, grad
        p = metric.direction(grad)
        metric.arrive(-0.5 * dot(grad, p))
        if hessian_pays(problem, grad_norm, metric.rate(evidence), tol, steps_a_hessian):
            metric = Metric.hessian(problem, u)
            p = metric.direction(grad)
            metric.arrive(-0.5 * dot(grad, p))
        return metric, p

    return descent(problem, u, aim)


def descent(problem: Standardised, u: np.ndarray,
            aim: Callable[[np.ndarray, np.ndarray, float], tuple[Metric | None, np.ndarray]]) -> Iterator[Iterate]:
    """Descend from u for as long as somebody asks and J can be lowered.

    Parameters
    ----------
    problem : Standardised
    u : (n + 1,)
    aim : callable
        (u, gradient, its norm) -> (metric, p): where the next step goes, asked once at every point.
    """
    cost, grad = problem.cost_gradient(u)
    before: tuple[tuple[float, float, float], ...] = ()
    least, stale = math.inf, 0
    while True:
        grad_norm = problem.gradient_norm(grad)
        metric, p = aim(u, grad, grad_norm)
        gap = -0.5 * dot(grad, p)
        yield Iterate(u, cost, grad, metric, p, gap, grad_norm, before)
        if gap <= problem.rounding(u, cost) and grad_norm > 0.5 * least:
            stale += 1
            if stale == _MOST_STALE:        # what is left of the gradient is rounding
                return
        else:
            least, stale = grad_norm, 0
        step = line_search(problem, u, cost, grad, p)
        if step is None:
            return
        before = ((cost, grad_norm, step.length),)
        u, cost, grad = step.u, step.cost, step.grad


def hessian_pays(problem: Standardised, grad_norm: float, rate: float, tol: float, steps_a_hessian: float) -> bool:
    """Whether a Hessian is cheaper than the steps it saves on the way from a gradient to tol; a rate of 0 is unknown."""
    if rate == 0.0 or grad_norm <= tol:
        return False
    left = math.log(grad_norm / max(tol, _SMALLEST_TOL))
    return left / -math.log(min(rate, _WORST_RATE)) > steps_a_hessian + left / -math.log(_rate_with_hessian(problem))


def _rate_with_hessian(problem: Standardised) -> float:
    return min(math.sqrt(problem.uncertainty), _WORST_RATE) if problem.is_sample else _RATE_OF_HESSIAN

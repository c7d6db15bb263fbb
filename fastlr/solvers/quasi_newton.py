"""The drivers of the engine: they answer what it asks for, in Python, or in compiled code where problems are small.

The engine is in `fastlr.backends.engine`.  Here it is told what a Hessian costs, and what it finds is made a sequence of points.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastlr.backends import engine
from fastlr.backends.engine import Approximation, Descent, Kind, Price, StoppingRule
from fastlr.machine.blas import ridged_inverse_factor
from fastlr.machine.limits import UPDATES_A_CALL
from fastlr.problem.problem import Evaluation, Problem

# About how many steps training takes, by which backend="auto" chooses.
EXPECTED_STEPS = 30
# The share of the null model's diagonal that is added to a Hessian, since collinear columns make it singular.
RIDGE = 1e-11
# The factor by which a step with a Hessian of all rows shrinks the gradient, where J is not quadratic yet.
_RATE_OF_HESSIAN = 0.05
# The factor by which a step with the Hessians of each class alone does, since classes go together.
_RATE_OF_CLASSES = 0.75
# The multiple of the Hessians of each class alone that stands for that of all classes.  Where rows hesitate between two classes,
# their gradients change twice as much together as alone; where rows hesitate between all K, K / (K - 1) times.
_TOGETHER = math.sqrt(2.0)
# The factor by which a step of L-BFGS shrinks the gradient, where columns are not too much alike.
_RATE_OF_DIAGONAL = 0.5
_NO_FACTOR = np.empty((0, 0))
_NO_HESSIAN = Price(math.inf, 0.0, math.inf)


def kernels(is_driven: bool, n_threads: int) -> tuple[str, ...]:
    """The compiled kernels that quasi-Newton methods call in any case."""
    if is_driven:
        return "moments", "cost_gradient", "quasi_newton", "hessian", "finish_hessian"
    return "first_read", "cost_gradient"


class InverseHessian:
    """An approximation of the inverse Hessian, which descents make and correct.

    It is made from the DIAGONAL of the Hessian at the null model, which costs nothing.  DUE asks for a Hessian at the first
    point.  With SOLVED every step is solved for by itself, and there is no approximation.
    """

    def __init__(self, problem: Problem, made_from: int = engine.DIAGONAL) -> None:
        vectors, scalars = np.empty((2 * engine.PAIRS + 4, problem.diagonal.size)), np.empty(3 * engine.PAIRS + 3 + engine.GAPS)
        self.arrays = Approximation(Kind(made_from), _NO_FACTOR, vectors, scalars, *engine.parts(vectors, scalars))
        np.divide(1.0, problem.diagonal, out=self.arrays.inverse)

    @classmethod
    def at(cls, problem: Problem, u: np.ndarray) -> "InverseHessian":
        """Invert the Hessian at u."""
        return cls.of(problem, problem.hessian(u))

    @classmethod
    def of(cls, problem: Problem, H: np.ndarray) -> "InverseHessian":
        """Invert a Hessian of the problem, or what stands for one; it is overwritten."""
        inverse = cls(problem)
        if inverse.set_factor(inverse_factor_of_hessian(problem, H)):
            engine.restart(inverse.arrays, engine.EXACT)
        return inverse

    def set_factor(self, factor: np.ndarray | None) -> bool:
        """Put an inverse factor of a Hessian in its place, if there is one, and return whether there is."""
        if factor is not None:
            self.arrays = self.arrays._replace(factor=factor)
        return factor is not None

    def reset(self) -> None:
        """Begin a descent of another problem: a Hessian counts as one of other rows, and nothing is known of the rate."""
        kind = self.arrays.kind
        if kind.made_from == engine.EXACT:
            kind.made_from = engine.SAMPLED
        kind.points = 0

    @property
    def is_diagonal(self) -> bool:
        """Whether it starts from a diagonal, whose size the last step has to correct."""
        return self.arrays.kind.made_from == engine.DIAGONAL

    def expected_rate(self, problem: Problem) -> float:
        """The factor by which a step is expected to shrink the gradient."""
        return _RATE_OF_DIAGONAL if self.is_diagonal else _rate_with_hessian(problem)

    def direction(self, grad: np.ndarray) -> np.ndarray:
        """The direction of a step from a point with this gradient."""
        p = np.empty_like(grad)
        engine.direction(self.arrays, grad, p)
        return p


def inverse_factor_of_hessian(problem: Problem, H: np.ndarray) -> np.ndarray | None:
    """Invert the Cholesky factor of a Hessian H, which is overwritten: P is lower triangular, and P^T P is the inverse of H.

    Where the Hessian is that of each class alone, so is P, (K (n + 1), n + 1), in the size of all classes together.  A sample's
    Hessian is drawn toward its diagonal, since a sample doesn't show columns that go together rarely.
    """
    side = H.shape[-1]
    factors = [ridged_inverse_factor(block, diagonal, RIDGE + problem.uncertainty)
               for block, diagonal in zip(H.reshape(-1, side, side), problem.diagonal.reshape(-1, side), strict=True)]
    if H.ndim == 2:
        return factors[0]
    found = [factor for factor in factors if factor is not None]
    return np.concatenate(found) / math.sqrt(_TOGETHER) if len(found) == len(factors) else None


def price_of_hessian(problem: Problem, steps: float) -> Price:
    """The price of the problem's own Hessian, which costs so many steps; steps on a sample cost next to nothing."""
    return Price(steps, _rate_with_hessian(problem), 0.0 if problem.is_sample else steps)


def _rate_with_hessian(problem: Problem) -> float:
    rate = math.sqrt(problem.uncertainty) if problem.is_sample else _RATE_OF_HESSIAN
    return rate if problem.costs.is_whole else max(rate, _RATE_OF_CLASSES)


@dataclass
class Target:
    """What a descent is asked for: whoever follows it may ask for more on the way."""

    grad_norm: float            # the gradient's norm that is to be reached


class SampleHessian(NamedTuple):
    """A Hessian that a sample of the rows gives."""

    price: Price
    factor: Callable[[np.ndarray], np.ndarray | None]       # of its inverse at u


class Iterate(NamedTuple):
    """A point on the way."""

    u: np.ndarray               # (n + 1,) standardized coordinates
    cost: float                 # J
    grad: np.ndarray            # (n + 1,)
    inverse_hessian: InverseHessian
    p: np.ndarray               # (n + 1,) where the next step goes
    gap: float                  # half of what the gradient promises along p, an estimate of J - J*
    grad_norm: float            # what tol bounds
    before: Sequence[tuple[float, float, float]] | np.ndarray   # of each update since the last: J, gradient norm, step

    @classmethod
    def of(cls, descent: Descent, M: InverseHessian, before: Sequence[tuple[float, float, float]] | np.ndarray) -> "Iterate":
        """Where a descent is, in a copy."""
        at = descent.at
        return cls(descent.u.copy(), at.cost, descent.grad.copy(), M, descent.p.copy(), -0.5 * at.slope, at.grad_norm, before)


def iterates(problem: Problem, u: np.ndarray, M: InverseHessian, target: Target, steps_a_hessian: float, enough: float = 0.0,
             most: int = 0, updates_a_call: int = UPDATES_A_CALL, sample: SampleHessian | None = None,
             start: Evaluation | None = None) -> Iterator[Iterate]:
    """Descend from u, with M to begin with, for as long as somebody asks and J can be lowered.

    Parameters
    ----------
    target : Target
    steps_a_hessian : float
        The cost of a Hessian, in steps; infinity for none.
    enough : float
        The gap at which the caller will stop.
    most : int
        The number of updates at which the caller will stop.  If it is not 0, small problems descend in compiled code.
    updates_a_call : int
        The number of updates in one call of compiled code, which gives one iterate.
    sample : SampleHessian, optional
        A Hessian of a sample, which is made once at most.
    start : Evaluation, optional
        J at u, if it is known.
    """
    M.reset()
    price, descent = price_of_hessian(problem, steps_a_hessian), descent_from(u, start)
    if most and problem.has_quasi_newton:
        return _by_compiled_code(problem, descent, M, target, enough, price, most, updates_a_call, sample)
    return step_by_step(problem, descent, M, target, price, sample)


def descent_from(u: np.ndarray, start: Evaluation | None) -> Descent:
    """Begin a descent at u, where J may be known."""
    descent = Descent.start(u)
    if start is not None:                       # what the engine asks for first has been answered
        descent.at.asked, descent.at.trial_cost, descent.trial_grad[:] = engine.EVALUATE, start.cost, start.grad
    return descent


def step_by_step(problem: Problem, descent: Descent, M: InverseHessian, target: Target, price: Price = _NO_HESSIAN,
                 sample: SampleHessian | None = None,
                 solve: Callable[[np.ndarray, np.ndarray, float], np.ndarray] | None = None) -> Iterator[Iterate]:
    """Yield the point after each update, see `iterates`; where M is SOLVED, solve(u, gradient, its norm) returns the steps."""
    at, scale = descent.at, problem.scale
    of_sample = _NO_HESSIAN if sample is None else sample.price
    while (ask := engine.advance(descent, M.arrays, scale, target.grad_norm, price, of_sample)) != engine.DONE:
        if ask == engine.EVALUATE:
            at.trial_cost, descent.trial_grad[:] = problem.evaluate(descent.trial)
        elif ask == engine.POINT:
            yield Iterate.of(descent, M, [(at.cost_before, at.grad_norm_before, at.length)] if at.updates else [])
        elif ask == engine.DIRECTION:
            assert solve is not None
            descent.p[:] = solve(descent.u, descent.grad, at.grad_norm)
        else:
            of_sample = _with_hessian(problem, descent, M, sample, of_sample)


def _with_hessian(problem: Problem, descent: Descent, M: InverseHessian, sample: SampleHessian | None,
                  of_sample: Price) -> Price:
    """Answer with a Hessian, that of J or of a sample, and return what that of a sample costs from then on."""
    at = descent.at
    if at.asked == engine.HESSIAN:
        at.is_definite = M.set_factor(inverse_factor_of_hessian(problem, problem.hessian(descent.u)))
        return of_sample
    assert sample is not None
    at.is_definite = M.set_factor(sample.factor(descent.u))
    return _NO_HESSIAN


def _by_compiled_code(problem: Problem, descent: Descent, M: InverseHessian, target: Target, enough: float, price: Price,
                      most: int, updates_a_call: int, sample: SampleHessian | None) -> Iterator[Iterate]:
    """Yield an iterate after so many updates in compiled code; the start too, if that is a single update."""
    at, size, of_sample = descent.at, descent.u.size, _NO_HESSIAN if sample is None else sample.price
    if not M.arrays.factor.size and problem.costs.is_small:
        M.set_factor(np.empty((size, size)))
    updates = 0 if updates_a_call == 1 else updates_a_call
    seen = -1                                   # updates at the last iterate
    while True:
        begun, record = at.updates, np.empty((min(updates, most), 3))
        rule = StoppingRule(target.grad_norm, enough, problem.cost_of_one_error)
        while True:
            problem.quasi_newton(descent, M.arrays, rule, price, of_sample, RIDGE + problem.uncertainty, record, begun)
            if at.asked not in (engine.HESSIAN, engine.SAMPLE_HESSIAN):
                break
            of_sample = _with_hessian(problem, descent, M, sample, of_sample)
        made = at.updates - begun
        if at.updates > seen:
            yield Iterate.of(descent, M, record[:made])
        seen = at.updates
        most -= made
        if at.asked == engine.DONE or most == 0:
            return
        updates = updates_a_call

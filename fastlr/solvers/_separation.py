"""Whether J has a minimum at all: it has none where some direction of the features tells the classes apart.

Along such a direction no margin moves to the wrong side, and some move to the right one for ever.  Nothing here costs
anything with l2 > 0, which gives J its minimum, and little without suspicion.
"""

import numpy as np

from fastlr._one_thread import dot, ridged_inverse_factor
from fastlr._rows import Gains
from fastlr._standardised import Standardised
from fastlr.solvers._line_search import Step, line_search
from fastlr.solvers._quasi_newton import Iterate, Metric

_MOVING = 1e-4                  # standard deviations: on a shorter way no margin has moved far
_CERTAIN = 12.0                 # a margin that is worth a second look,
_SATURATED = 20.0               # and one beyond which J does not feel an example any more
_REST = 0.1                     # the largest change of a margin in a step that counts as rest,
_TINY = 1e-11                   # to which Newton's method would have come before the gradient is so small against J,
_STEPS = 40                     # where more than so many can only mean that J has been rounding
_MOST_FEATURES = 1000           # beyond, Hessians are too dear for a suspicion
_FLAT = 1e-8                    # of the null model's curvature: what is left of it in saturated examples
_ROUNDS = 5                     # that tell flat from curved


def is_without_error(problem: Standardised, point: Iterate) -> bool:
    """Whether every example that counts is on its right side, by the features and b alone: the proof of separation."""
    return point.cost <= problem.objective.cost_of_one_error and _gains(problem, point.u)[0].least > 0.0


def way_without_end(problem: Standardised, landmark: Iterate, point: Iterate) -> np.ndarray | None:
    """A direction (n + 1,) along which J falls for ever, or None.

    Parameters
    ----------
    problem : Standardised
    landmark : Iterate
        Where the gradient was last far from small enough: from there on, only what never comes to rest goes far.
    point : Iterate
        The end.
    """
    if problem.objective.rule.l2 > 0.0:
        return None
    if is_without_error(problem, point):
        return point.u
    moving = [way for way in (point.u - landmark.u, point.p) if np.abs(way).max() > _MOVING]
    *of_moving, of_point = _gains(problem, *moving, point.u)
    ways = [way for way, gains in zip(moving, of_moving, strict=True) if _is_one_sided(gains)]
    if point.u.size > _MOST_FEATURES:
        return ways[0] if ways else None
    largest = of_point.largest
    way = _way_of_newton(problem, point) if ways or largest > _CERTAIN else None
    return _way_of_the_saturated(problem, point) if way is None and largest > _SATURATED else way


def _gains(problem: Standardised, *ways: np.ndarray) -> tuple[Gains, ...]:
    """How far the examples' margins move to their right side along each of some ways."""
    return problem.objective.gains(*map(problem.theta_of, ways))


def _is_one_sided(gains: Gains, tolerance: float = 0.05) -> bool:
    """Whether margins that move, move to their right side, but for what has not quite come to rest."""
    return (gains.largest > _REST and gains.least >= -tolerance * gains.largest
            and gains.squares_of_losses <= 1e-3 * gains.squares)


def _way_of_newton(problem: Standardised, point: Iterate) -> np.ndarray | None:
    """The direction that Newton's steps keep: at a minimum they vanish, on a way without end each moves margins by about 1."""
    step: Step | None = Step(point.u, point.cost, point.grad, 1.0)
    for _ in range(_STEPS):
        if step is None:
            break
        u, cost, grad, _ = step
        p = Metric.hessian(problem, u).direction(grad)
        gains, = _gains(problem, p)
        if max(-gains.least, gains.largest) <= _REST:
            return None
        if problem.gradient_norm(grad) <= _TINY * cost * problem.objective.rule.to_mean:
            return p if _is_one_sided(gains) else None
        step = line_search(problem, u, cost, dot(grad, p), p, problem.rounding(u, cost))
    return None


def _way_of_the_saturated(problem: Standardised, point: Iterate) -> np.ndarray | None:
    """The part of u that J does not feel any more, if it moves the saturated examples, and those alone, to their side.

    With e = _FLAT, a step from u to e (H + e)^-1 u keeps what has far less curvature than e, and loses what has far more.
    """
    size = np.full(point.u.size, problem.diagonal.max())
    P = ridged_inverse_factor(problem.hessian(point.u), size, _FLAT)
    if P is None:
        return None
    way = point.u
    for _ in range(_ROUNDS):
        way = _FLAT * size * (P.T @ (P @ way))
    gains, = _gains(problem, way)
    return way if _is_one_sided(gains, tolerance=1e-6) else None

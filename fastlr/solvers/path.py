"""The path of an elastic net: its minima for a falling sequence of penalties, each reached from the one before."""

import time
from typing import NamedTuple

import numpy as np

from fastlr.problem.penalty import ElasticNet
from fastlr.problem.problem import Problem
from fastlr.solvers import Options, Result
from fastlr.solvers.elastic_net import ON_START, Aim, Descent, Point, result, start, without_penalized
from fastlr.solvers.history import Recorder

# The share of the largest penalty with which a path ends, where there are more rows than columns, and where not.
_SMALLEST, _SMALLEST_OF_WIDE = 1e-4, 1e-2
# The share of l1 from which the first penalty is made, where l1 has less: without l1 no penalty leaves w = 0.
_LEAST_L1 = 1e-3
# Penalties before a path may end early.
_FEWEST = 5
# The share of the deviance explained that a penalty has to add for the path to go on.
_MOVES = 1e-5
# The deviance explained, as a share of all, with which a path ends.
_ALL = 0.999


class Found(NamedTuple):
    """What a path has found, one for each penalty."""

    lambdas: np.ndarray             # (L,) falling
    results: list[Result]
    deviance_explained: np.ndarray  # (L,) as a share of that of the best model with w = 0
    seconds: np.ndarray             # (L,) for each


def follow(problem: Problem, options: Options, lambdas: int | np.ndarray, smallest: float | None = None,
           before: int = 0) -> Found:
    """Minimize J for each lambda, which the penalty of the problem is multiplied with.

    Parameters
    ----------
    problem : Problem
        With an ElasticNet.
    options : Options
    lambdas : int or (L,) float64
        The penalties, falling; or how many are made, evenly spaced in the logarithm, from the least that leaves w = 0.  Such a
        path ends early, where weaker penalties no longer move the deviance.
    smallest : float, optional
        The last penalty that is made, as a share of the first.
    before : int
        Models that were made before, for the progress.
    """
    problem, point, descent = start(problem, None, options._replace(progress=None))
    base, scales, aim = problem.penalty, problem.coordinates.scales, Aim(options.tol, options.tol)
    assert isinstance(base, ElasticNet)
    null = _null_loss(problem, point, descent)
    point, largest = without_penalized(problem, point, descent)
    stronger = largest
    if isinstance(lambdas, int):
        largest = base._replace(l1=max(base.l1, _LEAST_L1)).least_factor(point.grad, scales)
        grid = _grid(largest, lambdas, smallest, problem.data.shape)
    else:
        grid = lambdas
    results, explained, seconds = list[Result](), list[float](), list[float]()
    for times in grid:
        began = time.perf_counter()
        at = problem.with_penalty(base.times(float(times)))
        descent.recorder = Recorder(options.start)
        point, certificate = descent.weaken(at, point, stronger / times, aim)
        stronger = float(times)
        results.append(result(at, point, certificate, descent, options))
        explained.append(1.0 - (point.cost - at.penalty.value(point.u, scales)) / null)
        seconds.append(time.perf_counter() - began)
        if options.progress is not None:
            options.progress.show(before + len(results), point.cost, np.nan)
        if isinstance(lambdas, int) and _no_longer_moves(explained):
            break
    return Found(grid[:len(results)], results, np.array(explained), np.array(seconds))


def _null_loss(problem: Problem, point: Point, descent: Descent) -> float:
    """J without penalty of the best model with w = 0, where the start is the null model."""
    assert isinstance(problem.penalty, ElasticNet)
    if problem.data.has_offset and problem.fit_intercept:
        alone = problem.penalty._replace(factors=np.full(point.u.size - 1, np.inf))
        point, _ = descent.minimize(problem.with_penalty(alone), point, ON_START)
    return point.cost


def _grid(largest: float, count: int, smallest: float | None, shape: tuple[int, int]) -> np.ndarray:
    """So many penalties from the largest down, evenly spaced in the logarithm."""
    m, n = shape
    share = (_SMALLEST if m > n else _SMALLEST_OF_WIDE) if smallest is None else smallest
    return largest * share ** (np.arange(count) / max(count - 1, 1))


def _no_longer_moves(explained: list[float]) -> bool:
    """Whether the last penalty of a path has explained next to nothing more, or there is nothing more to explain."""
    return len(explained) >= _FEWEST and (explained[-1] > _ALL or explained[-1] - explained[-2] < _MOVES * explained[-1])

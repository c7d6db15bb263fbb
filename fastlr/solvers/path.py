"""The path of an elastic net: its minima for a falling sequence of penalties, each reached from the one before."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastlr.problem.problem import Problem
from fastlr.solvers import Options, Result, auto, newton
from fastlr.solvers.elastic_net import ON_START, Aim, Optimizer, result, start, without_penalized
from fastlr.solvers.proximal_step import Point
from fastlr.solvers.recorder import Recorder

# The share of the largest penalty with which a path ends, where there are more rows than columns, and where not.
_SMALLEST, _SMALLEST_OF_WIDE = 1e-4, 1e-2
# The gradient on the mean scale, in deviations of a column that has its mean at 0, that may be rounding.
_ROUNDING = 1e-14
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


def follow(problem: Problem, options: Options, optimizer_of: type[Optimizer], lambdas: int | np.ndarray,
           smallest: float | None = None, before: int = 0) -> Found:
    """Minimize J for each lambda, which the penalty of the problem is multiplied with.

    Parameters
    ----------
    problem : Problem
        With an ElasticNet.
    options : Options
    optimizer_of : type of Optimizer
        That of the solver of l1.
    lambdas : int or (L,) float64
        The penalties, falling; or how many are made, evenly spaced in the logarithm, from the least that leaves w = 0.  Such a
        path ends early, where weaker penalties no longer move the deviance.
    smallest : float, optional
        The last penalty that is made, as a share of the first.
    before : int
        Models that were made before, for the progress.
    """
    given = problem
    alone = options._replace(progress=None)     # of one penalty, which no bar shows
    problem, point, optimizer = start(problem, None, alone, optimizer_of)
    base, scales = problem.elastic_net, problem.coordinates.scales
    null = _null_loss(problem, point, optimizer)
    point, stronger = without_penalized(problem, point, optimizer)
    rounding = problem.of_all_rows(_ROUNDING * (1.0 + problem.coordinates.means_in_deviations))
    told = np.where(problem.to_mean * np.abs(point.grad) > rounding, point.grad, 0.0)
    largest = replace(base, l1=max(base.l1, _LEAST_L1)).least_factor(told, scales)
    if isinstance(lambdas, int) and largest == 0.0:
        raise ValueError(f"lambdas={lambdas} begin with the least that leaves w = 0, and that is 0 here, since no column with a "
                         "penalty tells anything about y; for no penalty call train, or pass lambdas as a list")
    grid = _grid(largest, lambdas, smallest, problem.data.shape) if isinstance(lambdas, int) else lambdas
    is_smooth = base.l1 == 0.0 and not base.is_left_out.any()
    minima = _of_ridge(given, alone, grid) if is_smooth else _of_l1(problem, point, stronger, optimizer, alone, grid)
    results, explained, seconds, began = list[Result](), list[float](), list[float](), time.perf_counter()
    for found, loss in minima:
        results.append(found)
        explained.append(1.0 - loss / null)
        seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        if options.progress is not None:
            options.progress.show(before + len(results), float(found.history.cost[-1]), math.nan)
        if isinstance(lambdas, int) and _no_longer_moves(explained):
            break
    return Found(grid[:len(results)], results, np.array(explained), np.array(seconds))


def _of_l1(problem: Problem, point: Point, stronger: float, optimizer: Optimizer, options: Options,
           grid: np.ndarray) -> Iterator[tuple[Result, float]]:
    """Minimize J for each penalty by working sets, from the point for a stronger one; the Result, and J without the penalty."""
    base, aim = problem.elastic_net, Aim(options.tol, options.tol)
    for times in map(float, grid):
        at = problem.with_penalty(base.times(times))
        optimizer.recorder = Recorder(options)
        point, certificate = optimizer.weaken(at, point, stronger / times, aim)
        stronger = times
        of_penalty = at.penalty.value(at.coordinates.rows(point.u), at.coordinates.scales)
        yield result(at, point, certificate, optimizer, options), point.cost - of_penalty


def _of_ridge(problem: Problem, options: Options, grid: np.ndarray) -> Iterator[tuple[Result, float]]:
    """Minimize J for each penalty, where it has derivatives; the Result, and J without the penalty."""
    base, theta = problem.elastic_net, None
    for times in map(float, grid):
        at = problem.with_penalty(base.times(times).ridge)
        found = auto.solve(at, theta, options)
        yield found, float(found.history.cost[-1]) - at.penalty.value(found.theta, np.ones(found.theta.shape[-1]))
        theta = None if newton.is_wide(at) else found.theta.flatten()       # wide X starts best in the space of its rows


def _null_loss(problem: Problem, point: Point, optimizer: Optimizer) -> float:
    """J without penalty of the best model with w = 0, where the start is the null model."""
    if problem.data.has_offset and problem.fit_intercept:
        alone = replace(problem.elastic_net, factors=np.full(problem.data.shape[1], np.inf))
        point, _ = optimizer.minimize(problem.with_penalty(alone), point, ON_START)
    return point.cost


def _grid(largest: float, count: int, smallest: float | None, shape: tuple[int, int]) -> np.ndarray:
    """So many penalties from the largest down, evenly spaced in the logarithm."""
    m, n = shape
    share = (_SMALLEST if m > n else _SMALLEST_OF_WIDE) if smallest is None else smallest
    return largest * share ** (np.arange(count) / max(count - 1, 1))


def _no_longer_moves(explained: list[float]) -> bool:
    """Whether the last penalty of a path has explained next to nothing more, or there is nothing more to explain."""
    return len(explained) >= _FEWEST and (explained[-1] > _ALL or explained[-1] - explained[-2] < _MOVES * explained[-1])

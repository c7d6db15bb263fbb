"""Paths of an elastic net: its minima for a falling sequence of penalties, each reached from the one before."""

import functools
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastlr.problem.problem import Problem
from fastlr.solvers import Options, Result, ridge_paths
from fastlr.solvers.elastic_net import ON_START, Aim, Optimizer, result, start, without_penalized
from fastlr.solvers.progress import Progress
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
    """What paths have found, one for each penalty."""

    lambdas: np.ndarray             # (L,) falling
    results: list[list[Result]]     # of each problem
    deviance_explained: np.ndarray  # (L,) by the first, as a share of that of the best model with w = 0
    seconds: np.ndarray             # (L,) for each of the first's


def follow(problems: Iterable[Problem], options: Options, optimizer_of: type[Optimizer], lambdas: int | np.ndarray,
           smallest: float | None = None, of_all_rows: Problem | None = None) -> Found:
    """Minimize J of each problem for each lambda, which its penalty is multiplied with.

    Parameters
    ----------
    problems : iterable of Problem
        With the same ElasticNet.  With l1 they are asked for one by one.
    options : Options
    optimizer_of : type of Optimizer
        That of the solver of l1.
    lambdas : int or (L,) float64
        The penalties, falling; or how many are made, evenly spaced in the logarithm, from the least that leaves w = 0 in the
        first problem.  Such a path ends early, where weaker penalties no longer move its deviance.
    smallest : float, optional
        The last penalty that is made, as a share of the first.
    of_all_rows : Problem, optional
        J of the rows of all problems; by default the first is that.
    """
    problems = iter(problems)
    given = next(problems)
    alone = options._replace(progress=None)     # of one penalty, which no bar shows
    problem, point, optimizer = start(given, None, alone, optimizer_of)
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
    side_by_side = [given, *problems] if is_smooth else [given]
    minima = map(functools.partial(_shown, options.progress),
                 ridge_paths.minima(side_by_side, of_all_rows or given, alone, grid) if is_smooth else
                 _of_l1(problem, point, stronger, optimizer, alone, grid))
    at_penalties, explained, seconds = list[list[Result]](), list[float](), list[float]()
    for penalty in map(base.times, grid):
        began = time.perf_counter()
        first = next(minima)
        seconds.append(time.perf_counter() - began)
        at_penalties.append([first, *itertools.islice(minima, len(side_by_side) - 1)])
        of_penalty = penalty.value(first.theta, np.ones(first.theta.shape[-1]))
        explained.append(1.0 - (float(first.history.cost[-1]) - of_penalty) / null)
        if isinstance(lambdas, int) and _no_longer_moves(explained):
            break
    grid = grid[:len(explained)]
    of_problems = [list(results) for results in zip(*at_penalties, strict=True)]
    of_problems += [follow([problem], options, optimizer_of, grid).results[0] for problem in problems]
    return Found(grid, of_problems, np.array(explained), np.array(seconds))


def _shown(progress: Progress | None, found: Result) -> Result:
    """The Result, once the bar has shown it."""
    if progress is not None:
        progress.show_next(float(found.history.cost[-1]))
    return found


def _of_l1(problem: Problem, point: Point, stronger: float, optimizer: Optimizer, options: Options,
           grid: np.ndarray) -> Iterator[Result]:
    """Minimize J for each penalty by working sets, from the point for a stronger one."""
    base, aim = problem.elastic_net, Aim(options.tol, options.tol)
    for times in map(float, grid):
        at = problem.with_penalty(base.times(times))
        optimizer.recorder = Recorder(options)
        point, certificate = optimizer.weaken(at, point, stronger / times, aim)
        stronger = times
        yield result(at, point, certificate, optimizer, options)


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

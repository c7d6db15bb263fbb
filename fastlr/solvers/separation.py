"""Whether J has a minimum at all: without l2 it has none where some direction of the features tells the classes apart.

Along such a recession direction no margin moves to the wrong side, and some move to the right one for ever.  Whether there is one
depends on X and y, and on which columns l2 leaves free, but not on where a solver has stopped: a direction is believed once every
margin has been looked at, and that there is none is believed of a linear program (Konis, Linear programming algorithms for
detecting separated data in binary logistic regression models, 2007).
"""

import importlib.util
import itertools
from collections.abc import Iterator

import numpy as np

from fastlr.data.dataset import InMemory
from fastlr.data.margin_changes import (
    ROUNDING,
    by_largest,
    gram_at_rest,
    margin_changes,
    most_wrong,
    null_part,
    signed_rows,
    total,
    typical_values,
)
from fastlr.problem.better_coordinates import near_origin
from fastlr.problem.coordinates import Coordinates
from fastlr.problem.problem import Problem
from fastlr.solvers.quasi_newton import InverseHessian

_RIGHT = 1e-10                  # the relative change that some margin has to make to its right side, at least
_RIGHT_TO_WRONG = 1e-5          # the share of the largest change that may be rounding
_RESTS = (1e-2, 1e-4, 1e-7)     # changes of a row's margin, its largest entry being 1, that may stand for 0 in a rough direction
_MOST_FEATURES = 1000           # for a linear program, and for directions that have to be made exact
_MOST_STORED = 50_000_000       # numbers in X, for the same two
_MOST_PIVOTS = 3e8              # numbers, in all iterations of the simplex method: some two seconds
_ROUNDS = 50                    # the most linear programs; each gets the rows that the last one has moved to the wrong side
_MOST_READ = 300_000_000        # the most numbers of X that are read for all linear programs
_FEASIBLE = 1e-10               # by how much a linear program may move a row to the wrong side
_NOISE = 1e-6                   # the share of the largest component of its solution up to which another one may stand for 0
_ROWS_A_FEATURE = 4             # rows of the first linear program, for each feature
_FEWEST_ROWS = 500
_SMALLEST_SINGULAR = 1e-12      # a singular value of the sample's rows, relative to the largest: below, nothing is known


def is_without_error(problem: Problem, cost: float, u: np.ndarray) -> bool:
    """Whether every example that counts is on its right side at u, by b and the w that l2 leaves free alone, where J is at most
    the cost."""
    return cost <= problem.cost_of_one_error and _separates(problem, u)


def recession_direction(problem: Problem, u: np.ndarray, grad: np.ndarray, p: np.ndarray) -> np.ndarray | None:
    """A direction of u, (n + 1,), that tells the classes apart, or None where there is none or none was found.

    Tried are the point u itself, a step p from there, that of Newton's method with the gradient grad, and the solution of a
    linear program (which needs SciPy).
    """
    if u.size > _MOST_FEATURES or problem.loss.n_margins * problem.data.size > _MOST_STORED:
        return next((way for way in (u, p) if _separates(problem, way)), None)
    near = near_origin(problem)
    size = min(max(_FEWEST_ROWS, _ROWS_A_FEATURE * u.size // problem.loss.n_free), near.data.count.rows)
    sample, = near.data.samples([size])
    typical = _typical(near, sample)
    newton = [InverseHessian.at(problem, u).direction(grad)] if problem.costs.has_room_for_hessian else []
    for way in newton:
        problem.remove_common(way)
    ways = [typical.coordinates.from_other(problem.coordinates, way) for way in (u, p, *newton)]
    found = (way for way in _candidates(typical, sample, ways)
             if _separates(typical, way) and not _hides_errors(typical, way))
    return next((problem.coordinates.from_other(typical.coordinates, way) for way in found), None)


def _separates(problem: Problem, way: np.ndarray) -> bool:
    """Whether a direction of u moves no margin to its wrong side and some to its right one: the proof of separation."""
    changes = problem.reduce(margin_changes, _free(problem, way)[:, None])
    least, largest = changes.least[0], changes.largest[0]
    return bool(largest >= _RIGHT and least >= -min(ROUNDING * way.size, _RIGHT_TO_WRONG * largest))


def _hides_errors(problem: Problem, way: np.ndarray) -> bool:
    """Whether margins move to their wrong side once the part of a direction is taken away along which no margin moves.

    Rounding of that part, where it is large, hides them: that of two equal columns, of which w takes one from the other.
    """
    q = _free(problem, way)
    every = np.diag(_free(problem, np.ones(way.size)))
    null = _at_rest(problem, every, q, np.inf)
    changes = problem.reduce(margin_changes, np.column_stack([null, q - null]))
    moved = max(-changes.least[0], changes.largest[0])
    return bool(moved <= ROUNDING * way.size and changes.least[1] < -_RIGHT_TO_WRONG * changes.largest[1])


def _candidates(problem: Problem, sample: InMemory, ways: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Given directions, the same made exact, and that of a linear program."""
    yield from ways
    every = np.diag(_free(problem, np.ones(problem.size)))
    for way in ways[:0:-1]:
        size = np.abs(way).max()
        for rest in _RESTS if 0.0 < size < np.inf else ():
            yield _at_rest(problem, every, way / size, rest)
    if importlib.util.find_spec("scipy") is not None:
        yield from _by_linear_program(problem, sample)


def _free(problem: Problem, way: np.ndarray) -> np.ndarray:
    """A direction without what can't grow for ever, and counts as an offset: a b that is fixed, and w that l2 holds."""
    return np.where(problem.is_free, way, 0.0)


def _at_rest(problem: Problem, basis: np.ndarray, q: np.ndarray, rest: float) -> np.ndarray:
    """The part of a direction q (k,) in a basis (n + 1, k) that leaves the margins alone which it hardly moves, as one of u."""
    return basis @ null_part(problem.reduce(gram_at_rest, basis, q, rest), q)


def _by_linear_program(problem: Problem, sample: InMemory) -> Iterator[np.ndarray]:
    """The direction within a box that moves margins furthest to their right side in all, and none to its wrong one, if any.

    Rows are brought in as they are needed, those of the sample first.  The units of columns make no difference, nor how near to
    each other or how far from 0 they are, nor how large a single value is: columns are standardized by typical values, the basis
    makes the columns of the sample independent and of one size, and every row is divided by its largest entry.
    """
    from scipy.optimize import linprog

    m, size = problem.data.count.rows, sample.shape[0]
    rows = sample.reduce(signed_rows, problem.loss, problem.coordinates.center, problem.coordinates.spread)
    is_free = _free(problem, np.ones(problem.size)) > 0.0
    rows[:, ~is_free] = 0.0
    of_free = _basis(by_largest(rows[:, is_free]), is_all=size == m)
    basis = np.zeros((problem.size, of_free.shape[1]))
    basis[is_free] = of_free
    if basis.shape[1] == 0:
        return
    rows = by_largest(rows @ basis)
    aim = problem.reduce(total, basis) / m
    pivots = _MOST_PIVOTS
    for _ in range(max(1, min(_ROUNDS, _MOST_READ // problem.data.size))):
        found = linprog(-aim, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1.0, 1.0), method="highs-ds",
                        options={"primal_feasibility_tolerance": _FEASIBLE, "dual_feasibility_tolerance": _FEASIBLE,
                                 "maxiter": int(pivots / rows.size)})
        if found.status != 0:
            return
        pivots -= found.nit * rows.size
        wrong = problem.reduce(most_wrong, basis, found.x, size)
        is_wrong = wrong.changes < -10.0 * _FEASIBLE
        if not is_wrong.any():
            vertex = [basis @ found.x] if found.x.any() else []
            for way in itertools.chain((_at_rest(problem, basis, found.x, rest) for rest in _RESTS[::-1] if vertex), vertex):
                yield way
                yield np.where(np.abs(way) > _NOISE * np.abs(way).max(), way, 0.0)
            return
        rows = np.concatenate([rows, wrong.rows[is_wrong]])


def _typical(problem: Problem, sample: InMemory) -> Problem:
    """J in coordinates in which most rows of a sample are standardized."""
    center, spread = typical_values(sample)
    known = problem.coordinates
    return problem.in_coordinates(Coordinates(center * problem.fit_intercept, np.where(spread > 0.0, spread, known.spread),
                                              known.origin))


def _basis(rows: np.ndarray, is_all: bool) -> np.ndarray:
    """Directions (n + 1, k) along which the rows of a sample move by about 1, and those along which only other rows can move."""
    _, singular, V = np.linalg.svd(rows, full_matrices=not is_all)
    is_known = np.zeros(len(V), bool)
    is_known[:singular.size] = singular > _SMALLEST_SINGULAR * singular[0]
    scale = np.ones(len(V))
    scale[is_known] = np.sqrt(len(rows)) / singular[is_known[:singular.size]]
    return (V * scale[:, None])[is_known | (not is_all)].T

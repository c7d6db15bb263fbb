"""Better coordinates for a problem whose columns the moments of X describe poorly.

A value that is far too large rules the deviation of its column, and a column far from 0 cancels in every product.  So the
curvature of the rows standardizes X in place of the moments, and columns are counted from a place near their values.
"""

import numpy as np

from fastlr.data import shift
from fastlr.data.dataset import InMemory
from fastlr.data.margin_changes import typical_values
from fastlr.data.moments import is_constant
from fastlr.problem.coordinates import Coordinates, Origin
from fastlr.problem.problem import Problem

# The least variance that can be told from 0, as a share of the mean square.
_CANCELLED = 1e-14
# The most features for whose curvature coordinates are made anew.
_MOST_JUDGED = 1000
# Rows of the sample that this curvature is taken from.
_ROWS_JUDGED = 2000
# Rows of the sample that typical values come from.
_FEW_ROWS = 500
# The share of the curvature at the null model below which coordinates are made anew.
_FLAT = 1e-6
# How many times too large a unit is, or deviations from a center, that make coordinates poor.
_MISFIT = 30.0


def where_curvature_fits(problem: Problem, u: np.ndarray) -> Problem:
    """J in these coordinates, or where they are poor in better ones.

    They are poor where the curvature at u, judged by a sample, standardizes X much else, or where columns are far from 0.
    """
    if problem.data.shape[1] > _MOST_JUDGED:
        return problem
    near = near_origin(problem)
    rows, = near.data.samples([min(_ROWS_JUDGED, near.data.count.rows)])
    H = near.part(rows).class_hessians(near.coordinates.from_other(problem.coordinates, u))
    H = H.reshape(-1, *H.shape[-2:]).sum(axis=0)
    if not H[-1, -1] > 0.0:
        return near
    other = _by_curvature(near, H)
    before, after = near.coordinates, other.coordinates
    is_fit = ((after.spread / before.spread).min() >= 1.0 / _MISFIT and
              (np.abs(after.center - before.center) <= _MISFIT * after.spread).all() and
              H[-1, -1] >= _FLAT * problem.loss.n_margins * near.diagonal[-1])
    return near if is_fit else near_origin(other)


def _by_curvature(problem: Problem, H: np.ndarray) -> Problem:
    """J in coordinates that the curvature of the rows standardizes.

    H is the Hessian (n + 1, n + 1) of the loss by u; for K classes it is the sum of those of each class alone.  The mean and
    deviation of a column are weighted by curvature.  A row with none left, such as one with a value that is far too large, has no
    say in them.
    """
    center, spread, origin = problem.coordinates.center, problem.coordinates.spread, problem.coordinates.origin
    if problem.fit_intercept:
        whole, first = H[-1, -1], H[-1, :-1] / H[-1, -1]
    else:
        whole, first = problem.loss.n_margins * problem.diagonal[-1], np.zeros(spread.size)
    square = np.maximum(H.diagonal()[:-1] / whole, 0.0)         # of sparse X it may have been rounded below 0
    weighted = center + first * spread
    deviation = spread * np.sqrt(np.maximum(square - first ** 2, _CANCELLED * square))
    is_kept = known_constants(problem) | is_constant(weighted, deviation) | ~np.isfinite(weighted)
    center, spread = np.where(is_kept, center, weighted), np.where(is_kept, spread, deviation)
    other = problem.in_coordinates(Coordinates(center, spread, origin))
    return other.not_standardised(other.coordinates, whole / problem.loss.n_margins + other.penalty_diagonal)


def known_constants(problem: Problem) -> np.ndarray:
    """Which columns, (n,), are constant by their moments, whatever rounding leaves of them in a Hessian; none that was moved."""
    return problem.columns.is_constant & (problem.coordinates.origin.shift == 0.0)


def near_origin(problem: Problem) -> Problem:
    """This problem with columns that are far from 0 moved near it, in a copy of X, so that no product cancels."""
    origin = better_origin(problem)
    if origin is None:
        return problem
    assert isinstance(problem.data, InMemory)
    center, spread = problem.coordinates.center - origin.shift * problem.fit_intercept, problem.coordinates.spread
    moved = problem.part(shift.shifted(problem.data, origin.shift))
    return moved.not_standardised(Coordinates(center, spread, origin), problem.diagonal)


def better_origin(problem: Problem) -> Origin | None:
    """Where to count columns from that are far from 0; None where there is nothing to gain, or no room for a copy of X."""
    if problem.coordinates.origin.shift.any() or not isinstance(problem.data, InMemory):
        return None
    place, unit, center, spread = -1, 1.0, problem.coordinates.center, problem.coordinates.spread
    if not problem.fit_intercept:               # a penalty on a constant column would change J
        constant = None if problem.penalty_diagonal.any() else shift.constant_column(problem.data)
        if constant is None:
            return None
        place, unit = constant
        sample, = problem.data.samples([min(_FEW_ROWS, problem.data.count.rows)])
        center, spread = typical_values(sample)
    far = shift.far_from_zero(problem.data, center, spread)
    if place >= 0:
        far[place] = 0.0
    return Origin(far, place, unit) if far.any() else None


def varies_by_rounding(problem: Problem, H: np.ndarray) -> np.ndarray:
    """Which columns, (n,), vary by no more than rounding among the rows that have curvature, by their Hessian H by u."""
    square = problem.coordinates.rows(H.diagonal()).sum(axis=0)
    whole = square[-1] if problem.fit_intercept else problem.loss.n_margins * problem.diagonal[-1]
    deviation = problem.coordinates.spread * np.sqrt(np.maximum(square[:-1], 0.0) / whole)
    return is_constant(problem.coordinates.center, deviation)

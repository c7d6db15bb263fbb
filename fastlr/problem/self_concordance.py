"""How far J is above its minimum, by the curvature of some rows: a proof for any penalty, also for none.

The third derivative of the loss is at most M times the second, with M = 1 for the logistic loss.  Let A be some rows,
v_i = [x_i, 1], H_A the Hessian of their losses, g the gradient of J, and

    nu^2 = g^T H_A^-1 g        R^2 >= v_i^T H_A^-1 v_i for every i in A        x = M R nu

If x < 1, J has a minimum, and J - J* <= (x + (1 - x) ln(1 - x)) / (M R)^2 (after Bach, Self-concordant analysis for logistic
regression, 2010).  Leverages are at most 1, so R^2 = 1 / d will do, where d is the least curvature of a row of A in J.  A is
chosen to make R known beforehand: it holds the rows whose curvature is at least d.  A row far on one side has next to no
curvature; kept, it would make R useless.
"""

import math
from typing import NamedTuple

import numpy as np

from fastlr.data.margin_changes import ROUNDING, gram_at_rest, largest_changes, null_part, typical_values
from fastlr.machine import blas
from fastlr.problem.better_coordinates import better_origin, varies_by_rounding
from fastlr.problem.loss import Logistic
from fastlr.problem.penalty import ElasticNet
from fastlr.problem.problem import Problem

LEAST_EIGENVALUE = 1e-10        # of a Hessian with a diagonal of ones: below, rounding may be all of it
_WIDTH = 500.0                  # times the gap: the least curvature of a row that is kept, which makes x about 0.06
_LARGEST_SHARE = 0.1            # of the mean curvature of a row at the null model, the most that a row may need to be kept
_NULL = 1e-12                   # relative change of a margin, see `largest_changes`: more is no rounding
_ANOTHER = 1e-3                 # relative change of a direction that makes it another one
_NOTHING = 1e-13                # a component of a direction, relative to the largest, that stands for 0
_TYPICAL_ROWS = 100             # rows of a sample that tells by what columns vary
_MOST_FEATURES = 1000           # for directions that are made exact
_TINY = float(np.finfo(float).tiny)
_EPS = float(np.finfo(float).eps)


class Certificate(NamedTuple):
    """What is proved about a point."""

    gap: float                  # J - J* is at most this; infinity where nothing is proved
    has_minimum: bool           # whether J has been proved to have a minimum
    is_dear: bool = False       # whether only a Hessian that is out of proportion could prove more


NOTHING = Certificate(math.inf, False)


def self_concordance(problem: Problem, rows: Problem, u: np.ndarray, grad: np.ndarray, gap: float) -> Certificate:
    """The bound by the Hessian of some rows, a sample or all of them, at u."""
    largest = _largest_floor(problem)
    gap = max(gap, _TINY)
    for _ in range(2):
        floor = min(_WIDTH * gap, largest)
        H = problem.loss.with_common(rows.loss_hessian(u, floor))
        problem.add_penalty(H)
        norm = _norm(problem, H, u, grad)
        if floor == largest or norm ** 2 <= 4.0 * gap or norm == math.inf:
            break
        gap = norm ** 2                         # more than was expected: rows of little curvature have to go
    M = rows.loss.self_concordance
    x = M * norm / math.sqrt(floor) if floor > 0.0 else math.inf
    return Certificate(floor * fall(x) / M ** 2, True) if x < 1.0 else NOTHING


def provable(problem: Problem) -> float:
    """About the largest J - J* for which the Hessian proves anything."""
    return 0.5 * _largest_floor(problem) / problem.loss.self_concordance ** 2


def _largest_floor(problem: Problem) -> float:
    return _LARGEST_SHARE * problem.loss.null_curvature(problem.shares) / problem.to_mean / problem.data.count.rows


def fall(x: float) -> float:
    """x + (1 - x) ln(1 - x) for 0 <= x < 1."""
    return x + (1.0 - x) * math.log1p(-x) if x > 1e-3 else x * x * (0.5 + x / 6.0 + x * x / 12.0)     # the first would cancel


def _norm(problem: Problem, H: np.ndarray, u: np.ndarray, grad: np.ndarray) -> float:
    """The root of g^T H^-1 g, and what rounding of the margins can add to it.

    Directions in which no margin moves are left out without a penalty: J is constant along them.  Where H has no curvature in a
    direction in which margins do move, the norm is infinite.
    """
    if problem.data.is_sparse and better_origin(problem) is not None:
        return math.inf                         # H is centered by subtraction, and has lost its digits
    size = np.sqrt(H.diagonal())
    size[size == 0.0] = 1.0
    R, g = H / (size[:, None] * size), grad / size
    # J is not constant along a direction in which no margin moves where l1 is the only penalty.
    is_held_by_l1 = not problem.is_penalised and isinstance(problem.penalty, ElasticNet)
    if not problem.is_penalised:
        is_constant = problem.columns.is_constant & varies_by_rounding(problem, H)
        constant = np.flatnonzero(problem.of_all_rows(np.append(is_constant, False)) & problem.is_free)
        if is_held_by_l1 and g[constant].any():
            return math.inf
        R[constant] = R[:, constant] = g[constant] = 0.0
        R[constant, constant], size[constant] = 1.0, np.inf
    squared, trace = math.inf, math.inf         # of g by R^-1, and of R^-1
    try:
        P = blas.inverse_factor(R)
        along = P @ g
        squared, trace = blas.dot(along, along), blas.dot(P.ravel(), P.ravel())
    except np.linalg.LinAlgError:
        pass
    if not trace <= 1.0 / LEAST_EIGENVALUE:
        if not np.isfinite(R).all():
            return math.inf
        eigenvalues, V = np.linalg.eigh(R)
        is_flat = eigenvalues <= LEAST_EIGENVALUE
        if is_flat.any() and (is_held_by_l1 or not _is_null(problem, V[:, is_flat] / size[:, None])):
            return math.inf
        along = V[:, ~is_flat].T @ g
        squared, trace = float(along @ (along / eigenvalues[~is_flat])), float((1.0 / eigenvalues[~is_flat]).sum())
        if problem.is_penalised:                # which alone is sure to hold J along the others
            held = (problem.penalty_diagonal / size ** 2) @ np.square(V[:, is_flat])
            squared += float((np.square(V[:, is_flat].T @ g) / held).sum())
            trace += float((1.0 / held).sum())
    # A change of all margins by e changes no component of g by more than e times the root of J's curvature by c.  The gradient of
    # the penalty cancels against that of the loss.
    of_margins = problem.margin_rounding(u) * 0.5 / math.sqrt(problem.to_mean) * math.sqrt(g.size)
    pull = problem.penalty.gradient(u.reshape(problem.shape), problem.coordinates.scales).ravel() / size
    of_penalty = 4.0 * _EPS * math.sqrt(blas.dot(pull, pull))
    return math.sqrt(squared) + (of_margins + of_penalty) * math.sqrt(trace)


def _is_null(problem: Problem, directions: np.ndarray) -> bool:
    """Whether J is constant along directions (r (n + 1), k) of u, or held by the penalty alone.

    J is constant where each row of a direction leaves the margins alone, but for what all classes have in common.  It is not
    where a penalty on some of the columns holds one of them.
    """
    is_held = not problem.is_penalised and not problem.is_free.all()
    if is_held and (np.abs(directions) > _NOTHING * np.abs(directions).max(axis=0))[~problem.is_free].any():
        return False
    (r, _), k = problem.coordinates.rows(problem.diagonal).shape, directions.shape[1]
    of_rows = directions.reshape(r, -1, k).copy()
    problem.loss.remove_common(of_rows)
    each = np.moveaxis(of_rows, 0, -1).reshape(-1, r * k)
    each = each[:, each.any(axis=0)]
    if r > 1:                                   # a basis of what the rows span: a small row is rounding beside the others
        basis, singular, _ = np.linalg.svd(each, full_matrices=False)
        each = basis[:, singular > LEAST_EIGENVALUE * singular.max(initial=0.0)]
    center, spread = problem.coordinates.center, problem.coordinates.spread
    if problem.data.reduce(largest_changes, center, spread, each, 1e-3).max(initial=0.0) > _NULL:
        return False
    return problem.is_penalised or each.size == 0 or not _tells_rows_apart(problem, each[:-1] / spread[:, None])


def _tells_rows_apart(problem: Problem, directions: np.ndarray) -> bool:
    """Whether margins move apart along directions (n, k) of w by more than rounding.

    What counts is how far a margin moves from that of another row, in units of what the columns vary among most rows.  So two
    columns that are far from 0, and differ by next to nothing there, are told apart.  The directions are made exact if need be.
    """
    data, n = problem.data, len(directions)
    sample, = data.samples([min(_TYPICAL_ROWS, data.count.rows)])
    _, spread = typical_values(sample)
    spread = np.where(spread > 0.0, spread, problem.coordinates.spread)
    row, basis = data.heaviest_row(), np.eye(n + 1, n)

    def are_apart(v: np.ndarray) -> bool:
        v = np.where(np.abs(v) > _NOTHING * np.abs(v).max(axis=0), v, 0.0)
        return bool(data.reduce(largest_changes, row, spread, basis @ v, 1.0).max() > ROUNDING * (n + 1))

    rough = directions * spread[:, None]
    if not are_apart(rough):
        return False
    if n > _MOST_FEATURES:
        return True
    exact = null_part(data.reduce(gram_at_rest, Logistic(), row, spread, basis, np.zeros(n), np.inf), rough)
    is_another = np.linalg.norm(exact - rough, axis=0) > _ANOTHER * np.linalg.norm(rough, axis=0)
    return bool(is_another.any()) or are_apart(exact)

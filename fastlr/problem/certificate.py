"""How far J is above its minimum: upper bounds that are proofs, from the gradient and the curvature at one point.

Let g be the gradient of J at a point, and A any set of rows.  The loss is convex, so J is nowhere below the function that keeps
the losses of A and replaces every other loss by its tangent at the point.  That function has the same value and the same gradient
there.  Its Hessian H_A can be cheaper to compute.  Two facts bound how far it falls, and so how far J can fall.

Self-concordance: the third derivative of the loss is at most M times the second, with M = 1 for the logistic loss.  Let
v_i = [x_i, 1] be the rows of A, and

    nu^2 = g^T H_A^-1 g        R^2 >= v_i^T H_A^-1 v_i for every i        x = M R nu

If x < 1, J has a minimum, and J - J* <= (x + (1 - x) ln(1 - x)) / (M R)^2 (after Bach, Self-concordant analysis for logistic
regression, 2010).  Leverages are at most 1, so R^2 = 1 / d will do, where d is the least curvature of a row of A in J.  A is
chosen to make R known beforehand: it holds the rows whose curvature is at least d.  A row far on one side has next to no
curvature; kept, it would make R useless.

Strong convexity: with l2 > 0 and without an intercept, J - J* <= sum_j (dJ/dw_j)^2 / (2 l2).

l1: the same with the least subgradient, and where l2 is 0 by what l1 lets w be, see `ElasticNet.gap`.
"""

import math
from typing import NamedTuple

import numpy as np

from fastlr.data.margin_changes import ROUNDING, gram_at_rest, largest_changes, null_part, typical_values
from fastlr.machine import blas
from fastlr.problem.better_coordinates import better_origin, varies_by_rounding
from fastlr.problem.cost_model import FEW_ROWS, SMALL
from fastlr.problem.loss import Logistic
from fastlr.problem.penalty import ElasticNet
from fastlr.problem.problem import Problem

_WIDTH = 500.0                  # times the gap: the least curvature of a row that is kept, which makes x about 0.06
_LARGEST_SHARE = 0.1            # of the mean curvature of a row at the null model, the most that a row may need to be kept
_LEAST_EIGENVALUE = 1e-10       # of a Hessian with a diagonal of ones: below, rounding may be all of it
_NULL = 1e-12                   # relative change of a margin, see `largest_changes`: more is no rounding
_ANOTHER = 1e-3                 # relative change of a direction that makes it another one
_NOTHING = 1e-13                # a component of a direction, relative to the largest, that stands for 0
_TYPICAL_ROWS = 100             # rows of a sample that tells by what columns vary
_MOST_FEATURES = 1000           # for directions that are made exact
_FEWEST_ROWS = 500              # the fewest rows of a sample
_ROOM = 4.0                     # times the rows that a proof is expected to need, which a sample has
_WORTH_A_SAMPLE = 0.5           # of the time that a Hessian of all rows takes, the most that one of a sample may take
_ROWS_A_FEATURE = 4             # rows of a sample, for each feature
_MOST_COLUMNS = 1000            # columns of a Hessian that serves where l1 is weak, at most
_TINY = float(np.finfo(float).tiny)
_EPS = float(np.finfo(float).eps)


class Certificate(NamedTuple):
    """What is proved about a point."""

    gap: float                  # J - J* is at most this; infinity where nothing is proved
    has_minimum: bool           # whether J has been proved to have a minimum
    is_dear: bool = False       # whether only a Hessian that is out of proportion could prove more


NOTHING = Certificate(math.inf, False)


def certificate(problem: Problem, u: np.ndarray, grad: np.ndarray, gap: float, enough: float, budget: float) -> Certificate:
    """A bound on J - J* at u that is small enough; or else the best that can be had at this price.

    As many rows are taken as it is expected to need.  All of them are where fewer prove too little, or hardly save time.

    Parameters
    ----------
    problem : Problem
    u, grad : (n + 1,)
        The point, and the gradient of J by u there.
    gap : float
        What J - J* is expected to be.
    enough : float
        A bound that is small enough: a better one is not worth its time.
    budget : float
        Nanoseconds that it may take, by the cost model of the problem.  A Hessian may take longer where nothing else proves that
        J has a minimum.
    """
    whole, best, share = problem.costs.whole_hessian(), NOTHING, _share_of_sample(problem, gap, enough)
    if problem.costs.whole_hessian(min(share, 1.0)) > FEW_ROWS:
        best = by_penalty_alone(problem, u, grad, enough)
        if best.gap <= enough:
            return best
    # Few rows of a sparse X have nothing in some columns, and prove nothing; and all rows take little longer.
    worth = 0.0 if problem.data.is_sparse else _WORTH_A_SAMPLE * whole
    if share <= _most_of_sample(problem, worth if whole <= budget else budget):
        sample, = problem.data.samples([math.ceil(share * problem.data.count.rows)])
        best = min(best, self_concordance(problem, problem.part(sample), u, grad, gap / share))
        if best.gap <= enough:
            return best
    if whole <= budget:
        found = self_concordance(problem, problem, u, grad, gap)
        return found if found.gap <= enough else min(found, strong_convexity(problem, u, grad, enough))
    best = min(best, strong_convexity(problem, u, grad, enough))
    if best.has_minimum or problem.is_penalised or whole == math.inf:
        return best._replace(is_dear=True)
    return self_concordance(problem, problem, u, grad, gap)       # whether J has a minimum at all is worth a Hessian


def obstacle(problem: Problem, grad: np.ndarray, gap: float, enough: float, budget: float) -> tuple[float, float]:
    """Two numbers: before the first has fallen to the second, `certificate` can't be expected to prove enough."""
    whole = problem.costs.whole_hessian()
    if whole <= budget:
        return gap, _provable(problem)
    if not problem.is_penalised:
        return 0.0, enough
    most = _most_of_sample(problem, budget)
    if _share_of_sample(problem, 0.0, enough) <= most:          # a step or two more cost less than the way to the best intercept
        return gap, most / _ROOM * min(enough, _provable(problem))
    return _by_weights(problem, _gradient_by_w(problem, grad)), enough


def _share_of_sample(problem: Problem, gap: float, enough: float) -> float:
    """The share of the rows whose Hessian can be expected to prove enough; it may be more than all."""
    fewest = max(_FEWEST_ROWS, _ROWS_A_FEATURE * problem.size) / problem.data.count.rows
    return max(fewest, _ROOM * gap / max(min(enough, _provable(problem)), _TINY))


def _most_of_sample(problem: Problem, budget: float) -> float:
    """The largest share of the rows for whose Hessian there is time, and for whose copy there is room."""
    data, at_least = problem.data, problem.costs.whole_hessian(0.0)
    if not at_least < budget:
        return 0.0
    in_time = (budget - at_least) / max(problem.costs.whole_hessian() - at_least, _TINY)
    return min(in_time, data.most_bytes_of_samples / (data.count.rows * data.bytes_a_row))


def _provable(problem: Problem) -> float:
    """About the largest J - J* for which the Hessian proves anything."""
    return 0.5 * _largest_floor(problem) / problem.loss.self_concordance ** 2


def _largest_floor(problem: Problem) -> float:
    return _LARGEST_SHARE * problem.loss.null_curvature(problem.shares) / problem.to_mean / problem.data.count.rows


def strong_convexity(problem: Problem, u: np.ndarray, grad: np.ndarray, enough: float = math.inf) -> Certificate:
    """The bound by the penalty.

    It is weak where db is not 0.  Where it is more than enough, a Newton step of the intercepts alone goes to a point where db is
    next to nothing, for two reads of X.  What J falls on the way there and what it falls from there on are both bounded.
    """
    if not problem.is_penalised:
        return NOTHING
    found = _by_penalty(problem, u, grad)
    db = problem.coordinates.rows(grad)[:, -1]
    if found.gap <= enough or not db.any():
        return found
    way = _to_best_intercepts(problem, u, db)
    if way.fall == math.inf:
        return found
    there = u.copy()
    problem.coordinates.rows(there)[:, -1] += way.step
    grad = problem.evaluate(there).grad
    then = _way_of_intercepts(problem, way.inverse, problem.coordinates.rows(grad)[:, -1])
    return min(found, Certificate(way.fall + _by_penalty_on(problem, grad, then).gap, True))


def by_penalty_alone(problem: Problem, u: np.ndarray, grad: np.ndarray, enough: float) -> Certificate:
    """The bound by the penalty without a step of the intercepts, for a few rows of X; nothing where it can't be enough.

    No intercept is nearer to the best than by its gradient over the largest curvature.
    """
    if not problem.is_penalised:
        return NOTHING
    db = problem.to_mean * np.abs(problem.coordinates.rows(grad)[:, -1]).max()
    least = _by_penalty_on(problem, grad, _Way(0.0, float(db) / problem.loss.largest_curvature))
    return _by_penalty(problem, u, grad) if least.gap <= enough else NOTHING


def _by_penalty(problem: Problem, u: np.ndarray, grad: np.ndarray) -> Certificate:
    """The bound by the penalty, at one point.

    Let h bound the distance from b to the best b for this w, and delta what J falls on that way: both are known from db and the
    curvature of a few rows.  On that way dJ/dw_j changes by at most h rms_j / 4, where rms_j is the root mean square of column j.
    From there on J falls by at most sum_j (|dJ/dw_j| + h rms_j / 4)^2 / (2 l2).
    """
    db = problem.coordinates.rows(grad)[:, -1]
    if not db.any():
        return _by_penalty_on(problem, grad, _Way(0.0, 0.0))
    rows, = problem.data.samples([min(_FEWEST_ROWS, problem.data.count.rows)])
    return _by_penalty_on(problem, grad, _to_best_intercepts(problem.part(rows), u, db))


def _by_penalty_on(problem: Problem, grad: np.ndarray, way: "_Way") -> Certificate:
    """The bound by the penalty, where the gradient is grad, and the way from there to the best intercepts is known."""
    if way.fall == math.inf:
        return NOTHING
    change = way.distance * problem.columns.spread * problem.loss.largest_change / problem.to_mean
    return Certificate(way.fall + _by_weights(problem, np.abs(_gradient_by_w(problem, grad)) + change), True)


def _gradient_by_w(problem: Problem, grad: np.ndarray) -> np.ndarray:
    """The gradient (r, n) by w, where the columns of X are counted from their means."""
    rows, coordinates = problem.coordinates.rows(grad), problem.coordinates
    return rows[:, :-1] * coordinates.spread + (coordinates.center - problem.columns.center) * rows[:, -1:]


def _by_weights(problem: Problem, dw: np.ndarray) -> float:
    """What J can fall at most, by the penalty, where the gradient by w is dw and that by the intercepts is 0."""
    return 0.5 * float(np.square(dw).sum()) / problem.penalty.convexity


def with_l1(problem: Problem, u: np.ndarray, cost: float, grad: np.ndarray, enough: float = math.inf) -> Certificate:
    """The bound where the penalty is an elastic net, on all columns whose w may differ from 0.

    Let delta be what J falls by the intercept and the unpenalized columns alone.  On that way the losses' slopes change by so
    little (convex functions with a bounded second derivative are co-coercive) that no component of the gradient in standardized
    coordinates changes by more than sqrt(2 C delta / to_mean), where C is the loss's largest curvature.  Nor does a row's slope
    change by more than twice its loss times expm1(h), where its margins move apart by h; by rounding too.

    Parameters
    ----------
    problem : Problem
        In standardized coordinates.
    u, grad : (n + 1,)
        The point, and the gradient of all but l1 there.
    cost : float
    enough : float
        A bound that is small enough.  Where l1 is so weak that it proves less, and there are few columns, the Hessian of the loss
        serves with the least subgradient in place of the gradient, since l1 is convex.
    """
    penalty, scales, C = problem.elastic_net, problem.coordinates.scales, problem.loss.largest_curvature
    way, found, count = _way_of_unpenalized(problem, u, grad), NOTHING, problem.data.count
    if way.fall < math.inf:
        of_loss = 2.0 * cost * math.sqrt(count.total / count.lightest)      # no |x_ij| is above the root in these coordinates
        slack = (min(math.sqrt(2.0 * C * way.fall / problem.to_mean), of_loss * math.expm1(way.distance))
                 + min(C / problem.to_mean, of_loss) * problem.margin_rounding(u))
        found = Certificate(way.fall + penalty.gap(u, grad, scales, cost, slack), True)
    if found.gap <= enough or u.size > min(_MOST_COLUMNS, problem.data.count.rows) or penalty.is_left_out.any():
        return found
    r, left = penalty.least_subgradient(u, grad, scales), 0.0
    if problem.loss.n_free < problem.loss.n_margins:
        # What all classes share is held by the penalty alone, whose l1 part is at most J here and at the minimum.
        r, left = penalty.balanced_subgradient(u, grad, scales)
    by_hessian = self_concordance(problem, problem, u, r, enough)
    return min(found, by_hessian._replace(gap=by_hessian.gap + 2.0 * cost * left))


class _Way(NamedTuple):
    """The way to the best of some coordinates, such as the intercepts."""

    fall: float                 # what J falls at most on it; infinity if nothing is known
    distance: float             # how far the margins of a row move apart at most on it; infinity if that is not known
    step: np.ndarray = np.empty(0)              # (r,) where Newton's method goes by intercepts, and
    inverse: np.ndarray = np.empty((0, 0))      # (r, r) no less than the inverse Hessian by intercepts there


_UNKNOWN = _Way(math.inf, math.inf)


def _way_of_unpenalized(problem: Problem, u: np.ndarray, grad: np.ndarray) -> _Way:
    """The way from u to the best of the coordinates without a penalty."""
    is_free, rows = problem.elastic_net.is_unpenalized(problem.coordinates.scales), problem.coordinates.rows
    grad = rows(grad)[:, np.append(is_free, True)].ravel()
    if not (grad.any() or is_free.any()):
        return _Way(0.0, 0.0)
    is_held = is_free | rows(u)[:, :-1].any(axis=0)
    is_held[0] = True                           # a problem has a column
    columns = np.flatnonzero(is_held)
    if 4 * columns.size < is_free.size and problem.data.size > SMALL:      # the others move no margin, and take more than a copy
        problem, u, is_free = problem.on_columns(columns), rows(u)[:, np.append(columns, -1)].ravel(), is_free[columns]
    if not is_free.any():
        return _to_best_intercepts(problem, u, grad)
    part = problem.around(u, np.flatnonzero(is_free))
    return _Way(self_concordance(part, part, np.zeros(grad.size), grad, 0.0).gap, math.inf)


def _to_best_intercepts(problem: Problem, u: np.ndarray, db: np.ndarray) -> _Way:
    """The way from u to the best intercepts for its w, where the gradient by the intercepts is db (r,)."""
    H = problem.loss.with_common(problem.intercept_hessian(u))
    if not np.isfinite(H).all():
        return _UNKNOWN
    eigenvalues, V = np.linalg.eigh(H)
    if not eigenvalues[0] > _LEAST_EIGENVALUE * eigenvalues[-1]:
        return _UNKNOWN
    return _way_of_intercepts(problem, V / eigenvalues @ V.T, db)


def _way_of_intercepts(problem: Problem, inverse: np.ndarray, db: np.ndarray) -> _Way:
    """The way to the best intercepts from where the gradient is db (r,), and the inverse Hessian no more than given (r, r).

    On Newton's step the margins of a row move apart by at most x / M.  So the Hessian becomes at most e^x times smaller.
    """
    M, squared_range = problem.loss.self_concordance, problem.loss.squared_range(inverse)
    x = M * math.sqrt(squared_range * max(float(db @ inverse @ db), 0.0))
    if not x < 1.0:
        return _UNKNOWN
    return _Way(_fall(x) / (M ** 2 * squared_range), -math.log1p(-x) / M, -inverse @ db, math.exp(x) * inverse)


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
    return Certificate(floor * _fall(x) / M ** 2, True) if x < 1.0 else NOTHING


def _fall(x: float) -> float:
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
    if not trace <= 1.0 / _LEAST_EIGENVALUE:
        if not np.isfinite(R).all():
            return math.inf
        eigenvalues, V = np.linalg.eigh(R)
        is_flat = eigenvalues <= _LEAST_EIGENVALUE
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
        each = basis[:, singular > _LEAST_EIGENVALUE * singular.max(initial=0.0)]
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


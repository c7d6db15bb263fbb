"""Newton's method for J with l1 on the columns of a working set, in compiled code: one call, many updates.

X is the working set transposed, so that a column of it is contiguous here: X[j], in units of its deviation.  A dense column is
centered too; of a sparse one only what is stored is kept, and `shift` says where its center is.  With the coordinates
u = [u_1 .. u_p, c] a row's margin is

    z = c + offset + sum_j u_j (X[j] - shift_j)

Each update minimizes the quadratic model of J at z plus sum_j thresholds_j |u_j|.  The intercept of the model is always the best
one, so that no column has to be centered for it.  Coordinate descent goes along the columns; the model's change of the margins is
kept, times the curvatures of the rows.  Where that has taken as long as the second derivatives would, and X is dense, it goes on
with these, and with the minimum for fixed signs.  (Yuan, Ho and Lin, An improved GLMNET for l1-regularized logistic regression,
2012.)
"""

import math
from typing import Any

import numpy as np

from fastlr.backends.compiled.block_pass import values_of_row
from fastlr.backends.compiled.chunks import PANEL_ROWS
from fastlr.backends.compiled.hessian import add_products
from fastlr.backends.compiled.jit import block, by_layout, helper, shape_of
from fastlr.backends.compiled.scalar import cross_entropy, exp_nonpositive, slope
from fastlr.backends.compiled.scalar import curvature as curvature_of
from fastlr.backends.penalized_newton import DEAR, FULL, NEAR, STUCK, Goal

# The least second derivative along a column, as a share of what it would be with its center at 0.
_FLAT = 1e-12
# The share of the least subgradient to which a model is minimized by its columns, and that by its second derivatives.
_OF_NORM, _OF_NORM_BY_HESSIAN = 0.25, 0.01
# A second derivative that stands for 0.
_NOTHING = 1e-300
# Passes over the columns that differ from 0 follow one over all, until what they change is this share of the aim.
_OF_AIM = 0.3
# Passes over all columns for one model, at most.
_MOST_PASSES = 1000
# Minima for fixed signs in a row.
_MOST_POLISHED = 3
# The share of the decrease that a linear model promises, which a step has to bring.
_SUFFICIENT = 1e-4
# The shortest step, as a share of the full one.
_SHORTEST = 2.0 ** -30
# The share of the least subgradient that may be left after a step whose change of J is rounding.
_SMALLER = 0.5


# ---- a column, dense or sparse --------------------------------------------------------------------------------------

def _dot_dense(X: Any, j: int, v: Any) -> float:
    x, total = X[j], 0.0
    for i in range(v.size):
        total += x[i] * v[i]
    return total


def _dot_csr(X: Any, j: int, v: Any) -> float:
    values, indices, total = X.values, X.indices, 0.0
    for k in values_of_row(X.indptr, j):
        total += values[k] * v[np.uintp(indices[k])]
    return total


def _add_dense(X: Any, j: int, c: float, v: Any) -> None:
    x = X[j]
    for i in range(v.size):
        v[i] += c * x[i]


def _add_csr(X: Any, j: int, c: float, v: Any) -> None:
    values, indices = X.values, X.indices
    for k in values_of_row(X.indptr, j):
        v[np.uintp(indices[k])] += c * values[k]


def _add_weighed_dense(X: Any, j: int, c: float, d: Any, v: Any) -> None:
    x = X[j]
    for i in range(v.size):
        v[i] += c * d[i] * x[i]


def _add_weighed_csr(X: Any, j: int, c: float, d: Any, v: Any) -> None:
    values, indices = X.values, X.indices
    for k in values_of_row(X.indptr, j):
        i = np.uintp(indices[k])
        v[i] += c * d[i] * values[k]


def _moments_dense(X: Any, j: int, dz: Any, d: Any) -> tuple[float, float, float]:
    x, g, first, second = X[j], 0.0, 0.0, 0.0
    for i in range(dz.size):
        dx = d[i] * x[i]
        g += dz[i] * x[i]
        first += dx
        second += dx * x[i]
    return g, first, second


def _moments_csr(X: Any, j: int, dz: Any, d: Any) -> tuple[float, float, float]:
    values, indices, g, first, second = X.values, X.indices, 0.0, 0.0, 0.0
    for k in values_of_row(X.indptr, j):
        i, x = np.uintp(indices[k]), values[k]
        dx = d[i] * x
        g += dz[i] * x
        first += dx
        second += dx * x
    return g, first, second


def _size_dense(X: Any, j: int) -> int:
    return X.shape[1]


def _size_csr(X: Any, j: int) -> int:
    return X.indptr[j + 1] - X.indptr[j]


def _add_hessian_dense(X: Any, d: Any, panel: Any, H: Any) -> None:
    p, m = X.shape
    for first in range(0, m, PANEL_ROWS):
        size = min(PANEL_ROWS, m - first)
        if size < PANEL_ROWS:
            panel[:] = 0.0
        for k in range(size):
            panel[p, k] = math.sqrt(d[first + k])
        root = panel[p]
        for j in range(p):
            x, row = X[j, first:first + size], panel[j]
            for k in range(size):
                row[k] = root[k] * x[k]
        add_products(panel, H)


def _add_hessian_csr(X: Any, d: Any, panel: Any, H: Any) -> None:
    """A sparse working set has none: `Goal.has_hessian` is 0."""


dot = by_layout(_dot_dense, _dot_dense, _dot_csr)
"""dot(X, j, v): X[j] . v."""
add = by_layout(_add_dense, _add_dense, _add_csr)
"""add(X, j, c, v): v += c X[j]."""
add_weighed = by_layout(_add_weighed_dense, _add_weighed_dense, _add_weighed_csr)
"""add_weighed(X, j, c, d, v): v += c d X[j]."""
moments = by_layout(_moments_dense, _moments_dense, _moments_csr)
"""moments(X, j, dz, d): X[j] . dz, and the sums of d X[j] and of d X[j]^2."""
size_of = by_layout(_size_dense, _size_dense, _size_csr)
"""size_of(X, j): numbers in X[j]."""
add_hessian = by_layout(_add_hessian_dense, _add_hessian_dense, _add_hessian_csr)
"""add_hessian(X, d, panel, H): the lower triangle of H becomes the sum of d_i v_i v_i^T for v_i = [X[:, i], 1]."""


# ---- the model --------------------------------------------------------------------------------------------------------

@helper
def _least(g: float, u: float, threshold: float) -> float:
    """The absolute value of the least subgradient by a coordinate, where that of all but l1 is g."""
    return abs(g + math.copysign(threshold, u)) if u != 0.0 else max(abs(g) - threshold, 0.0)


@helper
def _minimum(u: float, g: float, h: float, threshold: float) -> float:
    """Where g (v - u) + h (v - u)^2 / 2 + threshold |v| is least."""
    x = u * h - g
    return math.copysign(max(abs(x) - threshold, 0.0), x) / h


@helper
def _pass_over_columns(X: Any, active: Any, count: int, d: Any, along: Any, total: float, moved: float, db: float, u: Any,
                       v: Any, grad: Any, first: Any, second: Any, l2: Any, thresholds: Any) -> tuple[float, float, float]:
    """Go along so many active columns, where the step has moved the sum of `along` so far, and db is the gradient by b before it.

    Returns
    -------
    The largest least subgradient met, that sum, and the numbers read.
    """
    largest, read = 0.0, 0.0
    for a in range(count):
        j = active[a]
        shift = (db + moved) / total if total > 0.0 else 0.0
        g = grad[j] + dot(X, j, along) - first[j] * shift + l2[j] * (v[j] - u[j])
        read += size_of(X, j)
        largest = max(largest, _least(g, v[j], thresholds[j]))
        new = _minimum(v[j], g, second[j], thresholds[j])
        if new != v[j]:
            add_weighed(X, j, new - v[j], d, along)
            moved += (new - v[j]) * first[j]
            read += 2 * size_of(X, j)
            v[j] = new
    return largest, moved, read


@helper
def _by_columns(X: Any, active: Any, d: Any, along: Any, total: float, db: float, u: Any, v: Any, grad: Any, first: Any,
                second: Any, l2: Any, thresholds: Any, aim: float, budget: float) -> bool:
    """Minimize the model by its columns from v = u; whether it has gone as far as the aim within the budget."""
    p, moved, spent = second.size, 0.0, 0.0
    along[:] = 0.0
    for _ in range(_MOST_PASSES):
        for j in range(p):
            active[j] = j
        largest, moved, read = _pass_over_columns(X, active, p, d, along, total, moved, db, u, v, grad, first, second, l2,
                                                  thresholds)
        spent += read
        if largest <= aim:
            return True
        count = 0
        for j in range(p):
            if v[j] != 0.0:
                active[count] = j
                count += 1
        end = _OF_AIM * aim
        while spent <= budget and largest > end:
            largest, moved, read = _pass_over_columns(X, active, count, d, along, total, moved, db, u, v, grad, first, second,
                                                      l2, thresholds)
            spent += read
        if spent > budget:
            break
    return False


@block
def _plus(c: float, x: Any, out: Any) -> None:
    for k in range(out.size):
        out[k] += c * x[k]


@block
def _product(x: Any, y: Any, size: int) -> float:
    total = 0.0
    for k in range(size):
        total += x[k] * y[k]
    return total


@helper
def _pass_over_hessian(H: Any, active: Any, count: int, q: Any, v: Any, thresholds: Any) -> float:
    """Go along so many active coordinates, where q is the gradient of the model at v; the largest least subgradient met."""
    largest = 0.0
    for a in range(count):
        j = active[a]
        largest = max(largest, _least(q[j], v[j], thresholds[j]))
        new = _minimum(v[j], q[j], H[j, j], thresholds[j])
        if new != v[j]:
            _plus(new - v[j], H[j, :q.size], q)
            v[j] = new
    return largest


@helper
def _polish(H: Any, L: Any, active: Any, count: int, q: Any, v: Any, thresholds: Any, t: Any, change: Any) -> bool:
    """Go to the minimum for the signs that v has, or as far as components that would change theirs let it; whether none would.

    Those stop at 0.  If that makes the model larger, all stop where the first of them gets to 0.
    """
    for a in range(count):
        i, row = active[a], L[a]
        for b in range(a):
            row[b] = (H[i, active[b]] - _product(row, L[b], b)) / L[b, b]
        rest = H[i, i] - _product(row, row, a)
        row[a] = math.sqrt(rest) if rest > 1e-11 * H[i, i] else 1e150
        t[a] = (-(q[i] + math.copysign(thresholds[i], v[i])) - _product(row, t, a)) / row[a]
    for a in range(count - 1, -1, -1):
        t[a] /= L[a, a]
        _plus(-t[a], L[a, :a], t[:a])
    share, at = 1.0, -1
    for a in range(count):
        j = active[a]
        if thresholds[j] > 0.0 and v[j] * (v[j] + t[a]) < 0.0 and -v[j] / t[a] < share:
            share, at = -v[j] / t[a], j
    for stops in (True, False):
        promised = 0.0
        change[:] = 0.0
        for a in range(count):
            j = active[a]
            crosses = j == at or (stops and thresholds[j] > 0.0 and v[j] * (v[j] + t[a]) < 0.0)
            step = -v[j] if crosses else (1.0 if stops else share) * t[a]
            promised += step * (q[j] + math.copysign(thresholds[j], v[j]))
            _plus(step, H[j, :q.size], change)
            t[a + count] = step
        curved = 0.0
        for a in range(count):
            curved += t[a + count] * change[active[a]]
        if promised + 0.5 * curved < 0.0:
            for a in range(count):
                j = active[a]
                v[j] = 0.0 if t[a + count] == -v[j] else v[j] + t[a + count]
            _plus(1.0, change, q)
            break
        if at < 0:
            break
    return at < 0


@helper
def _by_hessian(H: Any, L: Any, active: Any, q: Any, v: Any, thresholds: Any, t: Any, change: Any, aim: float) -> None:
    """Minimize the model with the second derivatives H from v, where its gradient is q, as far as the aim."""
    p, end = q.size, _OF_AIM * aim
    for _ in range(_MOST_PASSES):
        for j in range(p):
            active[j] = j
        if _pass_over_hessian(H, active, p, q, v, thresholds) <= aim:
            return
        count = 0
        for j in range(p):
            if v[j] != 0.0:
                active[count] = j
                count += 1
        largest = math.inf
        for _ in range(3 + count // 10):
            largest = _pass_over_hessian(H, active, count, q, v, thresholds)
            if largest <= end:
                break
        if largest > end:
            for _ in range(_MOST_POLISHED):
                kept = 0
                for a in range(count):
                    if v[active[a]] != 0.0:
                        active[kept] = active[a]
                        kept += 1
                count = kept
                if _polish(H, L, active, count, q, v, thresholds, t, change):
                    break


@block
def _losses(z: Any, y: Any, sample_weight: Any, scale: float, dz: Any, d: Any) -> float:
    """The sum of the losses times the scale; dz and d become their first and second derivatives by z."""
    for i in range(z.size):
        d[i] = exp_nonpositive(-abs(z[i]))
    loss = 0.0
    if sample_weight.size:
        for i in range(z.size):
            e, s = d[i], scale * sample_weight[i]
            loss += s * cross_entropy(z[i], y[i], e)
            dz[i] = s * slope(z[i], y[i], e)
            d[i] = s * curvature_of(e)
    else:
        for i in range(z.size):
            e = d[i]
            loss += scale * cross_entropy(z[i], y[i], e)
            dz[i] = scale * slope(z[i], y[i], e)
            d[i] = scale * curvature_of(e)
    return loss


@helper
def _copy(x: Any, out: Any) -> None:
    for i in range(out.size):                   # Numba's out[:] = x allocates
        out[i] = x[i]


@block
def _sum(x: Any) -> float:
    total = 0.0
    for i in range(x.size):
        total += x[i]
    return total


@helper
def _penalty(u: Any, l2: Any, thresholds: Any) -> float:
    total = 0.0
    for j in range(l2.size):
        if u[j] != 0.0:
            total += thresholds[j] * abs(u[j]) + 0.5 * l2[j] * u[j] * u[j]
    return total


@helper
def _set_margins(X: Any, offset: Any, u: Any, shift: Any, z: Any) -> None:
    p = shift.size
    b = u[p]
    for j in range(p):
        b -= shift[j] * u[j]
    for i in range(z.size):
        z[i] = b + offset[i] if offset.size else b
    for j in range(p):
        if u[j] != 0.0:
            add(X, j, u[j], z)


@helper
def _bound(grad: Any, u: Any, l2: Any, thresholds: Any, cost: float, slack: float) -> float:
    """What the penalized columns prove of J - J*, see `ElasticNet.gap`, where the gradient may be off by the slack."""
    by_l2, by_l1, ratio = 0.0, 0.0, 0.0
    for j in range(l2.size):
        r = (_least(grad[j], u[j], thresholds[j]) + slack if u[j] != 0.0 else max(abs(grad[j]) + slack - thresholds[j], 0.0))
        if r > 0.0 and (thresholds[j] > 0.0 or l2[j] > 0.0):
            by_l2 = by_l2 + r * r / (2.0 * l2[j]) if l2[j] > 0.0 else math.inf
            by_l1 += r * abs(u[j])
            ratio = max(ratio, r / thresholds[j]) if thresholds[j] > 0.0 else math.inf
    return min(by_l2, by_l1 + cost * ratio)


# ---- updates ----------------------------------------------------------------------------------------------------------

@helper
def _set_gradient(X: Any, dz: Any, u: Any, shift: Any, l2: Any, thresholds: Any, goal: Any, grad: Any) -> float:
    """`grad` becomes the gradient of all but l1 at u; the norm of the least subgradient, on the mean scale."""
    p = l2.size
    db = _sum(dz) if goal.intercept != 0.0 else 0.0
    largest = abs(db)
    for j in range(p):
        grad[j] = dot(X, j, dz) - shift[j] * db + l2[j] * u[j]
        largest = max(largest, _least(grad[j], u[j], thresholds[j]))
    grad[p] = db
    return goal.to_mean * largest


@helper
def _set_model(X: Any, dz: Any, d: Any, u: Any, shift: Any, l2: Any, db: float, total: float, grad: Any, first: Any,
               second: Any) -> None:
    """Make the gradient of the model by each column for an intercept that stays, and its second derivatives for the best one."""
    for j in range(l2.size):
        g, first[j], raw = moments(X, j, dz, d)
        grad[j] = g + l2[j] * u[j]
        centered = raw - first[j] * first[j] / total if total > 0.0 else raw
        second[j] = max(max(centered, _FLAT * raw) + l2[j], _NOTHING)


@helper
def _set_hessian(X: Any, d: Any, total: float, first: Any, second: Any, panel: Any, H: Any) -> None:
    """H becomes the second derivatives of the model."""
    H[:] = 0.0
    add_hessian(X, d, panel, H)
    for i in range(second.size):
        for j in range(i):
            if total > 0.0:
                H[i, j] -= first[i] * first[j] / total
            H[j, i] = H[i, j]
        H[i, i] = second[i]


@helper
def _is_near(grad: Any, u: Any, l2: Any, thresholds: Any, cost: float, norm: float, total: float, goal: Any) -> bool:
    """Whether the goal is reached, as far as it can be told without a proof; b alone lets J fall by about delta."""
    if norm <= goal.enough:
        return True
    db = grad[l2.size]
    delta = 0.6 * db * db / total if total > 0.0 else 0.0
    slack = math.sqrt(0.5 * delta / goal.to_mean)
    return norm <= goal.tol and _bound(grad, u, l2, thresholds, cost, slack) + delta <= goal.gap


@helper
def penalized_newton(X: Any, y: Any, sample_weight: Any, offset: Any, u: Any, grad: Any, shift: Any, thresholds: Any,
                     penalty: Any, numbers: Any, record: Any, status: Any, active: Any, scratch: Any, panel: Any, H: Any,
                     L: Any) -> None:
    """Update u (p + 1,) until the goal is reached, the record is full, or something is left to the caller.

    `grad` (p + 1,) becomes the gradient of all but l1 there, status[0] the number of updates, and status[1] the reason for the
    end.  `numbers` are those of a Goal, and J, which is written.  `scratch` has 12 rows as long as m and 2 p + 1.
    """
    p, m = shape_of(X)
    goal = Goal(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8])
    z, dz, d, along, trial = scratch[0, :m], scratch[1, :m], scratch[2, :m], scratch[3, :m], scratch[4, :m]
    raw, first, second, q, change = scratch[5, :p], scratch[6, :p], scratch[7, :p], scratch[8, :p], scratch[9, :p]
    v, there = scratch[10, :p + 1], scratch[11, :2 * p + 1]
    _set_margins(X, offset, u, shift, z)
    cost = _losses(z, y, sample_weight, goal.to_cost, dz, d) + _penalty(u, penalty, thresholds)
    norm = _set_gradient(X, dz, u, shift, penalty, thresholds, goal, grad)
    updates, by_hessian = 0, False
    while True:
        total = _sum(d) if goal.intercept != 0.0 else 0.0
        db = grad[p]
        if _is_near(grad, u, penalty, thresholds, cost, norm, total, goal):
            status[1] = NEAR
            break
        if updates == len(record):
            status[1] = FULL
            break
        # The minimum v of the model.
        _set_model(X, dz, d, u, shift, penalty, db, total, raw, first, second)
        _copy(u, v)
        aim, is_minimum = norm / goal.to_mean, False
        if not by_hessian:
            is_minimum = _by_columns(X, active, d, along, total, db, u, v, raw, first, second, penalty, thresholds,
                                     _OF_NORM * aim, goal.budget)
            by_hessian = not is_minimum and goal.has_hessian != 0.0
        if by_hessian:
            _set_hessian(X, d, total, first, second, panel, H)
            for j in range(p):
                q[j] = raw[j] - first[j] * db / total if total > 0.0 else raw[j]
            for j in range(p):
                if v[j] != u[j]:
                    _plus(v[j] - u[j], H[j, :p], q)
            _by_hessian(H, L, active, q, v, thresholds, there, change, _OF_NORM_BY_HESSIAN * aim)
        # The step to it, with the best intercept, and what it does to the margins.
        along[:] = 0.0
        b, back, promised = -db, 0.0, 0.0
        for j in range(p):
            step = v[j] - u[j]
            if step != 0.0:
                add(X, j, step, along)
                b -= step * first[j]
                back += step * shift[j]
                promised -= step * grad[j] + thresholds[j] * (abs(v[j]) - abs(u[j]))
        b = b / total if total > 0.0 else 0.0
        for i in range(m):
            along[i] += b
        v[p] = u[p] + b + back
        promised -= db * (b + back)
        # A share of it that lowers J enough; where J can't tell, all of it, if the least subgradient gets much smaller.
        share, is_found, is_hidden = 1.0, False, not promised > goal.rounding
        while share >= _SHORTEST:
            for i in range(m):
                trial[i] = z[i] + share * along[i]
            for j in range(p + 1):
                there[j] = v[j] if share == 1.0 else u[j] + share * (v[j] - u[j])
            J = _losses(trial, y, sample_weight, goal.to_cost, dz, d) + _penalty(there, penalty, thresholds)
            if is_hidden:
                is_found = _set_gradient(X, dz, there, shift, penalty, thresholds, goal, grad) <= _SMALLER * norm
                break
            if J <= cost - _SUFFICIENT * share * promised:
                is_found = True
                break
            share *= 0.5
        if not is_found:
            _losses(z, y, sample_weight, goal.to_cost, dz, d)
            _set_gradient(X, dz, u, shift, penalty, thresholds, goal, grad)
            status[1] = STUCK
            break
        record[updates, 0], record[updates, 1], record[updates, 2] = cost, norm, share
        updates += 1
        cost = J
        _copy(trial, z)
        _copy(there, u)
        norm = _set_gradient(X, dz, u, shift, penalty, thresholds, goal, grad)
        if not (is_minimum or by_hessian):
            status[1] = DEAR
            break
    status[0] = updates
    numbers[9] = cost

"""Newton's method for J with l1 on the columns of a working set, in compiled code: one call, many updates.

X is the working set transposed, so that a column of it is contiguous here: X[j], in units of its deviation.  A dense column is
centered too; of a sparse one only what is stored is kept, and `shift` says where its center is.  With the coordinates
u = [u_1 .. u_p, c] a row's margin is

    z = c + offset + sum_j u_j (X[j] - shift_j)

Each update minimizes the quadratic model of J at z plus sum_j thresholds_j |u_j|, by its columns.  Where that has taken as long
as the second derivatives would, and X is dense, it goes on with these.
"""

import math
from typing import Any

from fastlr.backends.compiled.columns import add, dot
from fastlr.backends.compiled.jit import block, helper, shape_of
from fastlr.backends.compiled.penalized_model import by_columns, by_hessian, least, plus, set_hessian, set_model
from fastlr.backends.compiled.scalar import cross_entropy, exp_nonpositive, slope
from fastlr.backends.compiled.scalar import curvature as curvature_of
from fastlr.backends.penalized_newton import DEAR, FULL, NEAR, STUCK, Goal

# The share of the least subgradient to which a model is minimized by its columns, and that by its second derivatives.
_OF_NORM, _OF_NORM_BY_HESSIAN = 0.25, 0.01
# The share of the decrease that a linear model promises, which a step has to bring.
_SUFFICIENT = 1e-4
# The shortest step, as a share of the full one.
_SHORTEST = 2.0 ** -30
# The share of the least subgradient that may be left after a step whose change of J is rounding.
_SMALLER = 0.5


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
        r = (least(grad[j], u[j], thresholds[j]) + slack if u[j] != 0.0 else max(abs(grad[j]) + slack - thresholds[j], 0.0))
        if r > 0.0 and (thresholds[j] > 0.0 or l2[j] > 0.0):
            by_l2 = by_l2 + r * r / (2.0 * l2[j]) if l2[j] > 0.0 else math.inf
            by_l1 += r * abs(u[j])
            ratio = max(ratio, r / thresholds[j]) if thresholds[j] > 0.0 else math.inf
    return min(by_l2, by_l1 + cost * ratio)


@helper
def _set_gradient(X: Any, dz: Any, u: Any, shift: Any, l2: Any, thresholds: Any, goal: Any, grad: Any) -> float:
    """`grad` becomes the gradient of all but l1 at u; the norm of the least subgradient, on the mean scale."""
    p = l2.size
    db = _sum(dz) if goal.intercept != 0.0 else 0.0
    largest = abs(db)
    for j in range(p):
        grad[j] = dot(X, j, dz) - shift[j] * db + l2[j] * u[j]
        largest = max(largest, least(grad[j], u[j], thresholds[j]))
    grad[p] = db
    return goal.to_mean * largest


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
    updates, has_hessian = 0, False
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
        set_model(X, dz, d, u, shift, penalty, db, total, raw, first, second)
        _copy(u, v)
        aim, is_minimum = norm / goal.to_mean, False
        if not has_hessian:
            is_minimum = by_columns(X, active, d, along, total, db, u, v, raw, first, second, penalty, thresholds,
                                     _OF_NORM * aim, goal.budget)
            has_hessian = not is_minimum and goal.has_hessian != 0.0
        if has_hessian:
            set_hessian(X, d, total, first, second, panel, H)
            for j in range(p):
                q[j] = raw[j] - first[j] * db / total if total > 0.0 else raw[j]
            for j in range(p):
                if v[j] != u[j]:
                    plus(v[j] - u[j], H[j, :p], q)
            by_hessian(H, L, active, q, v, thresholds, there, change, _OF_NORM_BY_HESSIAN * aim)
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
        if not (is_minimum or has_hessian):
            status[1] = DEAR
            break
    status[0] = updates
    numbers[9] = cost

"""Newton's method for J with l1 on the columns of a working set, in compiled code: one call, many updates.

X is the working set transposed, so that a column of it is contiguous here: X[j], in units of its deviation.  A dense column is
centered too; of a sparse one only what is stored is kept, and `shift` says where its center is.  With the coordinates
u = [u_1 .. u_p, c] a row's margin is

    z = c + offset + sum_j u_j (X[j] - shift_j)

Each update minimizes the quadratic model of J at z plus sum_j thresholds_j |u_j| by the columns of the support and those that
would leave 0 most, one by one.  Where that has taken as long as the second derivatives would, and X is dense, it goes on with
these.
"""

import math
from typing import Any

from fastlr.backends.compiled.chunks import side_of
from fastlr.backends.compiled.columns import add, dot
from fastlr.backends.compiled.jit import block, compile_as, helper, shape_of
from fastlr.backends.compiled.penalized_model import by_columns, by_hessian, least, plus, set_hessian, set_model
from fastlr.backends.compiled.scalar import cross_entropy, exp_nonpositive, slope
from fastlr.backends.compiled.scalar import curvature as curvature_of
from fastlr.backends.penalized_newton import DEAR, FULL, NEAR, STUCK, Goal

compile_as(side_of, side_of)

# The share of the least subgradient to which a model is minimized by its columns, and that by its second derivatives.
_OF_NORM, _OF_NORM_BY_HESSIAN = 0.25, 0.01
# The least number of columns that may come into a model at once; otherwise as many as it has.
_FEWEST_NEW = 20
# The ratio of two scores that are the same, and the largest that is told apart.
_SAME_SCORE, _LARGEST_SCORE = 1.05, 1e100
# Multiplications of second derivatives, and of their factors, in the time in which a number of X is read.
_OF_A_NUMBER = 16
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
def _hold(u: Any, grad: Any, thresholds: Any, held: Any) -> int:
    """Hold the coordinates that differ from 0 or have no l1, and the worst of those that would leave 0; how many are held.

    Of these come in as many as there are of the others, or _FEWEST_NEW.
    """
    count, worst = 0, 1.0
    for j in range(held.size):
        if u[j] != 0.0 or thresholds[j] == 0.0:
            count += 1
        else:
            worst = max(worst, abs(grad[j]) / thresholds[j])
    most, low, worst = count + max(_FEWEST_NEW, count), 1.0, min(worst, _LARGEST_SCORE)
    while worst > _SAME_SCORE * low:            # as many as that have a score between the two
        cut = math.sqrt(low * worst)
        above = count
        for j in range(held.size):
            if u[j] == 0.0 and thresholds[j] > 0.0 and abs(grad[j]) > cut * thresholds[j]:
                above += 1
        if above > most:
            low = cut
        else:
            worst = cut
    count = 0
    for j in range(held.size):
        if u[j] != 0.0 or abs(grad[j]) > low * thresholds[j] or thresholds[j] == 0.0:
            held[count] = j
            count += 1
    return count


@helper
def penalized_newton(X: Any, y: Any, sample_weight: Any, offset: Any, u: Any, grad: Any, shift: Any, thresholds: Any,
                     penalty: Any, numbers: Any, record: Any, status: Any, active: Any, held: Any, scratch: Any, panel: Any,
                     H: Any, L: Any) -> None:
    """Update u (p + 1,) until the goal is reached, or after status[0] updates, or where something is left to the caller.

    `grad` (p + 1,) becomes the gradient of all but l1 there, status[0] the number of updates made, and status[1] the reason for
    the end.  `numbers` are those of a Goal, and J, which is written.  `scratch` has 15 rows as long as m and 2 p.
    """
    p, m = shape_of(X)
    goal = Goal(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8],
                numbers[9])
    z, dz, d, along, trial = scratch[0, :m], scratch[1, :m], scratch[2, :m], scratch[3, :m], scratch[4, :m]
    _set_margins(X, offset, u, shift, z)
    cost = _losses(z, y, sample_weight, goal.to_cost, dz, d) + _penalty(u, penalty, thresholds)
    norm = _set_gradient(X, dz, u, shift, penalty, thresholds, goal, grad)
    updates, most, has_hessian, spent = 0, status[0], False, 0.0
    while True:
        total = _sum(d) if goal.intercept != 0.0 else 0.0
        db, b = grad[p], u[p]
        if _is_near(grad, u, penalty, thresholds, cost, norm, total, goal):
            status[1] = NEAR
            break
        if updates == most or spent > goal.most:
            status[1] = FULL
            break
        # The columns that the model is of, and what it takes of them.
        k = _hold(u, grad, thresholds, held)
        raw, first, second, q, change = scratch[5, :k], scratch[6, :k], scratch[7, :k], scratch[8, :k], scratch[9, :k]
        v, before, l2, l1, there = scratch[10, :k], scratch[11, :k], scratch[12, :k], scratch[13, :k], scratch[14, :2 * k]
        chosen, inside = held[:k], abs(db)
        for a in range(k):
            j = chosen[a]
            before[a], l2[a], l1[a] = u[j], penalty[j], thresholds[j]
            inside = max(inside, least(grad[j], u[j], thresholds[j]))
        # The minimum v of the model.
        set_model(X, chosen, dz, d, before, l2, total, raw, first, second)
        _copy(before, v)
        is_minimum, has_room = False, k <= goal.room
        if not has_hessian:
            budget = goal.budget * (k / p) ** 2 if goal.room > 0.0 else goal.budget
            spent += budget
            is_minimum = by_columns(X, chosen, active, d, along, total, db, before, v, raw, first, second, l2, l1,
                                    _OF_NORM * inside, budget)
            has_hessian = not is_minimum and has_room
        if has_hessian and has_room:
            set_hessian(X, chosen, d, total, first, second, panel[:side_of(k)], H)
            for a in range(k):
                q[a] = raw[a] - first[a] * db / total if total > 0.0 else raw[a]
            for a in range(k):
                if v[a] != before[a]:
                    plus(v[a] - before[a], H[a, :k], q)
            by_hessian(H, L, active, q, v, l1, there, change, _OF_NORM_BY_HESSIAN * inside)
            is_minimum, spent = True, spent + k * k * (m + 8 * k) / _OF_A_NUMBER
        # The step to it, with the best intercept, and what it does to the margins.
        along[:] = 0.0
        of_b, back, promised = -db, 0.0, 0.0
        for a in range(k):
            j, step = chosen[a], v[a] - before[a]
            if step != 0.0:
                add(X, j, step, along)
                of_b -= step * first[a]
                back += step * shift[j]
                promised -= step * grad[j] + l1[a] * (abs(v[a]) - abs(before[a]))
        of_b = of_b / total if total > 0.0 else 0.0
        for i in range(m):
            along[i] += of_b
        promised -= db * (of_b + back)
        # A share of it that lowers J enough; where J can't tell, all of it, if the least subgradient gets much smaller.
        share, is_found, is_hidden = 1.0, False, not promised > goal.rounding
        while share >= _SHORTEST:
            for i in range(m):
                trial[i] = z[i] + share * along[i]
            for a in range(k):
                u[chosen[a]] = v[a] if share == 1.0 else before[a] + share * (v[a] - before[a])
            u[p] = b + share * (of_b + back)
            spent += m
            J = _losses(trial, y, sample_weight, goal.to_cost, dz, d) + _penalty(u, penalty, thresholds)
            if is_hidden:
                is_found = _set_gradient(X, dz, u, shift, penalty, thresholds, goal, grad) <= _SMALLER * norm
                break
            if J <= cost - _SUFFICIENT * share * promised:
                is_found = True
                break
            share *= 0.5
        if not is_found:
            for a in range(k):
                u[chosen[a]] = before[a]
            u[p] = b
            _losses(z, y, sample_weight, goal.to_cost, dz, d)
            _set_gradient(X, dz, u, shift, penalty, thresholds, goal, grad)
            status[1] = STUCK
            break
        record[updates, 0], record[updates, 1], record[updates, 2] = cost, norm, share
        updates += 1
        cost = J
        _copy(trial, z)
        norm = _set_gradient(X, dz, u, shift, penalty, thresholds, goal, grad)
        if not is_minimum:
            status[1] = DEAR
            break
    status[0] = updates
    numbers[10] = cost

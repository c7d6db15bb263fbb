"""The quadratic model of J with l1 around a point, on the columns of a working set, and its minimum.

Coordinate descent goes along the columns.  The intercept is always the best one, so that no column has to be centered for it; the
model's change of the margins is kept, times the curvatures of the rows.  Or it goes along the coordinates with all second
derivatives H, and to the minimum for fixed signs.  (Yuan, Ho and Lin, An improved GLMNET for l1-regularized logistic regression,
2012.)
"""

import math
from typing import Any

from fastlr.backends.compiled.columns import add_hessian, add_weighed, dot, moments, size_of
from fastlr.backends.compiled.jit import block, helper

# The least second derivative along a column, as a share of what it would be with its center at 0.
_FLAT = 1e-12
# A second derivative that stands for 0.
_NOTHING = 1e-300
# Passes over the columns that differ from 0 follow one over all, until what they change is this share of the aim.
_OF_AIM = 0.3
# Passes over all columns for one model, at most.
_MOST_PASSES = 1000
# Minima for fixed signs in a row.
_MOST_POLISHED = 3


@helper
def least(g: float, u: float, threshold: float) -> float:
    """The absolute value of the least subgradient by a coordinate, where that of all but l1 is g."""
    return abs(g + math.copysign(threshold, u)) if u != 0.0 else max(abs(g) - threshold, 0.0)


@helper
def _minimum(u: float, g: float, h: float, threshold: float) -> float:
    """Where g (v - u) + h (v - u)^2 / 2 + threshold |v| is least."""
    x = u * h - g
    return math.copysign(max(abs(x) - threshold, 0.0), x) / h


@helper
def _pass_over_columns(X: Any, held: Any, active: Any, count: int, d: Any, along: Any, total: float, moved: float, db: float,
                       u: Any, v: Any, grad: Any, first: Any, second: Any, l2: Any,
                       thresholds: Any) -> tuple[float, float, float]:
    """Go along so many active ones of the columns that are held.

    The step has moved the sum of `along` so far, and db is the gradient by b before it.

    Returns
    -------
    The largest least subgradient met, that sum, and the numbers read.
    """
    largest, read = 0.0, 0.0
    for a in range(count):
        j = active[a]
        shift = (db + moved) / total if total > 0.0 else 0.0
        g = grad[j] + dot(X, held[j], along) - first[j] * shift + l2[j] * (v[j] - u[j])
        read += size_of(X, held[j])
        largest = max(largest, least(g, v[j], thresholds[j]))
        new = _minimum(v[j], g, second[j], thresholds[j])
        if new != v[j]:
            add_weighed(X, held[j], new - v[j], d, along)
            moved += (new - v[j]) * first[j]
            read += 2 * size_of(X, held[j])
            v[j] = new
    return largest, moved, read


@helper
def by_columns(X: Any, held: Any, active: Any, d: Any, along: Any, total: float, db: float, u: Any, v: Any, grad: Any,
               first: Any, second: Any, l2: Any, thresholds: Any, aim: float, budget: float) -> bool:
    """Minimize the model by the columns that are held from v = u; whether it has gone as far as the aim within the budget."""
    p, moved, spent = second.size, 0.0, 0.0
    along[:] = 0.0
    for _ in range(_MOST_PASSES):
        for j in range(p):
            active[j] = j
        largest, moved, read = _pass_over_columns(X, held, active, p, d, along, total, moved, db, u, v, grad, first, second,
                                                  l2, thresholds)
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
            largest, moved, read = _pass_over_columns(X, held, active, count, d, along, total, moved, db, u, v, grad, first,
                                                      second, l2, thresholds)
            spent += read
        if spent > budget:
            break
    return False


@block
def plus(c: float, x: Any, out: Any) -> None:
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
        largest = max(largest, least(q[j], v[j], thresholds[j]))
        new = _minimum(v[j], q[j], H[j, j], thresholds[j])
        if new != v[j]:
            plus(new - v[j], H[j, :q.size], q)
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
        plus(-t[a], L[a, :a], t[:a])
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
            plus(step, H[j, :q.size], change)
            t[a + count] = step
        curved = 0.0
        for a in range(count):
            curved += t[a + count] * change[active[a]]
        if promised + 0.5 * curved < 0.0:
            for a in range(count):
                j = active[a]
                v[j] = 0.0 if t[a + count] == -v[j] else v[j] + t[a + count]
            plus(1.0, change, q)
            break
        if at < 0:
            break
    return at < 0


@helper
def by_hessian(H: Any, L: Any, active: Any, q: Any, v: Any, thresholds: Any, t: Any, change: Any, aim: float) -> None:
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


@helper
def set_model(X: Any, held: Any, dz: Any, d: Any, u: Any, l2: Any, total: float, grad: Any, first: Any, second: Any) -> None:
    """Make the gradient of the model by each column that is held for an intercept that stays, and its second derivatives for the
    best one.
    """
    for j in range(l2.size):
        g, first[j], raw = moments(X, held[j], dz, d)
        grad[j] = g + l2[j] * u[j]
        centered = raw - first[j] * first[j] / total if total > 0.0 else raw
        second[j] = max(max(centered, _FLAT * raw) + l2[j], _NOTHING)


@helper
def set_hessian(X: Any, held: Any, d: Any, total: float, first: Any, second: Any, panel: Any, H: Any) -> None:
    """H becomes the second derivatives of the model."""
    for i in range(len(panel)):
        H[i, :len(panel)] = 0.0
    add_hessian(X, held, d, panel, H)
    for i in range(second.size):
        for j in range(i):
            if total > 0.0:
                H[i, j] -= first[i] * first[j] / total
            H[j, i] = H[i, j]
        H[i, i] = second[i]

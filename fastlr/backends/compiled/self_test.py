"""One small problem for each kind of compiled function, and what NumPy makes of it: machine code is tried before it is used.

Each function takes the compiled one and an X from `problem`, and returns whether the two agree.  The arguments have the
types of the real ones, since others would be compiled anew.
"""

import math
from typing import Any

import numpy as np

from fastlr.backends import descent as gradient_descent
from fastlr.backends import numpy_passes, numpy_vectorized
from fastlr.backends.csr import Csr, numbers_of, with_zeros
from fastlr.backends.step_rules import DUE, GAPS, HESSIAN, Goal, MetricArrays, Space

_M, _N = 520, 11                # two chunks of the largest size, groups of eight and a rest in either direction, and a
                                # Hessian of whole tiles
_CLOSE = 1e-9                   # of the largest number


def problem(dtype: np.dtype, layout: str) -> np.ndarray | Csr:
    """X, read-only, of small whole numbers."""
    X = _dense(dtype, "F" if layout == "F" else "C")
    if layout in ("C", "F"):
        return X
    i, j = np.nonzero(X)
    index = np.dtype(f"int{layout.removeprefix('csr')}")
    parts = X[i, j], j.astype(index), np.searchsorted(i, np.arange(_M + 1)).astype(index)
    for part in parts:
        part.flags.writeable = False
    return Csr(*parts, _N)


def _dense(dtype: Any, order: Any) -> np.ndarray:
    i, j = np.arange(_M)[:, None], np.arange(_N)
    X = np.asarray((i * i * (j + 3) + 7 * i * j) % 17, dtype=dtype, order=order)
    X.flags.writeable = False
    return X


def _known(X: np.ndarray | Csr) -> np.ndarray:
    """The same X for NumPy."""
    return _dense(X.dtype, "C") if isinstance(X, Csr) else X


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    i = np.arange(_M)
    rows = (i % 3 == 0).astype(np.int8), 0.5 + i % 4, 0.1 * (i % 5)
    for row in rows:
        row.flags.writeable = False
    return rows


def _theta() -> np.ndarray:
    return np.linspace(-0.2, 0.2, _N + 1)


def _agree(*pairs: tuple[Any, Any]) -> bool:
    return all(np.max(np.abs(value - known)) <= _CLOSE * np.max(np.abs(known)) for value, known in pairs)     # NaN is wrong


def descent(run: Any, X: np.ndarray | Csr) -> bool:
    """Two updates of gradient descent."""
    y, sample_weight, offset = _rows()
    rule = gradient_descent.Rule(alpha=0.1, intercept=1.0, scale=1.0 / _M, l2=0.01, tol=1e-9, ceiling=math.inf, to_mean=1.0,
                         center=np.full(_N, 8.0), spread=np.full(_N, 5.0))
    theta, previous, record = _theta(), _theta(), np.empty((2, 2))
    known_theta, known_previous, known_record = _theta(), _theta(), np.empty((2, 2))
    result = run(X, y, sample_weight, offset, 0, _M, theta, previous, np.empty(_N + 1), rule, record)
    known = gradient_descent.descend(numpy_vectorized.cost_gradient, (_known(X), y, sample_weight, offset), known_theta,
                             known_previous, rule, known_record)
    return result == known and _agree((theta, known_theta), (previous, known_previous), (record, known_record))


def hessian(compiled: Any, X: np.ndarray | Csr) -> bool:
    """The Hessian at a point."""
    y, sample_weight, offset = _rows()
    theta, center, H = _theta(), np.full(_N, 8.0), np.empty((_N + 1, _N + 1))
    compiled(X, sample_weight, offset, theta, center, 0.0, 0, _M, True, np.zeros((2, _N + 3, _N + 3)), H)
    return _agree((H, numpy_passes.hessian(_known(X), y, sample_weight, offset, theta, center, 0.0)))


def hessian_product(compiled: Any, X: np.ndarray | Csr) -> bool:
    """The Hessian times a vector."""
    y, sample_weight, offset = _rows()
    v, sums = _theta(), np.zeros(_N + 1)
    compiled(X, sample_weight, v, 0, _M, sums)          # which will do for curvatures
    return _agree((sums, numpy_passes.hessian_product(_known(X), y, sample_weight, offset, sample_weight)(v)))


def moments(compiled: Any, X: np.ndarray | Csr) -> bool:
    """Sums and squares of the columns."""
    _, sample_weight, _ = _rows()
    is_sparse = isinstance(X, Csr)
    pivot, sums = np.full(_N, 2.0), np.zeros((3 if is_sparse else 2) * _N)
    compiled(X, numbers_of(X), sample_weight, pivot, 0, _M, sums)
    return _are_moments(sums, X, pivot)


def _are_moments(sums: np.ndarray, X: np.ndarray | Csr, pivot: np.ndarray) -> bool:
    y, sample_weight, offset = _rows()
    moments = with_zeros(sums, pivot, float(sample_weight.sum())) if isinstance(X, Csr) else (sums[:_N], sums[_N:])
    first, second = numpy_passes.moments(_known(X), y, sample_weight, offset, pivot)
    return _agree((moments[0], first), (moments[1], second))


def first_read(compiled: Any, X: np.ndarray | Csr) -> bool:
    """Loss and gradient beside sums and squares of the columns."""
    y, sample_weight, offset = _rows()
    pivot, theta, sums, known = np.full(_N, 2.0), _theta(), np.zeros(_N + 2), np.empty(_N + 1)
    moments = np.zeros((3 if isinstance(X, Csr) else 2) * _N)
    compiled(X, numbers_of(X), y, sample_weight, offset, theta, pivot, 0, _M, sums, moments)
    loss = numpy_vectorized.cost_gradient(_known(X), y, sample_weight, offset, theta, known)
    return _are_moments(moments, X, pivot) and _agree((sums[:-1], known), (sums[-1], loss))


def predictions(compiled: Any, X: np.ndarray | Csr) -> bool:
    """Margins and probabilities, and that a margin is not finite."""
    _, _, offset = _rows()
    theta, z, both = _theta(), np.empty(_M), np.empty((_M, 2))
    is_finite = compiled(X, offset, theta, 0, _M, z, both)
    known = numpy_vectorized.margins(_known(X), offset, theta)
    finds_infinity = not compiled(X, offset, np.append(theta[:-1], np.inf), 0, _M, np.empty(_M), np.empty((_M, 2)))
    return is_finite and finds_infinity and _agree((z, known), (both, numpy_vectorized.probabilities(known)))


def quasi_newton(compiled: Any, X: np.ndarray | Csr) -> bool:
    """One step with the Hessian at zero, in coordinates where every column has mean 8 and deviation 5."""
    prepared, size = _rows(), _N + 1
    space = Space(center=np.full(_N, 8.0), scales=np.append(np.full(_N, 0.2), 1.0), penalty=np.append(np.full(_N, 0.1), 0.0),
                  diagonal=np.ones(size), ratio=np.ones(_N), shift=np.zeros(_N), to_mean=1.0, scale=1.0 / _M, intercept=1.0)
    goal = Goal(tol=0.0, gap=0.0, cost=-1.0, steps_a_hessian=math.inf, evidence=math.inf, rate_with_hessian=0.5, ridge=0.0)
    metric = MetricArrays(np.array([DUE, 0, 0, 0]), np.empty((size, size)), np.empty((3, size)), np.empty((3, size)), np.empty(3),
                          np.empty(GAPS), np.array([math.inf]))

    def by_u(u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        theta, sums = u * space.scales, np.empty(size)
        theta[-1] -= space.center @ theta[:-1]
        loss = numpy_vectorized.cost_gradient(_known(X), *prepared, theta, sums)
        sums[:-1] -= space.center * sums[-1]
        H = numpy_passes.hessian(_known(X), *prepared, theta, space.center, 0.0) * np.outer(space.scales, space.scales)
        return (space.scale * loss + 0.5 * space.penalty @ (u * u), space.scale * space.scales * sums + space.penalty * u,
                space.scale * H + np.diag(space.penalty))

    cost, gradient, H = by_u(np.zeros(size))
    step = np.linalg.solve(H, -gradient)
    next_cost, next_gradient, _ = by_u(step)
    factor, change = np.linalg.inv(np.linalg.cholesky(H)), next_gradient - gradient
    direction = numpy_passes.direction(next_gradient, np.ones(size), factor, step[None], change[None], np.array([step @ change]))
    u, grad, p, record = np.zeros(size), gradient.copy(), np.empty(size), np.empty((1, 3))
    result = compiled(X, *prepared, u, cost, grad, p, space, goal, metric, record, np.empty((size + 2, size + 2)))
    known_record = np.array([[cost, np.abs(gradient).max(), 1.0]])
    return (result[:2] == (1, True) and metric.state.tolist() == [HESSIAN, 1, 2, 1]
            and _agree((u, step), (record, known_record), (result[2], next_cost), (grad, next_gradient), (p, direction),
                       (metric.factor, factor), (metric.steps[0], step), (metric.changes[0], change)))


def direction(compiled: Any, X: np.ndarray) -> bool:
    """From a factor and from a diagonal, with three pairs."""
    size = _N + 1
    grad, inverse, p = _theta(), 0.1 + _theta() ** 2, np.empty(size)
    factor = np.tril(np.sin(np.arange(1.0, size * size + 1.0)).reshape(size, size))
    steps = np.cos(np.arange(3.0 * size)).reshape(3, size)
    changes = steps * np.arange(1.0, size + 1.0)
    curvatures = (steps * changes).sum(axis=1)
    for some in (factor, np.empty((0, 0))):
        compiled(grad, inverse, some, steps, changes, curvatures, p)
        if not _agree((p, numpy_passes.direction(grad, inverse, some, steps, changes, curvatures))):
            return False
    return True

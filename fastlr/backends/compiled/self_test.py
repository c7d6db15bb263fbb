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
from fastlr.backends.engine import (
    DUE,
    EVALUATE,
    GAPS,
    HESSIAN,
    POINT,
    Approximation,
    Descent,
    Kind,
    Price,
    Scale,
    Scratch,
    StoppingRule,
    advance,
    as_record,
    from_record,
)

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
    """Two steps with the Hessian at zero, in coordinates where every column has mean 8 and deviation 5."""
    prepared, size = _rows(), _N + 1
    l2 = np.append(np.full(_N, 2.5), 0.0)
    scale = Scale(center=np.full(_N, 8.0), scales=np.append(np.full(_N, 0.2), 1.0), l2=l2, penalty=l2 / 25.0,
                  diagonal=np.ones(size), far=np.append(np.full(_N, 1.6), 0.0), ratio=np.ones(_N), shift=np.zeros(_N),
                  to_mean=1.0, sums=1.0 / _M, intercept=1.0)
    rule, never = StoppingRule(tol=0.0, gap=0.0, cost=-1.0), Price(math.inf, 0.0, math.inf)
    sides = [(Descent.start(np.zeros(size)), _approximation(size)) for _ in range(2)]
    (descent, M), (known, known_M) = sides
    record, known_record = np.empty((2, 3)), []
    at, kind = as_record(descent.at), as_record(M.kind)
    ask = compiled(X, *prepared, descent._replace(at=at), M._replace(kind=kind), scale, rule, never, never, 0.0, record,
                   Scratch.of(_N, size + 2))

    while advance(known, known_M, scale, 0.0, never, never) != POINT or known.at.updates < 2:
        theta = (known.trial if known.at.asked == EVALUATE else known.u) * scale.scales
        theta[-1] -= scale.center @ theta[:-1]
        if known.at.asked == EVALUATE:
            loss = numpy_vectorized.cost_gradient(_known(X), *prepared, theta, known.trial_grad)
            known.trial_grad[:-1] -= scale.center * known.trial_grad[-1]
            known.trial_grad[:] = scale.sums * scale.scales * known.trial_grad + scale.penalty * known.trial
            known.at.trial_cost = scale.sums * loss + 0.5 * scale.penalty @ known.trial ** 2
        elif known.at.asked == HESSIAN:
            H = numpy_passes.hessian(_known(X), *prepared, theta, scale.center, 0.0) * np.outer(scale.scales, scale.scales)
            known_M.factor[:] = np.linalg.inv(np.linalg.cholesky(scale.sums * H + np.diag(scale.penalty)))
        elif known.at.updates:
            known_record.append((known.at.cost_before, known.at.grad_norm_before, known.at.length))
    known_record.append((known.at.cost_before, known.at.grad_norm_before, known.at.length))
    from_record(at, descent.at)
    from_record(kind, M.kind)
    return (ask == POINT and M.kind == known_M.kind and descent.at.updates == 2
            and _agree((record, known_record), (descent.at.cost, known.at.cost), *zip(descent[1:], known[1:], strict=True),
                       (M.factor, known_M.factor), (M.steps[:2], known_M.steps[:2]), (M.changes[:2], known_M.changes[:2])))


def _approximation(size: int) -> Approximation:
    """An inverse Hessian that is to be made."""
    return Approximation(Kind(DUE), np.zeros((size, size)), np.ones(size), np.empty((3, size)), np.empty((3, size)), np.empty(3),
                         np.empty(3), np.empty(size), np.empty(GAPS))

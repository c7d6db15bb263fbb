"""One small problem for each kind of compiled function, and what NumPy makes of it: machine code is tried before it is used.

Each function takes the compiled one and an X from `problem`, and returns whether the two agree.  The arguments have the
types of the real ones, since others would be compiled anew.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlr.backends import descent as gradient_descent
from fastlr.backends import engine, numpy_passes, numpy_vectorized, softmax
from fastlr.backends.compiled import descents, passes, softmax_passes
from fastlr.backends.compiled.chunks import side_of
from fastlr.backends.compiled.header import Kind
from fastlr.backends.compiled.passes import Functions, Rows
from fastlr.backends.csr import Csr
from fastlr.backends.engine import Approximation, Descent, Price, Scale, StoppingRule
from fastlr.backends.penalized_newton import Goal

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
    """X as NumPy takes it: dense where it is sparse."""
    return _dense(X.dtype, "C") if isinstance(X, Csr) else X


def _wide(X: np.ndarray) -> np.ndarray:
    wide = np.asarray(np.tile(X, (1, 9)), order="C" if X.flags.c_contiguous else "F")
    wide.flags.writeable = False
    return wide


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


def _rule() -> gradient_descent.Rule:
    return gradient_descent.Rule(alpha=0.1, intercept=1.0, scale=1.0 / _M, l2=0.01, tol=1e-9, ceiling=math.inf, to_mean=1.0,
                                 center=np.full(_N, 8.0), spread=np.full(_N, 5.0))


def descent(run: Any, X: np.ndarray | Csr) -> bool:
    """Two updates of gradient descent."""
    y, sample_weight, offset = _rows()
    rule = _rule()
    theta, previous, record = _theta(), _theta(), np.empty((2, 2))
    known_theta, known_previous, known_record = _theta(), _theta(), np.empty((2, 2))
    result = run(X, y, sample_weight, offset, 0, _M, theta, previous, np.empty(_N + 1), rule, record)
    known = gradient_descent.descend(functools.partial(numpy_vectorized.cost_gradient, _known(X), y, sample_weight, offset),
                                     known_theta, known_previous, rule, known_record)
    return result == known and _agree((theta, known_theta), (previous, known_previous), (record, known_record))


def descent_in_chunks(run: Any, X: np.ndarray | Csr) -> bool:
    """Two updates of gradient descent, by a kernel that is told where its chunks begin."""
    return descent(lambda X, y, sample_weight, offset, first, last, *rest: run(X, y, sample_weight, offset, _chunks(), *rest), X)


def _chunks() -> np.ndarray:
    ranges = np.array([0, 64, 192, _M])
    ranges.flags.writeable = False
    return ranges


def softmax_of_rows(run: Any, X: np.ndarray | Csr) -> bool:
    """The loss of four classes and its gradient, by a function of X, y, weights, offset, Theta and the gradient."""
    y, sample_weight, offset, Theta = _classes(X.shape[1])
    Grad, known = np.empty_like(Theta), np.empty_like(Theta)
    loss = run(X, y, sample_weight, offset, Theta, Grad)
    known_loss = numpy_passes.softmax_cost_gradient(_known(X), y, sample_weight, offset, Theta, known)
    return _agree((loss, known_loss), (Grad, known))


def softmax_in_chunks(run: Any, X: np.ndarray | Csr) -> bool:
    """The loss of four classes and its gradient, by a kernel that is told where its chunks begin."""
    return softmax_of_rows(lambda X, y, sample_weight, offset, *rest: run(X, y, sample_weight, offset, _chunks(), *rest), X)


def _classes(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y, weights and an offset of four classes, and Theta (4, n + 1)."""
    K = 4
    _, sample_weight, _ = _rows()
    Theta = np.linspace(-0.2, 0.2, K * (n + 1)).reshape(K, n + 1) * (_N / n)
    return (np.arange(_M) % K).astype(np.int32), sample_weight, np.linspace(-1.0, 1.0, K * _M).reshape(_M, K), Theta


# ---- kernels, as `passes` calls them --------------------------------------------------------------------------------

def is_right(kernel: str, kind: Kind, functions: Functions) -> bool:
    """Whether what `functions` gives for a kernel agrees with NumPy."""
    X = problem(np.dtype(kind.dtype), kind.layout or "C")
    return _KNOWN[kernel](Rows(functions, X, *_rows(), n_threads=1))


def _cost_gradient(rows: Rows) -> bool:
    grad, known = np.empty(_N + 1), np.empty(_N + 1)
    loss = passes.cost_gradient(rows, _theta(), grad)
    known_loss = numpy_vectorized.cost_gradient(*_known_rows(rows), _theta(), known)
    return _agree((loss, known_loss), (grad, known))


def _descend(rows: Rows) -> bool:
    """Two updates of gradient descent."""
    return descent(lambda *all_of: passes.descend(rows, all_of[6], all_of[7], *all_of[9:]), rows.X)


def _step(rows: Rows) -> bool:
    """One update from the sums of two chunks."""
    sums, rule = np.stack([np.append(_theta(), 7.0), np.append(2.0 * _theta(), 3.0)]), _rule()
    theta, previous, record, status = _theta(), np.empty(_N + 1), np.empty((1, 2)), np.array([0, gradient_descent.GOING])
    known_theta, known_previous, known_grad = _theta(), np.empty(_N + 1), 3.0 * _theta()
    rows.bind("step", sums, theta, previous, np.empty(_N + 1), np.array(rule[:7]), rule.center, rule.spread, record, status)()
    code, *known = gradient_descent.apply(10.0, known_grad, known_theta, known_previous, rule)
    return (status.tolist() == [1, code]
            and _agree((theta, known_theta), (previous, known_previous), (record, np.array([known]))))


def _hessian(rows: Rows) -> bool:
    """Second derivatives, and squared scores without leverages and with."""
    center, V = np.full(_N, 8.0), np.add.outer(np.arange(_N + 1.0), np.arange(_N + 1.0)) / _N ** 5
    of_scores = center * isinstance(rows.X, np.ndarray)
    right = _agree((passes.hessian(rows, _theta(), center, 0.0),
                    numpy_passes.hessian(*_known_rows(rows), _theta(), center, 0.0)))
    for power in (0, 1, 2):
        loss, M = passes.squared_scores(rows, _theta(), of_scores, V, power)
        known_loss, known = numpy_passes.squared_scores(*_known_rows(rows), _theta(), of_scores, V, power)
        right = right and _agree((loss, known_loss), (M, known))
    return right


def _residuals(rows: Rows) -> bool:
    return _agree(*zip(passes.residuals(rows, _theta()), numpy_passes.residuals(*_known_rows(rows), _theta()), strict=True))


def _grouped_scores(rows: Rows) -> bool:
    """In one chunk."""
    given = _theta(), np.arange(_M) * 7 % 5, 5
    return _agree(*zip(passes.grouped_scores(rows, *given), numpy_passes.grouped_scores(*_known_rows(rows), *given), strict=True))


def _margins_and_forms(rows: Rows) -> bool:
    center, V = np.full(_N, 8.0) * isinstance(rows.X, np.ndarray), np.arange((_N + 1.0) ** 2).reshape(_N + 1, -1)
    return _agree(*zip(passes.margins_and_forms(rows, _theta(), center, V),
                       numpy_passes.margins_and_forms(*_known_rows(rows), _theta(), center, V), strict=True))


def _finish_hessian(rows: Rows) -> bool:
    """Two chunks, which are centered where X is sparse."""
    side, c = side_of(_N), np.linspace(1.0, 2.0, _N) * isinstance(rows.X, Csr)
    chunks = np.stack([np.add.outer(i, 2 * i) + 1.0 for i in (np.arange(side), 3 * np.arange(side))])
    H = np.empty((_N + 1, _N + 1))
    rows.bind("finish_hessian", rows.X, c, chunks.reshape(-1, side), H)()
    lower = np.tril(chunks.sum(axis=0)[:_N + 1, :_N + 1])
    total = lower + np.tril(lower, -1).T
    move = np.eye(_N + 1)                       # what centers [x, 1]
    move[:-1, -1] = -c
    return _agree((H, move @ total @ move.T))


def _hessian_product(rows: Rows) -> bool:
    curvature = rows.sample_weight              # will do for one
    product, known = passes.hessian_product(rows, curvature), numpy_passes.hessian_product(*_known_rows(rows), curvature)
    return _agree((product(_theta()), known(_theta())))


def _moments(rows: Rows) -> bool:
    """Without weights, where rows of C order go in tiles, and with."""
    pivot, y, weight, offset = np.full(_N, 2.0), rows.y, rows.sample_weight, rows.offset
    return all(_agree(*zip(passes.moments(rows.replace(sample_weight=some), pivot),
                           numpy_passes.moments(_known(rows.X), y, some, offset, pivot), strict=True))
               for some in (weight, np.empty(0)))


def _first_read(rows: Rows) -> bool:
    pivot, grad, known = np.full(_N, 2.0), np.empty(_N + 1), np.empty(_N + 1)
    loss, first, second = passes.cost_gradient_and_moments(rows, _theta(), pivot, grad)
    known_loss = numpy_vectorized.cost_gradient(*_known_rows(rows), _theta(), known)
    known_first, known_second = numpy_passes.moments(*_known_rows(rows), pivot)
    return _agree((loss, known_loss), (grad, known), (first, known_first), (second, known_second))


def _predict(rows: Rows) -> bool:
    """Margins and probabilities, and that a margin is not finite."""
    z, is_finite = passes.predict(rows, _theta(), as_probabilities=False)
    both, _ = passes.predict(rows, _theta(), as_probabilities=True)
    _, finds_nothing = passes.predict(rows, np.append(_theta()[:-1], np.inf), as_probabilities=True)
    known = numpy_vectorized.margins(_known(rows.X), rows.offset, _theta())
    return is_finite and not finds_nothing and _agree((z, known), (both, numpy_vectorized.probabilities(known)))


def _intervals(rows: Rows) -> bool:
    odds, width = np.linspace(9.0, -9.0, _M), np.linspace(0.0, 2.0, _M)
    return _agree((passes.intervals(rows, odds, width), numpy_vectorized.intervals(odds, width)))


def _softmax(rows: Rows) -> bool:
    """All that the kernel makes; where X is dense, also for rows so long that they are not made a panel."""
    return _softmax_of(rows) and (isinstance(rows.X, Csr) or _softmax_of(rows.replace(X=_wide(rows.X))))


def _softmax_of(rows: Rows) -> bool:
    y, _, offset, Theta = _classes(rows.X.shape[1])
    rows = rows.replace(y=y, offset=offset)
    z, is_finite = softmax_passes.softmax_predict(rows, Theta, as_probabilities=False)
    p, _ = softmax_passes.softmax_predict(rows, Theta, as_probabilities=True)
    _, finds_nothing = softmax_passes.softmax_predict(rows, np.full_like(Theta, np.inf), as_probabilities=True)
    known_z, V = numpy_vectorized.margins(_known(rows.X), offset, Theta), Theta[::-1].copy()
    product = softmax_passes.softmax_hessian_product(rows, Theta)(V)
    return (is_finite and not finds_nothing
            and softmax_of_rows(lambda *rest: softmax_passes.softmax_cost_gradient(rows, *rest[-2:]), rows.X)
            and _agree((z, known_z), (p, softmax.probabilities(known_z)),
                       (product, numpy_passes.softmax_hessian_product(*_known_rows(rows), Theta)(V))))


def _known_rows(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return _known(rows.X), rows.y, rows.sample_weight, rows.offset


def _quasi_newton(rows: Rows) -> bool:
    """Two classes, and four."""
    y, _, offset, _ = _classes(rows.X.shape[1])
    return (_two_steps(rows, 1, numpy_vectorized.cost_gradient, numpy_passes.hessian)
            and _two_steps(rows.replace(y=y, offset=offset), 4, numpy_passes.softmax_cost_gradient, numpy_passes.softmax_hessian))


def _two_steps(rows: Rows, K: int, cost_gradient: Callable[..., float], hessian: Callable[..., np.ndarray]) -> bool:
    """Two steps with the Hessian at zero, in coordinates where every column has mean 8 and deviation 5."""
    side, center = _N + 1, np.full(_N, 8.0)
    size, shape = K * side, (side,) if K == 1 else (K, side)
    l2 = np.tile(np.append(np.full(_N, 2.5), 0.0), K)
    scale = Scale(center, scales=np.tile(np.append(np.full(_N, 0.2), 1.0), K), l2=l2,
                  penalty=0.04 * l2, diagonal=np.ones(size),
                  far=np.tile(np.append(np.full(_N, 1.6), 0.0), K), ratio=np.ones(_N), shift=np.zeros(_N),
                  common=np.linspace(0.0, 1.0, side).round() if K > 1 else np.empty(0), to_mean=1.0, sums=1.0 / _M, intercept=1.0)
    rule, never, ridge = StoppingRule(tol=0.0, gap=0.0, cost=-1.0), Price(math.inf, 0.0, math.inf), 1e-3 * (K > 1)
    sides = [(Descent.start(np.zeros(size)), _approximation(size)) for _ in range(2)]
    (descent, M), (known, known_M) = sides
    record, known_record = np.empty((2, 3)), []
    descents.quasi_newton(rows, descent, M, scale, rule, never, never, ridge, record, 0)

    while engine.advance(known, known_M, scale, 0.0, never, never) != engine.POINT or known.at.updates < 2:
        theta = ((known.trial if known.at.asked == engine.EVALUATE else known.u) * scale.scales).reshape(shape)
        theta[..., -1] -= theta[..., :-1] @ center
        if known.at.asked == engine.EVALUATE:
            grad = np.empty(shape)
            loss = cost_gradient(*_known_rows(rows), theta, grad)
            grad[..., :-1] -= center * grad[..., -1:]
            known.trial_grad[:] = scale.sums * scale.scales * grad.ravel() + scale.penalty * known.trial
            known.at.trial_cost = scale.sums * loss + 0.5 * scale.penalty @ known.trial ** 2
        elif known.at.asked == engine.HESSIAN:
            H = hessian(*_known_rows(rows), theta, center, 0.0) * np.outer(scale.scales, scale.scales)
            known_M.factor[:] = np.linalg.inv(np.linalg.cholesky(scale.sums * H + np.diag(scale.penalty + ridge)))
        else:
            known_record += [(known.at.cost_before, known.at.grad_norm_before, known.at.length)] * (known.at.updates > 0)
    known_record.append((known.at.cost_before, known.at.grad_norm_before, known.at.length))
    return (descent.at.asked == engine.POINT and bytes(M.kind) == bytes(known_M.kind) and descent.at.updates == 2
            and _agree((record, known_record), (descent.at.cost, known.at.cost), *zip(descent[1:], known[1:], strict=True),
                       (M.factor, known_M.factor), (M.steps[:2], known_M.steps[:2]), (M.changes[:2], known_M.changes[:2])))


def _approximation(size: int) -> Approximation:
    """An inverse Hessian that is to be made."""
    vectors, scalars = np.ones((8, size)), np.empty(9 + engine.GAPS)
    return Approximation(engine.Kind(engine.DUE), np.zeros((size, size)), vectors, scalars, *engine.parts(vectors, scalars))


def _penalized_newton(rows: Rows) -> bool:
    """Seventeen columns of eleven rows: by columns, and where they are dense by second derivatives."""
    is_sparse = isinstance(rows.X, Csr)
    columns, p, m = rows.X.rows(slice(1, 18)) if isinstance(rows.X, Csr) else rows.X[1:18], 17, _N
    rows = rows.replace(y=rows.y[:m], sample_weight=rows.sample_weight[:m], offset=rows.offset[:m])
    thresholds, shift, penalty = np.append(np.full(p, 3.0), 0.0), np.full(p, 8.0), np.full(p, 0.1)
    thresholds[0] = 0.5                         # whose u is not 0 then
    right = True
    for budget, room in ((math.inf, 0.0), (0.0, 0.0 if is_sparse else float(p))):
        u, grad = np.zeros(p + 1), np.empty(p + 1)
        goal = Goal(to_cost=1.0, to_mean=1.0, intercept=1.0, tol=0.0, gap=0.0, enough=1e-9, rounding=1e-12, budget=budget,
                    room=room, most=math.inf)
        cost, *_ = passes.penalized_newton(rows, columns, u, grad, shift, thresholds, penalty, goal, np.empty((100, 3)))
        known, theta = np.empty(p + 1), np.append(u[:-1], u[-1] - shift @ u[:-1])
        loss = numpy_vectorized.cost_gradient(_known(rows.X)[1:18].T, rows.y, rows.sample_weight, rows.offset, theta, known)
        known[:-1] += penalty * u[:-1] - shift * known[-1]
        left = np.where(u == 0.0, np.maximum(np.abs(known) - thresholds, 0.0), np.abs(known + thresholds * np.sign(u)))
        is_minimum = bool(left.max() <= 1e-7) if budget or room else True
        right = right and is_minimum and _agree(
            (cost, loss + thresholds @ np.abs(u) + 0.5 * penalty @ u[:-1] ** 2), (grad, known))
    return right


_KNOWN: dict[str, Callable[[Rows], bool]] = {
    "cost_gradient": _cost_gradient, "descend": _descend, "step": _step, "hessian": _hessian, "finish_hessian": _finish_hessian,
    "residuals": _residuals, "grouped_scores": _grouped_scores, "margins_and_forms": _margins_and_forms,
    "hessian_product": _hessian_product, "moments": _moments, "first_read": _first_read, "predict": _predict,
    "intervals": _intervals,
    "quasi_newton": _quasi_newton, "penalized_newton": _penalized_newton, "softmax": _softmax}

"""What Python does around the compiled driver of the engine: which kernels it calls, and where they leave their sums."""

from typing import NamedTuple

import numpy as np

from fastlr.backends.compiled.header import GRADIENT, PROBABILITIES, Bound, calls
from fastlr.backends.compiled.passes import Rows
from fastlr.backends.compiled.softmax_passes import gradient_of, gram_of
from fastlr.backends.engine import RECORDS, Approximation, Descent, Price, Scale, StoppingRule

_NO_TABLE, _NOTHING = np.empty((0, 0)), np.empty(0)


class _Kernels(NamedTuple):
    """The kernels that a driver calls, and what they share with it, see `quasi_newton` of `compiled.quasi_newton`."""

    bound: tuple[tuple[Bound, int], ...]        # kernels, each with its number of chunks
    strides: np.ndarray         # (4,) int64
    w: np.ndarray               # what the kernel of J takes, in one row, and
    b: np.ndarray               # (K,)
    sums: np.ndarray            # what it makes of each chunk, in one row, and
    totals: np.ndarray          # what follows: the sums of slopes by class, and of losses
    P: np.ndarray               # (K, m) probabilities, or (0, 0) for two classes
    sample_weight: np.ndarray   # (m,), or (0,) for none, and
    weights: np.ndarray         # (m,) those of a Gram, or (0,) for two classes
    H: np.ndarray               # (n + 1, n + 1) what `finish_hessian` makes, and
    whole: np.ndarray           # (K (n + 1), K (n + 1)) all second derivatives: the same for two classes; (0, 0) for none


def quasi_newton(rows: Rows, descent: Descent, M: Approximation, scale: Scale, rule: StoppingRule, hessian: Price, sample: Price,
                 ridge: float | None, record: np.ndarray, begun: int) -> None:
    """Drive the engine in compiled code, on one thread."""
    K = descent.u.size // (rows.X.shape[1] + 1)
    kernels = _of_two_classes(rows, scale.center) if K == 1 else _of_classes(rows, K, scale.center, ridge is not None)
    at, kind = (np.frombuffer(memoryview(state), RECORDS[type(state)]) for state in (descent.at, M.kind))
    numbers = np.array([*scale[9:], *rule, *hessian, *sample, 0.0 if ridge is None else ridge])
    rows.bind("quasi_newton", calls(*kernels.bound), at, descent.vectors, kind, M.factor, M.vectors, M.scalars, *scale[:9],
              numbers, record, begun, *kernels[1:], np.empty(kernels.whole.shape))()


def _of_two_classes(rows: Rows, center: np.ndarray) -> _Kernels:
    n, gradient, hessian = rows.X.shape[1], rows.gradient, rows.hessian
    sums = gradient.sums.reshape(-1)
    hessian.center[:], hessian.floor[:] = center, 0.0
    return _Kernels((gradient.driven, *hessian.driven), np.array([0, 1, n + 2, n + 2]), rows.theta,
                    rows.theta[n:], sums, sums[n:], _NO_TABLE, _NOTHING, _NOTHING, hessian.H, hessian.H)


def _of_classes(rows: Rows, K: int, center: np.ndarray, has_hessian: bool) -> _Kernels:
    (m, n), gradient = rows.X.shape, gradient_of(rows, K)
    place = np.array([*gradient.strides, gradient.w.size, K + 1])
    of_gradient = (place, gradient.w.reshape(-1), gradient.b, gradient.sums.reshape(-1), gradient.totals.reshape(-1))
    of_loss = gradient.driven(GRADIENT, _NO_TABLE)
    if not has_hessian:
        return _Kernels((of_loss,), *of_gradient, _NO_TABLE, _NOTHING, _NOTHING, _NO_TABLE, _NO_TABLE)
    P, weights, whole = np.empty((K, m)), np.empty(m), np.empty((K * (n + 1), K * (n + 1)))
    gram = gram_of(rows, weights, center)
    return _Kernels((of_loss, *gram.driven, gradient.driven(PROBABILITIES, P)), *of_gradient, P, rows.sample_weight, weights,
                    gram.H, whole)

"""The lecture's two loops, compiled: one example after the other, forward and backward."""

from typing import Any

import numpy as np

from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.block_pass import values_of_row, without_features
from fastlr.backends.compiled.descent import gradient_and_descent
from fastlr.backends.compiled.jit import Entry, block, by_layout
from fastlr.backends.compiled.scalar import cross_entropy, exp_nonpositive, log_of_sum, slope
from fastlr.backends.descent import GOING, apply


def _add_examples(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, start: int, stop: int, grad: Any) -> float:
    n = X.shape[1]
    w, b, dw = theta[:n], theta[n], grad[:n]
    J, db = 0.0, 0.0
    for i in range(start, stop):
        x = X[i]
        z = without_features(b, offset, i)
        for j in range(n):
            z += w[j] * x[j]
        e = exp_nonpositive(-abs(z))
        s = sample_weight[i] if sample_weight.size else 1.0
        J += s * cross_entropy(z, y[i], e)
        dz = s * slope(z, y[i], e)
        for j in range(n):
            dw[j] += x[j] * dz
        db += dz
    grad[n] += db
    return J


def _add_sparse_examples(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, start: int, stop: int,
                         grad: Any) -> float:
    n = X.n_columns
    values, indices, indptr = X.values, X.indices, X.indptr
    b = theta[n]
    J, db = 0.0, 0.0
    for i in range(start, stop):
        z = without_features(b, offset, i)
        for k in values_of_row(indptr, i):
            z += theta[np.uintp(indices[k])] * values[k]
        e = exp_nonpositive(-abs(z))
        s = sample_weight[i] if sample_weight.size else 1.0
        J += s * cross_entropy(z, y[i], e)
        dz = s * slope(z, y[i], e)
        for k in values_of_row(indptr, i):
            grad[np.uintp(indices[k])] += values[k] * dz
        db += dz
    grad[n] += db
    return J


add_examples = by_layout(_add_examples, _add_examples, _add_sparse_examples)
"""Make the forward and backward pass over the examples start..stop: add to grad, and return the sum of their losses."""


def _run(X: Any, y: Any, sample_weight: Any, offset: Any, first: int, last: int, theta: Any, previous: Any, grad: Any,
         rule: Any, record: Any) -> tuple[int, int]:
    for step in range(len(record)):
        grad[:] = 0.0
        loss = add_examples(X, y, sample_weight, offset, theta, first, last, grad)
        status, record[step, 0], record[step, 1] = apply(loss, grad, theta, previous, rule)
        if status != GOING:
            return step, status
    return len(record), GOING


_entry = Entry(_run, self_test.descent, writes=("theta", "previous", "grad", "record"))
cost_gradient, descend = gradient_and_descent(_entry, lambda X, *_: X)


# ---- K classes --------------------------------------------------------------------------------------------------------

@block
def _loss_and_slope(z: Any, y: int, s: float) -> float:
    """Turn the margins z (K,) into dz = s (p - [y = k]) in place; return s * loss."""
    most = z.max()
    own, others = z[y] - most, 0.0
    for k in range(z.size):
        z[k] = exp_nonpositive(z[k] - most)
    e = z[y]
    z[y] = 0.0
    for k in range(z.size):
        others += z[k]
    z[y] = -others                      # p - 1 would cancel
    for k in range(z.size):
        z[k] *= s / (e + others)
    return s * (log_of_sum(e, others) - own)


def _add_examples_of_classes(X: Any, y: Any, sample_weight: Any, offset: Any, Theta: Any, start: int, stop: int,
                             Grad: Any) -> float:
    n, z, J = X.shape[1], np.empty(Theta.shape[0]), 0.0
    for i in range(start, stop):
        x = X[i]
        for k in range(z.size):
            w, z[k] = Theta[k], Theta[k, n]
            if offset.size:
                z[k] += offset[i, k]
            for j in range(n):
                z[k] += w[j] * x[j]
        J += _loss_and_slope(z, y[i], sample_weight[i] if sample_weight.size else 1.0)
        for k in range(z.size):
            dw, dz = Grad[k], z[k]
            for j in range(n):
                dw[j] += x[j] * dz
            dw[n] += dz
    return J


def _add_sparse_examples_of_classes(X: Any, y: Any, sample_weight: Any, offset: Any, Theta: Any, start: int, stop: int,
                                    Grad: Any) -> float:
    n, z, J = X.n_columns, np.empty(Theta.shape[0]), 0.0
    values, indices, indptr = X.values, X.indices, X.indptr
    for i in range(start, stop):
        for k in range(z.size):
            w, z[k] = Theta[k], Theta[k, n]
            if offset.size:
                z[k] += offset[i, k]
            for l in values_of_row(indptr, i):
                z[k] += w[np.uintp(indices[l])] * values[l]
        J += _loss_and_slope(z, y[i], sample_weight[i] if sample_weight.size else 1.0)
        for k in range(z.size):
            dw, dz = Grad[k], z[k]
            for l in values_of_row(indptr, i):
                dw[np.uintp(indices[l])] += values[l] * dz
            dw[n] += dz
    return J


add_examples_of_classes = by_layout(_add_examples_of_classes, _add_examples_of_classes, _add_sparse_examples_of_classes)
"""The pass of `add_examples` for K classes: add to Grad (K, n + 1), and return the sum of the losses."""


def _run_classes(X: Any, y: Any, sample_weight: Any, offset: Any, Theta: Any, Grad: Any) -> float:
    Grad[:] = 0.0
    return add_examples_of_classes(X, y, sample_weight, offset, Theta, 0, y.size, Grad)


_entry_of_classes = Entry(_run_classes, self_test.softmax_of_rows, writes=("Grad",), name="_of_classes")


def softmax_cost_gradient(X: Any, y: Any, sample_weight: Any, offset: Any, Theta: Any, Grad: Any) -> float:
    """The sum of the losses of K classes; Grad becomes that of their gradients."""
    return float(_entry_of_classes(X, y, sample_weight, offset.reshape(-1, len(Theta)), Theta, Grad))

"""The compiled loop over examples in parallel: each thread takes chunks of rows."""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends.compiled import chunks, self_test
from fastlr.backends.compiled.chunks import Matrix
from fastlr.backends.compiled.descent import combine, gradient_and_descent
from fastlr.backends.compiled.passes import (
    Rows,
    grouped_scores,
    hessian,
    hessian_product,
    margins_and_forms,
    moments,
    squared_scores,
)
from fastlr.backends.compiled.softmax_passes import softmax_hessian_product, softmax_probabilities
from fastlr.backends.compiled.threading_layer import SerialOrParallel
from fastlr.backends.compiled.threading_layer import limited as threads
from fastlr.backends.descent import GOING, apply
from fastlr.backends.numba_fused import prepare
from fastlr.backends.numba_loop import add_examples, add_examples_of_classes

__all__ = ["cost_gradient", "descend", "grouped_scores", "hessian", "hessian_product", "margins_and_forms", "moments", "prepare",
           "softmax_cost_gradient", "softmax_hessian_product", "softmax_probabilities", "squared_scores", "threads"]

# Rows of which every chunk but the last is a multiple.
_BLOCK = 64


def _run(X: Any, y: Any, sample_weight: Any, offset: Any, ranges: Any, theta: Any, previous: Any, grad: Any, rule: Any,
         record: Any) -> tuple[int, int]:
    partial = np.empty((ranges.size - 1, theta.size + 1))
    for step in range(len(record)):
        for chunk in prange(partial.shape[0]):
            partial[chunk] = 0.0
            partial[chunk, theta.size] = add_examples(X, y, sample_weight, offset, theta, ranges[chunk], ranges[chunk + 1],
                                                      partial[chunk, :theta.size])
        loss = combine(partial, grad)
        status, record[step, 0], record[step, 1] = apply(loss, grad, theta, previous, rule)
        if status != GOING:
            return step, status
    return len(record), GOING


_entry = SerialOrParallel(_run, self_test.descent_in_chunks, writes=("theta", "previous", "grad", "record"))


def _ranges(X: Matrix, first: int, last: int) -> np.ndarray:
    return chunks.ranges(first, last, chunks.gradient_chunks(X, last - first, _BLOCK), _BLOCK)


def _on_rows(rows: Rows, first: int, last: int, *rest: Any) -> tuple[int, int]:
    updates, status = _entry(rows.allowed_threads, rows.X, rows.y, rows.sample_weight, rows.offset,
                             _ranges(rows.X, first, last), *rest)
    return updates, status


cost_gradient, descend = gradient_and_descent(_on_rows, lambda rows: rows.X)


# ---- K classes --------------------------------------------------------------------------------------------------------

def _run_classes(X: Any, y: Any, sample_weight: Any, offset: Any, ranges: Any, Theta: Any, Grad: Any) -> float:
    partial = np.empty((ranges.size - 1, Theta.size + 1))
    for chunk in prange(partial.shape[0]):
        partial[chunk] = 0.0
        partial[chunk, Theta.size] = add_examples_of_classes(X, y, sample_weight, offset, Theta, ranges[chunk], ranges[chunk + 1],
                                                             partial[chunk, :Theta.size].reshape(Theta.shape))
    return combine(partial, Grad.reshape(Grad.size))


_entry_of_classes = SerialOrParallel(_run_classes, self_test.softmax_in_chunks, writes=("Grad",), name="_of_classes")


def softmax_cost_gradient(rows: Rows, Theta: np.ndarray, Grad: np.ndarray) -> float:
    """The sum of the losses of K classes; Grad becomes that of their gradients."""
    return float(_entry_of_classes(rows.allowed_threads, rows.X, rows.y, rows.sample_weight, rows.offset.reshape(-1, len(Theta)),
                                   _ranges(rows.X, 0, rows.X.shape[0]), Theta, Grad))

"""The compiled loop over examples in parallel: each thread takes chunks of rows."""

from typing import Any

import numpy as np
from numba import prange

from fastlr.backends.compiled import self_test
from fastlr.backends.compiled.chunks import chunks_of, combine, rows_of
from fastlr.backends.compiled.descent import apply, cost_gradient_and_descend
from fastlr.backends.compiled.hessian import hessian
from fastlr.backends.compiled.hessian_product import hessian_product
from fastlr.backends.compiled.jit import shape_of
from fastlr.backends.compiled.moments import moments
from fastlr.backends.compiled.threads import SerialOrParallel, prepare
from fastlr.backends.compiled.threads import limited as threads
from fastlr.backends.descent import GOING
from fastlr.backends.numba_loop import add_examples

__all__ = ["cost_gradient", "descend", "hessian", "hessian_product", "is_compiled", "moments", "prepare", "threads"]

# Rows of which every chunk but the last is a multiple.
_BLOCK = 64


def _run(X: Any, y: Any, sample_weight: Any, offset: Any, first: int, last: int, theta: Any, previous: Any, grad: Any,
         rule: Any, record: Any) -> tuple[int, int]:
    _, n = shape_of(X)
    chunks = chunks_of(X, last - first, _BLOCK)
    partial = np.empty((chunks, n + 2))
    for step in range(len(record)):
        for chunk in prange(chunks):
            start, stop = rows_of(chunk, chunks, first, last, _BLOCK)
            partial[chunk] = 0.0
            partial[chunk, n + 1] = add_examples(X, y, sample_weight, offset, theta, start, stop, partial[chunk, :n + 1])
        loss = combine(partial, grad)
        status, record[step, 0], record[step, 1] = apply(loss, grad, theta, previous, rule)
        if status != GOING:
            return step, status
    return len(record), GOING


_entry = SerialOrParallel(_run, self_test.descent, writes=("theta", "previous", "grad", "record"))
cost_gradient, descend = cost_gradient_and_descend(_entry)
is_compiled = _entry.is_compiled

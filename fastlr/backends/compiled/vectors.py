"""The vector operations of `backends.vectors` as loops, and the engine made of them, for Numba."""

import inspect
from typing import Any

from fastlr.backends import engine, vectors
from fastlr.backends.compiled.jit import compile_as


def _scale_into(a: float, x: Any, out: Any) -> None:
    for j in range(x.size):
        out[j] = a * x[j]


def _combine(x: Any, a: float, y: Any, out: Any) -> None:
    for j in range(x.size):
        out[j] = x[j] + a * y[j]


def _add_multiple(x: Any, a: float, y: Any) -> None:
    for j in range(x.size):
        x[j] += a * y[j]


def _multiply(x: Any, y: Any) -> None:
    for j in range(x.size):
        x[j] *= y[j]


def _dot(x: Any, y: Any) -> float:
    total = 0.0
    for j in range(x.size):
        total += x[j] * y[j]
    return total


def _weighted_size(x: Any, weights: Any) -> float:
    total = 0.0
    for j in range(weights.size):
        total += abs(weights[j] * x[j])
    return total


def _lower_times(P: Any, x: Any, out: Any) -> None:
    side = P.shape[1]
    for start in range(0, x.size, side):
        of_block = x[start:start + side]
        for i in range(side):
            row, total = P[start + i], 0.0
            for j in range(i + 1):
                total += row[j] * of_block[j]
            out[start + i] = total


def _lower_transposed_times(P: Any, x: Any, out: Any) -> None:
    side = P.shape[1]
    for j in range(x.size):
        out[j] = 0.0
    for start in range(0, x.size, side):
        of_block = out[start:start + side]
        for i in range(side):
            row, x_i = P[start + i], x[start + i]
            for j in range(i + 1):
                of_block[j] += row[j] * x_i


def _remove_common(v: Any, common: Any) -> None:
    for j in range(common.size):
        total = 0.0
        for i in range(j, v.size, common.size):
            total += v[i]
        for i in range(j, v.size, common.size):
            v[i] -= common[j] * total / (v.size // common.size)


def _standardised_size(grad: Any, ratio: Any, shift: Any) -> float:
    side = ratio.size + 1 if ratio.size else grad.size
    largest = abs(grad[side - 1])
    for start in range(0, grad.size, side):
        own = grad[start:start + side]
        db = own[side - 1]
        largest = max(largest, abs(db))
        for j in range(side - 1):
            largest = max(largest, abs(ratio[j] * own[j] + shift[j] * db if ratio.size else own[j]))
    return largest


for _loops in (_scale_into, _combine, _add_multiple, _multiply, _dot, _weighted_size, _lower_times,
               _lower_transposed_times, _remove_common, _standardised_size):
    compile_as(_loops, getattr(vectors, _loops.__name__[1:]), reorders_sums=True)
for _function in vars(engine).values():
    if inspect.isfunction(_function) and _function.__module__ == engine.__name__:
        compile_as(_function, _function)

"""Gradient descent's rule in loops, and the two functions that Python calls of the backends `loop` and `parallel`.

Each of these two is one function

    run(*prepared, first, last, theta, previous, grad, rule, record) -> (updates, status)

that makes whole updates from the rows first..last; `cost_gradient` is a run that stops before its first.  One function,
so that only one is compiled for each kind of X.  Each backend writes its loop over the steps out, since Numba can't cache
a function that is handed another.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlr.backends import descent
from fastlr.backends.compiled.driving import run_kernel
from fastlr.backends.compiled.jit import compile_as, helper
from fastlr.backends.descent import GOING, SUMS, Rule
from fastlr.backends.ranges import pieces


@helper
def combine(sums: Any, grad: Any) -> float:
    """Add the chunks' rows in order: grad (n + 1,) is overwritten, the sum of losses (last column) is returned."""
    grad[:] = 0.0
    loss = 0.0
    for chunk in range(sums.shape[0]):
        row = sums[chunk]
        for j in range(grad.size):
            grad[j] += row[j]
        loss += row[grad.size]
    return loss


@helper
def step(sums: Any, theta: Any, previous: Any, grad: Any, rule: Any, center: Any, spread: Any, record: Any, status: Any) -> None:
    """One update from the sums over chunks.  The first seven of a `Rule` are in an array; status is [updates, status]."""
    loss = combine(sums, grad)
    whole = Rule(rule[0], rule[1], rule[2], rule[3], rule[4], rule[5], rule[6], center, spread)
    done = status[0]
    status[1], record[done, 0], record[done, 1] = descent.apply(loss, grad, theta, previous, whole)
    if status[1] == GOING:
        status[0] += 1


@helper
def descend(calls: Any, sums: Any, theta: Any, previous: Any, grad: Any, rule: Any, center: Any, spread: Any, record: Any,
            status: Any) -> None:
    """Gradient descent on one thread until `record` is full, or until a step says otherwise; the kernel writes to `sums`."""
    while status[0] < record.shape[0] and status[1] == GOING:
        run_kernel(calls, 0)
        step(sums, theta, previous, grad, rule, center, spread, record, status)


def _scaled_cost_gradient(loss: float, grad: Any, theta: Any, rule: Any) -> float:
    n = theta.size - 1
    squares = 0.0
    for j in range(n):
        squares += theta[j] * theta[j]
        grad[j] = rule.scale * grad[j] + rule.l2 * theta[j]
    grad[n] *= rule.scale * rule.intercept
    return rule.scale * loss + 0.5 * rule.l2 * squares


def _gradient_norm(grad: Any, rule: Any) -> float:
    db = grad[grad.size - 1]
    largest = abs(db)
    for j in range(grad.size - 1):
        largest = max(largest, abs(grad[j] - rule.center[j] * db) / rule.spread[j])
    return rule.to_mean * largest


def _update(theta: Any, previous: Any, alpha: float, grad: Any) -> None:
    for j in range(theta.size):
        previous[j] = theta[j]
        theta[j] -= alpha * grad[j]


for _loops in (_scaled_cost_gradient, _gradient_norm, _update):
    compile_as(_loops, getattr(descent, _loops.__name__[1:]))
compile_as(descent.apply, descent.apply)


def gradient_and_descent(run: Callable[..., tuple[int, int]],
                         X_of: Callable[..., Any]) -> tuple[Callable[..., float], Callable[..., tuple[int, int]]]:
    """The two functions of a backend (see `fastlr.backends`) made from its compiled one, and from what has X of `prepared`."""

    def cost_gradient(*arguments: Any) -> float:
        *prepared, theta, grad = arguments
        first, *others = pieces(X_of(*prepared))
        evaluated = np.empty((1, 2))
        run(*prepared, *first, theta, theta, grad, SUMS, evaluated)
        loss = float(evaluated[0, 0])
        for piece in others:
            sums = np.empty_like(grad)
            run(*prepared, *piece, theta, theta, sums, SUMS, evaluated)
            grad += sums
            loss += float(evaluated[0, 0])
        return loss

    def descend(*arguments: Any) -> tuple[int, int]:
        *prepared, theta, previous, rule, record = arguments
        (first, last), = pieces(X_of(*prepared))
        return run(*prepared, first, last, theta, previous, np.empty_like(theta), rule, record)

    return cost_gradient, descend

"""Margins and probabilities of many rows in one read of X, in threads, and intervals of probabilities.

What `numpy_vectorized.predict` computes, up to the last bits: NumPy takes one core for all that comes after the product.
"""

from typing import Any

from fastlr.backends.compiled.block_pass import margins as margins_of_rows
from fastlr.backends.compiled.jit import block, helper
from fastlr.backends.compiled.scalar import exp_nonpositive, sigmoid


@block
def _probabilities(z: Any, e: Any, both: Any) -> None:
    """1 - sigma(z) and sigma(z); e is space for e^-|z|."""
    for i in range(z.size):
        e[i] = exp_nonpositive(-abs(z[i]))
    for i in range(z.size):
        larger = 1.0 / (1.0 + e[i])
        smaller = e[i] * larger
        is_second = z[i] >= 0.0
        both[i, 0] = smaller if is_second else larger
        both[i, 1] = larger if is_second else smaller


@block
def _nothing(z: Any) -> float:
    """0, or NaN where a number is not finite."""
    nothing = 0.0
    for i in range(z.size):
        nothing += z[i] - z[i]
    return nothing


@helper
def predict(X: Any, offset: Any, theta: Any, margins: Any, both: Any, ranges: Any, sums: Any, scratch: Any, first: int, last: int,
            thread: int) -> None:
    """Margins (m,), or the probabilities of both classes (m, 2), of the chunks; the other array is empty.

    sums[k] (1,) becomes `_nothing` of chunk k.
    """
    rows = scratch.shape[1] // 2
    for k in range(first, last):
        sums[k] = 0.0
        for start in range(ranges[k], ranges[k + 1], rows):
            stop = min(start + rows, ranges[k + 1])
            z = margins[start:stop] if margins.size else scratch[thread, :stop - start]
            margins_of_rows(X, start, theta, offset, z)
            sums[k, 0] += _nothing(z)
            if both.shape[0]:
                _probabilities(z, scratch[thread, rows:rows + stop - start], both[start:stop])


@block
def _bounds(odds: Any, width: Any, sign: float, z: Any, e: Any, bounds: Any) -> None:
    """sigma(odds + sign width); z and e are space."""
    for i in range(z.size):
        z[i] = odds[i] + sign * width[i]
        e[i] = exp_nonpositive(-abs(z[i]))
    for i in range(z.size):
        bounds[i] = sigmoid(z[i], e[i])


@helper
def intervals(odds: Any, width: Any, bounds: Any, ranges: Any, scratch: Any, first: int, last: int, thread: int) -> None:
    """Rows of `bounds` (m, 2) become sigma(odds - width) and sigma(odds + width) for the chunks."""
    rows = scratch.shape[1] // 2
    for start in range(ranges[first], ranges[last], rows):
        stop = min(start + rows, ranges[last])
        z, e = scratch[thread, :stop - start], scratch[thread, rows:rows + stop - start]
        for side in range(2):
            _bounds(odds[start:stop], width[start:stop], 2.0 * side - 1.0, z, e, bounds[start:stop, side])

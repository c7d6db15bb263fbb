"""exp, log1p, sigmoid and loss for one margin: branch-free, so that a loop over them vectorises.

Argument reduction and polynomials are those of any C library's exp and log1p; what is special is that nothing here
branches, calls out or looks up a table.
"""

from typing import Any

import numpy as np

from fastlr.backends._jit import contracted

_MAGIC = 6755399441055744.0                     # 1.5 * 2**52: adding it leaves the rounded integer in the low bits
_MAGIC_BITS = int(np.float64(_MAGIC).view(np.int64))
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490             # ln 2 in two pieces; the first has 21 zero bits at its end, so that
_LN2_LOW = 1.90821492927058770002e-10           # k * _LN2_HIGH is exact
_SMALLEST = -746.0                              # e^x is 0 in float64 from -745.14 down


@contracted         # not reassoc, which would cancel + _MAGIC - _MAGIC
def exp_nonpositive(x: float) -> float:
    """e^x for x <= 0, down to the subnormals: x = k ln 2 + r, e^x = 2^k e^r with |r| <= ln(2)/2."""
    x = max(x, _SMALLEST)
    shifted = x * _LOG2_E + _MAGIC
    k = shifted - _MAGIC
    r = x - k * _LN2_HIGH
    r = r - k * _LN2_LOW
    p = 1.0 / 6227020800.0                      # Taylor: the term left out is below 1e-17 relative
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    exponent = np.float64(shifted).view(np.int64) - _MAGIC_BITS
    half = exponent >> 1                        # 2^k in two factors: 2^k itself may be subnormal
    return p * _power_of_two(half) * _power_of_two(exponent - half)


@contracted
def _power_of_two(k: Any) -> float:
    return np.int64((k + 1023) << 52).view(np.float64)


@contracted
def log1p_unit(e: float) -> float:
    """log(1 + e) for 0 <= e <= 1, as 2 atanh(s) with s = e / (2 + e) <= 1/3."""
    s = e / (2.0 + e)
    t = s * s
    p = 1.0 / 33.0
    p = p * t + 1.0 / 31.0
    p = p * t + 1.0 / 29.0
    p = p * t + 1.0 / 27.0
    p = p * t + 1.0 / 25.0
    p = p * t + 1.0 / 23.0
    p = p * t + 1.0 / 21.0
    p = p * t + 1.0 / 19.0
    p = p * t + 1.0 / 17.0
    p = p * t + 1.0 / 15.0
    p = p * t + 1.0 / 13.0
    p = p * t + 1.0 / 11.0
    p = p * t + 1.0 / 9.0
    p = p * t + 1.0 / 7.0
    p = p * t + 1.0 / 5.0
    p = p * t + 1.0 / 3.0
    return 2.0 * s + 2.0 * s * (t * p)


@contracted
def loss_and_sigmoid(z: float, y: float) -> tuple[float, float]:
    """loss = -(y log a + (1 - y) log(1 - a)) and a = sigma(z), from one e^-|z|; finite for every finite z."""
    e = exp_nonpositive(-abs(z))
    loss = max(z, 0.0) - y * z + log1p_unit(e)
    a = (1.0 if z >= 0.0 else e) / (1.0 + e)
    return loss, a

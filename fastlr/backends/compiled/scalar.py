"""exp, log1p, sigmoid, loss, its slope and its curvature for one margin: branch-free, so that a loop over them vectorises.

Argument reduction as in any C library; what is special is that nothing here branches, calls out or looks up a table.
The polynomials are Chebyshev interpolants (mpmath.chebyfit), which reach a Taylor polynomial's error with fewer terms.
Each function returns one number: one that returned two would not be vectorised.
"""

import numpy as np

from fastlr.backends.compiled.jit import contracted

_MAGIC = 6755399441055744.0 + 64.0             # 1.5 * 2**52 + 64: adding it to k leaves the integer k + 64 in the low bits
_TWO_TO_MINUS_64 = 5.421010862427522e-20
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490             # ln 2 in two pieces; the first has 21 zero bits at its end, so that
_LN2_LOW = 1.90821492927058770002e-10           # k * _LN2_HIGH is exact
_MANTISSA_OF_2_TO_52 = 0x4330000000000000       # the bits of 2^52, whose lowest are a whole number that is added to it
_TWO_TO_52_PLUS_BIAS = 4503599627371519.0       # 2^52 + 1023
_SMALLEST = -746.0                              # e^x is 0 in float64 from -745.14 down


@contracted         # not reassoc, which would cancel + _MAGIC - _MAGIC
def exp_nonpositive(x: float) -> float:
    """e^x for x <= 0, within 1 ulp down to the subnormals: x = k ln 2 + r, e^x = 2^k e^r with |r| <= ln(2)/2."""
    x = max(x, _SMALLEST)
    shifted = x * _LOG2_E + _MAGIC
    k = shifted - _MAGIC
    r = x - k * _LN2_HIGH
    r = r - k * _LN2_LOW
    q = 2.510038549551032e-08                   # (e^r - 1 - r) / r^2, to 1e-16 of itself
    q = q * r + 2.7620088445409746e-07
    q = q * r + 2.7557268459997064e-06
    q = q * r + 2.4801521295954376e-05
    q = q * r + 0.00019841269863053618
    q = q * r + 0.0013888888917213717
    q = q * r + 0.008333333333330062
    q = q * r + 0.04166666666662413
    q = q * r + 0.16666666666666669
    q = q * r + 0.5
    p = (q * r + 1.0) * r + 1.0
    # 2^(k + 64) by adding to the exponent of p, which is never subnormal; the last product rounds to what may be.
    scaled = np.float64(p).view(np.int64) + (np.float64(shifted).view(np.int64) << 52)
    return np.int64(scaled).view(np.float64) * _TWO_TO_MINUS_64


@contracted
def log1p_unit(e: float) -> float:
    """log(1 + e) for 0 <= e <= 1, within 1 ulp: 2 atanh(s) with s = e / (2 + e) <= 1/3, whose 2 s is e - s e."""
    s = e / (2.0 + e)
    t = s * s
    q = 0.08082022805971766                     # (atanh(s) / s - 1) / t, to 5e-17 of itself
    q = q * t + 0.04400369243072337
    q = q * t + 0.06000536404795356
    q = q * t + 0.06657072104827468
    q = q * t + 0.07692785032479312
    q = q * t + 0.09090894718066429
    q = q * t + 0.11111111358713932
    q = q * t + 0.1428571428355438
    q = q * t + 0.20000000000007292
    q = q * t + 0.3333333333333333
    return e - s * (e - 2.0 * (t * q))          # led by e, which is exact


@contracted
def log_of_sum(e: float, others: float) -> float:
    """log(e + others) for 0 <= e <= 1 and others >= 0, at least 1 together; also where e is 1 and others next to 0."""
    above = others + (e - 1.0)
    bits = np.float64(1.0 + above).view(np.int64)
    k = np.int64((bits >> 52) | _MANTISSA_OF_2_TO_52).view(np.float64) - _TWO_TO_52_PLUS_BIAS   # 2^k <= 1 + above < 2^(k + 1)
    scale = np.int64((2046 - (bits >> 52)) << 52).view(np.float64)                              # 2^-k
    return k * _LN2_HIGH + (k * _LN2_LOW + log1p_unit(above * scale + (scale - 1.0)))


@contracted
def cross_entropy(z: float, y: float, e: float) -> float:
    """-(y log a + (1 - y) log(1 - a)) for y = 0 or 1 and e = e^-|z|: log(1 + e^z) for y = 0, log(1 + e^-z) for y = 1."""
    return max((1.0 - 2.0 * y) * z, 0.0) + log1p_unit(e)


@contracted
def sigmoid(z: float, e: float) -> float:
    """1 / (1 + e^-z) from e = e^-|z|."""
    return (1.0 if z >= 0.0 else e) / (1.0 + e)


@contracted
def slope(z: float, y: float, e: float) -> float:
    """dz = a - y from e = e^-|z|: a for y = 0 and -sigmoid(-z) for y = 1, where a - 1 would cancel."""
    side = 1.0 - 2.0 * y
    return side * sigmoid(side * z, e)


@contracted
def curvature(e: float) -> float:
    """a (1 - a) from e = e^-|z|."""
    return e / ((1.0 + e) * (1.0 + e))

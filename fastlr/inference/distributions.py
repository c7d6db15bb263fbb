"""Quantiles and tails of the normal and the chi-squared distribution, by Python's own mathematics."""

import math


def normal_quantile(level: float) -> float:
    """The z with which [-z, z] has this probability."""
    import statistics  # takes long, and most programs have no intervals

    return statistics.NormalDist().inv_cdf(0.5 + 0.5 * level)


def normal_tails(z: float) -> float:
    """The probability of a normal variable that is at least |z| in magnitude."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def chi_squared_tail(x: float, df: int) -> float:
    """The probability of a chi-squared variable with df degrees of freedom that is at least x.

    It is a finite sum: each two degrees of freedom add a term (x / 2)^k e^(-x / 2) / Gamma(k + 1) to the tail of the first ones.
    """
    if not (x > 0.0 and df > 0):                # without degrees of freedom, x is 0 but for rounding
        return math.nan if math.isnan(x) else 1.0
    half = 0.5 * x
    first = math.erfc(math.sqrt(half)) if df % 2 else 0.0
    return first + math.fsum(math.exp(k * math.log(half) - half - math.lgamma(k + 1.0))
                             for k in (0.5 * (df % 2) + i for i in range(df // 2)))

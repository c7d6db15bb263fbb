"""Center and deviation of every column, from the sums over rows of x - pivot and of its square."""

from typing import NamedTuple, Self

import numpy as np

_CONSTANT = 16.0 * 2.0 ** -52   # The spread of a column, relative to its center, that may be rounding.
_SMALLEST_SPREAD = 1e-153       # A smaller spread counts as 0: a w for it would be too large to square.


class Columns(NamedTuple):
    """Weighted mean and standard deviation of every column; without intercept 0 and the root mean square."""

    center: np.ndarray          # (n,)
    deviation: np.ndarray       # (n,)
    is_constant: np.ndarray     # (n,) bool
    spread: np.ndarray          # (n,) the deviation; of a constant column max(|center|, 1)

    @classmethod
    def of(cls, pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float, fit_intercept: bool) -> Self:
        """The columns of rows, by the sums over these of s_i (x_i - pivot) and of s_i (x_i - pivot)^2, and of the weights.

        The pivot is the row with the largest weight, which is at most sqrt(m) deviations from the mean; zeros without intercept.
        So squares around it lose at most m eps of the variance, however large the mean is.
        """
        shift, square = first / total, second / total
        center = pivot + shift if fit_intercept else np.zeros(pivot.size)
        deviation = np.sqrt(np.maximum(square - shift ** 2 if fit_intercept else square, 0.0))
        constant = is_constant(center, deviation)
        return cls(center, deviation, constant, np.where(constant, np.maximum(np.abs(center), 1.0), deviation))


def is_constant(center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Whether columns of such center and spread vary by no more than rounding, (n,)."""
    return ~(spread > np.maximum(_CONSTANT * np.abs(center), _SMALLEST_SPREAD))

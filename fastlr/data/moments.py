"""Center and deviation of every column, from the sums over rows of x - pivot and of its square."""

import numpy as np

_CONSTANT = 16.0 * 2.0 ** -52   # The spread of a column, relative to its center, that may be rounding.
_SMALLEST_SPREAD = 1e-153       # A smaller spread counts as 0: a w for it would be too large to square.


def standardisation(pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float,
                    fit_intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of every column; without intercept 0 and the root mean square.

    Parameters
    ----------
    pivot : (n,) float64
        A row of X that counts; zeros without intercept.
    first, second : (n,) float64
        Sums over the rows of s_i (x_i - pivot) and of s_i (x_i - pivot)^2.
    total : float
        The sum of the weights.

    Returns
    -------
    center, spread : (n,) float64
        A constant column has spread max(|center|, 1).  One that varies by less than 1e-153 counts as constant: a w that
        made a difference there would be too large to square.

    Notes
    -----
    The pivot is the row with the largest weight, which is at most sqrt(m) deviations from the mean.  So squares around it lose at
    most m eps of the variance, however large the mean is.
    """
    center, spread, constant = _spread(pivot, first, second, total, fit_intercept)
    return center, np.where(constant, np.maximum(np.abs(center), 1.0), spread)


def constant_columns(pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float, fit_intercept: bool) -> np.ndarray:
    """Which columns count as constant in `standardisation`, (n,)."""
    return _spread(pivot, first, second, total, fit_intercept)[2]


def variances(pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float, fit_intercept: bool) -> np.ndarray:
    """Weighted variance of every column, (n,); without intercept the mean square."""
    return _spread(pivot, first, second, total, fit_intercept)[1] ** 2


def _spread(pivot: np.ndarray, first: np.ndarray, second: np.ndarray, total: float,
            fit_intercept: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Center and deviation of every column, and whether it is constant."""
    shift, square = first / total, second / total
    center = pivot + shift if fit_intercept else np.zeros(pivot.size)
    spread = np.sqrt(np.maximum(square - shift ** 2 if fit_intercept else square, 0.0))
    return center, spread, is_constant(center, spread)


def is_constant(center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Whether columns of such center and spread vary by no more than rounding, (n,)."""
    return ~(spread > np.maximum(_CONSTANT * np.abs(center), _SMALLEST_SPREAD))

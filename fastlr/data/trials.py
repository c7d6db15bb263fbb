"""The gate for grouped labels: k successes and f failures are a row with y = 1 and weight k, and one with y = 0 and weight f.

Sums over these two rows are those over the k + f trials.  An example without successes, or without failures, is one row.
"""

from typing import Any, NamedTuple

import numpy as np

from fastlr.data import arrays


class Rows(NamedTuple):
    """The rows that stand for the trials of some examples."""

    example: np.ndarray         # (r,) which example each row is of, in order
    y: np.ndarray               # (r,) int8
    weight: np.ndarray          # (r,) float64


def has_counts(y: Any) -> bool:
    """Whether y is (m, 2): an array, a frame, or a list of pairs."""
    if isinstance(y, (list, tuple)) and y and isinstance(y[0], (list, tuple, np.ndarray)):
        return len(y[0]) == 2
    shape = getattr(y, "shape", ())
    return isinstance(shape, tuple) and len(shape) == 2 and shape[1] == 2


def counts(y: Any, m: int) -> np.ndarray:
    """Successes and failures (m, 2) float64, checked."""
    A = arrays.as_array("y", y)
    if A.ndim != 2:
        raise ValueError(f"y must have one dimension, or two columns of counts; it has shape {A.shape}")
    if len(A) != m:
        raise ValueError(f"y has {len(A)} rows, and X has {m} rows")
    if A.shape[1] == 2 and _is_one_hot(A):
        raise ValueError("y has two columns with a single 1 in every row, which may be one-hot labels or counts of one trial "
                         "each.  Pass labels in one column: y[:, 1] where these are one-hot labels of 0 and 1, or y[:, 0] where "
                         "the columns are successes and failures")
    return np.column_stack([arrays.real_vector(f"y[:, {k}]", A[:, k], m, at_least_zero=True) for k in (0, 1)])


def _is_one_hot(A: np.ndarray) -> bool:
    return bool(((A == 0) | (A == 1)).all() and (A[:, 0] != A[:, 1]).all())


def are_shares(labels: np.ndarray) -> bool:
    """Whether labels (m,) are shares of successes: floats from 0 to 1, some of them strictly between."""
    if labels.dtype.kind != "f" or not ((labels > 0.0) & (labels < 1.0)).any():
        return False
    return bool(labels.min() >= 0.0 and labels.max() <= 1.0)


def rows_of(counts: np.ndarray) -> Rows:
    """The rows with a weight other than 0 that stand for successes and failures (m, 2)."""
    example, is_failure = np.nonzero(counts)
    return Rows(example, (is_failure == 0).astype(np.int8), counts[example, is_failure])

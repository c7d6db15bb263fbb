"""The gate for grouped labels: k successes and f failures are a row with y = 1 and weight k, and one with y = 0 and weight f.

Sums over these two rows are those over the k + f trials.  An example without successes, or without failures, is one row.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from fastlr.data import arrays, labels


class Vectors(NamedTuple):
    """The labels, weights and offsets of some rows, and which examples these are where they stand for trials."""

    y: np.ndarray               # (r,)
    sample_weight: np.ndarray   # (r,) float64, or (0,) where every row counts once
    offset: np.ndarray          # (r,) float64, or (0,)
    example: np.ndarray = np.empty(0, np.intp)          # (r,) the example that each row is of, in order; (0,) without trials


def labels_or_counts(y: Any, m: int) -> np.ndarray:
    """Labels (m,), or successes and failures (m, 2) where y holds counts or shares of successes."""
    A = as_given(y, m)
    if A.ndim == 2:
        refuse_one_hot(is_one_hot(A))
        return A
    return counts(A, m) if are_shares(A) else A


def as_given(y: Any, m: int) -> np.ndarray:
    """Labels or shares (m,), or counts of successes and failures (m, 2), of all rows or of a part of them."""
    return counts(y, m) if has_counts(y) else labels.label_array(y, m)


def has_counts(y: Any) -> bool:
    """Whether y is (m, 2): an array, a frame, or a list of pairs."""
    if isinstance(y, (list, tuple)) and y and isinstance(y[0], (list, tuple, np.ndarray)):
        return y[0].shape == (2,) if isinstance(y[0], np.ndarray) else len(y[0]) == 2
    shape = getattr(y, "shape", ())
    return isinstance(shape, tuple) and len(shape) == 2 and shape[1] == 2


def counts(y: Any, m: int) -> np.ndarray:
    """Successes and failures (m, 2) float64, checked, where y holds these, or shares (m,), which are those of one trial."""
    if not has_counts(y):
        share = arrays.real_vector("y", y, m, at_least_zero=True)
        return np.column_stack([share, 1.0 - share])
    A = arrays.as_array("y", y)
    if A.ndim != 2:
        raise ValueError(f"y must have one dimension, or two columns of counts; it has shape {A.shape}")
    if len(A) != m:
        raise ValueError(f"y has {len(A)} rows, and X has {m} rows")
    return np.column_stack([arrays.real_vector(f"y[:, {k}]", A[:, k], m, at_least_zero=True) for k in (0, 1)])


def is_one_hot(counts: np.ndarray) -> bool:
    """Whether every example of counts (m, 2) has a single trial."""
    return bool(((counts == 0.0) | (counts == 1.0)).all() and (counts[:, 0] != counts[:, 1]).all())


def refuse_one_hot(every_example_has_one_trial: bool) -> None:
    """Raise ValueError where counts may be labels of two classes."""
    if every_example_has_one_trial:
        raise ValueError("y has two columns with a single 1 in every row, which may be one-hot labels or counts of one trial "
                         "each.  Pass labels in one column: y[:, 1] where these are one-hot labels of 0 and 1, or y[:, 0] where "
                         "the columns are successes and failures")


def refuse_no_trial(some_example_has_one: bool) -> None:
    """Raise ValueError where there is no trial."""
    if not some_example_has_one:
        raise ValueError("y counts no trial of an example that has a weight; some example must have one")


def are_shares(A: np.ndarray) -> bool:
    """Whether labels A (m,) are shares of successes: floats from 0 to 1, some of them strictly between."""
    shares = labels.as_floats(A)
    if shares is None or not ((shares > 0.0) & (shares < 1.0)).any():
        return False
    return bool(shares.min() >= 0.0 and shares.max() <= 1.0)


def some_labels(y: Any) -> np.ndarray:
    """The least and the largest label of a part, and one strictly between 0 and 1: `are_shares` is for them what it is for all.

    One NaN stands for labels that are no numbers.
    """
    A = arrays.as_array("y", y)
    if not A.size:
        return np.empty(0)
    values = A if A.dtype.kind in "biuf" else labels.as_floats(np.append(A, 0.5))           # objects beside those of other parts
    if values is None:
        return np.array([math.nan])
    values = values[:A.size]
    return np.array([values.min(), values.max(), *values[(values > 0.0) & (values < 1.0)][:1]], np.float64)


def rows_of(counts: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray) -> Vectors:
    """The rows with a weight other than 0 that stand for successes and failures (m, 2).

    Weights and offsets are those of the examples, (m,), or (0,) for none.
    """
    weight = counts * sample_weight[:, None] if sample_weight.size else counts
    example, is_failure = np.nonzero(weight)
    return Vectors((is_failure == 0).astype(np.int8), weight[example, is_failure], offset[example] if offset.size else offset,
                   example)

"""The gate for weights: it returns sample_weight times class_weight, (m,) float64, or (0,) where every row counts once."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastlr.data import arrays
from fastlr.data.arguments import number

_LARGEST_TOTAL = 1e100          # The largest sum of weights, and the inverse of the smallest.
_SMALLEST_SHARE = 1e-15         # The least share of all weight that a class may have: less is lost in rounding.


def checked(sample_weight: Any, m: int) -> np.ndarray:
    """sample_weight (m,) float64, at least 0, not all 0; (0,) for None."""
    weights = arrays.real_vector("sample_weight", sample_weight, m, at_least_zero=True)
    if weights.size:
        refuse_no_weight(bool(weights.any()))
    return weights


def refuse_no_weight(some_row_counts: bool) -> None:
    """Raise ValueError if no row counts."""
    if not some_row_counts:
        raise ValueError("sample_weight is zero in every row; some row must count")


def totals(weights: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """The sums of the weights of each class, (K,)."""
    if not weights.size:
        return np.bincount(codes, minlength=n_classes).astype(np.float64)
    return np.array([weights[codes == code].sum() for code in range(n_classes)])


def of_rows(sample_weight: Any, class_weight: Any, codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The weights (m,) of rows with these codes, or (0,) where every row counts once."""
    s = checked(sample_weight, codes.size)
    if class_weight is None:
        return s
    return times_of_class(s, of_classes(class_weight, totals(s, codes, classes.size), classes), codes)


def of_classes(class_weight: Any, totals: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The factors (K,) of the weights of the classes, whose totals are given."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        whole = totals.sum() / totals.size
        return np.array([whole / total if total > 0.0 else 0.0 for total in totals])    # the caller refuses 0
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"class_weight must be None, 'balanced' or a dict from class to weight, not {class_weight!r}")
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise ValueError(f"class_weight names {unknown[0]!r}, which is not a class of y; the classes are {labels}")
    of_class = [number(f"class_weight[{label!r}]", class_weight.get(label, 1.0), at_least=0.0) for label in labels]
    for label, weight in zip(labels, of_class, strict=True):
        if weight > arrays.LARGEST:
            raise ValueError(f"class_weight[{label!r}] must be at most {arrays.LARGEST:g}, not {weight!r}")
    return np.array(of_class)


def times_of_class(weights: np.ndarray, of_class: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Multiply the weights of rows, (m,) or (0,) for ones, by those of their classes."""
    return weights * of_class[codes] if weights.size else of_class[codes]


def refuse_extreme_total(total: float) -> None:
    """Raise ValueError if the sum of the weights is too small or too large to divide by."""
    if total > 0.0 and not 1.0 / _LARGEST_TOTAL <= total <= _LARGEST_TOTAL:
        raise ValueError(f"sample_weight (times class_weight) adds up to {total:.3g}; its sum must lie between "
                         f"{1.0 / _LARGEST_TOTAL:g} and {_LARGEST_TOTAL:g}.  Multiply it by a constant")


def refuse_class_without_weight(totals: np.ndarray, classes: np.ndarray) -> None:
    """Raise ValueError if a class has no weight, or too small a share of it; `totals` (K,) are the sums by class."""
    whole, who = float(totals.sum()), "both classes need" if totals.size == 2 else "every class needs"
    refuse_extreme_total(whole)
    for total, label in zip(totals.tolist(), classes.tolist(), strict=True):
        if total == 0.0:
            raise ValueError(f"every row of class {label!r} has weight 0; {who} a row that counts")
        if total < _SMALLEST_SHARE * whole:
            raise ValueError(f"the rows of class {label!r} have {total:.3g} of a total weight of {whole:.3g}, too small a "
                             f"share for float64; {who} rows that count")

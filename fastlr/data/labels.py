"""The gate for labels: out comes y (m,) int8 of two classes, or int32 of K, and the classes that 0, 1 .. stand for."""

import decimal
import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlr.data import arrays
from fastlr.machine.arrays import plain, read_only

_LABELS = (str, bytes, numbers.Number, np.bool_)
_NUMBERS = (numbers.Real, decimal.Decimal)
# These are numbers.Number too, and no labels.
_NOT_LABELS = (*arrays.COMPLEX, np.timedelta64)


def codes_of(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes (m,) int8 or int32 of labels (m,), and the classes, one or more, that 0, 1 .. stand for, in sorted order."""
    two = _two_numbers(A)
    if two is not None and two[0].size == 2 and all(map(math.isfinite, two[0].tolist())):
        classes, is_second = two
        return read_only(is_second.view(np.int8)), classes
    refuse_missing(A)
    classes = classes_among(A)
    if classes.size > 2:
        return read_only(np.searchsorted(classes, A).astype(np.int32)), classes
    is_second = A == classes[1:] if classes.size == 2 else np.zeros(A.size, bool)  # with classes[1], "a\\0" would be "a" to NumPy
    return read_only(is_second.astype(np.int8)), classes


def refuse_missing(A: np.ndarray) -> None:
    """Raise ValueError, with the place, where one of these labels (m,) is missing or infinite."""
    values = as_floats(A)
    missing = _missing_objects(A) if values is None else ~np.isfinite(values)
    if missing.any():
        i = int(np.argmax(missing))
        raise ValueError(f"y has {np.count_nonzero(missing)} missing or infinite label(s); the first is {plain(A[i])!r} "
                         f"at row {i}.  Drop those rows")


def classes_among(A: np.ndarray) -> np.ndarray:
    """The distinct values of labels (m,), sorted; numbers of more than two classes are whole."""
    try:
        classes = _distinct(A)
    except TypeError:
        raise ValueError("y mixes labels that can't be sorted, such as text and numbers; make them all of one kind") from None
    values = as_floats(classes) if classes.size > 2 else None
    if values is not None and (values % 1.0 != 0.0).any():
        raise ValueError(f"y has {classes.size} different values ({', '.join(map(repr, classes[:3].tolist()))}, ...), which are "
                         "not whole numbers.  fastlr predicts classes; if these are classes, pass y.astype(str)")
    return classes


def as_floats(A: np.ndarray) -> np.ndarray | None:
    """Labels (m,) as floats, where they are numbers that are not all whole by their type, perhaps as objects; else None."""
    if A.dtype.kind == "f":
        return A
    if A.dtype != object or A.ndim != 1 or not A.size or not isinstance(A[0], _NUMBERS):
        return None
    kinds = {*map(type, A.tolist())}
    if kinds <= {bool, int} or not all(issubclass(kind, _NUMBERS) for kind in kinds):
        return None
    try:
        return A.astype(np.float64)
    except (OverflowError, ValueError):         # a larger integer, or Decimal's signalling NaN
        return None


def refuse_one_class(classes: np.ndarray) -> None:
    """Raise ValueError where there is nothing to tell apart."""
    if classes.size == 1:
        raise ValueError(f"y has one class only, {plain(classes[0])!r}; logistic regression needs two")


def labels_as_given(y: Any, m: int) -> np.ndarray:
    """y (m,) for comparing with predicted labels, of any number of classes."""
    A = label_array(y, m)
    if A.dtype == object:
        A = A.copy()
        A[_missing_objects(A)] = None           # pd.NA == 0 is neither true nor false
    return A


def places(A: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The places of labels (m,) among all classes, (m,) int32; ValueError, with the row, for one that is none of them."""
    found, unknown = np.zeros(A.size, np.int32), A != classes[:1]
    for place in range(1, classes.size):
        is_it = A == classes[place:place + 1]
        found[is_it] = place
        unknown &= ~is_it
    if unknown.any():
        i = int(np.argmax(unknown))
        raise ValueError(f"y holds {plain(A[i])!r} at row {i}, which is none of the classes {list(map(plain, classes))}")
    return found


def refuse_strangers(A: np.ndarray, classes: np.ndarray) -> None:
    """Raise ValueError where labels (m,) are of other classes: several, or text instead of numbers, and none that is known."""
    found, known = set(A.tolist()), set(classes.tolist())
    are_of_two_kinds = len({isinstance(label, (str, bytes)) for label in found | known}) > 1
    if found.isdisjoint(known) and (len(found) > 1 or are_of_two_kinds):
        places(A, classes)


def label_array(y: Any, m: int) -> np.ndarray:
    """y (m,) of numbers, text or booleans, perhaps as objects, some of which may be missing."""
    A = arrays.one_dimensional("y", y, m)
    if A.dtype.kind == "T":                     # whose missing ones are None, NaN, or whatever the dtype says
        A = A.astype(object)
    if isinstance(y, Sequence) and _is_changed_by_numpy(A):
        values = np.empty(m, object)
        values[:] = [v[0] if isinstance(v, (list, tuple)) else v for v in y]
        if not all(issubclass(kind, (str, bytes)) for kind in {*map(type, values.tolist())}):
            A = values
    if A.dtype.kind not in "biufOUS":
        hint = "; y.astype(str) makes text of dates" if A.dtype.kind in "mM" else ""
        raise TypeError(f"y must hold labels (numbers, text or booleans), not {A.dtype}{hint}")
    if A.dtype == object and not _are_plain(A):
        for i, label in enumerate(A):
            if not (arrays.is_missing(label) or isinstance(label, _LABELS)) or isinstance(label, _NOT_LABELS):
                raise TypeError(f"y must hold labels (numbers, text or booleans), not {type(label).__name__} (row {i})")
    return A


def _is_changed_by_numpy(A: np.ndarray) -> bool:
    """Whether the items of a list may have been others: numbers beside text become text, and large integers become floats."""
    with np.errstate(invalid="ignore"):
        return A.dtype.kind in "US" or (A.dtype.kind == "f" and bool((np.abs(A) >= 2.0 ** 53).any()))


def _are_plain(A: np.ndarray) -> bool:
    """Whether objects are text, booleans and integers of Python alone, all of which are labels, and none of which is missing."""
    return {*map(type, A.tolist())} <= {str, bytes, bool, int}


def _missing_objects(A: np.ndarray) -> np.ndarray:
    if A.dtype != object or _are_plain(A):
        return np.zeros(A.size, bool)
    return np.fromiter(map(arrays.is_missing, A), bool, A.size)


def _distinct(A: np.ndarray) -> np.ndarray:
    if A.dtype == object:                       # NumPy would sort all of them
        return np.array(sorted({*A.tolist()}), object)
    two = _two_numbers(A)
    return np.unique(A) if two is None else two[0]


def _two_numbers(A: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The distinct values, sorted, of numbers that have two or one, and which are the largest (m,), without a sort; else None."""
    if A.dtype.kind not in "biuf":
        return None
    is_first = A == A[0]
    i = int(is_first.argmin())
    if is_first[i]:
        return A[:1].copy(), is_first
    is_other = A == A[i]
    if np.count_nonzero(is_first) + np.count_nonzero(is_other) < A.size:            # NaN is neither
        return None
    return (A[[0, i]], is_other) if A[0] < A[i] else (A[[i, 0]], is_first)


def zero_one(y: Any, m: int, n_classes: int = 2) -> np.ndarray:
    """y as given, which must be 0 or 1 everywhere, (m,) int8; or 0 .. K - 1 of K classes, (m,) int32."""
    A = arrays.one_dimensional("y", y, m)
    allowed = "0 or 1" if n_classes == 2 else f"0 .. {n_classes - 1}"
    if A.dtype.kind not in "biuf":
        raise TypeError(f"y must be numbers, {allowed}, not {A.dtype}")
    bad = ~((A == 0) | (A == 1)) if n_classes == 2 else ~((A >= 0) & (A < n_classes) & (A % 1 == 0))
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"y must be {allowed}; it is {plain(A[i])!r} at row {i}")
    return read_only(A.astype(np.int8 if n_classes == 2 else np.int32))

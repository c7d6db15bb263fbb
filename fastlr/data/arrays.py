"""The one gate for input: every array that passes is what kernels expect; every refusal says where and what to do.

Out comes X (m, n) float64, float32, uint8, int8 or int16 in C or Fortran order, finite, read-only; y (m,) int8, 0 or 1;
sample_weight and offset (m,) float64, or (0,) where there are none.  X is copied only where its dtype or layout needs it.
SciPy's sparse X becomes a `Csr` (see `sparse`).  Solvers and kernels behind the gate never validate.
"""

import datetime
import math
import numbers
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.data import frames, sparse
from fastlr.data.arguments import COMPLEX, NOT_NUMBERS, number
from fastlr.machine.arrays import read_only
from fastlr.machine.limits import BYTES_A_CALL

# Squares of X, summed over any number of rows, stay finite.
LARGEST = 1e150
_LARGEST_TOTAL = 1e100          # of weights, and the inverse of the smallest
# Of all weight: a class with less is lost in rounding.
_SMALLEST_SHARE = 1e-15

# Trained as they are.
KERNEL_DTYPES = ("float64", "float32", "uint8", "int8", "int16")
_TAKEN = {np.dtype(name) for name in KERNEL_DTYPES}
# These fit into float32 without loss, at half of the memory.
_FITS_FLOAT32 = {np.dtype(name) for name in ("uint16", "float16", "float32")}


class Vectors(NamedTuple):
    """What `train` has been given beside X, checked."""

    y: np.ndarray                               # (m,) int8
    sample_weight: np.ndarray                   # (m,) float64, or (0,)
    offset: np.ndarray                          # (m,) float64, or (0,)
    classes: np.ndarray                         # (2,), in the order 0, 1


def vectors(m: int, y: Any, sample_weight: Any, class_weight: Any, offset: Any) -> Vectors:
    """What `train` is given beside an X of m rows."""
    codes, classes = labels(y, m)
    refuse_one_class(classes)
    weights = vector_of_weights(sample_weight, m)
    if class_weight is not None:
        of_class = weights_of_classes(class_weight, totals(weights, codes), classes)
        weights = times_class_weight(weights, of_class, codes)
    if weights.size:
        refuse_class_without_weight(totals(weights, codes), classes)
    return Vectors(codes, read_only(weights), vector_of_offsets(offset, m), classes)


def vectors_as_given(m: int, y: Any, sample_weight: Any, offset: Any) -> Vectors:
    """What is given beside an X of m rows where y is 0 and 1 already, and one class may be missing."""
    weights = vector_of_weights(sample_weight, m)
    if weights.size:
        refuse_extreme_total(float(weights.sum()))
    return Vectors(zero_one(y, m), weights, vector_of_offsets(offset, m), np.array([0, 1]))


# ---- X --------------------------------------------------------------------------------------------------------------

def matrix(X: Any) -> tuple[np.ndarray | Csr, tuple[str, ...] | None]:
    """X as a kernel takes it, and its column names if it is a data frame."""
    A, names = real_matrix(X)
    refuse_not_finite(A, names)
    return A, names


def matrix_to_predict(X: Any, names: tuple[str, ...] | None,
                      n_features: int) -> tuple[np.ndarray | Csr, tuple[str, ...] | None]:
    """Like `matrix`, but values that are not finite get through.

    Parameters
    ----------
    X : array_like or SciPy sparse matrix, (m, n)
    names, n_features
        What the model was trained on; a mismatch is an error.
    """
    return real_matrix(X, names, n_features)


def real_matrix(X: Any, names: tuple[str, ...] | None = None,
                n_features: int | None = None) -> tuple[np.ndarray | Csr, tuple[str, ...] | None]:
    """X as a kernel takes it, with whatever is not finite in it; see `matrix_to_predict`."""
    A, found = X, None
    if type(X) is not np.ndarray:
        if sparse.is_scipy(X) or isinstance(X, Csr):
            refuse_shape(X.shape, n_features)
            return X if isinstance(X, Csr) else sparse.csr(X), None
        _refuse_other_collections("X", X)
        X = frames.with_array(X)
        found = frames.column_names(X)
        if names is not None and found is not None:
            frames.refuse_other_columns(X, found, names)
        A = _as_array("X", X)
    refuse_shape(A.shape, n_features)
    if A.dtype == object:
        A = _numbers_of_objects("X", A, found)
    dtype = kernel_dtype(A.dtype, found[0] if found else None)
    if A.dtype != dtype:
        with np.errstate(over="ignore"):        # what overflows is found, and named, as infinite
            A = A.view(np.uint8) if A.dtype == bool else A.astype(dtype)
    if not (A.flags.c_contiguous or A.flags.f_contiguous):
        A = np.ascontiguousarray(A)
    if not A.flags.aligned:
        A = A.copy(order="K")
    return read_only(A), found


def refuse_shape(shape: tuple[int, ...], n_features: int | None = None) -> None:
    """Raise ValueError where this is not (m, n), without a row, or of another number of features."""
    if len(shape) != 2:
        hint = (".  Reshape your data: one feature is X.reshape(-1, 1), one example is X.reshape(1, -1)" if len(shape) == 1
                else "")
        raise ValueError(f"X must have two dimensions, examples and features; it has shape {shape}{hint}")
    if n_features is not None and shape[1] != n_features:
        raise ValueError(f"X has {shape[1]} features, and the model was trained on {n_features}")
    if 0 in shape:
        raise ValueError(f"X is empty: it has shape {shape}")


def kernel_dtype(dtype: np.dtype, column: str | None = None) -> np.dtype:
    """What X of a dtype is trained as: itself if kernels take it, else the smallest float that holds it; a bool is a uint8.

    Raises
    ------
    TypeError
        No real numbers; the text names `column`, if there is one.
    """
    if dtype.kind not in "biuf":
        where = "" if column is None else f" (column {column!r})"
        hint = _TEXT_HINT if dtype.kind in "SUT" else frames.DATES_HINT if dtype.kind in "mM" else ""
        raise TypeError(f"X must hold real numbers, not {dtype}{where}{hint}")
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    native = dtype.newbyteorder("=")
    return native if native in _TAKEN else np.dtype(np.float32 if native in _FITS_FLOAT32 else np.float64)


_TEXT_HINT = "; turn text into numbers first (one-hot columns for categories)"


def _refuse_other_collections(name: str, value: Any) -> None:
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        package = type(value).__module__.partition(".")[0]
        way_out = "pass a scipy.sparse.csr_array" if name == "X" else f"pass {name}.toarray()"
        raise NotImplementedError(f"{name} is sparse ({package}'s {type(value).__name__}), which fastlr can't use; {way_out}")
    if is_dask(value):
        raise TypeError(f"{name} is a Dask collection, and X is not; pass {name}.compute(), or X as a Dask collection too")
    if is_stream(value):
        raise TypeError(f"{name} is a Stream, which train and cost_and_gradient read as X; predict from a memory map "
                        "(np.load(path, mmap_mode='r')), block by block, or with the command fastlr predict")


def is_dask(value: Any) -> bool:
    """Whether it is one of Dask's collections."""
    return type(value).__module__.partition(".")[0] in ("dask", "dask_expr")


def is_stream(value: Any) -> bool:
    """Whether `fastlr.stream` has made it."""
    return getattr(type(value), "is_fastlr_stream", False) is True


def _as_array(name: str, value: Any) -> np.ndarray:
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.getmaskarray(value).any():
            where = np.argwhere(np.ma.getmaskarray(value))[0]
            raise ValueError(f"{name} has masked values; the first is at {_place(where)}.  Drop or impute them")
        value = np.ma.getdata(value)
    try:
        return np.asarray(value)
    except Exception as error:                  # ragged lists, and whatever somebody's __array__ raises
        raise ValueError(f"{name} can't be made an array: {error}") from error


def _numbers_of_objects(name: str, A: np.ndarray, names: tuple[str, ...] | None = None) -> np.ndarray:
    try:
        if not any(isinstance(value, NOT_NUMBERS) for value in A.flat):
            return A.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    for where, value in np.ndenumerate(A):
        try:
            if isinstance(value, NOT_NUMBERS):
                raise TypeError
            float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} holds {value!r} at {_place(where, names)}, which is not a number"
                             f"{_way_out(value) if name == 'X' else ''}") from None
    raise ValueError(f"{name} holds values that are not numbers")


_DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


def _way_out(value: Any) -> str:
    """What to do about a value of X that is not a number."""
    if isinstance(value, (str, bytes)):
        return _TEXT_HINT
    if _is_missing(value):
        return ".  Drop or impute it"
    return frames.DATES_HINT if isinstance(value, _DATES) else ""


def refuse_not_finite(X: np.ndarray | Csr, names: tuple[str, ...] | None, first_row: int = 0, largest: float = LARGEST) -> None:
    """Raise ValueError, with the place, where X holds NaN or what is beyond `largest`; its first row is called `first_row`.

    LARGEST is what `train` can square.
    """
    values = X.values if isinstance(X, Csr) else X.ravel(order="K")
    if X.dtype.kind != "f" or _sum_of_squares(values) <= LARGEST ** 2:         # where they all would show
        return
    largest = X.dtype.type(min(largest, float(np.finfo(X.dtype).max)))         # float32 can't hold LARGEST
    if isinstance(X, Csr):
        stored = np.flatnonzero(~(np.abs(X.values) <= largest))
        bad = [(stored.size, sparse.place(X, int(stored[0])), float(X.values[stored[0]]))] if stored.size else []
    else:
        bad = list(_not_finite_in_blocks(X, largest))
    if not bad:
        return
    count, (_, (row, column), value) = sum(number for number, *_ in bad), bad[0]
    where = first_row + row, column
    what, way_out = ((f"beyond {LARGEST:g} in magnitude", "Scale the features") if math.isfinite(value) else
                     ("that are NaN, infinite or too large", "Drop or impute them"))
    raise ValueError(f"X has {count} value(s) {what}; the first is {value!r} at {_place(where, names)}.  {way_out}")


def _not_finite_in_blocks(A: np.ndarray, largest: Any) -> Iterator[tuple[int, tuple[int, int], float]]:
    """How many there are in a block of rows, and the first: its place and value; for blocks that have any."""
    rows = max(1, (1 << 20) // A.shape[1])
    for start in range(0, A.shape[0], rows):
        bad = ~(np.abs(A[start:start + rows]) <= largest)
        if bad.any():
            i, j = map(int, np.argwhere(bad)[0])
            yield int(np.count_nonzero(bad)), (start + i, j), float(A[start + i, j])


def _sum_of_squares(flat: np.ndarray) -> float:
    """One read at the speed of one core.

    In pieces too short for BLAS to start threads, which would go on spinning while the kernel's threads want to run; and
    not so many of them a call that Ctrl-C would have to wait.
    """
    total = 0.0
    with np.errstate(all="ignore"):
        for start in range(0, flat.size, BYTES_A_CALL // 8):
            part = flat[start:start + BYTES_A_CALL // 8]
            whole = part.size - part.size % 8192
            pieces = part[:whole].reshape(-1, 8192)
            total += float(np.vecdot(pieces, pieces).sum(dtype=np.float64) + np.vecdot(part[whole:], part[whole:]))
    return total


def _place(where: Any, names: tuple[str, ...] | None = None) -> str:
    row, *column = map(int, where)
    if not column:
        return f"row {row}"
    return f"row {row}, column {column[0]}" + (f" ({names[column[0]]!r})" if names is not None else "")


# ---- y --------------------------------------------------------------------------------------------------------------

def one_dimensional(name: str, value: Any, m: int) -> np.ndarray:
    """An array (m,) of whatever dtype."""
    _refuse_other_collections(name, value)
    frames.refuse_lazy(name, value)
    A = _as_array(name, value)
    if A.ndim == 2 and A.shape[1] == 1:
        A = A[:, 0]
    if A.ndim != 1:
        raise ValueError(f"{name} must have one dimension; it has shape {A.shape}")
    if A.size != m:
        raise ValueError(f"{name} has {A.size} values, and X has {m} rows")
    return A


def labels(y: Any, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (m,) int8 and the classes, two or one, that 0 and 1 stand for, in sorted order."""
    A = label_array(y, m)
    two = _two_numbers(A)
    if two is not None and two[0].size == 2 and np.isfinite(two[0]).all():
        classes, is_second = two
        return read_only(is_second.view(np.int8)), classes
    refuse_missing(A)
    classes = classes_among(A)
    is_second = A == classes[1:] if classes.size == 2 else np.zeros(m, bool)    # with classes[1], "a\\0" would be "a" to NumPy
    return read_only(is_second.astype(np.int8)), classes


def refuse_missing(A: np.ndarray) -> None:
    """Raise ValueError, with the place, where one of these labels (m,) is missing or infinite."""
    missing = ~np.isfinite(A) if A.dtype.kind == "f" else _missing_objects(A)
    if missing.any():
        i = int(np.argmax(missing))
        raise ValueError(f"y has {np.count_nonzero(missing)} missing or infinite label(s); the first is {_plain(A[i])!r} "
                         f"at row {i}.  Drop those rows")


def classes_among(A: np.ndarray) -> np.ndarray:
    """The distinct values of labels (m,), sorted: two or one."""
    try:
        classes = _distinct(A)
    except TypeError:
        raise ValueError("y mixes labels that can't be sorted, such as text and numbers; make them all of one kind") from None
    if classes.size > 2:
        raise ValueError(f"y has {classes.size} classes ({', '.join(map(repr, classes[:3].tolist()))}, ...); fastlr trains on "
                         "two.  For one class against the rest, pass y == that_class")
    return classes


def refuse_one_class(classes: np.ndarray) -> None:
    """Raise ValueError where there is nothing to tell apart."""
    if classes.size == 1:
        raise ValueError(f"y has one class only, {_plain(classes[0])!r}; logistic regression needs two")


def labels_as_given(y: Any, m: int) -> np.ndarray:
    """y (m,) for comparing with predicted labels, of any number of classes."""
    A = label_array(y, m)
    if A.dtype == object:
        A = A.copy()
        A[_missing_objects(A)] = None           # pd.NA == 0 is neither true nor false
    return A


_LABELS = (str, bytes, numbers.Number, np.bool_)
_NOT_LABELS = (*COMPLEX, np.timedelta64)       # although they are numbers by the abstract class


def label_array(y: Any, m: int) -> np.ndarray:
    """y (m,) of numbers, text or booleans, perhaps as objects, some of which may be missing."""
    A = one_dimensional("y", y, m)
    if A.dtype.kind == "T":                     # whose missing ones are None, NaN, or whatever the dtype says
        A = A.astype(object)
    if isinstance(y, Sequence) and _is_changed_by_numpy(A):
        values = np.empty(m, object)
        values[:] = [v[0] if isinstance(v, (list, tuple)) else v for v in y]
        if not all(isinstance(v, (str, bytes)) for v in values):
            A = values
    if A.dtype.kind not in "biufOUS":
        raise TypeError(f"y must hold labels (numbers, text or booleans), not {A.dtype}")
    if A.dtype == object:
        for i, label in enumerate(A):
            if not (_is_missing(label) or isinstance(label, _LABELS)) or isinstance(label, _NOT_LABELS):
                raise TypeError(f"y must hold labels (numbers, text or booleans), not {type(label).__name__} (row {i})")
    return A


def _is_changed_by_numpy(A: np.ndarray) -> bool:
    """Whether the items of a list may have been others: numbers beside text become text, and large integers become floats."""
    with np.errstate(invalid="ignore"):
        return A.dtype.kind in "US" or (A.dtype.kind == "f" and bool((np.abs(A) >= 2.0 ** 53).any()))


def _missing_objects(A: np.ndarray) -> np.ndarray:
    if A.dtype != object:
        return np.zeros(1, bool)
    return np.fromiter(map(_is_missing, A), bool, A.size)


def _is_missing(label: Any) -> bool:
    """None, NaN of any kind, pandas' NA and NaT, NumPy's masked."""
    if label is None or label is np.ma.masked or type(label).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return isinstance(label, numbers.Number) and bool(label != label)
    except ArithmeticError:                     # Decimal's signalling NaN
        return True


def _plain(label: Any) -> Any:
    """As Python writes it: 0, not np.int64(0)."""
    return label.item() if isinstance(label, np.generic) else label


def _distinct(A: np.ndarray) -> np.ndarray:
    two = _two_numbers(A)
    return np.unique(A) if two is None else two[0]


def _two_numbers(A: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The distinct values, sorted, of numbers that have two or one, and which are the largest (m,), without a sort; else None."""
    if A.dtype.kind not in "biuf":
        return None
    is_first = A == A[0]
    i = int(np.argmin(is_first))
    if is_first[i]:
        return A[:1].copy(), is_first
    is_other = A == A[i]
    if np.count_nonzero(is_first) + np.count_nonzero(is_other) < A.size:            # NaN is neither
        return None
    return (A[[0, i]], is_other) if A[0] < A[i] else (A[[i, 0]], is_first)


def zero_one(y: Any, m: int) -> np.ndarray:
    """y as given, which must be 0 or 1 everywhere; (m,) int8."""
    A = one_dimensional("y", y, m)
    if A.dtype.kind not in "biuf":
        raise TypeError(f"y must be numbers, 0 or 1, not {A.dtype}")
    bad = ~((A == 0) | (A == 1))
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"y must be 0 or 1; it is {_plain(A[i])!r} at row {i}")
    return read_only(A.astype(np.int8))


# ---- weights and offset ---------------------------------------------------------------------------------------------

def _vector(name: str, value: Any, m: int, at_least_zero: bool = False) -> np.ndarray:
    """(m,) float64, or (0,) for None."""
    if value is None:
        return read_only(np.empty(0))
    A = one_dimensional(name, value, m)
    if A.dtype.kind not in "biufO":
        raise TypeError(f"{name} must hold real numbers, not {A.dtype}")
    if A.dtype == object:
        A = _numbers_of_objects(name, A)
    with np.errstate(over="ignore"):
        A = np.ascontiguousarray(A, dtype=np.float64)
    bad = ~(np.abs(A) <= LARGEST)
    wish = f"finite and at most {LARGEST:g} in magnitude"
    if at_least_zero:
        bad |= A < 0.0
        wish = f"finite, at least 0 and at most {LARGEST:g}"
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{name} must be {wish}; it is {float(A[i])!r} at row {i}")
    return A


def vector_of_weights(sample_weight: Any, m: int) -> np.ndarray:
    """sample_weight (m,) float64, at least 0, not all 0; (0,) for None."""
    weights = weights_of_part(sample_weight, m)
    if weights.size:
        refuse_no_weight(bool(weights.any()))
    return weights


def weights_of_part(sample_weight: Any, m: int) -> np.ndarray:
    """The same for some of the rows, whose weights may all be 0."""
    return read_only(_vector("sample_weight", sample_weight, m, at_least_zero=True))


def refuse_no_weight(some_row_counts: bool) -> None:
    """Raise ValueError where no row counts."""
    if not some_row_counts:
        raise ValueError("sample_weight is zero in every row; some row must count")


def vector_of_offsets(offset: Any, m: int) -> np.ndarray:
    """offset (m,) float64, finite; (0,) for None."""
    return read_only(_vector("offset", offset, m))


def totals(weights: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The sums of the weights of class 0 and class 1, (2,)."""
    if not weights.size:
        return np.bincount(codes, minlength=2).astype(np.float64)
    return np.array([weights[codes == code].sum() for code in (0, 1)])


def weights_of_classes(class_weight: Any, totals: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """What multiplies the weights of class 0 and class 1, (2,), where these have such totals."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        return np.array([totals.sum() / (2.0 * total) if total > 0.0 else 0.0 for total in totals])     # the caller refuses 0
    if not isinstance(class_weight, Mapping):
        raise ValueError(f"class_weight must be None, 'balanced' or a dict from class to weight, not {class_weight!r}")
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise ValueError(f"class_weight names {unknown[0]!r}, which is not a class of y; the classes are {labels}")
    of_class = [number(f"class_weight[{label!r}]", class_weight.get(label, 1.0), at_least=0.0) for label in labels]
    for label, weight in zip(labels, of_class, strict=True):
        if weight > LARGEST:
            raise ValueError(f"class_weight[{label!r}] must be at most {LARGEST:g}, not {weight!r}")
    return np.array(of_class)


def times_class_weight(weights: np.ndarray, of_class: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Weights (m,) of rows, (0,) for ones, times those of their classes."""
    return weights * of_class[codes] if weights.size else of_class[codes]


def refuse_extreme_total(total: float) -> None:
    """Raise ValueError where weights add up to what can't be divided by."""
    if total > 0.0 and not 1.0 / _LARGEST_TOTAL <= total <= _LARGEST_TOTAL:
        raise ValueError(f"sample_weight (times class_weight) adds up to {total:.3g}; its sum must lie between "
                         f"{1.0 / _LARGEST_TOTAL:g} and {_LARGEST_TOTAL:g}.  Multiply it by a constant")


def refuse_class_without_weight(totals: np.ndarray, classes: np.ndarray) -> None:
    """Raise ValueError where the sums of the weights of both classes, (2,), don't let both count."""
    whole = float(totals.sum())
    refuse_extreme_total(whole)
    for total, label in zip(totals.tolist(), classes.tolist(), strict=True):
        if total == 0.0:
            raise ValueError(f"every row of class {label!r} has weight 0; both classes need a row that counts")
        if total < _SMALLEST_SHARE * whole:
            raise ValueError(f"the rows of class {label!r} have {total:.3g} of a total weight of {whole:.3g}, too small a "
                             "share for float64; both classes need rows that count")


# ---- parameters ------------------------------------------------------------------------------------------------------

def start(init: Any, n: int) -> np.ndarray | None:
    """theta (n + 1,) float64 to start from, that of (w, b) or a Model; None leaves it to the solver."""
    if init is None:
        return None
    if hasattr(init, "w") and hasattr(init, "b"):
        init = (init.w, init.b)
    try:
        w, b = init
    except (TypeError, ValueError):
        raise TypeError(f"init must be None, (w, b) or a Model, not {type(init).__name__}") from None
    return parameters(w, b, n, "init: ")


def parameters(w: Any, b: Any, n: int, where: str = "") -> np.ndarray:
    """theta (n + 1,) float64: w, and b behind it."""
    w = np.atleast_1d(_as_array(f"{where}w", w))
    if w.ndim == 2 and 1 in w.shape:
        w = w.ravel()
    if w.shape != (n,):
        raise ValueError(f"{where}w has shape {w.shape}, and X has {n} features: w must have shape ({n},)")
    if w.dtype.kind not in "biuf":
        raise TypeError(f"{where}w must hold real numbers, not {w.dtype}")
    theta = np.empty(n + 1)
    theta[:n] = w
    theta[n] = number(f"{where}b", b)
    if not np.isfinite(theta).all():
        j = int(np.argmin(np.isfinite(theta)))
        raise ValueError(f"{where}w must be finite; w[{j}] is {float(theta[j])!r}")
    return theta

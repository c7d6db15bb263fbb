"""The gate for X and for vectors of numbers: what passes is what kernels expect; a refusal says where and what to do.

Out comes X (m, n) float64, float32, uint8, int8 or int16 in C or Fortran order, finite, read-only.  It is copied only where its
dtype or layout needs it.  SciPy's sparse X becomes a `Csr` (see `sparse`).  Solvers and kernels behind the gate never validate.
"""

import datetime
import math
import numbers
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.ranges import blocks
from fastlr.data import frames, sparse
from fastlr.machine.arrays import plain, read_only
from fastlr.machine.limits import BYTES_A_CALL
from fastlr.machine.wording import counted

# The largest magnitude of a number in X: sums of its squares over any number of rows stay finite.
LARGEST = 1e150

_NONE = read_only(np.empty(0))

COMPLEX = (complex, np.complexfloating)
_NOT_NUMBERS = (str, bytes, *COMPLEX, np.datetime64, np.timedelta64)
# The type of NumPy's masked value, by its name: importing numpy.ma takes as long as a third of this package.
_MASKED = "MaskedConstant"

# The dtypes of X that kernels take as they are.
KERNEL_DTYPES = ("float64", "float32", "uint8", "int8", "int16")
_TAKEN = {np.dtype(name) for name in KERNEL_DTYPES}


# ---- X --------------------------------------------------------------------------------------------------------------

def matrix(X: Any) -> tuple[np.ndarray | Csr, tuple[str, ...] | None]:
    """X as a kernel takes it, and its column names if it is a data frame."""
    A, names = real_matrix(X)
    refuse_not_finite(A, names)
    return A, names


def real_matrix(X: Any, names: tuple[str, ...] | None = None,
                n_features: int | None = None) -> tuple[np.ndarray | Csr, tuple[str, ...] | None]:
    """X as a kernel takes it, with whatever is not finite in it, and its column names if it is a data frame.

    Parameters
    ----------
    X : array_like or SciPy sparse matrix, (m, n)
    names, n_features
        What a model was trained on; a mismatch is an error.
    """
    A, found = X, None
    if type(X) is not np.ndarray:
        if sparse.is_scipy(X) or isinstance(X, Csr):
            refuse_shape(X.shape, n_features)
            return X if isinstance(X, Csr) else sparse.csr(X), None
        _refuse_other_collections("X", X)
        X = frames.with_array(X)
        found, A = frames.names_and_numbers(X)
        if names is not None and found is not None:
            frames.refuse_other_columns(X, found, names)
        A = as_array("X", A)
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
        raise ValueError(f"X has {counted(shape[1], 'feature')}, and the model was trained on {n_features}")
    if 0 in shape:
        raise ValueError(f"X is empty: it has shape {shape}")


def kernel_dtype(dtype: np.dtype, column: str | None = None) -> np.dtype:
    """The dtype that an X is trained as: its own if kernels take it, else the smallest float that holds it; uint8 for bool.

    Raises
    ------
    TypeError
        No real numbers; the text names `column`, if there is one.
    """
    if dtype.kind not in "biuf":
        where = "" if column is None else f" (column {column!r})"
        hint = (_TEXT_HINT if dtype.kind in "SUT" else frames.DATES_HINT if dtype.kind in "mM" else
                "; where they are numbers, pass X.astype(float)" if dtype.kind == "O" else "")
        raise TypeError(f"X must hold real numbers, not {dtype}{where}{hint}")
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    native = dtype.newbyteorder("=")
    return native if native in _TAKEN else np.dtype(np.float32 if np.can_cast(native, np.float32) else np.float64)


_TEXT_HINT = "; turn text into numbers first (one-hot columns for categories, as fastlr.formula.train makes them)"


def _refuse_other_collections(name: str, value: Any) -> None:
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        package = type(value).__module__.partition(".")[0]
        way_out = "pass a scipy.sparse.csr_array" if name == "X" else f"pass {name}.toarray()"
        raise NotImplementedError(f"{name} is sparse ({package}'s {type(value).__name__}), which fastlr can't use; {way_out}")
    if is_dask(value):
        raise TypeError(f"{name} is a Dask collection, and X is not; pass {name}.compute(), or X as a Dask collection too")
    if is_stream(value):
        raise TypeError(f"{name} is a Stream, which only fastlr.train, cost_and_gradient, and a Model's decision_function, "
                        "predict_proba, predict and score read, as X; pass a memory map (np.load(path, mmap_mode='r'))")


def is_dask(value: Any) -> bool:
    """Whether it is one of Dask's collections."""
    return type(value).__module__.partition(".")[0] in ("dask", "dask_expr")


def is_stream(value: Any) -> bool:
    """Whether `fastlr.stream` has made it."""
    return getattr(type(value), "is_fastlr_stream", False) is True


def is_in_blocks(X: Any) -> bool:
    """Whether X is read in blocks: a stream, or the path of a file."""
    return isinstance(X, (str, os.PathLike)) or is_stream(X)


def as_array(name: str, value: Any) -> np.ndarray:
    ma = sys.modules.get("numpy.ma")            # where nobody has imported it there are no masked arrays
    if ma is not None and isinstance(value, ma.MaskedArray):
        if ma.getmaskarray(value).any():
            where = np.argwhere(ma.getmaskarray(value))[0]
            raise ValueError(f"{name} has masked values; the first is at {_place(where)}.  Drop or impute them")
        value = ma.getdata(value)
    try:
        return np.asarray(value)
    except Exception as error:                  # ragged lists, and whatever somebody's __array__ raises
        raise ValueError(f"{name} can't be made an array: {error}") from error


def is_not_numeric(kind: type) -> bool:
    """Whether values of a type are not real numbers, although float() takes some of them."""
    return issubclass(kind, _NOT_NUMBERS) or kind.__name__ == _MASKED


def _numbers_of_objects(name: str, A: np.ndarray, names: tuple[str, ...] | None = None) -> np.ndarray:
    try:
        if not any(map(is_not_numeric, {*map(type, A.ravel().tolist())})):
            return A.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    for where, value in np.ndenumerate(A):
        try:
            if is_not_numeric(type(value)):
                raise TypeError
            float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{name} holds {value!r} at {_place(where, names)}, which is not a number"
                             f"{_way_out(value) if name == 'X' or is_missing(value) else ''}") from None
    raise ValueError(f"{name} holds values that are not numbers")


_DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)


def _way_out(value: Any) -> str:
    """Say what to do about a value of X that is not a number."""
    if isinstance(value, (str, bytes)):
        return _TEXT_HINT
    if is_missing(value):
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
    for rows in blocks(A.shape[0], max(1, (1 << 20) // A.shape[1])):
        bad = ~(np.abs(A[rows]) <= largest)
        if bad.any():
            i, j = map(int, np.argwhere(bad)[0])
            yield int(np.count_nonzero(bad)), (rows.start + i, j), float(A[rows][i, j])


def _sum_of_squares(flat: np.ndarray) -> float:
    """The sum of the squares of some numbers, in one read at the speed of one core.

    In pieces too short for BLAS to start threads, which would go on spinning while the kernel's threads want to run; and
    not so many of them a call that Ctrl-C would have to wait.
    """
    total = 0.0
    with np.errstate(all="ignore"):
        for some in blocks(flat.size, BYTES_A_CALL // 8):
            part = flat[some]
            whole = part.size - part.size % 8192
            pieces = part[:whole].reshape(-1, 8192)
            total += float(np.vecdot(pieces, pieces).sum(dtype=np.float64) + np.vecdot(part[whole:], part[whole:]))
    return total


def _place(where: Any, names: tuple[str, ...] | None = None) -> str:
    row, *column = map(int, where)
    if not column:
        return f"row {row}"
    return f"row {row}, column {column[0]}" + (f" ({names[column[0]]!r})" if names is not None else "")


def refuse_names(**given: Any) -> None:
    """Raise TypeError where an argument beside an X in memory is the name of a column."""
    for name, value in given.items():
        if isinstance(value, str):
            raise TypeError(f"{name} is {value!r}, and names of columns are for an X that is a stream or a path.  Pass the "
                            f"column, X[{value!r}] of a frame, and X without it; fastlr.formula.train takes frames with names")


def one_dimensional(name: str, value: Any, m: int) -> np.ndarray:
    """An array (m,) of whatever dtype."""
    refuse_names(**{name: value})
    _refuse_other_collections(name, value)
    frames.refuse_lazy(name, value)
    A = as_array(name, value)
    if A.ndim == 2 and A.shape[1] == 1:
        A = A[:, 0]
    if A.ndim != 1:
        hint = ""
        if A.ndim == 2 and A.shape[0] == 1:
            hint = f"; pass {name}.ravel()"
        elif A.ndim == 2 and name == "y":
            hint = "; if each row has a single 1, pass y.argmax(axis=1)"
        raise ValueError(f"{name} must have one dimension; it has shape {A.shape}{hint}")
    if A.size != m:
        raise ValueError(f"{name} has {counted(A.size, 'value')}, and X has {counted(m, 'row')}")
    return A


def real_offset(value: Any, m: int, classes: np.ndarray) -> np.ndarray:
    """The offset (m,) of two classes, or (m, K) of K; (0,) for None."""
    n_classes = classes.size
    if value is None or n_classes == 2:
        return real_vector("offset", value, m)
    frames.refuse_other_places("offset", frames.columns_of(value), "the classes", list(map(plain, classes.tolist())))
    A = as_array("offset", value)
    if A.shape != (m, n_classes):
        raise ValueError(f"offset has shape {A.shape}; with {n_classes} classes it must have shape ({m}, {n_classes}), a column "
                         "for each class in the order of their labels: one number for all classes of a row changes nothing")
    return read_only(np.column_stack([real_vector(f"offset[:, {k}]", A[:, k], m) for k in range(n_classes)]))


def is_missing(label: Any) -> bool:
    """Whether a label is None, NaN of any kind, NA or NaT of pandas, or masked of NumPy."""
    if label is None or type(label).__name__ in ("NAType", "NaTType", _MASKED):
        return True
    try:
        return isinstance(label, numbers.Number) and bool(label != label)
    except ArithmeticError:                     # Decimal's signalling NaN
        return True


def real_vector(name: str, value: Any, m: int, at_least_zero: bool = False) -> np.ndarray:
    """A vector (m,) float64, finite, at most LARGEST in magnitude, perhaps at least 0; (0,) for None."""
    if value is None:
        return _NONE
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
    return read_only(A)

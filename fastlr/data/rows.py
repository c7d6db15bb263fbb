"""Sums over rows, by one backend: what an Objective is made of.

Every method is a sum over rows, or picks some of them; so the same holds of data that lie in parts, see `parts`.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from fastlr.backends import descent, numpy_passes, numpy_vectorized
from fastlr.backends.csr import Csr, bytes_a_row
from fastlr.backends.descent import Rule
from fastlr.data import moments as column_moments
from fastlr.data.arrays import Data, refuse_not_finite
from fastlr.data.margin_changes import typical_values
from fastlr.machine import blas
from fastlr.machine.forks import imported

_Value = TypeVar("_Value")

_MOST_BYTES = 1 << 26           # of a sample, which is a copy
_SOME = 1 << 14                 # rows
_FEW = 500                      # rows
_FAR = 1e4                      # deviations from 0, at which a column's products lose four digits of sixteen,
_FAR_OF_SPARSE = 1e2            # and its squares, which a sparse Hessian is centered from, as many
_MOST_BYTES_MOVED = 1 << 30     # of X, which is copied


class once(Generic[_Value]):
    """A property that is computed once for each object.

    functools.cached_property of Python 3.11 has one lock for all objects: concurrent trainings would wait for each other's
    moments, and the child of a fork for those of a thread that is gone.
    """

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type) -> _Value:
        value = self._compute(instance)
        instance.__dict__[self._compute.__name__] = value      # which is found first from now on
        return value


class Count(NamedTuple):
    """Of rows: how many there are, by weight."""

    total: float                # the sum of the weights
    positive: float             # that of the rows with y = 1
    squares: float              # of the weights, summed
    rows: int                   # with a weight other than 0
    lightest: float             # weight of these
    heaviest: float

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray) -> Self:
        """Count rows with labels y (m,) and weights (m,), or (0,) for ones."""
        if not sample_weight.size:
            return cls(float(y.size), float(np.count_nonzero(y)), float(y.size), y.size, 1.0, 1.0)
        s = sample_weight
        counting = s if s.min() > 0.0 else s[s > 0.0]
        return cls(float(s.sum()), blas.dot(s, y), blas.dot(s, s), counting.size,
                   float(counting.min(initial=math.inf)), float(s.max()))

    def together(self, other: Self) -> Self:
        """The count of these rows and others."""
        return type(self)(self.total + other.total, self.positive + other.positive, self.squares + other.squares,
                          self.rows + other.rows, min(self.lightest, other.lightest), max(self.heaviest, other.heaviest))


class Rows:
    """The rows of data in memory.

    Parameters
    ----------
    backend : module
        See `fastlr.backends`.
    data : Data
    n_threads : int
        For the kernel.
    """

    most_bytes_of_samples = _MOST_BYTES

    def __init__(self, backend: ModuleType, data: Data, n_threads: int) -> None:
        rows = (data.X, data.y, data.sample_weight, data.offset)
        prepare = getattr(backend, "prepare", None)
        self._prepared = rows if prepare is None else prepare(*rows, n_threads)
        self._backend, self._data, self._n_threads = backend, data, n_threads

    # ---- sums -------------------------------------------------------------------------------------------------------

    def cost_gradient(self, theta: np.ndarray, grad: np.ndarray) -> float:
        """See `fastlr.backends`, as for all sums."""
        loss: float = self._backend.cost_gradient(*self._prepared, theta, grad)
        return loss

    def loss_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """`cost_gradient`, with a new array."""
        grad = np.empty_like(theta)
        return self.cost_gradient(theta, grad), grad

    def hessian(self, theta: np.ndarray, center: np.ndarray, floor: float) -> np.ndarray:
        """(n + 1, n + 1)."""
        H: np.ndarray = self._optional("hessian")(theta, center, floor)
        return H

    def hessian_product(self, theta: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
        """v -> H v, (n + 1,), for the Hessian H of features x; center -> the diagonal (n + 1,) of that of features x - center."""
        curvature = self._curvature(theta)
        weighed = Rows(self._backend, self._data._replace(sample_weight=curvature), self._n_threads)
        return (self._optional("hessian_product")(curvature),
                lambda center: np.append(weighed.moments(center)[1], curvature.sum()))

    def hessian_times(self, theta: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The first of `hessian_product`, of v."""
        return self.hessian_product(theta)[0](v)

    def hessian_diagonal(self, theta: np.ndarray, center: np.ndarray) -> np.ndarray:
        """The second of `hessian_product`, for a center."""
        return self.hessian_product(theta)[1](center)

    def _curvature(self, theta: np.ndarray) -> np.ndarray:
        data = self._data
        return frozen(numpy_passes.curvature(data.X, data.sample_weight, data.offset, theta))

    def moments(self, pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) each."""
        first, second = self._optional("moments")(pivot)
        return first, second

    def first_read(self, theta: np.ndarray, pivot: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """Loss, gradient and moments, which take one read of X together where the backend can do that."""
        together = getattr(self._backend, "cost_gradient_and_moments", None)
        if together is None:
            return *self.loss_and_gradient(theta), *self.moments(pivot)
        grad = np.empty_like(theta)
        loss, first, second = together(*self._prepared, theta, pivot, grad)
        return loss, grad, first, second

    def _optional(self, name: str) -> Callable[..., Any]:
        """What the backend has under a name, or NumPy's in its place."""
        own = getattr(self._backend, name, None)
        if own is not None:
            return functools.partial(own, *self._prepared)
        data = self._data
        return functools.partial(getattr(numpy_passes, name), data.X, data.y, data.sample_weight, data.offset)

    def descend(self, theta: np.ndarray, previous: np.ndarray, rule: Rule, record: np.ndarray) -> tuple[int, int]:
        """At most `len(record)` steps of gradient descent in place; see `descent.descend`."""
        own = getattr(self._backend, "descend", None)
        if own is not None:
            updates, status = own(*self._prepared, theta, previous, rule, record)
            return updates, status
        return descent.descend(self._backend.cost_gradient, self._prepared, theta, previous, rule, record)

    @property
    def has_quasi_newton(self) -> bool:
        """Whether the backend makes many quasi-Newton updates in one call."""
        return hasattr(self._backend, "quasi_newton")

    def quasi_newton(self, *arguments: Any) -> Any:
        """The backend's."""
        return self._backend.quasi_newton(*self._as_float64._prepared, *arguments)

    @once
    def _as_float64(self) -> "Rows":
        """With X as float64 in C order: of few numbers a copy takes less than another kind of X takes to compile for."""
        X = self._data.X
        if isinstance(X, Csr):
            X = X._replace(values=frozen(np.asarray(X.values, np.float64)))
        else:
            X = frozen(np.ascontiguousarray(X, np.float64))
        return Rows(self._backend, self._data._replace(X=X), self._n_threads)

    def over_rows(self, together: Callable[[Any, Any], Any], function: Callable[..., Any], *arguments: Any) -> Any:
        """What function(data, *arguments) gives of the rows; of data in parts, that of each part put together."""
        return function(self._data, *arguments)

    def of_part(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What function(data, *arguments) gives of these rows."""
        return function(self._data, *arguments)

    def total_curvature(self, theta: np.ndarray) -> float:
        """The sum of s_i a_i (1 - a_i)."""
        return float(self._curvature(theta).sum())

    def largest_eigenvalue(self, fit_intercept: bool) -> float:
        """An upper bound of that of sum_i s_i [x_i, 1] [x_i, 1]^T."""
        return column_moments.largest_eigenvalue(self._data.X, self._data.sample_weight, fit_intercept)

    def squares(self, fit_intercept: bool) -> Any:
        """That sum itself, or its trace where it would be too large, for parts of dense X."""
        X = self._data.X
        assert not isinstance(X, Csr)
        square = column_moments.gram_of_columns if X.shape[1] < column_moments.MOST_SIDE else column_moments.trace
        return square(X, self._data.sample_weight, fit_intercept)

    @once
    def count(self) -> Count:
        """How many rows there are, by weight."""
        return Count.of(self._data.y, self._data.sample_weight)

    def refuse_not_finite(self) -> None:
        """Raise ValueError, with the place, where X holds values that are not finite or too large to square."""
        refuse_not_finite(self._data.X, self._data.feature_names)

    # ---- what there is ----------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of X."""
        m, n = self._data.X.shape
        return m, n

    @property
    def is_sparse(self) -> bool:
        """Whether a step and a Hessian cost what `stored` and `pairs` say, not what the shape does."""
        return isinstance(self._data.X, Csr)

    @property
    def stored(self) -> int:
        """Numbers in X."""
        return self._data.X.size

    @once
    def pairs(self) -> float:
        """Pairs of numbers in one row, over all rows of a sparse X: products in a Hessian."""
        X = self._data.X
        assert isinstance(X, Csr)
        return 0.5 * X.squares()

    @property
    def bytes_a_row(self) -> int:
        """Of X."""
        return bytes_a_row(self._data.X)

    @property
    def has_offset(self) -> bool:
        """Whether the margins have an offset."""
        return self._data.offset.size > 0

    # ---- some of them -----------------------------------------------------------------------------------------------

    def heaviest(self) -> np.ndarray:
        """The row of X with the largest weight, (n,) float64."""
        X, weight = self._data.X, self._data.sample_weight
        i = int(np.argmax(weight)) if weight.size else 0
        if not isinstance(X, Csr):
            return X[i].astype(np.float64)
        columns, values = X.row(i)
        row = np.zeros(X.n_columns)
        row[columns] = values
        return row

    def take(self, ordinals: np.ndarray) -> Data:
        """A read-only copy of some rows, by their place among those that count."""
        data = self._data
        chosen = ordinals if self.count.rows == data.y.size else np.flatnonzero(data.sample_weight)[ordinals]
        y, sample_weight, offset = (frozen(v[chosen]) if v.size else v for v in (data.y, data.sample_weight, data.offset))
        return data._replace(X=_rows_of(data.X, chosen), y=y, sample_weight=sample_weight, offset=offset)

    def take_each(self, ordinals: Sequence[np.ndarray]) -> list[Data]:
        """Several times some rows."""
        return [self.take(some) for some in ordinals]

    def samples(self, sizes: Sequence[int]) -> Iterator["Rows"]:
        """Samples of so many of the rows that count."""
        for size in sizes:
            yield Rows(self._backend, self.take(ordinals_of(size, self.count.rows)), self._n_threads)

    def in_unit(self, exponent: int) -> "Rows":
        """The same with weights divided by 2 to the exponent."""
        weight = frozen(np.ldexp(self._data.sample_weight, -exponent))
        return Rows(self._backend, self._data._replace(sample_weight=weight), self._n_threads)

    def constant_column(self) -> tuple[int, float] | None:
        """A column with one value other than 0 in every row that counts, and that value."""
        X = self.take(np.arange(min(2, self.count.rows))).X
        rows = X.scipy().toarray() if isinstance(X, Csr) else X
        for j in np.flatnonzero((rows[0] == rows[-1]) & (rows[0] != 0)):
            column = self._data.X.scipy()[:, [j]].toarray() if isinstance(self._data.X, Csr) else self._data.X[:, j]
            if (column == rows[0, j]).all():
                return int(j), float(rows[0, j])
        return None

    def typical_values(self) -> tuple[np.ndarray, np.ndarray]:
        """Center and spread of a few rows, see `margin_changes`."""
        return typical_values(self.take(ordinals_of(min(_FEW, self.count.rows), self.count.rows)))

    def far_from_zero(self, center: np.ndarray, spread: np.ndarray) -> np.ndarray:
        """The center (n,) of columns so far from 0, for their spread, that products with them lose digits; 0 for all others.

        It is a number of X's dtype, so that X less it is exact.  A sparse column that is not stored in every row has no center.
        """
        X, shift = self._data.X, np.zeros(center.size)
        if X.size * X.dtype.itemsize > _MOST_BYTES_MOVED or X.dtype == np.uint8:
            return shift
        is_far = np.abs(center) > (_FAR if isinstance(X, np.ndarray) else _FAR_OF_SPARSE) * spread
        if isinstance(X, Csr):
            is_far |= (center != 0.0) & (spread == np.maximum(np.abs(center), 1.0))     # what counts as constant
            if is_far.any():
                columns, values = X.stored()
                is_far &= np.bincount(columns, minlength=center.size) == X.shape[0]
                for j in np.flatnonzero(is_far):
                    column = values[columns == j]
                    is_far[j] = column.min() < column.max()
        shift[is_far] = center[is_far].astype(X.dtype)
        return shift

    def moved(self, shift: np.ndarray) -> "Rows":
        """The same with X less a shift (n,) of its dtype."""
        X = self._data.X
        less = shift.astype(X.dtype)
        if isinstance(X, Csr):
            columns, values = X.stored()
            X = Csr(frozen(values - less[columns]), frozen(columns.copy()), frozen(X.indptr - X.indptr[0]), X.n_columns)
        else:
            X = frozen(np.subtract(X, less, order="K"))
        return Rows(self._backend, self._data._replace(X=X), self._n_threads)

    def without_features(self) -> "Rows":
        """The same with one column of zeros in place of X."""
        return without_features(self._data)

    def in_row_space(self) -> tuple["Rows", Callable[[np.ndarray], np.ndarray]]:
        """The same margins from m features in place of n > m, and what turns their w into one for X.

        With l2 the optimum w lies in the space of the rows, w = X^T v, and otherwise one of the optima does.  With the inverse
        factor P of X X^T, that is X X^T = (P^T P)^-1, the features X X^T P^T have the same margins and the same ||w|| for
        w = X^T P^T u: up to rounding, also where rows are collinear and P is that of a matrix close by.
        """
        X = self._data.X
        gram = column_moments.gram_of_rows(X)
        size = np.full(len(gram), max(float(gram.diagonal().max()), np.finfo(float).tiny))
        P = blas.ridged_inverse_factor(gram.copy(), size, len(gram) * np.finfo(float).eps)
        assert P is not None                    # X X^T has no negative eigenvalue, so that rounding is all there is to mend
        rotated = frozen(gram @ P.T)
        return (Rows(numpy_vectorized, self._data._replace(X=rotated), 1),
                lambda u: column_moments.transposed_times(X, P.T @ u))


def without_features(data: Data) -> Rows:
    """Rows with one column of zeros in place of X."""
    return Rows(numpy_vectorized, data._replace(X=frozen(np.zeros((data.y.size, 1), np.uint8))), 1)


def ordinals_of(size: int, m: int) -> np.ndarray:
    """So many of 0..m - 1, in order, one in each stretch of m / size; which ones depends on the numbers alone."""
    jitter = _some_jitter()[:size] if size <= _SOME else _jitter(size)
    return ((np.arange(size) + jitter) * (m / size)).astype(np.intp)


def _jitter(size: int) -> np.ndarray:
    jitter: np.ndarray = imported("numpy.random").default_rng(0).random(size)
    return jitter


@functools.cache
def _some_jitter() -> np.ndarray:
    """Of which a shorter one is the beginning: to start a generator takes longer than a step on a small sample."""
    return _jitter(_SOME)


def frozen(A: np.ndarray) -> np.ndarray:
    """A new array, made read-only: kernels are compiled for such."""
    A.flags.writeable = False
    return A


def _rows_of(X: np.ndarray | Csr, chosen: np.ndarray) -> np.ndarray | Csr:
    if isinstance(X, Csr):
        return X.take(chosen)
    return frozen(X.take(chosen, axis=0) if X.flags.c_contiguous else X.T.take(chosen, axis=1).T)

"""What a model is trained on: rows of X with labels, weights and offsets, wherever they lie, and passes over them.

Solvers ask for sums over rows.  A `Pass` says what some rows in memory have in such a sum, and how two parts' results merge.
So a pass that is written for rows in memory works for files that are read in blocks (`stream.dataset.InBlocks`) and for a
cluster (`cluster.OnCluster`) as well.
"""

import abc
import copy
import functools
import math
import operator
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Self, TypeVar

import numpy as np

from fastlr.backends import numpy_vectorized
from fastlr.backends.csr import Csr
from fastlr.data import arrays, sampling, sparse
from fastlr.data.form import Form
from fastlr.machine import blas
from fastlr.machine.arrays import read_only

MOST_BYTES_OF_SAMPLES = 1 << 26     # The most bytes of X that samples copy.
_MOST_KEPT = 1 << 22                # The most numbers in copied columns that are kept for the next choice of columns.

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Pass(Generic[_Arguments, _Result]):
    """A function of rows in memory whose results for parts of the rows merge into that for all of them.

    Called with an `InMemory`, it gives what these rows have.  `Dataset.reduce` gives what all rows of any dataset have.  The
    function is one of a module, by whose name workers find the pass.  Results merge in the order of the rows.
    """

    __name__: str

    def __init__(self, of_part: Callable[Concatenate["InMemory", _Arguments], _Result],
                 merge: Callable[[_Result, _Result], _Result]) -> None:
        self._of_part, self.merge = of_part, merge
        functools.update_wrapper(self, of_part)

    def __call__(self, part: "InMemory", *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        return self._of_part(part, *arguments, **named)

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self.__name__


class OnColumns(Pass[_Arguments, _Result]):
    """A pass over some columns, which are in order; with theta, its margins at all columns are the offset."""

    def __init__(self, pass_: Pass[_Arguments, _Result], columns: np.ndarray, theta: np.ndarray | None) -> None:
        self.__name__, self.merge, self._given = pass_.__name__, pass_.merge, (pass_, columns, theta)

    def __call__(self, part: "InMemory", *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        pass_, columns, theta = self._given
        return pass_(part.with_columns(columns, theta), *arguments, **named)

    def __reduce__(self) -> tuple[Any, ...]:
        return OnColumns, self._given


class OfRows(np.ndarray):
    """An argument of a pass that has an entry for each row of X; a part of the rows is given its own: ``values.view(OfRows)``."""


def merged_by(merge: Callable[[Any, Any], Any]) -> Callable[[Callable[Concatenate["InMemory", _Arguments], _Result]],
                                                             Pass[_Arguments, _Result]]:
    """Make a pass of a function of rows in memory, whose results for two parts merge like this."""
    return lambda of_part: Pass(of_part, merge)


def summed(of_part: Callable[Concatenate["InMemory", _Arguments], _Result]) -> Pass[_Arguments, _Result]:
    """Make a pass of a function of rows in memory, whose results (numbers, arrays, or tuples of these) are sums over rows."""
    return Pass(of_part, _plus)


def _plus(a: Any, b: Any) -> Any:
    return tuple(map(operator.add, a, b)) if isinstance(a, tuple) else a + b


class Count(NamedTuple):
    """How many rows there are, by weight."""

    total: float                # the sum of the weights
    by_class: np.ndarray        # (K,) the sums of the weights of each class
    squares: float              # the sum of the squared weights
    rows: int                   # how many rows have a weight other than 0
    lightest: float             # the least weight other than 0
    heaviest: float             # the largest weight
    heaviest_row: int           # the first row with that weight, counted among those whose weight is not 0

    @classmethod
    def of(cls, y: np.ndarray, sample_weight: np.ndarray, n_classes: int) -> Self:
        """Count rows with labels y (m,) of so many classes and weights (m,), or (0,) for ones."""
        if not sample_weight.size:
            by_class = _by_class(float(y.size), [float(np.count_nonzero(y == k)) for k in range(1, n_classes)])
            return cls(float(y.size), by_class, float(y.size), y.size, 1.0, 1.0, 0)
        s = sample_weight
        counting = s if s.min() > 0.0 else s[s > 0.0]
        place = int(np.argmax(s))
        total = float(s.sum())
        by_class = _by_class(total, [blas.dot(s, y == k) for k in range(1, n_classes)])
        return cls(total, by_class, blas.dot(s, s), counting.size,
                   float(counting.min(initial=math.inf)), float(s[place]), int(np.count_nonzero(s[:place])))

    def merge(self, other: Self) -> Self:
        """The count of these rows and others behind them."""
        heaviest_row = self.heaviest_row if self.heaviest >= other.heaviest else self.rows + other.heaviest_row
        return type(self)(self.total + other.total, self.by_class + other.by_class, self.squares + other.squares,
                          self.rows + other.rows, min(self.lightest, other.lightest), max(self.heaviest, other.heaviest),
                          heaviest_row)


def _by_class(total: float, others: list[float]) -> np.ndarray:
    """The totals of all classes, where those of the classes behind the first are given."""
    return np.array([total - sum(others), *others])


class Dataset(abc.ABC):
    """Rows of X with labels, weights and offsets that have been checked."""

    shape: tuple[int, int]
    size: int                                   # numbers in X; of sparse X, those that are stored
    dtype: np.dtype                             # of X, as kernels take it
    bytes_a_row: int                            # what a row of X takes in memory, on average
    pairs: float                                # of numbers in one row, over all rows of a sparse X: products in a Hessian
    classes: np.ndarray                         # (2,) or (K,) the labels that 0 and 1, or 0 .. K - 1, stand for
    feature_names: tuple[str, ...] | None
    backend: ModuleType                         # that passes ask, see `fastlr.backends`
    n_threads: int                              # that its kernels may use
    # () -> the example that each row is of, (m,) int, where counts of successes and failures have made two rows of some.
    example_of_rows: Callable[[], np.ndarray] | None
    n_examples: int                             # m, or how many rows X had where counts have made others of them
    index: Any                                  # of the examples, where X was a data frame that has one, or None
    most_bytes_of_samples = MOST_BYTES_OF_SAMPLES
    _count: Count

    def __init__(self, form: Form, has_weights: bool, has_offset: bool, classes: np.ndarray,
                 feature_names: tuple[str, ...] | None, backend: ModuleType = numpy_vectorized, n_threads: int = 1) -> None:
        self.shape, self.size, self.dtype, self.bytes_a_row = form.shape, form.size, form.dtype, form.bytes_a_row
        self.is_sparse, self.pairs = form.is_sparse, form.pairs
        self.has_weights, self.has_offset = has_weights, has_offset
        self.classes, self.feature_names = classes, feature_names
        self.backend, self.n_threads = backend, n_threads
        self.example_of_rows, self.n_examples, self.index = None, form.shape[0], None

    @property
    def count(self) -> Count:
        """How many rows there are, by weight."""
        return self._count

    @abc.abstractmethod
    def reduce(self, pass_: Pass[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        """Make a pass over all rows, and return its merged result; an argument that is `OfRows` is cut as the rows are."""

    @abc.abstractmethod
    def take_each(self, samples: Sequence[np.ndarray]) -> list["InMemory"]:
        """Copy several samples of rows in one read; a sample is sorted and counts only rows whose weight is not 0."""

    @abc.abstractmethod
    def divided_weights(self, exponent: int) -> "Dataset":
        """Return these rows with weights divided by 2 to the exponent."""

    @abc.abstractmethod
    def without_features(self) -> "Dataset":
        """Return these rows with one column of zeros in place of X, for NumPy's kernels."""

    def with_backend(self, backend: ModuleType, n_threads: int) -> Self:
        """Return these rows for another backend."""
        other = copy.copy(self)
        other.backend, other.n_threads = backend, n_threads
        return other

    def with_columns(self, columns: np.ndarray, theta: np.ndarray | None = None) -> "Dataset":
        """Return these rows with some columns, which are in order; with theta, its margins at all columns are the offset."""
        return SomeColumns(self, columns, theta)

    @abc.abstractmethod
    def refuse_not_finite(self) -> None:
        """Raise ValueError, with the place, where X holds what is not finite or too large to square."""

    def take(self, rows: np.ndarray) -> "InMemory":
        """A copy of some rows, sorted, counted among those whose weight is not 0."""
        found, = self.take_each([rows])
        return found

    def samples(self, sizes: Sequence[int]) -> list["InMemory"]:
        """Samples of so many of the rows whose weight is not 0, evenly spread; the sizes alone say which."""
        return self.take_each([sampling.evenly(size, self.count.rows) for size in sizes]) if sizes else []

    def heaviest_row(self) -> np.ndarray:
        """The row of X with the largest weight, (n,) float64."""
        return self.take(np.array([self.count.heaviest_row])).heaviest_row()

    def _in_memory(self, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray) -> "InMemory":
        """Some of the rows, or others like them, as arrays that kernels take."""
        return InMemory(X, y, sample_weight, offset, self.classes, self.feature_names, self.backend, self.n_threads)


class InMemory(Dataset):
    """Rows in memory; what a `Pass` is a function of.

    y (m,) is 0 or 1 in int8, or 0 .. K - 1 in int32.  Weights and offsets are (m,) float64, the offset of K classes (m, K), and
    (0,) stands for none.  NumPy's passes take these `rows`, and the backend's kernels what it has `prepared` of them.
    """

    def __init__(self, X: np.ndarray | Csr, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray, classes: np.ndarray,
                 feature_names: tuple[str, ...] | None = None, backend: ModuleType = numpy_vectorized,
                 n_threads: int = 1) -> None:
        super().__init__(Form.of(X), sample_weight.size > 0, offset.size > 0, classes, feature_names, backend, n_threads)
        self.X, self.y, self.sample_weight, self.offset = X, y, sample_weight, offset
        self.rows = X, y, sample_weight, offset
        self.prepared: tuple[Any, ...] = (backend.prepare(*self.rows, n_threads) if hasattr(backend, "prepare") else self.rows)
        self._counted: Count | None = None
        self._transposed: Csr | None = None
        self._chosen: tuple[np.ndarray, np.ndarray] | None = None       # the columns that were copied last, and their copy

    @classmethod
    def unlabelled(cls, X: np.ndarray | Csr, offset: np.ndarray, classes: np.ndarray, backend: ModuleType = numpy_vectorized,
                   n_threads: int = 1) -> Self:
        """Rows without weights that are not asked for their labels."""
        return cls(X, np.zeros(X.shape[0], np.int8), np.empty(0), offset, classes, backend=backend, n_threads=n_threads)

    @property
    def count(self) -> Count:
        """How many rows there are, by weight."""
        if self._counted is None:
            self._counted = Count.of(self.y, self.sample_weight, self.classes.size)
        return self._counted

    @property
    def weights(self) -> np.ndarray:
        """The weights of the rows, (m,): ones where none are given."""
        return self.sample_weight if self.sample_weight.size else np.ones(self.y.size)

    def reduce(self, pass_: Pass[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        return pass_(self, *arguments, **named)

    def take_each(self, samples: Sequence[np.ndarray]) -> list["InMemory"]:
        if self.count.rows < self.y.size:
            counting = np.flatnonzero(self.sample_weight)
            samples = [counting[rows] for rows in samples]
        return [self._in_memory(rows_of(self.X, rows), *(read_only(vector[rows]) if vector.size else vector
                                                         for vector in (self.y, self.sample_weight, self.offset)))
                for rows in samples]

    def heaviest_row(self) -> np.ndarray:
        row = int(self.sample_weight.argmax()) if self.sample_weight.size else 0
        return self.dense(slice(row, row + 1))[0].astype(np.float64)

    def dense(self, rows: slice) -> np.ndarray:
        """Some rows of X as an array, (r, n)."""
        return self.X.rows(rows).scipy().toarray() if isinstance(self.X, Csr) else self.X[rows]

    def with_backend(self, backend: ModuleType, n_threads: int) -> "InMemory":
        rows = InMemory(*self.rows, self.classes, self.feature_names, backend, n_threads)
        rows.example_of_rows, rows.n_examples, rows.index = self.example_of_rows, self.n_examples, self.index
        return rows

    def with_features(self, X: np.ndarray | Csr) -> "InMemory":
        """Return these rows with another X."""
        return self._in_memory(X, self.y, self.sample_weight, self.offset)

    def with_columns(self, columns: np.ndarray, theta: np.ndarray | None = None) -> "InMemory":
        rows = self
        if theta is not None:
            margins = read_only(numpy_vectorized.margins(self.X, self.offset, theta))
            rows = self._in_memory(self.X, self.y, self.sample_weight, margins)
        chosen = self.columns_as_rows(columns)
        if isinstance(chosen, Csr):
            part = rows.with_features(sparse.transposed(chosen))
            part._transposed = chosen
            return part
        is_by_rows = isinstance(self.X, np.ndarray) and self.X.flags.c_contiguous
        return rows.with_features(read_only(np.ascontiguousarray(chosen.T) if is_by_rows else chosen.T))

    def columns_as_rows(self, columns: np.ndarray) -> np.ndarray | Csr:
        """Some columns, which are in order, as rows (p, m); they are copied, unless they are all columns.

        A column of dense X in C order takes long to copy, since its numbers are far from each other.  So columns that were among
        those before are copied from there.
        """
        X = self.transposed
        if columns.size == self.shape[1]:
            return X
        if isinstance(X, Csr):
            return X.take(columns)
        if columns.size * self.shape[0] > _MOST_KEPT:
            return _columns_of_dense(X.T, columns).T
        if self._chosen is None:
            self._chosen = columns, np.ascontiguousarray(_columns_of_dense(X.T, columns).T)
            return self._chosen[1]
        before, kept = self._chosen
        at = np.searchsorted(before, columns)
        new = np.flatnonzero(before.take(at, mode="clip") != columns)
        chosen = kept.take(at, axis=0, mode="clip")
        if new.size:
            chosen[new] = _columns_of_dense(X.T, columns[new]).T
            self._chosen = columns, chosen
        return chosen

    @property
    def transposed(self) -> np.ndarray | Csr:
        """X with columns for rows: of sparse X a copy, which is kept."""
        if not isinstance(self.X, Csr):
            return self.X.T
        if self._transposed is None:
            self._transposed = sparse.transposed(self.X)
        return self._transposed

    def with_weights(self, sample_weight: np.ndarray) -> "InMemory":
        """Return these rows with other weights."""
        return self._in_memory(self.X, self.y, sample_weight, self.offset)

    def of_curvature(self, rows: np.ndarray, weights: np.ndarray) -> "InMemory":
        """Some rows with weights whose quarters are their curvatures at margins of 0; who has the weights may change them."""
        X = self.X if rows.size == self.shape[0] else rows_of(self.X, rows)
        return self._in_memory(X, np.zeros(rows.size, np.int8), read_only(weights), np.empty(0))

    def divided_weights(self, exponent: int) -> "InMemory":
        return self.with_weights(read_only(np.ldexp(self.sample_weight, -exponent)))

    def without_features(self) -> "InMemory":
        return self.with_features(no_features(self.shape[0])).with_backend(numpy_vectorized, 1)

    def refuse_not_finite(self) -> None:
        arrays.refuse_not_finite(self.X, self.feature_names)


class SomeColumns(Dataset):
    """Some columns of rows that are not in memory, see `Dataset.with_columns`; they are taken from each part in each pass."""

    def __init__(self, rows: Dataset, columns: np.ndarray, theta: np.ndarray | None) -> None:
        super().__init__(Form((rows.shape[0], columns.size), rows.dtype), rows.has_weights, rows.has_offset or theta is not None,
                         rows.classes, None if rows.feature_names is None else tuple(rows.feature_names[j] for j in columns),
                         rows.backend, rows.n_threads)
        self.is_sparse, share = rows.is_sparse, columns.size / rows.shape[1]
        self.size, self.pairs = int(share * rows.size), share ** 2 * rows.pairs
        self._rows, self._columns, self._theta, self._count = rows, columns, theta, rows.count

    def reduce(self, pass_: Pass[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        return self._rows.reduce(OnColumns(pass_, self._columns, self._theta), *arguments, **named)

    def take_each(self, samples: Sequence[np.ndarray]) -> list[InMemory]:
        return [sample.with_columns(self._columns, self._theta) for sample in self._rows.take_each(samples)]

    def divided_weights(self, exponent: int) -> "SomeColumns":
        return SomeColumns(self._rows.divided_weights(exponent), self._columns, self._theta)

    def without_features(self) -> Dataset:
        return self._rows.without_features()

    def refuse_not_finite(self) -> None:
        self._rows.refuse_not_finite()


def no_features(m: int) -> np.ndarray:
    """One column of zeros, (m, 1) uint8."""
    return read_only(np.zeros((m, 1), np.uint8))


def columns_of(X: np.ndarray | Csr, columns: np.ndarray) -> np.ndarray | Csr:
    """A copy of some columns of X, which are in order."""
    if isinstance(X, Csr):
        return sparse.transposed(sparse.transposed(X).take(columns))
    return read_only(_columns_of_dense(X, columns))


def _columns_of_dense(X: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return X.take(columns, axis=1) if X.flags.c_contiguous else X.T.take(columns, axis=0).T


def rows_of(X: np.ndarray | Csr, rows: np.ndarray) -> np.ndarray | Csr:
    """A copy of some rows of X."""
    if isinstance(X, Csr):
        return X.take(rows)
    return read_only(X.take(rows, axis=0) if X.flags.c_contiguous else X.T.take(rows, axis=1).T)

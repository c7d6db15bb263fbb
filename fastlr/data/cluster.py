"""Rows of a Dask collection: a sum over rows is a tree of tasks that Dask runs where it likes.

The workers keep the labels (a byte a row), weights and offsets (eight bytes a row each) as kernels take them, and which example
each row is of where y counts trials (eight bytes).  Whether they keep X is up to the user, who may have persisted it; otherwise
every pass over the rows makes it anew.  Placing, moving, spilling and retrying are Dask's, with whatever scheduler is active.
The tree depends on the number of parts alone, so that the bits of a sum depend on neither the workers nor the order in which
tasks finish.
"""

import functools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

import dask
import numpy as np
from dask.delayed import Delayed

from fastlr import backends
from fastlr.data import arrays, sampling, sparse
from fastlr.data.dataset import Count, Dataset, InMemory, OfRows, Pass, no_features, rows_of
from fastlr.data.form import Form
from fastlr.data.trials import Vectors
from fastlr.machine.arrays import read_only
from fastlr.machine.forks import imported

_FAN_IN = 8                     # Values that one task of the tree merges.

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class OnCluster(Dataset):
    """Rows of a Dask collection.

    Parameters
    ----------
    X : list of Delayed
        An array or a data frame for each part.
    vectors : list of Delayed
        The Vectors of each part, which the workers keep.
    form : Form
        The form of X, with the dtype that kernels are to take it as.
    has_weights, has_offset, classes, feature_names
        As in `Dataset`, whose threads are for samples, which come to this process.
    """

    def __init__(self, X: list[Delayed], vectors: list[Delayed], form: Form, has_weights: bool, has_offset: bool,
                 classes: np.ndarray, feature_names: tuple[str, ...] | None) -> None:
        super().__init__(form, has_weights, has_offset, classes, feature_names)
        self._X, self._vectors, self._form = X, vectors, form
        self._counts: list[Count] = computed(
            for_each(lambda own: Count.of(own.y, own.sample_weight, classes.size), vectors))
        self._count = functools.reduce(Count.merge, self._counts)

    def reduce(self, pass_: Pass[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        of_rows = [each for each in arguments if isinstance(each, OfRows)]
        shared = [OfRows if isinstance(each, OfRows) else each for each in arguments]
        call = functools.partial(_run, self.backend.__name__, self.dtype, pass_, shared, named)
        values = for_each(call, self._X, self._vectors, *map(self._cut, of_rows))
        merged = dask.delayed(lambda *values: functools.reduce(pass_.merge, values), pure=False)
        while len(values) > 1:
            values = [merged(*values[i:i + _FAN_IN]) for i in range(0, len(values), _FAN_IN)]
        found: list[_Result] = computed(values)
        return found[0]

    def _cut(self, values: OfRows) -> list[np.ndarray]:
        """The entries of the rows of each part."""
        lengths = computed(vectors.y.size for vectors in self._vectors)
        return np.split(np.asarray(values), np.cumsum(lengths)[:-1])

    def take_each(self, samples: Sequence[np.ndarray]) -> list[InMemory]:
        wanted = sampling.by_part(samples, [count.rows for count in self._counts])
        found = computed([dask.delayed(functools.partial(_take, self.dtype, rows), pure=False)(self._X[part], self._vectors[part])
                       for part, rows in wanted.items()])
        return [self._in_memory(*sampling.stacked(parts)) for parts in zip(*found, strict=True)]

    def divided_weights(self, exponent: int) -> "OnCluster":
        divided = for_each(lambda own: own._replace(sample_weight=np.ldexp(own.sample_weight, -exponent)), self._vectors)
        return self._with(self._X, persisted(divided), self._form).with_backend(self.backend, self.n_threads)

    def refuse_not_finite(self) -> None:
        """Do nothing: every part was looked through at the door."""

    def without_features(self) -> "OnCluster":
        vectors = for_each(lambda own: own._replace(example=own.example[:0]), self._vectors)
        X = for_each(lambda own: no_features(own.y.size), vectors)
        return self._with(X, vectors, Form((self.shape[0], 1), np.dtype(np.uint8)))

    def _with(self, X: list[Delayed], vectors: list[Delayed], form: Form) -> "OnCluster":
        return OnCluster(X, vectors, form, self.has_weights, self.has_offset, self.classes, self.feature_names)


def for_each(function: Callable[..., Any], *columns: Iterable[Any]) -> list[Delayed]:
    """Call a function for each part, with one value from every column, once Dask computes it."""
    call = dask.delayed(function, pure=False)
    return [call(*values) for values in zip(*columns, strict=True)]


def examples(vectors: Sequence[Delayed], first: Sequence[int]) -> np.ndarray:
    """The example that each row is of, where these are the vectors of the parts, and their first examples."""
    found = computed(part.example for part in vectors)
    return np.concatenate([start + example for start, example in zip(first, found, strict=True)])


def computed(values: Iterable[Delayed]) -> list[Any]:
    """The values, computed and brought here."""
    return list(dask.compute(*values))


def persisted(values: Iterable[Delayed]) -> list[Delayed]:
    """The values, computed and kept by whoever computed them."""
    return list(dask.persist(*values))


# ---- on a worker ----------------------------------------------------------------------------------------------------

@np.errstate(all="ignore")
def _run(backend: str, dtype: np.dtype, pass_: Callable[..., Any], shared: list[Any], named: dict[str, Any], X: Any,
         vectors: Vectors, *of_rows: np.ndarray) -> Any:
    """Make a pass over one part; its own entries of arguments `OfRows` take their places among those that all parts share."""
    kernel, part = imported(backend), _part(dtype, X, vectors)
    own = iter(of_rows)
    arguments = [next(own) if each is OfRows else each for each in shared]
    values = [np.array(each) if isinstance(each, np.ndarray) else each for each in arguments]       # aligned, to be written to
    most = None if "NUMBA_NUM_THREADS" in os.environ else 1         # all that this leaves, or one, since a worker runs many tasks
    with backends.threads(kernel, most, part.size) as n_threads:
        return pass_(part.with_backend(kernel, n_threads), *values, **named)


def _take(dtype: np.dtype, samples: list[np.ndarray], X: Any, vectors: Vectors) -> list[tuple[Any, ...]]:
    """Samples of the rows of a part, each as (X, y, sample_weight, offset)."""
    return [taken.rows for taken in _part(dtype, X, vectors).take_each(samples)]


def _part(dtype: np.dtype, X: Any, vectors: Vectors) -> InMemory:
    # What comes from another worker may be neither aligned nor read-only.
    y, sample_weight, offset, example = (read_only(np.require(vector, requirements="A")) for vector in vectors)
    A, _ = arrays.real_matrix(_array(X, dtype))
    return InMemory(rows_of(A, example) if example.size else A, y, sample_weight, offset, np.array([0, 1]))


def _array(X: Any, dtype: np.dtype) -> Any:
    """A part in a dtype, as an array or SciPy matrix; whoever made the part chose another."""
    if sparse.is_scipy(X):
        return X.astype(dtype, copy=False)
    return X.to_numpy(dtype) if hasattr(X, "to_numpy") else np.asarray(X, dtype)

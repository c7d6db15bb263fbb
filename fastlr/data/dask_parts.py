"""The rows of a Dask collection: every sum is one graph, a task a part and a tree of sums, that Dask runs where it likes.

Placing, moving, spilling and retrying are Dask's, with whatever scheduler is active.  The tree depends on the number of parts
alone, so that the bits of a sum depend on neither the workers nor the order in which tasks finish.
"""

import functools
import os
import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple, Self

import dask
import dask.array as da
import numpy as np
from dask.core import flatten
from dask.optimization import cull
from dask.threaded import get

from fastlr import backends
from fastlr.backends import numpy_vectorized
from fastlr.data import arrays
from fastlr.data.arrays import Data
from fastlr.data.parts import InParts, Parts
from fastlr.data.rows import Count, Rows, frozen
from fastlr.machine.forks import imported

_FAN_IN = 8                     # of the tree


class Values:
    """A value for each part, in their order; a Dask collection, which computes to a list.

    Parameters
    ----------
    graph : mapping
    keys : sequence
        One for each part.
    """

    def __init__(self, graph: Mapping[Hashable, Any], keys: Sequence[Hashable]) -> None:
        self.graph, self.keys = graph, keys

    @classmethod
    def of(cls, collection: Any) -> Self:
        """The blocks of an array, or the partitions of a data frame."""
        if hasattr(collection, "optimize"):
            collection = collection.optimize()
        graph, keys = dict(collection.__dask_graph__()), collection.__dask_keys__()
        if isinstance(collection, da.Array):                    # what is left out is what a cluster has already
            graph |= collection.__dask_optimize__(collection.__dask_graph__(), keys)
        return cls(cull(graph, keys)[0], list(flatten(keys)))

    @classmethod
    def of_each(cls, values: Iterable[Any]) -> Self:
        """Values that are here."""
        name = f"fastlr-{uuid.uuid4().hex}"
        graph: dict[Hashable, Any] = {(name, i): value for i, value in enumerate(values)}
        return cls(graph, list(graph))

    def map(self, function: Callable[..., Any], *others: "Values | None") -> "Values":
        """What a function makes of each value and its likes, and of None for None."""
        name = f"fastlr-{uuid.uuid4().hex}"
        graph = dict(self.graph)
        for other in others:
            graph |= other.graph if other is not None else {}
        columns = [[None] * len(self.keys) if other is None else other.keys for other in others]
        tasks = {(name, i): (function, *keys) for i, keys in enumerate(zip(self.keys, *columns, strict=True))}
        return Values(graph | tasks, list(tasks))

    def where(self, chosen: Iterable[int]) -> "Values":
        """Those of some parts."""
        return Values(self.graph, [self.keys[i] for i in chosen])

    def reduce(self, together: Callable[[Any, Any], Any]) -> Any:
        """All of them put together, in a tree."""
        name = f"fastlr-{uuid.uuid4().hex}"
        graph, keys = dict(self.graph), list(self.keys)
        fold = functools.partial(functools.reduce, together)
        while len(keys) > 1:
            tasks: dict[Hashable, Any] = {(name, len(keys), i): (fold, keys[i:i + _FAN_IN]) for i in range(0, len(keys), _FAN_IN)}
            graph |= tasks
            keys = list(tasks)
        whole, = Values(graph, keys).compute()
        return whole

    def compute(self) -> list[Any]:
        """All of them here."""
        values: list[Any] = dask.compute(self)[0]
        return values

    def persist(self) -> "Values":
        """The same, computed, and kept by whoever computed them."""
        kept: Values = dask.persist(self)[0]
        return kept

    def __dask_graph__(self) -> Mapping[Hashable, Any]:
        return self.graph

    def __dask_keys__(self) -> list[Hashable]:
        return list(self.keys)

    def __dask_tokenize__(self) -> Any:
        return "fastlr", tuple(self.keys)

    def __dask_postcompute__(self) -> tuple[Any, ...]:
        return list, ()

    def __dask_postpersist__(self) -> tuple[Any, ...]:
        return _with_other_graph, (self.keys,)

    __dask_scheduler__ = staticmethod(get)          # where neither a client nor the configuration names another

    @staticmethod
    def __dask_optimize__(graph: Mapping[Hashable, Any], keys: Any, **_: Any) -> Mapping[Hashable, Any]:
        needed: Mapping[Hashable, Any] = cull(graph, keys)[0]
        return needed


def _with_other_graph(graph: Mapping[Hashable, Any], keys: Sequence[Hashable], **_: Any) -> Values:
    return Values(graph, keys)


class Vectors(NamedTuple):
    """What there is of a part beside X, as in `Data`."""

    y: np.ndarray
    sample_weight: np.ndarray
    offset: np.ndarray


class InDask(InParts):
    """X of a Dask collection that has been checked.

    Parameters
    ----------
    X : Values
        Arrays or data frames; or None for one column of zeros.
    vectors : Values
        Vectors, which the workers keep.
    counts : sequence of Count
        One for each part.
    n : int
        Columns.
    dtype
        What kernels are to take it as.
    has_offset : bool
    """

    def __init__(self, X: Values | None, vectors: Values, counts: Sequence[Count], m: int, n: int, dtype: np.dtype,
                 has_offset: bool) -> None:
        self.X, self.vectors, self.counts, self.has_offset = X, vectors, counts, has_offset
        self.shape, self.size, self.dtype = (m, n), m * n, dtype

    def rows(self, backend: ModuleType, data: Data, n_threads: int) -> "DaskRows":
        """See `InParts`; `data` has nothing to add."""
        return DaskRows(self, backend, n_threads)

    def with_vectors(self, vectors: Values) -> "InDask":
        """The same X beside others."""
        return InDask(self.X, vectors, counts_of(vectors), *self.shape, self.dtype, self.has_offset)

    def without_features(self) -> "InDask":
        """One column of zeros."""
        return InDask(None, self.vectors, self.counts, self.shape[0], 1, np.dtype(np.uint8), self.has_offset)


def counts_of(vectors: Values) -> list[Count]:
    """One for each part."""
    return vectors.map(_count).compute()


def _count(vectors: Vectors) -> Count:
    return Count.of(vectors.y, vectors.sample_weight)


class DaskRows(Parts):
    """Sums over the rows of an `InDask`.

    Parameters
    ----------
    X : InDask
    backend, n_threads
        For samples, which come to this process.
    """

    most_bytes_of_samples = Rows.most_bytes_of_samples

    def __init__(self, X: InDask, backend: ModuleType, n_threads: int) -> None:
        super().__init__(backend, n_threads, X.shape, X.shape[1] * X.dtype.itemsize, X.counts, X.has_offset)
        self._X = X

    def reduce(self, together: Callable[[Any, Any], Any], method: str, *arguments: Any) -> Any:
        """See `Parts`, as for all that follows."""
        return self._call(method, arguments).reduce(together)

    def gather(self, method: str, arguments: Mapping[int, Any]) -> list[Any]:
        each = Values.of_each(map(_Arguments, arguments.values()))
        return self._X.vectors.where(arguments).map(
            functools.partial(_call, self._backend.__name__, self._X.dtype, method),
            None if self._X.X is None else self._X.X.where(arguments), each).compute()

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Values:
        call = functools.partial(_call, self._backend.__name__, self._X.dtype, method, arguments=_Arguments(arguments))
        return self._X.vectors.map(call, self._X.X)

    def in_unit(self, exponent: int) -> "DaskRows":
        vectors = self._X.vectors.map(functools.partial(_in_unit, exponent)).persist()
        return DaskRows(self._X.with_vectors(vectors), self._backend, self._n_threads)

    def without_features(self) -> "DaskRows":
        return DaskRows(self._X.without_features(), numpy_vectorized, 1)


class _Arguments:
    """Of a method; in a class of their own, in which Dask looks for no keys and tasks."""

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values


# ---- on a worker ----------------------------------------------------------------------------------------------------

@np.errstate(all="ignore")
def _call(backend: str, dtype: np.dtype, method: str, vectors: Vectors, X: Any, arguments: _Arguments) -> Any:
    """What a method of `Rows` gives of a part."""
    A = np.zeros((vectors.y.size, 1), np.uint8) if X is None else _array(X, dtype)
    y, sample_weight, offset = map(_as_kernels_take_it, vectors)
    data = Data(arrays.real_matrix(A)[0], y, sample_weight, offset, np.array([0, 1]), None)
    kernel = imported(backend)
    values = [np.array(each) if isinstance(each, np.ndarray) else each for each in arguments.values]    # to be written to
    with backends.threads(kernel, _threads_a_task(), data.X.size) as n_threads:
        return getattr(Rows(kernel, data, n_threads), method)(*values)


def _threads_a_task() -> int | None:
    """One, as a worker runs many tasks at once; as many as there are left to it where somebody has said how many."""
    return None if "NUMBA_NUM_THREADS" in os.environ else 1


def _array(X: Any, dtype: np.dtype) -> np.ndarray:
    return X.to_numpy(dtype) if hasattr(X, "to_numpy") else np.asarray(X, dtype)


def _as_kernels_take_it(vector: np.ndarray) -> np.ndarray:
    """Aligned and read-only, which what comes from another worker may not be."""
    return frozen(np.require(vector, requirements="A").view())


def _in_unit(exponent: int, vectors: Vectors) -> Vectors:
    return vectors._replace(sample_weight=np.ldexp(vectors.sample_weight, -exponent))

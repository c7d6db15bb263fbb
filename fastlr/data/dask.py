"""The door for Dask collections: every part is checked where it lies, and nothing comes here but what can be said of it.

The workers keep the labels (a byte a row), weights and offsets (eight bytes a row each) as kernels take them.  Whether they
keep X is up to the user, who may have persisted it; otherwise every pass over the rows makes it anew.
"""

import copy
import functools
import math
import uuid
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dask.array as da
import numpy as np

from fastlr.data import arrays, frames, sparse
from fastlr.data.arrays import Data
from fastlr.data.dask_parts import InDask, Values, Vectors, counts_of

_Labels = Callable[[Any, int], tuple[np.ndarray, np.ndarray]]           # codes of y (m,), and what they stand for


def data(X: Any, y: Any, sample_weight: Any, class_weight: Any, offset: Any) -> Data:
    """See `arrays.data`."""
    parts = _first_pass(arrays.labels, X, y, sample_weight, offset)
    classes = arrays.classes_among(_concatenated([found.labels for found in parts.found]))
    arrays.refuse_one_class(classes)
    totals, of_class = parts.totals(classes), None
    if sample_weight is not None:
        arrays.refuse_no_weight(bool(totals.any()))
    if class_weight is not None:
        of_class = arrays.weights_of_classes(class_weight, totals, classes)
        totals = totals * of_class
    if sample_weight is not None or class_weight is not None:
        arrays.refuse_class_without_weight(totals, classes)
    return parts.data(classes, of_class, offset is not None)


def data_as_given(X: Any, y: Any, sample_weight: Any, offset: Any) -> Data:
    """See `arrays.data_as_given`."""
    parts = _first_pass(_zero_one, X, y, sample_weight, offset)
    classes = np.array([0, 1])
    if sample_weight is not None:
        total = float(parts.totals(classes).sum())
        arrays.refuse_no_weight(total > 0.0)
        arrays.refuse_extreme_total(total)
    return parts.data(classes, None, offset is not None)


def predicted(method: Callable[..., np.ndarray], X: Any, offset: Any) -> da.Array:
    """What a method of a Model says of each row, a part at a time; nothing is computed yet."""
    X = _in_parts(X)
    like = method(np.zeros((1, X.shape[1])), None if offset is None else np.zeros(1))[:0]
    parts = Values.of(X).map(functools.partial(_predict, method, like),
                             None if offset is None else _cut_like(X, "offset", offset))
    name = f"fastlr-predicted-{uuid.uuid4().hex}"
    others = like.shape[1:]
    blocks = {(name, i, *(0 for _ in others)): key for i, key in enumerate(parts.keys)}
    return da.Array(dict(parts.graph) | blocks, name, (tuple(_known_lengths(X)), *((n,) for n in others)), meta=like)


# ---- the first pass -------------------------------------------------------------------------------------------------

class _Found(NamedTuple):
    """What is to be known of a part."""

    rows: int
    columns: int
    dtype: Any
    names: tuple[str, ...] | None
    labels: np.ndarray                  # those that there are, one or two
    totals: np.ndarray                  # of the weights of each
    refusal: Exception | None


class _Checked(NamedTuple):
    """A part after the first pass; y is codes of the part's own labels."""

    found: _Found
    vectors: Vectors


class _Parts(NamedTuple):
    """All that have rows."""

    X: Values
    checked: Values
    found: list[_Found]

    def totals(self, classes: np.ndarray) -> np.ndarray:
        """The sums of the weights of both classes, (2,)."""
        totals = np.zeros(2)
        for found in self.found:
            np.add.at(totals, _codes(found.labels, classes), found.totals)
        return totals

    def data(self, classes: np.ndarray, of_class: np.ndarray | None, has_offset: bool) -> Data:
        """What a training is to know; the workers keep the vectors."""
        vectors = self.checked.map(functools.partial(_vectors, classes, of_class)).persist()
        m, n, names = sum(found.rows for found in self.found), self.found[0].columns, self.found[0].names
        dtype = arrays.kernel_dtype(np.result_type(*(found.dtype for found in self.found)))
        X: Any = InDask(self.X, vectors, counts_of(vectors), m, n, dtype, has_offset)
        nothing = np.empty(0)
        return Data(X, nothing, nothing, nothing, classes, names)


def _first_pass(labels: _Labels, X: Any, y: Any, sample_weight: Any, offset: Any) -> _Parts:
    """Read all rows once; errors name the part, and where it begins."""
    X = _in_parts(X)
    vectors = [None if value is None and name != "y" else _cut_like(X, name, value)
               for name, value in (("y", y), ("sample_weight", sample_weight), ("offset", offset))]
    values = Values.of(X)
    checked = values.map(functools.partial(_check_part, labels), *vectors).persist()
    found: list[_Found] = checked.map(_found).compute()
    _refuse(found)
    some = [i for i, part in enumerate(found) if part.rows > 0]
    if not some:
        arrays.refuse_shape((0, found[0].columns))
    return _Parts(values.where(some), checked.where(some), [found[i] for i in some])


def _refuse(parts: Sequence[_Found]) -> None:
    """Raise what was found first, in the order of the rows."""
    first, start = None, 0
    for i, part in enumerate(parts):
        if part.refusal is not None:
            raise type(part.refusal)(f"partition {i}, whose row 0 is row {start} of the whole: {part.refusal}")
        if part.rows == 0:
            continue
        first = part if first is None else first
        if part.names != first.names or part.columns != first.columns:
            raise ValueError(f"partition {i} has other columns than those before: {part.names or part.columns} against "
                             f"{first.names or first.columns}")
        start += part.rows


def _concatenated(labels: Sequence[np.ndarray]) -> np.ndarray:
    """All labels; beside numbers text stays text."""
    kinds = {each.dtype.kind for each in labels}
    if kinds & set("US") and len(kinds) > 1:
        labels = [each.astype(object) for each in labels]
    return np.concatenate(labels)


# ---- collections ----------------------------------------------------------------------------------------------------

def _in_parts(X: Any) -> Any:
    """X with whole rows in every part."""
    if _is_frame(X) and X.ndim == 2:
        return X
    if not isinstance(X, da.Array):
        raise TypeError(f"X is a Dask {type(X).__name__}; pass a Dask array of two dimensions, or a Dask DataFrame")
    if X.ndim != 2:
        arrays.refuse_shape(X.shape)
    if math.isnan(X.shape[1]):
        X = copy.copy(X).compute_chunk_sizes()                      # which would change the caller's
    arrays.refuse_shape((X.shape[0] if X.shape[0] == 0 else 1, X.shape[1]))
    return X.rechunk({1: -1}) if X.numblocks[1] > 1 else X


def _cut_like(X: Any, name: str, value: Any) -> Values:
    """A vector in the parts of X."""
    if not arrays.is_dask(value):
        lengths = _lengths(X)
        A = (arrays.label_array if name == "y" else functools.partial(arrays.one_dimensional, name))(value, sum(lengths))
        return Values.of_each(np.split(A, np.cumsum(lengths)[:-1]))
    if not (isinstance(value, da.Array) or _is_frame(value)):
        raise TypeError(f"{name} is a Dask {type(value).__name__}; pass a Dask array, or a Dask Series")
    known, own = _known_lengths(X), _known_lengths(value)
    if len(known) == len(own) and all(a == b or math.isnan(a) or math.isnan(b) for a, b in zip(known, own, strict=True)):
        return Values.of(value)                                     # a part that is of another length after all is refused
    lengths, own = _lengths(X), _lengths(value)
    if sum(own) != sum(lengths):
        raise ValueError(f"{name} has {sum(own)} values, and X has {sum(lengths)} rows")
    A = value.to_dask_array(lengths=own) if _is_frame(value) else copy.copy(value).compute_chunk_sizes()
    return Values.of(A.rechunk({0: tuple(lengths)}))


def _is_frame(value: Any) -> bool:
    """Whether it is a DataFrame or a Series."""
    return type(value).__module__.startswith(("dask.dataframe", "dask_expr"))


def _known_lengths(collection: Any) -> Sequence[float]:
    """Rows of each part, NaN where Dask doesn't know."""
    return [math.nan] * collection.npartitions if _is_frame(collection) else collection.chunks[0]


def _lengths(collection: Any) -> list[int]:
    lengths = _known_lengths(collection)
    if any(map(math.isnan, lengths)):
        lengths = Values.of(collection).map(len).compute()
    return list(map(int, lengths))


# ---- on a worker ----------------------------------------------------------------------------------------------------

def _predict(method: Callable[..., np.ndarray], like: np.ndarray, X: Any, offset: Any) -> np.ndarray:
    return method(X, offset) if len(X) else like


@np.errstate(all="ignore")
def _check_part(labels: _Labels, X: Any, y: Any, sample_weight: Any, offset: Any) -> _Checked:
    """Errors are handed over: only who knows all parts can say where in the whole they are."""
    m, *others = X.shape
    nothing = np.empty(0)
    found = _Found(m, others[0] if others else 1, None, None, nothing, nothing, None)
    try:
        if sparse.is_scipy(X):
            raise NotImplementedError("X is made of SciPy's sparse matrices, on which fastlr trains in memory only; "
                                      "pass X.map_blocks(lambda block: block.toarray(), dtype=X.dtype)")
        if m == 0:
            for name, vector in (("y", y), ("sample_weight", sample_weight), ("offset", offset)):
                if vector is not None:
                    arrays.one_dimensional(name, vector, 0)
            return _Checked(found, Vectors(nothing, nothing, nothing))
        frames.refuse_other_order(X=X, y=y, sample_weight=sample_weight, offset=offset)
        A, names = arrays.matrix(X)
        codes, own = labels(y, m)
        weights = arrays.weights_of_part(sample_weight, m)
        vectors = Vectors(codes, weights, arrays.vector_of_offsets(offset, m))
        totals = arrays.totals(weights, codes)[:own.size]
        return _Checked(_Found(m, A.shape[1], A.dtype, names, own, totals, None), vectors)
    except (TypeError, ValueError, NotImplementedError) as error:
        return _Checked(found._replace(refusal=error), Vectors(nothing, nothing, nothing))


def _zero_one(y: Any, m: int) -> tuple[np.ndarray, np.ndarray]:
    return arrays.zero_one(y, m), np.array([0, 1])


def _found(checked: _Checked) -> _Found:
    return checked.found


def _vectors(classes: np.ndarray, of_class: np.ndarray | None, checked: _Checked) -> Vectors:
    """With y as codes of the classes of the whole, and weights times those of the classes."""
    y, weights, offset = checked.vectors
    y = _codes(checked.found.labels, classes)[y]
    return Vectors(y, weights if of_class is None else arrays.times_class_weight(weights, of_class, y), offset)


def _codes(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """0 or 1 for each of some labels; an array of int8."""
    return (labels == classes[1:]).astype(np.int8)

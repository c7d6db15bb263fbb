"""The door for Dask collections: every part is checked where it lies, and its labels, weights and offsets are kept there."""

import copy
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from dask.delayed import Delayed

from fastlr.data import arrays, cluster, frames, labels, trials, weights
from fastlr.data.cluster import OnCluster
from fastlr.data.form import Form
from fastlr.data.trials import Vectors

_Codes = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]          # labels (m,) -> codes (m,), and what these stand for


# ---- the door -------------------------------------------------------------------------------------------------------

def data(X: Any, y: Any, sample_weight: Any, class_weight: Any, offset: Any) -> OnCluster:
    """The dataset of what `train` is given, as from `door.data`."""
    parts = _first_pass(labels.codes_of, X, y, sample_weight, offset, _are_counts(y))
    classes = labels.classes_among(_concatenated([found.labels for found in parts.found]))
    labels.refuse_one_class(classes)
    _refuse_offsets(offset, classes.size)
    totals, of_class = parts.totals(classes), None
    if sample_weight is not None:
        weights.refuse_no_weight(bool(totals.any()))
    if class_weight is not None:
        of_class = weights.of_classes(class_weight, totals, classes)
        totals = totals * of_class
    has_weights = parts.are_counts or sample_weight is not None
    if has_weights or class_weight is not None:
        weights.refuse_class_without_weight(totals, classes)
    return parts.data(classes, of_class, has_weights, offset is not None)


def data_as_given(X: Any, y: Any, sample_weight: Any, offset: Any, n_classes: int) -> OnCluster:
    """The dataset for y of 0 .. K - 1, as from `door.data_as_given`."""
    _refuse_offsets(offset, n_classes)
    classes = np.arange(n_classes)
    parts = _first_pass(lambda y: (labels.zero_one(y, y.size, n_classes), classes), X, y, sample_weight, offset)
    if sample_weight is not None:
        total = float(parts.totals(classes).sum())
        weights.refuse_no_weight(total > 0.0)
        weights.refuse_extreme_total(total)
    return parts.data(classes, None, sample_weight is not None, offset is not None)


def _are_counts(y: Any) -> bool:
    """Whether y holds counts or shares of successes; floats or objects in Dask are looked at for that, without X."""
    if trials.has_counts(y):
        return True
    if not arrays.is_dask(y):
        return trials.are_shares(arrays.as_array("y", y))
    meta = getattr(y, "_meta", None)
    kinds = "fO" if isinstance(getattr(meta, "dtype", None), np.dtype) else "f"          # pandas' text is not looked at
    if np.asarray(meta).dtype.kind not in kinds:
        return False
    return trials.are_shares(np.concatenate(cluster.computed(cluster.for_each(trials.some_labels, _parts_of(y)))))


def _refuse_offsets(offset: Any, n_classes: int) -> None:
    if offset is not None and n_classes > 2:
        raise NotImplementedError(f"X is a Dask collection, where an offset is for two classes, and y has {n_classes}; pass X "
                                  "and the offset in memory, or X as a fastlr.stream of blocks")


def predicted(method: Callable[..., np.ndarray], X: Any, offset: Any) -> da.Array:
    """Let a method of a Model predict for each part, once Dask computes it."""
    X = _in_parts(X)
    like = method(np.zeros((1, X.shape[1])), None if offset is None else np.zeros(1))[:0]
    parts = _parts_of(X)
    offsets = [None] * len(parts) if offset is None else _cut_like(X, "offset", offset)
    predicted = cluster.for_each(lambda X, offset: method(X, offset) if X.shape[0] else like, parts, offsets)
    return da.concatenate([da.from_delayed(part, (length, *like.shape[1:]), meta=like)
                           for part, length in zip(predicted, _known_lengths(X), strict=True)], allow_unknown_chunksizes=True)


# ---- the first pass -------------------------------------------------------------------------------------------------

class _Found(NamedTuple):
    """The facts about a part that the client needs."""

    form: Form                          # with the rows that are trained on
    n_examples: int                     # the rows of X
    names: tuple[str, ...] | None
    labels: np.ndarray                  # those that there are
    totals: np.ndarray                  # of the weights of each
    is_one_hot: bool                    # whether y counts one trial of each example
    refusal: Exception | None


class _Checked(NamedTuple):
    """A part after the first pass; y is codes of the part's own labels."""

    found: _Found
    vectors: Vectors


class _Parts(NamedTuple):
    """All that have rows to train on."""

    X: list[Delayed]
    checked: list[Delayed]
    found: list[_Found]
    first: list[int]                    # the first row of X in each
    n_examples: int                     # the rows of X in all, those without a trial too
    are_counts: bool                    # whether y holds counts or shares of successes

    def totals(self, classes: np.ndarray) -> np.ndarray:
        """The sums of the weights of all classes, (K,)."""
        totals = np.zeros(classes.size)
        for found in self.found:
            np.add.at(totals, labels.places(found.labels, classes), found.totals)
        return totals

    def data(self, classes: np.ndarray, of_class: np.ndarray | None, has_weights: bool, has_offset: bool) -> OnCluster:
        """The dataset; the workers keep the vectors."""
        vectors = cluster.persisted(cluster.for_each(functools.partial(_vectors, classes, of_class), self.checked))
        dtype = arrays.kernel_dtype(np.result_type(*(found.form.dtype for found in self.found)))
        form = functools.reduce(Form.above, [found.form for found in self.found])._replace(dtype=dtype)
        data = OnCluster(self.X, vectors, form, has_weights or of_class is not None, has_offset, classes, self.found[0].names)
        if self.are_counts:
            data.example_of_rows, data.n_examples = functools.partial(cluster.examples, vectors, self.first), self.n_examples
        return data


def _first_pass(codes: _Codes, X: Any, y: Any, sample_weight: Any, offset: Any, are_counts: bool = False) -> _Parts:
    """Read all rows once; errors name the part, and where it begins."""
    X = _in_parts(X)
    parts = _parts_of(X)
    given = {"y": y, "sample_weight": sample_weight, "offset": offset}
    vectors = [[None] * len(parts) if value is None and name != "y" else _cut_like(X, name, value, are_counts and name == "y")
               for name, value in given.items()]
    checked = cluster.persisted(cluster.for_each(functools.partial(_check_part, codes, are_counts), parts, *vectors))
    found: list[_Found] = cluster.computed(part.found for part in checked)
    _refuse(found)
    *first, m = np.cumsum([0, *(part.n_examples for part in found)]).tolist()
    arrays.refuse_shape((m, found[0].form.shape[1]))
    some = [i for i, part in enumerate(found) if part.form.shape[0] > 0]
    if are_counts:
        trials.refuse_one_hot(all(part.is_one_hot for part in found))
        trials.refuse_no_trial(len(some) > 0)
    return _Parts([parts[i] for i in some], [checked[i] for i in some], [found[i] for i in some], [first[i] for i in some], m,
                  are_counts)


def _refuse(parts: Sequence[_Found]) -> None:
    """Raise what was found first, in the order of the rows."""
    first, start = None, 0
    for i, part in enumerate(parts):
        if part.refusal is not None:
            raise type(part.refusal)(f"partition {i}, whose row 0 is row {start} of the whole: {part.refusal}")
        if part.n_examples == 0:
            continue
        first, columns = part if first is None else first, part.form.shape[1]
        if part.names != first.names or columns != first.form.shape[1]:
            raise ValueError(f"partition {i} has other columns than those before: {part.names or columns} against "
                             f"{first.names or first.form.shape[1]}")
        if part.form.is_sparse != first.form.is_sparse:
            here, before = ("sparse", "dense") if part.form.is_sparse else ("dense", "sparse")
            raise ValueError(f"partition {i} has another layout than those before: {here}, not {before}")
        start += part.n_examples


def _concatenated(each: Sequence[np.ndarray]) -> np.ndarray:
    """All labels; beside numbers text stays text."""
    kinds = {A.dtype.kind for A in each}
    if kinds & set("US") and len(kinds) > 1:
        each = [A.astype(object) for A in each]
    return np.concatenate(each)


# ---- collections ----------------------------------------------------------------------------------------------------

def _parts_of(collection: Any) -> list[Delayed]:
    """The blocks of an array, or the partitions of a data frame."""
    parts = collection.to_delayed()
    return parts.ravel().tolist() if isinstance(parts, np.ndarray) else list(parts)


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
    return _whole_rows(X)


def _whole_rows(A: da.Array) -> da.Array:
    """An array with whole rows in every part."""
    return A.rechunk({1: -1}) if A.ndim == 2 and A.numblocks[1] > 1 else A


def _cut_like(X: Any, name: str, value: Any, are_counts: bool = False) -> list[Any]:
    """A vector, or counts of successes and failures, in the parts of X."""
    if not arrays.is_dask(value):
        lengths = _lengths(X)
        checked = (trials.counts if are_counts else labels.label_array if name == "y" else
                   functools.partial(arrays.one_dimensional, name))
        A = checked(value, sum(lengths))
        return list(np.split(A, np.cumsum(lengths)[:-1]))
    if not (isinstance(value, da.Array) or _is_frame(value)):
        raise TypeError(f"{name} is a Dask {type(value).__name__}; pass a Dask array, or a Dask Series")
    value = value if _is_frame(value) else _whole_rows(value)
    known, own = _known_lengths(X), _known_lengths(value)
    if len(known) == len(own) and all(a == b or math.isnan(a) or math.isnan(b) for a, b in zip(known, own, strict=True)):
        return _parts_of(value)                                     # a part that is of another length after all is refused
    lengths, own = _lengths(X), _lengths(value)
    if sum(own) != sum(lengths):
        raise ValueError(f"{name} has {sum(own)} values, and X has {sum(lengths)} rows")
    A = value.to_dask_array(lengths=own) if _is_frame(value) else copy.copy(value).compute_chunk_sizes()
    return _parts_of(A.rechunk({0: tuple(lengths)}))


def _is_frame(value: Any) -> bool:
    """Whether it is a DataFrame or a Series."""
    return type(value).__module__.startswith(("dask.dataframe", "dask_expr"))


def _known_lengths(collection: Any) -> Sequence[float]:
    """Rows of each part, NaN where Dask doesn't know."""
    return [math.nan] * collection.npartitions if _is_frame(collection) else collection.chunks[0]


def _lengths(collection: Any) -> list[int]:
    lengths = _known_lengths(collection)
    if any(map(math.isnan, lengths)):
        lengths = cluster.computed(part.shape[0] for part in _parts_of(collection))
    return list(map(int, lengths))


# ---- on a worker ----------------------------------------------------------------------------------------------------

@np.errstate(all="ignore")
def _check_part(codes: _Codes, are_counts: bool, X: Any, y: Any, sample_weight: Any, offset: Any) -> _Checked:
    """Check a part, and code its labels; errors are handed over to who knows where in the whole the part is."""
    (m, *others), nothing = X.shape, np.empty(0)
    found = _Found(Form((m, others[0] if others else 1), np.dtype(np.float64)), m, None, nothing, nothing, False, None)
    try:
        if m > 0:
            frames.refuse_other_order(X=X, y=y, sample_weight=sample_weight, offset=offset)
            A, names = arrays.matrix(X)
            found = found._replace(form=Form.of(A), names=names)
        s = arrays.real_vector("sample_weight", sample_weight, m, at_least_zero=True)
        o = arrays.real_vector("offset", offset, m)
        if are_counts:
            counts = trials.counts(y, m)
            vectors, found = trials.rows_of(counts, s, o), found._replace(is_one_hot=trials.is_one_hot(counts))
        else:
            vectors = Vectors(labels.label_array(y, m), s, o)
        rows = vectors.y.size
        if rows > 0:
            own_codes, own = codes(vectors.y)
            totals = weights.totals(vectors.sample_weight, own_codes, max(2, own.size))[:own.size]
            vectors, found = vectors._replace(y=own_codes), found._replace(labels=own, totals=totals)
        return _Checked(found._replace(form=found.form._replace(shape=(rows, found.form.shape[1]))), vectors)
    except (TypeError, ValueError, NotImplementedError) as error:
        return _Checked(found._replace(refusal=error), Vectors(nothing, nothing, nothing))


def _vectors(classes: np.ndarray, of_class: np.ndarray | None, checked: _Checked) -> Vectors:
    """Code y by the classes of all parts, and multiply the weights by those of the classes."""
    vectors = checked.vectors
    y = labels.places(checked.found.labels, classes).astype(np.int8 if classes.size == 2 else np.int32)[vectors.y]
    s = vectors.sample_weight
    return vectors._replace(y=y, sample_weight=s if of_class is None else weights.times_of_class(s, of_class, y))

"""Which rows a sample has, and where they lie in data that are in parts."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.data import sparse
from fastlr.machine.arrays import read_only
from fastlr.machine.forks import imported

_CACHED_JITTER = 1 << 14        # The longest jitter, in rows, that is kept from one sample to the next.


def evenly(size: int, m: int) -> np.ndarray:
    """Rows of 0..m - 1 for a sample of a size, in order, one in each stretch of m / size: the two numbers alone say which."""
    jitter = _short_jitter()[:size] if size <= _CACHED_JITTER else _jitter(size)
    return ((np.arange(size) + jitter) * (m / size)).astype(np.intp)


def _jitter(size: int) -> np.ndarray:
    return imported("numpy.random").default_rng(0).random(size)


@functools.cache
def _short_jitter() -> np.ndarray:
    """A jitter that is kept, since making a generator takes longer than a step on a small sample; its beginnings are jitters."""
    return _jitter(_CACHED_JITTER)


def by_size(sizes: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Draw a share of the rows, each with a chance in proportion to its size, and what sizes the drawn ones then stand for.

    Sums over these rows are those over all rows, up to sampling error: a row that is drawn stands for its size over its chance.
    With a share of 1 all rows are drawn.
    """
    most = math.ceil(share * sizes.size)
    if most >= sizes.size or not sizes.any():
        return np.arange(sizes.size), sizes
    stands_for = np.maximum(sizes, sizes.sum() / most)
    rows = np.flatnonzero(np.diff(np.floor(np.cumsum(sizes / stands_for) + 0.5), prepend=0.0))
    return rows, stands_for[rows]


def by_part(samples: Sequence[np.ndarray], sizes: Sequence[int]) -> dict[int, list[np.ndarray]]:
    """The rows of samples (sorted, counted over all parts) as rows of the parts, which have such sizes.

    Returns
    -------
    dict from the number of a part to a list of rows, one for each sample; parts of which no sample has a row are left out
    """
    starts = np.cumsum([0, *sizes])
    cut = [np.split(sample, np.searchsorted(sample, starts[1:-1])) for sample in samples]
    rows = {part: [own - start for own in each] for part, (start, *each) in enumerate(zip(starts[:-1], *cut, strict=True))}
    return {part: each for part, each in rows.items() if any(map(len, each))}


def stacked(parts: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """X and vectors (X, y, sample_weight, offset) of several parts below each other, X in the order of memory that it has."""
    each_X, *each_vector = zip(*parts, strict=True)
    vectors = (read_only(np.concatenate(vector)) for vector in each_vector)
    if isinstance(each_X[0], Csr):
        return sparse.stacked(each_X), *vectors
    ordered = np.ascontiguousarray if all(X.flags.c_contiguous for X in each_X) else np.asfortranarray
    return read_only(ordered(np.concatenate(each_X))), *vectors

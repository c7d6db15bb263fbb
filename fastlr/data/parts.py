"""Data in parts: the same sums over rows, added part by part.

A part is `Rows` of its own, wherever it lies: read from a file for the moment, or on another machine.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from fastlr.backends import descent
from fastlr.backends.descent import Rule
from fastlr.data.arrays import Data
from fastlr.data.rows import Count, Rows, frozen, ordinals_of
from fastlr.machine import blas


class InParts:
    """X that does not lie in memory, as `Data` holds it: it has shape, size and dtype, and says how its parts are reached."""

    shape: tuple[int, int]
    size: int
    dtype: np.dtype

    def rows(self, backend: ModuleType, data: Data, n_threads: int) -> "Parts":
        """Itself, and what else `data` says of its rows."""
        raise NotImplementedError


class Parts:
    """What `Rows` offers, of data in parts.

    A kind of parts says how to reach them: with `reduce`, `gather`, `in_unit` and `without_features`.

    Parameters
    ----------
    backend, n_threads
        For samples, which are brought into memory.
    shape : (m, n)
    bytes_a_row : int
    counts : sequence of Count
        One for each part.
    has_offset : bool
    """

    is_sparse = False
    pairs = 0.0
    most_bytes_of_samples: int

    def __init__(self, backend: ModuleType, n_threads: int, shape: tuple[int, int], bytes_a_row: int, counts: Sequence[Count],
                 has_offset: bool) -> None:
        self._backend, self._n_threads, self._counts = backend, n_threads, counts
        self.shape, self.bytes_a_row, self.has_offset = shape, bytes_a_row, has_offset
        self.stored = shape[0] * shape[1]
        self.count = functools.reduce(Count.together, counts)

    def reduce(self, together: Callable[[Any, Any], Any], method: str, *arguments: Any) -> Any:
        """What a method of `Rows` gives of each part, put together in the order of the parts."""
        raise NotImplementedError

    def gather(self, method: str, arguments: Mapping[int, Any]) -> list[Any]:
        """What a method of `Rows` gives of some parts, by their number, with arguments for each."""
        raise NotImplementedError

    def in_unit(self, exponent: int) -> "Parts":
        """See `Rows`, as for all that follows."""
        raise NotImplementedError

    def without_features(self) -> "Rows | Parts":
        raise NotImplementedError

    def refuse_not_finite(self) -> None:
        """Nothing to do: each part has been looked through by itself."""

    def cost_gradient(self, theta: np.ndarray, grad: np.ndarray) -> float:
        loss, grad[:] = self.reduce(_added, "loss_and_gradient", theta)
        return float(loss)

    def hessian(self, theta: np.ndarray, center: np.ndarray, floor: float) -> np.ndarray:
        H: np.ndarray = self.reduce(operator.add, "hessian", theta, center, floor)
        return H

    def hessian_product(self, theta: np.ndarray) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]:
        return (lambda v: self.reduce(operator.add, "hessian_times", theta, v),
                lambda center: self.reduce(operator.add, "hessian_diagonal", theta, center))

    def moments(self, pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, second = self.reduce(_added, "moments", pivot)
        return first, second

    def first_read(self, theta: np.ndarray, pivot: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        loss, grad, first, second = self.reduce(_added, "first_read", theta, pivot)
        return float(loss), grad, first, second

    def descend(self, theta: np.ndarray, previous: np.ndarray, rule: Rule, record: np.ndarray) -> tuple[int, int]:
        return descent.descend(self.cost_gradient, (), theta, previous, rule, record)

    def over_rows(self, together: Callable[[Any, Any], Any], function: Callable[..., Any], *arguments: Any) -> Any:
        return self.reduce(together, "of_part", function, *arguments)

    def largest_eigenvalue(self, fit_intercept: bool) -> float:
        squares = self.reduce(operator.add, "squares", fit_intercept)
        return blas.largest_eigenvalue(squares) if np.ndim(squares) else float(squares)

    def heaviest(self) -> np.ndarray:
        part = int(np.argmax([count.heaviest for count in self._counts]))
        row: np.ndarray
        row, = self.gather("heaviest", {part: ()})
        return row

    def samples(self, sizes: Sequence[int]) -> Iterator[Rows]:
        """All of them in one pass."""
        if not sizes:
            return
        ends = np.cumsum([count.rows for count in self._counts])
        starts = ends - [count.rows for count in self._counts]
        ordinals = [ordinals_of(size, self.count.rows) for size in sizes]
        of_part = {part: [some[(start <= some) & (some < end)] - start for some in ordinals]
                   for part, (start, end) in enumerate(zip(starts, ends, strict=True))}
        found = self.gather("take_each", {part: (each,) for part, each in of_part.items() if any(map(len, each))})
        for sample in zip(*found, strict=True):
            yield Rows(self._backend, _stacked(sample), self._n_threads)


def _added(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(map(operator.add, a, b))


def _stacked(parts: Sequence[Data]) -> Data:
    """Rows below each other, in the order of memory that they have."""
    def below(name: str) -> np.ndarray:
        return frozen(np.concatenate([getattr(part, name) for part in parts]))

    first = parts[0].X
    assert isinstance(first, np.ndarray)
    X = frozen(np.require(below("X"), requirements="C" if first.flags.c_contiguous else "F"))
    return parts[0]._replace(X=X, y=below("y"), sample_weight=below("sample_weight"), offset=below("offset"))

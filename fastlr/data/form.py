"""The shape of an X, and what it takes in memory, wherever it lies: in memory, in blocks, or on a cluster."""

import operator
from typing import NamedTuple, Self

import numpy as np

from fastlr.backends.csr import Csr


class Stored(NamedTuple):
    """What some sparse rows store."""

    size: int                   # numbers
    nbytes: int                 # bytes of the numbers and their columns
    pairs: float                # pairs of numbers in one row, over all rows: products in a Hessian


class Form(NamedTuple):
    """The shape of X, its dtype as kernels take it, and what it stores if it is sparse."""

    shape: tuple[int, int]
    dtype: np.dtype
    stored: Stored | None = None                # None for dense X

    @classmethod
    def of(cls, X: np.ndarray | Csr) -> Self:
        """The form of rows in memory."""
        m, n = X.shape
        if not isinstance(X, Csr):
            return cls((m, n), X.dtype)
        return cls((m, n), X.dtype, Stored(X.size, X.size * (X.values.itemsize + X.indices.itemsize), 0.5 * X.squares()))

    def above(self, other: Self) -> Self:
        """The form of these rows and others below them, in the same layout."""
        stored = self.stored and other.stored and Stored(*map(operator.add, self.stored, other.stored))
        return self._replace(shape=(self.shape[0] + other.shape[0], self.shape[1]), stored=stored)

    @property
    def is_sparse(self) -> bool:
        """Whether zeros are not stored."""
        return self.stored is not None

    @property
    def size(self) -> int:
        """The numbers in X; of a sparse X, those that are stored."""
        return self.shape[0] * self.shape[1] if self.stored is None else self.stored.size

    @property
    def pairs(self) -> float:
        """The pairs of numbers in one row of a sparse X, over all rows."""
        return 0.0 if self.stored is None else self.stored.pairs

    @property
    def itemsize(self) -> int:
        """The bytes of one number."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes that X takes in memory."""
        return self.size * self.itemsize if self.stored is None else self.stored.nbytes

    @property
    def bytes_a_row(self) -> int:
        """The bytes that a row of X takes in memory, on average."""
        m, n = self.shape
        return n * self.itemsize if self.stored is None else max(1, self.stored.nbytes // max(1, m))

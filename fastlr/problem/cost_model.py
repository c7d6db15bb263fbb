"""What a step and a Hessian cost, and the largest X that is small and the largest Hessian that is in proportion to X.

Nanoseconds are those of the fused kernels, as measured on two cores.  They depend on the shape of X alone, so that all backends
take the same steps.
"""

import bisect
import math
from typing import NamedTuple, Self

from fastlr.data.dataset import Dataset
from fastlr.machine.limits import BYTES_A_CALL, PRODUCTS_A_CALL

SMALL = 400_000                 # A small X has so many numbers: beyond, Python's share of a step is less than what threads save.
_SMALL_OF_CLASSES = 1_500_000   # The same for K classes, whose numbers take half as long, and more of Python.
PASS_OVER_FEW_ROWS = 2.5e5      # Nanoseconds of a pass over a sample of few rows, most of which Python takes.
_SMALL_HESSIAN = 1 << 24        # The Hessian of a small X takes so many multiplications.
_AN_EXAMPLE = 10                # The loss of an example costs as much as so many numbers of X.
MOST_SIDE = 10_000              # More features have no room for a Hessian.
MOST_SPARSE_SIDE = 3000         # More features of a sparse X have none.
MOST_WHOLE = 400                # More parameters of K classes are given the second derivatives of each class alone.
ROWS_DRAWN = 4                  # The second derivatives of a class are estimated from so many rows a feature, and at least
FEWEST_DRAWN = 2000             # from so many.
MOST_BY_COLUMNS = 1 << 22       # X is not copied by columns where it has more numbers.
NUMBERS_A_CALL = BYTES_A_CALL // 8          # Coordinate descent in one call reads so many numbers of float64.
_MULTIPLICATIONS_A_CALL = PRODUCTS_A_CALL // 16     # On one thread, and where they don't go in tiles.
DEAR = 2e8                      # An update with l1 of so many multiplications takes about as long as reading a wide X.
_CHEAP = 1e7                    # An update with l1 of so many multiplications takes no longer than what Python does around it.
_MOST_AT_ONCE = 1 << 18         # More numbers in X take longer than what Python does around working sets.
MOST_CERTIFIED = 2000           # More parameters of K classes have no room for all second derivatives, not even for a proof.


class CostModel(NamedTuple):
    """The costs of one data set."""

    rows: int
    columns: int
    size: int                   # numbers in X
    pairs: float                # of numbers in one row of a sparse X, in sum over all rows
    is_sparse: bool
    n_margins: int = 1          # of a row: 1 for two classes

    @classmethod
    def of(cls, data: Dataset, n_margins: int = 1) -> Self:
        """The costs of a data set, with so many margins a row."""
        return cls(*data.shape, data.size, data.pairs, data.is_sparse, n_margins)

    @property
    def is_small(self) -> bool:
        """Whether many updates in one compiled call, Hessians among them, are faster than going step by step."""
        m, n, K = self.rows, self.columns, self.n_margins
        products = max(_grams(K) * (self.pairs if self.is_sparse else m * n * n), (K * n) ** 3)
        return self.is_whole and self._numbers <= SMALL and products <= _SMALL_HESSIAN

    @property
    def is_driven(self) -> bool:
        """Whether steps in compiled code, on one thread, are faster than steps in Python, which has threads."""
        return self.is_small or (self.n_margins > 1 and self._numbers <= _SMALL_OF_CLASSES)

    @property
    def _numbers(self) -> float:
        """The numbers of X that cost as much as J and its gradient."""
        return self.n_margins * (self.size + _AN_EXAMPLE * self.rows)

    @property
    def is_whole(self) -> bool:
        """Whether steps are made by all second derivatives, and not by those of each class alone."""
        return (self.n_margins - 1) * self.columns <= MOST_WHOLE

    @property
    def has_room_for_hessian(self) -> bool:
        """Whether n^2 numbers, and n^3 multiplications, are in proportion to X."""
        most = MOST_SPARSE_SIDE if self.is_sparse else MOST_SIDE
        return self.n_margins * self.columns ** 2 <= most ** 2

    @property
    def step(self) -> float:
        """Nanoseconds of J and its gradient."""
        m, n, more = self.rows, self.columns, self.n_margins - 1
        if self.is_sparse:
            return 2.5e4 + self.size + more * (self.size + 3.0 * m)
        return 2.5e4 + 0.2 * m * n + more * m * (0.16 * n + 3.0)

    def hessian(self, share: float = 1.0) -> float:
        """Nanoseconds of a Hessian of a share of the rows, with its inverse; infinity where there is no room for one."""
        if not self.has_room_for_hessian:
            return math.inf
        if self.is_whole:
            return self._hessian(share, self.n_margins)
        return self.n_margins * self._hessian(min(share, self.share_drawn), 1)

    @property
    def share_drawn(self) -> float:
        """The share of the rows from which the second derivatives of each class alone are estimated."""
        return min(1.0, max(FEWEST_DRAWN, ROWS_DRAWN * self.columns) / self.rows)

    def whole_hessian(self, share: float = 1.0) -> float:
        """Nanoseconds of all second derivatives of a share of the rows, with the inverse; infinity where there is no room."""
        if not self.has_room_for_hessian or (self.n_margins - 1) * self.columns > MOST_CERTIFIED:
            return math.inf
        return self._hessian(share, self.n_margins)

    def _hessian(self, share: float, K: int) -> float:
        """Nanoseconds of a Hessian by K rows of parameters, from Grams or, where they are many, by one product of BLAS."""
        m, n, side = self.rows, self.columns, K * self.columns
        by_grams = _grams(K) * (self.pairs if self.is_sparse else m * n * (0.4 + 0.01 * n))
        by_blas = math.inf if self.is_sparse else m * side * (0.8 + 0.01 * side)
        return share * min(by_grams, by_blas) + 5e4 + 2.0 * side ** 2 + 0.05 * side ** 3

    @property
    def room(self) -> int:
        """The columns of a model with l1 whose second derivatives compiled code makes in time for Ctrl-C; 0 if X is sparse."""
        if self.is_sparse:
            return 0
        return bisect.bisect(range(1, self.columns + 1), _MULTIPLICATIONS_A_CALL, key=lambda p: int(self._update(p)))

    @property
    def are_columns_few(self) -> bool:
        """Whether reading all columns for each update with l1 takes no longer than what Python does around working sets."""
        return not self.is_sparse and self.size <= _MOST_AT_ONCE

    @property
    def column(self) -> float:
        """Numbers in a column of X, on average."""
        return self.size / self.columns

    def is_cheap(self, p: int) -> bool:
        """Whether an update with l1 of so many dense columns takes no longer than what Python does around it."""
        return not self.is_sparse and self._update(p) <= _CHEAP

    def is_dear(self, p: int) -> bool:
        """Whether an update with l1 of so many of the columns may take longer than reading a wide X."""
        return self._update(p) > DEAR

    def _update(self, p: int) -> float:
        """Multiplications of the second derivatives by so many of the columns, and of their factors for several sets of signs."""
        return p * p * (self.column + 8.0 * p)

    @property
    def numbers_read(self) -> float:
        """The numbers in columns of X that coordinate descent reads in the time that second derivatives, and their use, take; at
        most those of one call.
        """
        p = self.columns
        if self.is_sparse:
            return min(1.7 * (2.0 * self.pairs + 0.4 * p ** 3 + 100.0 * self.rows + 1e6), NUMBERS_A_CALL)
        return min(0.1 * p * self.size, NUMBERS_A_CALL)

    @property
    def steps_a_hessian(self) -> float:
        """The steps that take as long as a Hessian."""
        if not self.is_small:
            return self.hessian() / self.step
        m, n, K = self.rows, self.columns, self.n_margins     # on one thread, and without Python's share
        if self.is_sparse:
            step, rows = 10.0 * m + 2.5 * self.size, 5.0 * self.size + self.pairs
        else:
            step, rows = m * (5.0 + 0.4 * n), m * n * (0.9 + 0.03 * n)
        return (5e3 + 10.0 * m + _grams(K) * rows + 6.0 * (K * n) ** 2 + 0.07 * (K * n) ** 3) / (2e3 + K * step)


def _grams(K: int) -> float:
    """The Grams of X that all second derivatives by K rows of parameters are made of: one for each pair of classes."""
    return max(1.0, 0.5 * K * (K - 1))

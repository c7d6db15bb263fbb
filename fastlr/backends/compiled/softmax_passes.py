"""What Python does around the kernel of K classes: tables in whole tiles, ranges, scratch memory and threads."""

from collections.abc import Callable

import numpy as np

from fastlr.backends import numpy_passes
from fastlr.backends.compiled import chunks, pool
from fastlr.backends.compiled.chunks import SPACE_ROWS
from fastlr.backends.compiled.header import GRADIENT, MARGINS, PROBABILITIES, PRODUCT
from fastlr.backends.compiled.passes import ELEMENTS_A_THREAD, Rows
from fastlr.backends.csr import Csr
from fastlr.backends.ranges import pieces, shorter_pieces
from fastlr.machine.arrays import zeros_at_a_cache_line
from fastlr.machine.limits import PRODUCTS_A_CALL

# Columns of X in C order from which on a block is copied as it is: dots of shorter rows take longer than of those of a panel.
_LONG_ROWS = 96
# Numbers in the copy of a block, which stays in the L2 cache: a quarter of a megabyte of float64.
_COPIED = 1 << 15
# Rows of a block at most, a multiple of 8; not 128, where the rows of a panel would share cache sets.
_MOST_ROWS = 136
# Numbers in the gradients of all chunks, unless there are more in four.
_PARTIAL = 1 << 22
_NO_TABLE, _NO_OFFSET = np.empty((0, 0)), np.empty(0)


class _Pass:
    """The kernel `softmax` over all rows.

    Parameters
    ----------
    rows : Rows
    result : int
        What the kernel is to make.
    P : (K, m) or (0, 0) float64
        Probabilities that it takes, or what it is to fill.
    classes : int
        The number K of classes.
    """

    def __init__(self, rows: Rows, result: int, P: np.ndarray, classes: int) -> None:
        X = rows.X
        m, n = X.shape
        block = min(_MOST_ROWS, _multiple(m, 8))
        self._is_sparse = isinstance(X, Csr)
        if isinstance(X, Csr):
            padded = _multiple(classes, 4)
            w = n, padded
            copy = 1, padded
        else:
            padded, width = _multiple(classes, 3), _odd_multiple_of_4(n)
            block = min(block, max(8, _COPIED // width // 8 * 8))
            w = padded, width
            copy = (block, width) if X.flags.c_contiguous and n >= _LONG_ROWS else (width, block)

        a_row = 2 * classes * (X.size // m + 1)
        most_chunks = max(4, _PARTIAL // (w[0] * w[1]))
        ranges = [chunks.ranges(start, stop, min(chunks.gradient_chunks(X, stop - start, block), most_chunks), block)
                  for first, last in pieces(X) for start, stop in shorter_pieces(first, last, PRODUCTS_A_CALL // a_row)]
        longest = max(some.size for some in ranges) - 1
        self._n_threads = min(rows.allowed_threads, max(1, m * a_row // (2 * ELEMENTS_A_THREAD)))

        self._w, self._b, self._center = zeros_at_a_cache_line(*w), np.empty(classes), np.zeros(n)
        self._sums, self._totals = zeros_at_a_cache_line(longest, *w), np.empty((longest, classes + 1))
        scratch = zeros_at_a_cache_line(self._n_threads * (SPACE_ROWS + padded), block)
        copies = zeros_at_a_cache_line(self._n_threads * copy[0], copy[1])
        before = X, rows.y, rows.sample_weight, rows.offset.reshape(-1, classes), P, self._w, self._b, self._center
        after = self._sums.reshape(-1, w[1]), self._totals, scratch, copies, self._n_threads, result
        self._calls = [(some.size - 1, rows.bind("softmax", *before, some, *after)) for some in ranges]

    def __call__(self, Theta: np.ndarray, Grad: np.ndarray) -> float:
        """Overwrite Grad (K, n + 1) with the kernel's sums, and return the last of its totals."""
        self._own(self._w)[:], self._b[:] = Theta[:, :-1], Theta[:, -1]
        Grad[:], last = 0.0, 0.0
        for count, call in self._calls:
            pool.run(call, count, self._n_threads)
            totals = np.add.reduce(self._totals[:count])
            Grad[:, :-1] += self._own(np.add.reduce(self._sums[:count]))
            Grad[:, -1] += totals[:-1]
            last += float(totals[-1])
        return last

    def _own(self, table: np.ndarray) -> np.ndarray:
        """The part (K, n) of a table in the shape of w, which has whole tiles."""
        n = self._center.size
        return table.T[:self._b.size] if self._is_sparse else table[:self._b.size, :n]


def _multiple(number: int, of: int) -> int:
    return (number + of - 1) // of * of


def _odd_multiple_of_4(n: int) -> int:
    """The length of rows that don't share cache sets."""
    return (n + 3) // 8 * 8 + 4


# ---- the passes of a backend, see `fastlr.backends` -----------------------------------------------------------------

def softmax_cost_gradient(rows: Rows, Theta: np.ndarray, Grad: np.ndarray) -> float:
    """Sum the losses of K classes and their gradients."""
    if len(Theta) not in rows.of_classes:
        rows.of_classes[len(Theta)] = _Pass(rows, GRADIENT, _NO_TABLE, len(Theta))
    return rows.of_classes[len(Theta)](Theta, Grad)


def softmax_hessian_product(rows: Rows, Theta: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Make a function of V: the second derivatives times V.

    The probabilities are kept, unless there are so many that NumPy makes them anew for each product.
    """
    if rows.X.shape[0] * len(Theta) > numpy_passes.MOST_KEPT:
        return numpy_passes.softmax_hessian_product(rows.X, rows.y, rows.sample_weight, rows.offset, Theta)
    P, _ = _predicted(rows, Theta, PROBABILITIES)
    times = _Pass(rows.replace(offset=_NO_OFFSET), PRODUCT, P, len(Theta))

    def product(V: np.ndarray) -> np.ndarray:
        HV = np.empty(V.shape)
        times(V, HV)
        return HV

    return product


def softmax_probabilities(rows: Rows, Theta: np.ndarray) -> np.ndarray:
    """The probabilities p_ik of every row, (m, K)."""
    return _predicted(rows, Theta, PROBABILITIES)[0].T


def softmax_predict(rows: Rows, Theta: np.ndarray, as_probabilities: bool) -> tuple[np.ndarray, bool]:
    """Predict for all rows, see `softmax_predict` of `numpy_vectorized`."""
    P, is_finite = _predicted(rows, Theta, PROBABILITIES if as_probabilities else MARGINS)
    return np.ascontiguousarray(P.T), is_finite


def _predicted(rows: Rows, Theta: np.ndarray, result: int) -> tuple[np.ndarray, bool]:
    """Margins or probabilities (K, m), and whether all margins are finite."""
    P = np.empty((len(Theta), rows.X.shape[0]))
    nothing = _Pass(rows, result, P, len(Theta))(Theta, np.empty(Theta.shape))
    return P, nothing == 0.0

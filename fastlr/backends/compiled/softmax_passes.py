"""What Python does around the kernel of K classes: tables in whole tiles, ranges, scratch memory and threads."""

from collections.abc import Callable

import numpy as np

from fastlr.backends import numpy_passes, softmax
from fastlr.backends.compiled import chunks, pool
from fastlr.backends.compiled.chunks import SPACE_ROWS, Matrix
from fastlr.backends.compiled.header import GRADIENT, MARGINS, PROBABILITIES, PRODUCT, Bound
from fastlr.backends.compiled.passes import ELEMENTS_A_THREAD, Hessian, Rows
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
# Nanoseconds until the kernels of probabilities and of Grams are bound.
_TO_BIND = 4e5
_NO_TABLE, _NO_OFFSET, _NO_LABELS = np.empty((0, 0)), np.empty(0), np.empty(0, np.int8)


class Pass:
    """The kernel `softmax` over all rows, for a result of so many classes; P has probabilities that it takes or fills."""

    w: np.ndarray               # what the kernel takes: the parameters, in whole tiles, and
    b: np.ndarray               # (K,) the intercepts
    sums: np.ndarray            # what it makes for each chunk: sums as large as w, and
    totals: np.ndarray          # (chunks, K + 1)

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
            padded, width = _multiple(classes, 3), (n + 3) // 8 * 8 + 4     # rows of odd multiples of 4 share no cache sets
            block = min(block, max(8, _COPIED // width // 8 * 8))
            w = padded, width
            copy = (block, width) if X.flags.c_contiguous and n >= _LONG_ROWS else (width, block)

        a_row = 2 * classes * (X.size // m + 1)
        most_chunks = max(4, _PARTIAL // (w[0] * w[1]))
        self._ranges = [chunks.ranges(start, stop, min(chunks.gradient_chunks(X, stop - start, block), most_chunks), block)
                        for first, last in pieces(X) for start, stop in shorter_pieces(first, last, PRODUCTS_A_CALL // a_row)]
        longest = max(some.size for some in self._ranges) - 1
        self._n_threads = min(rows.allowed_threads, max(1, m * a_row // (2 * ELEMENTS_A_THREAD)))

        self.w, self.b, self._center = zeros_at_a_cache_line(*w), np.empty(classes), np.zeros(n)
        self.sums, self.totals = zeros_at_a_cache_line(longest, *w), np.empty((longest, classes + 1))
        self._rows, self._scratch = rows, zeros_at_a_cache_line(self._n_threads * (SPACE_ROWS + padded), block)
        self._copies = zeros_at_a_cache_line(self._n_threads * copy[0], copy[1])
        self._calls = self._bound(result, P)

    def fill(self, result: int, P: np.ndarray, Theta: np.ndarray) -> bool:
        """Fill P with margins or probabilities, as the result says, and return whether all margins are finite."""
        return self._run(self._bound(result, P), Theta, np.empty(Theta.shape)) == 0.0

    def _bound(self, result: int, P: np.ndarray) -> list[tuple[Bound, int]]:
        rows, sums = self._rows, self.sums.reshape(-1, self.w.shape[1])
        before = rows.X, rows.y, rows.sample_weight, rows.offset.reshape(-1, self.b.size), P, self.w, self.b, self._center
        return [(rows.bind("softmax", *before, some, sums, self.totals, self._scratch, self._copies, self._n_threads, result),
                 some.size - 1) for some in self._ranges]

    def driven(self, result: int, P: np.ndarray) -> tuple[Bound, int]:
        """What a driver calls for a result at the same w and b, on one thread, for all chunks of X, which is one range."""
        only, = self._bound(result, P)
        return only

    @property
    def strides(self) -> tuple[int, int]:
        """The steps from one number to another in w by class and by feature."""
        return (1, self.w.shape[1]) if self._is_sparse else (self.w.shape[1], 1)

    def __call__(self, Theta: np.ndarray, Grad: np.ndarray) -> float:
        """Overwrite Grad (K, n + 1) with the kernel's sums, and return the last of its totals."""
        return self._run(self._calls, Theta, Grad)

    def _run(self, calls: list[tuple[Bound, int]], Theta: np.ndarray, Grad: np.ndarray) -> float:
        self._own(self.w)[:], self.b[:] = Theta[:, :-1], Theta[:, -1]
        Grad[:], last = 0.0, 0.0
        for call, count in calls:
            pool.run(call, count, self._n_threads)
            totals = np.add.reduce(self.totals[:count])
            Grad[:, :-1] += self._own(np.add.reduce(self.sums[:count]))
            Grad[:, -1] += totals[:-1]
            last += float(totals[-1])
        return last

    def _own(self, table: np.ndarray) -> np.ndarray:
        """The part (K, n) of a table in the shape of w, which has whole tiles."""
        n = self._center.size
        return table.T[:self.b.size] if self._is_sparse else table[:self.b.size, :n]


def _multiple(number: int, of: int) -> int:
    return (number + of - 1) // of * of


# ---- the passes of a backend, see `fastlr.backends` -----------------------------------------------------------------

def softmax_cost_gradient(rows: Rows, Theta: np.ndarray, Grad: np.ndarray) -> float:
    """Sum the losses of K classes and their gradients."""
    return gradient_of(rows, len(Theta))(Theta, Grad)


def gradient_of(rows: Rows, classes: int) -> Pass:
    """The kernel of the cost and the gradient, bound once for the many calls of a training."""
    if rows.of_classes is None or rows.of_classes.b.size != classes:
        rows.of_classes = Pass(rows, GRADIENT, _NO_TABLE, classes)
    return rows.of_classes


def gram_of(rows: Rows, weights: np.ndarray, center: np.ndarray) -> Hessian:
    """A quarter of the Gram of X - center with weights (m,), which may change.

    It is the Hessian of two classes where all margins are 0, and all curvatures 1/4.
    """
    weighed = rows.replace(y=_NO_LABELS, sample_weight=weights, offset=_NO_OFFSET)
    weighed.theta[:] = 0.0
    gram = Hessian(weighed)
    gram.center[:] = center
    return gram


def softmax_hessian(rows: Rows, Theta: np.ndarray, center: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """Sum all second derivatives, or less where there is a floor, see `softmax.leave_out`.

    The block of classes k and l is minus the Gram of X with the weights s p_k p_l.  The blocks of a class add up to 0.
    """
    if not _grams_pay(rows.X, len(Theta)):
        return numpy_passes.softmax_hessian(rows.X, rows.y, rows.sample_weight, rows.offset, Theta, center, floor)
    (K, side), (P, _) = Theta.shape, _predicted(rows, Theta, PROBABILITIES)
    if floor > 0.0:
        softmax.leave_out(P.T, rows.sample_weight, floor)
    H, weights = np.zeros((K, side, K, side)), np.empty(rows.X.shape[0])
    gram = gram_of(rows, weights, center)
    for k in range(K):
        for l in range(k):
            np.multiply(4.0 * P[k], P[l], out=weights)
            if rows.sample_weight.size:
                weights *= rows.sample_weight
            _, G = gram()
            H[k, :, k] += G
            H[l, :, l] += G
            H[k, :, l] = H[l, :, k] = -G
    return H.reshape(K * side, -1)


def _grams_pay(X: Matrix, K: int) -> bool:
    """Whether a Gram for each pair of classes takes less time than BLAS does for all at once, which takes dense rows."""
    m, n = X.shape
    nanoseconds = _TO_BIND + 0.5 * K * (K - 1) * m * n * (0.4 + 0.01 * n)
    return isinstance(X, Csr) or nanoseconds < m * K * n * (0.8 + 0.01 * K * n)


def softmax_hessian_product(rows: Rows, Theta: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Make a function of V: the second derivatives times V.

    The probabilities are kept, unless there are so many that NumPy makes them anew for each product.
    """
    if rows.X.shape[0] * len(Theta) > numpy_passes.MOST_KEPT:
        return numpy_passes.softmax_hessian_product(rows.X, rows.y, rows.sample_weight, rows.offset, Theta)
    P, _ = _predicted(rows, Theta, PROBABILITIES)
    times = Pass(rows.replace(offset=_NO_OFFSET), PRODUCT, P, len(Theta))

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
    return P, gradient_of(rows, len(Theta)).fill(result, P, Theta)

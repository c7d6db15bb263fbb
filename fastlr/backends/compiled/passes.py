"""What Python does around a kernel: ranges, scratch memory, threads, and sums added in order.

A pass over X in memory of ordinary size is one range of rows; a longer one is several, so that Ctrl-C is answered in between.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlr.backends import descent
from fastlr.backends.compiled import chunks, pool
from fastlr.backends.compiled.chunks import Matrix
from fastlr.backends.compiled.header import CURVATURE, Bound, Kind, calls, kind_for
from fastlr.backends.csr import Csr, numbers_of, with_zeros
from fastlr.backends.numpy_passes import sums_by_group
from fastlr.backends.penalized_newton import Goal
from fastlr.backends.ranges import pieces, shorter_pieces
from fastlr.machine.limits import PRODUCTS_A_CALL

_TILES = 3 * 1024               # numbers in three tiles of `moments`
_MOST_CHUNKS = 32               # of rows, each with a Hessian of its own
_PARTIAL = 1 << 23              # numbers in the Hessians of all chunks, unless there are more in four
# Numbers in X, and multiplications in a Hessian, that keep a thread busy for as long as it takes to wake it, 10 microseconds.
ELEMENTS_A_THREAD = 50_000
PRODUCTS_A_THREAD = 400_000
_NO_TABLE = np.empty((0, 0))

Functions = Callable[[str, Kind], Callable[..., Bound]]
"""The compiled function of a kernel for a kind of X: called with what the kernel is bound to, it returns what does the work, or
what is called like that where a user inspects the kernels."""


class Rows:
    """X, y, weights and offset as the kernels take them, and the threads that may work on them."""

    def __init__(self, functions: Functions, X: Matrix, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray,
                 n_threads: int) -> None:
        self.X, self.y, self.sample_weight, self.offset = X, y, sample_weight, offset
        self._functions = functions
        self.allowed_threads = n_threads
        self.n_threads = min(n_threads, max(1, X.size // ELEMENTS_A_THREAD))
        self._gradient: _Sum | None = None
        self._hessian: Hessian | None = None
        self.penalized_newton: _PenalizedNewton | None = None      # that of the columns that were minimized by last
        self.theta = np.empty(X.shape[1] + 1)       # where the kernels of both find the parameters
        self.of_classes: Any = None                 # the gradient of K classes, see `softmax_passes.gradient_of`

    def bind(self, kernel: str, *arrays: Any) -> Bound:
        """A kernel that is only told its chunks from here on."""
        return self._functions(kernel, kind_for(kernel, self.X))(*arrays)

    def replace(self, **changes: Any) -> "Rows":
        """These rows with another X, y, sample_weight or offset."""
        given = {"X": self.X, "y": self.y, "sample_weight": self.sample_weight, "offset": self.offset} | changes
        return Rows(self._functions, **given, n_threads=self.allowed_threads)

    @property
    def ranges(self) -> tuple[list[np.ndarray], int]:
        """The chunks of each piece of X in which gradients are added up, and the rows of the longest block."""
        return _ranges(self.X, chunks.block_rows, chunks.gradient_chunks)

    @property
    def gradient(self) -> "_Sum":
        """The kernel of [dw, db, loss] at theta, bound once for the many calls of a training."""
        if self._gradient is None:
            ranges, block = self.ranges
            before = self.X, self.y, self.sample_weight, self.offset, self.theta
            self._gradient = _Sum(self, "cost_gradient", before, ranges, self.theta.size + 1, 2 * block)
        return self._gradient

    @property
    def hessian(self) -> "Hessian":
        """The kernel of the second derivatives, kept where it takes no more memory than X."""
        if self._hessian is not None:
            return self._hessian
        hessian = Hessian(self)
        if hessian.size <= self.X.size:
            self._hessian = hessian
        return hessian


class _Sum:
    """One kernel over all rows: its sums over chunks, so many numbers wide, added in order.

    The kernel's arguments are those before `ranges`, arrays (chunks + 1,), the sums, so much scratch memory a thread, and those
    after it.
    """

    def __init__(self, rows: Rows, kernel: str, before: tuple[Any, ...], ranges: list[np.ndarray], width: int, scratch: int,
                 *after: Any) -> None:
        self.ranges, self._n_threads = ranges, rows.n_threads
        self.sums = np.empty((max(some.size for some in ranges) - 1, width))
        self.scratch = np.empty((rows.n_threads, scratch))
        self._calls = [(some.size - 1, rows.bind(kernel, *before, some, self.sums[:some.size - 1], self.scratch, *after))
                       for some in ranges]

    @property
    def driven(self) -> tuple[Bound, int]:
        """What a driver calls, on one thread, for all chunks of X, which is one range."""
        (chunks, bound), = self._calls
        return bound, chunks

    def of_chunks(self, i: int = 0) -> np.ndarray:
        """The sums over each chunk of range i."""
        count, call = self._calls[i]
        pool.run(call, count, self._n_threads)
        return self.sums[:count]

    def __call__(self) -> np.ndarray:
        total: np.ndarray = np.add.reduce(self.of_chunks())
        for i in range(1, len(self._calls)):
            total += np.add.reduce(self.of_chunks(i))
        return total


def _ranges(X: Matrix, block_rows: Callable[[Matrix, int], int],
            number_of_chunks: Callable[[Matrix, int, int], int]) -> tuple[list[np.ndarray], int]:
    """The chunks of each piece of X, and the rows of the longest block."""
    found, longest = [], 0
    for first, last in pieces(X):
        block = block_rows(X, last - first)
        found.append(chunks.ranges(first, last, number_of_chunks(X, last - first, block), block))
        longest = max(longest, block)
    return found, longest


class Hessian:
    """The kernel `hessian` over all rows, at the rows' theta: second derivatives, or squared scores of a power."""

    center: np.ndarray          # (n,) what is taken from each row of X, and
    floor: np.ndarray           # (1,) the least weight of a row that counts
    H: np.ndarray               # (n + 1, n + 1) the sum over one range of rows
    size: int                   # numbers in scratch memory

    def __init__(self, rows: Rows, power: int = CURVATURE, V: np.ndarray = _NO_TABLE) -> None:
        X, n = rows.X, rows.X.shape[1]
        side, a_row, ranges = chunks.side_of(n), products(X), _pieces_of_products(X)
        longest = max(last - first for first, last in ranges)
        most = min(max(4, _PARTIAL // side ** 2), 1 + longest * a_row // (4 * side ** 2))    # no more to add up than to compute
        self._chunks = min((longest + chunks.PANEL_ROWS - 1) // chunks.PANEL_ROWS, most, _MOST_CHUNKS)
        self._n_threads = min(rows.allowed_threads, self._chunks, max(1, longest * a_row // (2 * PRODUCTS_A_THREAD)))
        sums, self._losses = np.empty((self._chunks * side, side)), np.empty(self._chunks)
        scratch = np.empty((self._n_threads * (side + chunks.BESIDE_PANEL), chunks.PANEL_ROWS))
        self.H, self.size = np.empty((n + 1, n + 1)), sums.size + scratch.size
        self.center, self.floor = np.empty(n), np.zeros(1)
        self._finish = rows.bind("finish_hessian", X, self.center, sums, self.H)
        before = X, rows.y, rows.sample_weight, rows.offset, rows.theta, self.center, self.floor, power, V, self._losses
        self._calls = [rows.bind("hessian", *before, chunks.ranges(*some, self._chunks, chunks.PANEL_ROWS), sums, scratch)
                       for some in ranges]

    @property
    def driven(self) -> tuple[tuple[Bound, int], tuple[Bound, int]]:
        """What a driver calls, on one thread, for all rows of X, which is one range; then H is there."""
        call, = self._calls
        return (call, self._chunks), (self._finish, 1)

    def __call__(self) -> tuple[float, np.ndarray]:
        """The sum of losses, or 0 for second derivatives, and that over rows."""
        loss, total = 0.0, np.zeros(self.H.shape)
        for call in self._calls:
            pool.run(call, self._chunks, self._n_threads)
            self._finish()
            loss += float(self._losses.sum())
            total += self.H
        return loss, total


class _PenalizedNewton:
    """The kernel `penalized_newton` with its memory, bound once for the many penalties of some columns."""

    def __init__(self, rows: Rows, columns: Matrix, room: int, updates: int) -> None:
        (p, m), side = columns.shape, chunks.side_of(room) if room else 1
        self.columns, self.room, self.record = columns, room, np.empty((updates, 3))
        self.u, self.grad, self.thresholds = np.empty((3, p + 1))
        self.shift, self.penalty = np.empty((2, p))
        self.numbers, self.status = np.empty(len(Goal._fields) + 1), np.empty(2, np.int64)
        active, held = np.empty((2, p), np.int64)
        scratch, panel, H, L = np.empty((15, max(m, 2 * p))), np.empty((side, chunks.PANEL_ROWS)), *np.empty((2, side, side))
        self.call = rows.replace(X=columns).bind(
            "penalized_newton", columns, rows.y, rows.sample_weight, rows.offset, self.u, self.grad, self.shift, self.thresholds,
            self.penalty, self.numbers, self.record, self.status, active, held, scratch, panel, H, L)


# ---- the passes of a backend, see `fastlr.backends` -----------------------------------------------------------------

def cost_gradient(rows: Rows, theta: np.ndarray, grad: np.ndarray) -> float:
    """Sum the losses and the gradients of all rows."""
    rows.theta[:] = theta
    sums = rows.gradient()
    grad[:] = sums[:-1]
    return float(sums[-1])


def descend(rows: Rows, theta: np.ndarray, previous: np.ndarray, rule: descent.Rule, record: np.ndarray) -> tuple[int, int]:
    """Make many updates of gradient descent, see `descent.descend`, in compiled code but for threads."""
    gradient, status = rows.gradient, np.array([0, descent.GOING])
    bound, count = gradient.driven
    rows.theta[:] = theta
    step = (gradient.sums[:count], rows.theta, previous, np.empty_like(theta), np.array(rule[:7]), rule.center, rule.spread,
            record, status)
    if rows.n_threads == 1 and isinstance(bound, Bound):
        rows.bind("descend", calls((bound, count)), *step)()
    else:
        update = rows.bind("step", *step)
        while status[0] < len(record) and status[1] == descent.GOING:
            gradient.of_chunks()
            update()
    theta[:] = rows.theta
    return int(status[0]), int(status[1])


def moments(rows: Rows, pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum x - pivot and its square."""
    ranges, _ = _ranges(rows.X, lambda X, m: chunks.MOMENT_ROWS, chunks.gradient_chunks)
    arrays = rows.X, numbers_of(rows.X), rows.sample_weight, pivot
    return _moments_of(rows, pivot, _Sum(rows, "moments", arrays, ranges, _moments_width(rows.X), _TILES)())


def cost_gradient_and_moments(rows: Rows, theta: np.ndarray, pivot: np.ndarray,
                              grad: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Sum losses, gradients and moments in one read of X."""
    ranges, block = rows.ranges
    width = theta.size + 1
    arrays = rows.X, numbers_of(rows.X), rows.y, rows.sample_weight, rows.offset, theta, pivot
    sums = _Sum(rows, "first_read", arrays, ranges, width + _moments_width(rows.X), 2 * block + _TILES, block)()
    grad[:] = sums[:width - 1]
    return float(sums[width - 1]), *_moments_of(rows, pivot, sums[width:])


def _moments_width(X: Matrix) -> int:
    return (3 if isinstance(X, Csr) else 2) * X.shape[1]


def _moments_of(rows: Rows, pivot: np.ndarray, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(rows.X, Csr):
        weight = rows.sample_weight
        return with_zeros(sums, pivot, float(weight.sum()) if weight.size else float(rows.X.shape[0]))
    return sums[:pivot.size], sums[pivot.size:]


def hessian_product(rows: Rows, curvature: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Make a function of v: the Hessian times v."""
    ranges, block = rows.ranges
    given = np.empty(rows.X.shape[1] + 1)
    total = _Sum(rows, "hessian_product", (rows.X, curvature, given), ranges, given.size, block)

    def product(v: np.ndarray) -> np.ndarray:
        given[:] = v
        return total()

    return product


def hessian(rows: Rows, theta: np.ndarray, center: np.ndarray, floor: float) -> np.ndarray:
    """Sum the second derivatives of all rows."""
    kernel = rows.hessian
    rows.theta[:], kernel.center[:], kernel.floor[:] = theta, center, floor
    return kernel()[1]


def squared_scores(rows: Rows, theta: np.ndarray, center: np.ndarray, V: np.ndarray, power: int) -> tuple[float, np.ndarray]:
    """Sum the losses and the squared scores of all rows."""
    kernel = Hessian(rows, power, _lower(V))
    rows.theta[:], kernel.center[:] = theta, center
    return kernel()


def residuals(rows: Rows, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """Sum the losses of all rows, and make their residuals."""
    (ranges, block), r = rows.ranges, np.empty(rows.X.shape[0])
    before = rows.X, rows.y, rows.sample_weight, rows.offset, theta, r
    return float(_Sum(rows, "residuals", before, ranges, 1, block)()[0]), r


def grouped_scores(rows: Rows, theta: np.ndarray, places: np.ndarray, groups: int) -> tuple[float, Any]:
    """Sum the losses of all rows, and the scores of each group."""
    if isinstance(rows.X, Csr):
        loss, r = residuals(rows, theta)
        return loss, sums_by_group(rows.X, r[None], places, groups)
    ranges, block = _ranges(rows.X, chunks.block_rows, lambda X, m, block: chunks.grouped_chunks(m, block, groups))
    losses = np.zeros(max(some.size for some in ranges) - 1)
    sums, scratch = np.zeros((losses.size * groups, theta.size)), np.empty((rows.n_threads, 2 * block))
    before = rows.X, rows.y, rows.sample_weight, rows.offset, theta, np.ascontiguousarray(places, np.int64), losses
    for some in ranges:
        pool.run(rows.bind("grouped_scores", *before, some, sums, scratch), some.size - 1, rows.n_threads)
    return float(losses.sum()), sums if losses.size == 1 else np.add.reduce(sums.reshape(losses.size, groups, -1))


def margins_and_forms(rows: Rows, theta: np.ndarray, center: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Make the margins of all rows and their quadratic forms."""
    z, forms, lower = np.empty(rows.X.shape[0]), np.empty(rows.X.shape[0]), _lower(V)
    scratch = np.empty((rows.n_threads * (len(lower) + chunks.BESIDE_PANEL), chunks.PANEL_ROWS))
    for first, last in _pieces_of_products(rows.X):
        count = chunks.number_of_chunks(last - first, chunks.PANEL_ROWS)
        ranges = chunks.ranges(first, last, count, chunks.PANEL_ROWS)
        pool.run(rows.bind("margins_and_forms", rows.X, rows.offset, theta, center, lower, z, forms, ranges, scratch), count,
                 rows.n_threads)
    return z, forms


def _lower(V: np.ndarray) -> np.ndarray:
    """The quadratic form of V, (n + 1, n + 1), by a matrix (side, side) that is 0 above its diagonal."""
    side = chunks.side_of(len(V) - 1)
    lower = np.zeros((side, side))
    lower[:len(V), :len(V)] = np.tril(V, -1) + np.tril(V.T)
    return lower


def _pieces_of_products(X: Matrix) -> list[tuple[int, int]]:
    """Ranges of rows for kernels whose work is that of a Hessian."""
    return [some for first, last in pieces(X) for some in shorter_pieces(first, last, PRODUCTS_A_CALL // products(X))]


def products(X: Matrix) -> int:
    """Multiplications in the Hessian of a row, on average, half of which are computed."""
    if isinstance(X, Csr):
        return int(X.squares()) // X.shape[0] + 1
    return chunks.side_of(X.shape[1]) ** 2


def penalized_newton(rows: Rows, columns: Matrix, u: np.ndarray, grad: np.ndarray, shift: np.ndarray, thresholds: np.ndarray,
                     penalty: np.ndarray, goal: Goal, record: np.ndarray) -> tuple[float, int, int]:
    """Minimize J with l1 on one thread, with the columns of X as rows of float64; J, the number of updates, and the reason."""
    room = min(columns.shape[0], int(goal.room))
    kept = rows.penalized_newton
    if kept is None or kept.columns is not columns or kept.room != room or len(kept.record) < len(record):
        kept = rows.penalized_newton = _PenalizedNewton(rows, columns, room, len(record))
    kept.u[:], kept.shift[:], kept.thresholds[:], kept.penalty[:] = u, shift, thresholds, penalty
    kept.numbers[:-1], kept.status[0] = goal, len(record)
    kept.call()
    updates, status = map(int, kept.status)
    u[:], grad[:], record[:updates] = kept.u, kept.grad, kept.record[:updates]
    return float(kept.numbers[-1]), updates, status


def intervals(rows: Rows, odds: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Make bounds of probabilities, see `intervals` of `numpy_vectorized`; X is the log-odds as a column."""
    ranges, block = _ranges(rows.X, lambda X, m: chunks.MOMENT_ROWS, lambda X, m, block: chunks.number_of_chunks(m, block))
    bounds, scratch = np.empty((odds.size, 2)), np.empty((rows.n_threads, 2 * block))
    for some in ranges:
        pool.run(rows.bind("intervals", odds, width, bounds, some, scratch), some.size - 1, rows.n_threads)
    return bounds


def predict(rows: Rows, theta: np.ndarray, as_probabilities: bool) -> tuple[np.ndarray, bool]:
    """Predict for all rows, see `predict` of `numpy_vectorized`."""
    m = rows.X.shape[0]
    margins, both = np.empty(0 if as_probabilities else m), np.empty((m if as_probabilities else 0, 2))
    ranges, block = _ranges(rows.X, chunks.prediction_rows, lambda X, m, block: chunks.number_of_chunks(m, block))
    nothing = _Sum(rows, "predict", (rows.X, rows.offset, theta, margins, both), ranges, 1, 2 * block)()
    return both if as_probabilities else margins, math.fsum(nothing) == 0.0

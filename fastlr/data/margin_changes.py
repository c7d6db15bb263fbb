"""How the margins of the examples move along directions of the parameters.

Every pass here is a sum over rows, or picks some of them, and takes

    part              InMemory        rows in memory
    center, spread    (n,) float64    the features are (x - center) / spread: differences are taken before any product, so that
                                      a column far from 0 loses nothing

An example that counts (its weight is not 0) is one signed row or several, as the loss says.  Two classes: the signed row is
r_i = side_i [(x_i - center) / spread, 1] with side_i = 1 where y_i = 1 and -1 elsewhere.  Along a direction v (n + 1,) the margin
moves by r_i . v to its right side.  K classes: for each other class l there is a row r_il, and r_il . v is how far the margin of
the class y_i moves ahead of that of l along v (K (n + 1),).
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, Self

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.ranges import blocks
from fastlr.data.dataset import Dataset, InMemory, merged_by, summed

ROUNDING = 4e-15                # The relative change of a margin that may be rounding, for each feature.
_BLOCK_ELEMENTS = 1 << 17       # Elements in a block of rows: a megabyte of float64.
_NOTHING = 1e-13                # A component of a direction stands for 0 up to this share of the largest.
_MOST_ROUNDED = 1e8             # The most that rounding of a margin is charged for, in multiples of its products.
MOST_DENSE = 1000               # The most columns of a sparse X whose rows are made dense, one block at a time.
_NEAR = 100.0                   # The most spreads from 0 of a center that costs hardly any digits.
_ZERO = 1e-10                   # An eigenvalue of a Gram matrix, relative to the largest, that stands for 0.


class Sides(Protocol):
    """The signed rows of a loss whose parameters have r rows."""

    n_margins: int              # r

    def right_side(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """How far each signed row moves, (q, k), where margins move by z (m, r, k)."""

    def added_up(self, y: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """The sums (q, k) of the sizes (m, r, k) of what is added up for it."""


class MarginChanges(NamedTuple):
    """How far margins move along each of k directions, relative to what rounding of the direction can do to them, see
    `_relative`."""

    least: np.ndarray           # (k,)
    largest: np.ndarray         # (k,)

    def merge(self, other: Self) -> Self:
        """Merge the changes on these rows with those on others."""
        return type(self)(np.minimum(self.least, other.least), np.maximum(self.largest, other.largest))


class MovedRows(NamedTuple):
    """Some signed rows in a basis, each divided by its largest entry, and how far their margins move along a direction."""

    rows: np.ndarray            # (r, k)
    changes: np.ndarray         # (r,)

    def merge(self, other: Self) -> Self:
        """These rows and others."""
        return type(self)(np.concatenate([self.rows, other.rows]), np.concatenate([self.changes, other.changes]))

    def least(self, most: int) -> Self:
        """At most so many rows, those with the least changes."""
        if self.changes.size <= most:
            return self
        chosen = np.argpartition(self.changes, most)[:most]
        return type(self)(self.rows[chosen], self.changes[chosen])


def _below(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.concatenate([rows, others])


@merged_by(MarginChanges.merge)
def margin_changes(part: InMemory, loss: Sides, center: np.ndarray, spread: np.ndarray,
                   directions: np.ndarray) -> MarginChanges:
    """How far margins move along directions (r (n + 1), k)."""
    k = directions.shape[1]
    found = MarginChanges(np.full(k, np.inf), np.full(k, -np.inf))
    directions = np.where(np.abs(directions) > _NOTHING * np.abs(directions).max(axis=0), directions, 0.0)
    sizes = np.hstack([np.abs(directions), (directions != 0.0) * np.abs(directions).max(axis=0)])
    is_wide = isinstance(part.X, Csr) and part.X.n_columns > MOST_DENSE
    for y, z, added_up in (_of_stored if is_wide else _of_all)(part, center, spread, directions, sizes):
        changes = _relative(loss.right_side(y, z), loss.added_up(y, added_up))
        found = found.merge(MarginChanges(changes.min(axis=0, initial=np.inf), changes.max(axis=0, initial=-np.inf)))
    return found


@merged_by(np.maximum)
def largest_changes(part: InMemory, center: np.ndarray, spread: np.ndarray, directions: np.ndarray, least: float) -> np.ndarray:
    """How far any margin moves along directions (n + 1, k), relative to the products that are added up for it: (k,).

    At least this share of the largest component of a direction is added to these, for rows that have next to none.
    """
    sizes = np.abs(directions)
    found, least_size = np.zeros(directions.shape[1]), least * sizes.max(axis=0)
    is_near = part.X.shape[1] > MOST_DENSE or bool((np.abs(center) <= _NEAR * spread).all())
    products = _of_stored if isinstance(part.X, Csr) and is_near else _of_all
    for _, z, added_up in products(part, center, spread, directions, sizes):
        found = np.maximum(found, (np.abs(z) / (added_up + least_size)).max(axis=(0, 1), initial=0.0))
    return found


@summed
def total(part: InMemory, loss: Sides, center: np.ndarray, spread: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The sum of the signed rows in a basis (r (n + 1), k), each divided by its largest entry there: (k,)."""
    found = np.zeros(basis.shape[1])
    for rows in _in_basis(part, loss, center, spread, basis):
        found += rows.sum(axis=0)
    return found


@summed
def gram_at_rest(part: InMemory, loss: Sides, center: np.ndarray, spread: np.ndarray, basis: np.ndarray, q: np.ndarray,
                 rest: float) -> np.ndarray:
    """The sum of r r^T, (k, k), over those of these rows r that a direction q (k,) moves by at most rest."""
    found = np.zeros((q.size, q.size))
    for rows in _in_basis(part, loss, center, spread, basis):
        resting = rows[np.abs(rows @ q) <= rest]
        found += resting.T @ resting
    return found


@merged_by(MovedRows.merge)
def most_wrong(part: InMemory, loss: Sides, center: np.ndarray, spread: np.ndarray, basis: np.ndarray, q: np.ndarray,
               most: int) -> MovedRows:
    """At most so many of these rows, those that a direction q (k,) moves furthest to their wrong side."""
    found = MovedRows(np.empty((0, q.size)), np.empty(0))
    for rows in _in_basis(part, loss, center, spread, basis):
        changes = rows @ q
        wrong = changes < 0.0
        found = found.merge(MovedRows(rows[wrong], changes[wrong])).least(most)
    return found


@merged_by(_below)
def signed_rows(part: InMemory, loss: Sides, center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """All signed rows of a few rows, (q, r (n + 1))."""
    r, side = loss.n_margins, spread.size + 1
    one_of_r = np.eye(r)[:, :, None]
    return np.concatenate([loss.right_side(y, (one_of_r * rows[:, None, None]).reshape(len(rows), r, r * side))
                           for y, rows in _counting_rows(part, center, spread)])


@merged_by(_below)
def counting_rows(part: InMemory) -> np.ndarray:
    """The rows of X that count, of a few rows, (r, n)."""
    n = part.shape[1]
    return np.concatenate([rows[:, :-1] for _, rows in _counting_rows(part, np.zeros(n), np.ones(n))])


def null_part(gram: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The part of a direction q (k,), or of each of several (k, l), along which a Gram matrix (k, k) of rows is 0."""
    eigenvalues, V = np.linalg.eigh(gram)
    moving = V[:, eigenvalues > _ZERO * max(float(eigenvalues[-1]), np.finfo(float).tiny)]
    for _ in range(2):                          # The second time for what rounding has left.
        q = q - moving @ (moving.T @ q)
    return q


def typical_values(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The center (n,) and spread (n,) that most of a few rows have, however far off some are.

    A constant column has spread 0.  The center is the median.  The spread is the root mean square of the distances from it, none
    of which counts for more than ten times the median of those that are not 0.  So a column that is 1 in few rows keeps its
    spread.
    """
    X = data.reduce(counting_rows)
    center = np.median(X, axis=0)
    distances = np.abs(X - center)
    ascending, columns, last = np.sort(distances, axis=0), np.arange(X.shape[1]), len(X) - 1
    zeros = np.count_nonzero(distances == 0.0, axis=0)
    # The two in the middle of those that are not 0, whose mean is their median.
    lower, upper = (ascending[np.minimum((zeros + last + odd) // 2, last), columns] for odd in (0, 1))
    clipped = np.minimum(distances, 5.0 * (lower + upper))
    spread = np.sqrt(np.mean(np.ascontiguousarray(clipped.T) ** 2, axis=1))
    return center, spread


def standardised_rows(part: InMemory, center: np.ndarray, spread: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """The rows [(x_i - center) / spread, 1], a block (r, n + 1) at a time, and which rows these are."""
    m, n = part.shape
    for rows in blocks(m, max(1, _BLOCK_ELEMENTS // (n + 1))):
        block = part.dense(rows)
        standardised = np.ones((block.shape[0], n + 1))
        np.subtract(block, center, out=standardised[:, :n])
        standardised[:, :n] /= spread
        yield rows, standardised


def _counting_rows(part: InMemory, center: np.ndarray, spread: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Labels (r,) and standardised rows (r, n + 1) that count, a block at a time."""
    for rows, standardised in standardised_rows(part, center, spread):
        counts = part.sample_weight[rows] > 0.0 if part.sample_weight.size else slice(None)
        yield part.y[rows][counts], standardised[counts]


def _in_basis(part: InMemory, loss: Sides, center: np.ndarray, spread: np.ndarray, basis: np.ndarray) -> Iterator[np.ndarray]:
    """The signed rows in a basis (r (n + 1), k), each divided by its largest entry there, a block at a time."""
    return (by_largest(loss.right_side(y, _products(rows, basis))) for y, rows in _counting_rows(part, center, spread))


def _products(rows: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Rows (m, n + 1) times directions (r (n + 1), k), (m, r, k)."""
    side, k = rows.shape[1], directions.shape[1]
    beside = np.moveaxis(directions.reshape(-1, side, k), 0, 1).reshape(side, -1)
    return (rows @ beside).reshape(len(rows), len(directions) // side, k)


def _of_all(part: InMemory, center: np.ndarray, spread: np.ndarray, directions: np.ndarray,
            sizes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Labels, rows times directions (r (n + 1), k), and their absolute values times sizes (r (n + 1), l), a block at a time."""
    for y, rows in _counting_rows(part, center, spread):
        yield y, _products(rows, directions), _products(np.abs(rows), sizes)


def _of_stored(part: InMemory, center: np.ndarray, spread: np.ndarray, directions: np.ndarray,
               sizes: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Make the products of `_of_all` for sparse X.

    Only what is stored is read.  Hardly any of many sparse columns is far from 0, so that no digits are lost.
    """
    assert isinstance(part.X, Csr)
    side = spread.size + 1
    each = [(v[:-1] / spread[:, None], v[-1]) for v in directions.reshape(-1, side, directions.shape[1])]
    each_size = [(v[:-1] / spread[:, None], v[-1]) for v in sizes.reshape(-1, side, sizes.shape[1])]
    width = len(each) * (directions.shape[1] + sizes.shape[1])
    for rows in blocks(part.X.shape[0], max(1, _BLOCK_ELEMENTS // width)):
        counts = part.sample_weight[rows] > 0.0 if part.sample_weight.size else slice(None)
        A = part.X.rows(rows).scipy()[counts]
        yield (part.y[rows][counts], np.stack([A @ w + (b - center @ w) for w, b in each], axis=1),
               np.stack([abs(A) @ w + (b + np.abs(center) @ w) for w, b in each_size], axis=1))


def _relative(changes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Changes (r, k) of margins, relative to what rounding of the direction can do to them.

    The sizes (r, 2 k) are the sums of |r_j v_j|, and of |r_j| times the largest |v_j| over the j where v_j is not 0.  A component
    of a direction is off by some 1e-16 of the largest one, which the second takes up.  It is at most 1e8 times the first: so a
    single value that is far too large can't hide that the rest of its row moves.
    """
    added_up, rounded = np.hsplit(sizes, 2)
    sizes = np.minimum(rounded, _MOST_ROUNDED * added_up)
    return np.divide(changes, sizes, out=np.zeros_like(changes), where=sizes > 0.0)


def by_largest(signed: np.ndarray) -> np.ndarray:
    """Rows (r, k), each divided by its largest entry."""
    largest = np.abs(signed).max(axis=1, initial=0.0, keepdims=True)
    return np.divide(signed, largest, out=np.zeros_like(signed), where=largest > 0.0)

"""Groups of rows that belong together, and the sums of their scores: what clustered covariances are made of.

M = G / (G - 1) (N - 1) / (N - k) sum_g u_g u_g^T for G groups, N examples and k parameters, where u_g is the sum of the scores
s_i r_i (x) v_i over the rows of group g.
"""

from typing import Any, NamedTuple

import numpy as np

from fastlr.backends.csr import joined
from fastlr.backends.numpy_passes import sums_by_group, sums_of_rows
from fastlr.data import arrays, frames
from fastlr.data.dataset import Dataset, InMemory, merged_by
from fastlr.data.passes import grouped_scores as scores_by_group
from fastlr.inference.design import blocks
from fastlr.problem.loss import Loss

# The range of whole numbers, as a multiple of how many there are, up to which it takes less time to count than to sort them.
_DENSE = 4


class Grouped(NamedTuple):
    """Sums of scores over the rows of each group."""

    keys: np.ndarray            # (g,) groups with a row that counts
    sums: Any                   # (g, r (n + 1)) an array, or SciPy's sparse array where X is sparse

    def merge(self, other: "Grouped") -> "Grouped":
        """The sums over these rows and others."""
        keys = np.union1d(self.keys, other.keys)
        places = np.searchsorted(keys, np.concatenate([self.keys, other.keys]))
        return Grouped(keys, sums_of_rows(joined([self.sums, other.sums], axis=0), np.ones(places.size), places, keys.size))


def _merged(first: tuple[float, *tuple[Grouped, ...]], second: tuple[float, *tuple[Grouped, ...]]
            ) -> tuple[float, *tuple[Grouped, ...]]:
    (loss, *some), (other, *others) = first, second
    return loss + other, *(a.merge(b) for a, b in zip(some, others, strict=True))


@merged_by(_merged)
def grouped_scores(part: InMemory, loss: Loss, Theta: np.ndarray, groups: np.ndarray) -> tuple[float, *tuple[Grouped, ...]]:
    """The sum of s loss, and those of s r (x) v over the rows of every group, for each column of groups (m, ways)."""
    counts = part.sample_weight > 0.0 if part.sample_weight.size else slice(None)
    total, r, found = 0.0, np.empty(0), []
    if loss.n_margins > 1:
        total, r = _residuals(part, loss, Theta)
    for way in groups.T:
        keys = np.flatnonzero(np.bincount(way[counts]))
        places, size = _places(way, keys), max(1, keys.size)        # there may be no row that counts
        if loss.n_margins == 1:
            total, sums = scores_by_group(part, Theta[0], places, size)
        else:
            sums = sums_by_group(part.X, r, places, size)
        found.append(Grouped(keys, sums[:keys.size]))
    return total, *found


def _residuals(part: InMemory, loss: Loss, Theta: np.ndarray) -> tuple[float, np.ndarray]:
    """The sum of s loss, and s r of every row, (K, m)."""
    total, r = 0.0, []
    for _, z, y, s in blocks(part, Theta, np.zeros(part.shape[1])):
        losses, some = loss.loss_and_slope(y, z)
        total += float(s @ losses)
        r.append(s[:, None] * some)
    return total, np.concatenate(r).T.copy()


def _places(way: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The place of each row's group among the keys, (r,); 0 for groups that have none, whose rows don't count."""
    count = int(way.max()) + 1
    if keys.size == count:
        return way
    place_of = np.zeros(count, np.intp)
    place_of[keys] = np.arange(keys.size)
    return place_of[way]


@merged_by(lambda first, second: first + second)
def columns(part: InMemory, places: list[int]) -> tuple[np.ndarray, ...]:
    """Some columns of X, (r, k), in a tuple, so that parts follow one another."""
    return (part.X[:, places] if isinstance(part.X, np.ndarray) else part.X.scipy()[:, places].toarray(),)


def meat(way: Grouped, center: np.ndarray, N: float, k: int) -> np.ndarray:
    """The M of a sandwich (r (n + 1), r (n + 1)) for features x - center, N examples and k parameters.

    The center (n,) is 0 where X is sparse.

    Raises
    ------
    ValueError
        There is one group only.
    """
    G = way.keys.size
    if G == 1:
        raise ValueError("groups are all the same; clusters need two groups at least")
    sums = way.sums
    if center.any():                            # before sums are multiplied, which would lose its digits
        by_class = sums.reshape(G, -1, center.size + 1).copy()
        by_class[..., :-1] -= by_class[..., -1:] * center
        sums = by_class.reshape(G, -1)
    squares = sums.T @ sums
    return G / (G - 1) * (N - 1) / (N - k) * (squares if isinstance(squares, np.ndarray) else squares.toarray())


def codes(data: Dataset, names: tuple[str, ...], groups: Any) -> np.ndarray:
    """Find the groups of the rows, (m, 1), or for two ways of grouping (m, 3) with the groups that both make together.

    Parameters
    ----------
    names : tuple of str
        Those of the columns of X.
    groups : array_like (m,), str, or tuple of two of these
        A group for each example, or the name of a column.

    Raises
    ------
    ValueError
        A group is missing, groups can't be told apart, there is no such column, or the index is that of X in another order.
    """
    ways = groups if isinstance(groups, tuple) else (groups,)
    if len(ways) > 2:
        raise ValueError(f"groups are a vector, the name of a column, or a tuple of two of these, not a tuple of {len(ways)}")
    found = [_code(_column(data, names, way) if isinstance(way, str) else _of_rows(data, way)) for way in ways]
    if len(found) == 2:
        found.append(_code(found[0] * (found[1].max() + 1) + found[1]))
    return np.array(found).T                    # a way of grouping lies along memory


def _code(groups: np.ndarray) -> np.ndarray:
    """A whole number for each group, from 0 on, (m,); some may be left out."""
    missing = np.array([arrays.is_missing(each) for each in groups]) if groups.dtype == object else groups != groups
    if missing.any():
        raise ValueError(f"groups has {np.count_nonzero(missing)} missing value(s); the first is at row "
                         f"{int(np.argmax(missing))}.  Every row needs a group")
    if groups.dtype.kind in "iu" and int(groups.max()) - int(first := groups.min()) < _DENSE * groups.size:
        return np.subtract(groups, first, dtype=np.intp, casting="unsafe")      # some differences overflow an int8
    try:
        return np.unique(groups, return_inverse=True)[1]
    except TypeError:
        raise ValueError("groups mixes values that can't be sorted, such as text and numbers; make them one kind") from None


def _of_rows(data: Dataset, groups: Any) -> np.ndarray:
    """The group of each row, of groups of the examples."""
    frames.refuse_other_order(X=data, groups=groups)
    groups = arrays.one_dimensional("groups", groups, data.n_examples)
    return groups if data.example_of_rows is None else groups[data.example_of_rows()]


def _column(data: Dataset, names: tuple[str, ...], name: str) -> np.ndarray:
    if name not in names:
        raise ValueError(f"groups is {name!r}, which is not a column of X: {', '.join(map(repr, names[:8]))}; pass the groups as "
                         "a vector")
    return np.concatenate(data.reduce(columns, [names.index(name)]))[:, 0]

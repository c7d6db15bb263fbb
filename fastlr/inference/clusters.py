"""Groups of rows that belong together, and the sums of their scores: what clustered covariances are made of.

M = G / (G - 1) (N - 1) / (N - k) sum_g u_g u_g^T for G groups, N examples and k parameters, where u_g is the sum of the scores
s_i r_i (x) v_i over the rows of group g.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np

from fastlr.data import arrays
from fastlr.data.dataset import Dataset, InMemory, merged_by
from fastlr.inference.design import blocks
from fastlr.problem.loss import Loss

# The range of whole numbers, as a multiple of how many there are, up to which it takes less time to count than to sort them.
_DENSE = 4


class Grouped(NamedTuple):
    """Sums over the rows of each group."""

    keys: np.ndarray            # (g,) groups with a row that counts
    sums: Any                   # (r (n + 1), g) an array, or SciPy's sparse array where X is sparse

    def merge(self, other: "Grouped") -> "Grouped":
        """The sums over these rows and others."""
        keys = np.union1d(self.keys, other.keys)
        sums = np.zeros((self.sums.shape[0], keys.size))
        for each in (self, other):
            sums[:, np.searchsorted(keys, each.keys)] += each.sums
        return Grouped(keys, sums)


def _merged(first: tuple[float, *tuple[Grouped, ...]], second: tuple[float, *tuple[Grouped, ...]]
            ) -> tuple[float, *tuple[Grouped, ...]]:
    (loss, *some), (other, *others) = first, second
    return loss + other, *(a.merge(b) for a, b in zip(some, others, strict=True))


@merged_by(_merged)
def grouped_scores(part: InMemory, loss: Loss, Theta: np.ndarray, center: np.ndarray,
                   groups: np.ndarray) -> tuple[float, *tuple[Grouped, ...]]:
    """The sum of s loss, and those of s r (x) v over the rows of every group, for each column of groups (m, ways)."""
    counts = part.sample_weight > 0.0 if part.sample_weight.size else slice(None)
    keys = [np.flatnonzero(np.bincount(way[counts])) for way in groups.T]
    places = [_places(way, known) for way, known in zip(groups.T, keys, strict=True)]
    sums: list[list[Any]] = [[np.zeros((Theta.shape[1], known.size)) if isinstance(part.X, np.ndarray) else 0 for _ in Theta]
                             for known in keys]
    total = 0.0
    for rows, Zt, z, y, s in blocks(part, Theta, center):
        losses, r = loss.loss_and_slope(y, z.T)
        total += float(s @ losses)
        for (way, known), k in itertools.product(enumerate(keys), range(len(Theta))):
            sums[way][k] = _plus(sums[way][k], Zt, s * r[:, k], places[way][rows], known.size)
    return total, *(Grouped(known, _below_each_other(by_class)) for known, by_class in zip(keys, sums, strict=True))


def _below_each_other(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    from scipy.sparse import vstack  # SciPy is there: X was one of its matrices

    return vstack(parts)


def _places(way: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The place of each row's group among the keys, (r,); 0 for groups that have none, whose rows don't count."""
    place_of = np.zeros(way.max() + 1, np.intp)
    place_of[keys] = np.arange(keys.size)
    return place_of[way]


def _plus(sums: Any, Zt: Any, weight: np.ndarray, places: np.ndarray, size: int) -> Any:
    """Add the weighted columns of Zt (n + 1, r) to the sums (n + 1, size) at their places (r,); an array of sums is changed."""
    if isinstance(Zt, np.ndarray):
        for of_feature, scores in zip(sums, Zt * weight, strict=True):
            np.add.at(of_feature, places, scores)
        return sums
    from scipy.sparse import csr_array  # SciPy is there: X was one of its matrices

    return sums + Zt @ csr_array((weight, places, np.arange(places.size + 1)), shape=(places.size, size))


@merged_by(lambda first, second: first + second)
def columns(part: InMemory, places: list[int]) -> tuple[np.ndarray, ...]:
    """Some columns of X, (r, k), in a tuple, so that parts follow one another."""
    return (part.X[:, places] if isinstance(part.X, np.ndarray) else part.X.scipy()[:, places].toarray(),)


def meat(way: Grouped, N: float, k: int) -> np.ndarray:
    """The M of a sandwich (r (n + 1), r (n + 1)), for N examples and k parameters.

    Raises
    ------
    ValueError
        There is one group only.
    """
    G = way.keys.size
    if G == 1:
        raise ValueError("groups are all the same; clusters need two groups at least")
    squares = way.sums @ way.sums.T
    return G / (G - 1) * (N - 1) / (N - k) * (squares if isinstance(squares, np.ndarray) else squares.toarray())


def codes(data: Dataset, groups: Any) -> np.ndarray:
    """Find the groups of the rows, (m, 1), or for two ways of grouping (m, 3) with the groups that both make together.

    Parameters
    ----------
    groups : array_like (m,), str, or tuple of two of these
        A group for each example, or the name of a column.

    Raises
    ------
    ValueError
        A group is missing, groups can't be told apart, or there is no such column.
    """
    ways = groups if isinstance(groups, tuple) else (groups,)
    if len(ways) > 2:
        raise ValueError(f"groups are a vector, the name of a column, or a tuple of two of these, not a tuple of {len(ways)}")
    found = [_code(_column(data, way) if isinstance(way, str) else _of_rows(data, way)) for way in ways]
    if len(found) == 2:
        found.append(_code(found[0] * (found[1].max() + 1) + found[1]))
    return np.column_stack(found)


def _code(groups: np.ndarray) -> np.ndarray:
    """A whole number for each group, from 0 on, (m,); some may be left out."""
    missing = np.array([arrays.is_missing(each) for each in groups]) if groups.dtype == object else groups != groups
    if missing.any():
        raise ValueError(f"groups has {np.count_nonzero(missing)} missing value(s); the first is at row "
                         f"{int(np.argmax(missing))}.  Every row needs a group")
    if groups.dtype.kind in "iu" and int(groups.max()) - int(groups.min()) < _DENSE * groups.size:
        return (groups - groups.min()).astype(np.intp)
    try:
        return np.unique(groups, return_inverse=True)[1]
    except TypeError:
        raise ValueError("groups mixes values that can't be sorted, such as text and numbers; make them one kind") from None


def _of_rows(data: Dataset, groups: Any) -> np.ndarray:
    """The group of each row, of groups of the examples."""
    groups = arrays.one_dimensional("groups", groups, data.n_examples)
    return groups if data.example is None else groups[data.example]


def _column(data: Dataset, name: str) -> np.ndarray:
    if data.feature_names is None or name not in data.feature_names:
        raise ValueError(f"groups is {name!r}, which is no column of X"
                         f"{'' if data.feature_names is None else ': ' + ', '.join(map(repr, data.feature_names[:8]))}; pass the "
                         "groups as a vector")
    return np.concatenate(data.reduce(columns, [data.feature_names.index(name)]))[:, 0]

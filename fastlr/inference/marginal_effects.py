"""Marginal effects: how the probability of y = 1 changes with a column, averaged over rows, by one read of them.

With the curvature d_i = a_i (1 - a_i) of row i, its slope d_i' = d_i (1 - 2 a_i) and v_i = [x_i, 1], the effect of column j and
its derivatives by theta = (w, b), from which the delta method makes its standard error, are

    continuous    w_j mean(d_i)                         e_j mean(d_i) + w_j mean(d_i' v_i)
    discrete      mean(a_i with x_ij = 1, less that with x_ij = 0)        mean of d_i v_i with x_ij = 1, less that with x_ij = 0

So the rows have to give sums only.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlr.backends.csr import Csr, as_float64
from fastlr.backends.logistic import curvature, sigmoid
from fastlr.backends.numpy_vectorized import row_blocks
from fastlr.data import arguments, arrays
from fastlr.data.dataset import Dataset, InMemory, summed
from fastlr.inference.design import blocks, row_ranges, sum_of_rows
from fastlr.inference.statistics import Statistics, place_of
from fastlr.inference.table import Table
from fastlr.machine.wording import listed

# Rows in the sample that tells which columns can be discrete.
_FEW_ROWS = 500


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class MarginalEffects(Table):
    """The table that `Model.marginal_effects` returns: print it, show it in a notebook, or take its numbers.

    Attributes
    ----------
    names : tuple of str
        The names of the k columns, with the values that others were given.
    estimate : (k,) float64
        The change of the probability of the second class by one unit, or from 0 to 1 where the column is discrete.
    standard_error : (k,) float64
        By the delta method.
    z, p_value : (k,) float64
        estimate / standard_error, and the two-sided p-value of the test that the effect is 0; NaN with l2.
    lower, upper : (k,) float64
        The confidence interval at `level`.
    covariance : (k, k) float64
        The covariance of the effects.
    level : float
        The probability with which an interval covers its effect.
    is_discrete : (k,) bool
        Whether the effect is a difference and not a derivative.
    is_penalised : bool
        Whether the model was trained with a penalty.
    head : dict of str to str
        Lines about what was estimated.
    notes : tuple of str
        Sentences to read beside the table.
    """

    is_discrete: np.ndarray

    title = "Marginal effects"


Point = tuple[list[int], list[float]]
"""Columns, and the values that they are given in all rows; none where the rows are taken as they are."""


@summed
def effects(part: InMemory, theta: np.ndarray, discrete: list[int], points: list[Point]) -> tuple[np.ndarray, ...]:
    """Sums over rows for p points and q discrete columns.

    Returns
    -------
    d : (p,)
        s d.
    slopes : (p, n + 1)
        s d' v.
    differences : (p, q)
        s (a with x_j = 1, less that with x_j = 0).
    gradients : (p, q, n + 1)
        Their derivatives by theta.
    """
    p, q, k = len(points), len(discrete), theta.size
    d, slopes, differences, gradients = np.zeros(p), np.zeros((p, k)), np.zeros((p, q)), np.zeros((p, q, k))
    for A, as_it_is, _, s in blocks(part, theta, np.zeros(k - 1), 4 * q):
        for i, (fixed, values) in enumerate(points):
            z = as_it_is + theta[fixed] @ (np.array(values)[:, None] - columns_of(A, fixed)) if fixed else as_it_is
            weight = s * curvature(z)
            d[i] += weight.sum()
            slopes[i] += _sum_of_rows(-weight * np.tanh(0.5 * z), A, fixed, values)
            if not q:
                continue
            x, w = columns_of(A, discrete), theta[discrete, None]
            for column, value in zip(fixed, values, strict=True):
                x[[column == j for j in discrete]] = value
            zero = z - x * w
            differences[i] += (sigmoid(zero + w) - sigmoid(zero)) @ s
            at_one = s * curvature(zero + w)
            G = _sum_of_rows(at_one - s * curvature(zero), A, fixed, values)
            G[np.arange(q), discrete] = at_one.sum(axis=1)
            gradients[i] += G
    return d, slopes, differences, gradients


@summed
def sums(part: InMemory) -> tuple[np.ndarray, Any]:
    """The sums of s x, (n,), and of s times the offset: a number, or (K,) for K classes."""
    s = part.weights
    first = np.sum([s[rows] @ as_float64(part.X, rows) for rows in row_blocks(part.X)], axis=0)
    return first, s @ part.offset if part.offset.size else 0.0


@summed
def others(part: InMemory, columns: list[int]) -> np.ndarray:
    """How many values of some columns are neither 0 nor 1, (q,), in rows that count."""
    counts = part.sample_weight > 0.0 if part.has_weights else np.ones(part.shape[0], bool)
    if isinstance(part.X, Csr):
        places, values = part.X.stored()
        is_other = (values != 0.0) & (values != 1.0) & part.X.each(counts)
        return np.bincount(places[is_other], minlength=part.shape[1])[columns]
    found = np.zeros(len(columns), np.int64)
    for rows in row_ranges(part.X):
        X = part.X[rows, columns]
        found += np.count_nonzero((X != 0) & (X != 1) & counts[rows, None], axis=0)
    return found


def columns_of(A: Any, columns: list[int]) -> np.ndarray:
    """Some columns of A (r, n), one a row, (q, r), in a copy."""
    return (A[:, columns] if isinstance(A, np.ndarray) else A[:, columns].toarray()).T


def _sum_of_rows(weight: np.ndarray, A: Any, fixed: list[int], values: list[float]) -> np.ndarray:
    """The sum of weighted rows of a design matrix, for weights (r,) or (q, r), where some columns are given values."""
    total = sum_of_rows(weight, A)
    total[..., fixed] = weight.sum(axis=-1, keepdims=True) * values
    return total


@np.errstate(all="ignore")
def marginal_effects(data: Dataset, theta: np.ndarray, V: np.ndarray, found: Statistics, names: tuple[str, ...], at: Any,
                     columns: Any, discrete: Any, **table: Any) -> MarginalEffects:
    """Find the effects on the rows of `data` at theta (n + 1,), whose covariance is V.

    Parameters
    ----------
    found : Statistics
        Those of the model.
    at : {"average", "mean"} or dict from column to value or values
        The rows as they are, their mean, or the rows with these values in place of their own, one point for each combination.
    columns : sequence of columns, or None for all
    discrete : "auto" or sequence of columns
        A column is a name or a place.
    **table
        What else the table has: `head` and `level`.

    Raises
    ------
    ValueError
        The data determine none of these effects, or an argument names what is not there.
    """
    chosen, by_difference = chosen_columns(data, columns, discrete, names)
    points: list[Point] = [([], [])]
    if isinstance(at, dict):
        values = [np.atleast_1d(arrays.as_array(f"at[{name!r}]", value)).tolist() for name, value in at.items()]
        fixed = _places("at", list(at), names)
        if len(set(fixed)) < len(fixed):
            raise ValueError(f"at has a column twice, by its name and by its index: {list(at)}; leave one of them out")
        points = [(fixed, [arguments.number("at", each) for each in point]) for point in itertools.product(*values)]
    else:
        data = averaged(data, at)
    d, slopes, differences, gradients = (each / data.count.total for each in data.reduce(effects, theta, by_difference, points))
    estimate = d[:, None] * theta[chosen]
    jacobian = theta[chosen][:, None] * slopes[:, None]
    jacobian[:, np.arange(len(chosen)), chosen] += d[:, None]
    labels = ["".join(f", {names[j]} = {value:g}" for j, value in zip(*point, strict=True)) for point in points]
    return MarginalEffects(names=tuple(names[j] + label for label in labels for j in chosen), **table,
                           **values_of(estimate, jacobian, differences, gradients, V, found, chosen, by_difference, names))


def chosen_columns(data: Dataset, columns: Any, discrete: Any, names: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """The places of the columns that are wanted, and of those of them whose effect is a difference, in the same order."""
    chosen = list(range(len(names))) if columns is None else _places("columns", columns, names)
    if isinstance(discrete, str) and discrete == "auto":
        return chosen, _of_zeros_and_ones(data, chosen)
    by_difference = _places("discrete", discrete, names)
    return chosen, [j for j in chosen if j in by_difference]


def averaged(data: Dataset, at: Any) -> Dataset:
    """The rows as they are, at "average"; at "mean" one row that is the mean of all, by one read."""
    if arguments.one_of("at", at, ("average", "mean")) == "average":
        return data
    (first, offset), total = data.reduce(sums), data.count.total
    return InMemory(first[None] / total, np.zeros(1, np.int8), np.empty(0),
                    np.asarray(offset / total)[None] if data.has_offset else np.empty(0), data.classes)


def values_of(estimate: np.ndarray, jacobian: np.ndarray, differences: np.ndarray, gradients: np.ndarray, V: np.ndarray,
              found: Statistics, chosen: list[int], by_difference: list[int], names: tuple[str, ...]) -> dict[str, Any]:
    """What a table has of the effects (g, c) of c chosen columns, for g points or classes, and their derivatives (g, c, k).

    Those of the q columns that take 0 and 1, (g, q) and (g, q, k), are put in their places.  Where flat directions change an
    effect, it has no standard error.
    """
    is_discrete = np.isin(chosen, by_difference)
    estimate[:, is_discrete], jacobian[:, is_discrete] = differences, gradients
    jacobian = jacobian.reshape(estimate.size, len(V))
    covariance, is_open, notes = jacobian @ V @ jacobian.T, found.is_open(jacobian), []
    if by_difference:
        notes.append(f"From 0 to 1, not by one unit: {listed([names[j] for j in by_difference])}.")
    if is_open.any():
        covariance[is_open] = covariance[:, is_open] = np.nan
        of_columns = is_open.reshape(estimate.shape).any(axis=0)
        open_effects = listed([names[j] for j in np.array(chosen)[of_columns]])
        notes.append(f"The data do not determine these effects, which have no standard errors: {open_effects}.  "
                     f"{found.why_open()}")
    if is_open.all():
        raise ValueError(notes[-1])
    return {"estimate": estimate.ravel(), "covariance": covariance, "is_penalised": found.penalty() != "",
            "is_discrete": np.tile(is_discrete, len(estimate)), "notes": tuple(notes)}


def _places(argument: str, columns: Any, names: tuple[str, ...]) -> list[int]:
    """The places of columns that are given by name or place."""
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        columns = [columns]
    return [place_of(argument, column, names) for column in columns]


def _of_zeros_and_ones(data: Dataset, chosen: list[int]) -> list[int]:
    """Those of the chosen columns that hold 0 and 1 alone; a sample tells which are worth reading."""
    X = data.samples([min(_FEW_ROWS, data.count.rows)])[0].X
    few = X.scipy().toarray() if isinstance(X, Csr) else X
    may_be = ((few == 0) | (few == 1)).all(axis=0)
    likely = [j for j in chosen if may_be[j]]
    return [j for j, count in zip(likely, data.reduce(others, likely).tolist(), strict=True) if count == 0] if likely else []

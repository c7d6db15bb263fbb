"""What a backend may have of its own, for those that have not: NumPy and its BLAS, a block of rows at a time."""

import functools
import importlib.util
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastlr.backends import logistic, softmax
from fastlr.backends.csr import Csr, as_float64, joined, with_zeros
from fastlr.backends.numpy_vectorized import class_blocks, margins, margins_of_block, row_blocks
from fastlr.backends.ranges import blocks

_BLOCK_ELEMENTS = 1 << 17       # a megabyte of float64
_GROUPED_ELEMENTS = 1 << 18     # in a block of X whose rows are added up by group
MOST_KEPT = 1 << 25
"""Probabilities that a Hessian product keeps, instead of making them again each time: 256 megabytes of float64."""


def _blocks(X: Any) -> Iterator[slice]:
    return row_blocks(X) if isinstance(X, Csr) else blocks(X.shape[0], max(64, _BLOCK_ELEMENTS // X.shape[1]))


def moments(X: Any, y: Any, sample_weight: Any, offset: Any, pivot: Any) -> tuple[np.ndarray, np.ndarray]:
    """The sums of s_i (x_i - pivot) and of s_i (x_i - pivot)^2, each (n,)."""
    if isinstance(X, Csr):
        return _sparse_moments(X, sample_weight, pivot)
    first, second = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for rows in _blocks(X):
        shifted = X[rows] - pivot
        weighted = shifted * sample_weight[rows, None] if sample_weight.size else shifted
        first += weighted.sum(axis=0)
        second += np.einsum("ij,ij->j", weighted, shifted)
    return first, second


def hessian(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, center: Any, floor: float) -> np.ndarray:
    """The sum of d_i v_i v_i^T, (n + 1, n + 1), over the rows whose d_i = s_i a_i (1 - a_i) is at least floor."""
    if isinstance(X, Csr):
        return _sparse_hessian(X, sample_weight, offset, theta, center, floor)
    n = X.shape[1]
    H = np.zeros((n + 1, n + 1))
    for rows in _blocks(X):
        d = curvature(X[rows], sample_weight[rows], offset[rows], theta)
        d[d < floor] = 0.0
        root = np.sqrt(d)
        V = X[rows] - center
        V *= root[:, None]
        H[:n, :n] += V.T @ V
        H[n, :n] += root @ V
        H[n, n] += root @ root
    H[:n, n] = H[n, :n]
    return H


def squared_scores(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, center: Any, V: Any,
                   power: int) -> tuple[float, np.ndarray]:
    """The sums of s loss, and of s r^2 / (1 - h)^power v v^T, (n + 1, n + 1), see `fastlr.data.passes.squared_scores`.

    The second is a Hessian with other weights: where all margins are 0, all curvatures are 1/4.
    """
    total, weight = 0.0, np.empty(X.shape[0])
    for rows in _blocks(X):
        A = as_float64(X, rows)
        loss, r = logistic.loss_and_slope(y[rows], margins_of_block(A, offset[rows], theta))
        s = sample_weight[rows] if sample_weight.size else np.ones(r.size)
        total += float(s @ loss)
        weight[rows] = 4.0 * s * r ** 2
        if power:
            forms = quadratic_forms(A - center if center.any() else A, V)
            weight[rows] /= (1.0 - np.abs(r) * (1.0 - np.abs(r)) * forms) ** power
    return total, hessian(X, y, weight, np.empty(0), np.zeros_like(theta), center, 0.0)


def residuals(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any) -> tuple[float, np.ndarray]:
    """The sum of s loss, and s_i (a_i - y_i) of every row, (m,)."""
    total, r = 0.0, np.empty(X.shape[0])
    for rows in _blocks(X):
        loss, r[rows] = logistic.loss_and_slope(y[rows], margins_of_block(as_float64(X, rows), offset[rows], theta))
        total += float(sample_weight[rows] @ loss if sample_weight.size else loss.sum())
    return total, r * sample_weight if sample_weight.size else r


def grouped_scores(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, places: Any, groups: int) -> tuple[float, Any]:
    """The sum of s loss, and those of s (a - y) [x, 1] for each group, see `fastlr.data.passes.grouped_scores`."""
    loss, r = residuals(X, y, sample_weight, offset, theta)
    return loss, sums_by_group(X, r[None], places, groups)


def sums_by_group(X: Any, slopes: np.ndarray, places: np.ndarray, groups: int) -> Any:
    """The sums (groups, k (n + 1)) of r (x) [x, 1] over the rows x of X (m, n), with slopes (k, m), by their places (m,).

    They are an array, or SciPy's sparse array where X is sparse.
    """
    parts = []
    for slope in slopes:
        some = (sums_of_rows(as_float64(X, rows), slope[rows], places[rows], groups) for rows in _grouped_blocks(X, groups))
        parts += [functools.reduce(operator.add, some), np.bincount(places, slope, groups)[:, None]]
    return joined(parts, axis=1)


def _grouped_blocks(X: Any, groups: int) -> Iterator[slice]:
    """Rows that are added up in one call: as long as X is where they need no copy, and else no fewer than there are groups."""
    shares_memory = X.dtype == np.float64 and (isinstance(X, Csr) or X.flags.c_contiguous)
    return row_blocks(X) if shares_memory else blocks(X.shape[0], max(1, _GROUPED_ELEMENTS // X.shape[1], groups))


def sums_of_rows(A: Any, weight: np.ndarray, places: np.ndarray, groups: int) -> Any:
    """The sums (groups, n) of weighted rows of A (q, n) by their places (q,).

    SciPy adds whole rows, in a quarter of the time that NumPy takes for one feature after another.
    """
    if importlib.util.find_spec("scipy") is None:
        return np.array([np.bincount(places, weight * feature, groups) for feature in A.T]).T
    from scipy.sparse import csr_array

    return csr_array((weight, places, np.arange(places.size + 1)), shape=(places.size, groups)).T @ A


def margins_and_forms(X: Any, y: Any, sample_weight: Any, offset: Any, theta: Any, center: Any,
                      V: Any) -> tuple[np.ndarray, np.ndarray]:
    """The margins of all rows, (m,), and v^T V v for v = [x - center, 1], (m,)."""
    z, forms = np.empty((2, X.shape[0]))
    for rows in _blocks(X):
        A = as_float64(X, rows)
        z[rows] = margins_of_block(A, offset[rows], theta)
        forms[rows] = quadratic_forms(A - center if center.any() else A, V)
    return z, forms


def quadratic_forms(A: Any, V: np.ndarray) -> np.ndarray:
    """v^T V v for the rows x of A (r, n), an array or SciPy's sparse array, and v = [x, 1], (r,)."""
    forms = A @ (V[:-1, -1] + V[-1, :-1]) + V[-1, -1]
    if isinstance(A, np.ndarray):
        return forms + np.vecdot(A @ V[:-1, :-1], A)
    parts = (A[rows] for rows in blocks(A.shape[0], max(64, _BLOCK_ELEMENTS // len(V))))
    return forms + np.concatenate([part.multiply(part @ V[:-1, :-1]).sum(axis=1) for part in parts])


def curvature(X: Any, sample_weight: Any, offset: Any, theta: Any) -> np.ndarray:
    """s a (1 - a) of every row, (m,)."""
    d = logistic.curvature(margins(X, offset, theta))
    if sample_weight.size:
        d *= sample_weight
    return d


def hessian_product(X: Any, y: Any, sample_weight: Any, offset: Any, curvature: Any) -> Callable[[np.ndarray], np.ndarray]:
    """A function of v (n + 1,): the sum of d_i [x_i, 1] ([x_i, 1] . v) with the curvatures d_i, (m,)."""
    shares_memory = isinstance(X, Csr) and X.dtype == np.float64
    kept = list(_both_ways(X)) if shares_memory else None   # SciPy takes as long to make a matrix as for a small product

    def product(v: np.ndarray) -> np.ndarray:
        Hv = np.zeros(v.size)
        for rows, block, transposed in kept or _both_ways(X):
            along = block @ v[:-1]
            along += v[-1]
            along *= curvature[rows]
            Hv[:-1] += transposed @ along
            Hv[-1] += along.sum()
        return Hv

    return product


def _both_ways(X: Any) -> Iterator[tuple[slice, Any, Any]]:
    """Rows of X as float64, and transposed, a block at a time."""
    for rows in row_blocks(X):
        block = as_float64(X, rows)
        yield rows, block, block.T


def _sparse_moments(X: Csr, sample_weight: Any, pivot: Any) -> tuple[np.ndarray, np.ndarray]:
    m, n = X.shape
    weight = sample_weight if sample_weight.size else np.ones(m)
    sums = np.zeros((3, n))
    for rows in row_blocks(X):
        transposed = as_float64(X, rows).T
        shifted = transposed.data - pivot[transposed.indices]
        for power, some in zip((shifted, shifted ** 2, np.ones_like(shifted)), sums, strict=True):
            transposed.data = power
            some += transposed @ weight[rows]
    return with_zeros(sums.ravel(), pivot, float(weight.sum()))


def _sparse_hessian(X: Csr, sample_weight: Any, offset: Any, theta: Any, center: Any, floor: float) -> np.ndarray:
    """The Hessian from what is stored; the center comes in afterwards, since X - center would be dense."""
    n = X.n_columns
    H = np.zeros((n + 1, n + 1))
    for rows in row_blocks(X):
        part = X.rows(rows)
        d = curvature(part, sample_weight[rows], offset[rows], theta)
        d[d < floor] = 0.0
        A = as_float64(part, slice(None))
        weighed = A.copy()
        weighed.data = A.data * part.each(d)
        H[:n, :n] += (A.T @ weighed).toarray()
        H[n, :n] += A.T @ d
        H[n, n] += d.sum()
    first = H[n, :n] - center * H[n, n]
    H[:n, :n] -= np.outer(H[n, :n], center) + np.outer(center, first)
    H[:n, n] = H[n, :n] = first
    return H


# ---- K classes --------------------------------------------------------------------------------------------------------

def softmax_cost_gradient(X: Any, y: Any, sample_weight: Any, offset: Any, Theta: np.ndarray, Grad: np.ndarray) -> float:
    """The sum of the losses; Grad (K, n + 1) becomes that of their gradients."""
    J = 0.0
    Grad[:] = 0.0
    for rows in class_blocks(X, len(Theta)):
        block = as_float64(X, rows)
        loss, dz = softmax.loss_and_slope(y[rows], margins_of_block(block, offset[rows], Theta))
        if sample_weight.size:
            loss *= sample_weight[rows]
            dz *= sample_weight[rows, None]
        Grad[:, :-1] += (block.T @ dz).T
        Grad[:, -1] += dz.sum(axis=0)
        J += float(loss.sum())
    return J


def softmax_probabilities(X: Any, y: Any, sample_weight: Any, offset: Any, Theta: np.ndarray) -> np.ndarray:
    """The probabilities p_ik of every row, (m, K)."""
    return softmax.probabilities(margins(X, offset, Theta))


def softmax_hessian(X: Any, y: Any, sample_weight: Any, offset: Any, Theta: np.ndarray, center: np.ndarray,
                    floor: float = 0.0) -> np.ndarray:
    """The second derivatives (K (n + 1), K (n + 1)), class by class, for features x - center.

    The block of two classes is the sum of -s p_k p_l v v^T.  The blocks of a class sum to 0: that gives the one on the diagonal.

    A class whose s p_k / 2 is below the floor is left out of a row, see `softmax.leave_out`.
    """
    K, side = Theta.shape
    H = np.zeros((K * side, K * side))
    for rows in blocks(X.shape[0], max(64, _BLOCK_ELEMENTS // len(H))):
        block = as_float64(X, rows)
        p = softmax.probabilities(margins_of_block(block, offset[rows], Theta))
        if floor > 0.0:
            softmax.leave_out(p, sample_weight[rows], floor)
        if sample_weight.size:
            p *= np.sqrt(sample_weight[rows, None])
        V = np.column_stack([(block.toarray() if isinstance(X, Csr) else block) - center, np.ones(len(p))])
        weighed = (p[:, :, None] * V[:, None]).reshape(len(p), -1)
        H -= weighed.T @ weighed
    by_class = H.reshape(K, side, K, side)
    for k in range(K):
        by_class[k, :, k] = 0.0
        others = by_class[k].sum(axis=1)
        by_class[k, :, k] = -0.5 * (others + others.T)          # which rounding has made different
    return H


def softmax_hessian_of(X: Any, sample_weight: Any, p: np.ndarray, center: np.ndarray, is_held: np.ndarray) -> np.ndarray:
    """The rows and columns of `softmax_hessian` for the parameters that are held, (K, n + 1) bool, where p (m, K) are known.

    All intercepts are held.  The block of a class on the diagonal is the sum of s p_k (1 - p_k) v v^T.
    """
    if isinstance(X, Csr):
        return _sparse_hessian_of(X, sample_weight, p, center, is_held)
    ends, (_, columns) = np.cumsum(is_held.sum(axis=1)), np.nonzero(is_held)
    of_class = [slice(first, last) for first, last in zip((0, *ends[:-1]), ends, strict=True)]
    H, own = np.zeros((columns.size, columns.size)), np.zeros((columns.size, columns.size))
    step = min(len(p), max(512, _BLOCK_ELEMENTS // columns.size))
    weighed = np.empty((columns.size, step))                    # new memory for each block takes longer than its products
    for rows in blocks(len(p), step):
        root = np.sqrt(sample_weight[rows]) if sample_weight.size else 1.0
        by_p, by_curvature = root * p[rows].T, root * np.sqrt(softmax.curvatures(p[rows])).T
        of_block, V = weighed[:, :by_p.shape[1]], np.ones((center.size + 1, by_p.shape[1]))
        np.subtract(as_float64(X, rows).T, center[:, None], out=V[:-1])
        for k, each in enumerate(of_class):
            of_k = V[columns[each]]
            np.multiply(of_k, by_p[k], out=of_block[each])
            of_k *= by_curvature[k]
            own[each, each] += of_k @ of_k.T
        H -= of_block @ of_block.T
    for each in of_class:
        H[each, each] = own[each, each]
    return H


def _sparse_hessian_of(X: Csr, sample_weight: Any, p: np.ndarray, center: np.ndarray, is_held: np.ndarray) -> np.ndarray:
    """`softmax_hessian_of` of a sparse X: that of [X, 1], which is centered afterward."""
    from scipy.sparse import hstack

    ends, (classes, columns) = np.cumsum(is_held.sum(axis=1)), np.nonzero(is_held)
    root = np.sqrt(sample_weight[:, None]) if sample_weight.size else 1.0
    V = hstack([X.scipy(), np.ones((X.shape[0], 1))], format="csr")[:, columns]
    H = -_gram(_times(V, root * p, classes))
    weighed = _times(V, root * np.sqrt(softmax.curvatures(p)), classes)
    for first, last in zip((0, *ends[:-1]), ends, strict=True):
        H[first:last, first:last] = _gram(weighed[:, first:last])
    centers, intercepts = np.append(center, 0.0)[columns], (ends - 1)[classes]
    H -= centers[:, None] * H[intercepts]
    H -= centers * H[:, intercepts]
    return H


def _times(V: Any, weights: np.ndarray, classes: np.ndarray) -> Any:
    """The columns of V, each times the weights (m, K) of its class."""
    weighed = V.copy()
    weighed.data *= weights[np.repeat(np.arange(V.shape[0]), np.diff(V.indptr)), classes[V.indices]]
    return weighed


def _gram(V: Any) -> np.ndarray:
    G: np.ndarray = (V.T @ V).toarray()
    return G


def softmax_hessian_product(X: Any, y: Any, sample_weight: Any, offset: Any,
                            Theta: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function of V (K, n + 1): the second derivatives times V, (K, n + 1)."""
    def blocks() -> Iterator[tuple[slice, np.ndarray]]:
        for rows in class_blocks(X, len(Theta)):
            yield rows, softmax.probabilities(margins_of_block(as_float64(X, rows), offset[rows], Theta))

    kept = list(blocks()) if X.shape[0] * len(Theta) <= MOST_KEPT else None

    def product(V: np.ndarray) -> np.ndarray:
        HV = np.zeros(V.shape)
        for rows, p in kept or blocks():
            block = as_float64(X, rows)
            along = softmax.curvature_product(p, margins_of_block(block, np.empty(0), V))
            if sample_weight.size:
                along *= sample_weight[rows, None]
            HV[:, :-1] += (block.T @ along).T
            HV[:, -1] += along.sum(axis=0)
        return HV

    return product

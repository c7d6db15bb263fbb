"""The passes over rows that solvers ask for.

A new one is a function of rows in memory with a decorator, `summed` or `merged_by`.  It works for data in memory, for streams
and for Dask:

    @summed
    def total_curvature(part: InMemory, theta: np.ndarray) -> float:
        return float(curvature(part, theta).sum())

    data.reduce(total_curvature, theta)
"""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from fastlr.backends import numpy_passes, softmax
from fastlr.data import sampling
from fastlr.data.dataset import InMemory, Pass, summed
from fastlr.machine.arrays import read_only

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

Product = Callable[[np.ndarray], np.ndarray]
HessianProduct = Callable[[InMemory, np.ndarray], tuple[Product, Product]]


@summed
def cost_gradient(part: InMemory, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """The sum of s_i loss_i at theta (n + 1,), and its gradient (n + 1,)."""
    grad = np.empty_like(theta)
    return part.backend.cost_gradient(*part.prepared, theta, grad), grad


@summed
def hessian(part: InMemory, theta: np.ndarray, center: np.ndarray, floor: float) -> np.ndarray:
    """The second derivatives (n + 1, n + 1) of that sum for features x - center, over rows whose curvature is at least floor."""
    return _kernel(part, numpy_passes.hessian)(theta, center, floor)


@summed
def squared_scores(part: InMemory, theta: np.ndarray, center: np.ndarray, V: np.ndarray, power: int) -> tuple[float, np.ndarray]:
    """The sums of s_i loss_i, and of s_i r_i^2 / (1 - h_i)^power v_i v_i^T, (n + 1, n + 1), for v_i = [x_i - center, 1].

    The residuals r_i are a_i - y_i, and the leverages h_i are a_i (1 - a_i) v_i^T V v_i with the covariance V of theta.
    """
    return _kernel(part, numpy_passes.squared_scores)(theta, center, V, power)


def grouped_scores(part: InMemory, theta: np.ndarray, places: np.ndarray, groups: int) -> tuple[float, Any]:
    """The sum of s_i loss_i, and those of s_i (a_i - y_i) [x_i, 1] over the rows of every group, (groups, n + 1).

    The places (m,) of 0 .. groups - 1 say which group a row is of.  The sums are SciPy's sparse array where X is sparse.
    """
    return _kernel(part, numpy_passes.grouped_scores)(theta, places, groups)


def margins_and_forms(part: InMemory, theta: np.ndarray, center: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The margins of all rows, (m,), and v^T V v for v = [x - center, 1], (m,)."""
    return _kernel(part, numpy_passes.margins_and_forms)(theta, center, V)


@summed
def moments(part: InMemory, pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of s_i (x_i - pivot) and of s_i (x_i - pivot)^2, each (n,)."""
    return _kernel(part, numpy_passes.moments)(pivot)


@summed
def cost_gradient_and_moments(part: InMemory, of_loss: Pass[[np.ndarray], tuple[float, np.ndarray]], theta: np.ndarray,
                              pivot: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """The `cost_gradient` of a loss, and `moments`, in one read of X where the backend can do that."""
    if of_loss is not cost_gradient or not hasattr(part.backend, "cost_gradient_and_moments"):
        return *of_loss(part, theta), *moments(part, pivot)
    grad = np.empty_like(theta)
    loss, first, second = part.backend.cost_gradient_and_moments(*part.prepared, theta, pivot, grad)
    return loss, grad, first, second


@summed
def hessian_of(part: InMemory, theta: np.ndarray, center: np.ndarray, is_held: np.ndarray) -> np.ndarray:
    """The rows and columns of the second derivatives, over all rows, for the parameters that are held, (n + 1,) bool."""
    return hessian(part, theta, center, 0.0)[np.ix_(is_held, is_held)]


@summed
def one_hessian(part: InMemory, theta: np.ndarray, center: np.ndarray, share: float) -> np.ndarray:
    """The second derivatives (n + 1, n + 1) of that sum for features x - center, over all rows."""
    return hessian(part, theta, center, 0.0)


@summed
def intercept_hessian(part: InMemory, theta: np.ndarray) -> np.ndarray:
    """The second derivative of that sum by the intercept, (1, 1): the sum of s_i a_i (1 - a_i)."""
    return np.array([[curvature(part, theta).sum()]])


@summed
def hessian_times(part: InMemory, of_loss: HessianProduct, theta: np.ndarray, v: np.ndarray) -> np.ndarray:
    """H v, in the shape of theta, for the second derivatives H of a loss at theta."""
    return of_loss(part, theta)[0](v)


@summed
def hessian_diagonal(part: InMemory, of_loss: HessianProduct, theta: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The diagonal of H, in the shape of theta, for features x - center."""
    return of_loss(part, theta)[1](center)


def hessian_product(part: InMemory, theta: np.ndarray) -> tuple[Product, Product]:
    """The second derivatives H at theta without making them.

    Returns
    -------
    v -> H v, (n + 1,), for features x as they are
    center -> the diagonal of H, (n + 1,), for features x - center
    """
    weighed = part.with_weights(read_only(curvature(part, theta)))          # kept from one product to the next
    return (_kernel(part, numpy_passes.hessian_product)(weighed.sample_weight),
            lambda center: _diagonal(part, weighed.sample_weight, center))


def curvature(part: InMemory, theta: np.ndarray) -> np.ndarray:
    """s_i a_i (1 - a_i) of every row, (m,)."""
    return numpy_passes.curvature(part.X, part.sample_weight, part.offset, theta)


# ---- K classes: parameters and gradients are (K, n + 1) ----------------------------------------------------------------

@summed
def softmax_cost_gradient(part: InMemory, Theta: np.ndarray) -> tuple[float, np.ndarray]:
    """The sum of s_i (log sum_k e^z_ik - z_i,y_i) at Theta, and its gradient."""
    Grad = np.empty_like(Theta)
    return _kernel(part, numpy_passes.softmax_cost_gradient)(Theta, Grad), Grad


@summed
def softmax_hessian(part: InMemory, Theta: np.ndarray, center: np.ndarray, floor: float) -> np.ndarray:
    """The second derivatives (K (n + 1), K (n + 1)) of that sum for features x - center, or less where there is a floor.

    Then a row keeps the classes with s_i p_ik / 2 of at least the floor: the others are given their tangent.
    """
    return _kernel(part, numpy_passes.softmax_hessian)(Theta, center, floor)


@summed
def softmax_hessian_of(part: InMemory, Theta: np.ndarray, center: np.ndarray, is_held: np.ndarray) -> np.ndarray:
    """The rows and columns of `softmax_hessian`, without a floor, for the parameters that are held, (K, n + 1) bool."""
    if is_held.all():
        return softmax_hessian(part, Theta, center, 0.0)
    p = _kernel(part, numpy_passes.softmax_probabilities)(Theta)
    return numpy_passes.softmax_hessian_of(part.X, part.sample_weight, p, center, is_held)


@summed
def softmax_class_hessians(part: InMemory, Theta: np.ndarray, center: np.ndarray, share: float) -> np.ndarray:
    """For each class the second derivatives (K, n + 1, n + 1) by its own parameters, for features x - center.

    With a share below 1, each is estimated from so many of the rows, drawn with chances in proportion to their curvature.  The
    diagonal is that of all rows where it is larger: few rows may not show a rare column.
    """
    D, at_zero = _class_curvatures(part, Theta), (np.zeros(Theta.shape[1]), center, 0.0)
    if share == 1.0:
        weights, H = np.empty(D.shape[1]), np.empty((*Theta.shape, Theta.shape[1]))
        of_weights = _kernel(part.of_curvature(np.arange(weights.size), weights), numpy_passes.hessian)
        for H_k, d in zip(H, D, strict=True):
            np.multiply(4.0, d, out=weights)
            H_k[:] = of_weights(*at_zero)
        return H
    H = np.array([_kernel(part.of_curvature(rows, 4.0 * d), numpy_passes.hessian)(*at_zero)
                  for rows, d in (sampling.by_size(d, share) for d in D)])
    for H_k, d in zip(H, D, strict=True):
        np.fill_diagonal(H_k, np.maximum(H_k.diagonal(), _diagonal(part, d, center)))
    return H


@summed
def softmax_intercept_hessian(part: InMemory, Theta: np.ndarray) -> np.ndarray:
    """The second derivatives (K, K) by the intercepts: the sum of s_i (p_ik [k = l] - p_ik p_il)."""
    p = _kernel(part, numpy_passes.softmax_probabilities)(Theta)
    weighed = p * part.sample_weight[:, None] if part.sample_weight.size else p
    return np.diag(weighed.sum(axis=0)) - weighed.T @ p


def softmax_hessian_product(part: InMemory, Theta: np.ndarray) -> tuple[Product, Product]:
    """The second derivatives at Theta without making them, as from `hessian_product`."""
    product = functools.cache(lambda: _kernel(part, numpy_passes.softmax_hessian_product)(Theta))       # the diagonal needs none
    return (lambda V: product()(V),
            lambda center: np.array([_diagonal(part, d, center) for d in _class_curvatures(part, Theta)]))


def _class_curvatures(part: InMemory, Theta: np.ndarray) -> np.ndarray:
    """s_i p_ik (1 - p_ik), (K, m)."""
    D = np.ascontiguousarray(softmax.curvatures(_kernel(part, numpy_passes.softmax_probabilities)(Theta)).T)
    if part.sample_weight.size:
        D *= part.sample_weight
    return D


def _diagonal(part: InMemory, curvature: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The diagonal (n + 1,) of second derivatives, for features x - center and the curvatures (m,) of the rows."""
    weighed = part.with_weights(read_only(curvature))
    return np.append(moments(weighed, center)[1], curvature.sum())


def _kernel(part: InMemory, of_numpy: Callable[Concatenate[Any, Any, Any, Any, _Arguments], _Result]
            ) -> Callable[_Arguments, _Result]:
    """The backend's function in place of NumPy's of the same name, or NumPy's where it has none, for the rows of the part."""
    own: Callable[..., _Result] | None = getattr(part.backend, of_numpy.__name__, None)
    return functools.partial(of_numpy, *part.rows) if own is None else functools.partial(own, *part.prepared)

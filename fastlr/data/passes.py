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

from fastlr.backends import descent, numpy_passes
from fastlr.backends.descent import Rule
from fastlr.data.dataset import Dataset, InMemory, summed
from fastlr.machine.arrays import read_only

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

Product = Callable[[np.ndarray], np.ndarray]


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
def moments(part: InMemory, pivot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums of s_i (x_i - pivot) and of s_i (x_i - pivot)^2, each (n,)."""
    return _kernel(part, numpy_passes.moments)(pivot)


@summed
def cost_gradient_and_moments(part: InMemory, theta: np.ndarray,
                              pivot: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """`cost_gradient` and `moments`, in one read of X where the backend can do that."""
    if not hasattr(part.backend, "cost_gradient_and_moments"):
        return *cost_gradient(part, theta), *moments(part, pivot)
    grad = np.empty_like(theta)
    loss, first, second = part.backend.cost_gradient_and_moments(*part.prepared, theta, pivot, grad)
    return loss, grad, first, second


@summed
def total_curvature(part: InMemory, theta: np.ndarray) -> float:
    """The sum of s_i a_i (1 - a_i)."""
    return float(curvature(part, theta).sum())


@summed
def hessian_times(part: InMemory, theta: np.ndarray, v: np.ndarray) -> np.ndarray:
    """H v, (n + 1,), for the second derivatives H at theta."""
    return hessian_product(part, theta)[0](v)


@summed
def hessian_diagonal(part: InMemory, theta: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The diagonal (n + 1,) of the second derivatives at theta, for features x - center."""
    return hessian_product(part, theta)[1](center)


def hessian_product(data: Dataset, theta: np.ndarray) -> tuple[Product, Product]:
    """The second derivatives H at theta without making them.

    Returns
    -------
    v -> H v, (n + 1,), for features x as they are
    center -> the diagonal of H, (n + 1,), for features x - center
    """
    if not isinstance(data, InMemory):
        return (lambda v: data.reduce(hessian_times, theta, v)), (lambda center: data.reduce(hessian_diagonal, theta, center))
    weighed = data.with_weights(read_only(curvature(data, theta)))          # kept from one product to the next
    return (_kernel(data, numpy_passes.hessian_product)(weighed.sample_weight),
            lambda center: np.append(moments(weighed, center)[1], weighed.sample_weight.sum()))


def curvature(part: InMemory, theta: np.ndarray) -> np.ndarray:
    """s_i a_i (1 - a_i) of every row, (m,)."""
    return numpy_passes.curvature(part.X, part.sample_weight, part.offset, theta)


def descend(data: Dataset, theta: np.ndarray, previous: np.ndarray, rule: Rule, record: np.ndarray) -> tuple[int, int]:
    """At most `len(record)` steps of gradient descent in place, see `descent.descend`; in one call of a backend that can."""
    if isinstance(data, InMemory):
        if not hasattr(data.backend, "descend"):
            return descent.descend(data.backend.cost_gradient, data.prepared, theta, previous, rule, record)
        updates, status = data.backend.descend(*data.prepared, theta, previous, rule, record)
        return updates, status

    def into(theta: np.ndarray, grad: np.ndarray) -> float:
        loss, grad[:] = data.reduce(cost_gradient, theta)
        return float(loss)

    return descent.descend(into, (), theta, previous, rule, record)


def _kernel(part: InMemory, of_numpy: Callable[Concatenate[Any, Any, Any, Any, _Arguments], _Result]
            ) -> Callable[_Arguments, _Result]:
    """The backend's function in place of NumPy's of the same name, or NumPy's where it has none, for the rows of the part."""
    own: Callable[..., _Result] | None = getattr(part.backend, of_numpy.__name__, None)
    return functools.partial(of_numpy, *part.rows) if own is None else functools.partial(own, *part.prepared)

"""A kernel's gradient beside two independent ones: the computation graph's, and finite differences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlr._train import cost_and_gradient
from fastlr.graph.logistic import logistic_cost
from fastlr.graph.softmax import softmax_cost
from fastlr.graph.value import Value

# The relative difference of kernel and graph, at most: they add up the same formulas in another order.
_RTOL = 1e-12
# The relative difference of finite differences and graph, at most.
_DIFFERENCES_RTOL = 1e-5
# The step of a finite difference, as a change of margins: eps^(1/3), which balances the errors of a central difference.
_STEP = 6e-6


@dataclass(frozen=True, eq=False, repr=False)
class GradientCheck:
    """J and its gradient, computed in three ways.

    Attributes
    ----------
    backend : str
    names : tuple of str
        The names of the elements of the arrays: "J", "dw1", "dw2", ..., "db", or with K classes "J", "dw0_1", ..., "db0",
        "dw1_1", and so on.
    graph, differences, kernel : (1 + n + 1,) or (1 + K (n + 1),) float64
        The results of the computation graph, of central differences of the graph's J (with J itself first), and of the backend.
    scale : float64, of the same shape
        J, and the mean (or sum) of |x_j|, which is the largest value of a derivative.  Errors are relative to it.
    noise : float64, of the same shape
        The errors of the differences that the rounding of J can cause.
    error : float
        The largest |kernel - graph| / scale.
    passed : bool
        Whether kernel and graph agree to 1e-12 of scale, and differences and graph to 1e-5 and noise.

    Examples
    --------
    >>> import fastlr
    >>> check = fastlr.graph.check_gradient("numpy", [[1, 3], [-2, 0.5], [-1, -3.2]], [1, 1, 0], [1, 2], 1.5)
    >>> assert check.passed, check
    >>> print(check.names, check.kernel.round(8))
    ('J', 'dw1', 'dw2', 'db') [ 0.15900538  0.25071532 -0.06604096 -0.12500405]
    """

    backend: str
    names: tuple[str, ...]
    graph: np.ndarray
    differences: np.ndarray
    kernel: np.ndarray
    scale: np.ndarray
    noise: np.ndarray

    @property
    def error(self) -> float:
        return float(np.max(np.abs(self.kernel - self.graph) / self.scale))

    @property
    def passed(self) -> bool:
        return bool(self.error <= _RTOL
                    and np.all(np.abs(self.differences - self.graph) <= _DIFFERENCES_RTOL * self.scale + self.noise))

    def __repr__(self) -> str:
        lines = [f"{'':6}{'graph':>20}{'differences':>20}{self.backend:>20}{'error':>10}"]
        for name, by_graph, by_differences, by_kernel, scale in zip(self.names, self.graph, self.differences, self.kernel,
                                                                    self.scale, strict=True):
            difference = f"{by_differences:20.8g}" if name != "J" else f"{'':20}"
            lines.append(f"{name:6}{by_graph:20.13g}{difference}{by_kernel:20.13g}{abs(by_kernel - by_graph) / scale:10.0e}")
        return "\n".join([*lines, "passed" if self.passed else "FAILED"])


def check_gradient(backend: str, X: Any = None, y: Any = None, w: Any = None, b: Any = 0.3, *, reduction: str = "mean",
                   l2: float = 0.0, sample_weight: Any = None, offset: Any = None) -> GradientCheck:
    """Compare a backend's cost and gradient with the computation graph's and with finite differences.

    Parameters
    ----------
    backend : str
        The kernel to check, as for `fastlr.cost_and_gradient`.
    X, y, w : array_like, (m, n), (m,), (n,) or (K, n), optional
        By default 20 examples of 3 features at random, always the same, with each class by turns.
    b : float, or array_like, (K,)
    reduction, l2, sample_weight, offset
        As for `fastlr.cost_and_gradient`.

    Returns
    -------
    GradientCheck
        The three results.  `assert check.passed, check` is a test that says what is wrong, and `print(check)` a table.

    Raises
    ------
    TypeError, ValueError
        `fastlr.cost_and_gradient` refuses the arguments.

    Examples
    --------
    >>> import fastlr
    >>> print(fastlr.graph.check_gradient("python"))    # doctest: +ELLIPSIS
                         graph         differences              python     error
    J     ...
    passed
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 3)) if X is None else X
    w = rng.standard_normal(np.shape(X)[1]) if w is None else w
    y = np.arange(len(X)) % max(2, np.size(b)) if y is None else y
    options: dict[str, Any] = {"reduction": reduction, "l2": l2, "sample_weight": sample_weight, "offset": offset}
    J, dw, db = cost_and_gradient(X, y, w, b, backend=backend, **options)       # which checks the input

    X, theta, grad = np.asarray(X, np.float64), _side_by_side(w, b), _side_by_side(dw, db)
    cost_graph: Callable[..., Value] = logistic_cost if theta.ndim == 1 else softmax_cost
    graph = cost_graph(X, y, w, b, **options)
    rows = [("dw", "db")] if theta.ndim == 1 else [(f"dw{k}_", f"db{k}") for k in range(len(theta))]
    names = [name for dw_, db_ in rows for name in (*(f"{dw_}{j}" for j in range(1, X.shape[1] + 1)), db_)]
    derivatives = graph.derivatives()

    def cost(theta: np.ndarray) -> float:
        return cost_graph(X, y, theta[..., :-1], theta[..., -1], **options).value

    columns = np.abs(np.column_stack([X, np.ones(len(X))]))
    steps = np.broadcast_to(_STEP / np.maximum(1.0, columns.max(axis=0)), theta.shape).ravel()
    differences = [_difference(cost, theta, place, step) for place, step in enumerate(steps)]
    s = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    scale = np.append(graph.value, s @ columns / (s.sum() if reduction == "mean" else 1.0) + l2 * np.abs(theta))
    return GradientCheck(backend, ("J", *names), np.array([graph.value, *(derivatives[name] for name in names)]),
                         np.array([graph.value, *differences]), np.array([J, *grad.flat]), np.where(scale > 0.0, scale, 1.0),
                         np.append(0.0, 4.0 * np.finfo(np.float64).eps * graph.value / steps))


def _side_by_side(w: Any, b: Any) -> np.ndarray:
    """Parameters (n + 1,) or (K, n + 1) of w (n,) or (K, n) and b, a number or (K,)."""
    return np.concatenate([np.asarray(w, np.float64), np.expand_dims(np.asarray(b, np.float64), -1)], axis=-1)


def _difference(cost: Callable[[np.ndarray], float], theta: np.ndarray, place: int, step: float) -> float:
    """The central difference in the component at a place of theta, flattened."""
    above, below = theta.copy(), theta.copy()
    above.flat[place] += step
    below.flat[place] -= step
    return (cost(above) - cost(below)) / (above.flat[place] - below.flat[place])

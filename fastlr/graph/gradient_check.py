"""A kernel's gradient beside two independent ones: the computation graph's, and finite differences."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlr._train import cost_and_gradient
from fastlr.graph.value import logistic_cost

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
        The names of the elements of the arrays: "J", "dw1", "dw2", ..., "db".
    graph, differences, kernel : (n + 2,) float64
        The results of the computation graph, of central differences of the graph's J (with J itself first), and of the backend.
    scale : (n + 2,) float64
        J, and the mean (or sum) of |x_j|, which is the largest value of a derivative.  Errors are relative to it.
    noise : (n + 2,) float64
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


def check_gradient(backend: str, X: Any = None, y: Any = None, w: Any = None, b: float = 0.3, *, reduction: str = "mean",
                   l2: float = 0.0, sample_weight: Any = None, offset: Any = None) -> GradientCheck:
    """Compare a backend's cost and gradient with the computation graph's and with finite differences.

    Parameters
    ----------
    backend : str
        The kernel to check, as for `fastlr.cost_and_gradient`.
    X, y, w : array_like, (m, n), (m,), (n,), optional
        By default 20 examples of 3 features at random, always the same.
    b, reduction, l2, sample_weight, offset
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
    y = np.arange(len(X)) % 2 if y is None else y
    w = rng.standard_normal(np.shape(X)[1]) if w is None else w
    options: dict[str, Any] = {"reduction": reduction, "l2": l2, "sample_weight": sample_weight, "offset": offset}
    J, dw, db = cost_and_gradient(X, y, w, b, backend=backend, **options)       # which checks the input

    X, theta = np.asarray(X, np.float64), np.append(w, b).astype(np.float64)
    graph = logistic_cost(X, y, w, b, **options)
    names = (*(f"dw{j}" for j in range(1, dw.size + 1)), "db")
    derivatives = graph.derivatives()

    def cost(theta: np.ndarray) -> float:
        return logistic_cost(X, y, theta[:-1], theta[-1], **options).value

    columns = np.abs(np.column_stack([X, np.ones(len(X))]))
    steps = _STEP / np.maximum(1.0, columns.max(axis=0))
    differences = [_difference(cost, theta, j, step) for j, step in enumerate(steps)]
    s = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    scale = np.append(graph.value, s @ columns / (s.sum() if reduction == "mean" else 1.0) + l2 * np.abs(theta))
    return GradientCheck(backend, ("J", *names), np.array([graph.value, *(derivatives[name] for name in names)]),
                         np.array([graph.value, *differences]), np.array([J, *dw, db]), np.where(scale > 0.0, scale, 1.0),
                         np.append(0.0, 4.0 * np.finfo(np.float64).eps * graph.value / steps))


def _difference(cost: Any, theta: np.ndarray, j: int, step: float) -> float:
    """The central difference in component j."""
    above, below = theta.copy(), theta.copy()
    above[j] += step
    below[j] -= step
    return (cost(above) - cost(below)) / (above[j] - below[j])

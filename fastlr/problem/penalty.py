"""What is added to the loss in J: nothing else knows the form of a penalty.

A penalty is a convex function of u with second derivatives.  Its methods take the scales (n + 1,) of the coordinates, 1 / sd_j
and 1: u * scales are the parameters [w, c] for features x - mu.
"""

from typing import NamedTuple, Protocol

import numpy as np

from fastlr.machine.blas import dot


class Penalty(Protocol):
    """A penalty, as solvers see it."""

    @property
    def is_separable(self) -> bool:
        """Whether the second derivatives are a diagonal."""

    @property
    def convexity(self) -> float:
        """What the second derivatives along w are at least; 0 if nothing is known."""

    def value(self, u: np.ndarray, scales: np.ndarray) -> float:
        """The penalty at u."""

    def gradient(self, u: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """The gradient by u, (n + 1,)."""

    def product(self, v: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """The product of the second derivatives by u with v, (n + 1,)."""

    def diagonal(self, scales: np.ndarray) -> np.ndarray:
        """The diagonal of the second derivatives by u, (n + 1,)."""

    def add_hessian(self, H: np.ndarray, scales: np.ndarray) -> None:
        """Add the second derivatives by u to H, (n + 1, n + 1)."""


class Ridge(NamedTuple):
    """The penalty l2/2 ||w||^2, which is never on the intercept."""

    l2: float

    @property
    def is_separable(self) -> bool:
        return True

    @property
    def convexity(self) -> float:
        return self.l2

    def value(self, u: np.ndarray, scales: np.ndarray) -> float:
        w = u[:-1] * scales[:-1]
        return 0.5 * self.l2 * dot(w, w)

    def gradient(self, u: np.ndarray, scales: np.ndarray) -> np.ndarray:
        return self.product(u, scales)

    def product(self, v: np.ndarray, scales: np.ndarray) -> np.ndarray:
        Hv = self.l2 * (v * scales) * scales    # the diagonal may be infinity where this is 0
        Hv[-1] = 0.0
        return Hv

    def diagonal(self, scales: np.ndarray) -> np.ndarray:
        diagonal = self.l2 * scales ** 2
        diagonal[-1] = 0.0
        return diagonal

    def add_hessian(self, H: np.ndarray, scales: np.ndarray) -> None:
        H.flat[::len(H) + 1] += self.diagonal(scales)


class Quadratic(NamedTuple):
    """Half of (theta - center)^T matrix (theta - center), where theta = u * scales."""

    center: np.ndarray          # (n + 1,)
    matrix: np.ndarray          # (n + 1, n + 1), or its diagonal (n + 1,); no less than 0

    @property
    def convexity(self) -> float:
        return 0.0

    @property
    def is_separable(self) -> bool:
        return self.matrix.ndim == 1

    def value(self, u: np.ndarray, scales: np.ndarray) -> float:
        way = u - self.center / scales
        return 0.5 * dot(way, self.product(way, scales))

    def gradient(self, u: np.ndarray, scales: np.ndarray) -> np.ndarray:
        return self.product(u - self.center / scales, scales)

    def product(self, v: np.ndarray, scales: np.ndarray) -> np.ndarray:
        along = scales * v
        return scales * (self.matrix * along if self.is_separable else np.vecdot(self.matrix, along))   # no BLAS threads start

    def diagonal(self, scales: np.ndarray) -> np.ndarray:
        return scales ** 2 * (self.matrix if self.is_separable else self.matrix.diagonal())

    def add_hessian(self, H: np.ndarray, scales: np.ndarray) -> None:
        if self.is_separable:
            H.flat[::len(H) + 1] += self.diagonal(scales)
        else:
            H += scales[:, None] * self.matrix * scales

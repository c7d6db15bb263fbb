"""The history of a training: J, the gradient and the time at every update."""

import time
from typing import Any, NamedTuple

import numpy as np


class History(NamedTuple):
    """The history of a training.

    Attributes
    ----------
    cost : (n_iter + 1,) float64
        J after 0, 1, ... n_iter updates.
    grad_norm : (n_iter + 1,) float64
        The gradient's norm that `tol` bounds, after as many updates; NaN where gradient descent had no `tol`.
    step : (n_iter,) float64
        The factor of each update's direction: the learning rate, or 1 for a full step of a quasi-Newton method.
    seconds : (n_iter + 1,) float64
        The seconds since `train` was called, compiling included.  Updates in one compiled call share its time evenly.
    """

    cost: np.ndarray
    grad_norm: np.ndarray
    step: np.ndarray
    seconds: np.ndarray


class Recorder:
    """A History in the making.

    Parameters
    ----------
    start : float
        `time.perf_counter()` when training began.
    """

    def __init__(self, start: float) -> None:
        self.start = start
        self.n_iter = 0
        self._updates: list[Any] = []
        self._made, self._seconds = [0], [self.elapsed()]       # updates and time at the start, and after each call of `add`

    def elapsed(self) -> float:
        """The seconds since training began."""
        return time.perf_counter() - self.start

    def add(self, updates: Any) -> None:
        """Note updates made since the last call, (k, 3): J and the gradient's norm before each, and its step."""
        if len(updates):
            self._updates.append(updates)
            self._seconds.append(self.elapsed())
            self.n_iter += len(updates)
            self._made.append(self.n_iter)

    def history(self, cost: float, grad_norm: float, n_iter: int | None = None) -> History:
        """Make a History of the first n_iter updates (by default all), with J and the gradient's norm after them."""
        n_iter = self.n_iter if n_iter is None else n_iter
        table = np.empty((3, n_iter + 1))
        if n_iter:
            table[:, :-1] = np.concatenate(self._updates)[:n_iter].T
        table[0, -1], table[1, -1] = cost, grad_norm
        return History(table[0], table[1], table[2, :-1], np.interp(np.arange(n_iter + 1), self._made, self._seconds))

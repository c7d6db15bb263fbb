"""What a training notes of its updates, and tells those who watch it: the history, the bar and the callback."""

import time
from typing import Any

import numpy as np

from fastlr.problem.problem import Problem
from fastlr.solvers import Ending, Options, State, weights_and_intercept
from fastlr.solvers.history import History


class Recorder:
    """A History in the making, and those who watch it: the bar and the callback of the options, if any."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.n_iter, self.is_stopped = 0, False                 # updates so far, and whether the callback has asked to stop
        self._updates: list[Any] = []
        self._made, self._seconds = [0], [self._elapsed()]      # updates and time at the start, and after each call of `add`

    @property
    def is_over(self) -> bool:
        """Whether no update may follow."""
        return self.is_stopped or self.n_iter >= self._options.most_updates

    @property
    def ending(self) -> Ending:
        """The reason why a descent has ended that goes on for as long as it may."""
        return Ending.CALLBACK if self.is_stopped else Ending.MAX_ITER if self.is_over else Ending.EXHAUSTED

    def _elapsed(self) -> float:
        """The seconds since training began."""
        return time.perf_counter() - self._options.start

    def show(self, cost: float, grad_norm: float) -> None:
        """Show the bar J and the gradient's norm, which is NaN if tol is 0."""
        if self._options.progress is not None:
            self._options.progress.show(self.n_iter, cost, grad_norm)

    def add(self, updates: Any) -> None:
        """Note updates made since the last call, (k, 3): J and the gradient's norm before each, and its step."""
        if len(updates):
            self._updates.append(updates)
            self._seconds.append(self._elapsed())
            self.n_iter += len(updates)
            self._made.append(self.n_iter)

    def ask(self, problem: Problem, u: np.ndarray) -> bool:
        """Ask the callback whether to stop, now that the last update noted has led to u."""
        if self._options.callback is not None:
            theta = problem.coordinates.parameters(u).reshape(problem.shape)
            state = State(self.n_iter, float(self._updates[-1][-1][0]), *weights_and_intercept(theta), self._elapsed())
            self.is_stopped = bool(self._options.callback(state))
        return self.is_stopped

    def history(self, cost: float, grad_norm: float, n_iter: int | None = None) -> History:
        """Make a History of the first n_iter updates (by default all), with J and the gradient's norm after them."""
        n_iter = self.n_iter if n_iter is None else n_iter
        table = np.empty((3, n_iter + 1))
        if n_iter:
            table[:, :-1] = np.concatenate(self._updates)[:n_iter].T
        table[0, -1], table[1, -1] = cost, grad_norm
        return History(table[0], table[1], table[2, :-1], np.interp(np.arange(n_iter + 1), self._made, self._seconds))

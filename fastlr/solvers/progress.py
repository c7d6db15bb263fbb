"""The bar of progress=True: tqdm's, in a terminal or a notebook; it costs one look at the clock for each update."""

import functools
import importlib
import importlib.util
import math
import sys
import time
from typing import Any

import numpy as np

from fastlr.machine.distribution import how_to_install

# Seconds between two pictures, and before the first, since short trainings need none.
INTERVAL = 0.1
_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"


@functools.cache                # looking takes a fifth of a small training
def _is_installed() -> bool:
    return importlib.util.find_spec("tqdm") is not None


class Progress:
    """A bar that shows the share of training done: in decades of the gradient's norm toward tol, or in updates if tol is 0.

    What is counted is called by its unit.  ImportError says that tqdm is not installed.
    """

    def __init__(self, tol: float, max_iter: int, unit: str = "updates") -> None:
        if not _is_installed():
            raise ImportError("progress=True needs the package tqdm; " + how_to_install("tqdm"))
        self._tol, self._max_iter, self._unit = tol, max_iter, unit
        self._bar: Any = None
        self._due = time.perf_counter() + INTERVAL
        # A notebook without ipywidgets may show each picture on a line of its own: it gets the first and the last.
        self._has_no_widgets = "ipykernel" in sys.modules and importlib.util.find_spec("ipywidgets") is None
        self._first = math.nan
        self._last = (0, math.nan, math.nan)
        self._users_errors = np.geterr()        # training ignores NumPy's errors, and whoever shows a bar need not

    def show(self, n_iter: int, cost: float, grad_norm: float) -> None:
        """Draw the bar anew, if it is time: J and the gradient's norm (NaN if tol is 0) after so many updates."""
        if math.isnan(self._first):
            self._first = grad_norm
        self._last = n_iter, cost, grad_norm
        if time.perf_counter() >= self._due:
            self._draw()
            self._due = math.inf if self._has_no_widgets else time.perf_counter() + INTERVAL

    def show_next(self, cost: float) -> None:
        """Draw the bar anew, if it is time, for one more of what is counted: J there."""
        self.show(self._last[0] + 1, cost, math.nan)

    def close(self) -> None:
        """Close the bar; its last picture stays."""
        if self._bar is not None:
            self._draw()
            self._bar.close()

    def _draw(self) -> None:
        n_iter, cost, grad_norm = self._last
        gradient = "" if math.isnan(grad_norm) else f", gradient {grad_norm:.1e}"
        with np.errstate(**self._users_errors):
            if self._bar is None:
                module = importlib.import_module("tqdm.std" if self._has_no_widgets else "tqdm.auto")
                self._bar = module.tqdm(total=1.0, desc="training", bar_format=_FORMAT)
            self._bar.n = self._share(n_iter, grad_norm)
            self._bar.set_postfix_str(f"{n_iter} {self._unit}, J = {cost:.6g}{gradient}")

    def _share(self, n_iter: int, grad_norm: float) -> float:
        """The share of training that is done, between 0 and 1."""
        if not 0.0 < self._tol < self._first < math.inf:
            return n_iter / max(self._max_iter, 1)
        decades = math.log(self._first / max(grad_norm, self._tol)) / math.log(self._first / self._tol)
        return min(max(decades, 0.0), 1.0)

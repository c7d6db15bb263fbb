"""The history of a training: J, the gradient and the time at every update."""

from typing import NamedTuple

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

"""The table of solvers.

A solver is a module with

    solve(objective, theta, options) -> Result
    expected_steps(options) -> int          roughly, for the choice of a backend

It starts at theta (n + 1,), which it may overwrite, sees only the Objective, and no X.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from fastlr.backends._forks import imported

NAMES = ("auto", "gd", "newton", "lbfgs")

DEFAULT_MAX_ITER = 10_000


class Options(NamedTuple):
    """What a solver is told."""

    learning_rate: float | None
    max_iter: int | None
    tol: float
    callback: Callable[["State"], Any] | None


class State(NamedTuple):
    """What a callback sees after every update."""

    n_iter: int             # updates so far
    cost: float             # J before this update
    w: np.ndarray           # (n,) after it, a copy
    b: float
    elapsed: float          # seconds since the first step


class Result(NamedTuple):
    """What a solver found."""

    theta: np.ndarray       # (n + 1,)
    cost: float             # J there
    costs: np.ndarray       # (n_iter,) J before each update
    converged: bool
    stop_reason: str
    grad_norm: float        # what tol bounds, or NaN where it was not asked for
    gap: float | None       # estimate of J - J*
    solver: str             # the method that really ran
    warning: Warning | None     # for the user, if the result is not what was asked for


def load(name: str) -> ModuleType:
    """The module of a solver.

    Raises
    ------
    ValueError
        Unknown name.
    """
    if not isinstance(name, str) or name not in NAMES:
        raise ValueError(f"solver={name!r} is unknown; there are {', '.join(map(repr, NAMES))}")
    return imported(f"fastlr.solvers.{name}")

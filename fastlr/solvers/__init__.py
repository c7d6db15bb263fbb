"""The table of solvers.

A solver is a module with

    solve(objective, theta, options) -> Result

It starts at theta (n + 1,), which it may overwrite, sees only the Objective, and no X.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

NAMES = ("auto", "gd", "newton", "lbfgs")

_TABLE = {"auto": "gd", "gd": "gd"}             # "auto" is gradient descent until there is something faster


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
    warning: str | None     # for the user, if the result is not what was asked for


def load(name: str) -> tuple[str, ModuleType]:
    """The solver that really runs for a name, and its module.

    Raises
    ------
    ValueError
        Unknown name.
    NotImplementedError
        A solver that is not there yet.
    """
    if name not in NAMES:
        raise ValueError(f"solver={name!r} is unknown; there are {', '.join(map(repr, NAMES))}")
    if name not in _TABLE:
        raise NotImplementedError(f"solver={name!r} is not there yet; there are {', '.join(map(repr, _TABLE))}")
    return _TABLE[name], importlib.import_module(f"fastlr.solvers.{_TABLE[name]}")

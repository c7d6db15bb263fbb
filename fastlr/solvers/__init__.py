"""The table of solvers.

A solver is a module with

    solve(problem, theta, options) -> Result    the minimum of J
    EXPECTED_STEPS                              about how many steps it takes, for the choice of a backend; None for `max_iter`
    kernels(is_driven, n_threads) -> names      the compiled kernels that every training calls; is_driven is
                                                `CostModel.is_driven` of the data

`solve` is given J as a function of theta, and sees no X.  It starts at theta, which it may overwrite.  Where theta is
None, it chooses the start.  theta is (n + 1,) with the intercept last, or K such rows one after another.
"""

import enum
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from fastlr.machine.forks import imported
from fastlr.solvers.history import History
from fastlr.solvers.progress import Progress

NAMES = ("auto", "gd", "newton", "lbfgs")
# The solvers that scikit-learn's LogisticRegression has beside "lbfgs".
_SCIKIT_LEARNS = ("liblinear", "newton-cg", "newton-cholesky", "sag", "saga")

DEFAULT_MAX_ITER = 10_000


# The largest gradient to which a descent is planned: at a larger one hardly anything can be proved, and going on takes longer.
_LARGEST_TARGET = 1e-4


class Options(NamedTuple):
    """What a solver is told."""

    learning_rate: float | None
    max_iter: int | None
    tol: float
    callback: Callable[["State"], Any] | None
    start: float            # time.perf_counter() when training began
    progress: Progress | None = None

    @property
    def target(self) -> float:
        """The gradient's norm to which a descent is planned: `tol`, or less where nothing can be proved at `tol` yet."""
        return min(self.tol, _LARGEST_TARGET)

    @property
    def most_updates(self) -> int:
        """`max_iter`, or its default."""
        return DEFAULT_MAX_ITER if self.max_iter is None else self.max_iter

    @property
    def may_start_elsewhere(self) -> bool:
        """Whether work on other rows or features than those of X may make the start: nobody counts or watches its updates."""
        return self.most_updates > 0 and self.callback is None

    @property
    def how_many(self) -> dict[str, Any]:
        """Arguments of `quasi_newton.iterates`: the most updates, and one update an iterate where a callback sees them."""
        return {"most": self.most_updates} | ({} if self.callback is None else {"updates_a_call": 1})


class Ending(enum.Enum):
    """The reason why a descent has ended."""

    AT_REST = "the gradient is at most tol={tol:g}"
    SLOW = "the gradient falls slowly"
    EXHAUSTED = "no step lowers J any more: what is left of the gradient is rounding"
    MAX_ITER = "max_iter={max_iter} updates were made"
    CALLBACK = "the callback asked to stop"
    WITHOUT_ERROR = "every example is on its right side"

    def told(self, options: Options) -> str:
        """The reason as the user is told it."""
        return self.value.format(tol=options.tol, max_iter=options.most_updates)

    @property
    def advice(self) -> str:
        """What may help where that is too early; nothing where the user has wanted it."""
        if self is Ending.CALLBACK:
            return ""
        return "To go on, raise max_iter or set a larger tol" if self is Ending.MAX_ITER else "To go on, set a larger tol"


class State(NamedTuple):
    """What a callback sees after every update."""

    n_iter: int             # updates so far
    cost: float             # J before this update
    w: np.ndarray           # (n,) or (K, n) after it, a copy
    b: Any                  # float or (K,)
    elapsed: float          # seconds since train was called


class Result(NamedTuple):
    """What a solver found."""

    theta: np.ndarray       # (n + 1,) or (K, n + 1)
    history: History        # which ends with J there
    converged: bool
    stop_reason: str
    solver: str                         # the method that really ran
    grad_norm: float = math.nan         # what tol bounds there, if it was asked for
    gap: float | None = None            # J - J* is at most this, or about this
    gap_kind: str | None = None         # "bound" or "estimate", which of the two
    warning: Warning | None = None      # for the user, if the result is not what was asked for


def refuse_infinite_start(cost: float) -> None:
    """Raise ValueError where J at the start is not finite."""
    if not math.isfinite(cost):
        raise ValueError(f"J is {cost} at the start: init and X together are too large for float64")


def weights_and_intercept(theta: np.ndarray) -> tuple[np.ndarray, Any]:
    """Copies of w (n,) and b, of parameters (n + 1,); or of w (K, n) and b (K,), of parameters (K, n + 1)."""
    b = theta[..., -1]
    return theta[..., :-1].copy(), b.copy() if b.ndim else float(b)


def load(name: str) -> ModuleType:
    """The module of a solver.

    Raises
    ------
    ValueError
        Unknown name.
    """
    if not isinstance(name, str) or name not in NAMES:
        hint = ".  It is a solver of scikit-learn's, and 'auto' finds the same optimum" if str(name) in _SCIKIT_LEARNS else ""
        raise ValueError(f"solver={name!r} is unknown; there are {', '.join(map(repr, NAMES))}{hint}")
    return imported(f"fastlr.solvers.{name}")

"""What backend="auto" means, and which kernel predicts: NumPy, until starting Numba costs less than it saves.

Numba takes a while to import, and its kernels take a while to load.  So a process trains and predicts by NumPy until one
call is long enough to pay for that, or until many short calls together were.  A ledger has what NumPy has cost so far.
"""

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from fastlr import backends
from fastlr.backends import numpy_vectorized
from fastlr.backends.csr import Csr
from fastlr.machine import forks
from fastlr.machine.warnings import warn

# Seconds from `import numba` to the first step of a kernel that lies in the compile cache.
_NUMBA_START = 0.4
# Seconds by which a step of gradient descent takes longer in NumPy than in the fused kernel, whatever the size of X.
_NUMPY_STEP = 2e-5
# Seconds that NumPy adds to that for each number in X.
_NUMPY_ELEMENT = 2e-9
# Seconds by which a step on a sparse X takes longer in SciPy than in the fused kernel, whatever the size of X.
_SCIPY_STEP = 5e-5
# Seconds that SciPy adds to that for each number that X stores.
_SCIPY_ELEMENT = 7e-10
# Seconds by which NumPy takes longer than the compiled kernel to predict one row.
_NUMPY_PREDICTED_ROW = 1e-8
# Rows below which NumPy predicts as fast as the compiled kernel.
_FEW_ROWS = 100
# Seconds that a process may lose to NumPy in calls that are each too short to start Numba for; then it starts Numba.
_LOSS_LIMIT = 0.1

_PREDICTIONS = "fastlr.backends.compiled.predictions"

_seconds_lost = {"training": 0.0, "predicting": 0.0}        # to NumPy, by this process so far


def choose(name: str, X: Any, steps: float, kernels: Sequence[str]) -> str:
    """Resolve "auto" to the name of a backend; any other name is returned as it is, if that backend takes such an X.

    "auto" is "fused" where its kernels are ready in this process, or where starting Numba pays.  Otherwise, and where Numba is
    missing or broken, it is "numpy".

    Parameters
    ----------
    name : str
    X : array or Csr
    steps : float
        The number of steps that training will take, roughly.
    kernels : sequence of str
        The modules of `fastlr.backends` whose kernels training will call.
    """
    if not (isinstance(name, str) and name == "auto"):
        if isinstance(X, Csr) and "sparse" not in getattr(backends.load(name), "layouts", backends.LAYOUTS):
            raise NotImplementedError(f"X is sparse, and backend={name!r} takes dense X alone; pass X.toarray(), or choose "
                                      "another backend")
        return name
    if backends.reason_why_not("fused") is not None:
        return "numpy"
    seconds_a_step = _SCIPY_STEP + _SCIPY_ELEMENT * X.size if isinstance(X, Csr) else _NUMPY_STEP + _NUMPY_ELEMENT * X.size
    seconds = steps * seconds_a_step
    if seconds < _NUMBA_START and all(is_ready(f"fastlr.backends.{each}", X) for each in kernels):
        return "fused"
    return "fused" if _should_start_numba("training", seconds) and _can_load_fused() else "numpy"


def predictor(X: Any) -> ModuleType:
    """Return the module that predicts for X: NumPy's for few rows, the compiled one where it is ready or pays.

    Its function

        predict(X, offset, theta, as_probabilities) -> (predicted, is_finite)

    returns the margins (m,), or the probabilities of both classes (m, 2), and whether X and all margins are known to be finite.
    Both modules predict the same up to rounding.
    """
    rows = X.shape[0]
    if rows < _FEW_ROWS:
        return numpy_vectorized
    if is_ready(_PREDICTIONS, X):
        return sys.modules[_PREDICTIONS]
    if backends.reason_why_not("fused") is not None or not _should_start_numba("predicting", _NUMPY_PREDICTED_ROW * rows):
        return numpy_vectorized
    return compiled_predictor() if _can_load_fused() else numpy_vectorized


def compiled_predictor() -> ModuleType:
    """Import the module of the compiled kernel that predicts; its function is described at `predictor`."""
    return forks.imported(_PREDICTIONS)


def is_ready(module: str, X: Any) -> bool:
    """Whether this process has the module's kernel compiled or loaded for X, so that a call starts at once."""
    is_compiled = getattr(sys.modules.get(module), "is_compiled", None)
    return is_compiled is not None and is_compiled(X)


def _can_load_fused() -> bool:
    try:
        backends.load("fused")
    except ImportError as error:
        warn(RuntimeWarning(f"{error}, and is what works from here on"))
        return False
    return True


def _should_start_numba(what: str, seconds: float) -> bool:
    """Whether to start Numba for a call that takes NumPy `seconds` longer; if not, the ledger is charged with them."""
    if seconds >= _NUMBA_START or _seconds_lost[what] >= _LOSS_LIMIT:
        return True
    _seconds_lost[what] += seconds
    return False

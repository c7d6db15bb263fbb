"""What backend="auto" means, and which kernel predicts: compiled code, unless that would have to be waited for.

Kernels of a prebuilt library, and those that this process has loaded, start at once.  For others Numba has to be imported, which
takes a while, and they are read from the compile cache or compiled, which takes seconds.  So a process trains and predicts by
NumPy until one call is long enough to pay for that, or until many short calls together were.  A ledger has what NumPy has cost
so far.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from fastlr import backends
from fastlr.backends import numpy_vectorized
from fastlr.backends.compiled.cache_place import holds_kernels
from fastlr.backends.compiled.native import is_kept, is_ready
from fastlr.backends.csr import Csr
from fastlr.machine.warnings import warn

# Seconds from `import numba` to the first step of a kernel that lies in the compile cache.
NUMBA_START = 0.4
# Seconds that it takes to compile one kernel.
COMPILATION = 3.0
# Seconds by which a step of gradient descent takes longer in NumPy than in the fused kernel, whatever the size of X.
_NUMPY_STEP = 2e-5
# Seconds that NumPy adds to that for each number in X.
_NUMPY_ELEMENT = 2e-9
# Seconds by which a step on a sparse X takes longer in SciPy than in the fused kernel, whatever the size of X.
_SCIPY_STEP = 5e-5
# Seconds that SciPy adds to that for each number that X stores.
_SCIPY_ELEMENT = 7e-10
# Seconds by which NumPy takes longer than the compiled kernel to predict one row.
NUMPY_PREDICTED_ROW = 1e-8
# Rows below which NumPy predicts as fast as the compiled kernel.
FEW_ROWS = 100
# Seconds that a process may lose to NumPy in calls that are each too short to start Numba for; then it starts Numba.
LOSS_LIMIT = 0.1

_seconds_lost = {"training": 0.0, "predicting": 0.0}        # to NumPy, by this process so far


def choose(name: str, X: Any, steps: float, kernels: Sequence[str]) -> str:
    """Resolve "auto" to the name of a backend; any other name is returned as it is, if that backend takes such an X.

    "auto" is "fused" where its kernels are ready in this process, or where waiting for them pays, for about so many steps that
    call these compiled kernels.  Otherwise, and where Numba is needed and missing or broken, it is "numpy".
    """
    if not (isinstance(name, str) and name == "auto"):
        is_sparse = getattr(X, "is_sparse", isinstance(X, Csr))
        if is_sparse and "sparse" not in getattr(backends.load(name), "layouts", backends.LAYOUTS):
            raise NotImplementedError(f"X is sparse, and backend={name!r} takes dense X alone; pass X.toarray(), or choose "
                                      "another backend")
        return name
    if backends.reason_why_not("fused") is not None:
        return "numpy"
    a_step = _SCIPY_STEP + _SCIPY_ELEMENT * X.size if isinstance(X, Csr) else _NUMPY_STEP + _NUMPY_ELEMENT * X.size
    return "fused" if _pays("training", steps * a_step, kernels, X) else "numpy"


def predictor(X: Any, kernel: str = "predict") -> ModuleType:
    """Return the module that predicts for X: NumPy's for few rows, the compiled one where its kernel is ready or pays.

    Its functions

        predict(X, offset, theta, as_probabilities) -> (predicted, is_finite)
        softmax_predict(X, offset, Theta, as_probabilities) -> (predicted, is_finite)
        intervals(odds, width) -> bounds

    return the margins (m,), or the probabilities of both classes (m, 2); with Theta (K, n + 1) margins or probabilities (m, K).
    They say too whether X and all margins are known to be finite.  The bounds (m, 2) are those of the probabilities at log-odds
    (m,) less and plus a width (m,); X is the log-odds then.  Both modules predict the same up to rounding.
    """
    rows = X.shape[0]
    if rows < FEW_ROWS:
        return numpy_vectorized
    if backends.reason_why_not("fused") is not None or not _pays("predicting", NUMPY_PREDICTED_ROW * rows, (kernel,), X):
        return numpy_vectorized
    return backends.load("fused")


def _pays(what: str, seconds: float, kernels: Sequence[str], X: Any) -> bool:
    """Whether to use compiled kernels for a call that takes NumPy `seconds` longer; if not, the ledger is charged with them.

    They are where they are ready; where the call, or what the process has lost so far, is worth starting Numba, and they lie in
    the compile cache; and where it is worth compiling those that don't.  Numba is not imported for an empty cache.
    """
    missing = [kernel for kernel in kernels if not is_ready(kernel, X)]
    if not missing:
        return True
    lost = _seconds_lost[what]
    saved = max(seconds, lost)
    if (backends.reason_why_not("loop") is None and (seconds >= NUMBA_START or lost >= LOSS_LIMIT)
            and (saved >= COMPILATION * len(missing) or holds_kernels()) and _can_start_numba()
            and saved >= COMPILATION * sum(not is_kept(kernel, X) for kernel in missing)):
        return True
    _seconds_lost[what] += seconds
    return False


def _can_start_numba() -> bool:
    try:
        backends.load("loop")
    except ImportError:
        reason = backends.reason_why_not("loop")
        warn(RuntimeWarning(f"{reason}; backend='numpy' needs nothing else, and is what works from here on"))
        return False
    return True

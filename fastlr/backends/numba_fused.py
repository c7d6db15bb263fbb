"""One read of X a step: forward, backward and update, a block of rows at a time while the block is in cache.

Why that is fast is told in `compiled.block_pass`, and what is around it in `compiled.passes`.  Its kernels are the only ones that
need no Numba, where they were compiled when the package was built.
"""

import numpy as np

from fastlr.backends.compiled import native, passes, prebuilt, softmax_passes
from fastlr.backends.compiled.chunks import Matrix
from fastlr.backends.compiled.descents import quasi_newton
from fastlr.backends.compiled.passes import (
    Rows,
    cost_gradient,
    cost_gradient_and_moments,
    descend,
    grouped_scores,
    hessian,
    hessian_product,
    margins_and_forms,
    moments,
    penalized_newton,
    squared_scores,
)
from fastlr.backends.compiled.softmax_passes import (
    softmax_cost_gradient,
    softmax_hessian,
    softmax_hessian_product,
    softmax_probabilities,
)
from fastlr.backends.compiled.threads import limited as threads

__all__ = ["cost_gradient", "cost_gradient_and_moments", "descend", "grouped_scores", "hessian", "hessian_product",
           "intervals", "margins_and_forms", "moments", "penalized_newton", "predict", "prepare", "quasi_newton",
           "softmax_cost_gradient", "softmax_hessian", "softmax_hessian_product", "softmax_predict", "softmax_probabilities",
           "squared_scores", "threads"]

_NONE = np.empty(0)
_NO_LABELS = np.empty(0, np.int32)

if not prebuilt.is_there():
    native.import_compiler()            # and say at once what is wrong with it
if prebuilt.is_inspected():
    del quasi_newton                    # a kernel that raises can't be called by its address


def prepare(X: Matrix, y: np.ndarray, sample_weight: np.ndarray, offset: np.ndarray, n_threads: int) -> tuple[Rows]:
    """What the passes take first."""
    return (Rows(native.function, X, y, sample_weight, offset, n_threads),)


def predict(X: Matrix, offset: np.ndarray, theta: np.ndarray, as_probabilities: bool) -> tuple[np.ndarray, bool]:
    """Predict for the rows of X as `fastlr.backends.choice.predictor` says."""
    with threads(None, X.size) as n_threads:
        return passes.predict(*prepare(X, _NONE, _NONE, offset, n_threads), theta, as_probabilities)


def intervals(odds: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Make bounds of probabilities as `fastlr.backends.choice.predictor` says."""
    with threads(None, odds.size) as n_threads:
        return passes.intervals(*prepare(odds[:, None], _NONE, _NONE, _NONE, n_threads), odds, width)


def softmax_predict(X: Matrix, offset: np.ndarray, Theta: np.ndarray, as_probabilities: bool) -> tuple[np.ndarray, bool]:
    """Predict for the rows of X as `fastlr.backends.choice.predictor` says."""
    with threads(None, X.size) as n_threads:
        return softmax_passes.softmax_predict(*prepare(X, _NO_LABELS, _NONE, offset, n_threads), Theta, as_probabilities)

"""The table of backends, and the contract that each of them keeps: one file a backend, one row a file.

A backend is a module of this folder.  It has

    cost_gradient(*prepared, theta, grad) -> float
        required: the sum over rows of s_i * loss_i at theta; grad is overwritten with the sum of s_i * dz_i * [x_i, 1]
    hessian(*prepared, theta, center, floor) -> (n + 1, n + 1)
        optional: the sum of d_i v_i v_i^T with d_i = s_i a_i (1 - a_i) and v_i = [x_i - center, 1] over the rows whose d_i is at
        least floor; without it NumPy's of `numpy_passes`
    squared_scores(*prepared, theta, center, V, power) -> (loss, (n + 1, n + 1))
        optional: the sum of s_i loss_i, and that of s_i r_i^2 / (1 - h_i)^power v_i v_i^T with the residuals r_i = a_i - y_i and
        the leverages h_i = a_i (1 - a_i) v_i^T V v_i, for a power of 0, 1 or 2; without it NumPy's
    grouped_scores(*prepared, theta, places, groups) -> (loss, (groups, n + 1))
        optional: the sum of s_i loss_i, and that of s_i (a_i - y_i) [x_i, 1] over the rows of each group, which are those with
        its place, (m,) of 0 .. groups - 1; an array, or SciPy's sparse array where X is sparse; without it NumPy's
    margins_and_forms(*prepared, theta, center, V) -> ((m,), (m,))
        optional: the margins z_i and the quadratic forms v_i^T V v_i with v_i = [x_i - center, 1]; without it NumPy's
    hessian_product(*prepared, curvature) -> (v -> (n + 1,))
        optional: a function of v, the sum of d_i [x_i, 1] ([x_i, 1] . v) with the curvatures d_i = s_i a_i (1 - a_i), (m,), as
        given; without it NumPy's
    moments(*prepared, pivot) -> (first, second)
        optional: the sums of s_i (x_i - pivot) and of s_i (x_i - pivot)^2, each (n,); without it NumPy's
    cost_gradient_and_moments(*prepared, theta, pivot, grad) -> (loss, first, second)
        optional: what `cost_gradient` and `moments` give, in one read of X; without it there are two
    quasi_newton(*prepared, descent, M, scale, rule, hessian, sample, ridge, record, begun)
        optional: drive the `engine` in compiled code, for small problems, until update begun + len(record) has been made, the
        stopping rule has something for the caller to look at, or the engine asks for what the caller has to answer: a sample's
        Hessian, and also J's where the ridge that it takes is None.  record[i] is J and the gradient's norm before update
        begun + i, and its step.  For K classes the engine's vectors have K (n + 1) components
    penalized_newton(*prepared, columns, u, grad, shift, thresholds, penalty, goal, record) -> (J, updates, reason)
        optional: minimize J plus sum_j thresholds_j |u_j| in one compiled call, of at most `len(record)` updates, see
        `penalized_newton.Goal`; grad is overwritten with the gradient of all but l1 at u.  columns is X transposed, (p, m)
        float64 in C order or a `csr.Csr`.  A margin is u_p + sum_j u_j (columns_j - shift_j) + offset, and penalty is the
        diagonal of the second derivatives of l2.  Without it a solver makes each update from `hessian` and `cost_gradient`
    prepare(X, y, sample_weight, offset, n_threads) -> tuple
        optional: `prepared`, made once for many steps; without it `prepared` is (X, y, sample_weight, offset)
    descend(*prepared, theta, previous, rule, record) -> (updates, status)
        optional: many whole updates in one compiled call, for X of one range of `ranges.pieces`; else, and without it,
        `descent.descend` calls cost_gradient in a loop
    layouts : tuple of str
        optional: the layouts of X that it takes, of "dense" and "sparse"; without it both.  What it doesn't take is refused
    threads(n_threads, size) -> context manager that yields the number of threads in use
        optional: for kernels with threads of their own

    X              (m, n)   float64, float32, uint8, int8 or int16, C or Fortran order, read-only, finite; or a `csr.Csr`
    y              (m,)     int8, 0 or 1
    sample_weight  (m,)     float64, or (0,) for "every row counts once"
    offset         (m,)     float64, or (0,) for "none"; added to the intercept before anything else, since the two may cancel
    theta, grad    (n + 1,) float64, intercept last

For K classes y is (m,) int32, 0 .. K - 1; offset is (m, K) or (0,); and Theta, Grad and V are (K, n + 1) float64 in C order, the
intercepts last.  With the probabilities p_ik = e^z_ik / sum_l e^z_il a backend may have, all of them optional, NumPy's of
`numpy_passes` in place of what is missing:

    softmax_cost_gradient(*prepared, Theta, Grad) -> float
        the sum of s_i (log sum_k e^z_ik - z_i,y_i); Grad is overwritten with the sums of s_i (p_ik - [y_i = k]) [x_i, 1]
    softmax_probabilities(*prepared, Theta) -> (m, K)
        the probabilities p_ik of every row
    softmax_hessian(*prepared, Theta, center, floor=0.0) -> (K (n + 1), K (n + 1))
        all second derivatives: block (k, l) is the sum of s_i (p_ik [k = l] - p_ik p_il) v_i v_i^T; classes with s_i p_ik / 2
        below the floor may be left out of a row, see `softmax.leave_out`
    softmax_hessian_product(*prepared, Theta) -> (V -> (K, n + 1))
        a function of V: all second derivatives for features x as they are, times V

Kernels return sums over rows, never means, so that blocks, threads and partitions all reduce in the same way.
They weigh, and they never validate, average, regularise, print or raise.

To add a backend, write one file and add one row to `_TABLE`: the tests, `available_backends()` and the error
for an unknown name find it there.
"""

import functools
import importlib.util
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import NamedTuple

from fastlr.backends.compiled import prebuilt
from fastlr.machine import forks, stopwatch
from fastlr.machine.distribution import how_to_install

LAYOUTS = ("dense", "sparse")


class _Row(NamedTuple):
    module: str
    needs: str | None                                   # a package beyond NumPy
    does_without: Callable[[], bool] = lambda: False    # whether it need not be there


_TABLE = {
    "python": _Row("python_loops", None),
    "numpy": _Row("numpy_vectorized", None),
    "loop": _Row("numba_loop", "numba"),
    "parallel": _Row("numba_parallel", "numba"),
    "fused": _Row("numba_fused", "numba", prebuilt.is_there),
}


def available_backends() -> dict[str, str | None]:
    """Name every backend, with the reason why it can't be used here.

    Returns
    -------
    dict of str to (str or None)
        None where the backend is ready, else one sentence.  Nothing is imported to find out; that Numba is there but
        broken is known once a training has tried it.

    Examples
    --------
    >>> import fastlr
    >>> list(fastlr.available_backends())
    ['python', 'numpy', 'loop', 'parallel', 'fused']
    """
    return {name: reason_why_not(name) for name in _TABLE}


def reason_why_not(name: str) -> str | None:
    """The reason why a backend of the table can't be used, or None where it is ready."""
    _, needs, does_without = _TABLE[name]
    if needs is None or does_without():
        return None
    if needs in _broken:
        return _broken[needs]
    if needs in sys.modules or _can_be_found(needs):
        return None
    return f"the package {needs} is not installed; {how_to_install(needs)}"


_broken: dict[str, str] = {}            # packages that could not be imported, or not be used: why


@functools.cache
def _can_be_found(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def is_compiled(name: str) -> bool:
    """Whether a backend of the table is machine code, made ahead or on demand."""
    return _TABLE[name].needs == "numba"


def load(name: str) -> ModuleType:
    """The module behind a backend's name.

    Raises
    ------
    ValueError
        The name is not in the table.
    ImportError
        What the backend needs is missing or broken.
    """
    if not isinstance(name, str) or name not in _TABLE:
        raise ValueError(f"backend={name!r} is unknown; there are 'auto', {', '.join(map(repr, _TABLE))}")
    row = _TABLE[name]
    reason, cause = reason_why_not(name), None
    if reason is None:
        module = f"fastlr.backends.{row.module}"
        try:
            with nullcontext() if module in sys.modules else stopwatch.counted():
                return forks.imported(module)
        except Exception as error:              # a version that is too new can raise anything
            if row.needs is None:
                raise
            reason = f"the package {row.needs} is installed but can't be used ({type(error).__name__}: {error})"
            _broken[row.needs], cause = reason, error
    raise ImportError(f"backend={name!r} can't be used: {reason}; backend='numpy' needs nothing else") from cause


def threads(backend: ModuleType, n_threads: int | None, size: int) -> AbstractContextManager[int]:
    """Context in which `backend` may use the number of threads that it yields: at most `n_threads`, for an X of so
    many numbers."""
    own = getattr(backend, "threads", None)
    return nullcontext(1) if own is None else own(n_threads, size)

"""How many threads a kernel may use here and now.

The answer never changes a result (see `_blocks`), so it may depend on anything: the caller's wish, the processors this
process is allowed, the size of the problem, whether threads are safe at all.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastlr.backends._jit import Entry

_ELEMENTS_A_THREAD = 16_384         # below, a thread costs more to wake (a microsecond) than it saves

_forked_from_openmp = False


def _after_fork() -> None:
    """GNU OpenMP's threads don't survive a fork, and a parallel loop in the child would kill it: note that."""
    global _forked_from_openmp
    parallel = sys.modules.get("numba.np.ufunc.parallel")
    if parallel is not None and parallel._is_initialized and parallel._threading_layer == "omp":
        _forked_from_openmp = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def processors() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def useful(n_threads: int | None, m: int, n: int) -> int:
    """How many threads, at most `n_threads`, an (m, n) step can keep busy."""
    return min(processors() if n_threads is None else n_threads, max(1, m * n // _ELEMENTS_A_THREAD))


@contextmanager
def limited(n_threads: int | None, m: int, n: int) -> Iterator[int]:
    """Yield how many threads to use for (m, n), at most `n_threads`; Numba's own setting is put back afterwards."""
    wanted = useful(n_threads, m, n)
    if wanted == 1 or _forked_from_openmp:
        yield 1
        return

    import numba

    before = numba.get_num_threads()
    # Numba's fallback layer aborts the process when two Python threads are in parallel kernels at once.
    if numba.threading_layer() == "workqueue" and threading.current_thread() is not threading.main_thread():
        yield 1
        return
    count = min(wanted, numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(count)
    try:
        yield count
    finally:
        numba.set_num_threads(before)


class SerialOrParallel:
    """A function compiled both ways, each on first use; called with the number of threads before its arguments."""

    def __init__(self, function: Callable[..., Any], known_answer: Callable[[Any, Any], bool]) -> None:
        self._serial, self._parallel = Entry(function, known_answer), Entry(function, known_answer, parallel=True)

    def __call__(self, n_threads: int, *arguments: Any) -> Any:
        return (self._parallel if n_threads > 1 else self._serial)(*arguments)

    def is_compiled(self, X: Any) -> bool:
        """Whether a call with this X, and as many threads as it can keep busy, starts at once."""
        return (self._parallel if useful(None, *X.shape) > 1 else self._serial).is_compiled(X)


def prepare(X: Any, y: Any, sample_weight: Any, offset: Any, n_threads: int) -> tuple[Any, ...]:
    """What a `SerialOrParallel` takes first."""
    return n_threads, X, y, sample_weight, offset


def describe() -> dict[str, str]:
    """What `show_versions` prints about threads; starts them if they are not running yet."""
    import numba

    numba.get_num_threads()
    return {"processors allowed": str(processors()), "numba threads": str(numba.config.NUMBA_NUM_THREADS),
            "threading layer": numba.threading_layer()}

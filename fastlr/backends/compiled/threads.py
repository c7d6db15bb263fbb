"""How many threads a kernel may use here and now.

The answer never changes a result (see `chunks`), so it may depend on anything: the caller's wish, the processors this
process is allowed and those that its other trainings have taken, the size of the problem, whether threads are safe at all.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba

from fastlr.backends.compiled import threading_layer
from fastlr.backends.compiled.jit import Entry
from fastlr.machine.forks import sharing
from fastlr.machine.limits import processors, quota

_ELEMENTS_A_THREAD = 16_384         # below, a thread costs more to wake (a microsecond) than it saves

_taken: dict[int, int] = {}         # Python thread: how many processors its training has taken
_lost_in_fork = False


def _after_fork() -> None:
    """Note in the child whether parallel loops can still run.

    GNU OpenMP's threads don't survive a fork, and a parallel loop would kill the child.  TBB's are stopped and started
    again, unless they are at work or another thread than the one that started them forks.
    """
    global _lost_in_fork
    me = threading.get_ident()
    parallel = sys.modules["numba.np.ufunc.parallel"]
    if parallel._is_initialized and (parallel._threading_layer == "omp" or (
            parallel._threading_layer == "tbb" and (_taken.keys() - {me} or threading_layer.started_by != me))):
        _lost_in_fork = True
    _taken.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def useful(n_threads: int | None, size: int) -> int:
    """How many threads, at most `n_threads`, a step over an X of so many numbers can keep busy."""
    if _lost_in_fork:
        return 1
    return min(_default() if n_threads is None else n_threads, max(1, size // _ELEMENTS_A_THREAD))


def _default() -> int:
    """A child made by multiprocessing has one thread, as its siblings keep the other processors busy."""
    # A child has imported multiprocessing; elsewhere it may not be there, or another thread may be importing it right now.
    parent_process = getattr(sys.modules.get("multiprocessing"), "parent_process", None)
    if parent_process is not None and parent_process() is not None and "NUMBA_NUM_THREADS" not in os.environ:
        return 1
    return processors()


@contextmanager
def limited(n_threads: int | None, size: int) -> Iterator[int]:
    """Yield how many threads to use for an X of so many numbers, at most `n_threads`; Numba's own setting is put back afterwards.

    Without `n_threads` there are as many as Numba is set to in this Python thread, and no more than there are processors
    that trainings in other Python threads have left.
    """
    count = useful(n_threads, size)
    # Numba's fallback layer aborts the process when two Python threads are in parallel kernels at once.
    if count > 1 and threading_layer.start() == "workqueue" and threading.current_thread() is not threading.main_thread():
        count = 1
    me = threading.get_ident()
    mine = _taken.get(me, 0)            # by a training whose callback this is
    before = 0
    try:
        with sharing:
            if count > 1:
                before = numba.get_num_threads()
                count = min(count, before if n_threads is None else numba.config.NUMBA_NUM_THREADS)
            if n_threads is None:
                count = max(1, min(count, processors() + mine - sum(_taken.values())))
            _taken[me] = max(mine, count)
            if count > 1:
                numba.set_num_threads(count)
        yield count
    finally:
        with sharing:
            if before:
                numba.set_num_threads(before)
            if mine:
                _taken[me] = mine
            else:
                _taken.pop(me, None)


class SerialOrParallel:
    """A function compiled both ways, each on first use; called with the number of threads before its arguments."""

    def __init__(self, function: Callable[..., Any], known_answer: Callable[[Any, Any], bool], writes: tuple[str, ...]) -> None:
        self._serial = Entry(function, known_answer, writes)
        self._parallel = Entry(function, known_answer, writes, parallel=True)

    def __call__(self, n_threads: int, *arguments: Any) -> Any:
        return (self._parallel if n_threads > 1 and not _lost_in_fork else self._serial)(*arguments)

    def is_compiled(self, X: Any) -> bool:
        """Whether a call with this X, and as many threads as it can keep busy, starts at once."""
        return (self._parallel if useful(None, X.size) > 1 else self._serial).is_compiled(X)


def prepare(X: Any, y: Any, sample_weight: Any, offset: Any, n_threads: int) -> tuple[Any, ...]:
    """What a `SerialOrParallel` takes first."""
    return n_threads, X, y, sample_weight, offset


def describe() -> dict[str, str]:
    """What `show_versions` prints about threads; starts them if they are not running yet."""
    try:
        layer = threading_layer.start()
    except ValueError as error:         # the layer that was asked for is not there
        layer = " ".join(str(error).split())
    return {"processors allowed": str(processors()), "quota of processors": str(quota() or "none"),
            "numba threads": str(numba.config.NUMBA_NUM_THREADS),
            "threading layer": layer + (", lost in a fork: one thread" if _lost_in_fork else "")}

"""How many threads a training may use here and now.

The answer never changes a result (see `chunks`), so it may depend on anything: the caller's wish, the processors this
process is allowed and those that its other trainings have taken, the size of the problem.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastlr.machine.forks import sharing
from fastlr.machine.limits import processors, quota

_PROCESSORS = os.cpu_count() or 1   # in the machine; asking takes 20 microseconds
_ELEMENTS_A_THREAD = 16_384         # numbers in X; below, not even the Hessian keeps a second thread busy

_taken: dict[int, int] = {}         # Python thread: how many processors its training has taken

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_taken.clear)


def useful(n_threads: int | None, size: int) -> int:
    """How many threads, at most `n_threads`, an X of so many numbers can keep busy."""
    busy = size // _ELEMENTS_A_THREAD
    if busy <= 1:
        return 1
    return min(busy, _default() if n_threads is None else min(n_threads, _most()))


def _default() -> int:
    """A child made by multiprocessing has one thread, as its siblings keep the other processors busy."""
    # A child has imported multiprocessing; elsewhere it may not be there, or another thread may be importing it right now.
    parent_process = getattr(sys.modules.get("multiprocessing"), "parent_process", None)
    if parent_process is not None and parent_process() is not None and "NUMBA_NUM_THREADS" not in os.environ:
        return 1
    return min(processors(), _most())


def _most() -> int:
    """NUMBA_NUM_THREADS, which joblib sets for its workers, or a thread for each processor."""
    try:
        return max(1, int(os.environ["NUMBA_NUM_THREADS"]))
    except (KeyError, ValueError):
        return _PROCESSORS


@contextmanager
def limited(n_threads: int | None, size: int) -> Iterator[int]:
    """Yield how many threads to use for an X of so many numbers, at most `n_threads`.

    Without `n_threads` there are no more than there are processors that trainings in other Python threads have left.
    """
    count = useful(n_threads, size)
    me = threading.get_ident()
    mine = _taken.get(me, 0)            # by a training whose callback this is
    try:
        with sharing:
            if n_threads is None and count > 1:
                count = max(1, min(count, processors() + mine - sum(_taken.values())))
            _taken[me] = max(mine, count)
        yield count
    finally:
        with sharing:
            if mine:
                _taken[me] = mine
            else:
                _taken.pop(me, None)


def describe() -> dict[str, str]:
    """What `show_versions` prints about threads."""
    return {"processors allowed": str(processors()), "quota of processors": str(quota() or "none")}

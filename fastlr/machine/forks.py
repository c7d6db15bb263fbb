"""Two locks that a fork waits for.

The child of a fork has none of the parent's other threads, and the locks that they held stay locked forever.  A child that is
made while another thread imports or compiles would hang as soon as it needs that module or any kernel.
"""

import importlib
import os
import sys
import threading
from types import ModuleType
from typing import Any

starting = threading.RLock()
"""The lock that is held, for seconds, while modules are imported, Numba's threads are started and kernels are compiled."""

sharing = threading.RLock()
"""The lock that is held, for microseconds, while threads are shared out and Numba is told."""

_held: list[Any] = []


def imported(name: str) -> ModuleType:
    """Import a module on first use; a fork by another thread waits until the import is done.

    It is for modules that a training may be the first to need: Numba and what imports it, pyarrow, `numpy.random`, a solver.
    Without it every child hung that was forked while another thread imported one of them.
    """
    if name in sys.modules:
        return importlib.import_module(name)            # waits for another thread that is importing it right now
    with starting:
        return importlib.import_module(name)


def _before_fork() -> None:
    numba = sys.modules.get("numba.core.compiler_lock")         # where other people's kernels are compiled
    for lock in (starting, getattr(numba, "global_compiler_lock", None), sharing):
        if lock is not None:
            lock.acquire()
            _held.append(lock)


def _after_fork() -> None:
    while _held:
        _held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)

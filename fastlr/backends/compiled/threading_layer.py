"""Numba's threads, which the backend `parallel` alone has: the library that runs them is found and started here.

Numba has three of these layers.  "omp" is GNU OpenMP, the fastest, which nearly every machine has.  "tbb" comes with `pip
install tbb`, survives a fork, and is taken where it is asked for (NUMBA_THREADING_LAYER=tbb) or OpenMP can't be
loaded.  "workqueue" is what is left.
"""

import contextlib
import ctypes
import functools
import importlib
import importlib.metadata
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numba

from fastlr.backends.compiled import threads
from fastlr.backends.compiled.jit import Entry
from fastlr.machine import forks

# How often a waiting thread of GNU OpenMP looks before it sleeps.  Its own 300000 take the processor from the thread that it
# waits for where a neighbour has the other one: microseconds a step of 2000 x 20 on two threads, alone and beside two busy
# processes, 9 and 2000; with 10000, 9 and 520; with 5000, 9 and 280; with 1000, 9 and 26.  But a solver needs 50 microseconds
# between two calls, and a thread that has gone to sleep must be woken: the optimum of 1797 x 64 takes 1.9 ms with 300000 to
# 5000 and 2.4 with 1000.
_SPINS = "5000"

_started_by = 0                 # the Python thread that did
_running: set[int] = set()      # the Python threads whose trainings have threads
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
            parallel._threading_layer == "tbb" and (_running - {me} or _started_by != me))):
        _lost_in_fork = True
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def start() -> str:
    """Start Numba's threads, if they are not running yet, and name their layer."""
    global _started_by
    with forks.starting, _spinning():
        _started_by = threading.get_ident()
        wish = str(numba.config.THREADING_LAYER).lower()
        if wish in ("tbb", "safe", "threadsafe", "forksafe") or (wish == "default" and not _openmp_can_be_loaded()):
            _load_tbb()
        numba.get_num_threads()
        return str(numba.threading_layer())


@contextlib.contextmanager
def _spinning() -> Iterator[None]:
    """While open, a GNU OpenMP that is loaded learns how often an idle thread looks for work before it goes to sleep."""
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        yield
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)


def _openmp_can_be_loaded() -> bool:
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        return False
    return True


def _load_tbb() -> None:
    """Load the library of the package tbb, which lies where no loader looks: then Numba finds it by its name."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError, OSError):
        for file in importlib.metadata.files("tbb") or ():
            if file.name == "libtbb.so.12":
                ctypes.CDLL(str(file.locate()), ctypes.RTLD_GLOBAL)


@contextlib.contextmanager
def limited(n_threads: int | None, size: int) -> Iterator[int]:
    """As `threads.limited`; without `n_threads` no more than Numba is set to in this Python thread, whose setting is put back."""
    with threads.limited(n_threads, size) as count:
        if count > 1 and not _can_run_parallel():
            count = 1
        if count == 1:
            yield 1
            return
        me, before = threading.get_ident(), numba.get_num_threads()
        is_inner = me in _running           # in the callback of a training that has threads too
        count = min(count, before if n_threads is None else numba.config.NUMBA_NUM_THREADS)
        _running.add(me)
        numba.set_num_threads(count)
        try:
            yield count
        finally:
            numba.set_num_threads(before)
            if not is_inner:
                _running.discard(me)


def _can_run_parallel() -> bool:
    """Whether this thread may: Numba's fallback layer aborts a process in which two Python threads are in parallel kernels."""
    return not _lost_in_fork and (start() != "workqueue" or threading.current_thread() is threading.main_thread())


class SerialOrParallel:
    """A function compiled both ways, each on first use; called with the number of threads before its arguments."""

    def __init__(self, function: Callable[..., Any], known_answer: Callable[[Any, Any], bool], writes: tuple[str, ...],
                 name: str = "") -> None:
        self._serial = Entry(function, known_answer, writes, name=name)
        self._parallel = Entry(function, known_answer, writes, parallel=True, name=name)

    def __call__(self, n_threads: int, *arguments: Any) -> Any:
        return (self._parallel if n_threads > 1 and not _lost_in_fork else self._serial)(*arguments)


def describe() -> dict[str, str]:
    """What `show_versions` prints about Numba's threads; starts them if they are not running yet."""
    try:
        layer = start()
    except ValueError as error:         # the layer that was asked for is not there
        layer = " ".join(str(error).split())
    return {"numba threads": str(numba.config.NUMBA_NUM_THREADS),
            "threading layer": layer + (", lost in a fork: one thread" if _lost_in_fork else "")}

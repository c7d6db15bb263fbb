"""Numba's threads: the library that runs them is found and started here.

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
import threading
from collections.abc import Iterator

import numba

from fastlr.machine import forks

# How often a waiting thread of GNU OpenMP looks before it sleeps.  Its own 300000 take the processor from the thread that it
# waits for where a neighbour has the other one: microseconds a step of 2000 x 20 on two threads, alone and beside two busy
# processes, 9 and 2000; with 10000, 9 and 520; with 5000, 9 and 280; with 1000, 9 and 26.  But a solver needs 50 microseconds
# between two calls, and a thread that has gone to sleep must be woken: the optimum of 1797 x 64 takes 1.9 ms with 300000 to
# 5000 and 2.4 with 1000.
_SPINS = "5000"

started_by = 0
"""The Python thread that did."""


@functools.cache
def start() -> str:
    """Start Numba's threads, if they are not running yet, and name their layer."""
    global started_by
    with forks.starting, _spinning():
        started_by = threading.get_ident()
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

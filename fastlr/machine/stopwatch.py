"""A stopwatch for the time before the first step: importing Numba, compiling, loading from the cache.

`train` reads it before and after, and reports the difference as `Model.compile_time`.  Reading it imports nothing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_spent = threading.local()


def seconds() -> float:
    """Seconds that this thread has spent importing and compiling so far."""
    return getattr(_spent, "seconds", 0.0)


@contextmanager
def counted() -> Iterator[None]:
    """Add the time of a `with` block to `seconds()`; a block within a block is counted once."""
    if getattr(_spent, "running", False):
        yield
        return
    _spent.running = True
    start = time.perf_counter()
    try:
        yield
    finally:
        _spent.running = False
        _spent.seconds = seconds() + time.perf_counter() - start

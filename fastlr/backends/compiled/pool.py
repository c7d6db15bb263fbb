"""Threads that share out the chunks of a pass: Python's own, which outlive calls and sleep between them.

A kernel releases the GIL, so these run side by side.  From one thread to another and back takes 8 microseconds.
"""

import os
import threading
from collections.abc import Callable

Call = Callable[[int, int, int], None]
"""call(first, last, thread) works on the chunks first..last in the scratch memory of a thread."""


class _Worker(threading.Thread):
    """A thread that waits for a share, works on it, and waits for the next."""

    def __init__(self) -> None:
        super().__init__(name="fastlr", daemon=True)
        self._has_share = threading.Lock()
        self._has_share.acquire()
        self.start()

    def begin(self, share: "_Share") -> None:
        self._share = share
        self._has_share.release()

    def run(self) -> None:
        while True:
            self._has_share.acquire()
            share = self._share
            del self._share                     # and with it the arrays, once the share is done
            share.work()
            _idle.append(self)
            share.finish()
            del share


class _Share:
    """Some chunks of a pass."""

    def __init__(self, call: Call, first: int, last: int, thread: int) -> None:
        self._call, self._arguments = call, (first, last, thread)
        self.error: BaseException | None = None
        self._is_done = False
        self._end = threading.Lock()
        self._end.acquire()

    def work(self) -> None:
        try:
            self._call(*self._arguments)
        except BaseException as error:          # for the thread that waits
            self.error = error

    def finish(self) -> None:
        self._is_done = True
        self._end.release()

    def wait(self) -> BaseException | None:
        """Wait until the share is done, also if the user interrupts, since the worker writes to the caller's arrays meanwhile.

        Returns what was raised, there or here.
        """
        interrupt: BaseException | None = None
        while not self._is_done:
            try:
                self._end.acquire()
            except BaseException as error:      # perhaps raised after the lock was acquired, which is never released again
                interrupt = error
        return interrupt or self.error


_idle: list[_Worker] = []                       # workers without a share; append and pop are atomic


def run(call: Call, chunks: int, n_threads: int) -> None:
    """Call for all of so many chunks, shared out among threads; each has about as many, one after the other."""
    n_threads = min(n_threads, chunks)
    starts = [chunks * thread // n_threads for thread in range(n_threads + 1)]
    begun: list[_Share] = []
    try:
        for thread in range(1, n_threads):
            share = _Share(call, starts[thread], starts[thread + 1], thread)
            _worker().begin(share)
            begun.append(share)
        call(starts[0], starts[1], 0)
    finally:
        errors = [error for share in begun if (error := share.wait()) is not None]
    if errors:
        raise errors[0]


def _worker() -> _Worker:
    try:
        return _idle.pop()
    except IndexError:
        return _Worker()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)     # a fork takes no thread along but the one that forks

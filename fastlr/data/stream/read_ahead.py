"""A thread that reads the next block while the one before is computed on."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from fastlr.data.stream.source import Block
from fastlr.machine.arrays import at_a_page

# Seconds that each side waits for the other before it checks whether that has ended.
PATIENCE = 1.0


class Stopped(RuntimeError):
    """Error that another pass has begun, which ends this one."""


class ReadAhead:
    """The blocks of one pass, in order.

    `read(room)` gives the blocks, in the thread; `room(size)` is memory for a block, (size,) uint8, as soon as there is some.
    There are as many buffers as blocks may be in memory at once: one is computed on, and others are read.  Those that are too
    small are replaced.  Blocks that lie elsewhere don't count.
    """

    def __init__(self, read: Callable[[Callable[[int], np.ndarray]], Iterator[Block]], buffers: list[np.ndarray]) -> None:
        self._read, self._buffers = read, buffers
        self._free: SimpleQueue[int | None] = SimpleQueue()
        for number in range(len(buffers)):
            self._free.put(number)
        self._ready: SimpleQueue[tuple[Block | BaseException | None, int | None]] = SimpleQueue()
        self._being_filled: int | None = None
        self._lent: int | None = None
        self.is_stopped = False
        self._thread = threading.Thread(target=self._run, name="fastlr reads ahead")

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def next(self) -> Block | None:
        """The next block, valid until it is given back; None behind the last.

        Raises
        ------
        Stopped
        BaseException
            What `read` has raised.
        """
        if not self._thread.is_alive() and self._ready.empty():
            raise RuntimeError("the thread that reads has ended: a pass can't go on in a forked process, or behind its end")
        block, self._lent = self._ready.get()
        try:
            if isinstance(block, BaseException):
                raise block
            return block
        finally:
            del block                           # of which the traceback would hold this frame, and that the blocks

    def give_back(self) -> None:
        """Let the memory of the last block be used again."""
        if self._lent is not None:
            self._free.put(self._lent)
            self._lent = None

    def stop(self) -> None:
        """End the thread: at once, or, if it takes its time over a block, behind that."""
        self.is_stopped = True
        self._free.put(None)
        if self._thread is not threading.current_thread():      # which may happen to collect an abandoned pass
            self.join(PATIENCE)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, and no longer touches the buffers."""
        if self._thread.ident is not None:                      # Ctrl-C can come before it has begun
            self._thread.join(timeout)

    def _run(self) -> None:
        last: Any = None
        try:
            for block in self._read(self._room):
                self._ready.put((block, self._being_filled))
                self._being_filled = None
                if self.is_stopped:
                    raise Stopped
        except BaseException as error:          # for `next` to raise, whatever it is
            last = error
        self._ready.put((last, None))

    def _room(self, size: int) -> np.ndarray:
        number = None
        while number is None:
            with contextlib.suppress(Empty):
                number = self._free.get(timeout=PATIENCE)
            # A pass that nobody has ended must not hold up the end of the program.
            if self.is_stopped or not threading.main_thread().is_alive():
                raise Stopped
        if self._buffers[number].size < size:
            self._buffers[number] = np.empty(0, np.uint8)           # first give back, then take
            self._buffers[number] = at_a_page(size)
        self._being_filled = number
        return self._buffers[number][:size]

"""The division of a stream's memory: the rows of a block, and the blocks that are kept.

Two blocks are in flight: one is computed on while the other is read.  The memory that is left keeps blocks.
"""

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.ranges import FEWEST, pieces, shorter_pieces
from fastlr.data.dataset import MOST_BYTES_OF_SAMPLES
from fastlr.data.form import Form
from fastlr.data.stream.source import Block
from fastlr.machine.arrays import read_only

# Blocks that are in memory at once although they are not kept.
IN_FLIGHT = 2
# Bytes of the largest number, at whose multiples in memory an array begins.
_WORD = 8
# Shorter blocks than those of an array take one part in so many of the memory each, which leaves three quarters to keep others.
_SHARE_OF_A_BLOCK = 8


def sample_bytes(memory: int) -> int:
    """The bytes of the memory for X that samples of rows may take."""
    return min(memory // 4, MOST_BYTES_OF_SAMPLES)


def bytes_of(block: Block) -> int:
    """The bytes of memory that a block takes."""
    return sum(map(_whole_words, _arrays(block)))


def copied(block: Block, memory: np.ndarray) -> Block:
    """Copy a block to memory, `bytes_of(block)` uint8; the copy is read-only."""
    copies, start = [], 0
    for A in _arrays(block):
        copy = memory[start:start + A.nbytes].view(A.dtype).reshape(A.shape, order="F" if A.flags.fnc else "C")
        copy[...] = A
        copies.append(read_only(copy))
        start += _whole_words(A)
    return Csr(copies[0], copies[1], copies[2], block.n_columns) if isinstance(block, Csr) else copies[0]


def _arrays(block: Block) -> tuple[np.ndarray, ...]:
    return (block.values, block.indices, block.indptr) if isinstance(block, Csr) else (block,)


def _whole_words(A: np.ndarray) -> int:
    """The bytes of A, and what is missing behind them for the next array to be aligned."""
    return -(-A.nbytes // _WORD) * _WORD


def ranges(form: Form, memory: int) -> list[slice]:
    """The rows of every block of a dense X: the ranges of an array in memory if two of them find room, and else shorter ones.

    ValueError says that the memory for X in all, so many bytes, is too little for the shortest blocks.
    """
    room, row, m = memory - sample_bytes(memory), form.bytes_a_row, form.shape[0]
    least = min(m, IN_FLIGHT * FEWEST) * row
    if least > room:
        enough = min(4 * (least - 1) // 3 + 1, least + MOST_BYTES_OF_SAMPLES)
        raise ValueError(f"memory is {memory} bytes, too little for two blocks of {FEWEST} rows of {row} bytes each, and for "
                         f"samples; pass at least {enough}")
    found = pieces(form)
    if form.nbytes > room and IN_FLIGHT * found[0][1] * row > room:
        found = shorter_pieces(0, m, room // (_SHARE_OF_A_BLOCK * row))
    return [slice(*rows) for rows in found]


def numbers_to_keep(form: Form, ranges: list[slice], memory: int, is_spread: bool) -> set[int]:
    """The numbers of the blocks that are kept of an X whose ranges are known: as many as find room.

    They lie evenly among the others if `is_spread`, so that reading goes on while they are computed on.
    """
    room, count = memory - sample_bytes(memory), len(ranges)
    kept = count if form.nbytes <= room else max(0, room // (ranges[0].stop * form.bytes_a_row) - IN_FLIGHT)
    return {i for i in range(count) if (i + 1) * kept // count > i * kept // count} if is_spread else {*range(kept)}


class Kept:
    """The blocks that are kept from one pass to the next: those of some numbers."""

    def __init__(self, numbers: set[int]) -> None:
        self._numbers = numbers
        self.blocks: dict[int, Block] = {}

    def takes(self, number: int, size: int) -> bool:
        """Whether this block, of so many bytes, is kept."""
        return number in self._numbers

    def add(self, number: int, block: Block) -> None:
        """Keep a block, if `takes` says so."""
        if self.takes(number, bytes_of(block)):
            self.blocks[number] = block


class AllOrNone(Kept):
    """The blocks that are kept where only reading all tells how many there are: all if two more would find room, or none."""

    def __init__(self, memory: int) -> None:
        super().__init__(set())
        self._memory = memory
        self._sizes: dict[int, int] = {}

    def takes(self, number: int, size: int) -> bool:
        """Whether this block is kept if there are no others.

        Raises
        ------
        ValueError
            There is a block of which two don't find room.
        """
        room = self._memory - sample_bytes(self._memory)
        self._sizes[number] = size
        largest = max(self._sizes, key=self._sizes.__getitem__)
        in_flight = IN_FLIGHT * self._sizes[largest]
        if in_flight > room:
            raise ValueError(f"block {largest} takes {self._sizes[largest]} bytes, and memory={self._memory} has room for two of "
                             f"{room // IN_FLIGHT}; give shorter blocks, or more memory")
        return sum(self._sizes.values()) + in_flight <= room

    def add(self, number: int, block: Block) -> None:
        """Keep a block, or let go of all where two more would no longer find room."""
        if self.takes(number, bytes_of(block)):
            self.blocks[number] = block
        else:
            self.blocks.clear()

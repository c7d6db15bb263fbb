"""A kernel that compiles in no time; and as a program, one of several processes that share a compile cache."""

import os
import sys
import time

import numpy as np

from fastlr.backends.compiled.jit import Entry

SIXTH = 0.16666666666666669


def sum_up(X, sums):
    """A kernel."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            sums[0] += X[i, j]


def sum_sixths(X, sums):
    """A kernel with a constant."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            sums[0] += X[i, j] * SIXTH


def is_right(compiled, X):
    sums = np.zeros(1)
    compiled(X, sums)
    return sums[0] == X.sum()


def entry(known_answer=is_right, kernel=sum_up):
    return Entry(kernel, known_answer, writes=("sums",))


def main(seed, start):
    """Compile two kinds, in an order that the seed gives, at a time when others do too."""
    os.umask(0o022)
    while time.time() < start:
        pass
    for k in np.random.default_rng(seed).permutation(2):
        kernel, sums = entry(), np.zeros(1)
        X = np.asarray(np.arange(12).reshape(4, 3), dtype=("f8", "f4")[k])
        for is_writable in (seed % 2 == 0, seed % 2 == 1):
            X.flags.writeable = is_writable
            kernel(X, sums)
        assert sums[0] == 132.0


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))

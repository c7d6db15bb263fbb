"""How much memory does training take beyond X itself?

Peaks are those of the whole process: compare training with the baseline of the same parameters.
"""

import subprocess
import sys

from . import BACKENDS, fastlr_with, problem

_WARM_UP = """
import numpy as np
import fastlr
X = np.ones((10000, 100), order={order!r})
fastlr.train(X, np.arange(10000) % 2, backend={backend!r}, learning_rate=1e-3, max_iter=1)
"""


class Memory:
    """A warm train, and a baseline with the same X, y, imports and compiled code."""

    version = "1"
    param_names = ("backend", "order")
    params = (BACKENDS, ("C", "F"))

    def setup(self, backend, order):
        if backend == "python":
            raise NotImplementedError("seconds a step")
        self.fastlr = fastlr_with(backend)
        self.data = problem(200000, 100, order=order)           # 160 MB of float64: a copy of X can't be overlooked
        warm_up = _WARM_UP.format(backend=backend, order=order)
        # Compiling takes more memory than training: another process fills the cache, this one loads from it.
        subprocess.run([sys.executable, "-c", warm_up], check=True)
        exec(warm_up, {})

    def peakmem_baseline(self, backend, order):
        pass

    def peakmem_train(self, backend, order):
        self.fastlr.train(*self.data, backend=backend, learning_rate=1e-3, max_iter=3)

    peakmem_baseline.pretty_name = "Peak memory before training, 160 MB of it X"
    peakmem_train.pretty_name = "Peak memory of training, 160 MB of it X"

"""How long does one step of gradient descent take?"""

from statistics import median
from time import perf_counter

from . import BACKENDS, fastlr_with, problem

_SHAPES = {"2000 x 20": (2000, 20), "200000 x 100": (200000, 100)}      # in the cache; 160 MB of float64
_STEPS = {"2000 x 20": 1000, "200000 x 100": 15}
_STEPS_OF_PYTHON = {"2000 x 20": 100}
_PAIRS = 5


class Step:
    """One forward pass, backward pass and update.

    It is the slope between a run of one step and a run of many: checking X and y, the same in both, cancels out.
    """

    version = "1"
    pretty_name = "One step of gradient descent"
    unit = "seconds"
    param_names = ("backend", "X", "dtype")
    params = (BACKENDS, ("2000 x 20", "200000 x 100"), ("float64", "float32"))

    def setup(self, backend, shape, dtype):
        steps = _STEPS_OF_PYTHON if backend == "python" else _STEPS
        if shape not in steps:
            raise NotImplementedError("seconds a step")
        self.fastlr, self.steps = fastlr_with(backend), steps[shape]
        self.data = problem(*_SHAPES[shape], dtype)
        self.seconds(backend, 2)

    def seconds(self, backend, steps):
        start = perf_counter()
        self.fastlr.train(*self.data, backend=backend, learning_rate=1e-6, max_iter=steps)
        return perf_counter() - start

    def track_step(self, backend, shape, dtype):
        return median((self.seconds(backend, 1 + self.steps) - self.seconds(backend, 1)) / self.steps for _ in range(_PAIRS))

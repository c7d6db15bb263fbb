"""How long does one step of gradient descent take?"""

from . import BACKENDS, fastlr_with, problem, seconds_a_step

_SHAPES = {"2000 x 20": (2000, 20), "200000 x 100": (200000, 100)}      # in the cache; 160 MB of float64
_STEPS = {"2000 x 20": 1000, "200000 x 100": 15}
_STEPS_OF_PYTHON = {"2000 x 20": 100}


class Step:
    """One forward pass, backward pass and update."""

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

    def track_step(self, backend, shape, dtype):
        return seconds_a_step(self.fastlr, *self.data, self.steps, backend=backend)[1]

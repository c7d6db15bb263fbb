"""How long does one step of gradient descent take, by each kernel, and how far is that from the limit?"""

from . import BACKENDS, fastlr_with, problem, seconds_a_read, seconds_a_step

_SHAPES = {"2000 x 20": (2000, 20), "200000 x 100": (200000, 100)}      # in the cache; 160 MB, beyond it
_STEPS = {"2000 x 20": 2000, "200000 x 100": 8}
_STEPS_OF_PYTHON = {"2000 x 20": 10}


class Step:
    """One forward pass, backward pass and update."""

    version = "1"
    unit = "seconds"
    param_names = ("backend", "X")
    params = (BACKENDS, ("2000 x 20", "200000 x 100"))

    def setup(self, backend, shape):
        fastlr_with(backend)
        if backend == "python" and shape not in _STEPS_OF_PYTHON:
            raise NotImplementedError("seconds a step")

    def track_time(self, backend, shape):
        return seconds_of(backend, shape)

    track_time.pretty_name = "Time of one step"


class SpeedUpOverPython:
    """Both measured in one process."""

    version = "1"
    unit = "times as fast"
    param_names = ("backend",)
    params = (("numpy", "loop", "parallel", "fused"),)

    def setup(self, backend):
        fastlr_with(backend)

    def track_speed_up(self, backend):
        return seconds_of("python", "2000 x 20") / seconds_of(backend, "2000 x 20")

    track_speed_up.pretty_name = "Speed-up of a step over plain Python, 2000 x 20"


class SpeedUpOverNumPy:
    """Both measured in one process."""

    version = "1"
    unit = "times as fast"
    param_names = ("backend", "X")
    params = (("loop", "parallel", "fused"), ("2000 x 20", "200000 x 100"))

    def setup(self, backend, shape):
        fastlr_with(backend)

    def track_speed_up(self, backend, shape):
        return seconds_of("numpy", shape) / seconds_of(backend, shape)

    track_speed_up.pretty_name = "Speed-up of a step over NumPy"


class Reads:
    """The time of a step over the time of one parallel sum of X, both with two threads in one process."""

    version = "1"
    unit = "reads of X"
    param_names = ("backend",)
    params = (("numpy", "loop", "parallel", "fused"),)

    def setup(self, backend):
        self.fastlr = fastlr_with(backend)

    def track_reads(self, backend):
        X, y = problem(200000, 100)
        return seconds_a_step(self.fastlr, X, y, 8, pairs=3, backend=backend, n_threads=2) / seconds_a_read(X, 2)

    track_reads.pretty_name = "Reads of X a step (limit 1), 200000 x 100"


def seconds_of(backend, shape):
    """Seconds of a step."""
    steps = _STEPS_OF_PYTHON if backend == "python" else _STEPS
    return seconds_a_step(fastlr_with(backend), *problem(*_SHAPES[shape]), steps[shape], pairs=3, backend=backend)

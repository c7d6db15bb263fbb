"""X that is read from a file for every step: how long does a pass take, and how much of that is reading?"""

import os
import tempfile

from . import fastlr_with, problem, seconds

_M, _N = 400000, 50             # 160 MB of float64
_STEPS = 5


def _read(path):
    with open(path, "rb", buffering=0) as file:
        memory = bytearray(1 << 24)
        while file.readinto(memory):
            pass


class Streaming:
    """An .npy file in the page cache, in a quarter of the memory that it takes."""

    version = "1"
    timeout = 120
    param_names = ("order",)
    params = (("C", "F"),)

    def setup(self, order):
        import numpy as np

        fastlr = fastlr_with("fused")
        if not hasattr(fastlr, "stream"):
            raise NotImplementedError("this commit has no streams")
        X, y = problem(_M, _N, order=order)
        self._folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self._folder.name, "X.npy")
        np.save(self.path, X)
        self.steps = lambda count: fastlr.train(fastlr.stream(self.path, memory=X.nbytes // 4), y, backend="fused",
                                                learning_rate=1e-6, max_iter=count)
        self.steps(1)

    def teardown(self, order):
        self._folder.cleanup()

    def track_pass(self, order):
        """The slope between a run of one step and a run of several: checking cancels out."""
        few, many = zip(*((seconds(lambda: self.steps(1)), seconds(lambda: self.steps(1 + _STEPS))) for _ in range(5)),
                        strict=True)
        return (min(many) - min(few)) / _STEPS

    def track_times_of_reading(self, order):
        return self.track_pass(order) / min(seconds(lambda: _read(self.path)) for _ in range(5))

    track_pass.unit = "s"
    track_pass.pretty_name = "A step on a file of 160 MB"
    track_times_of_reading.unit = "times of only reading it"
    track_times_of_reading.pretty_name = "A step on a file of 160 MB, in times of only reading it by one thread"

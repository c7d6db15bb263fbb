"""Does a step stay proportional to the data, and do threads help?  X is beyond the caches throughout."""

import numpy as np

from . import fastlr_with, problem, seconds_a_step

_STEPS = 8


class Exponent:
    """The exponent e of time ~ m^e and time ~ n^e, fitted over three sizes; 1 is proportional."""

    version = "1"
    unit = "exponent"
    param_names = ("backend",)
    params = (("numpy", "fused"),)

    def setup(self, backend):
        self.fastlr = fastlr_with(backend)

    def exponent(self, backend, sizes, shapes):
        times = [seconds_a_step(self.fastlr, *problem(*shape), _STEPS, backend=backend)[0] for shape in shapes]
        return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])

    def track_in_rows(self, backend):
        sizes = (200000, 400000, 800000)
        return self.exponent(backend, sizes, [(m, 50) for m in sizes])

    def track_in_features(self, backend):
        sizes = (500, 1000, 2000)
        return self.exponent(backend, sizes, [(20000, n) for n in sizes])

    track_in_rows.pretty_name = "Exponent of the time of a step in the number of rows"
    track_in_features.pretty_name = "Exponent of the time of a step in the number of features"


class Threads:
    """A step with one thread over a step with two, 200000 x 100."""

    version = "1"
    unit = "times as fast"
    param_names = ("backend", "order")
    params = (("parallel", "fused"), ("C", "F"))

    def setup(self, backend, order):
        self.fastlr = fastlr_with(backend)
        self.data = problem(200000, 100, order=order)

    def track_two_threads(self, backend, order):
        one, two = (seconds_a_step(self.fastlr, *self.data, _STEPS, backend=backend, n_threads=count)[0] for count in (1, 2))
        return one / two

    track_two_threads.pretty_name = "Speed-up of a step by a second thread"

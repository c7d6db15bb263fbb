"""How does a step depend on the data and on threads?  X is beyond the caches throughout."""

import numpy as np

from . import fastlr_with, problem, seconds_a_read, seconds_a_step

_SHAPES = {"2000000 x 10": (2000000, 10), "200000 x 100": (200000, 100), "20000 x 1000": (20000, 1000)}
_STEPS = 8


class Data:
    """A fused step in reads of X: the time of the step over that of one parallel sum of X."""

    version = "1"
    unit = "reads of X"
    param_names = ("X", "dtype", "order")
    params = (("2000000 x 10", "200000 x 100", "20000 x 1000"), ("float64", "float32", "uint8"), ("C", "F"))

    def setup(self, shape, dtype, order):
        self.fastlr = fastlr_with("fused")

    def track_reads(self, shape, dtype, order):
        X, y = problem(*_SHAPES[shape], "float32" if dtype == "uint8" else dtype, order)
        if dtype == "uint8":
            X = (X > 0).view(np.uint8)
        return seconds_a_step(self.fastlr, X, y, _STEPS, pairs=3, backend="fused", n_threads=2) / seconds_a_read(X, 2)

    track_reads.pretty_name = "Reads of X a fused step, by data"


class Exponent:
    """The exponent e of time ~ m^e and time ~ n^e, fitted over three sizes; 1 is proportional."""

    version = "1"
    unit = "(exponent)"
    param_names = ("backend",)
    params = (("numpy", "fused"),)

    def setup(self, backend):
        self.fastlr = fastlr_with(backend)

    def exponent(self, backend, sizes, shapes):
        times = [seconds_a_step(self.fastlr, *problem(*shape), _STEPS, backend=backend) for shape in shapes]
        return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])

    def track_rows(self, backend):
        sizes = (200000, 400000, 800000)
        return self.exponent(backend, sizes, [(m, 50) for m in sizes])

    def track_columns(self, backend):
        sizes = (500, 1000, 2000)
        return self.exponent(backend, sizes, [(20000, n) for n in sizes])

    track_rows.pretty_name = "Time of a step ~ rows ^ this"
    track_columns.pretty_name = "Time of a step ~ columns ^ this"


class Threads:
    """A step with one thread over a step with two, 200000 x 100."""

    version = "1"
    unit = "times as fast"
    param_names = ("backend", "order")
    params = (("parallel", "fused"), ("C", "F"))

    def setup(self, backend, order):
        self.fastlr = fastlr_with(backend)

    def track_speed_up(self, backend, order):
        X, y = problem(200000, 100, order=order)
        one, two = (seconds_a_step(self.fastlr, X, y, _STEPS, backend=backend, n_threads=count) for count in (1, 2))
        return one / two

    track_speed_up.pretty_name = "Speed-up of a step by a second thread"

"""How far from the limit is a step?  The limit is one read of X, measured beside it as one parallel sum."""

from time import perf_counter

from . import fastlr_with, problem, seconds_a_step

_SHAPES = {"2000000 x 10": (2000000, 10), "200000 x 100": (200000, 100), "20000 x 1000": (20000, 1000)}
_STEPS = 8


def seconds_a_read(X, threads):
    """Least time of summing all of X with so many threads."""
    import numba

    @numba.njit(parallel=True, fastmath={"reassoc", "contract"})
    def read_once(flat):
        total = 0.0
        for i in numba.prange(flat.size):
            total += flat[i]
        return total

    numba.set_num_threads(threads)
    flat = X.ravel(order="K")
    read_once(flat)
    times = []
    for _ in range(20):
        start = perf_counter()
        read_once(flat)
        times.append(perf_counter() - start)
    return min(times)


class Reads:
    """A fused step in reads of X."""

    version = "1"
    param_names = ("X", "dtype", "order", "threads")
    params = (("2000000 x 10", "200000 x 100", "20000 x 1000"), ("float64", "float32", "uint8"), ("C", "F"), (1, 2))

    def setup(self, shape, dtype, order, threads):
        self.fastlr = fastlr_with("fused")
        X, y = problem(*_SHAPES[shape], "float32" if dtype == "uint8" else dtype, order)
        self.data = (X > 0 if dtype == "uint8" else X).astype(dtype, copy=False), y

    def track_reads(self, shape, dtype, order, threads):
        step, _ = seconds_a_step(self.fastlr, *self.data, _STEPS, pairs=3, backend="fused", n_threads=threads)
        return step / seconds_a_read(self.data[0], threads)

    track_reads.unit = "reads of X"
    track_reads.pretty_name = "A fused step in reads of X"


class Speed:
    """The speed at which a fused step goes through float64 X."""

    version = "1"
    unit = "GB/s"
    param_names = ("X", "order")
    params = (("2000000 x 10", "200000 x 100", "20000 x 1000"), ("C", "F"))

    def setup(self, shape, order):
        self.fastlr = fastlr_with("fused")
        self.data = problem(*_SHAPES[shape], order=order)

    def track_speed(self, shape, order):
        step, _ = seconds_a_step(self.fastlr, *self.data, _STEPS, pairs=3, backend="fused")
        return self.data[0].nbytes / step / 1e9

    track_speed.pretty_name = "Speed at which a fused step goes through X"


class ReadsOfBackends:
    """The same for the other backends, on 200000 x 100 float64."""

    version = "1"
    param_names = ("backend", "order")
    params = (("numpy", "loop", "parallel"), ("C", "F"))

    def setup(self, backend, order):
        self.fastlr = fastlr_with(backend)
        self.data = problem(200000, 100, order=order)

    def track_reads(self, backend, order):
        step, _ = seconds_a_step(self.fastlr, *self.data, _STEPS, pairs=3, backend=backend, n_threads=2)
        return step / seconds_a_read(self.data[0], 2)

    track_reads.unit = "reads of X"
    track_reads.pretty_name = "A step in reads of X, other backends"

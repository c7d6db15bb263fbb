"""A step on a Dask array beside one in memory: what a graph a step costs."""

from . import fastlr_with, seconds_a_step

_SHAPE = (400000, 50)
_STEPS = 4


class DaskSteps:
    """Time of a step over 160 MB: in memory, and in parts by Dask's threads or by a scheduler with one worker.

    All of it is in this process.
    """

    version = "1"
    unit = "seconds"
    param_names = ("by", "parts")
    params = (("memory", "threads", "distributed"), (4, 64))

    def setup(self, by, parts):
        self.client = None
        if by == "memory" and parts != 4:
            raise NotImplementedError("X in memory has no parts")
        self.fastlr = fastlr_with("fused")
        try:
            import dask
            import dask.array as da
            import distributed
        except ImportError as error:
            raise NotImplementedError(str(error)) from error
        if by == "distributed":
            self.client = distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0")
        m, n = _SHAPE
        X = da.random.default_rng(0).standard_normal(_SHAPE, chunks=(m // parts, n))
        self.data = (dask.compute if by == "memory" else dask.persist)(X, X[:, 0] > 0.5)
        self.fastlr.train(*self.data, backend="fused", learning_rate=1e-3, max_iter=1)       # NotImplementedError on old commits

    def teardown(self, by, parts):
        if self.client is not None:
            self.client.close()

    def track_step(self, by, parts):
        return seconds_a_step(self.fastlr, *self.data, _STEPS, pairs=3, backend="fused")

    track_step.pretty_name = "Time of a step, 400000 x 50 in parts"

"""How long does training take, from the call to the model?  A learning rate and a number of steps, as in the lecture."""

from . import fastlr_with, problem

_RUNS = {                       # m, n, order of X, steps
    "2000 x 20, 1000 steps": (2000, 20, "C", 1000),
    "100000 x 50, 20 steps": (100000, 50, "C", 20),
    "100000 x 50 in Fortran order, 20 steps": (100000, 50, "F", 20),
}


class Lecture:
    """train with a learning rate, everything compiled."""

    version = "1"
    rounds = 1
    repeat = (3, 10, 1.0)
    param_names = ("backend", "X")
    params = (("numpy", "fused"), ("2000 x 20, 1000 steps", "100000 x 50, 20 steps", "100000 x 50 in Fortran order, 20 steps"))

    def setup(self, backend, run):
        m, n, order, self.steps = _RUNS[run]
        self.fastlr = fastlr_with(backend)
        self.data = problem(m, n, order=order)
        self.train(backend, 1)

    def train(self, backend, steps):
        self.fastlr.train(*self.data, backend=backend, learning_rate=1e-3, max_iter=steps)

    def time_train(self, backend, run):
        self.train(backend, self.steps)

    time_train.pretty_name = "Time of training, a fixed number of steps"

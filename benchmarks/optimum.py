"""How long to the optimum, and after how many reads of X?  Beside it the scikit-learn solver that is best at the case.

J = mean loss + l2/2 ||w||^2 with l2 = 1/m, the intercept free, each to the loosest power of ten for its tolerance, 1e-5 at most
for fastlr, that brings J to within a millionth of J*.
"""

import numpy as np

from . import problem

_SOLVERS = {                    # fastlr's tolerance; scikit-learn's best solver at the case, and its tolerance
    "breast cancer": (1e-5, "newton-cholesky", 1e-3),
    "digits": (1e-5, "newton-cholesky", 1e-3),
    "1000 x 20": (1e-5, "newton-cholesky", 1e-4),
    "100000 x 20": (1e-5, "newton-cholesky", 1e-4),
    "1000000 x 10": (1e-5, "newton-cholesky", 1e-4),
    "100000 x 100 over three decades": (1e-5, "newton-cholesky", 1e-4),
    "20000 x 500": (1e-5, "lbfgs", 1e-4),
    "2000 x 5000": (1e-7, "lbfgs", 1e-7),
}


def case(name):
    """X and y of a case."""
    if name in ("breast cancer", "digits"):
        from sklearn.datasets import load_breast_cancer, load_digits

        X, y = (load_breast_cancer if name == "breast cancer" else load_digits)(return_X_y=True)
        return X, y % 2
    m, n = (int(number) for number in name.split(" over ")[0].split(" x "))
    X, y = problem(m, n)
    if "decades" in name:
        X *= np.logspace(-1.5, 1.5, n)
    return X, y


class TimeToOptimum:
    """Warm: everything compiled, the data in memory."""

    version = "1"
    repeat = (3, 10, 3.0)
    param_names = ("package", "case")
    params = (("fastlr", "scikit-learn"),
              ("breast cancer", "digits", "1000 x 20", "100000 x 20", "1000000 x 10", "100000 x 100 over three decades",
               "20000 x 500", "2000 x 5000"))

    def setup(self, package, name):
        self.data = case(name)
        m = len(self.data[1])
        own_tol, solver, tol = _SOLVERS[name]
        if package == "fastlr":
            import fastlr

            if not hasattr(fastlr.solvers, "DEFAULT_MAX_ITER"):
                raise NotImplementedError("this commit has gradient descent alone")
            self.fit = lambda X, y: fastlr.train(X, y, l2=1 / m, tol=own_tol, backend="fused")
        else:
            from sklearn.linear_model import LogisticRegression

            self.fit = LogisticRegression(C=1.0, solver=solver, tol=tol, max_iter=3000).fit
        self.fit(*self.data)

    def time_optimum(self, package, name):
        self.fit(*self.data)

    time_optimum.pretty_name = "Time to the optimum"


class ReadsToOptimum:
    """Rows that kernels have read for J, gradients and Hessians, over the rows of X; checks and moments come on top."""

    version = "1"
    param_names = ("solver", "case")
    params = (("auto", "newton", "lbfgs"),
              ("100000 x 20", "1000000 x 10", "100000 x 100 over three decades", "20000 x 500"))

    def setup(self, solver, name):
        import fastlr

        if not hasattr(fastlr.solvers, "DEFAULT_MAX_ITER"):
            raise NotImplementedError("this commit has gradient descent alone")
        self.train = fastlr.train
        self.data = case(name)

    def track_reads(self, solver, name):
        from fastlr._objective import Objective

        rows = 0
        methods = {"cost_gradient": Objective.cost_gradient, "hessian": Objective.hessian}

        def counted(method):
            def call(objective, *arguments):
                nonlocal rows
                rows += objective.shape[0]
                return method(objective, *arguments)
            return call

        try:
            for attribute, method in methods.items():
                setattr(Objective, attribute, counted(method))
            self.train(*self.data, solver=solver, tol=1e-5)
        finally:
            for attribute, method in methods.items():
                setattr(Objective, attribute, method)
        return rows / len(self.data[1])

    track_reads.unit = "reads of X"
    track_reads.pretty_name = "Reads of X to the optimum"

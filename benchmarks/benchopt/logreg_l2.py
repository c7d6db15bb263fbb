"""fastlr as a solver of benchopt's benchmark_logreg_l2: copy this file to its folder solvers."""

import warnings

from benchopt import BaseSolver

import fastlr


class Solver(BaseSolver):
    """J = sum log(1 + exp(-y x . beta)) + lmbd/2 ||beta||^2, y -1 or 1, no intercept."""

    name = "fastlr"
    sampling_strategy = "iteration"
    parameters = {"solver": ["auto", "newton", "lbfgs"]}    # noqa: RUF012
    parameter_template = "{solver}"

    def set_objective(self, X, y, lmbd):
        self.X, self.y, self.lmbd = X, y, lmbd
        warnings.filterwarnings("ignore", category=fastlr.ConvergenceWarning)
        self.warm_up()

    def warm_up(self):
        """Load or compile what training needs, as benchopt has other solvers do."""
        self.run(2)

    def run(self, n_iter):
        self.model = fastlr.train(self.X, self.y, backend="fused", solver=self.solver, l2=self.lmbd, reduction="sum",
                                  fit_intercept=False, max_iter=n_iter, tol=1e-15)

    def get_result(self):
        return {"beta": self.model.w}

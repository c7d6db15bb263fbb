"""What is known about the point where a descent has ended, and what the user is told if that is not enough."""

import math

import numpy as np

from fastlr.machine.warnings import ConvergenceWarning, SeparationWarning
from fastlr.problem.certificate import certificate, obstacle
from fastlr.problem.penalty_bounds import by_penalty_alone
from fastlr.problem.problem import Problem
from fastlr.solvers import Result
from fastlr.solvers.recorder import Recorder
from fastlr.solvers.separation import recession_direction

# The share of the training's time that a certificate may take.
_BUDGET = 0.1
# Nanoseconds that a certificate may take in any case.
_LEAST_BUDGET = 5e6
# Steps added to those made on all rows, since samples and checks take about as long.
_MORE_STEPS = 5
# The largest share of the gradient's norm that is to be left where more is asked for than tol.
_CLOSER = 0.1
# The least share of the gradient's norm that is to be left where the gap is too large and says how far it is to go.
_CLOSEST = 1e-3

SEPARATED = "the classes are separated: J has no minimum"


class Verdict:
    """What is known about a point u, where the gradient by u and J are given, and the gap is expected to be so much.

    A certificate may take a share of the time of the steps on all rows so far.  If the descent goes on where too little is
    proved, no proof is tried that would fail.
    """

    cost: float                 # J
    grad_norm: float            # what tol bounds
    gap: float                  # J - J*, as far as it is known
    kind: str                   # "bound" where J - J* has been proved to be at most the gap, else "estimate"
    has_minimum: bool           # whether J is known to have a minimum
    is_optimum: bool            # whether the gradient and the gap are small enough
    way: np.ndarray | None      # a direction of u that tells the classes apart, if one has been found: then J has no minimum
    waits: bool                 # whether the descent goes on since a proof would fail yet
    closer: float               # the share of the gradient's norm to be left for the gap to be small enough, as far as is known

    def __init__(self, problem: Problem, u: np.ndarray, cost: float, grad: np.ndarray, gap: float, tol: float,
                 steps: int, goes_on: bool = False) -> None:
        enough, costs = max(tol * cost, problem.rounding(u, cost)), problem.costs
        budget = max(_LEAST_BUDGET, _BUDGET * (steps + _MORE_STEPS) * costs.step)
        value, limit = obstacle(problem, grad, gap, enough, budget)
        self.waits = goes_on and value > limit
        proof = by_penalty_alone(problem, u, grad, enough) if self.waits else certificate(problem, u, grad, gap, enough, budget)
        self._problem, self._u, self._grad, self._tol, self.cost = problem, u, grad, tol, cost
        self.way = None
        self.has_minimum = proof.has_minimum or problem.is_penalised
        self.gap, self.kind = (gap, "estimate") if proof.gap == math.inf else (proof.gap, "bound")
        is_trivial = not self.gap < cost
        if is_trivial:
            self.gap, self.kind = cost, "bound"             # J is never below 0
        self.grad_norm = problem.bounded_by_tol(grad)
        is_known = not is_trivial and (self.kind == "bound" or proof.is_dear)
        self.is_optimum = self.grad_norm <= tol and self.gap <= enough and is_known
        wanted, known = (min(enough, limit), value) if self.waits else (enough, self.gap)
        self.closer = max(_CLOSEST, min(_CLOSER, 0.5 * math.sqrt(wanted / known))) if 0.0 < known < math.inf else _CLOSER

    def look_for_separation(self, p: np.ndarray) -> None:
        """Look for a direction that tells the classes apart, p among others, where J is not known to have a minimum.

        A point that is near the optimum by an estimate alone has to be asked about too.
        """
        way = None if self.has_minimum else recession_direction(self._problem, self._u, self._grad, p)
        if way is not None:
            self.is_separated_along(way)

    def is_separated_along(self, way: np.ndarray) -> None:
        """Note that a direction tells the classes apart: J falls along it, at most to 0."""
        self.way, self.gap, self.kind, self.is_optimum = way, self.cost, "bound", False

    def result(self, given: Problem, theta: np.ndarray, recorder: Recorder, solver: str, reason: str, advice: str) -> Result:
        """Make the Result of parameters theta in float64, which are near the point, for X as it was given.

        The reason says why it ends there, and the advice what may help; without advice nobody is warned that it is not known to
        be the optimum.
        """
        exact = given.exact_cost(theta, self.cost)
        self.gap = exact if self.way is not None else self.gap + max(exact - self.cost, 0.0)
        self.cost = exact
        warning: ConvergenceWarning | SeparationWarning | None = None
        if self.way is not None:
            reason, warning = SEPARATED, self._separation_warning(recorder.n_iter)
        elif not self.is_optimum and advice:
            warning = self._convergence_warning(recorder.n_iter, f"{reason}.  {advice}")
        return Result(theta.reshape(given.shape), recorder.history(self.cost, self.grad_norm), self.is_optimum, reason, solver,
                      self.grad_norm, self.gap, self.kind, warning)

    def _separation_warning(self, n_iter: int) -> SeparationWarning:
        are_free = self._problem.coordinates.rows(self._problem.is_free)[:, :-1].all()
        way_out = "Set l2 > 0 (1/m is a mild one)" if are_free else "Give every column a penalty factor above 0"
        return SeparationWarning(
            "some linear combination of the features separates the classes, so that J falls forever as w grows along it, and has "
            f"no minimum; w after {n_iter} updates is returned (J = {self.cost:.3g}).  {way_out}, or drop "
            f"the features that reveal the class; {self._column_that_counts_most()} counts most in that combination, per "
            "standard deviation")

    def _column_that_counts_most(self) -> str:
        """Name the column that counts most in the direction that tells the classes apart, in units of its deviation.

        With K classes, the class that the direction moves most by this column is named too.
        """
        assert self.way is not None
        w = np.abs(self._problem.coordinates.rows(np.where(self._problem.is_free, self.way, 0.0))[:, :-1])
        k, j = divmod(int(np.argmax(w)), w.shape[1])
        return self._problem.column(j) + self._problem.loss.of_class(self._problem.data.classes, k)

    def _convergence_warning(self, n_iter: int, reason: str) -> ConvergenceWarning:
        failure = f"training did not converge: after {n_iter} updates the gradient is"
        if self.grad_norm > self._tol:
            return ConvergenceWarning(f"{failure} {self.grad_norm:.3g}, above tol={self._tol:g}, at J = {self.cost:.6g}, and "
                                      f"{reason}")
        how = "may be" if self.kind == "bound" else "is probably"
        return ConvergenceWarning(
            f"{failure} at most tol={self._tol:g}, but J = {self.cost:.6g} {how} {self.gap:.3g} above its minimum, and {reason}; "
            "or look for a value of a different order of magnitude from the rest of its column, for columns that are nearly "
            "equal, and for columns far from 0")

"""Working sets and Newton's method for the elastic net: most w are exactly 0, and few columns have to be looked at.

A working set is the support, with the columns that would leave 0.  On it a step minimizes the quadratic model of the loss plus
the penalty, l1 included, exactly: for fixed signs that is a linear system in the support, and what would change its sign stops
at 0.  When the set is done, one read of all of X gives the gradient of all columns, which proves how far J is from its minimum
and names the columns that have to come in.  Where X is so small that Python would take longer than that, compiled code chooses
the columns itself, anew for each step.

A weak penalty is reached by way of stronger ones, whose minima are wanted roughly: the set is small on all of that way.  From one
penalty to the next, the gradient of a column is expected to change by no more than the penalty does (the sequential strong rule:
Tibshirani et al., Strong rules for discarding predictors in lasso-type problems, 2012).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from fastlr.backends.penalized_newton import DEAR, FULL, STUCK
from fastlr.machine.warnings import ConvergenceWarning, SeparationWarning
from fastlr.problem.by_columns import ByColumns
from fastlr.problem.penalty_bounds import with_l1
from fastlr.problem.problem import Problem
from fastlr.problem.self_concordance import Certificate
from fastlr.solvers import Options, Result, refuse_infinite_start
from fastlr.solvers.proximal_step import Point, evaluated, step, subgradient_norm
from fastlr.solvers.recorder import Recorder
from fastlr.solvers.separation import is_without_error, recession_direction
from fastlr.solvers.verdict import SEPARATED

# About how many steps training takes, by which backend="auto" chooses.
EXPECTED_STEPS = 30
# Up to so many columns all of them are the working set.
_FEW = 64
# The square of so many columns of sparse X, as a share of the numbers in X, up to which all are: their Hessian costs no more.
_FEW_OF_SPARSE = 1.0
# The least number of columns that may come into a working set at once; otherwise as many as the support has.
_FEWEST_NEW = 20
# The shares of the numbers in a column, and of the columns, up to which more may come: such a set costs less than reading X.
_NEW_OF_COLUMN, _NEW_OF_COLUMNS = 1 / 4, 1 / 32
# A working set with so many times the columns of the support, and _FEWEST_NEW, starts again from the support.
_PRUNED = 1.2
# The share of the violation outside a working set to which it is minimized.
_OF_OUTSIDE = 0.3
# The share of its own violation to which a dear working set is minimized before all of X is read again.
_OF_INSIDE = 0.1
# The share of the gap that is wanted to which a working set is minimized.
_INSIDE = 0.5
# The share of what a set was minimized to that is asked of it next, where nothing outside it is violated and the proof fails.
_CLOSER = 0.1
# The gap, as a share of J, to which working sets are minimized for the stronger penalties on the way, one for each penalty.
_ROUGH = 0.5
# The penalties on the way to one that is a tenth of the least that leaves w = 0.
_A_DECADE = 2.0
# A gap, as a share of J, that no proof has.
_NO_GAP = 1e-16
# No columns of X.
_NO_COLUMNS = np.empty(0, np.intp)
# Updates in one compiled call, at most.
_MOST_AT_ONCE = 50
# Working sets for one penalty, at most.
_MOST_SETS = 200


def kernels(is_driven: bool, n_threads: int) -> tuple[str, ...]:
    """The compiled kernels that training calls in any case."""
    return "first_read", "cost_gradient", "hessian", "penalized_newton"


class Aim(NamedTuple):
    """What a minimum is wanted to."""

    tol: float                  # of the least subgradient, on the mean scale
    gap: float                  # relative to J


ON_START = Aim(tol=1e-10, gap=1e-10)
"""What the start without the penalized columns is wanted to."""


class Optimizer:
    """The optimizer of one training, over several penalties, in standardized coordinates: it makes and records the updates."""

    def __init__(self, problem: Problem, options: Options) -> None:
        self._whole, self._options, self._penalty = problem, options, problem.penalty
        self.recorder, self._damping = Recorder(options), 0.0
        is_chosen = problem.costs.are_columns_few and options.tol >= _NO_GAP        # in compiled code
        self._all_columns = ByColumns.of(problem, np.arange(problem.data.shape[1])) if is_chosen else None

    def minimize(self, problem: Problem, point: Point, aim: Aim, slack: float = 0.0) -> tuple[Point, Certificate]:
        """Go from a point, where J and the gradient may be those of another penalty, to the minimum; say what is proved about it.

        A column may leave 0 if its gradient is not below its threshold by more than the slack, a share of it.
        """
        point, columns, inside = self._under(problem, point), _NO_COLUMNS, Aim(aim.tol, _INSIDE * aim.gap)
        is_foreseen = slack < 1.0               # Otherwise the strong rule leaves no column out.
        for _ in range(_MOST_SETS):
            columns = self._columns(problem, point, columns, slack)
            point, is_exhausted = self._on_working_set(problem, point, columns, inside, is_foreseen)
            slack, left = 0.0, _violation(problem, point, columns)
            if problem.to_mean * left <= aim.tol and subgradient_norm(problem, point) <= aim.tol:
                gap = wanted_gap(problem, point, aim.gap)
                certificate = with_l1(problem, *point, enough=gap)
                if certificate.gap <= gap:
                    return point, certificate
            if self.recorder.is_over or (is_exhausted and not left):
                break
            if not left:                        # a proof takes more than such a minimum of the set
                inside = Aim(_CLOSER * inside.tol, _CLOSER * inside.gap)
        return point, with_l1(problem, *point, enough=wanted_gap(problem, point, aim.gap))

    def weaken(self, problem: Problem, point: Point, times: float, aim: Aim) -> tuple[Point, Certificate]:
        """Go to the minimum of J from that for a penalty so many times as strong, by way of those between."""
        penalty, stronger = problem.elastic_net, times
        for weaker in _on_the_way(1.0 if _holds_all(problem) else times):
            between = problem.with_penalty(penalty.times(weaker))
            point = self._under(between, point)
            columns = self._columns(between, point, _NO_COLUMNS, stronger / weaker - 1.0)
            point, _ = self._on_working_set(between, point, columns, Aim(math.inf, _ROUGH), False)
            stronger = weaker
        return self.minimize(problem, point, aim, max(stronger - 1.0, 0.0))

    def _columns(self, problem: Problem, point: Point, before: np.ndarray, slack: float) -> np.ndarray:
        """The next working set, after the one before; all columns where compiled code chooses from them."""
        if self._all_columns is not None:
            return np.arange(point.u.size - 1)
        if _holds_all(problem):
            return in_order(~problem.elastic_net.is_left_out)
        return working_set(problem, point, before, slack)

    def _under(self, problem: Problem, point: Point) -> Point:
        """The point with J and the gradient by the penalty of the problem."""
        before, now, scales, rows = self._penalty, problem.penalty, problem.coordinates.scales, problem.coordinates.rows(point.u)
        self._penalty = now
        return Point(point.u, point.cost + now.value(rows, scales) - before.value(rows, scales),
                     point.grad + (now.gradient(rows, scales) - before.gradient(rows, scales)).ravel())

    def _on_working_set(self, problem: Problem, point: Point, columns: np.ndarray, aim: Aim,
                        is_foreseen: bool) -> tuple[Point, bool]:
        """Minimize J on a working set as far as it pays; also whether there is no step that lowers J, or may be made.

        It pays until the aim is reached.  Unless the set has been foreseen, and its updates are cheap, it ends also where the
        least subgradient is small beside what it was, and beside what is violated outside the set.
        """
        size = point.u.size
        place, is_all = np.append(columns, size - 1), columns.size == size - 1
        is_finished = is_all or (is_foreseen and problem.costs.is_cheap(columns.size))
        enough = 0.0 if is_finished else problem.to_mean * _enough(problem, point, place)
        point, status = self._by_columns(problem, point, columns, aim, enough)
        is_exhausted = status == FULL
        if status in (STUCK, DEAR) and self._all_columns is not None and not _holds_all(problem):
            self._all_columns = None            # so many have no quadratic model at once: what follows is for working sets
            return evaluated(problem, _whole(point.u, place, size)), False
        if status in (STUCK, DEAR):
            held = problem if is_all else problem.on_columns(columns)
            point, is_exhausted = self._by_steps(held, point, aim, enough, place, size)
        is_known = is_all and not problem.costs.is_sparse       # a compiled call adds up margins, of sparse X about a far 0
        return point if is_known else evaluated(problem, _whole(point.u, place, size)), is_exhausted

    def _by_columns(self, problem: Problem, point: Point, columns: np.ndarray, aim: Aim, enough: float) -> tuple[Point, int]:
        """Minimize J on a working set in compiled calls; the point in the coordinates of the set, and why they have ended."""
        options, place = self._options, np.append(columns, point.u.size - 1)
        u, cost, grad, status = point.u, point.cost, point.grad[place], FULL
        kept = None if self._all_columns is None else self._all_columns._replace(problem=problem)
        by_columns = None if aim.gap < _NO_GAP else kept or ByColumns.of(problem, columns)
        if by_columns is None:
            return Point(u[place], cost, grad), DEAR
        while status == FULL and not (self.recorder.is_over or needs_no_penalized(problem, u, cost)):
            left = options.most_updates - self.recorder.n_iter
            record = np.empty((1 if options.callback is not None else min(_MOST_AT_ONCE, left), 3))
            u, (cost, grad), updates, status = by_columns.minimize(u, cost, *aim, enough, record)
            self._note(record[:updates], u)
            if updates:
                self.recorder.show(cost, float(record[updates - 1, 1]))
        return Point(u[place], cost, grad), status

    def _by_steps(self, problem: Problem, point: Point, aim: Aim, enough: float, place: np.ndarray,
                  size: int) -> tuple[Point, bool]:
        """Minimize J on a working set step by step; also whether no step lowers J any more."""
        while True:
            norm = subgradient_norm(problem, point)
            self.recorder.show(point.cost, norm)
            if norm <= enough or self.recorder.is_over or (norm <= aim.tol and _is_near(problem, point, aim.gap * point.cost)):
                return point, False
            found = None if needs_no_penalized(problem, point.u, point.cost) else step(problem, point, norm, self._damping)
            if found is None:
                return point, True
            before = point.cost
            share, point, self._damping = found
            self._note([(before, norm, share)], _whole(point.u, place, size))

    def _note(self, updates: Any, u: np.ndarray) -> None:
        """Record updates that led to u, each with J and the least subgradient before it and its step, and ask the callback."""
        self.recorder.add(updates)
        if len(updates):
            self.recorder.ask(self._whole, u)


def solve(problem: Problem, theta: np.ndarray | None, options: Options, optimizer_of: type[Optimizer] = Optimizer) -> Result:
    """Minimize J from theta; or from w = 0, by way of stronger penalties."""
    problem, point, optimizer = start(problem, theta, options, optimizer_of)
    times = 1.0
    if theta is None:
        point, times = without_penalized(problem, point, optimizer)
    point, certificate = optimizer.weaken(problem, point, times, Aim(options.tol, options.tol))
    return result(problem, point, certificate, optimizer, options)


def start(problem: Problem, theta: np.ndarray | None, options: Options,
          optimizer_of: type[Optimizer] = Optimizer) -> tuple[Problem, Point, Optimizer]:
    """J in standardized coordinates, with theta or the null model to start from, and nothing done yet."""
    problem, u, known = problem.start(theta)
    problem.coordinates.rows(u)[:, :-1][:, problem.elastic_net.is_left_out] = 0.0
    point = evaluated(problem, u) if known is None else Point(u, *known)
    refuse_infinite_start(point.cost)
    return problem, point, optimizer_of(problem, options)


def without_penalized(problem: Problem, point: Point, optimizer: Optimizer) -> tuple[Point, float]:
    """The minimum without the penalized columns, and how many times as strong the penalty has to be for it."""
    penalty, scales = problem.elastic_net, problem.coordinates.scales
    if problem.data.has_offset or penalty.is_unpenalized(scales).any():
        point, _ = optimizer.minimize(problem.with_penalty(penalty.without_penalized(scales)), point, ON_START)
    return point, penalty.least_factor(point.grad, scales)


def wanted_gap(problem: Problem, point: Point, share: float) -> float:
    """The gap to be proved at a point, where a share of J is wanted: no less than what may be rounding."""
    return max(share * point.cost, problem.rounding(point.u, point.cost))


def result(problem: Problem, point: Point, certificate: Certificate, optimizer: Optimizer, options: Options) -> Result:
    """Make the Result of a point: of the parameters that J can't tell apart, the intercepts that sum to 0, and settled w."""
    recorder, grad_norm = optimizer.recorder, subgradient_norm(problem, point)
    warning: ConvergenceWarning | SeparationWarning | None = None
    gap = min(certificate.gap, point.cost)
    has_converged = (options.tol > 0.0 and certificate.has_minimum and grad_norm <= options.tol
                     and gap <= wanted_gap(problem, point, options.tol))
    reason = f"the least subgradient is at most tol={options.tol:g}" if has_converged else recorder.ending.told(options)
    if not certificate.has_minimum and _is_separated(problem, point):
        reason, gap = SEPARATED, point.cost
        warning = SeparationWarning("the columns without a penalty separate the classes, so that J falls forever as their w "
                                    f"grow, and has no minimum; w after {recorder.n_iter} updates is returned (J = "
                                    f"{point.cost:.3g}).  Give them a penalty factor above 0")
    elif not (has_converged or recorder.is_stopped or options.tol == 0.0):
        warning = ConvergenceWarning(f"training did not converge: after {recorder.n_iter} updates the least subgradient is "
                                     f"{grad_norm:.3g} and J = {point.cost:.6g} may be {gap:.3g} above its minimum, with "
                                     f"tol={options.tol:g}, and {reason}.  {recorder.ending.advice}")
    theta = problem.coordinates.parameters(point.u).reshape(problem.shape)
    rows = problem.coordinates.rows(theta)
    problem.elastic_net.settle_common(rows[:, :-1])
    if problem.fit_intercept:
        problem.loss.remove_common(rows[:, -1:])
    cost = problem.exact_cost(theta, point.cost)
    gap = min(gap + max(cost - point.cost, 0.0), cost)
    return Result(theta, recorder.history(cost, grad_norm), has_converged, reason, "elastic_net",
                  math.nan if options.tol == 0.0 else grad_norm, gap, "bound", warning)


def _on_the_way(times: float) -> np.ndarray:
    """The penalties between one that is so many times as strong and the one that is wanted."""
    if not 1.0 < times < math.inf:
        return np.empty(0)
    steps = max(1, int(_A_DECADE * math.log10(times) - 0.4))
    return times ** (np.arange(steps - 1, 0, -1) / steps)


def _holds_all(problem: Problem) -> bool:
    """Whether the working set is all columns."""
    n, data = problem.data.shape[1], problem.data
    return n <= _FEW or problem.elastic_net.l1 == 0.0 or (data.is_sparse and n * n <= _FEW_OF_SPARSE * data.size)


def working_set(problem: Problem, point: Point, before: np.ndarray, slack: float) -> np.ndarray:
    """The w, in order, that may differ from 0 next: the support, the set before unless it is too large, and the worst.

    They are places in the raveled w (r n): for two classes columns.
    """
    rows, thresholds, costs = problem.coordinates.rows, problem.thresholds[:-1], problem.costs
    is_held = ((rows(point.u)[:, :-1] != 0.0) | (thresholds == 0.0)).ravel()
    size = int(np.count_nonzero(is_held))
    if before.size <= _PRUNED * size + _FEWEST_NEW:
        is_held[before] = True
    score = (np.abs(rows(point.grad)[:, :-1]) / thresholds).ravel()
    score[is_held] = 0.0
    most = max(_FEWEST_NEW, size, int(min(_NEW_OF_COLUMN * costs.column, _NEW_OF_COLUMNS * costs.columns)))
    new = np.flatnonzero(score > 1.0 - slack)
    if new.size > most:
        new = new[np.argpartition(score[new], -most)[-most:]]
    is_held[new] = True
    return in_order(is_held)


def in_order(is_held: np.ndarray) -> np.ndarray:
    """The places that are held, in order; one at least."""
    return np.flatnonzero(is_held) if is_held.any() else np.array([0])


def _enough(problem: Problem, point: Point, place: np.ndarray) -> float:
    """The least subgradient at these places from which on it pays to read all of X again."""
    violated = np.abs(problem.elastic_net.least_subgradient(point.u, point.grad, problem.coordinates.scales))
    inside = violated[place].max()
    violated[place] = 0.0
    enough = _OF_OUTSIDE * min(inside, violated.max())
    return float(max(enough, _OF_INSIDE * inside) if problem.costs.is_dear(place.size - 1) else enough)


def _violation(problem: Problem, point: Point, columns: np.ndarray) -> float:
    """By how much gradients are above their thresholds outside a working set, at most."""
    excess = np.abs(point.grad) - problem.thresholds
    excess[columns] = excess[-1] = 0.0
    return float(excess.max(initial=0.0))


def needs_no_penalized(problem: Problem, u: np.ndarray, cost: float) -> bool:
    """Whether the columns without a penalty have every example on its right side, so that J falls for ever as they grow."""
    if cost > problem.cost_of_one_error:        # mostly, and costs least to ask
        return False
    is_free = np.append(problem.elastic_net.is_unpenalized(problem.coordinates.scales), True)
    of_free = np.where(is_free, problem.coordinates.rows(u), 0.0).ravel()
    return bool(is_free[:-1].any()) and is_without_error(problem, cost, of_free)


def _is_separated(problem: Problem, point: Point) -> bool:
    """Whether the columns without a penalty tell the classes apart."""
    free = np.flatnonzero(problem.elastic_net.is_unpenalized(problem.coordinates.scales))
    if not free.size:
        return False
    part, grad = problem.around(point.u, free), problem.coordinates.rows(point.grad)[:, np.append(free, -1)].ravel()
    return recession_direction(part, np.zeros(grad.size), grad, -grad / part.diagonal) is not None


def _is_near(problem: Problem, point: Point, gap: float) -> bool:
    """Whether J on a working set is proved to be near its minimum; the penalized columns alone cost least to ask."""
    return (problem.elastic_net.gap(point.u, point.grad, problem.coordinates.scales, point.cost, 0.0) <= gap
            and with_l1(problem, *point).gap <= gap)


def _whole(part: np.ndarray, place: np.ndarray, size: int) -> np.ndarray:
    """All coordinates (size,), where those of a working set are given, and the others are 0."""
    u = np.zeros(size)
    u[place] = part
    return u

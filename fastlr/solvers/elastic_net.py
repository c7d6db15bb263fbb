"""Working sets and Newton's method for the elastic net: most w are exactly 0, and few columns have to be looked at.

A working set is the support, with the columns that would leave 0.  On it a step minimizes the quadratic model of the loss plus
the penalty, l1 included, exactly: for fixed signs that is a linear system in the support, and what would change its sign stops
at 0.  When the set is done, one read of all of X gives the gradient of all columns, which proves how far J is from its minimum
and names the columns that have to come in.

A weak penalty is reached by way of stronger ones, whose minima are wanted roughly: the set is small on all of that way.  From one
penalty to the next, the gradient of a column is expected to change by no more than the penalty does (the sequential strong rule:
Tibshirani et al., Strong rules for discarding predictors in lasso-type problems, 2012).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from fastlr.backends.csr import Csr
from fastlr.backends.penalized_newton import DEAR, NEAR, STUCK, Goal
from fastlr.machine.arrays import repeated
from fastlr.machine.blas import dot
from fastlr.machine.warnings import ConvergenceWarning, SeparationWarning
from fastlr.problem.certificate import Certificate, with_l1
from fastlr.problem.penalty import ElasticNet
from fastlr.problem.problem import Problem
from fastlr.solvers import Options, Result, State, weights_and_intercept
from fastlr.solvers.history import Recorder
from fastlr.solvers.separation import is_without_error, recession_direction
from fastlr.solvers.verdict import SEPARATED

# Up to so many columns all of them are the working set.
_FEW = 64
# The square of so many columns of sparse X, as a share of the numbers in X, up to which all are: their Hessian costs no more.
_FEW_OF_SPARSE = 1.0
# The least number of columns that may come into a working set at once; otherwise as many as the support has.
_FEWEST_NEW = 20
# A working set with so many times the columns of the support, and _FEWEST_NEW, starts again from the support.
_PRUNED = 1.2
# The share of the violation outside a working set to which it is minimized.
_OF_OUTSIDE = 0.3
# The share of the gap that is wanted to which a working set is minimized; and of that, where it does not suffice.
_INSIDE = 0.5
# The gap, as a share of J, to which the stronger penalties on the way are minimized.
_ROUGH = 1.0
# The penalties on the way to one that is a tenth of the least that leaves w = 0.
_A_DECADE = 2.0
# The share of the decrease that a linear model of J promises, which a step has to bring.
_SUFFICIENT = 1e-4
# The shortest step, as a share of the full one: if that is too long, the quadratic model is damped.
_SHORTEST = 2.0 ** -30
# The least damping of a quadratic model, as a share of the Hessian's diagonal at the null model.
_LEAST_DAMPING = 1e-3
# The factor by which damping grows where no share of a step lowers J, and falls after a full step.
_DAMPING_CHANGE = 10.0
# The share of the least subgradient that may be left after a step whose change of J is rounding.
_SMALLER = 0.5
# The share of the least subgradient to which the quadratic model is minimized.
_OF_MODEL = 0.01
# Added to the Hessian, as a share of its diagonal at the null model, so that collinear columns have a solution.
_RIDGE = 1e-11
# The share of the largest violation from which on a component comes into the linear system.
_OF_WORST = 0.1
# Linear systems that the minimum of a quadratic may take: after more, a new quadratic serves better.
_MOST_SYSTEMS = 30
# A gap, as a share of J, that no proof has.
_NO_GAP = 1e-16
# Working sets for one penalty, at most.
_MOST_SETS = 200


def expected_steps(options: Options) -> int:
    """The number of steps to the optimum, roughly."""
    return 30


def kernels(is_small: bool, n_threads: int) -> tuple[str, ...]:
    """The compiled kernels that training calls in any case."""
    return "first_read", "cost_gradient", "hessian", "penalized_newton"


class Point(NamedTuple):
    """A point, with J and the gradient of all but l1."""

    u: np.ndarray               # (n + 1,)
    cost: float
    grad: np.ndarray            # (n + 1,)


class Aim(NamedTuple):
    """What a minimum is wanted to."""

    tol: float                  # of the least subgradient, on the mean scale
    gap: float                  # relative to J


ON_START = Aim(tol=1e-10, gap=1e-10)
"""What the start without the penalized columns is wanted to."""


class Descent:
    """The updates of one training, over several penalties.

    Parameters
    ----------
    problem : Problem
        In standardized coordinates.
    options : Options

    Attributes
    ----------
    recorder : Recorder
    is_stopped : bool
        Whether the callback has asked to stop.
    """

    def __init__(self, problem: Problem, options: Options) -> None:
        self._coordinates, self._shape = problem.coordinates, problem.shape
        self._options, self._penalty = options, problem.penalty
        self.recorder, self.is_stopped, self._damping = Recorder(options.start), False, 0.0

    @property
    def is_over(self) -> bool:
        """Whether no update may follow."""
        return self.is_stopped or self.recorder.n_iter >= self._options.most_updates

    def minimize(self, problem: Problem, point: Point, aim: Aim, slack: float = 0.0) -> tuple[Point, Certificate]:
        """Go to the minimum of J, and say what is proved about it.

        Parameters
        ----------
        problem : Problem
        point : Point
            The start: J and the gradient there may be those of another penalty.
        aim : Aim
        slack : float
            A column may leave 0 if its gradient is not below its threshold by more than this share of it.
        """
        penalty, scales = problem.penalty, problem.coordinates.scales
        assert isinstance(penalty, ElasticNet)
        thresholds, columns, size = penalty.thresholds(scales), np.empty(0, np.intp), point.u.size
        point, inside = self._under(problem, point), _INSIDE * aim.gap
        for _ in range(_MOST_SETS):
            columns = _working_set(problem, point, thresholds, columns, slack)
            place, slack = np.append(columns, size - 1), 0.0
            held = problem if columns.size == size - 1 else problem.on_columns(columns)
            enough = _OF_OUTSIDE * problem.to_mean * _violation(point, thresholds, columns)
            start = Point(point.u[place], point.cost, point.grad[place])
            at, is_exhausted = self._on_working_set(held, start, Aim(aim.tol, inside), enough, place, size)
            point = at if held is problem else evaluated(problem, _whole(at.u, place, size))
            gap = max(aim.gap * point.cost, problem.rounding(point.u, point.cost))
            certificate = with_l1(problem, point.u, point.cost, point.grad, held, at.u, enough=gap)
            norm = problem.bounded_by_tol(penalty.least_subgradient(point.u, point.grad, scales))
            is_done = certificate.gap <= gap and norm <= aim.tol
            left = _violation(point, thresholds, columns)
            if is_done or self.is_over or (is_exhausted and not left):
                break
            if not left:                        # the proof for all columns is weaker than that for the set
                inside *= _INSIDE
        self._penalty = penalty
        return point, certificate

    def weaken(self, problem: Problem, point: Point, times: float, aim: Aim) -> tuple[Point, Certificate]:
        """Go to the minimum of J from that for a penalty so many times as strong, by way of those between."""
        penalty, stronger = problem.penalty, times
        assert isinstance(penalty, ElasticNet)
        for weaker in _on_the_way(1.0 if _holds_all(problem) else times):
            point, _ = self.minimize(problem.with_penalty(penalty.times(weaker)), point, Aim(math.inf, _ROUGH),
                                     stronger / weaker - 1.0)
            stronger = weaker
        return self.minimize(problem, point, aim, max(stronger - 1.0, 0.0))

    def _under(self, problem: Problem, point: Point) -> Point:
        """The point with J and the gradient by the penalty of the problem."""
        before, now, scales, rows = self._penalty, problem.penalty, problem.coordinates.scales, problem.coordinates.rows(point.u)
        return Point(point.u, point.cost + now.value(rows, scales) - before.value(rows, scales),
                     point.grad + (now.gradient(rows, scales) - before.gradient(rows, scales)).ravel())

    def _on_working_set(self, problem: Problem, point: Point, aim: Aim, enough: float, place: np.ndarray,
                        size: int) -> tuple[Point, bool]:
        """Minimize J on a working set until the least subgradient is small enough; also whether no step lowers J any more."""
        penalty, scales, options = problem.penalty, problem.coordinates.scales, self._options
        assert isinstance(penalty, ElasticNet)
        columns, near = problem.by_columns() if problem.has_penalized_newton else None, aim.gap
        while True:
            norm = problem.bounded_by_tol(penalty.least_subgradient(point.u, point.grad, scales))
            if options.progress is not None:
                options.progress.show(self.recorder.n_iter, point.cost, norm)
            if norm <= enough or self.is_over or (norm <= aim.tol and _is_near(problem, point, aim.gap * point.cost)):
                return point, False
            if needs_no_penalized(problem, point):
                return point, True
            if columns is not None:
                point, updates, status = self._updates(problem, columns, point, Aim(aim.tol, near), enough)
                self._note(updates, _whole(point.u, place, size))
                if status == NEAR:              # as far as it can be told without a proof
                    near *= _INSIDE
                if status in (STUCK, DEAR) or near < _NO_GAP:
                    columns = None
                continue
            found = _step(problem, point, norm, self._damping)
            if found is None:
                return point, True
            before = point.cost
            share, point, self._damping = found
            self._note([(before, norm, share)], _whole(point.u, place, size))

    def _updates(self, problem: Problem, columns: np.ndarray | Csr, point: Point, aim: Aim,
                 enough: float) -> tuple[Point, np.ndarray, int]:
        """Make many updates in one compiled call: where they lead, what is recorded of them, and the reason for the end."""
        penalty, costs = problem.penalty, problem.costs
        assert isinstance(penalty, ElasticNet)
        left = self._options.most_updates - self.recorder.n_iter
        most = 1 if self._options.callback is not None else min(costs.updates_by_columns, left)
        record = np.empty((most, 3))
        goal = Goal(problem.to_cost, problem.to_mean, float(problem.fit_intercept), aim.tol, aim.gap * point.cost, enough,
                    problem.rounding(point.u, point.cost), costs.numbers_read, float(costs.has_compiled_hessian))
        u, (cost, grad), updates, status = problem.penalized_newton(columns, point.u, penalty.thresholds(
            problem.coordinates.scales), goal, record)
        return Point(u, cost, grad), record[:updates], status

    def _note(self, updates: Any, u: np.ndarray) -> None:
        """Record updates that led to u, each with J and the least subgradient before it and its step, and ask the callback."""
        self.recorder.add(updates)
        if self._options.callback is not None and len(updates):
            theta = self._coordinates.parameters(u).reshape(self._shape)
            state = State(self.recorder.n_iter, updates[-1][0], *weights_and_intercept(theta), self.recorder.elapsed())
            self.is_stopped = bool(self._options.callback(state))


def solve(problem: Problem, theta: np.ndarray | None, options: Options, descent_of: type[Descent] = Descent) -> Result:
    """Minimize J from theta; or from w = 0, by way of stronger penalties."""
    problem, point, descent = start(problem, theta, options, descent_of)
    times = 1.0
    if theta is None:
        point, times = without_penalized(problem, point, descent)
    point, certificate = descent.weaken(problem, point, times, Aim(options.tol, options.tol))
    return result(problem, point, certificate, descent, options)


def start(problem: Problem, theta: np.ndarray | None, options: Options,
          descent_of: type[Descent] = Descent) -> tuple[Problem, Point, Descent]:
    """J in standardized coordinates, with theta or the null model to start from, and nothing done yet."""
    problem, u, known = problem.start(theta)
    assert isinstance(problem.penalty, ElasticNet)
    problem.coordinates.rows(u)[:, :-1][:, problem.penalty.is_left_out] = 0.0
    point = evaluated(problem, u) if known is None else Point(u, *known)
    if not math.isfinite(point.cost):
        raise ValueError(f"J is {point.cost} at the start: init and X together are too large for float64")
    return problem, point, descent_of(problem, options)


def without_penalized(problem: Problem, point: Point, descent: Descent) -> tuple[Point, float]:
    """The minimum without the penalized columns, and how many times as strong the penalty has to be for it."""
    penalty, scales = problem.penalty, problem.coordinates.scales
    assert isinstance(penalty, ElasticNet)
    if problem.data.has_offset or penalty.is_unpenalized(scales).any():
        point, _ = descent.minimize(problem.with_penalty(penalty.without_penalized(scales)), point, ON_START)
    return point, penalty.least_factor(point.grad, scales)


def result(problem: Problem, point: Point, certificate: Certificate, descent: Descent, options: Options) -> Result:
    """Make the Result of a descent."""
    penalty, recorder = problem.penalty, descent.recorder
    warning: ConvergenceWarning | SeparationWarning | None = None
    assert isinstance(penalty, ElasticNet)
    grad_norm = problem.bounded_by_tol(penalty.least_subgradient(point.u, point.grad, problem.coordinates.scales))
    gap = min(certificate.gap, point.cost)
    has_converged = options.tol > 0.0 and certificate.has_minimum and grad_norm <= options.tol and gap <= max(
        options.tol * point.cost, problem.rounding(point.u, point.cost))
    reason = (f"the least subgradient is at most tol={options.tol:g}" if has_converged else
              "the callback asked to stop" if descent.is_stopped else
              f"max_iter={options.most_updates} updates were made" if descent.is_over else
              "no step lowers J any more: what is left of the gradient is rounding")
    if not certificate.has_minimum and _is_separated(problem, point):
        reason, gap = SEPARATED, point.cost
        warning = SeparationWarning("the columns without a penalty tell the classes apart, so that J falls for ever as their w "
                                    f"grow, and has no minimum; w after {recorder.n_iter} updates is returned (J = "
                                    f"{point.cost:.3g}).  Give them a penalty factor above 0")
    elif not (has_converged or descent.is_stopped or options.tol == 0.0):
        warning = ConvergenceWarning(f"training did not converge: after {recorder.n_iter} updates the least subgradient is "
                                     f"{grad_norm:.3g} and J = {point.cost:.6g} may be {gap:.3g} above its minimum, with "
                                     f"tol={options.tol:g}, and {reason}.  To go on, raise max_iter or set a larger tol")
    theta = problem.coordinates.parameters(point.u).reshape(problem.shape)
    return Result(theta, recorder.history(point.cost, grad_norm), has_converged, reason,
                  math.nan if options.tol == 0.0 else grad_norm, gap, "bound", "elastic_net", warning)


def minimize_quadratic(H: np.ndarray, grad: np.ndarray, u: np.ndarray, thresholds: np.ndarray, enough: float) -> np.ndarray:
    """Minimize grad . (v - u) + (v - u) H (v - u) / 2 + sum_j thresholds_j |v_j| over v.

    It goes from one set of signs to the next.  For fixed signs the minimum is the solution of a linear system.  On the way to it,
    components that would change their sign stop at 0.  Components that want to leave 0 come in, until none wants to by more than
    `enough`.

    Parameters
    ----------
    H : (k, k)
        Symmetric and positive definite.
    grad, u : (k,)
        The start, and the gradient of the smooth part there.
    thresholds : (k,)
        At least 0; components with 0 have no sign to keep.
    enough : float
    """
    v, q = u.copy(), grad.copy()                # q is the gradient of the quadratic at v
    signs, is_free = np.sign(v), thresholds == 0.0
    is_active = is_free | (v != 0.0)
    for _ in range(_MOST_SYSTEMS):
        A = np.flatnonzero(is_active)
        step = np.zeros(v.size)
        step[A] = -np.linalg.solve(H[A].take(A, axis=1), q[A] + thresholds[A] * signs[A])
        is_back = (step * signs < 0.0) & ~is_free
        is_wrong = is_back & (v == 0.0)
        if is_wrong.any():
            is_active[is_wrong] = False
            continue
        # The share of the step at which a component gets to 0.  Up to the first of them the quadratic plus l1 falls for sure.
        at_zero = np.divide(-v, step, out=np.full(v.size, np.inf), where=is_back)
        share, first = 1.0, at_zero.min()
        while True:
            crosses = at_zero <= share
            moved = np.where(crosses, -v, share * step)
            H_moved = H @ moved
            if share <= first or moved @ (q + 0.5 * H_moved) + thresholds @ (np.abs(v + moved) - np.abs(v)) < 0.0:
                break
            share = max(0.5 * share, first)
        v += moved
        q += H_moved
        v[crosses] = 0.0
        is_active[crosses] = False
        if share == 1.0 and not crosses.any():
            excess = np.where(is_active, 0.0, np.abs(q) - thresholds)
            new = excess > max(enough, _OF_WORST * excess.max())
            if not new.any():
                break
            is_active |= new
            signs[new] = -np.sign(q[new])
    return v


def _step(problem: Problem, point: Point, norm: float, damping: float) -> tuple[float, Point, float] | None:
    """Find a step toward the minimum of the quadratic model that lowers J enough.

    Where no share of a step does, the model is damped, as Levenberg and Marquardt do it: its Hessian gets a multiple of the
    diagonal at the null model.

    Returns
    -------
    The share of the step, where it leads, and the damping for the next step; None where no step lowers J.
    """
    penalty, scales = problem.penalty, problem.coordinates.scales
    assert isinstance(penalty, ElasticNet)
    H, thresholds = problem.hessian(point.u), penalty.thresholds(scales)
    diagonal = H.diagonal().copy()
    while True:
        H.flat[::len(H) + 1] = diagonal + (_RIDGE + damping) * problem.diagonal
        v = minimize_quadratic(H, point.grad, point.u, thresholds, _OF_MODEL * norm / problem.to_mean)
        found, is_hidden = line_search(problem, point, v, norm)
        if found is not None:
            less = damping / _DAMPING_CHANGE if found[0] == 1.0 else damping
            return *found, less if less >= _LEAST_DAMPING and not is_hidden else 0.0
        if is_hidden:
            return None
        damping = max(_DAMPING_CHANGE * damping, _LEAST_DAMPING)


def line_search(problem: Problem, point: Point, v: np.ndarray, norm: float) -> tuple[tuple[float, Point] | None, bool]:
    """Find the largest share of the way to v, of those halved again and again, that lowers J enough.

    Returns
    -------
    The share and where it leads, None if there is none; and whether the change of J is rounding.  Then the whole way is taken
    where it makes the least subgradient, whose norm is given, much smaller.
    """
    penalty, scales, step = problem.penalty, problem.coordinates.scales, v - point.u
    assert isinstance(penalty, ElasticNet)
    thresholds = repeated(penalty.thresholds(scales), v.size)
    promised = -dot(point.grad, step) - dot(thresholds, np.abs(v) - np.abs(point.u))
    if not promised > problem.rounding(point.u, point.cost):
        there = evaluated(problem, v)
        left = problem.bounded_by_tol(penalty.least_subgradient(there.u, there.grad, scales))
        return (1.0, there) if left <= _SMALLER * norm else None, True
    share = 1.0
    while share >= _SHORTEST:
        there = evaluated(problem, v if share == 1.0 else point.u + share * step)
        if there.cost <= point.cost - _SUFFICIENT * share * promised:
            return (share, there), False
        share *= 0.5
    return None, False


def evaluated(problem: Problem, u: np.ndarray) -> Point:
    """Compute J and the gradient at u."""
    return Point(u, *problem.evaluate(u))


def _on_the_way(times: float) -> np.ndarray:
    """The penalties between one that is so many times as strong and the one that is wanted."""
    if not 1.0 < times < math.inf:
        return np.empty(0)
    steps = max(1, int(_A_DECADE * math.log10(times) - 0.4))
    return times ** (np.arange(steps - 1, 0, -1) / steps)


def _holds_all(problem: Problem) -> bool:
    """Whether the working set is all columns."""
    n, data = problem.data.shape[1], problem.data
    assert isinstance(problem.penalty, ElasticNet)
    return n <= _FEW or problem.penalty.l1 == 0.0 or (data.is_sparse and n * n <= _FEW_OF_SPARSE * data.size)


def _working_set(problem: Problem, point: Point, thresholds: np.ndarray, before: np.ndarray, slack: float) -> np.ndarray:
    """The columns, in order, that may differ from 0 next: the support, the set before unless it is too large, and the worst."""
    penalty = problem.penalty
    assert isinstance(penalty, ElasticNet)
    if _holds_all(problem):
        is_held = ~penalty.is_left_out
    else:
        is_held = (point.u[:-1] != 0.0) | (thresholds[:-1] == 0.0)
        support = np.count_nonzero(is_held)
        if before.size <= _PRUNED * support + _FEWEST_NEW:
            is_held[before] = True
        score = np.abs(point.grad[:-1]) / np.where(is_held, np.inf, thresholds[:-1])
        new, most = np.flatnonzero(score > 1.0 - slack), max(_FEWEST_NEW, support)
        is_held[new[np.argsort(-score[new], kind="stable")[:most]]] = True
    return np.flatnonzero(is_held) if is_held.any() else np.array([0])


def _violation(point: Point, thresholds: np.ndarray, columns: np.ndarray) -> float:
    """By how much gradients are above their thresholds outside a working set, at most."""
    excess = np.abs(point.grad) - thresholds
    excess[columns] = excess[-1] = 0.0
    return float(excess.max(initial=0.0))


def needs_no_penalized(problem: Problem, point: Point) -> bool:
    """Whether the columns without a penalty have every example on its right side, so that J falls for ever as they grow."""
    assert isinstance(problem.penalty, ElasticNet)
    is_free = np.append(problem.penalty.is_unpenalized(problem.coordinates.scales), True)
    of_free = np.where(is_free, problem.coordinates.rows(point.u), 0.0).ravel()
    return bool(is_free[:-1].any()) and is_without_error(problem, point.cost, of_free)


def _is_separated(problem: Problem, point: Point) -> bool:
    """Whether the columns without a penalty tell the classes apart."""
    assert isinstance(problem.penalty, ElasticNet)
    free = np.flatnonzero(problem.penalty.is_unpenalized(problem.coordinates.scales))
    if not free.size:
        return False
    part, grad = problem.around(point.u, free), problem.coordinates.rows(point.grad)[:, np.append(free, -1)].ravel()
    return recession_direction(part, np.zeros(grad.size), grad, -grad / part.diagonal) is not None


def _is_near(problem: Problem, point: Point, gap: float) -> bool:
    """Whether J on a working set is proved to be near its minimum; the penalized columns alone cost least to ask."""
    assert isinstance(problem.penalty, ElasticNet)
    return (problem.penalty.gap(point.u, point.grad, problem.coordinates.scales, point.cost, 0.0) <= gap
            and with_l1(problem, point.u, point.cost, point.grad, problem, point.u).gap <= gap)


def _whole(part: np.ndarray, place: np.ndarray, size: int) -> np.ndarray:
    """All coordinates (size,), where those of a working set are given, and the others are 0."""
    u = np.zeros(size)
    u[place] = part
    return u

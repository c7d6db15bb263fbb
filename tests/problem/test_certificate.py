"""The certificate: bounds on J - J* against the truth in long double, and the inputs that have misled it."""

import runpy
import warnings

import numpy as np
import pytest
import scipy.sparse

import fastlr
from fastlr import ConvergenceWarning, SeparationWarning, backends
from fastlr.data import door
from fastlr.problem.cost_model import CostModel
from fastlr.problem.penalty_bounds import strong_convexity, with_l1
from fastlr.problem.problem import Problem
from fastlr.problem.self_concordance import self_concordance
from fastlr.solvers.verdict import Verdict
from tests.oracles import Oracle

pytestmark = pytest.mark.slow

each_solver = pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
each_kernel = pytest.mark.parametrize("kernel", ["numpy", "fused"])
KEY_HELD_DOWN = 9999999999.0


def sample(m=500, n=2, seed=5, slope=1.5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, (slope * X[:, 0] + rng.logistic(size=m) > 0).astype(int)


_oracles = {}           # what is known of a problem, which several solvers are held against


def oracle(X, y, l2=0.0, reduction="mean", fit_intercept=True):
    X, options = np.asarray(X, float), (l2, reduction, fit_intercept)
    key = X.shape, X.tobytes(), y.tobytes(), options
    if key not in _oracles:
        _oracles[key] = Oracle(X, y, np.ones(len(y)), np.zeros(len(y)), *options)
    return _oracles[key]


def assert_is_certified(model, known, tol=1e-8, kinds=("bound",)):
    """J - J* is what the gap allows, and small enough for converged to be true."""
    assert model.converged and model.gap_kind in kinds
    excess, rounding = float(known.excess(model.w, model.b)), float(known.rounding(model.w, model.b)[0])
    assert excess <= model.gap * (1.0 + 1e-6) + rounding
    assert model.gap <= tol * model.cost + rounding + 1e-12 * model.cost


# ---- price ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("goes_on", [False, True])
def test_a_hessian_that_would_prove_nothing_waits_while_the_descent_goes_on(goes_on):
    """Of the two points the first is so far from the minimum that self-concordance bounds nothing, and the second is near it."""
    class Counting(Problem):
        hessians = 0

        def loss_hessian(self, u, floor=0.0):
            type(self).hessians += 1
            return super().loss_hessian(u, floor)

    X, y = sample()
    model = fastlr.train(X, y, backend="numpy")
    problem = Counting.of_theta(door.data(X, y), l2=0.0, reduction="mean", fit_intercept=True).standardised()
    for theta, is_near in ((np.zeros(3), False), (np.append(model.w, model.b) + 1e-5, True)):
        u, Counting.hessians = problem.coordinates.u_of(theta), 0
        cost, grad = problem.evaluate(u)
        verdict = Verdict(problem, u, cost, grad, cost - model.cost, 1e-3, 1, goes_on)
        assert verdict.waits == (goes_on and not is_near)
        assert (Counting.hessians > 0) == (not verdict.waits)
        assert (verdict.kind == "bound") == is_near


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_penalty_that_would_prove_too_little_waits_while_the_descent_goes_on(goes_on):
    """A Hessian of so many columns is too dear, and the way to the best intercept takes a read of X."""
    class Counting(Problem):
        reads = 0

        def evaluate(self, u, with_moments=False):
            type(self).reads += 1
            return super().evaluate(u, with_moments)

    X, y = sample(200, 1000)
    model = fastlr.train(X, y, l2=1e-2, backend="numpy")
    problem = Counting.of_theta(door.data(X, y), l2=1e-2, reduction="mean", fit_intercept=True).standardised()
    at_minimum = problem.coordinates.u_of(np.append(model.w, model.b))
    for distance, is_near in ((1e-3, False), (1e-8, True)):
        u = at_minimum + distance
        cost, grad = problem.evaluate(u)
        Counting.reads = 0
        verdict = Verdict(problem, u, cost, grad, cost - model.cost, 1e-6, 1, goes_on)
        assert verdict.waits == (goes_on and not is_near)
        assert (verdict.gap <= 1e-6 * cost) == is_near
        assert Counting.reads == (0 if is_near or goes_on else 1)


def test_a_sample_that_would_prove_too_little_waits_too():
    """A Hessian of all rows takes too long, and the way to the best intercept longer than another step."""
    X, y = sample(20000, 40)
    model = fastlr.train(X, y, l2=1.0 / 20000, backend="numpy")
    problem = Problem.of_theta(door.data(X, y), l2=1.0 / 20000, reduction="mean", fit_intercept=True).standardised()
    problem.costs = problem.costs._replace(rows=1_000_000)
    at_minimum = problem.coordinates.u_of(np.append(model.w, model.b))
    for distance, is_near in ((2e-4, False), (1e-5, True)):
        cost, grad = problem.evaluate(at_minimum + distance)
        verdict = Verdict(problem, at_minimum + distance, cost, grad, cost - model.cost, 1e-2, 1, True)
        assert verdict.waits == (not is_near)
        assert (verdict.kind, verdict.gap <= 1e-2 * cost) == ("bound", is_near)


@pytest.mark.parametrize(("times", "room", "by_all_rows"), [(1e4, 1 << 20, False), (1e4, 1 << 10, True), (1.5, 1 << 30, True)])
def test_as_many_rows_prove_a_gap_as_it_takes(times, room, by_all_rows):
    """What is asked for is so many times what J is above its minimum, and there is room for so many bytes of samples."""
    counts = []

    class Counting(Problem):
        def loss_hessian(self, u, floor=0.0):
            counts.append(self.data.count.rows)
            return super().loss_hessian(u, floor)

    X, y = sample(20000, 40)
    model = fastlr.train(X, y, backend="numpy")
    data = door.data(X, y)
    data.most_bytes_of_samples = room
    problem = Counting.of_theta(data, l2=0.0, reduction="mean", fit_intercept=True).standardised()
    u = problem.coordinates.u_of(np.append(model.w, model.b)) + 1e-5
    cost, grad = problem.evaluate(u)
    verdict = Verdict(problem, u, cost, grad, cost - model.cost, times * (cost - model.cost) / cost, 1)
    assert verdict.kind == "bound" and cost - model.cost <= verdict.gap <= times * (cost - model.cost)
    assert counts == [20000] if by_all_rows else max(counts) < 1000


def test_a_penalty_that_proves_enough_spares_sparse_rows_their_hessian(monkeypatch):
    X, y = sample(20000, 40)
    A = scipy.sparse.csr_array(X * (np.abs(X) > 1.0))
    model = fastlr.train(A, y, l2=0.1, backend="numpy")
    problem = Problem.of_theta(door.data(A, y), l2=0.1, reduction="mean", fit_intercept=True).standardised()
    u = problem.coordinates.u_of(np.append(model.w, model.b)) + 1e-6
    cost, grad = problem.evaluate(u)
    monkeypatch.setattr(Problem, "loss_hessian", None)
    verdict = Verdict(problem, u, cost, grad, cost - model.cost, 1e-6, 1)
    assert verdict.kind == "bound" and cost - model.cost <= verdict.gap <= 1e-6 * cost


# ---- bounds ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [{}, {"l2": 1e-3}, {"l2": 0.5}, {"fit_intercept": False},
                                     {"l2": 0.02, "fit_intercept": False}, {"reduction": "sum", "l2": 2.0}])
@each_kernel
def test_bounds_are_above_the_truth_and_near_it(options, kernel):
    X, y = sample(160, 4)
    X = X * ([1.0, 1e3, 1e-3, 2.0] if "l2" not in options else 1.0) + [0.0, 3.0, 0.0, 1.0]
    known = oracle(X, y, **options)
    given = {"l2": 0.0, "reduction": "mean", "fit_intercept": True} | options
    module = backends.load(kernel)
    with backends.threads(module, None, X.size) as count, np.errstate(all="ignore"):
        problem = Problem.of_theta(door.data(X, y).with_backend(module, count), **given).standardised()
        theta = fastlr.train(X, y, backend="numpy", **options)
        u, theta_of = problem.coordinates.u_of(np.append(theta.w, theta.b)), problem.coordinates.theta_of
        for distance in (1e-3, 1e-5):
            at = u + distance * np.array([1.0, -1.0, 0.5, -0.5, given["fit_intercept"] * 0.25])
            excess = float(known.excess(*np.split(theta_of(at), [4])[:1], theta_of(at)[-1]))
            grad = problem.evaluate(at).grad
            by_all = self_concordance(problem, problem, at, grad, excess)
            assert by_all.has_minimum and 1.0 - 1e-4 <= by_all.gap / excess <= 1.15
            for rows in (40, 120):                  # of a sample: larger by the ratio of the rows, more or less
                some, = problem.data.samples([rows])
                by_some = self_concordance(problem, problem.part(some), at, grad, excess)
                assert by_some.gap >= by_all.gap * (1.0 - 1e-9)
                assert by_some.gap == np.inf or by_some.gap <= 10.0 * 160 / rows * by_all.gap
            for enough in (np.inf, 0.0):
                by_penalty = strong_convexity(problem, at, grad, enough)
                assert by_penalty.gap >= excess if given["l2"] else by_penalty.gap == np.inf


@pytest.mark.parametrize("classes", [2, 3])
def test_an_intercept_that_is_off_costs_a_bound_next_to_nothing(classes):
    """Many columns, and a penalty so weak that what b leaves in doubt of each would be all of the bound."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((120, 200))
    y = np.argmax(X[:, :classes] + rng.gumbel(size=(120, classes)), axis=1)
    model = fastlr.train(X, y, l2=1e-4, tol=1e-12, backend="numpy")
    problem = Problem.of_theta(door.data(X, y), l2=1e-4, reduction="mean", fit_intercept=True).standardised()
    off = np.append(1e-3, np.zeros(max(0, classes - 3))) if classes == 2 else np.array([1e-3, 0.0, -1e-3])
    theta = np.column_stack([np.atleast_2d(model.w), np.atleast_1d(model.b) + off])
    u = problem.coordinates.u_of(theta.ravel())
    cost, grad = problem.evaluate(u)
    excess = cost - model.cost
    assert strong_convexity(problem, u, grad).gap > 100.0 * excess
    assert excess * (1.0 - 1e-6) <= strong_convexity(problem, u, grad, 2.0 * excess).gap <= 10.0 * excess


@pytest.mark.parametrize("l2", [0.0, 1e-9])
@pytest.mark.parametrize("classes", [3, 4])
def test_a_weak_l1_of_classes_is_proved_by_the_hessian(classes, l2):
    """Bounds are near the truth, but where l2 has moved what all classes share; and above it where only l1 knows of that."""
    rng = np.random.default_rng(classes)
    X = rng.standard_normal((300, 4))
    y = np.argmax(X[:, [0, 1, 2, 0]][:, :classes] + rng.gumbel(size=(300, classes)), axis=1)
    best = fastlr.train(X, y, l1=1e-7, l2=l2, tol=1e-9, backend="numpy")
    problem = Problem.of_theta(door.data(X, y), l1=1e-7, l2=l2, reduction="mean", fit_intercept=True).standardised()
    u = problem.coordinates.u_of(np.column_stack([best.w, best.b]).ravel())
    for distance in (1e-3, 1e-5):
        at = u * (1.0 + distance * rng.standard_normal(u.size))
        problem.remove_common(at)
        excess = problem.evaluate(at).cost - best.cost
        gap = with_l1(problem, at, *problem.evaluate(at), enough=0.0).gap
        assert excess <= gap and (l2 > 0.0 or gap <= 2.0 * excess + 1e-13)
    shared = u + np.tile([0.3, -0.3, 0.3, 0.3, 0.0], classes)
    excess = problem.evaluate(shared).cost - best.cost
    assert 0.0 < excess <= with_l1(problem, shared, *problem.evaluate(shared), enough=0.0).gap


def test_rows_without_curvature_do_not_spoil_a_bound():
    """One row far on its right side: with it R would be 1e10 times as large."""
    X, y = sample(160, 2)
    X[int(np.argmax(y)), 0] = KEY_HELD_DOWN
    model = fastlr.train(X, y, backend="numpy")
    assert_is_certified(model, oracle(X, y))


@each_solver
@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-8])
def test_converged_needs_a_gap_of_tol(solver, tol):
    X, y = sample(300, 5)
    for options in ({}, {"l2": 1.0 / 300}):
        model = fastlr.train(X, y, solver=solver, tol=tol, backend="numpy", **options)
        assert_is_certified(model, oracle(X, y, **options), tol)


def test_collinear_columns_are_left_out_of_a_bound():
    X, y = sample(300, 3)
    X = np.round(1024.0 * X) / 1024.0           # differences are exact
    level = np.arange(300) % 4
    X = np.column_stack([X, X[:, 0] - X[:, 1], level[:, None] == np.arange(4), np.full(300, 7.0)])
    assert_is_certified(fastlr.train(X, y, backend="numpy"), oracle(X, y))


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "gd"])
@pytest.mark.parametrize(("l2", "w"), [(1e-9, 5.0), (1e-10, 50.0), (1e-12, 1e3)])
def test_a_penalty_on_one_of_two_equal_columns_counts(l2, w, solver):
    """J is not constant where w moves from one to the other, although no margin moves."""
    X, y = sample()
    free = fastlr.train(X[:, :1], y, backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = fastlr.train(X[:, [0, 0]], y, l2=l2, penalty_factors=[0.0, 1.0], init=([free.w[0] - w, w], free.b),
                             solver=solver, backend="numpy")
    assert model.cost - free.cost <= (model.gap if model.gap_kind == "bound" else np.inf) + 1e-14
    assert not model.converged or model.cost - free.cost <= 1e-8 * free.cost


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("make, fit_intercept", [(np.asarray, True), (scipy.sparse.csr_array, False)],
                         ids=["dense", "sparse, without an intercept"])
def test_columns_that_hardly_differ_are_two(make, fit_intercept, solver):
    """Unix times twice, 1e-16 apart: the classes follow the difference, which is lost in any product with them."""
    rng = np.random.default_rng(1)
    times = 1.7e9 + rng.integers(0, 10 ** 7, 60)
    step = rng.integers(-1, 2, 60)
    y = (3.0 * step + rng.logistic(size=60) > 0).astype(int)
    X, options = np.column_stack([times, times + 2.0 ** -22 * step]), {"fit_intercept": fit_intercept}
    with pytest.warns(fastlr.ConvergenceWarning):
        model = fastlr.train(make(X), y, solver=solver, backend="numpy", **options)
    assert not model.converged and model.gap_kind == "estimate" and oracle(X, y, **options).excess(model.w, model.b) > 0.01
    X[:, 1] = times
    assert_is_certified(fastlr.train(make(X), y, solver=solver, backend="numpy", **options), oracle(X, y, **options))


def test_a_loose_tol_takes_a_proof_too():
    """J is far from quadratic where one row's value rules a column: half of the Newton decrement is 3e-4 there, J - J* .29."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal(100)
    y = (2.5 * x + rng.logistic(size=100) > 0).astype(int)
    x[int(np.argmax(y))] = 5e8
    for solver in ("auto", "newton", "lbfgs"):
        for tol in (1e-2, 2.3e-3, 1e-3, 1e-4):
            model = fastlr.train(x[:, None], y, solver=solver, tol=tol, l2=1.5e-5, backend="numpy")
            assert_is_certified(model, oracle(x[:, None], y, l2=1.5e-5), tol)


def test_a_hessian_out_of_proportion_leaves_an_estimate(monkeypatch):
    X, y = sample(300, 3)
    monkeypatch.setattr(CostModel, "has_room_for_hessian", False)
    model = fastlr.train(X, y, solver="lbfgs", backend="numpy")
    assert model.converged and model.gap_kind == "estimate" and 0.0 < model.gap < 1e-8
    assert fastlr.train(X, y, l2=0.1, solver="lbfgs", backend="numpy").gap_kind == "bound"      # strong convexity takes none


def test_a_penalty_holds_what_the_margins_hardly_tell():
    """Two columns of Julian dates, 1e-8 apart: what their difference tells is rounding of a margin, and yet J falls along it."""
    rng = np.random.default_rng(4)
    days = 2460000.5 + rng.integers(0, 1000, 90)
    X = np.column_stack([days, days + 1e-8 * rng.standard_normal(90), rng.standard_normal(90)])
    y = (X[:, 2] + rng.logistic(size=90) > 0).astype(int)
    options = {"l2": 1e-4, "reduction": "sum", "fit_intercept": False}
    known = oracle(X, y, **options)
    for solver in ("auto", "newton", "lbfgs"):
        model = fastlr.train(X, y, solver=solver, backend="numpy", **options)
        excess, rounding = float(known.excess(model.w, model.b)), float(known.rounding(model.w, model.b)[0])
        assert model.converged and excess > 5.0 * rounding and excess <= 1.1 * model.gap + rounding


@pytest.mark.parametrize("is_sparse", [False, True])
def test_a_minimum_is_not_assumed_where_a_hessian_is_dear(is_sparse):
    """A column that is 1 in five rows of one class only: a sample of the rows knows nothing of it."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((3000, 300)) * (rng.random((3000, 300)) < (0.1 if is_sparse else 1.0))
    y = (X[:, 0] + rng.logistic(size=3000) > 0).astype(int)
    given = scipy.sparse.csr_array(X) if is_sparse else X
    assert fastlr.train(given, y, tol=1e-4, backend="numpy").converged
    X = np.column_stack([X, np.isin(np.arange(3000), np.flatnonzero(y)[:5])])
    given = scipy.sparse.csr_array(X) if is_sparse else X
    with pytest.warns(SeparationWarning):
        assert not fastlr.train(given, y, tol=1e-4, backend="numpy").converged


@each_kernel
def test_updates_in_new_coordinates_count(kernel):
    """Training goes on in other coordinates here, in compiled code many updates at a time."""
    X, y = sample(300, 4)
    X[5, 1] = KEY_HELD_DOWN
    model = fastlr.train(X, y, l2=1.0 / 300, backend=kernel)
    assert model.converged and len(model.costs) == model.n_iter
    assert model.n_iter == fastlr.train(X, y, l2=1.0 / 300, backend="numpy", callback=lambda state: False).n_iter
    with pytest.warns(fastlr.ConvergenceWarning):
        stopped = fastlr.train(X, y, l2=1.0 / 300, backend=kernel, max_iter=model.n_iter - 6)
    assert stopped.n_iter == model.n_iter - 6 and stopped.costs[0] == model.costs[0]


def test_gradient_descent_without_tol_claims_nothing():
    X, y = sample(100, 2)
    model = fastlr.train(X, y, learning_rate=0.5, max_iter=50, backend="numpy")
    assert not model.converged and model.gap is None and model.gap_kind is None


# ---- one value that is far too large -----------------------------------------------------------------------------------

@pytest.mark.parametrize(("solver", "kernel"), [("auto", "numpy"), ("auto", "fused"), ("newton", "numpy"), ("lbfgs", "fused")])
@pytest.mark.parametrize("value", [1e4, 1e15, -KEY_HELD_DOWN])
def test_one_value_does_not_rule_the_scale_of_its_column(value, solver, kernel):
    X, y = sample()
    X[int(np.flatnonzero(y == (value > 0))[0]), 0] = value
    for l2 in (0.0, 1.0 / 500):
        assert_is_certified(fastlr.train(X, y, l2=l2, solver=solver, backend=kernel), oracle(X, y, l2=l2))


@pytest.mark.parametrize("make", [np.asfortranarray, scipy.sparse.csr_array, lambda X: fastlr.stream(X, memory=1 << 16)],
                         ids=["F", "sparse", "stream"])
def test_one_value_in_other_data(make):
    X, y = sample(1500)
    X[int(np.argmax(y)), 0] = KEY_HELD_DOWN
    assert_is_certified(fastlr.train(make(X), y, l2=1e-3, backend="numpy"), oracle(X, y, l2=1e-3))


def test_an_outlier_on_the_wrong_side_is_fitted():
    X, y = sample(200)
    X[int(np.argmax(y)), 0] = -1e6
    assert_is_certified(fastlr.train(X, y, backend="numpy"), oracle(X, y))


@each_solver
@pytest.mark.parametrize("value", [1e4, 1e12])
def test_overlap_is_not_called_separation_because_of_one_value(value, solver):
    X, y = sample(200, slope=2.0)
    X[int(np.flatnonzero(y == 1)[0]), 0] = value
    assert_is_certified(fastlr.train(X, y, solver=solver, backend="numpy"), oracle(X, y))      # a SeparationWarning is an error


def test_summary_of_a_column_with_an_outlier_has_standard_errors():
    X, y = sample(400)
    i = int(np.argmax(y))
    plain = fastlr.train(np.delete(X, i, 0), np.delete(y, i), backend="numpy").summary()
    X[i, 0] = KEY_HELD_DOWN
    with_it = fastlr.train(X, y, backend="numpy").summary()
    np.testing.assert_allclose(with_it.standard_error, plain.standard_error, rtol=1e-2)
    assert with_it.notes == ()


# ---- columns far from 0 ------------------------------------------------------------------------------------------------

DAYS = {"days": 0.0, "Excel": 45000.0, "Julian": 2460000.5, "seconds": 1.7e9}


@pytest.mark.parametrize(("tol", "kernel"), [(1e-3, "numpy"), (1e-8, "fused")])
@pytest.mark.parametrize("day", DAYS.values(), ids=DAYS)
def test_separation_wherever_days_are_counted_from(day, tol, kernel):
    """All rows of the first day are 0, those of the next are mixed."""
    y = np.repeat([0, 1, 0, 1], [9, 4, 3, 2])
    days = np.repeat([day, day + 1.0], [9, 9])[:, None]
    for X in (days, np.asfortranarray(np.column_stack([days, np.arange(18) % 5]))):
        with pytest.warns(SeparationWarning, match="separates the classes"):
            model = fastlr.train(X, y, tol=tol, backend=kernel)
        assert not model.converged and model.gap == model.cost and model.gap_kind == "bound"
        assert "separated" in model.summary().notes[0]


@each_solver
@pytest.mark.parametrize("origin", [1e6, 1e12])
def test_columns_far_from_0_are_trained_to_the_optimum(origin, solver):
    """Steps that float64 holds exactly at any of these origins."""
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.integers(0, 64, 400) / 64.0, rng.standard_normal(400)])
    y = (3.0 * X[:, 0] - 1.5 + X[:, 1] + rng.logistic(size=400) > 0).astype(int)
    expected = fastlr.train(X, y, backend="numpy")
    X[:, 0] += origin
    for A in (X, scipy.sparse.csr_array(X)):
        model = fastlr.train(A, y, solver=solver, backend="numpy")
        assert model.converged
        np.testing.assert_allclose(model.w, expected.w, rtol=1e-5)
        assert model.cost == pytest.approx(expected.cost, rel=1e-6 if origin > 1e10 else 1e-9)


@each_solver
def test_a_column_of_ones_given_by_hand_is_an_intercept(solver):
    rng = np.random.default_rng(2)
    days = 2460000.5 + rng.integers(0, 30, 300)
    y = (0.2 * (days - days.mean()) + rng.logistic(size=300) > 0).astype(int)
    expected = fastlr.train(days[:, None], y, backend="numpy")
    X = np.column_stack([days, np.ones(300)])
    model = fastlr.train(X, y, fit_intercept=False, solver=solver, backend="numpy")
    assert model.converged
    np.testing.assert_allclose([model.w[0], model.cost], [expected.w[0], expected.cost], rtol=1e-7)
    separated = (days > 2460010.0).astype(int)
    separated[np.argmax(days)] = 1
    for tol in (1e-3, 1e-8):
        with pytest.warns(SeparationWarning):
            fastlr.train(X, separated, fit_intercept=False, tol=tol, solver=solver, backend="numpy")


def test_callbacks_see_parameters_of_x_as_it_was_given():
    """Also where training has gone on with a column near 0."""
    rng = np.random.default_rng(3)
    days = 1e12 + rng.integers(0, 30, 300)
    y = (0.2 * (days - days.mean()) + rng.logistic(size=300) > 0).astype(int)
    states = []
    model = fastlr.train(days[:, None], y, backend="numpy", callback=states.append)
    assert len(states) == model.n_iter
    np.testing.assert_allclose([states[-1].w[0], states[-1].b], [model.w[0], model.b], rtol=1e-12)


# ---- separation -----------------------------------------------------------------------------------------------------

SEPARATED = np.array([-2.0, -1.0, 1.0, 2.0] * 5)[:, None]


@pytest.mark.parametrize("options", [{"learning_rate": 50.0, "tol": 1e-6}, {"solver": "gd", "tol": 1e-3}, {"tol": 1e-2},
                                     {"tol": 1e-8}, {"l2": 1e-300}], ids=str)
@each_kernel
def test_every_solver_and_tol_tells_separated_classes(options, kernel):
    with pytest.warns(SeparationWarning):
        model = fastlr.train(SEPARATED, SEPARATED[:, 0] > 0, backend=kernel, **options)
    assert not model.converged and model.gap_kind == "bound"


def test_a_penalty_that_float64_can_feel_has_an_optimum():
    y = (SEPARATED[:, 0] > 0).astype(int)
    for l2 in (1e-20, 1e-16, 1e-12, 1e-6, 1.0):
        assert_is_certified(fastlr.train(SEPARATED, y, l2=l2, backend="numpy"), oracle(SEPARATED, y, l2=l2))


@pytest.mark.parametrize("learning_rate", [1.0, 50.0])
def test_summary_of_the_lectures_descent_says_that_classes_are_separated(learning_rate):
    model = fastlr.train(SEPARATED, SEPARATED[:, 0] > 0, learning_rate=learning_rate, max_iter=100, backend="numpy")
    assert model.summary().notes[0] == "The classes are separated: the likelihood has no maximum, and no standard errors exist."


@each_solver
@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array, lambda X: fastlr.stream(X, memory=1 << 16)],
                         ids=["dense", "sparse", "stream"])
def test_separation_in_a_sum_of_columns_alone(make, solver):
    """x0 - x1 - x2 is 0 in all rows but five of one class."""
    rng = np.random.default_rng(4)
    X = np.zeros((400, 4))
    X[:, 1:] = rng.integers(-3, 4, (400, 3))
    X[:, 0] = X[:, 1] + X[:, 2]
    y = (0.5 * X[:, 3] + rng.logistic(size=400) > 0).astype(int)
    X[np.flatnonzero(y)[:5], 0] += 1.0
    for tol in (1e-3, 1e-8):
        with pytest.warns(SeparationWarning):
            fastlr.train(make(X), y, tol=tol, solver=solver, backend="numpy")


def test_nearly_equal_columns_are_no_separation():
    X, y = sample(300, 1)
    X = np.column_stack([X, X[:, 0] + 1e-7 * np.random.default_rng(6).standard_normal(300)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastlr.ConvergenceWarning)      # float64 may not tell them apart
        warnings.simplefilter("error", SeparationWarning)
        model = fastlr.train(X, y, backend="numpy")
    assert oracle(X, y).excess(model.w, model.b) <= model.gap + 1e-12 or not model.converged


@pytest.mark.parametrize("l2_m", [1.0, 0.01])
def test_text_is_not_called_rounding(l2_m, shared_data):
    """PCMAC: L-BFGS is slow there, and what it leaves at 1e-9 is not rounding."""
    X, y = runpy.run_path(str(shared_data / "load.py"))["load"]("sparse/PCMAC.npz")
    model = fastlr.train(X, y, l2=l2_m / X.shape[0], tol=1e-10, backend="numpy")
    assert model.converged and model.grad_norm <= 1e-10 and model.gap_kind == "bound"
    assert model.n_iter < 60

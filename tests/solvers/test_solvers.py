"""What the solvers are made of."""

import itertools
import math
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

import fastlr
from fastlr import backends
from fastlr.backends import choice, engine, numpy_vectorized
from fastlr.backends.compiled import threads
from fastlr.backends.engine import DIAGONAL, DONE, DUE, EVALUATE, EXACT, GAPS, POINT, SAMPLED, SOLVED, Descent, Price, Scale
from fastlr.data.sampling import evenly
from fastlr.machine.blas import dot, inverse_factor
from fastlr.problem.problem import Problem
from fastlr.solvers import NAMES, auto, quasi_newton
from fastlr.solvers.quasi_newton import InverseHessian, Target, inverse_factor_of_hessian, iterates
from tests.data.test_moments import objective
from tests.problems import problem, weights


@pytest.mark.parametrize("n", [1, 2, 64, 65, 130, 301, 600])
def test_inverse_factor(n):
    A = np.random.default_rng(n).standard_normal((2 * n, n))
    H = A.T @ A
    P = inverse_factor(H)
    assert (np.triu(P, 1) == 0.0).all()
    np.testing.assert_allclose(P.T @ P @ H, np.eye(n), atol=1e-8)


def test_inverse_factor_refuses_what_is_not_definite():
    with pytest.raises(np.linalg.LinAlgError):
        inverse_factor(np.diag([1.0, -1.0]))


# What other threads compute beside this one, as a share of its own processor time, once all of them have gone to sleep.
ON_ONE_THREAD = """
import os, threading, time
import numpy as np
def switches():
    others = set(os.listdir("/proc/self/task")) - {str(threading.get_native_id())}
    return {task: open(f"/proc/self/task/{task}/status").read().partition("voluntary_ctxt_switches")[2] for task in others}
def share_of_others(function):
    function()                          # compiled, and its memory there
    before = None
    while before != (before := switches()):
        time.sleep(0.3)
    own, all_of_them = time.thread_time(), time.process_time()
    function()
    own, all_of_them = time.thread_time() - own, time.process_time() - all_of_them
    return all_of_them / own - 1.0
rng = np.random.default_rng(0)
"""


def on_one_thread(code):
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    return subprocess.run([sys.executable, "-c", ON_ONE_THREAD + code], capture_output=True, text=True, check=True, timeout=300,
                          env=environment).stdout


@pytest.mark.slow
def test_linear_algebra_stays_on_one_thread():
    """And so does training, with more features than a dot product of BLAS takes there; a product of NumPy's does not."""
    assert on_one_thread("""
import fastlr
from fastlr.machine.blas import dot, inverse_factor
A = rng.standard_normal((600, 300)); H = A.T @ A; a = np.ones(50_000)
print(share_of_others(lambda: [(inverse_factor(H), dot(a, a)) for _ in range(20)]) < 0.05)
print(share_of_others(lambda: [A.T @ A for _ in range(30)]) > 0.05 or not switches())
X = rng.standard_normal((1100, 12_000)); y = rng.random(1100) < 0.5
print(share_of_others(lambda: fastlr.train(X, y, l2=0.1, backend="fused", n_threads=1)) < 0.05)
""") == "True\nTrue\nTrue\n"


def test_dot_of_long_vectors():
    a, b = np.random.default_rng(0).standard_normal((2, 25_001))
    assert dot(a, b) == pytest.approx(float(a @ b), rel=1e-12)


@np.errstate(over="ignore")
def step_on_a_quartic(length):
    """The first step by that length from 0 on J(u) = (u - 3)^4: J at its end, or None where there is none; and the trials."""
    one, none = np.ones(1), np.empty(0)
    scale = Scale(none, one, 0.0 * one, 0.0 * one, one, 0.0 * one, none, none, none, 1.0, 1.0, 1.0)
    descent, never = Descent.start(np.zeros(1)), Price(math.inf, 0.0, math.inf)
    M = InverseHessian(SimpleNamespace(diagonal=one), SOLVED).arrays
    trials = 0
    while (ask := engine.advance(descent, M, scale, 0.0, never, never)) != DONE:
        if ask == EVALUATE:
            trials += 1
            far = descent.trial - 3.0
            descent.at.trial_cost, descent.trial_grad[:] = float(far[0] ** 4), 4.0 * far ** 3
        elif ask == POINT and descent.at.updates:
            assert descent.at.cost == (descent.u[0] - 3.0) ** 4
            return descent.at.cost, trials
        else:
            descent.p[:] = length
    return None, trials


@pytest.mark.parametrize("length", [1e-3, 1.0, 4.0, 30.0, 1e6, 1e30, 1e100])
def test_line_search_lowers_the_cost_wherever_the_direction_ends(length):
    cost, trials = step_on_a_quartic(length)
    assert cost < 81.0
    assert trials < 42


def test_line_search_up_the_hill_finds_nothing():
    assert step_on_a_quartic(-1.0) == (None, 1)


def update(M, du, dg):
    """Have M learn from a step du that changes the gradient by dg."""
    descent = Descent.start(du)
    descent.u[:], descent.grad[:], descent.trial_grad[:] = 0.0, 0.0, dg
    engine.update(M.arrays, descent)


@pytest.mark.parametrize("kind", ["diagonal", "hessian"])
def test_updates_make_an_inverse_hessian_satisfy_the_secant_equation(kind, backend):
    X, y, *_ = problem(50, 4)
    J, u, _ = objective(backend, X, y).start(None)
    M = InverseHessian(J) if kind == "diagonal" else InverseHessian.at(J, u)
    assert M.is_diagonal == (kind == "diagonal")
    rng = np.random.default_rng(0)
    A = rng.standard_normal((5, 5))
    H = A @ A.T
    for _ in range(12):
        du = rng.standard_normal(5)
        update(M, du, H @ du)
    np.testing.assert_allclose(-M.direction(H @ du), du, rtol=1e-9)


def test_steps_that_bend_the_wrong_way_are_not_learnt():
    J = objective("numpy", *problem(50, 4)[:2]).standardised()
    M = InverseHessian(J)
    before = M.direction(np.ones(5))
    update(M, np.ones(5), -np.ones(5))
    np.testing.assert_array_equal(M.direction(np.ones(5)), before)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_sample_is_evenly_spread_and_depends_on_the_shape_alone(backend, reduction):
    check_sample(backend, reduction, "C")


def test_sample_of_an_x_in_fortran_order():
    check_sample("numpy", "mean", "F")


def check_sample(backend, reduction, order):
    X, y, w, b = problem(3000, 4, order=order)
    J = objective(backend, X, y, reduction=reduction, l2=0.1)
    chosen, = J.data.samples([300])
    again, = objective(backend, X + 1.0, 1.0 - y, reduction=reduction).data.samples([300])
    sample, index = J.on_sample(chosen), {tuple(row): i for i, row in enumerate(X)}
    rows = [index[tuple(row)] for row in chosen.X]
    assert (np.array(rows) // 10 == np.arange(300)).all()
    assert (again.X - 1.0 == pytest.approx(chosen.X))
    assert chosen.X.flags.c_contiguous == (order == "C")
    theta = np.append(w, b)
    cost, grad = sample.evaluate(theta)
    alone = objective(backend, X[rows], y[rows], l2=0.1)
    expected, expected_grad = alone.evaluate(theta)
    size = 3000 if reduction == "sum" else 1.0
    penalty = 0.05 * (w @ w)
    assert cost == pytest.approx(size * (expected - penalty) + penalty, rel=1e-12)
    np.testing.assert_allclose(grad[-1], size * expected_grad[-1], rtol=1e-10)


def test_standardised_coordinates_and_back():
    X, y, w, b = problem(100, 3)
    problem_u = objective("numpy", X * [1.0, 5.0, 0.1] + [3.0, 0.0, -2.0], y, l2=0.3).standardised()
    theta = np.append(w, b)
    u = problem_u.coordinates.u_of(theta)
    np.testing.assert_allclose(problem_u.coordinates.theta_of(u), theta, rtol=1e-13)
    _, grad = problem_u.evaluate(u)
    H = problem_u.hessian(u)
    for direction in np.random.default_rng(0).standard_normal((3, 4)):
        step = 1e-5 * direction
        (above, grad_above), (below, grad_below) = problem_u.evaluate(u + step), problem_u.evaluate(u - step)
        assert grad @ direction == pytest.approx((above - below) / 2e-5, rel=1e-7)
        np.testing.assert_allclose(H @ direction, (grad_above - grad_below) / 2e-5, rtol=1e-5, atol=1e-9)


@pytest.mark.compiles
@pytest.mark.parametrize("options", [{}, {"l2": 0.1}, {"reduction": "sum"}, {"fit_intercept": False}, {"weighted": True}])
@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize(("solver", "steps_a_hessian"),
                         [("newton", 0.5), ("newton", math.inf), ("lbfgs", math.inf), ("auto", 2.5)])
def test_updates_in_one_call_are_those_of_python(solver, steps_a_hessian, K, options):
    """J, the gradient's norm and the step before each, and what M has become; before rounding of J decides on a step's length."""
    X, y, *_ = problem(400, 6)
    X = X @ (np.eye(6) + np.eye(6, k=1))                # alike, for the diagonal
    s, o = weights(400) if options.get("weighted") else (None, None)
    if K == 3:
        y = np.where(np.arange(400) % 3 == 0, 2, y)
        o = None if o is None else np.stack([o, -o, 0.5 * o], axis=1)
    options = {key: value for key, value in options.items() if key != "weighted"}
    small, u, _ = objective("fused", X, y, s, o, **options).start(None)
    plain = objective("numpy", X, y, s, o, **options).standardised()
    assert small.has_quasi_newton and not plain.has_quasi_newton
    tol, made_from = 1e-5, DUE if solver == "newton" else DIAGONAL
    together = next(iterates(small, u, InverseHessian(small, made_from), Target(tol), steps_a_hessian, most=50))
    assert together.grad_norm <= tol and len(together.before) >= 3
    before = []
    for point in iterates(plain, u, InverseHessian(plain, made_from), Target(tol), steps_a_hessian):
        before += point.before
        if point.grad_norm <= tol:
            break
    assert len(before) == len(together.before)
    np.testing.assert_allclose(together.before, before, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(together.u, point.u, rtol=1e-6, atol=1e-9)
    assert together.cost == pytest.approx(point.cost, rel=1e-12)
    np.testing.assert_allclose(together.grad, point.grad, atol=1e-10 / small.to_mean)
    assert bytes(together.inverse_hessian.arrays.kind) == bytes(point.inverse_hessian.arrays.kind)
    assert together.inverse_hessian.is_diagonal == (solver == "lbfgs")
    assert together.gap == pytest.approx(point.gap, rel=1e-3)


@pytest.mark.compiles
@pytest.mark.parametrize(("m", "n", "K", "is_whole"), [(400, 45, 10, False), (3000, 40, 3, True)])
def test_updates_in_compiled_code_go_on_with_hessians_of_python(m, n, K, is_whole):
    """All second derivatives of more rows than compiled code makes them of, or those of each class alone."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, n)) @ (np.eye(n) + np.eye(n, k=1))
    y = np.argmax(X[:, :K] + rng.gumbel(size=(m, K)), axis=1)
    driven, u, _ = objective("fused", X, y, l2=1e-2).start(None)
    plain = objective("numpy", X, y, l2=1e-2).standardised()
    assert driven.has_quasi_newton and not driven.costs.is_small and driven.costs.is_whole == is_whole
    tol = 1e-5
    together = next(iterates(driven, u, InverseHessian(driven), Target(tol), 2.5, most=60))
    before, made_from = [], []
    for point in iterates(plain, u, InverseHessian(plain), Target(tol), 2.5):
        before += point.before
        made_from.append(point.inverse_hessian.arrays.kind.made_from)
        if point.grad_norm <= tol:
            break
    assert made_from[0] == DIAGONAL and made_from[-1] == EXACT and together.grad_norm <= tol
    assert len(before) == len(together.before)
    np.testing.assert_allclose(together.before, before, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(together.u, point.u, rtol=1e-6, atol=1e-9)
    assert bytes(together.inverse_hessian.arrays.kind) == bytes(point.inverse_hessian.arrays.kind)


@pytest.mark.compiles
def test_compiled_code_goes_on_to_what_a_proof_needs():
    """More is asked for than tol, as `run` does where too little is proved."""
    X, y, *_ = problem(400, 20)
    J, u, _ = objective("fused", X @ (np.eye(20) + 0.9 * np.eye(20, k=1)), y, l2=1e-4).start(None)      # alike, for the diagonal
    points = iterates(J, u, InverseHessian(J), target := Target(1e-3), math.inf, most=60)
    first = next(points)
    target.grad_norm = 0.1 * first.grad_norm
    second = next(points)
    assert first.grad_norm <= 1e-3 and len(second.before) > 1
    assert second.grad_norm <= 0.1 * first.grad_norm < second.before[-1][1]


@pytest.mark.parametrize("by", ["numpy", pytest.param("fused", marks=pytest.mark.compiles)])
def test_a_loose_tol_is_no_harder_than_a_tight_one(by):
    """The gradient reaches tol long before anything is proved; what a Hessian saves is counted from there to the proof."""
    X, y = load_digits(return_X_y=True)
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)
    model = fastlr.train(X, y, l2=1e-3 / y.size, tol=1e-3, backend=by, max_iter=100)
    assert model.converged and model.gap_kind == "bound" and model.gap <= 1e-3 * model.cost


@pytest.mark.compiles
def test_updates_in_one_call_are_certified_by_all_rows():
    """In coordinates of a sample, where one column has another mean and another deviation."""
    X, y, *_ = problem(6000, 8)
    X[evenly(500, 6000)[::50], 1] += 100.0
    points = []
    for backend in ("fused", "numpy"):
        J = objective(backend, X, y)
        sample, = J.data.samples([500])
        certified = J.in_coordinates(J.on_sample(sample).standardised().coordinates).measured_by_all_rows()
        before, u = [], certified.coordinates.u_of(J.null_model())
        for point in iterates(certified, u, InverseHessian(certified), Target(1e-5), 3.0, most=100 if backend == "fused" else 0):
            before += list(point.before)
            if point.grad_norm <= 1e-5:
                break
        points.append(before)
        in_standard = J.standardised()
        assert point.grad_norm == pytest.approx(in_standard.gradient_norm(in_standard.evaluate(in_standard.coordinates.from_other(
            certified.coordinates, point.u)).grad), rel=1e-6)
    np.testing.assert_allclose(*points, rtol=1e-6)


def test_a_singular_hessian_gets_as_much_of_a_ridge_as_it_needs(backend, monkeypatch):
    monkeypatch.setattr(quasi_newton, "RIDGE", 1e-30)
    x = np.where(np.arange(64) % 2, 1.0, -1.0)
    y = np.arange(64) // 2 % 2
    J, u, _ = objective(backend, np.column_stack([x, x]), y).start(None)             # whole numbers: exactly singular
    point = next(iterates(J, u, InverseHessian(J, DUE), Target(1e-8), 3.0, most=1))
    assert not point.inverse_hessian.is_diagonal


@pytest.mark.parametrize("start", [1.0, 1e3, -1e5])
@pytest.mark.compiles
def test_a_start_far_away_is_left_in_one_call_or_in_python(start):
    X, y, *_ = problem(400, 6)
    optimum = fastlr.train(X, y, backend="numpy", l2=0.01)
    model = fastlr.train(X, y, backend="fused", l2=0.01, init=(np.full(6, start), start))
    assert model.converged
    np.testing.assert_allclose(model.w, optimum.w, atol=1e-6)
    assert (np.diff(model.history.cost) <= 1e-12 * model.history.cost[:-1]).all()


@pytest.mark.compiles
def test_a_call_makes_no_more_updates_than_are_asked_for():
    X, y, *_ = problem(400, 6)
    free = fastlr.train(X, y, backend="fused", solver="lbfgs")
    for max_iter in range(free.n_iter):
        with pytest.warns(fastlr.ConvergenceWarning):
            model = fastlr.train(X, y, backend="fused", solver="lbfgs", max_iter=max_iter)
        assert model.n_iter == max_iter
        np.testing.assert_array_equal(model.history.cost, free.history.cost[:max_iter + 1])


@pytest.mark.compiles
def test_a_callback_sees_the_updates_that_are_made_without_one():
    X, y, *_ = problem(400, 6)
    for solver in ("auto", "newton", "lbfgs"):
        seen = []
        fastlr.train(X, y, backend="fused", solver=solver, callback=lambda state, seen=seen: seen.append(state.cost))
        alone = fastlr.train(X, y, backend="fused", solver=solver)
        np.testing.assert_allclose(seen, alone.costs, rtol=1e-11)


def test_auto_takes_samples_where_there_are_many_rows():
    def sizes(m, n, most, is_small=False):
        data = SimpleNamespace(shape=(m + 7, n), count=SimpleNamespace(rows=m), most_bytes_of_samples=8 * most, bytes_a_row=8)
        return auto._sample_sizes(SimpleNamespace(data=data, free_features=n, costs=SimpleNamespace(is_small=is_small)))

    assert sizes(2499, 5, 10_000) == []
    assert sizes(2500, 5, 10_000) == [500]
    assert sizes(1_000_000, 100, 600_000) == [1000, 5000, 25_000, 125_000]
    assert sizes(1_000_000, 100, 80_000) == [1000, 5000, 25_000]
    assert sizes(2500, 5, 10_000, is_small=True) == []


@pytest.mark.parametrize(("size", "m"), [(500, 6000), (500, 2500), (1000, 128_000), (777, 5000)])
def test_samples_are_spread_evenly_and_in_step_with_no_period(size, m):
    rows = evenly(size, m)
    assert rows.size == size
    assert (np.diff(rows) >= 0).all()           # equal where two stretches share a row
    assert (np.abs(rows - (np.arange(size) + 0.5) * m / size) <= 0.5 * m / size + 1.0).all()
    for period in range(2, 60):                 # as weeks and hours are in data; as evenly as by chance
        expected = size / period
        assert (np.abs(np.bincount(rows % period, minlength=period) - expected) <= 5.0 * np.sqrt(expected)).all()


@pytest.mark.usefixtures("samples_of_few_rows")
def test_auto_refuses_values_wherever_they_are(backend):
    """In a sample, or in a row that no sample has."""
    assert 4321 not in evenly(500, 6000)
    for row in (int(evenly(500, 6000)[123]), 4321):
        for value in (np.nan, np.inf, -1e151):
            X, y, *_ = problem(6000, 8)
            X[row, 1] = value
            with pytest.raises(ValueError, match=rf"row {row}, column 1"):
                fastlr.train(X, y, backend=backend)


@pytest.mark.usefixtures("samples_of_few_rows")
@pytest.mark.parametrize(("kernel", "order"), [("python", "C"), ("numpy", "F"), ("parallel", "C"), ("fused", "C"),
                                               ("fused", "F")])
@pytest.mark.slow
def test_auto_certifies_by_the_deviations_of_all_rows(order, kernel):
    """One value makes the column's deviation a thousand times that of any sample, or there is none in a sample."""
    for value in (1e5, None):
        X, y, *_ = problem(6000, 8)
        X[4321, 1] = 1e5
        if value is None:
            X[:, 1] = np.arange(6000) == 4321
        # The first is hardly reached, so that what is reached can be compared.
        for tol in (1e-3, 1e-8)[:1 if kernel == "python" else 2]:
            model = fastlr.train(np.asarray(X, order=order), y, l2=1e-3, tol=tol, backend=kernel)
            _, dw, db = fastlr.cost_and_gradient(X, y, model.w, model.b, l2=1e-3)
            assert model.converged
            largest = max(np.abs((dw - X.mean(axis=0) * db) / X.std(axis=0)).max(), abs(db))
            assert largest <= tol
            assert model.grad_norm == pytest.approx(largest, rel=1e-6, abs=1e-13)


def test_the_hessian_of_a_sample_is_completed_where_columns_are_rare(backend):
    """In columns of few ones, of which the sample has none or some, and one that never varies."""
    X, y, *_ = problem(6000, 8)
    sampled = evenly(500, 6000)
    X[:, 1] = np.isin(np.arange(6000), np.setdiff1d(np.arange(6000), sampled)[:40])
    X[:, 2] = np.isin(np.arange(6000), sampled[:3]) | np.isin(np.arange(6000), np.setdiff1d(np.arange(6000), sampled)[-90:])
    X[:, 3] = 7.0
    J, u, _ = objective(backend, X, y, l2=1e-5).start(None)
    rows, = J.data.samples([500])
    sample = J.on_sample(rows)
    assert (J.unseen == 0.0).all()
    shares = 1.0 - X[sampled].var(axis=0)[[1, 2]] / X.var(axis=0)[[1, 2]]
    np.testing.assert_allclose(sample.unseen[[1, 2, 3, 8]], [*shares, 0.0, 0.0], rtol=1e-9)
    assert (shares > 0.5).all()
    assert sample.unseen[[0, 4, 5, 6, 7]].max() < 0.2
    completed, right = sample.hessian(u).diagonal(), J.hessian(u).diagonal()
    np.testing.assert_allclose(completed[[1, 2]], right[[1, 2]], rtol=0.15)
    sample.unseen[:] = 0.0
    assert (sample.hessian(u).diagonal()[[1, 2]] < 0.5 * right[[1, 2]]).all()


def test_a_sample_is_taken_as_it_is_while_nothing_is_known_of_all_rows(backend):
    X, y, *_ = problem(6000, 8)
    J = objective(backend, X, y)
    rows, = J.data.samples([500])
    assert (J.on_sample(rows).unseen == 0.0).all()
    J.standardised()
    assert J.on_sample(rows).unseen.any()


@pytest.mark.usefixtures("samples_of_few_rows")
def test_units_of_a_column_that_no_sample_sees_do_not_matter():
    X, y, *_ = problem(6000, 8)
    rare = [4321, 4322, 4324, 4326]
    assert not set(rare) & set(evenly(500, 6000))
    X[:, 1], y[rare] = np.isin(np.arange(6000), rare), [0, 1, 0, 1]
    model = fastlr.train(X, y, backend="numpy")
    X[:, 1] *= 1e6
    scaled = fastlr.train(X, y, backend="numpy")
    assert scaled.n_iter == model.n_iter
    np.testing.assert_allclose(scaled.w * [1, 1e6, 1, 1, 1, 1, 1, 1], model.w, rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures("samples_of_few_rows")
def test_auto_starts_from_samples_without_one_class(backend):
    X, y, *_ = problem(6000, 8)
    y[:] = 0
    y[[1001, 2003, 4321]] = 1
    assert not y[evenly(500, 6000)].any()
    ours, newton = (fastlr.train(X, y, l2=0.01, tol=1e-11, solver=solver, backend=backend) for solver in ("auto", "newton"))
    np.testing.assert_allclose(ours.w, newton.w, atol=1e-9)


def test_auto_makes_the_hessian_of_a_sample_where_steps_on_all_rows_are_dear(monkeypatch):
    made = []
    hessian = Problem.hessian
    monkeypatch.setattr(Problem, "hessian", lambda self, u: made.append(self.data.shape[0]) or hessian(self, u))
    X, y, *_ = problem(65_000, 10)
    model = fastlr.train(X, y, backend="numpy")
    assert 12_500 in made
    assert 65_000 not in made
    assert model.n_iter <= 6


@pytest.mark.parametrize("kernel", ["numpy", "fused"])
@pytest.mark.parametrize(("m", "rows", "init"), [(7000, 700, None), (17_500, 3500, (np.full(70, 0.1), -1.0))])
def test_a_sample_gives_its_hessian_alone_where_it_is_large_or_the_start_is_known(m, rows, init, kernel, monkeypatch):
    steps, made = [], []
    evaluate, hessian = Problem.evaluate, Problem.hessian
    monkeypatch.setattr(Problem, "hessian", lambda self, u: made.append(self.data.shape[0]) or hessian(self, u))
    monkeypatch.setattr(Problem, "evaluate",
                        lambda self, *args, **named: steps.append(self.data.shape[0]) or evaluate(self, *args, **named))
    X, y, *_ = problem(m, 70)
    alike = X @ np.tri(70)
    model, again = (fastlr.train(alike, y, l2=1e-4, tol=1e-10, init=init, solver=solver, backend=kernel)
                    for solver in ("auto", "newton"))
    assert made[0] == rows
    assert made.count(rows) == 1
    assert set(steps) == {m}
    np.testing.assert_allclose(model.w, again.w, atol=1e-7)


@pytest.mark.parametrize(("is_sample", "steps"), [(False, 4), (True, 2)])
def test_a_hessian_is_made_once_its_cost_has_been_spent(is_sample, steps, monkeypatch):
    """Half of it for the first, after one step without size; on a sample, once the rate is known."""
    at = []
    monkeypatch.setattr(quasi_newton, "inverse_factor_of_hessian",
                        lambda problem, H: at.append(len(costs)) or inverse_factor_of_hessian(problem, H))
    X, y, *_ = problem(300, 20)
    X = X @ np.random.default_rng(1).standard_normal((20, 20))          # alike: the diagonal says little
    J, u, _ = objective("numpy", X, y, l2=1e-6).start(None)
    if is_sample:
        J = J.on_sample(J.data)
    costs = []
    for point in itertools.islice(iterates(J, u, InverseHessian(J), Target(1e-10), steps_a_hessian=6.6), 30):
        costs.append(point.cost)
        if point.grad_norm <= 1e-10:
            break
    assert at
    assert at[0] == steps
    assert is_sample or min(np.diff(at), default=8) >= 7


@pytest.mark.parametrize(("cost", "kind", "steps"), [
    (6.6, DIAGONAL, 4), (6.6, SAMPLED, 3), (6.6, EXACT, 7), (0.0, DIAGONAL, 2), (0.0, SAMPLED, 1), (0.0, EXACT, 1),
    (math.inf, DIAGONAL, GAPS - 2), (math.inf, EXACT, GAPS - 3)])
def test_steps_of_evidence(cost, kind, steps):
    assert engine.steps_of_evidence(cost, kind) == steps


def test_what_a_hessian_costs_depends_on_the_shape_alone(backend, threshold):
    X, y, *_ = problem(1797, 64)
    J, by_numpy = (objective(each, X, y).standardised() for each in (backend, "numpy"))
    in_one_call = J.costs.steps_a_hessian
    assert in_one_call == by_numpy.costs.steps_a_hessian
    threshold("small problem", 0)
    by_python = objective(backend, X, y).standardised()
    costs = by_python.costs
    assert costs.steps_a_hessian == costs.hessian() / costs.step < in_one_call


def test_a_hessian_of_another_problem_counts_as_a_sample(backend):
    X, y, *_ = problem(400, 6)
    J, u, _ = objective(backend, X, y).start(None)
    M = InverseHessian.at(J, u)
    assert M.arrays.kind.made_from == EXACT
    next(iterates(J, u, M, Target(1e-8), 1e9, most=1))
    assert M.arrays.kind.made_from == SAMPLED


@pytest.mark.compiles
def test_a_call_goes_on_to_the_gap_that_is_asked_for():
    X, y, *_ = problem(400, 6)
    J, u, _ = objective("fused", X, y).start(None)
    point = next(iterates(J, u, InverseHessian(J), Target(1e-2), math.inf, enough=1e-12, most=50))
    assert point.gap <= 1e-12
    assert point.before[-2][1] < 1e-2


@pytest.mark.usefixtures("samples_of_few_rows")
def test_the_tests_of_samples_start_from_samples(monkeypatch):
    sizes, after_samples = [], auto._after_samples
    monkeypatch.setattr(auto, "_after_samples", lambda J, *rest: sizes.append(rest[0]) or after_samples(J, *rest))
    X, y, *_ = problem(6000, 8)
    fastlr.train(X, y, backend="numpy")
    assert sizes == [[500]]


@pytest.mark.usefixtures("samples_of_few_rows")
@pytest.mark.parametrize(("shape", "l2"), [((60, 4), 0.0), ((60, 4), 0.01), ((6000, 8), 0.0), ((6000, 8), 0.01),
                                           ((400, 120), 0.01), ((40, 100), 0.01)])
def test_auto_says_which_method_ran_and_agrees_with_all(shape, l2):
    X, y, *_ = problem(*shape)
    models = {solver: fastlr.train(X, y, solver=solver, l2=l2, tol=1e-11) for solver in NAMES if solver != "gd"}
    assert (models["newton"].solver, models["lbfgs"].solver) == ("newton", "lbfgs")
    assert models["auto"].solver in ("newton", "lbfgs")
    for model in models.values():
        assert model.converged
        np.testing.assert_allclose(model.w, models["newton"].w, rtol=0, atol=2e-6 * abs(models["newton"].w).max())


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
@pytest.mark.parametrize("classes", [2, 3])
def test_wide_data_with_penalty_factors(solver, classes):
    """A factor is a unit of its column; with one for all, the penalty is that of another l2."""
    X, *_ = problem(30, 80)
    y, f = np.arange(30) % classes, np.geomspace(0.2, 5.0, 80)
    scaled = fastlr.train(X / np.sqrt(f), y, l2=0.05, tol=1e-11, backend="numpy")
    for factors, l2, w in ((f, 0.05, scaled.w / np.sqrt(f)),
                           (np.full(80, 2.0), 0.025, fastlr.train(X, y, l2=0.05, tol=1e-11, backend="numpy").w)):
        model = fastlr.train(X, y, l2=l2, penalty_factors=factors, solver=solver, tol=1e-11, backend="numpy")
        assert model.converged
        np.testing.assert_allclose(model.w, w, atol=1e-9)


@pytest.mark.slow
def test_wide_data_ends_where_lbfgs_ends(backend):
    """From the space of the rows, also with weights and offset, and on the scale of sums."""
    X, y, *_ = problem(30, 80)
    s, o = weights(30)
    for options in ({}, {"reduction": "sum"}, {"fit_intercept": False}, {"sample_weight": s, "offset": o}):
        wide = fastlr.train(X, y, l2=0.05, tol=1e-12, backend=backend, **options)
        plain = fastlr.train(X, y, l2=0.05, tol=1e-12, solver="lbfgs", backend=backend, **options)
        assert wide.n_iter <= 3 < plain.n_iter
        np.testing.assert_allclose(wide.w, plain.w, atol=1e-8)
        assert wide.cost == pytest.approx(plain.cost, rel=1e-12)


@pytest.mark.parametrize("solver", ["auto", "newton"])
def test_wide_data_starts_where_it_is_told_to(solver):
    X, y, *_ = problem(30, 80)
    optimum = fastlr.train(X, y, l2=0.05, solver=solver)
    with pytest.warns(fastlr.ConvergenceWarning):
        start = fastlr.train(X, y, l2=0.05, solver=solver, init=(optimum.w + 0.1, optimum.b), max_iter=0)
    np.testing.assert_allclose(start.w, optimum.w + 0.1, rtol=1e-12)
    again = fastlr.train(X, y, l2=0.05, solver=solver, init=start)
    np.testing.assert_allclose(again.w, optimum.w, atol=1e-6)
    assert again.n_iter > 0
    assert fastlr.train(X, y, l2=0.05, solver=solver, init=(np.zeros(80), 1.5), fit_intercept=False).b == 1.5


KINDS = [(30, 80), (6_000, 4), (60_000, 8)]         # in the space of the rows; small; on samples


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("shape", KINDS)
def test_zeros_are_a_start_like_any_other(shape, solver):
    X, y, *_ = problem(*shape)
    y[:len(y) // 5] = 1.0                               # not half of them, so that the null model is not zeros
    for w, b in ((np.zeros(shape[1]), 0.0), (np.full(shape[1], 1e-300), 0.0), (np.zeros(shape[1]), 0.7)):
        states = []
        with pytest.warns(fastlr.ConvergenceWarning):
            model = fastlr.train(X, y, l2=0.01, solver=solver, backend="numpy", init=(w, b), max_iter=0, tol=1e-12,
                                 callback=states.append)
        np.testing.assert_allclose(model.w, w, rtol=1e-12)
        assert model.b == b
        assert model.n_iter == 0 and not states
        first = fastlr.train(X, y, l2=0.01, solver=solver, backend="numpy", init=(w, b), max_iter=1, tol=0.0)
        assert first.costs == pytest.approx(fastlr.cost_and_gradient(X, y, w, b, l2=0.01)[0], rel=1e-12)


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("shape", KINDS)
def test_without_updates_the_model_is_the_start(shape, solver):
    X, y, *_ = problem(*shape)
    y[:len(y) // 5] = 1.0
    with pytest.warns(fastlr.ConvergenceWarning):
        model = fastlr.train(X, y, l2=0.01, solver=solver, backend="numpy", max_iter=0, tol=1e-12)
    assert not model.w.any() and model.n_iter == 0
    assert model.b == pytest.approx(0.0 if solver == "gd" else math.log(y.mean() / (1.0 - y.mean())), rel=1e-12)


@pytest.mark.parametrize("solver", NAMES)
@pytest.mark.parametrize("shape", KINDS)
@pytest.mark.slow
def test_a_callback_sees_every_update(shape, solver):
    X, y, *_ = problem(*shape)
    start, states = math.log(y.mean() / (1.0 - y.mean())), []
    options = {"tol": 1e-4 if solver == "gd" else 1e-10}
    model = fastlr.train(X, y, l2=0.01, solver=solver, backend="numpy", callback=states.append, **options)
    assert model.converged and [state.n_iter for state in states] == list(range(1, model.n_iter + 1))
    assert [state.cost for state in states] == pytest.approx(list(model.costs), rel=1e-12)
    assert states[0].cost == pytest.approx(fastlr.cost_and_gradient(X, y, np.zeros(shape[1]), 0.0 if solver == "gd" else start,
                                                                    l2=0.01)[0], rel=1e-12)
    stopped = fastlr.train(X, y, l2=0.01, solver=solver, backend="numpy", callback=lambda state: True)
    assert stopped.n_iter == 1 and stopped.stop_reason == "the callback asked to stop"


@pytest.mark.parametrize("solver", ["auto", "newton"])
def test_max_iter_counts_in_the_space_of_the_rows(solver):
    X, y, *_ = problem(30, 80)
    options = {"l2": 1e-3, "solver": solver, "backend": "numpy", "tol": 1e-10}
    with pytest.warns(fastlr.ConvergenceWarning):
        model = fastlr.train(X, y, max_iter=1, **options)
    assert model.cost > fastlr.train(X, y, **options).cost + 1e-6


@pytest.mark.parametrize(("n_threads", "of_descent"), [(1, "descend"), (2, "step")])
def test_auto_asks_about_the_kernels_that_training_calls(monkeypatch, n_threads, of_descent):
    asked = []
    monkeypatch.setattr(threads, "useful", lambda most, size: n_threads)
    monkeypatch.setattr(choice, "_seconds_lost", {"training": 0.0, "predicting": 0.0})
    monkeypatch.setattr(choice, "is_ready", lambda kernel, X: asked.append(kernel) or True)
    expected = {(500, 4): {"moments", "cost_gradient", "quasi_newton", "hessian", "finish_hessian"},
                (20_000, 30): {"first_read", "cost_gradient"}}
    for shape, kernels in expected.items():
        X, y, *_ = problem(*shape)
        for options in ({}, {"solver": "newton"}, {"solver": "lbfgs"}, {"learning_rate": 0.1}):
            asked.clear()
            monkeypatch.setattr(backends, "load", lambda name: numpy_vectorized)
            assert fastlr.train(X, y, max_iter=1, tol=0.0, **options).backend == "fused"
            assert set(asked) == ({"cost_gradient", of_descent} if "learning_rate" in options else kernels)


def test_a_backend_of_cost_gradient_alone_has_every_solver(monkeypatch):
    X, y, *_ = problem(200, 4)
    expected = fastlr.train(X, y, backend="numpy")
    calls = []

    def cost_gradient(*arguments):
        calls.append(arguments)
        return numpy_vectorized.cost_gradient(*arguments)

    monkeypatch.setattr(backends, "load", lambda name: SimpleNamespace(cost_gradient=cost_gradient))
    for solver in NAMES:
        calls.clear()
        model = fastlr.train(X, y, solver=solver, backend="numpy")
        np.testing.assert_allclose(model.w, expected.w, atol=1e-7)
        assert len(calls) >= model.n_iter


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
@pytest.mark.parametrize("order", "CF")
@pytest.mark.compiles
def test_optimum_has_the_same_bits_for_any_number_of_threads(solver, order):
    X, y, *_ = problem(20_000, 12, order=order)
    one, two = (fastlr.train(X, y, solver=solver, backend="fused", n_threads=k) for k in (1, 2))
    assert one.n_iter == two.n_iter
    assert (one.w == two.w).all()
    assert (one.b, one.cost, one.grad_norm, one.gap) == (two.b, two.cost, two.grad_norm, two.gap)

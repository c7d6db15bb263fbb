"""Newton's method by conjugate gradients: the same optimum, and no n^2 numbers on the way."""

import functools
import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp

import fastlr
from fastlr import backends
from fastlr.data import door
from fastlr.problem.problem import Problem
from fastlr.solvers.conjugate_gradients import or_conjugate_gradients, solution
from fastlr.solvers.quasi_newton import InverseHessian, Target, iterates
from tests.data.test_sparse import sparse_problem
from tests.problems import problem, weights

pytestmark = pytest.mark.slow


@pytest.fixture
def no_room(monkeypatch, threshold):
    """No X is large enough for a Hessian, and none is made."""
    threshold("side", 0)
    threshold("sparse side", 0)

    def hessian(self, u):
        raise AssertionError("a Hessian was made")

    monkeypatch.setattr(Problem, "hessian", hessian)


def definite(n, seed=0):
    A = np.random.default_rng(seed).standard_normal((2 * n, n)) * np.logspace(-2, 2, n)
    return A.T @ A


def never(residual):
    return False


def test_solution():
    H = definite(30)
    g = np.random.default_rng(1).standard_normal(30)
    np.testing.assert_allclose(solution(lambda v: H @ v, H.diagonal(), g, 1e-13, never).x, np.linalg.solve(H, g), rtol=1e-8)


def test_solution_goes_no_further_than_it_must():
    H = definite(30)
    g = np.random.default_rng(1).standard_normal(30)
    residuals = []

    def is_small(residual):
        residuals.append(residual.copy())
        return np.abs(residual).max() < 0.01

    for left, stop in ((0.3, never), (0.0, is_small)):
        products = []
        found = solution(lambda v, products=products: products.append(v) or H @ v, H.diagonal(), g, left, stop)
        x, residual = found.x, g - H @ found.x
        size = np.sqrt(residual @ (residual / H.diagonal())) / np.sqrt(g @ (g / H.diagonal()))
        assert found.left / found.norm == pytest.approx(size, rel=1e-6)
        assert len(products) < 30
        assert 0.03 < size < 0.3 if stop is never else np.abs(residual).max() < 0.01 <= np.abs(residuals[-2]).max()
        assert g @ x > 0.0


@pytest.mark.parametrize("bad", [np.nan, -1.0, 0.0])
def test_without_curvature_the_diagonal_decides(bad):
    g, diagonal = np.array([1.0, -2.0]), np.array([4.0, 0.5])
    assert (solution(lambda v: bad * v, diagonal, g, 0.1, never).x == g / diagonal).all()


@pytest.mark.parametrize("order", ["C", "F", pytest.param("csr", marks=pytest.mark.sparse)])
@pytest.mark.parametrize("weighted", [False, True])
def test_product_is_that_of_the_hessian(backend, order, weighted):
    for m, n in ((300, 7), (90, 40)):
        if order == "csr":
            X, y, w, b = sparse_problem(m, n)
        else:
            X, y, w, b = problem(m, n, order=order)
        s, o = weights(m) if weighted else (None, None)
        kernel = backends.load(backend)
        for intercept in (True, False):
            data = door.data(X, y, s, None, o).with_backend(kernel, 1)
            J = Problem.of_theta(data, 0.3, "sum", intercept).standardised()
            u = J.coordinates.u_of(np.append(w, b if intercept else 0.0))
            H, (product, diagonal) = J.hessian(u), J.hessian_product(u)
            free = n + 1 if intercept else n
            np.testing.assert_allclose(diagonal()[:free], H.diagonal()[:free], rtol=1e-9)
            for seed in range(3):
                v = np.random.default_rng(seed).standard_normal(n + 1)
                v[-1] *= intercept
                np.testing.assert_allclose(product(v), H @ v, rtol=1e-9, atol=1e-9 * np.abs(H).max())


def test_product_of_a_stream_is_that_of_the_array():
    X, y, w, b = problem(2_000, 5)
    s, o = weights(2_000)
    found = []
    for given in (X, fastlr.stream(X, memory=60_000)):
        J = Problem.of_theta(door.data(given, y, s, None, o), 0.3, "mean", True).standardised()
        product, diagonal = J.hessian_product(J.coordinates.u_of(np.append(w, b)))
        found.append((product(np.arange(6.0)), diagonal()))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


@pytest.mark.parametrize("n_threads", [2, 5])
@pytest.mark.parametrize("order", ["C", "csr"])
@pytest.mark.compiles
def test_same_bits_for_any_number_of_threads(order, n_threads):
    """Of rows in so many blocks that a chunk has several."""
    X, y, w, b = sparse_problem(70_000, 3) if order == "csr" else problem(70_000, 3)
    Hv = []
    for name, count in (("fused", 1), ("fused", n_threads), ("numpy", 1)):
        J = Problem.of_theta(door.data(X, y).with_backend(backends.load(name), count), 0.0, "mean", True)
        Hv.append(J.hessian_product(np.append(w, b))[0](np.arange(4.0)))
    assert (Hv[0] == Hv[1]).all()
    np.testing.assert_allclose(Hv[0], Hv[2], rtol=1e-11)


@pytest.mark.parametrize("options", [{"l2": 0.01}, {"l2": 0.1, "fit_intercept": False}, {"reduction": "sum", "l2": 3.0}, {}])
@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("name", ["numpy", "fused"])
def test_optimum_is_that_of_the_hessian(name, kind, options, no_room, monkeypatch):
    X, y, *_ = problem(900, 20) if kind == "dense" else sparse_problem(900, 20)
    if kind == "dense":
        X = X * np.logspace(-3, 3, 20) + np.append(np.full(10, 3.0), np.zeros(10))
    s, o = weights(900)
    model = fastlr.train(X, y, solver="newton", backend=name, sample_weight=s, offset=o, tol=1e-10, **options)
    monkeypatch.undo()
    known = fastlr.train(X, y, solver="newton", backend=name, sample_weight=s, offset=o, tol=1e-12, **options)
    assert model.converged and model.solver == "newton"
    assert 3 <= model.n_iter <= 40
    assert 0.0 <= model.gap <= 1e-15 * (900 if "reduction" in options else 1)
    assert model.cost == pytest.approx(known.cost, rel=1e-13)
    spread = 1.0 if kind == "sparse" else np.logspace(-3, 3, 20)
    np.testing.assert_allclose(model.w * spread, known.w * spread, atol=1e-8)


def test_steps_converge_faster_than_linearly(no_room):
    X, y, *_ = problem(2_000, 30)
    norms = fastlr.train(X, y, l2=0.01, solver="newton", backend="numpy", tol=1e-12).history.grad_norm
    rates = norms[1:] / norms[:-1]
    assert rates[-2] < 0.05
    assert rates[-2] < 0.3 * rates[0]


@functools.cache
def text(m=600, n=900):
    """Counts of words in texts: rare and frequent ones, in bursts, that go together by subject."""
    rng = np.random.default_rng(0)
    topics = rng.gamma(0.3, 1.0, (6, n)) / np.arange(1, n + 1)
    share = rng.dirichlet(np.full(6, 0.3), m)
    counts = rng.poisson(share @ topics / topics.sum(axis=1).mean() * 40.0)
    D = counts * np.ceil(rng.pareto(1.5, (m, n)))
    y = share @ rng.standard_normal(6) + 0.3 * rng.logistic(size=m) > 0.0
    return sp.csr_array(D), y.astype(float)


def test_auto_takes_conjugate_gradients_where_steps_of_lbfgs_are_many():
    X, y = text()
    auto, newton, lbfgs = (fastlr.train(X, y, l2=0.1 / 600, solver=solver, backend="numpy", tol=1e-9)
                           for solver in ("auto", "newton", "lbfgs"))
    assert auto.converged and auto.solver == "newton"
    assert auto.n_iter < 40 < 100 < lbfgs.n_iter
    assert auto.cost == pytest.approx(newton.cost, rel=1e-12)


def test_auto_stays_with_lbfgs_where_it_is_fast():
    X, y = text()
    model = fastlr.train(X, y, l2=3.0, backend="numpy", tol=1e-6)
    assert model.converged and model.solver == "lbfgs"
    easy, labels, *_ = sparse_problem(900, 300, density=0.3)
    assert fastlr.train(easy, labels, l2=1.0, backend="numpy").solver == "lbfgs"


@pytest.mark.parametrize(("steps_a_hessian", "is_taken"), [(28.0, False), (200.0, True), (math.inf, True)])
def test_conjugate_gradients_leave_a_cheap_hessian_its_turn(steps_a_hessian, is_taken):
    """At some point about as many steps seem to be left as the Hessian costs; in truth a hundred are."""
    X, y = text()
    problem, u, start = Problem.of_theta(door.data(X, y), l2=1.0 / 600, reduction="mean", fit_intercept=True).start(None)
    points = iterates(problem, u, InverseHessian(problem), Target(1e-4), math.inf, start=start)
    followed = list(itertools.islice(or_conjugate_gradients(problem, points, Target(1e-4), steps_a_hessian), 30))
    assert followed[0].inverse_hessian.is_diagonal
    assert followed[-1].inverse_hessian.is_diagonal != is_taken


@pytest.mark.parametrize(("solver", "l2", "tol"), [("auto", 0.1, 1e-12), ("newton", 0.1, 1e-12), ("lbfgs", 1.0, 1e-9)])
def test_what_is_left_is_not_called_rounding_while_it_can_be_lowered(solver, l2, tol):
    """Where steps are so small that J has stopped to tell."""
    X, y = text()
    model = fastlr.train(X, y, l2=l2 / 600, solver=solver, backend="numpy", tol=tol)
    assert model.converged and model.grad_norm <= tol


def test_each_step_is_solved_as_closely_as_the_last_foresaw(monkeypatch, threshold):
    """With few products, and the diagonal again only where the Hessian has changed."""
    X, y = text()
    made = {"products": 0, "diagonals": 0}
    hessian_product = Problem.hessian_product

    def counted(self, u):
        product, diagonal = hessian_product(self, u)

        def count(kind, result):
            made[kind] += 1
            return result

        return lambda v: count("products", product(v)), lambda: count("diagonals", diagonal())

    monkeypatch.setattr(Problem, "hessian_product", counted)
    threshold("sparse side", 0)
    model = fastlr.train(X, y, l2=1.0 / 600, solver="newton", backend="numpy", tol=1e-8)
    assert model.converged
    assert made["products"] <= 160
    assert 1 <= made["diagonals"] < model.n_iter <= 20


def test_separated_classes(no_room):
    X, y, *_ = sparse_problem(60, 100)
    with pytest.warns(fastlr.SeparationWarning):
        fastlr.train(X, y, solver="newton", backend="numpy")


def test_a_sparse_x_of_many_columns(monkeypatch):
    """One that would have a Hessian of 128 MB."""
    X, y, *_ = sparse_problem(3_000, 4_000, density=0.005)
    monkeypatch.setattr(Problem, "hessian", None)
    model = fastlr.train(X, y, l2=1e-3, solver="newton", backend="numpy")
    known = fastlr.train(X, y, l2=1e-3, solver="lbfgs", backend="numpy")
    assert model.converged and known.converged
    np.testing.assert_allclose(model.w, known.w, atol=1e-6)


def test_summary_of_many_columns_is_refused():
    X, y, *_ = sparse_problem(50, 10_001, density=0.01)
    model = fastlr.train(X, y, l2=0.1, backend="numpy")
    with pytest.raises(ValueError, match=r"covariance of all parameters, and that of 10001 features is a matrix of 0\.8 GB; "
                                         r"it goes as far as 10000 features\.  Train on fewer"):
        model.summary()

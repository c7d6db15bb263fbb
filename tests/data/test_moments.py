"""Means, deviations and Hessians: every backend against the formulas in plain NumPy."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit

import fastlr
from fastlr import backends
from fastlr.data import door
from fastlr.data.dataset import InMemory
from fastlr.problem.coordinates import Coordinates
from fastlr.problem.problem import Problem
from tests.backends.test_laws import KINDS
from tests.problems import problem, weights


def objective(backend, X, y, sample_weight=None, offset=None, **options):
    kernel = backends.load(backend)
    options = {"l2": 0.0, "reduction": "mean", "fit_intercept": True} | options
    with backends.threads(kernel, None, X.size) as count:
        return Problem.of_theta(door.data(X, y, sample_weight, None, offset).with_backend(kernel, count), **options)


def hessian(J, theta, center, floor=0.0):
    """The second derivatives of the loss part of J at theta, for features x - center."""
    centered = Coordinates(center, np.ones(center.size))
    return J.in_coordinates(centered).loss_hessian(centered.u_of(theta), floor)


def test_standardisation_of_difficult_columns(backend):
    m = 2_000 if backend == "python" else 20_000
    rng = np.random.default_rng(0)
    X = np.column_stack([np.full(m, 0.1), 1e8 + rng.standard_normal(m), np.zeros(m), np.arange(m) == m - 1, np.full(m, -3e4),
                         1e9 * (np.arange(m) == 0) + rng.standard_normal(m)])
    for order in "CF":
        X = np.asarray(X, order=order)
        center, spread = objective(backend, X, np.arange(m) % 2).standardisation
        np.testing.assert_allclose(center[:5], [0.1, X[:, 1].mean(), 0.0, 1 / m, -3e4], rtol=1e-12)
        assert abs(center[5] - X[:, 5].mean()) <= 1e-12 * spread[5]
        np.testing.assert_allclose(spread, [1.0, X[:, 1].std(), 1.0, X[:, 3].std(), 3e4, X[:, 5].std()], rtol=1e-7)
        center, spread = objective(backend, X, np.arange(m) % 2, fit_intercept=False).standardisation
        assert not center.any()
        np.testing.assert_allclose(spread, np.sqrt(np.mean(X ** 2, axis=0)) + [0, 0, 1, 0, 0, 0], rtol=1e-12)


@pytest.mark.parametrize(("dtype", "order"), KINDS)
def test_moments_and_hessian_by_their_definition(backend, dtype, order):
    none = np.empty(0), np.empty(0)
    for shape, (s, o) in (((1, 1), none), ((2, 3), none), ((2, 3), weights(2)), ((137, 4), none), ((137, 4), weights(137)),
                          ((300, 37), none), ((300, 37), weights(300))):
        X, y, w, b = problem(*shape, dtype=dtype, order=order)
        theta = np.append(w, b)
        rows = [X, y.astype(np.int8), s, o]
        for array in rows:
            array.flags.writeable = False
        kernel = backends.load(backend)
        with backends.threads(kernel, None, shape[0] * shape[1]) as count:
            J = Problem.of_theta(InMemory(*rows, np.array([0, 1]), None, kernel, count), 0.0, "sum", True)
            each = s if s.size else np.ones(shape[0])
            x = X.astype(float)
            center, spread = J.standardisation
            np.testing.assert_allclose(center, np.average(x, axis=0, weights=each), atol=1e-13)
            deviation = np.sqrt(np.average((x - center) ** 2, axis=0, weights=each))
            np.testing.assert_allclose(spread, np.where(deviation < 1e-12, np.maximum(abs(center), 1.0), deviation), rtol=1e-12)

            H = hessian(J, theta, center)
            z = x @ w + b + (o if o.size else 0.0)
            a = 1.0 / (1.0 + np.exp(-z))
            v = np.column_stack([x - center, np.ones(shape[0])])
            np.testing.assert_allclose(H, (v * (each * a * (1.0 - a))[:, None]).T @ v, rtol=1e-12, atol=1e-12 * abs(H).max())
            assert (H == H.T).all()


@pytest.mark.parametrize(("dtype", "order"), KINDS)
@pytest.mark.slow
def test_the_first_read_gives_gradient_and_moments(backend, dtype, order):
    none = None, None
    for shape, (s, o) in (((2, 1), none), ((137, 4), none), ((137, 4), weights(137)), ((300, 37), none),
                          ((300, 37), weights(300)), ((12, 1600), none), ((12, 1600), weights(12))):
        X, y, w, b = problem(*shape, dtype=dtype, order=order)
        theta = np.append(w, b)
        together, apart = (objective(backend, X, y, s, o, l2=0.1) for _ in range(2))
        J, grad = together.evaluate(theta, with_moments=True)
        for found, expected in zip(together.standardisation, apart.standardisation, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
        expected_J, expected_grad = apart.evaluate(theta)
        assert J == expected_J
        assert (grad == expected_grad).all()


def test_moments_are_known_from_the_first_read_on(backend):
    X, y, w, b = problem(40, 3)
    J, theta = objective(backend, X, y), np.append(w, b)
    J.evaluate(theta, with_moments=True)
    columns = J.columns
    J.evaluate(2.0 * theta, with_moments=True)
    assert J.columns is columns is J.standardised().columns
    sample, = J.data.samples([10])
    assert (J.on_sample(sample).columns.center != columns.center).all()


@pytest.mark.parametrize("form", [np.ascontiguousarray, np.asfortranarray,
                                  pytest.param(scipy.sparse.csr_array, marks=pytest.mark.sparse)], ids=["C", "F", "csr"])
def test_hessian_leaves_out_rows_below_the_floor(backend, form):
    """They are rows without weight: half of them here."""
    X, y, w, b = problem(300, 5)
    s, o = weights(300)
    theta, center = np.append(w, b), np.full(5, 0.25)
    A = form(X)
    J = objective(backend, A, y, s, o)
    sigma = expit(X @ w + b + o)
    curvature = s * sigma * (1.0 - sigma) / s.sum()
    floor = np.median(curvature)
    kept = objective(backend, A, y, np.where(curvature >= floor, s, 0.0), o)
    expected = hessian(kept, theta, center) * (kept.examples / J.examples)
    np.testing.assert_allclose(hessian(J, theta, center, floor * (1.0 - 1e-9)), expected, rtol=1e-9, atol=1e-15)
    assert hessian(J, theta, center)[0, 0] > 1.2 * expected[0, 0]


def test_hessian_is_the_derivative_of_the_gradient(backend):
    X, y, w, b = problem(300, 5)
    s, o = weights(300)
    for options in ({}, {"l2": 0.3}, {"reduction": "sum"}, {"fit_intercept": False}):
        J = objective(backend, X, y, s, o, **options)
        H = hessian(J, np.append(w, b), np.zeros(5))
        H.flat[:30:7] += options.get("l2", 0.0)
        if "fit_intercept" in options:
            assert H[5, 5] == 1.0
            H[5, 5] = 0.0
        for direction in np.random.default_rng(3).standard_normal((3, 6)):
            direction[5] *= options.get("fit_intercept", True)
            step = 1e-5 * direction
            difference = (J.evaluate(np.append(w, b) + step)[1] - J.evaluate(np.append(w, b) - step)[1]) / 2e-5
            np.testing.assert_allclose(H @ direction, difference, rtol=1e-6, atol=1e-8 * abs(difference).max())


@pytest.mark.parametrize(("name", "order"), [("parallel", "C"), ("fused", "C"), ("fused", "F")])
def test_same_bits_for_any_number_of_threads(name, order):
    X, y, w, b = problem(5000, 21, order=order)
    kernel = backends.load(name)
    results = []
    for n_threads in (1, 2):
        with backends.threads(kernel, n_threads, X.size) as count:
            data = door.data(X, y).with_backend(kernel, count)
            J, together = (Problem.of_theta(data, 0.0, "mean", True) for _ in range(2))
            cost, grad = together.evaluate(np.append(w, b), with_moments=True)
            results.append([hessian(J, np.append(w, b), np.zeros(21)), *J.columns, *together.columns, cost, grad])
    for one, two in zip(*results, strict=True):
        assert np.all(one == two)


def test_trainings_do_not_wait_for_the_moments_of_another():
    """As they do with functools.cached_property of Python 3.11; the child of a fork would wait for ever."""
    X, y, *_ = problem(50, 3)
    first, second = (objective("numpy", X, y) for _ in range(2))
    computing, go_on = threading.Event(), threading.Event()

    def slow_moments(pass_, pivot):
        computing.set()
        assert go_on.wait(60)
        return pivot, pivot + 1.0

    first.data.reduce = slow_moments
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(lambda: first.standardisation)
        assert computing.wait(60)
        try:
            pool.submit(lambda: second.standardisation).result(timeout=10)
        finally:
            go_on.set()
        waiting.result()
    assert second.columns is second.columns


@pytest.mark.parametrize("spoil", ["a row without weight", "a constant column"])
def test_values_that_hide_from_the_moments_are_refused(backend, spoil):
    """Those that are finite, and too large to square."""
    X, y, *_ = problem(60, 3)
    s = np.ones(60)
    if spoil == "a row without weight":
        X[7, 1], s[7] = 1e152, 0.0
    else:
        X[:, 1] = 1e152
    with pytest.raises(ValueError, match=r"beyond 1e\+150 in magnitude.*column 1"):
        fastlr.train(X, y, sample_weight=s, backend=backend)

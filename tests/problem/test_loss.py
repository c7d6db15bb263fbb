"""The losses: their derivatives are those of their values, and what proofs rest on is true."""

import numpy as np

import fastlr
from fastlr.backends import logistic, softmax
from fastlr.data.dataset import InMemory
from fastlr.data.margin_changes import signed_rows
from fastlr.problem.loss import Logistic, Softmax
from tests.problems import problem

Z = np.linspace(-30.0, 30.0, 601)


def test_slope_and_curvature_are_the_derivatives():
    h = 1e-5
    for y in (np.zeros(Z.size), np.ones(Z.size)):
        above, below = (logistic.loss_and_slope(y, Z + step) for step in (h, -h))
        _, slope = logistic.loss_and_slope(y, Z)
        np.testing.assert_allclose(slope, (above[0] - below[0]) / (2 * h), atol=1e-9)
        np.testing.assert_allclose(logistic.curvature(Z), (above[1] - below[1]) / (2 * h), atol=1e-9)


def test_the_bounds_hold():
    curvature, h = logistic.curvature(Z), 1e-4
    assert curvature.max() == Logistic.largest_curvature
    third = np.abs(logistic.curvature(Z + h) - logistic.curvature(Z - h)) / (2 * h)
    assert (third <= Logistic.self_concordance * curvature * (1 + 1e-6)).all() and third[0] > 0.999 * curvature[0]


def test_the_null_model_has_no_slope():
    y = np.array([0, 0, 0, 1])
    shares = np.array([0.75, 0.25])
    z = np.full(4, Logistic().null_margins(shares))
    loss, slope = logistic.loss_and_slope(y, z)
    np.testing.assert_allclose(slope.sum(), 0.0, atol=1e-15)
    np.testing.assert_allclose(logistic.curvature(z), Logistic().null_curvature(shares))
    assert loss.mean() < Logistic.of_guessing
    np.testing.assert_array_equal(logistic.loss_and_slope(y, np.zeros(4))[0], Logistic.of_guessing)


def test_kernels_sum_it(backend):
    X, y, w, b = problem(50, 3)
    loss, slope = logistic.loss_and_slope(y, X @ w + b)
    J, dw, db = fastlr.cost_and_gradient(X, y, w, b, backend=backend, reduction="sum")
    np.testing.assert_allclose(J, loss.sum())
    np.testing.assert_allclose([*dw, db], [*(slope @ X), slope.sum()], atol=1e-12)


def test_what_proofs_of_softmax_rest_on():
    """Along any direction the third derivative is at most the second times the direction's range."""
    rng, loss = np.random.default_rng(0), Softmax(4)
    for scale in (0.1, 1.0, 10.0):
        for _ in range(100):
            p, way = softmax.probabilities(scale * rng.standard_normal((1, 4)))[0], rng.standard_normal(4)
            moved = way - p @ way
            second, third = p @ moved ** 2, abs(p @ moved ** 3)
            assert third <= loss.self_concordance * np.ptp(way) * second * (1 + 1e-12)
            H = np.diag(p) - np.outer(p, p)
            assert np.linalg.eigvalsh(H)[-1] <= loss.largest_curvature
            assert np.abs(H @ way).max() <= loss.largest_change * np.ptp(way)
            ranges = np.ptp(way) ** 2 / second                      # for way^T H way = 1
            assert ranges <= loss.squared_range(np.linalg.inv(loss.with_common(H))) * (1 + 1e-9)


def test_the_null_model_of_softmax_has_no_slope():
    y, loss = np.array([0, 1, 1, 2, 2, 2]), Softmax(3)
    z = np.tile(loss.null_margins(np.array([1.0, 2.0, 3.0]) / 6.0), (6, 1))
    np.testing.assert_allclose(softmax.loss_and_slope(y, z)[1].sum(axis=0), 0.0, atol=1e-15)
    np.testing.assert_allclose(z.sum(axis=1), 0.0, atol=1e-15)


def test_signed_rows_are_how_far_the_own_class_gets_ahead():
    rng, loss, y = np.random.default_rng(0), Softmax(3), np.array([2, 0])
    rows, V = rng.standard_normal((2, 4)), rng.standard_normal((3, 4))
    z = rows @ V.T
    expected = [z[0, 2] - z[0, 0], z[0, 2] - z[0, 1], z[1, 0] - z[1, 1], z[1, 0] - z[1, 2]]
    np.testing.assert_allclose(loss.right_side(y, z[:, :, None])[:, 0], expected, rtol=1e-12)
    data = InMemory(rows[:, :3], y, np.empty(0), np.empty(0), np.arange(3))
    signed = signed_rows(data, loss, np.zeros(3), np.ones(3))
    rows[:, 3] = 1.0
    np.testing.assert_allclose(signed @ V.ravel(), loss.right_side(y, (rows @ V.T)[:, :, None])[:, 0], rtol=1e-12)
    sizes = np.abs(rows) @ np.abs(V).T
    np.testing.assert_allclose(loss.added_up(y, sizes[:, :, None])[:, 0], np.abs(signed) @ np.abs(V).ravel())

"""The logistic loss: its derivatives are those of its values, and what proofs rest on is true."""

import numpy as np

import fastlr
from fastlr.problem.loss import Logistic
from tests.problems import problem

Z = np.linspace(-30.0, 30.0, 601)


def test_slope_and_curvature_are_the_derivatives():
    h = 1e-5
    for y in (np.zeros(Z.size), np.ones(Z.size)):
        above, below = (Logistic.loss_and_slope(y, Z + step) for step in (h, -h))
        _, slope = Logistic.loss_and_slope(y, Z)
        np.testing.assert_allclose(slope, (above[0] - below[0]) / (2 * h), atol=1e-9)
        np.testing.assert_allclose(Logistic.curvature(Z), (above[1] - below[1]) / (2 * h), atol=1e-9)


def test_the_bounds_hold():
    curvature, h = Logistic.curvature(Z), 1e-4
    assert curvature.max() == Logistic.largest_curvature
    third = np.abs(Logistic.curvature(Z + h) - Logistic.curvature(Z - h)) / (2 * h)
    assert (third <= Logistic.self_concordance * curvature * (1 + 1e-6)).all() and third[0] > 0.999 * curvature[0]


def test_the_null_model_has_no_slope():
    y = np.array([0, 0, 0, 1])
    z = np.full(4, Logistic.null_margin(0.25))
    loss, slope = Logistic.loss_and_slope(y, z)
    np.testing.assert_allclose(slope.sum(), 0.0, atol=1e-15)
    np.testing.assert_allclose(Logistic.curvature(z), Logistic.null_curvature(0.25))
    assert loss.mean() < Logistic.of_guessing
    np.testing.assert_array_equal(Logistic.loss_and_slope(y, np.zeros(4))[0], Logistic.of_guessing)


def test_kernels_sum_it(backend):
    X, y, w, b = problem(50, 3)
    loss, slope = Logistic.loss_and_slope(y, X @ w + b)
    J, dw, db = fastlr.cost_and_gradient(X, y, w, b, backend=backend, reduction="sum")
    np.testing.assert_allclose(J, loss.sum())
    np.testing.assert_allclose([*dw, db], [*(slope @ X), slope.sum()], atol=1e-12)

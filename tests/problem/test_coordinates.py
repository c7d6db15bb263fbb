"""Coordinates: there and back, gradients along, and from one to another."""

import numpy as np

from fastlr.problem.coordinates import Coordinates, Origin

_rng = np.random.default_rng(0)
ONE = Coordinates(np.array([1.0, -2.0, 1e3]), np.array([0.5, 10.0, 2.0]))
OTHER = Coordinates(np.array([0.0, 5.0, -1.0]), np.array([2.0, 0.1, 1.0]))
THETA = _rng.standard_normal(4)


def test_theta_and_back():
    for coordinates in (ONE, OTHER):
        np.testing.assert_allclose(coordinates.theta_of(coordinates.u_of(THETA)), THETA, rtol=1e-12)
    np.testing.assert_array_equal(Coordinates.of_theta(3).u_of(THETA), THETA)


def test_margins_are_those_of_theta():
    X = _rng.standard_normal((5, 3)) + ONE.center
    u = ONE.u_of(THETA)
    np.testing.assert_allclose((X - ONE.center) / ONE.spread @ u[:-1] + u[-1], X @ THETA[:-1] + THETA[-1], rtol=1e-10)


def test_a_gradient_goes_along():
    grad, direction = _rng.standard_normal(4), _rng.standard_normal(4)
    by_u = ONE.by_u(grad.copy())
    np.testing.assert_allclose(by_u @ ONE.u_of(direction), grad @ direction, rtol=1e-10)
    ratio, shift = ONE.to_standard(OTHER.center, OTHER.spread)
    np.testing.assert_allclose(ratio * by_u[:-1] + shift * by_u[-1], OTHER.by_u(grad.copy())[:-1], rtol=1e-10)


def test_from_one_to_another():
    np.testing.assert_allclose(OTHER.from_other(ONE, ONE.u_of(THETA)), OTHER.u_of(THETA), rtol=1e-10)


def test_columns_that_are_counted_from_elsewhere():
    """The intercept, or a constant column, takes back what that moves the margins."""
    X, shift = _rng.standard_normal((5, 3)), np.array([0.0, 100.0, 0.0])
    X[:, 0] = 4.0
    for place, unit in ((-1, 1.0), (0, 4.0)):
        moved = Coordinates(np.zeros(3), np.array([1.0, 2.0, 3.0]), Origin(shift, place, unit))
        u = _rng.standard_normal(4)
        theta, given = moved.theta_of(u), moved.parameters(u)
        np.testing.assert_allclose(X @ given[:-1] + given[-1], (X - shift) @ theta[:-1] + theta[-1], rtol=1e-10)
        plain = Coordinates(np.zeros(3), np.ones(3))
        np.testing.assert_allclose(plain.from_other(moved, u), given, rtol=1e-12)


def test_rows_of_several_classes_are_mapped_one_by_one():
    both = np.concatenate([THETA, -2.0 * THETA])
    for map_ in (ONE.u_of, ONE.theta_of, ONE.parameters, ONE.by_u, lambda v: OTHER.from_other(ONE, v)):
        np.testing.assert_array_equal(map_(both.copy()), np.concatenate([map_(THETA.copy()), map_(-2.0 * THETA)]))

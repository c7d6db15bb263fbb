"""Penalties: their derivatives are those of their values, in any coordinates."""

import numpy as np
import pytest

from fastlr.problem.penalty import Quadratic, Ridge

_rng = np.random.default_rng(0)
_A = _rng.standard_normal((4, 4))
SCALES = np.array([10.0, 0.1, 3.0, 1.0])
PENALTIES = [Ridge(0.7), Quadratic(np.array([1.0, -2.0, 0.5, 3.0]), _A @ _A.T),
             Quadratic(np.array([1.0, -2.0, 0.5, 3.0]), np.array([1.0, 0.0, 2.0, 0.1]))]


@pytest.mark.parametrize("penalty", PENALTIES, ids=["ridge", "quadratic", "diagonal"])
def test_derivatives_are_those_of_the_value(penalty):
    u, directions = _rng.standard_normal(4), _rng.standard_normal((3, 4))
    H = np.zeros((4, 4))
    penalty.add_hessian(H, SCALES)
    np.testing.assert_allclose(penalty.diagonal(SCALES), H.diagonal())
    assert penalty.is_separable == (np.count_nonzero(H - np.diag(H.diagonal())) == 0)
    for v in directions:
        step = 1e-3 * v
        difference = penalty.value(u + step, SCALES) - penalty.value(u - step, SCALES)
        assert penalty.gradient(u, SCALES) @ step == pytest.approx(0.5 * difference, rel=1e-9)
        np.testing.assert_allclose(penalty.product(v, SCALES), H @ v, rtol=1e-12, atol=1e-12)
        change = penalty.gradient(u + v, SCALES) - penalty.gradient(u, SCALES)
        np.testing.assert_allclose(change, H @ v, rtol=1e-10, atol=1e-10)
        assert v @ H @ v >= penalty.convexity * np.square((v * SCALES)[:-1]).sum() * (1.0 - 1e-12)


def test_the_ridge_is_never_on_the_intercept():
    theta = np.array([3.0, -4.0, 100.0])
    assert Ridge(2.0).value(theta, np.ones(3)) == 25.0
    np.testing.assert_array_equal(Ridge(2.0).gradient(theta, np.ones(3)), [6.0, -8.0, 0.0])


def test_a_column_that_hardly_varies_has_no_nan():
    """The diagonal is infinite there, and u is 0."""
    scales = np.array([1e200, 1.0])
    with np.errstate(over="ignore"):
        assert Ridge(1.0).diagonal(scales)[0] == np.inf
    np.testing.assert_array_equal(Ridge(1.0).gradient(np.zeros(2), scales), [0.0, 0.0])


def test_a_quadratic_is_least_at_its_center():
    for penalty in PENALTIES[1:]:
        u = penalty.center / SCALES
        assert penalty.value(u, SCALES) == 0.0
        np.testing.assert_array_equal(penalty.gradient(u, SCALES), 0.0)

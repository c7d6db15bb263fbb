"""Penalties: their derivatives are those of their values, in any coordinates."""

import numpy as np
import pytest

from fastlr.problem.penalty import ElasticNet, Quadratic, Ridge
from fastlr.problem.penalty import penalty as penalty_of

_rng = np.random.default_rng(0)
_A = _rng.standard_normal((4, 4))
SCALES = np.array([10.0, 0.1, 3.0, 1.0])
PENALTIES = [Ridge(0.7), Ridge(0.7, np.array([0.0, 1.0, 3.0])), Quadratic(np.array([1.0, -2.0, 0.5, 3.0]), _A @ _A.T),
             Quadratic(np.array([1.0, -2.0, 0.5, 3.0]), np.array([1.0, 0.0, 2.0, 0.1]))]


@pytest.mark.parametrize("penalty", PENALTIES, ids=["ridge", "factors", "quadratic", "diagonal"])
def test_derivatives_are_those_of_the_value(penalty):
    u, directions = _rng.standard_normal(4), _rng.standard_normal((3, 4))
    H = np.zeros((4, 4))
    penalty.add_hessian(H, SCALES)
    np.testing.assert_allclose(penalty.diagonal(SCALES), H.diagonal())
    assert not penalty.is_ridge or (penalty.gradient(u, SCALES) == pytest.approx(penalty.diagonal(SCALES) * u))
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
    for penalty in PENALTIES[2:]:
        u = penalty.center / SCALES
        assert penalty.value(u, SCALES) == 0.0
        np.testing.assert_array_equal(penalty.gradient(u, SCALES), 0.0)


ELASTIC = ElasticNet(0.5, 0.7, np.array([0.0, 2.0, np.inf]))


def test_the_elastic_net_has_the_derivatives_of_its_ridge():
    u, ridge = np.array([1.0, -2.0, 0.0, 5.0]), Ridge(0.7, np.array([0.0, 2.0, 0.0]))
    np.testing.assert_array_equal(ELASTIC.gradient(u, SCALES), ridge.gradient(u, SCALES))
    assert ELASTIC.value(u, SCALES) == pytest.approx(ridge.value(u, SCALES) + 0.5 * 2.0 * 0.2)
    np.testing.assert_array_equal(ELASTIC.is_unpenalized(SCALES), [True, False, False])
    assert ELASTIC.times(2.0).value(u, SCALES) == pytest.approx(2.0 * ELASTIC.value(u, SCALES))


def test_the_least_subgradient_is_the_smallest_slope():
    """Of J along each coordinate, to both sides, where all but l1 is linear."""
    slope, scales = np.array([0.3, 0.05, -7.0, 0.2]), np.ones(4)
    net = ElasticNet(0.5, 0.0, np.array([1.0, 0.2, np.inf]))
    for u, expected in (([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.2]), ([1.0, -1.0, 0.0, 0.0], [0.8, -0.05, 0.0, 0.2])):
        np.testing.assert_allclose(net.least_subgradient(np.array(u), slope, scales), expected, atol=1e-16)
    assert net.least_factor(slope, scales) == pytest.approx(0.6)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_gap_of_the_elastic_net_is_a_bound(l2):
    """For a quadratic in place of the losses, whose minimum is known by coordinate."""
    rng = np.random.default_rng(0)
    net, scales = ElasticNet(0.5, l2, np.array([1.0, 0.2, 3.0])), np.append(rng.uniform(0.1, 3.0, 3), 1.0)
    center, thresholds = 3.0 * rng.standard_normal(3), net.thresholds(scales)[:3]
    curvature = 1.0 + net.diagonal(scales)[:3]
    best = np.copysign(np.maximum(np.abs(center) - thresholds, 0.0), center) / curvature

    def J(u):
        return 0.5 * np.square(u[:3] - center).sum() + net.value(u, scales)

    for distance in (1.0, 1e-2, 1e-4):
        for _ in range(10):
            u = np.append(best + distance * rng.standard_normal(3) * rng.integers(0, 2, 3), 0.0)
            grad = np.append(u[:3] - center, 0.0) + net.gradient(u, scales)
            excess = J(u) - J(np.append(best, 0.0))
            assert net.gap(u, grad, scales, J(u), 0.0) >= excess - 1e-14
            assert net.gap(u, grad, scales, J(u), 0.1) >= net.gap(u, grad, scales, J(u), 0.0)
    assert net.gap(np.append(best, 0.0), np.append(best - center, 0.0) + net.gradient(np.append(best, 0.0), scales), scales, 1.0,
                   0.0) <= 1e-14


def test_the_penalty_is_as_simple_as_can_be():
    assert penalty_of(0.0, 0.1, None, 3) == Ridge(0.1)
    assert isinstance(penalty_of(0.0, 0.1, np.ones(3), 3), Ridge)
    assert isinstance(penalty_of(0.0, 0.1, np.array([1.0, np.inf, 1.0]), 3), ElasticNet)

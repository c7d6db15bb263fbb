"""Gradient descent as a solver: when it stops, what it reports, what it refuses to hide."""

import warnings

import numpy as np
import pytest

import fastlr
from fastlr import ConvergenceWarning
from fastlr.data import door
from fastlr.data.gram import largest_eigenvalue
from tests.problems import problem, weights


def test_costs_are_before_each_update(backend):
    X, y, *_ = problem()
    model = fastlr.train(X, y, learning_rate=0.3, max_iter=6, backend=backend)
    for k in range(6):
        earlier = fastlr.train(X, y, learning_rate=0.3, max_iter=k, backend=backend)
        assert earlier.cost == model.costs[k]
        assert earlier.n_iter == k == earlier.costs.size
    assert model.cost == pytest.approx(fastlr.cost_and_gradient(X, y, model.w, model.b, backend=backend)[0], rel=1e-15)
    assert (model.n_iter, model.converged, model.solver) == (6, False, "gd")
    assert np.isnan(model.grad_norm) and "max_iter=6" in model.stop_reason


@pytest.mark.parametrize(("reduction", "scales"), [("mean", (1, 1, 1)), ("sum", (1e-3, 1.0, 50.0))])
def test_default_step_never_makes_the_cost_larger(backend, reduction, scales):
    X, y, *_ = problem(60, 3)
    s, o = weights(60)
    for options in ({}, {"l2": 0.7}, {"fit_intercept": False}, {"sample_weight": s, "offset": o}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = fastlr.train(X * scales + 1.0, y, max_iter=40, reduction=reduction, solver="gd", backend=backend, **options)
        costs = np.append(model.costs, model.cost)
        assert (np.diff(costs) <= 1e-15 * costs[0]).all()
        assert costs[-1] < costs[0]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(5, 30), (1100, 1030), (300, 3), (150, 400), (900, 200)])
def test_step_is_at_most_one_over_the_largest_curvature(shape):
    """L from the small Gram matrix, from the large one, and from the trace, against the Hessian at its largest."""
    X, y, *_ = problem(*shape, order="F")
    cases = [(weights(shape[0])[0], True), (np.empty(0), True), (np.empty(0), False)]
    for s, intercept in cases if max(shape) < 1000 else cases[:1]:
        extended = np.column_stack([X, np.full(shape[0], float(intercept))])
        exact = np.linalg.norm(extended * np.sqrt(s if s.size else np.ones(shape[0]))[:, None], 2) ** 2
        bound = largest_eigenvalue(door.data_as_given(X, y).with_weights(s), intercept)
        assert bound >= exact * (1 - 1e-12)
        if min(shape) < 64:
            assert bound <= exact * (1 + 1e-12)
        elif min(shape) < 1024:
            assert bound <= exact * min(shape) ** (1 / 64)


@pytest.mark.parametrize("options", [{}, {"l2": 0.1, "reduction": "sum"}, {"fit_intercept": False}])
@pytest.mark.slow
def test_tolerance_is_what_the_model_reports(backend, options):
    """The measure by its definition: the gradient in standardised coordinates, on the mean scale."""
    X, y, *_ = problem(60, 3)
    X = X * [1.0, 2.0, 0.5] + [0.0, 1.0, -0.5]
    s, _ = weights(y.size)
    for sample_weight in (None, s):
        model = fastlr.train(X, y, tol=1e-4, solver="gd", backend=backend, sample_weight=sample_weight, **options)
        assert model.converged
        assert model.grad_norm <= 1e-4
        assert model.costs.size == model.n_iter > 5
        _, dw, db = fastlr.cost_and_gradient(X, y, model.w, model.b, sample_weight=sample_weight, backend="numpy",
                                             l2=options.get("l2", 0.0), reduction=options.get("reduction", "mean"))
        each = np.ones(y.size) if sample_weight is None else s
        if options.get("reduction") == "sum":
            dw, db = dw / each.sum(), db / each.sum()
        if options.get("fit_intercept", True):
            mu = np.average(X, axis=0, weights=each)
            sd = np.sqrt(np.average((X - mu) ** 2, axis=0, weights=each))
            measure = max(abs(db), np.abs((dw - mu * db) / sd).max())
        else:
            measure = np.abs(dw / np.sqrt(np.average(X ** 2, axis=0, weights=each))).max()
        assert model.grad_norm == pytest.approx(measure, rel=1e-6)
        one_less = fastlr.train(X, y, tol=0.0, max_iter=model.n_iter - 1, solver="gd", backend=backend,
                                sample_weight=sample_weight, **options)
        with pytest.warns(ConvergenceWarning):
            assert fastlr.train(X, y, init=one_less, tol=1e-4, max_iter=0, sample_weight=sample_weight, backend=backend,
                                **options).grad_norm > 1e-4


def test_tolerance_does_not_depend_on_units():
    """The same point in other units: the same measure."""
    X, y, w, b = problem(100, 3)
    scale, shift = np.array([1e6, 1e-3, 1.0]), np.array([1e4, 0.0, -7.0])
    with pytest.warns(ConvergenceWarning):
        plain = fastlr.train(X, y, init=(w, b), max_iter=0, backend="numpy")
        other = fastlr.train(X * scale + shift, y, init=(w / scale, b - shift @ (w / scale)), max_iter=0, backend="numpy")
    assert other.grad_norm == pytest.approx(plain.grad_norm, rel=1e-6)


def test_max_iter_without_convergence_warns_with_figures(backend):
    X, y, *_ = problem()
    with pytest.warns(ConvergenceWarning, match=r"after 3 updates the gradient is 0\.\d+, above tol=1e-08, at J = 0.*max_iter"):
        model = fastlr.train(X, y, max_iter=3, solver="gd", backend=backend)
    assert not model.converged
    assert model.grad_norm > 1e-8


def test_converged_at_the_start(backend):
    X, y, *_ = problem()
    first = fastlr.train(X, y, tol=1e-6, l2=0.5, solver="gd", backend=backend)
    again = fastlr.train(X, y, tol=1e-6, l2=0.5, solver="gd", backend=backend, init=first)
    assert (again.n_iter, again.converged, again.costs.size) == (0, True, 0)
    assert (again.w == first.w).all()


@pytest.mark.parametrize("options", [{"learning_rate": 100.0}, {"learning_rate": 1e300}, {"learning_rate": 3.0, "l2": 100.0},
                                     {"learning_rate": 100.0, "reduction": "sum", "fit_intercept": False}])
def test_divergence_warns_and_returns_what_was_good(backend, options):
    """Columns of size 1 and 1e4, as in HAZARDS: every number stays finite, and the cost is 5e7."""
    X, y, *_ = problem(50, 2)
    X = X * [1.0, 1e4]
    with pytest.warns(ConvergenceWarning, match=r"diverged: J rose from .* learning rate .* lower it.*leave it out"):
        model = fastlr.train(X, y, max_iter=200, solver="gd", backend=backend, **options)
    assert not model.converged
    assert np.isfinite(model.w).all() and np.isfinite(model.cost) and np.isfinite(model.costs).all()
    assert model.costs.size == model.n_iter < 200
    assert model.stop_reason.startswith("diverged")
    given = {name: options[name] for name in ("l2", "reduction") if name in options}
    assert fastlr.cost_and_gradient(X, y, model.w, model.b, backend=backend, **given)[0] == model.cost


def test_divergence_at_the_very_last_update(backend):
    X, y, *_ = problem(50, 2)
    for rate in (1e8, 1e300, 1.7e308):
        for max_iter, callback in ((1, None), (5, lambda state: True)):
            with pytest.warns(ConvergenceWarning, match="diverged"):
                model = fastlr.train(X * 1e8, y, max_iter=max_iter, learning_rate=rate, backend=backend, callback=callback)
            assert (model.n_iter, model.costs.size) == (0, 0)
            assert (model.w == 0.0).all() and model.cost == pytest.approx(np.log(2))


def test_a_cost_that_rises_for_a_while_goes_on(backend):
    """A rate far above 2/L on features around 2: 41 of the steps go up, to 28 times the first cost, and it recovers."""
    X = np.linspace(1, 3, 20)[:, None]
    model = fastlr.train(X, X[:, 0] > 2.01, learning_rate=20.0, max_iter=1000, backend=backend)
    assert model.costs.max() > 20 * model.costs[0]
    assert model.n_iter == 1000
    assert model.cost < 0.05 * model.costs[0]


def test_start_too_far_away_is_an_error(backend):
    X, y, *_ = problem()
    for max_iter in (0, 5):
        with pytest.raises(ValueError, match="init and X together are too large"):
            fastlr.train(X * 1e140, y, init=(np.full(7, 1e200), 0.0), learning_rate=1.0, max_iter=max_iter, backend=backend)


def test_intercept_left_alone(backend):
    X, y, *_ = problem()
    for init, b in ((None, 0.0), ((np.zeros(7), 0.7), 0.7)):
        assert fastlr.train(X, y, fit_intercept=False, learning_rate=0.1, max_iter=5, init=init, backend=backend).b == b


def test_callback_stops(backend):
    X, y, *_ = problem(80, 3)
    given = {"backend": backend, "solver": "gd", "tol": 1e-9}
    model = fastlr.train(X, y, **given, callback=lambda state: state.n_iter == 4)       # warns of nothing
    assert (model.n_iter, model.converged, model.stop_reason) == (4, False, "the callback asked to stop")
    with pytest.warns(ConvergenceWarning):
        again = fastlr.train(X, y, **given, init=model, max_iter=1)
    assert model.grad_norm == model.history.grad_norm[-1] == pytest.approx(again.history.grad_norm[0], rel=1e-12)
    assert "not converged" in repr(model)


def test_callback_may_change_what_it_is_given_and_its_errors_come_through(backend):
    X, y, *_ = problem()

    def vandal(state):
        state.w[:] = np.nan

    assert np.isfinite(fastlr.train(X, y, learning_rate=0.3, max_iter=5, backend=backend, callback=vandal).w).all()
    with pytest.raises(KeyError, match="mine"):
        fastlr.train(X, y, learning_rate=0.3, max_iter=5, backend=backend, callback=lambda state: {}["mine"])


def test_number_of_steps_a_call_changes_nothing(backend, monkeypatch):
    from fastlr.solvers import gd

    X, y, *_ = problem(40, 3)
    results = []
    for seconds in (0.0, 1e-4, 0.05, 1e9):
        monkeypatch.setattr(gd, "SECONDS_A_CALL", seconds)
        results.append(fastlr.train(X, y, tol=1e-5, l2=0.1, solver="gd", backend=backend))
    for model in results[1:]:
        assert (model.w == results[0].w).all()
        assert (model.costs == results[0].costs).all()
        assert model.stop_reason == results[0].stop_reason

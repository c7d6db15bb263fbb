"""Huge and tiny numbers, columns that say nothing, few rows: the optimum, or a word on why not, from every solver."""

import functools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import fastlr
from fastlr.solvers.quasi_newton import InverseHessian

pytestmark = pytest.mark.slow

M = 60
RNG = np.random.default_rng(0)
Z = RNG.standard_normal((M, 3))
Y = (RNG.random(M) < 0.5).astype(int)
WIDE = RNG.standard_normal((20, 100))

# "auto" by steps in Python and by steps in one compiled call; the others by one of them each.
METHODS = [("newton", "numpy"), ("lbfgs", "fused"), ("auto", "numpy"), ("auto", "fused")]
each_method = pytest.mark.parametrize(("solver", "kernel"), METHODS)
each_method_and_gd = pytest.mark.parametrize(("solver", "kernel"), [("gd", "numpy"), *METHODS])


def with_column(value):
    X = Z.copy()
    X[:, 1] = value
    return X


def fit(X, y=Y, **options):
    """A model, and the text of what it warned of; anything but a warning of fastlr's own is an error."""
    if options["solver"] == "gd":
        options = {"max_iter": 50} | options
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        warnings.simplefilter("always", fastlr.ConvergenceWarning)
        model = fastlr.train(X, y, **options)
    assert np.isfinite(model.w).all() and np.isfinite(model.costs).all()
    assert np.isfinite([model.b, model.cost, model.grad_norm, model.gap or 0.0]).all()
    assert model.converged != bool(caught)
    return model, "".join(str(warning.message) for warning in caught)


@functools.cache
def least_cost(l2=0.0, columns=(0, 1, 2), fit_intercept=True):
    return fit(Z[:, columns], solver="newton", backend="numpy", l2=l2, fit_intercept=fit_intercept)[0].cost


# ---- columns in other units: the same J ------------------------------------------------------------------------------

UNITS = {
    "1e-150": [1, 1e-150, 1], "1e-139": [1, 1e-139, 1], "all 1e-139": [1e-139] * 3, "2e148": [1, 2e148, 1],
    "all 2e148": [2e148] * 3,
    "1e-139 and 2e148": [1e-139, 1, 2e148], "float32 5e37": np.float32([1, 5e37, 1]),
}


@each_method
@pytest.mark.parametrize("name", UNITS)
def test_units_make_no_difference(name, solver, kernel):
    X = Z.astype(np.asarray(UNITS[name]).dtype, copy=False) * UNITS[name] if name.startswith("float32") else Z * UNITS[name]
    model, _ = fit(X, solver=solver, backend=kernel)
    assert model.converged
    assert model.cost == pytest.approx(least_cost(), rel=1e-6 if name.startswith("float32") else 1e-12)


@each_method_and_gd
@pytest.mark.parametrize("name", UNITS)
def test_units_with_a_penalty(name, solver, kernel):
    """Too small to be worth a w, or too large to be felt: whatever J is, it is finite and no more than without the column."""
    for options in ({"l2": 0.1}, {"l2": 1e10}, {"fit_intercept": False}, {"reduction": "sum"}):
        model, _ = fit(Z * np.asarray(UNITS[name], float), solver=solver, backend=kernel, **options)
        assert model.cost <= 1.0000001 * np.log(2) * (M if "reduction" in options else 1)


# ---- columns that say nothing ----------------------------------------------------------------------------------------

NOTHING = {"zero": 0.0, "0.1": 0.1, "1e10": 1e10, "1e149": 1e149, "1e-300": 1e-300, "subnormal": 5e-324 * np.arange(M),
           "1e-150": 1e-150 * Z[:, 0], "1e-156": 1e-156 * Z[:, 1], "rounding": 1e10 + 1e-6 * (np.arange(M) % 2),
           "a duplicate": Z[:, 0],
           "a huge duplicate": 1e140 * Z[:, 0]}


@each_method
@pytest.mark.parametrize("name", NOTHING)
def test_columns_that_say_nothing(name, solver, kernel):
    model, _ = fit(with_column(NOTHING[name]), solver=solver, backend=kernel)
    assert model.converged
    assert model.cost == pytest.approx(least_cost(columns=(0, 2)), rel=1e-10)


@each_method_and_gd
@pytest.mark.parametrize("X", [np.zeros((M, 3)), np.ones((M, 1)), np.full((M, 2), 1e-300), np.zeros((M, 200))],
                         ids=["zeros", "ones", "1e-300", "wide zeros"])
def test_nothing_at_all(X, solver, kernel):
    """The best model is the share of the classes."""
    share = Y.mean()
    for options in ({}, {"l2": 0.1}):
        model, _ = fit(X, solver=solver, backend=kernel, max_iter=1000, **options)
        assert model.converged
        assert model.cost == pytest.approx(-share * np.log(share) - (1 - share) * np.log(1 - share), rel=1e-9)


@each_method_and_gd
@pytest.mark.parametrize("factor", [1e-300, 1e-139, 1.0, 1e140, 10.0 ** RNG.uniform(-300, 148, 100)],
                         ids=["1e-300", "1e-139", "1", "1e140", "mixed"])
def test_wide(factor, solver, kernel):
    for options in ({}, {"l2": 0.1}, {"l2": 0.1, "fit_intercept": False}):
        model, _ = fit(WIDE * factor, np.arange(20) % 2, solver=solver, backend=kernel, **options)
        assert model.cost <= 1.0000001 * np.log(2)


@each_method_and_gd
def test_few_rows(solver, kernel):
    with pytest.raises(ValueError, match=r"^y has one class only, 1; .*needs two$"):
        fastlr.train([[1.0, 2.0]], [1], solver=solver, backend=kernel)
    model, warned = fit(Z[:2], [0, 1], solver=solver, backend=kernel)
    assert warned
    assert model.predict(Z[:2]).tolist() == [0, 1]
    model, _ = fit(Z[[0, 0]], [0, 1], solver=solver, backend=kernel)
    assert model.cost == pytest.approx(np.log(2))


# ---- weights, offsets, options ---------------------------------------------------------------------------------------

@each_method
def test_unit_of_weights_makes_no_difference(solver, kernel):
    """Also where s x^2 would overflow, or vanish."""
    for unit in (1e-101, 1e-60, 1e60, 1e98):
        for columns in (1.0, 2e148, 1e-130):
            model, _ = fit(Z * columns, solver=solver, backend=kernel, sample_weight=np.full(M, unit))
            assert model.converged
            assert model.cost == pytest.approx(least_cost(), rel=1e-12)


def test_powers_of_two_as_weights_give_the_same_bits(backend):
    """From 2^-300 to 2^300, and J on the scale of the weights."""
    s = np.ones(M)
    options = {"learning_rate": 0.1, "max_iter": 5, "backend": backend}
    one = fastlr.train(Z, Y, sample_weight=s, **options)
    for exponent in (-300, -30, 30, 300):
        unit = 2.0 ** exponent
        model = fastlr.train(Z, Y, sample_weight=unit * s, **options)
        assert (model.w == one.w).all() and model.cost == one.cost
        J, dw, db = fastlr.cost_and_gradient(Z, Y, one.w, one.b, sample_weight=unit * s, reduction="sum", backend=backend)
        J_one, dw_one, db_one = fastlr.cost_and_gradient(Z, Y, one.w, one.b, sample_weight=s, reduction="sum", backend=backend)
        assert J == unit * J_one and (dw == unit * dw_one).all() and db == unit * db_one


def test_few_rows_of_huge_weight_from_samples():
    """Samples count their effective rows by squares of weights."""
    m = 40_000
    rng = np.random.default_rng(0)
    X = rng.standard_normal((m, 3))
    y = X[:, 0] + rng.logistic(size=m) > 0
    least = fit(X, y, solver="newton", backend="numpy")[0].cost
    for unit in (1e-103, 1e94):
        model, _ = fit(X, y, solver="auto", backend="numpy", sample_weight=np.full(m, unit))
        assert model.cost == pytest.approx(least, rel=1e-12)


@each_method_and_gd
def test_offsets_penalties_and_tolerances(solver, kernel):
    for options in ({"offset": np.full(M, 1e150)}, {"offset": 1e100 * Z[:, 0]}, {"offset": 1e3 * Z[:, 0]}, {"l2": 1e-300},
                    {"l2": 1e300}, {"tol": 1e-300}, {"tol": 1e300}, {"sample_weight": np.where(Y, 1e-14, 1.0)}):
        fit(Z, solver=solver, backend=kernel, max_iter=300, **options)


@each_method_and_gd
def test_what_numpy_is_told_about_floating_point_errors_makes_no_difference(solver, kernel):
    """Margins of a thousand underflow, as they should, and larger ones overflow."""
    X = 1e3 * Z.astype(np.float32)
    with np.errstate(all="raise"):
        model, _ = fit(X, solver=solver, backend=kernel, init=(np.ones(3), 0.0))
        fastlr.cost_and_gradient(X, Y, np.ones(3), 0.0, backend=kernel)
        J, *_ = fastlr.cost_and_gradient(X, Y, np.full(3, 1e306), 0.0, backend=kernel)
        assert not np.isfinite(J)
        model.summary()
        fastlr.LogisticRegression(backend=kernel).partial_fit(X, Y, classes=[0, 1])
        for A in (X, X.astype(np.float16), X.astype(np.longdouble) * 1e-320):
            model.decision_function(A)
            model.predict_proba(A)
        model.score(X, Y)


@each_method_and_gd
def test_a_gradient_of_exactly_zero_ends_it(solver, kernel):
    """With tol = 0, which asks for ever less."""
    model = fastlr.train(np.zeros((4, 1)), [0, 1, 0, 1], solver=solver, backend=kernel, tol=0.0, max_iter=100)
    assert model.w == 0.0 and model.b == 0.0


def test_steps_whose_gradients_are_too_small_to_square():
    M = InverseHessian(SimpleNamespace(diagonal=np.full(2, 10.0)))
    M.arrays.steps[0], M.arrays.changes[0], M.arrays.curvatures[0], M.arrays.kind.pairs = [1.0, 0.0], [1e-200, 0.0], 1e-200, 1
    assert np.isfinite(M.direction(np.array([1e-200, 1e-100]))).all()


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "auto"])
def test_a_column_too_small_for_the_square_of_its_w(solver):
    """It counts as constant: to use it, w would have to be 1e158."""
    model, _ = fit(with_column(1e-158 * Z[:, 1]), solver=solver, backend="numpy")
    assert model.converged
    assert model.cost == pytest.approx(least_cost(columns=(0, 2)), rel=1e-10)


@each_method
def test_a_penalty_beyond_float64_in_standardised_coordinates(solver, kernel):
    share = Y.mean()
    model, _ = fit(Z * [1, 1e-139, 1], solver=solver, backend=kernel, l2=1e40)
    assert np.abs(model.w).max() < 1e-30
    assert model.cost == pytest.approx(-share * np.log(share) - (1 - share) * np.log(1 - share), rel=1e-12)


@each_method_and_gd
def test_a_callback_is_called_after_updates_alone(solver, kernel):
    """Also where the start can't be improved."""
    first = fastlr.train(Z, Y, solver="newton", l2=0.1, tol=0.0, backend="numpy")
    seen = []
    model = fastlr.train(Z, Y, solver=solver, l2=0.1, tol=0.0, backend=kernel, init=first, max_iter=20, callback=seen.append)
    assert [state.n_iter for state in seen] == list(range(1, model.n_iter + 1))

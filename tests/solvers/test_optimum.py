"""Every solver reaches the optimum, of problems of every kind, as others compute it."""

import functools
import itertools
import warnings

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import load_digits

import fastlr
from fastlr import ConvergenceWarning
from tests.problems import weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("samples_of_few_rows")]
SMALL, LARGE = (400, 6), (6000, 8)                  # "auto" takes samples of the large one
CASES = ["plain", "weights", "balanced", "offset", "no intercept", "no intercept, weights, offset", "sum", "sum, weights",
         "float32", "uint8", "Fortran", "Fortran, weights, balanced, offset, sum"]
FEW_CASES = ["plain", "no intercept, weights, offset", "sum, weights", "Fortran, weights, balanced, offset, sum"]

each_solver = pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
# Each two of a solver, a kernel and a size meet in one of these.
each_solver_kernel_and_size = pytest.mark.parametrize(("solver", "kernel", "size"), [
    ("auto", "numpy", SMALL), ("auto", "fused", LARGE), ("newton", "numpy", LARGE), ("newton", "fused", SMALL),
    ("lbfgs", "numpy", SMALL), ("lbfgs", "fused", LARGE)])
each_solver_and_kernel = pytest.mark.parametrize(("solver", "kernel"), [("auto", "numpy"), ("auto", "fused"), ("newton", "numpy"),
                                                                        ("lbfgs", "fused")])
each_solver_and_size = pytest.mark.parametrize(("solver", "size"), [("auto", SMALL), ("auto", LARGE), ("newton", SMALL),
                                                                    ("lbfgs", LARGE)])


@functools.lru_cache(maxsize=100)
def problem(m, n, seed=0, in_units=True):
    """X with its columns in units of all kinds, or with mean 0 and deviation 1, and labels drawn at a model's odds."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((m, n))
    scale, shift = (10.0 ** rng.uniform(-3, 3, n), rng.uniform(-5, 5, n)) if in_units else (1.0, 0.0)
    y = (rng.random(m) < expit(Z @ rng.standard_normal(n) / np.sqrt(n) - 0.5)).astype(float)
    return (Z + shift) * scale, y


def optimum(X, y, l2=0.0, sample_weight=None, offset=0.0, fit_intercept=True):
    """theta = [w, b] and J there, to rounding: Newton's method with halved steps."""
    X = np.asarray(X, float)
    s = np.ones(len(y)) if sample_weight is None else sample_weight
    s = s / s.sum()
    mu = s @ X if fit_intercept else np.zeros(X.shape[1])
    sd = np.sqrt(s @ (X - mu) ** 2)
    A = np.column_stack([(X - mu) / sd, np.full(len(y), float(fit_intercept))])
    penalty = np.append(l2 / sd ** 2, 1.0 - fit_intercept)

    def cost(u):
        z = A @ u + offset
        return s @ (np.logaddexp(0.0, z) - y * z) + penalty @ u ** 2 / 2

    u = np.zeros(A.shape[1])
    for _ in range(60):
        a = expit(A @ u + offset)
        grad = A.T @ (s * (a - y)) + penalty * u
        if np.abs(grad).max() < 1e-15:
            break
        step = np.linalg.solve((A * (s * a * (1 - a))[:, None]).T @ A + np.diag(penalty), grad)
        while np.abs(step).max() > 1e-6 and cost(u - step) > cost(u):
            step /= 2
        u -= step
    assert np.abs(grad).max() < 1e-14
    w = u[:-1] / sd
    return np.append(w, u[-1] - mu @ w), cost(u)


@functools.cache
def case_of(name, size, l2):
    """X, y and options for train, and the same problem for `optimum`."""
    (X, y), m = problem(*size), size[0]
    s, o = weights(m)
    options, plain = {"l2": l2}, {"l2": l2}
    for part in name.split(", "):
        if part == "weights":
            options["sample_weight"] = plain["sample_weight"] = s
        elif part == "balanced":
            each = plain.get("sample_weight", np.ones(m))
            options["class_weight"] = "balanced"
            plain["sample_weight"] = each * np.where(y, each.sum() / each[y == 1].sum(), each.sum() / each[y == 0].sum()) / 2
        elif part == "offset":
            options["offset"] = plain["offset"] = o
        elif part == "no intercept":
            options["fit_intercept"] = plain["fit_intercept"] = False
        elif part == "sum":
            options |= {"reduction": "sum", "l2": l2 * (s.sum() if "weights" in name else m)}
        elif part == "float32":
            X = X.astype(np.float32)
        elif part in ("uint8", "int8"):
            X = np.clip(3 * problem(*size, in_units=False)[0] + (9 if part == "uint8" else 1), 0 if part == "uint8" else -99, 99)
            X = X.astype(part)
        elif part == "Fortran":
            X = np.asfortranarray(X)
    return X, y, options, plain


@functools.cache
def reference(size, l2=0.0):
    return optimum(*problem(*size, in_units=False), l2)[0]


@functools.cache
def optimum_of(name, size, l2):
    X, y, _, plain = case_of(name, size, l2)
    return optimum(X, y, **plain)


def parameters(model):
    return np.append(model.w, model.b)


def close(actual, desired, rtol=1e-7):
    np.testing.assert_allclose(actual, desired, rtol=rtol)


# ---- the same as others -----------------------------------------------------------------------------------------------

def check_case(name, size, **options):
    """The optimum, at a cost that no update has raised."""
    for l2 in (0.0, 0.01):
        X, y, of_case, _ = case_of(name, size, l2)
        theta, J = optimum_of(name, size, l2)
        J *= len(y) if name == "sum" else weights(len(y))[0].sum() if "sum" in name else 1
        model = fastlr.train(X, y, tol=1e-11, **of_case, **options)
        assert model.converged
        if "no intercept" in name:
            assert model.b == 0.0
        close(parameters(model), theta)
        assert model.cost == pytest.approx(J, rel=1e-13)
        assert fastlr.train(X, y, **of_case, **options).cost == pytest.approx(J, rel=1e-11)     # at the default tol
        assert model.costs.size == model.n_iter > 0
        costs = np.append(model.costs, model.cost)
        assert (np.diff(costs) <= 4e-15 * costs[0]).all()       # up to rounding
        assert costs[-1] < costs[0]


@each_solver_and_kernel
@pytest.mark.parametrize("name", CASES)
def test_optimum(kernel, solver, name):
    for size in (SMALL, LARGE) if solver == "auto" else (SMALL,):
        check_case(name, size, backend=kernel, solver=solver)


@each_solver_and_size
@pytest.mark.parametrize("kernel", ["numpy", pytest.param("fused", marks=pytest.mark.long)])
def test_optimum_of_a_kind_that_is_compiled_on_demand(solver, kernel, size):
    check_case("int8, Fortran, no intercept", size, backend=kernel, solver=solver)


@each_solver
def test_optimum_by_every_backend(backend, solver):
    for name in FEW_CASES[:2]:
        check_case(name, (40, 3) if backend == "python" else SMALL, backend=backend, solver=solver)


@pytest.mark.parametrize("name", CASES)
def test_the_oracle_is_statsmodels(name):
    from statsmodels.genmod import families
    from statsmodels.genmod import generalized_linear_model as glm

    family = families.Binomial()
    X, y, _, plain = case_of(name, SMALL, 0.0)
    columns = np.column_stack([X, np.ones(len(y))])[:, :SMALL[1] + plain.get("fit_intercept", True)]
    peer = glm.GLM(y, columns.astype(float), family=family, freq_weights=plain.get("sample_weight"), offset=plain.get("offset"))
    theta = np.append(peer.fit(tol=1e-13, tol_criterion="params", maxiter=50).params, 0.0)[:SMALL[1] + 1]
    close(optimum_of(name, SMALL, 0.0)[0], theta)


@pytest.mark.parametrize("name", [name for name in CASES if "offset" not in name])
def test_the_oracle_is_scikit_learns(name):
    from sklearn.linear_model import LogisticRegression

    X, y, _, plain = case_of(name, SMALL, 0.01)
    s = plain.get("sample_weight", np.ones(len(y)))
    peer = LogisticRegression(C=100 / s.sum(), solver="newton-cholesky", tol=1e-13, max_iter=200,
                              fit_intercept=plain.get("fit_intercept", True))
    peer.fit(X.astype(float), y, sample_weight=s)
    theta = np.append(peer.coef_, peer.intercept_)
    close(optimum_of(name, SMALL, 0.01)[0], theta)


@each_solver_and_kernel
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_default_tol_is_within_reach(solver, kernel, fit_intercept):
    """Rounding leaves 1e-14 of a gradient here; a warning is an error."""
    for size, seeds in ((SMALL, range(3)), (LARGE, range(20, 22)), ((60_000, 4), range(3, 4))):
        for seed in seeds:
            X, y = problem(*size, seed=seed)
            assert fastlr.train(X, y, solver=solver, backend=kernel, fit_intercept=fit_intercept).converged


# ---- what must not matter ---------------------------------------------------------------------------------------------

@each_solver_kernel_and_size
def test_integer_weights_equal_repeated_rows(solver, kernel, size):
    X, y = problem(*size)
    times = np.random.default_rng(2).integers(0, 4, len(y))
    for l2 in (0.0, 0.01):
        options = {"l2": l2, "solver": solver, "backend": kernel, "tol": 1e-11}
        weighted = fastlr.train(X, y, sample_weight=times, **options)
        repeated = fastlr.train(np.repeat(X, times, axis=0), np.repeat(y, times), **options)
        close(parameters(weighted), parameters(repeated))
        assert weighted.cost == pytest.approx(repeated.cost, rel=1e-13)


@each_solver_kernel_and_size
def test_units_do_not_matter(solver, size, kernel):
    """The same steps, whatever the columns are measured in; with a penalty, wherever they have their zero."""
    X, y = problem(*size, in_units=False)
    n = size[1]
    alternating = np.where(np.arange(n) % 2, 1e6, 1e-6)
    cases = [(0.0, 1e6, 0.0), (0.0, 1e-6, 0.0), (0.0, alternating, 0.0), (0.0, 1.0, 1e4), (0.0, alternating, 1e4 * alternating),
             (0.01, 1.0, 1e4), (0.01, 1.0, -1e4 * (np.arange(n) == 2))]
    for l2, scale, shift in cases:
        plain = fastlr.train(X, y, l2=l2, solver=solver, backend=kernel)
        other = fastlr.train(X * scale + shift, y, l2=l2, solver=solver, backend=kernel)
        assert other.converged
        assert other.n_iter == plain.n_iter
        np.testing.assert_allclose(other.predict_proba(X * scale + shift), plain.predict_proba(X), rtol=0, atol=1e-11)


@each_solver_and_size
def test_labels_swapped_mirror(solver, size):
    X, y = problem(*size)
    close(parameters(fastlr.train(X, 1 - y, solver=solver, tol=1e-11)), -optimum_of("plain", size, 0.0)[0])


# ---- where it starts --------------------------------------------------------------------------------------------------

@each_solver_kernel_and_size
@pytest.mark.parametrize(("name", "l2"), [("plain", 0.0), ("no intercept", 0.0), ("sum, weights", 0.01)])
def test_warm_start(solver, kernel, size, name, l2):
    X, y, options, _ = case_of(name, size, l2)
    first = fastlr.train(X, y, solver=solver, backend=kernel, **options)
    again = fastlr.train(X, y, solver=solver, backend=kernel, init=first, **options)
    assert (again.n_iter, again.converged, again.costs.size) == (0, True, 0)
    close(parameters(again), parameters(first), rtol=1e-12)

    near = (first.w * 1.1, first.b * 0.9)
    with pytest.warns(ConvergenceWarning, match="max_iter=0"):
        start = fastlr.train(X, y, solver=solver, backend=kernel, init=near, max_iter=0, **options)
    assert (start.n_iter, start.converged, start.costs.size) == (0, False, 0)
    close(parameters(start), np.append(*near), rtol=1e-12)
    assert start.cost > first.cost
    there = fastlr.train(X, y, solver=solver, backend=kernel, init=near, tol=1e-11, **options)
    assert there.converged and there.n_iter > 0
    assert there.costs[0] == pytest.approx(start.cost, rel=1e-12)
    close(parameters(there), optimum_of(name, size, l2)[0])


@each_solver_kernel_and_size
def test_far_start(solver, size, kernel):
    X, y = problem(*size, in_units=False)
    w = np.random.default_rng(1).standard_normal(size[1])
    for far, l2 in ((1e2, 0.01), (1e4, 0.0)):
        for start in ((far * w, 0.0), (0.0 * w, far)):
            model = fastlr.train(X, y, init=start, l2=l2, solver=solver, backend=kernel, tol=1e-11)
            assert model.converged
            np.testing.assert_allclose(parameters(model), reference(size, l2), rtol=0, atol=1e-7)


@each_solver_kernel_and_size
def test_constant_offset_moves_b(solver, size, kernel):
    X, y = problem(*size, in_units=False)
    for constant in (-50.0, 700.0):
        model = fastlr.train(X, y, offset=np.full(len(y), constant), solver=solver, backend=kernel, tol=1e-11)
        assert model.converged
        moved = parameters(model) + np.append(np.zeros(size[1]), constant)
        np.testing.assert_allclose(moved, reference(size), rtol=0, atol=1e-7)


@each_solver_kernel_and_size
def test_offsets_of_fifty(solver, kernel, size):
    """Without regard to the labels, so that most lose by far; and with labels drawn at their odds."""
    X, y = problem(*size, in_units=False)
    rng = np.random.default_rng(3)
    of_signs, of_size = np.where(rng.random(len(y)) < 0.5, 50.0, -50.0), 50 * rng.standard_normal(len(y))
    drawn = (rng.random(len(y)) < expit(X[:, 0] + of_size)).astype(float)
    for l2, labels, offset in ((0.0, y, of_signs), (0.01, y, of_signs), (0.0, drawn, of_size), (0.01, drawn, of_size)):
        theta, J = optimum(X, labels, l2, offset=offset)
        model = fastlr.train(X, labels, offset=offset, l2=l2, solver=solver, backend=kernel, tol=1e-11)
        assert model.converged
        assert model.cost == pytest.approx(J, rel=1e-12)
        np.testing.assert_allclose(parameters(model), theta, rtol=0, atol=1e-7 * np.abs(theta).max())


# ---- what the model says about itself ---------------------------------------------------------------------------------

def measure(model, X, y, reduction="mean", l2=0.0, sample_weight=None, offset=0.0, fit_intercept=True):
    """What tol bounds, by its definition."""
    X = X.astype(float)
    s = np.ones(len(y)) if sample_weight is None else sample_weight
    total = s.sum()
    dz = s * (expit(X @ model.w + model.b + offset) - y) / total
    dw, db = X.T @ dz + model.w * (l2 / total if reduction == "sum" else l2), dz.sum()
    if not fit_intercept:
        return np.abs(dw / np.sqrt(s @ X ** 2 / total)).max()
    mu = s @ X / total
    sd = np.sqrt(s @ (X - mu) ** 2 / total)
    return max(abs(db), np.abs((dw - mu * db) / sd).max())


@each_solver_kernel_and_size
@pytest.mark.parametrize(("name", "l2"), list(zip(FEW_CASES, [0.0, 0.01, 0.0, 0.01], strict=True)))
def test_certificate(solver, kernel, size, name, l2):
    X, y, options, plain = case_of(name, size, l2)
    objective = {"reduction": options.get("reduction", "mean"), "sample_weight": plain.get("sample_weight"),
                 "offset": plain.get("offset", np.zeros(len(y))), "l2": options["l2"]}
    for tol in (1e-2, 1e-4, 1e-8):
        model = fastlr.train(X, y, solver=solver, backend=kernel, tol=tol, **options)
        assert model.converged
        assert f"tol={tol:g}" in model.stop_reason
        assert model.grad_norm <= tol
        by_definition = measure(model, X, y, **objective, fit_intercept=options.get("fit_intercept", True))
        assert model.grad_norm == pytest.approx(by_definition, rel=1e-6, abs=1e-14)
        assert model.cost == pytest.approx(fastlr.cost_and_gradient(X, y, model.w, model.b, **objective)[0], rel=1e-13)


@pytest.mark.parametrize(("solver", "kernel", "size"), [("auto", "numpy", SMALL), ("auto", "fused", LARGE),
                                                        ("newton", "numpy", LARGE), ("newton", "fused", SMALL)])
@pytest.mark.parametrize(("name", "l2"), list(zip(FEW_CASES, [0.01, 0.0, 0.01, 0.0], strict=True)))
def test_gap_is_what_is_left(solver, kernel, size, name, l2):
    X, y, options, _ = case_of(name, size, l2)
    early, late = (fastlr.train(X, y, solver=solver, backend=kernel, tol=tol, **options) for tol in (1e-3, 1e-11))
    left = early.cost - late.cost
    assert left > 1e-12 * late.cost
    assert left / 3 <= early.gap <= 3 * left


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
def test_a_loose_tol_takes_no_more_updates(solver):
    """J has to be proved near its minimum for any tol, and a plan for a gradient at which that can't be leads a longer way."""
    X, y = load_digits(return_X_y=True)
    loose, tight = (fastlr.train(X, y % 2, solver=solver, backend="numpy", tol=tol, l2=1 / len(y)) for tol in (0.1, 1e-4))
    assert loose.converged and loose.gap_kind == "bound" and loose.gap <= 0.1 * loose.cost
    assert loose.n_iter <= tight.n_iter


@each_solver_kernel_and_size
def test_callback_sees_every_update_and_changes_no_optimum(kernel, solver, size):
    X, y = problem(*size)
    seen = []
    model = fastlr.train(X, y, solver=solver, backend=kernel)
    watched = fastlr.train(X, y, solver=solver, backend=kernel, callback=seen.append)
    if solver == "auto" and size == LARGE:       # without a callback it has started from samples
        np.testing.assert_allclose([*watched.w, watched.b], [*model.w, model.b], rtol=1e-6)
    else:
        assert (watched.w == model.w).all() and watched.b == model.b and watched.costs.tolist() == model.costs.tolist()
    assert [state.n_iter for state in seen] == list(range(1, watched.n_iter + 1))
    assert [state.cost for state in seen] == watched.costs.tolist()
    assert (seen[-1].w == watched.w).all() and seen[-1].b == watched.b
    assert 0.0 <= seen[0].elapsed <= seen[-1].elapsed
    for state, later in itertools.pairwise(seen):      # each is where the next update begins
        assert fastlr.cost_and_gradient(X, y, state.w, state.b, backend=kernel)[0] == pytest.approx(later.cost, rel=1e-12)


@each_solver_kernel_and_size
def test_callback_stops(solver, kernel, size):
    X, y = problem(*size)
    model = fastlr.train(X, y, solver=solver, backend=kernel, tol=1e-12, callback=lambda state: state.n_iter == 2)
    assert (model.n_iter, model.converged, model.stop_reason) == (2, False, "the callback asked to stop")
    assert model.grad_norm > 1e-12


@each_solver_and_size
def test_callback_may_change_what_it_is_given_and_its_errors_come_through(solver, size):
    X, y = problem(*size)

    def vandal(state):
        state.w[:] = np.nan

    close(parameters(fastlr.train(X, y, solver=solver, tol=1e-11, callback=vandal)), optimum_of("plain", size, 0.0)[0])
    with pytest.raises(KeyError, match="mine"):
        fastlr.train(X, y, solver=solver, callback=lambda state: {}["mine"])


@each_solver_and_kernel
@pytest.mark.parametrize(("size", "l2"), [(SMALL, 0.0), (SMALL, 0.01), (LARGE, 0.0)])
def test_without_tol(kernel, solver, size, l2):
    """As many updates as asked for, or as many as lower J; no warning either way."""
    X, y = problem(*size)
    for max_iter in (0, 1, 3, 200):
        model = fastlr.train(X, y, solver=solver, backend=kernel, l2=l2, tol=0.0, max_iter=max_iter)
        assert not model.converged
        assert model.costs.size == model.n_iter <= max_iter
        assert model.n_iter == max_iter or max_iter == 200
        reason = f"max_iter={max_iter}" if model.n_iter == max_iter else "no step lowers J"
        assert reason in model.stop_reason
    close(parameters(model), optimum(X, y, l2)[0], rtol=1e-11)


@each_solver_kernel_and_size
def test_max_iter_without_convergence_warns_with_figures(solver, kernel, size):
    X, y = problem(*size)
    with pytest.warns(ConvergenceWarning, match=r"after 2 updates the gradient is \S+, above tol=1e-12, at J = 0.*max_iter=2 "
                                                "updates were made.*raise max_iter") as warned:
        model = fastlr.train(X, y, solver=solver, backend=kernel, max_iter=2, tol=1e-12)
    assert [warning.category for warning in warned] == [ConvergenceWarning]
    assert (model.n_iter, model.converged) == (2, False)
    assert model.grad_norm > 1e-12
    assert "max_iter=2" in model.stop_reason


# ---- difficult data ---------------------------------------------------------------------------------------------------

@each_solver_kernel_and_size
def test_collinear_columns(solver, kernel, size):
    """All levels of two factors, columns twice, a constant one: the margins are those of the columns that matter."""
    m = size[0]
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 3, m), rng.integers(0, 4, m)
    z = np.round(2.0 ** 20 * rng.standard_normal(m)) / 2.0 ** 20        # so that 1e3 - z is exact
    y = (rng.random(m) < expit(0.5 * a - 0.3 * b + z)).astype(float)
    A, B = np.eye(3)[a], np.eye(4)[b]
    redundant = np.column_stack([A, B, z, A[:, 1], 2.0 * z, 1e3 - z, np.full(m, 7.0)])
    full_rank = np.column_stack([A[:, 1:], B[:, 1:], z])
    theta, J = optimum(full_rank, y)
    model = fastlr.train(redundant, y, solver=solver, backend=kernel, tol=1e-10)
    assert model.converged
    assert model.cost == pytest.approx(J, rel=1e-13)
    np.testing.assert_allclose(model.predict_proba(redundant)[:, 1], expit(full_rank @ theta[:-1] + theta[-1]), rtol=0, atol=1e-7)
    assert np.abs(model.w).max() < 100


@each_solver_kernel_and_size
@pytest.mark.parametrize("noise", [10.0, 1.0, 1e-3])
def test_nearly_constant_column(solver, kernel, size, noise):
    """1e6 give or take `noise`: of 16 digits, margins lose as many as 1e6 / noise has, and a few updates find that out."""
    scale, shift = np.where(np.arange(size[1]) == 0, noise, 1.0), np.where(np.arange(size[1]) == 0, 1e6, 0.0)
    for seed in range(2):
        X, y = problem(*size, seed=seed, in_units=False)
        X = X * scale + shift
        theta, J = optimum(X - shift, y)                        # a difference without rounding
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if noise < 1.0 else "error", ConvergenceWarning)
            model = fastlr.train(X, y, solver=solver, backend=kernel, max_iter=100)
        assert model.n_iter < 100
        assert abs(model.cost - J) <= 1e-16 * 1e6 / noise
        np.testing.assert_allclose(model.w * scale, theta[:-1] * scale, rtol=0, atol=1e-5)


@each_solver
def test_two_rows(solver):
    X, y = np.array([[0.0], [3.0]]), np.array([0.0, 1.0])
    model = fastlr.train(X, y, l2=0.1, solver=solver, tol=1e-11)
    assert model.converged
    close(parameters(model), optimum(X, y, 0.1)[0])


@each_solver_and_size
def test_one_feature(solver, size):
    X, y = problem(size[0], 1)
    for l2 in (0.0, 0.01):
        model = fastlr.train(X, y, l2=l2, solver=solver, tol=1e-11)
        assert model.converged
        close(parameters(model), optimum(X, y, l2)[0])


@each_solver_kernel_and_size
def test_one_row_of_its_class(solver, kernel, size):
    X, _ = problem(*size)
    y = np.zeros(len(X))
    y[len(X) // 3] = 1.0
    model = fastlr.train(X, y, l2=1e-3, solver=solver, backend=kernel, tol=1e-12)
    assert model.converged
    close(parameters(model), optimum(X, y, 1e-3)[0])


@functools.cache
def wide(l2, fit_intercept):
    """scikit-learn's optimum of a problem with more features than rows."""
    from sklearn.linear_model import LogisticRegression

    X, y = problem(50, 200, in_units=False)
    peer = LogisticRegression(C=1 / (50 * l2), solver="newton-cholesky", tol=1e-13, fit_intercept=fit_intercept).fit(X, y)
    theta = np.append(peer.coef_, peer.intercept_)
    close(optimum(X, y, l2, fit_intercept=fit_intercept)[0], theta)
    return theta


@pytest.mark.parametrize(("solver", "kernel"), [("auto", "python"), ("auto", "fused"), ("newton", "numpy"),
                                                ("lbfgs", "parallel")])
def test_more_features_than_rows(kernel, solver):
    X, y = problem(50, 200, in_units=False)
    for l2, fit_intercept in ((1.0, True), (0.01, True), (0.01, False)):
        model = fastlr.train(X, y, l2=l2, fit_intercept=fit_intercept, backend=kernel, solver=solver, tol=1e-12)
        assert model.converged
        close(parameters(model), wide(l2, fit_intercept), rtol=1e-6)


@each_solver_and_kernel
def test_rare_class(solver, kernel):
    """Twenty of twenty thousand; the first sample may have none."""
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((20_000, 3)), np.zeros(20_000)
    y[rng.choice(20_000, 20, replace=False)] = 1.0
    X[y > 0] += [1.0, 0.5, 0.0]
    for l2 in (0.0, 1e-4):
        model = fastlr.train(X, y, l2=l2, solver=solver, backend=kernel, tol=1e-12)
        assert model.converged
        close(parameters(model), optimum(X, y, l2)[0])


@each_solver_kernel_and_size
def test_weights_of_all_sizes(solver, size, kernel):
    X, y = problem(*size)
    s = 10.0 ** np.random.default_rng(6).uniform(-6, 6, len(y))
    for l2 in (0.0, 0.01):
        theta, J = optimum(X, y, l2, sample_weight=s)
        model = fastlr.train(X, y, sample_weight=s, l2=l2, solver=solver, backend=kernel, tol=1e-11)
        assert model.converged
        assert model.cost == pytest.approx(J, rel=1e-13)
        close(parameters(model), theta)


@each_solver_and_kernel
def test_heavy_tails(solver, kernel):
    """Features of which a few rows are most, and nothing to find in them."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        X = np.exp(3.0 * rng.standard_normal((1000, 2)))
        y = (rng.random(1000) < 0.5).astype(float)
        model = fastlr.train(X, y, solver=solver, backend=kernel)
        assert model.converged
        assert model.cost == pytest.approx(optimum(X, y)[1], rel=1e-12)

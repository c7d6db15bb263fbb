"""L1 and the elastic net of K classes, of streams and of Dask: KKT conditions, other solvers' optima, and gaps that hold."""

import numpy as np
import pytest
import scipy.sparse
from scipy.special import softmax

import fastlr
from fastlr.data import door
from fastlr.problem.problem import Problem
from fastlr.solvers import proximal_newton


def of_classes(m, n, K, seed=0):
    """Rows whose label depends on the first K columns."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return X, np.append((X[:-K, :K] + rng.gumbel(size=(m - K, K))).argmax(axis=1), np.arange(K))


def violation(model, X, y, l1, l2=0.0, factors=1.0, s=None, offset=0.0):
    """How far w and b are from the KKT conditions, by the formulas of the lecture."""
    X = X.toarray() if scipy.sparse.issparse(X) else X
    s, K = np.ones(len(y)) if s is None else s, len(model.classes)
    dz = s[:, None] * (softmax(X @ model.w.T + model.b + offset, axis=1) - np.eye(K)[y]) / s.sum()
    f = np.broadcast_to(factors, X.shape[1])
    kept = np.isfinite(f)
    assert not model.w[:, ~kept].any()
    w, g = model.w[:, kept], dz.T @ X[:, kept] + l2 * f[kept] * model.w[:, kept]
    off = np.where(w != 0.0, np.abs(g + l1 * f[kept] * np.sign(w)), np.maximum(np.abs(g) - l1 * f[kept], 0.0))
    return max(off.max(), np.abs(dz.sum(axis=0)).max())


@pytest.mark.parametrize(("m", "n", "K"), [(20, 20, 3), (200, 10, 4), (60, 200, 3)])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_the_conditions_of_kuhn_and_tucker(m, n, K, l2):
    X, y = of_classes(m, n, K)
    for l1 in (0.1, 0.01, 0.001):
        model = fastlr.train(X, y, l1=l1, l2=l2, tol=1e-10, backend="numpy")
        assert model.converged and model.gap_kind == "bound" and model.gap <= 1e-10 * model.cost
        assert violation(model, X, y, l1, l2) <= 1e-9
        assert 0 < np.count_nonzero(model.w) < model.w.size
        np.testing.assert_allclose(model.b.sum(), 0.0, atol=1e-8)


@pytest.mark.parametrize("l1_ratio", [pytest.param(1.0, marks=pytest.mark.long), 0.5])
def test_scikit_learns_optimum_with_20_rows_20_columns_and_3_classes(l1_ratio):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = of_classes(20, 20, 3)
    model = fastlr.train(X, y, l1=0.02 * l1_ratio, l2=0.02 * (1.0 - l1_ratio), backend="numpy", tol=1e-11)
    other = linear_model.LogisticRegression(C=1.0 / (20 * 0.02), l1_ratio=l1_ratio, solver="saga", tol=1e-10,
                                            max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(model.w, other.coef_, atol=1e-7)
    np.testing.assert_array_equal(model.w == 0.0, other.coef_ == 0.0)


@pytest.mark.parametrize("K", [2, 3])
@pytest.mark.parametrize("as_given", [np.asarray, scipy.sparse.csr_matrix])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_second_derivatives_by_the_parameters_that_are_held(K, as_given, fit_intercept, monkeypatch):
    monkeypatch.setattr(fastlr.problem.problem, "MOST_WHOLE", 0)
    X, y = of_classes(14_000, 6, K)             # more than a block of rows
    rng = np.random.default_rng(0)
    data = door.data(as_given(X + 1.0), y, rng.integers(0, 3, 14_000), None, None)
    with np.errstate(all="ignore"):
        problem = Problem.of_theta(data, 0.0, "sum", fit_intercept, l1=1.0).standardised()
    u = rng.standard_normal(problem.size)
    is_held = rng.random(problem.size) < 0.5
    problem.coordinates.rows(is_held)[:, -1] = True
    np.testing.assert_allclose(problem.hessian_of(u, is_held), problem.loss_hessian(u)[np.ix_(is_held, is_held)], atol=1e-10)


def test_few_of_the_parameters_that_a_column_has_are_held(monkeypatch):
    """Each class has columns of its own, and a column is held for the classes that want it."""
    X, y = of_classes(200, 120, 6)
    shares, hessian_of = [], Problem.hessian_of

    def noted(problem, u, is_held):
        shares.append(is_held.mean())
        return hessian_of(problem, u, is_held)

    monkeypatch.setattr(Problem, "hessian_of", noted)
    model = fastlr.train(X, y, l1=0.01, backend="numpy", tol=1e-10)
    assert model.converged and violation(model, X, y, 0.01) <= 1e-9 and max(shares) < 0.5


def test_an_even_number_of_classes_leaves_no_w_open():
    """All numbers between the two middle w of a column may be taken from it, with no change of J."""
    X, y = of_classes(120, 8, 4)
    starts = None, (np.random.default_rng(1).standard_normal((4, 8)), np.zeros(4))
    model, other = (fastlr.train(X, y, l1=0.003, init=init, tol=1e-10, backend="numpy") for init in starts)
    np.testing.assert_allclose(other.w, model.w, atol=1e-7)
    np.testing.assert_array_equal(np.sort(model.w, axis=0)[1], 0.0)
    assert violation(model, X, y, 0.003) <= 1e-9


def hard(number):
    """A problem of K classes by its number: with weights, offset and factors, with copies and constants, dense or sparse."""
    rng = np.random.default_rng(number)
    K, m, n = int(rng.integers(3, 6)), int(rng.integers(10, 60)), int(rng.integers(1, 60))
    X, y = of_classes(m, n + K, K, number)
    X[:, K:] *= np.exp(rng.standard_normal(n) * rng.choice([0.0, 2.0]))
    if n > 4 and rng.random() < 0.5:
        X[:, 1], X[:, 2], X[:, 3] = X[:, 0], 3.0, X[:, 0] - X[:, 4]
    if rng.random() < 0.3:
        y = np.append(X[:-K, :K].argmax(axis=1), np.arange(K))          # separated
    options = {}
    if rng.random() < 0.5:
        options["sample_weight"] = rng.uniform(0.1, 2.0, m)
    if rng.random() < 0.3:
        options["offset"] = rng.standard_normal((m, K))
    if rng.random() < 0.5:
        options["penalty_factors"] = rng.choice([0.3, 1.0, 2.0, np.inf], n + K)
        if m > 40 and n > 5:
            options["penalty_factors"][-1] = 0.0
    if rng.random() < 0.3:
        X[rng.random(X.shape) < 0.6] = 0.0
    l1 = 10.0 ** -rng.uniform(0.5, 3.0)
    options |= {"l1": l1, "l2": l1 * rng.choice([0.0, 0.01, 1.0])}
    return scipy.sparse.csr_matrix(X) if rng.random() < 0.3 else X, y, options


def assert_gaps_hold(number):
    """Every gap on the way to the minimum is at least J - J* there, with J* that of a long run."""
    X, y, options = hard(number)
    best = fastlr.train(X, y, tol=1e-8, backend="numpy", **options)
    assert best.converged, (number, best.stop_reason, best.gap)
    assert violation(best, X, y, options["l1"], options["l2"], options.get("penalty_factors", 1.0), options.get("sample_weight"),
                     options.get("offset", 0.0)) <= 1e-7 * np.abs(X).max()
    for tol in (1e-1, 1e-4):
        model = fastlr.train(X, y, tol=tol, backend="numpy", **options)
        assert model.converged and model.gap_kind == "bound" and model.gap <= tol * model.cost
        assert model.cost - best.cost <= model.gap + 1e-14 * model.cost, (number, tol)
        assert best.cost - model.cost <= best.gap + 1e-14 * model.cost, (number, tol)


@pytest.mark.slow
def test_the_gap_is_never_below_the_truth():
    for number in (0, 2, 5, 6, 1157):
        assert_gaps_hold(number)


def test_the_gap_knows_that_l1_holds_what_all_classes_have_in_common():
    X, y = of_classes(100, 4, 3)
    best = fastlr.train(X, y, l1=1e-6, backend="numpy", tol=1e-7)
    with pytest.warns(fastlr.ConvergenceWarning):
        moved = fastlr.train(X, y, l1=1e-6, backend="numpy", init=(best.w + 5.0, best.b), max_iter=0)
    assert moved.gap >= moved.cost - best.cost > 1e-6


@pytest.mark.parametrize(("of_w", "of_b"), [(0.1, 0.0), (0.0, 0.1)])
def test_the_gap_where_a_strong_l2_makes_j_nearly_quadratic(of_w, of_b):
    X, y = of_classes(100, 4, 3)
    options = {"l1": 1e-3, "l2": 30.0, "backend": "numpy"}
    best = fastlr.train(X, y, **options)
    with pytest.warns(fastlr.ConvergenceWarning):
        moved = fastlr.train(X, y, init=(best.w + of_w, best.b + of_b * np.eye(3)[0]), max_iter=0, **options)
    assert moved.cost - best.cost <= moved.gap <= 1.5 * (moved.cost - best.cost)


@pytest.mark.long
def test_the_gap_is_never_below_the_truth_in_200_problems():
    for number in range(1000, 1200):
        assert_gaps_hold(number)


@pytest.mark.parametrize("K", [2, 3])
def test_streams_have_the_model_of_memory(tmp_path, K):
    X, y = of_classes(120, 300, K)
    X += 3.0
    np.save(tmp_path / "X.npy", X)
    factors = np.where(np.arange(300) == 7, 0.0, 1.0)
    factors[5] = np.inf
    options = {"l1": 0.02, "l2": 0.001, "penalty_factors": factors, "tol": 1e-11, "backend": "numpy"}
    model = fastlr.train(fastlr.stream(str(tmp_path / "X.npy")), y, **options)
    other = fastlr.train(X, y, **options)
    assert model.converged and model.gap_kind == "bound" and np.count_nonzero(model.w) < 150
    np.testing.assert_allclose(model.w, other.w, atol=1e-9)
    np.testing.assert_allclose(model.b, other.b, atol=1e-9)
    np.testing.assert_array_equal(model.w == 0.0, other.w == 0.0)


def test_the_gap_of_a_stream_is_that_of_memory(tmp_path):
    X, y = of_classes(120, 4, 3)
    np.save(tmp_path / "X.npy", X)
    options = {"l1": 0.01, "penalty_factors": [0.0, 1.0, 1.0, 1.0], "tol": 1e-2, "backend": "numpy"}
    of_stream, of_memory = (fastlr.train(A, y, **options) for A in (fastlr.stream(str(tmp_path / "X.npy")), X))
    np.testing.assert_allclose(of_stream.gap, of_memory.gap, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("K", [2, 3])
def test_dask_has_the_model_of_memory(K):
    array = pytest.importorskip("dask.array")
    X, y = of_classes(90, 8, K)
    factors = [0.0] + 7 * [1.0]
    of_memory, of_parts = (fastlr.train(A, y, l1=0.02, penalty_factors=factors, tol=1e-11, backend="numpy")
                           for A in (X, array.from_array(X, chunks=(40, 8))))
    assert of_parts.converged and 0 < np.count_nonzero(of_parts.w) < of_parts.w.size
    np.testing.assert_allclose(of_parts.w, of_memory.w, atol=1e-9)


def test_a_column_without_a_penalty_may_separate_the_classes():
    X, _ = of_classes(60, 4, 3)
    y = np.digitize(X[:, 0], [-0.4, 0.4])
    with pytest.warns(fastlr.SeparationWarning, match="the columns without a penalty"):
        model = fastlr.train(X, y, l1=0.01, penalty_factors=[0.0, 1.0, 1.0, 1.0], backend="numpy")
    assert not model.converged and model.n_iter < 60


def test_classes_have_nothing_in_common_in_columns_without_a_penalty():
    X, y = of_classes(60, 4, 3)
    for l1 in (0.1, 0.01):
        model = fastlr.train(X + 2.0, y, l1=l1, penalty_factors=[0.0, 1.0, 0.0, 1.0], backend="numpy")
        assert np.abs(model.w[:, [0, 2]].sum(axis=0)).max() <= 1e-13


def test_more_parameters_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(proximal_newton, "MOST_SIDE", 100)
    X, y = of_classes(60, 200, 3)
    with pytest.raises(NotImplementedError, match=r"l1=1e-05 keeps \d+ parameters w, .* of 100 at most.  Raise l1"):
        fastlr.train(X, y, l1=1e-5, backend="numpy")


def test_start_callback_and_early_end():
    X, y = of_classes(60, 30, 3)
    seen = []
    model = fastlr.train(X, y, l1=0.01, backend="numpy", callback=lambda state: seen.append(state.w))
    assert len(seen) == model.n_iter
    np.testing.assert_array_equal(seen[-1], model.w)
    again = fastlr.train(X, y, l1=0.01, backend="numpy", init=model)
    assert again.converged and again.n_iter == 0
    np.testing.assert_array_equal(again.w == 0.0, model.w == 0.0)
    np.testing.assert_allclose(again.w, model.w, atol=1e-14)
    with pytest.warns(fastlr.ConvergenceWarning, match="max_iter=2 updates were made"):
        early = fastlr.train(X, y, l1=0.01, backend="numpy", max_iter=2)
    assert not early.converged and early.gap >= early.cost - model.cost


def test_a_summary_names_the_columns_that_were_chosen(tmp_path):
    X, y = of_classes(200, 6, 3)
    model = fastlr.train(X, y, l1=0.05, backend="numpy")
    summary = model.summary()
    chosen = [f"x{j}" for j in np.flatnonzero(model.w.any(axis=0))]
    assert 0 < len(chosen) < 6 and f"chosen {len(chosen)} of 6 columns: {', '.join(chosen)}." in summary.notes[0]
    model.save(tmp_path / "model.json")
    assert fastlr.load(tmp_path / "model.json").summary().notes == summary.notes

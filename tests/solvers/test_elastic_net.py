"""L1 and the elastic net: exact zeros, KKT conditions, other solvers' optima, and a gap that is never below the truth."""

import math

import numpy as np
import pytest
import scipy.sparse
from scipy.special import expit

import fastlr
from fastlr.machine.limits import BYTES_A_CALL, PRODUCTS_A_CALL
from fastlr.problem import by_columns, cost_model
from fastlr.problem.by_columns import ByColumns
from fastlr.problem.cost_model import CostModel
from fastlr.problem.penalty_bounds import with_l1
from fastlr.solvers import elastic_net, proximal_step
from fastlr.solvers.proximal_step import minimize_quadratic


def sample(m, n):
    """Rows whose label depends on the first column alone."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((m, n))
    return X, (1.5 * X[:, 0] + rng.logistic(size=m) > 0).astype(int)


def wide(m=60, n=150, seed=0):
    """Few rows, many columns of all scales, some of which are near copies of others."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n)) + rng.standard_normal((m, 1))
    X[:, n // 2:n // 2 + 5] = X[:, :5] + 1e-3 * rng.standard_normal((m, 5))
    y = (X[:, :4].sum(axis=1) + 2.0 * rng.logistic(size=m) > 0).astype(int)
    return X * np.exp(2.0 * rng.standard_normal(n)), y


def least(X, y, factors=1.0, s=None):
    """The least l1 that leaves w = 0."""
    s = np.ones(len(y)) if s is None else s
    return np.max(np.abs(X.T @ (s * (y - np.average(y, weights=s)))) / (s.sum() * factors))


def violations(model, X, y, l1, l2=0.0, factors=None, s=None, offset=0.0, fit_intercept=True):
    """How far w and b are from the KKT conditions, in units of the columns' root mean squares; by the formulas of the lecture."""
    m, n = X.shape
    f, s = np.ones(n) if factors is None else factors, np.ones(m) if s is None else s
    X = X.toarray() if scipy.sparse.issparse(X) else np.asarray(X, float)
    dz = s * (expit(X @ model.w + model.b + offset) - y) / s.sum()
    kept = np.isfinite(f)
    assert (model.w[~kept] == 0.0).all()
    X, w, f = X[:, kept], model.w[kept], f[kept]
    g = X.T @ dz + l2 * f * w
    off = np.where(w != 0.0, np.abs(g + l1 * f * np.sign(w)), np.maximum(np.abs(g) - l1 * f, 0.0))
    return max(np.max(off / np.maximum(np.sqrt(np.mean(X ** 2, axis=0)), 1e-300)), abs(dz.sum()) * fit_intercept)


def assert_is_optimum(model, X, y, l1, **given):
    assert model.converged and model.gap_kind == "bound" and model.solver == "elastic_net"
    assert model.gap <= 1e-9 * model.cost + 1e-15
    assert violations(model, X, y, l1, **given) <= 1e-9


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("l2_ratio", [0.0, 1.0])
def test_the_conditions_of_kuhn_and_tucker(share, l2_ratio):
    X, y = wide()
    l1 = share * least(X, y)
    model = fastlr.train(X, y, l1=l1, l2=l2_ratio * l1, backend="numpy", tol=1e-10)
    assert_is_optimum(model, X, y, l1, l2=l2_ratio * l1)
    assert 0 < np.count_nonzero(model.w) < 150


def test_the_largest_penalty_leaves_nothing():
    X, y = wide()
    top = least(X, y)
    model = fastlr.train(X, y, l1=top * (1.0 + 1e-9), backend="numpy")
    assert model.converged and not model.w.any() and model.b == pytest.approx(math.log(y.mean() / (1.0 - y.mean())))
    assert np.count_nonzero(fastlr.train(X, y, l1=top * (1.0 - 1e-6), backend="numpy").w) == 1


@pytest.mark.parametrize("as_given", [np.asfortranarray, lambda X: X.astype(np.float32), scipy.sparse.csr_matrix,
                                      lambda X: scipy.sparse.csc_matrix(X.astype(np.float32))], ids=["F", "f32", "csr", "csc32"])
def test_layouts_and_dtypes(as_given):
    X, y = wide()
    X[np.abs(X) < 0.3 * np.abs(X).max(axis=0)] = 0.0
    given = as_given(X)
    clean = np.asarray(given.toarray() if scipy.sparse.issparse(given) else given, float)
    l1 = 0.02 * least(clean, y)
    model, same = (fastlr.train(A, y, l1=l1, backend="numpy", tol=1e-11) for A in (given, clean))
    assert_is_optimum(model, clean, y, l1)
    np.testing.assert_allclose(model.w, same.w, rtol=1e-7, atol=1e-9 * np.abs(same.w).max())


def test_bytes():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (80, 200)).astype(np.uint8)
    y = (X[:, :3].sum(axis=1) > 380).astype(int)
    l1 = 0.1 * least(X.astype(float), y)
    model = fastlr.train(X, y, l1=l1, backend="numpy", tol=1e-11)
    assert_is_optimum(model, X, y, l1)


def test_weights_offset_factors_and_no_intercept():
    X, y = wide(80, 100, seed=1)
    rng = np.random.default_rng(1)
    s, offset, factors = rng.integers(0, 4, 80).astype(float), rng.standard_normal(80), rng.uniform(0.5, 2.0, 100)
    factors[[3, 7]], factors[[0, 50]] = 0.0, np.inf
    l1 = 0.05 * least(X, y, s=s)
    for fit_intercept in (True, False):
        model = fastlr.train(X, y, l1=l1, l2=0.01 * l1, penalty_factors=factors, sample_weight=s, offset=offset, tol=1e-10,
                             fit_intercept=fit_intercept, backend="numpy")
        assert_is_optimum(model, X, y, l1, l2=0.01 * l1, factors=factors, s=s, offset=offset, fit_intercept=fit_intercept)
        assert model.w[[3, 7]].all() and (fit_intercept or model.b == 0.0)


def test_sums_and_means_are_the_same_model():
    X, y = wide()
    l1 = 0.05 * least(X, y)
    mean = fastlr.train(X, y, l1=l1, backend="numpy", tol=1e-11)
    total = fastlr.train(X, y, l1=60 * l1, reduction="sum", backend="numpy", tol=1e-11)
    np.testing.assert_allclose(total.w, mean.w, rtol=1e-8, atol=1e-12)
    assert total.cost == pytest.approx(60 * mean.cost)


def test_class_weights_and_counts():
    X, y = sample(200, 5)
    weighted = fastlr.train(X, y, l1=0.02, class_weight={0: 1.0, 1: 3.0}, backend="numpy", tol=1e-11)
    same = fastlr.train(X, y, l1=0.02, sample_weight=np.where(y == np.max(y), 3.0, 1.0), backend="numpy", tol=1e-11)
    np.testing.assert_array_equal(weighted.w, same.w)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_scikit_learns_optimum(l1_ratio):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = sample(60, 6)                                        # of one unit, since saga knows none
    strength = 0.05 * least(X, y)
    model = fastlr.train(X, y, l1=l1_ratio * strength, l2=(1.0 - l1_ratio) * strength, backend="numpy")
    other = linear_model.LogisticRegression(C=1.0 / (60 * strength), l1_ratio=l1_ratio, solver="saga", tol=1e-12,
                                            max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(model.w, other.coef_[0], atol=1e-7)
    assert model.b == pytest.approx(other.intercept_[0], abs=1e-7)


def test_liblinears_optimum_without_intercept():
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = sample(80, 20)
    l1 = 0.02 * least(X, y)
    model = fastlr.train(X, y, l1=l1, backend="numpy", fit_intercept=False)
    other = linear_model.LogisticRegression(C=1.0 / (80 * l1), l1_ratio=1.0, solver="liblinear", tol=1e-12, max_iter=100_000,
                                            fit_intercept=False).fit(X, y)
    np.testing.assert_allclose(model.w, other.coef_[0], atol=1e-7)


def test_the_units_of_columns_make_no_difference():
    X, y = wide()
    units = np.exp(5.0 * np.random.default_rng(0).standard_normal(150))
    model = fastlr.train(X, y, l1=0.1, penalty_factors=np.std(X, axis=0), backend="numpy")
    other = fastlr.train(X * units, y, l1=0.1, penalty_factors=np.std(X * units, axis=0), backend="numpy")
    np.testing.assert_allclose(other.w * units, model.w, rtol=1e-6, atol=1e-9 * np.abs(model.w).max())
    assert other.n_iter == model.n_iter


# ---- the gap --------------------------------------------------------------------------------------------------------

def hard(number):
    """A problem of all kinds by its number: dense or sparse, with weights, offset and factors, with copies and constants."""
    rng = np.random.default_rng(number)
    m, n = int(rng.integers(8, 60)), int(rng.integers(1, 90))
    X = rng.standard_normal((m, n)) * np.exp(rng.standard_normal(n) * rng.choice([0.0, 2.0]))
    if n > 4 and rng.random() < 0.5:
        X[:, 1], X[:, 2], X[:, 3] = X[:, 0], 3.0, X[:, 0] - X[:, 4]
    y = (X @ rng.standard_normal(n) / math.sqrt(n) + rng.logistic(size=m) * rng.choice([0.0, 1.0]) > 0).astype(int)
    y[:2] = 0, 1
    factors = rng.choice([0.3, 1.0, 2.0, np.inf], n)
    options = {"fit_intercept": bool(rng.random() < 0.7)}
    if rng.random() < 0.5:
        options["sample_weight"] = rng.uniform(0.1, 2.0, m)
    if rng.random() < 0.3:
        options["offset"] = rng.standard_normal(m)
    if rng.random() < 0.5:
        if m > 20 and n > 5:
            factors[-1] = 0.0
        options["penalty_factors"] = factors
    if rng.random() < 0.3:
        X[rng.random((m, n)) < 0.6] = 0.0
    l1 = least(X, y) * 10.0 ** -rng.uniform(0.0, 3.0) + 1e-12
    options |= {"l1": l1, "l2": l1 * rng.choice([0.0, 0.01, 1.0])}
    return scipy.sparse.csr_matrix(X) if rng.random() < 0.3 else X, y, options


def assert_gaps_hold(number, backend="numpy"):
    """Every gap on the way to the minimum is at least J - J* there, with J* that of a long run by NumPy."""
    X, y, options = hard(number)
    best = fastlr.train(X, y, tol=1e-9, backend="numpy", **options)
    assert best.converged, (number, best.stop_reason)
    for tol in (1e-1, 1e-4):
        model = fastlr.train(X, y, tol=tol, backend=backend, **options)
        assert model.converged and model.gap <= tol * model.cost
        assert model.cost - best.cost <= model.gap + 1e-14 * model.cost, (number, tol)
        assert best.cost - model.cost <= best.gap + 1e-14 * model.cost, (number, tol)


@pytest.mark.slow
def test_the_gap_is_never_below_the_truth():
    for number in range(8):
        assert_gaps_hold(number)


@pytest.mark.compiles
def test_the_gap_is_never_below_the_truth_in_compiled_code():
    for number in range(8, 16):
        assert_gaps_hold(number, "fused")


@pytest.mark.long
@pytest.mark.parametrize("kernels", ["numpy", "fused"])
def test_the_gap_is_never_below_the_truth_in_500_problems(kernels):
    for number in range(1000, 1500):
        if number != SEPARATED:
            assert_gaps_hold(number, kernels)


SEPARATED = 1424                # by a column without a penalty


@pytest.mark.slow
def test_separation_by_a_column_without_a_penalty():
    X, y, options = hard(SEPARATED)
    with pytest.warns(fastlr.SeparationWarning, match="the columns without a penalty separate the classes"):
        model = fastlr.train(X, y, backend="numpy", **options)
    assert not model.converged and model.gap == model.cost


def test_complete_separation_by_a_column_without_a_penalty_ends_early():
    """And not after 10000 updates, since J falls to 0, and is never proved to be near."""
    X = np.random.default_rng(0).standard_normal((120, 4))
    with pytest.warns(fastlr.SeparationWarning, match="the columns without a penalty"):
        model = fastlr.train(X, X[:, 0] > 0.0, l1=0.01, penalty_factors=[0.0, 1.0, 1.0, 1.0], backend="numpy")
    assert model.n_iter < 30


def test_a_penalty_that_is_hardly_there():
    """So many times weaker than the least that leaves w = 0 that float64 has no number for it."""
    X, y = sample(100, 3)
    model = fastlr.train(X, y, l1=1e-320, backend="numpy")
    assert model.converged
    np.testing.assert_allclose(model.w, fastlr.train(X, y, backend="numpy").w, rtol=1e-6)


def test_a_separated_table_has_a_minimum_with_l1():
    X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 0, 1, 1]
    model = fastlr.train(X, y, l1=1e-3, backend="numpy")
    assert model.converged and model.gap <= 1e-8 * model.cost


def test_a_weak_l1_is_proved_by_the_loss():
    X, y = sample(300, 20)
    model, alone = fastlr.train(X, y, l1=1e-10, backend="numpy"), fastlr.train(X, y, backend="numpy")
    assert model.converged and model.gap_kind == "bound" and model.gap <= 1e-8 * model.cost
    np.testing.assert_allclose(model.w, alone.w, atol=1e-6)


def test_a_weak_l1_of_separated_classes_is_proved_though_w_is_large():
    """What rounding of large margins does to a gradient is in proportion to the losses, which are next to nothing."""
    X, y = wide()
    model = fastlr.train(X / X.std(axis=0), y, l1=1e-8, backend="numpy", tol=1e-9)
    assert model.converged and model.gap <= 1e-9 * model.cost < 1e-14


def test_an_early_end_has_a_gap_too():
    X, y = wide()
    l1 = 0.01 * least(X, y)
    best = fastlr.train(X, y, l1=l1, backend="numpy")
    for max_iter in range(1, best.n_iter, 3):
        with pytest.warns(fastlr.ConvergenceWarning, match=f"max_iter={max_iter} updates were made"):
            model = fastlr.train(X, y, l1=l1, backend="numpy", max_iter=max_iter)
        assert model.n_iter == max_iter and not model.converged and model.gap >= model.cost - best.cost


@pytest.mark.parametrize(("as_given", "far", "options"), [
    (np.asarray, 1e7, {"l2": 0.0, "backend": "numpy", "init": ([1.0, -1.0, 1.0], 0.0)}),
    pytest.param(scipy.sparse.csr_matrix, 1e4, {"l2": 1.0, "backend": "fused", "init": ([1e8, 1.0, 1e8], 0.0), "max_iter": 10},
                 marks=pytest.mark.compiles)], ids=["dense", "sparse, and stopped early"])
@pytest.mark.filterwarnings("ignore::fastlr.ConvergenceWarning")
def test_the_cost_is_that_of_the_parameters_where_a_column_is_far_from_0(as_given, far, options):
    X, y = sample(40, 3)
    X[:, 2] += far
    model = fastlr.train(as_given(X), y, l1=0.01, **options)
    z = X.astype(np.longdouble) @ model.w + model.b
    J = np.mean(np.logaddexp(0, z) - y * z) + 0.01 * np.abs(model.w).sum() + options["l2"] / 2 * np.sum(model.w ** 2)
    np.testing.assert_allclose(model.cost, float(J), rtol=1e-12)


def test_a_quadratic_model_that_leads_too_far_is_damped(monkeypatch):
    X, y = sample(200, 5)
    best = fastlr.train(X, y, l1=1e-3, backend="numpy")
    monkeypatch.setattr(proximal_step, "SHORTEST", 0.5)
    model = fastlr.train(X, y, l1=1e-3, backend="numpy", init=([-30.0, 0.0, 0.0, 0.0, 0.0], 0.0))
    assert model.converged and model.n_iter < 30
    np.testing.assert_allclose(model.w, best.w, atol=1e-7)


def test_a_proof_that_fails_where_a_working_set_is_done(monkeypatch):
    """The set is then minimized further, and not looked at again as it is."""
    X, y, proofs = *wide(), []

    def weaker(problem, u, cost, grad, **enough):
        found, is_whole = with_l1(problem, u, cost, grad, **enough), u.size == 151
        proofs.append(is_whole)
        return found._replace(gap=1e3 * found.gap) if is_whole else found

    monkeypatch.setattr(elastic_net, "with_l1", weaker)
    model = fastlr.train(X, y, l1=0.05 * least(X, y), backend="numpy", tol=1e-2)
    assert model.converged and 1 < proofs.count(True) < 20


def test_every_working_set_is_minimized_further():
    """Columns that come first by the ratio to their thresholds are violated by less than a column outside is."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 70))
    X[:, :69] *= 1000.0
    y = (3.0 * X[:, 69] + rng.logistic(size=600) > 0).astype(int)
    model = fastlr.train(X, y, l1=0.1, backend="numpy", tol=1e-10, init=(np.zeros(70), 0.0))
    assert_is_optimum(model, X, y, 0.1)


def test_a_dear_working_set_is_left_before_its_last_digits(monkeypatch):
    """All of X is read in between, so that fewer updates are made where it has columns that have to come in."""
    X, y = wide(100, 400)
    l1 = 0.001 * least(X, y)
    cheap = fastlr.train(X, y, l1=l1, backend="numpy", tol=1e-10)
    monkeypatch.setattr(cost_model, "DEAR", 0.0)
    dear = fastlr.train(X, y, l1=l1, backend="numpy", tol=1e-10)
    assert_is_optimum(dear, X, y, l1)
    assert dear.n_iter < cheap.n_iter


# ---- compiled code ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("rows", "columns", "is_sparse"), [(60, 80, False), (500, 200, False), (4000, 1000, False),
                                                              (2000, 2000, False), (40_000, 2000, True)])
def test_a_compiled_call_leaves_ctrl_c_its_turn(rows, columns, is_sparse):
    """On 4000 x 1000 one call took a second: fifty updates, each with all second derivatives."""
    size = rows * columns // (20 if is_sparse else 1)
    costs = CostModel(rows, columns, size, size * columns / 20, is_sparse)
    assert costs.numbers_read <= BYTES_A_CALL / 8
    assert costs.room ** 2 * rows <= PRODUCTS_A_CALL / 16
    assert costs.room == 0 if is_sparse else costs.room == columns or columns > 200


@pytest.mark.compiles
def test_a_compiled_call_ends_with_the_update_that_uses_up_its_time(monkeypatch):
    made, minimize = [], ByColumns.minimize

    def spy(*arguments):
        made.append(minimize(*arguments))
        return made[-1]

    X, y = wide()
    l1 = 0.02 * least(X, y)
    monkeypatch.setattr(ByColumns, "minimize", spy)
    at_once = fastlr.train(X, y, l1=l1, backend="fused")
    assert max(updates for _, _, updates, _ in made) > 1
    made.clear()
    monkeypatch.setattr(by_columns, "NUMBERS_A_CALL", 0)
    model = fastlr.train(X, y, l1=l1, backend="fused")
    assert max(updates for _, _, updates, _ in made) == 1
    np.testing.assert_allclose(model.w, at_once.w, atol=1e-8)


@pytest.mark.compiles
@pytest.mark.parametrize("as_given", [np.asarray, scipy.sparse.csr_matrix])
@pytest.mark.parametrize(("numbers_read", "has_hessian"), [(math.inf, False), (0.0, True), (0.0, False)],
                         ids=["columns", "hessian", "dear"])
def test_compiled_updates_have_the_same_minimum(as_given, numbers_read, has_hessian, monkeypatch):
    """By columns alone, by second derivatives from the start on, and one update by columns before the plain ones."""
    X, y = wide(80, 100, seed=1)
    X[np.abs(X) < 0.3 * np.abs(X).max(axis=0)] = 0.0
    rng = np.random.default_rng(1)
    factors = rng.uniform(0.5, 2.0, 100)
    factors[[3, 7]], factors[[0, 50]] = 0.0, np.inf
    s, offset = rng.integers(0, 4, 80).astype(float), rng.standard_normal(80)
    l1 = 0.05 * least(X, y, s=s)
    monkeypatch.setattr(CostModel, "numbers_read", numbers_read)
    monkeypatch.setattr(CostModel, "room", 100 * (has_hessian and as_given is np.asarray))
    for fit_intercept in (True, False):
        model = fastlr.train(as_given(X), y, l1=l1, l2=0.01 * l1, penalty_factors=factors, sample_weight=s, offset=offset,
                             fit_intercept=fit_intercept, tol=1e-10, backend="fused")
        assert_is_optimum(model, X, y, l1, l2=0.01 * l1, factors=factors, s=s, offset=offset, fit_intercept=fit_intercept)
        assert model.w[[3, 7]].all()


@pytest.mark.compiles
def test_compiled_updates_are_recorded_and_shown_to_the_callback():
    X, y = wide()
    l1, seen = 0.02 * least(X, y), []
    model = fastlr.train(X, y, l1=l1, backend="fused", callback=lambda state: seen.append(state))
    assert [state.n_iter for state in seen] == list(range(1, model.n_iter + 1))
    np.testing.assert_array_equal([state.cost for state in seen], model.costs)
    np.testing.assert_array_equal(seen[-1].w, model.w)
    with pytest.warns(fastlr.ConvergenceWarning, match="max_iter=3 updates were made"):
        assert fastlr.train(X, y, l1=l1, backend="fused", max_iter=3).n_iter == 3


@pytest.mark.compiles
def test_compiled_updates_that_lower_nothing_are_left_to_the_damped_model():
    X, y = sample(200, 5)
    best = fastlr.train(X, y, l1=1e-3, backend="numpy")
    model = fastlr.train(X, y, l1=1e-3, backend="fused", init=([-3000.0, 0.0, 0.0, 0.0, 0.0], 0.0))
    assert model.converged
    np.testing.assert_allclose(model.w, best.w, atol=1e-7)


@pytest.mark.compiles
def test_compiled_updates_end_where_a_column_without_a_penalty_separates():
    X = np.random.default_rng(0).standard_normal((120, 4))
    with pytest.warns(fastlr.SeparationWarning, match="the columns without a penalty"):
        fastlr.train(X, X[:, 0] > 0.0, l1=0.01, penalty_factors=[0.0, 1.0, 1.0, 1.0], backend="fused")


# ---- what train takes beside it -------------------------------------------------------------------------------------

def test_start_callback_and_history():
    X, y = wide()
    l1, seen = 0.02 * least(X, y), []
    model = fastlr.train(X, y, l1=l1, backend="numpy", callback=lambda state: seen.append(state.w))
    assert len(seen) == model.n_iter == len(model.costs)
    np.testing.assert_array_equal(seen[-1], model.w)
    assert model.history.cost[-1] == model.cost and np.isfinite(model.history.grad_norm).all()
    again = fastlr.train(X, y, l1=l1, backend="numpy", init=model)
    assert again.converged and again.n_iter <= 1
    stopped = fastlr.train(X, y, l1=l1, backend="numpy", callback=lambda state: state.n_iter == 2)
    assert stopped.n_iter == 2 and stopped.stop_reason == "the callback asked to stop"


def test_a_factor_of_infinity_without_l1():
    X, y = sample(200, 5)
    model = fastlr.train(X, y, penalty_factors=[1.0, np.inf, 1.0, 1.0, np.inf], backend="numpy")
    kept = fastlr.train(X[:, [0, 2, 3]], y, backend="numpy")
    assert model.converged and (model.w[[1, 4]] == 0.0).all()
    np.testing.assert_allclose(model.w[[0, 2, 3]], kept.w, rtol=1e-6)


@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs", "gd"])
def test_factors_of_l2_alone(solver):
    X, y = sample(200, 5)
    factors = np.array([0.0, 0.5, 1.0, 2.0, 10.0])
    model = fastlr.train(X, y, l2=0.1, penalty_factors=factors, solver=solver, backend="numpy")
    grad = X.T @ (expit(X @ model.w + model.b) - y) / 200 + 0.1 * factors * model.w
    assert model.converged and np.abs(grad).max() <= 1e-7


@pytest.mark.parametrize(("options", "text"), [
    ({"solver": "newton"}, "take no solver='newton'; leave one of them out"),
    ({"learning_rate": 0.1}, "take no learning_rate=0.1; leave one of them out"),
    ({"firth": True}, "takes no l1=0.1"),
    ({"penalty_factors": [1.0, 2.0]}, r"penalty_factors has shape \(2,\), and X has 5 features"),
    ({"penalty_factors": [1.0, -2.0, 1.0, 1.0, 1.0]}, r"penalty_factors must be at least 0; penalty_factors\[1\] is -2.0"),
    ({"penalty_factors": [1.0, np.nan, 1.0, 1.0, 1.0]}, r"penalty_factors\[1\] is nan"),
])
def test_what_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        fastlr.train(*sample(50, 5), l1=0.1, **options)


def test_a_summary_names_the_columns_and_has_no_standard_errors():
    X, y = sample(200, 5)
    model = fastlr.train(X, y, l1=0.1, backend="numpy")
    chosen = [f"x{j}" for j in np.flatnonzero(model.w)]
    summary = model.summary()
    assert 0 < len(chosen) < 5 and f"chosen {len(chosen)} of 5 columns: {', '.join(chosen)}." in summary.notes[0]
    assert "no standard errors" in summary.notes[1] and np.isnan(summary.standard_error).all()
    assert summary.parameters == len(chosen) + 1 and math.isnan(summary.aic) and summary.deviance > 0.0
    other = fastlr.train(X[:, :4], y, backend="numpy")
    for refused, text in ((model.profile_interval, "second derivatives"), (model.likelihood_ratio, r"trained with l1 = 0\.1")):
        with pytest.raises(ValueError, match=text):
            refused(0 if refused == model.profile_interval else other)
    with pytest.raises(ValueError, match=r"l1 is 0\.1"):
        model.covariance("HC1")


def test_a_saved_summary_remembers_l1(tmp_path):
    model = fastlr.train(*sample(100, 3), l1=0.1, backend="numpy")
    model.summary()
    model.save(tmp_path / "model.json")
    assert fastlr.load(tmp_path / "model.json").summary().notes == model.summary().notes


# ---- the quadratic --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rows", [2.0, 0.5])            # half the rows leave flat directions
def test_the_minimum_of_a_quadratic(rows):
    rng = np.random.default_rng(0)
    for k in (1, 3, 20):
        for _ in range(20):
            A = rng.standard_normal((max(1, int(rows * k)), k))
            H, grad = A.T @ A + 1e-11 * np.eye(k), 3.0 * k * A.T @ rng.standard_normal(len(A)) / np.sqrt(k)
            thresholds = rng.uniform(0.0, 5.0 * k, k)
            thresholds[-1] = 0.0
            u = rng.standard_normal(k) * rng.integers(0, 2, k)
            v = minimize_quadratic(H, grad, u, thresholds, 0.0)
            slope = grad + H @ (v - u)
            off = np.where(v != 0.0, np.abs(slope + thresholds * np.sign(v)), np.maximum(np.abs(slope) - thresholds, 0.0))
            assert off.max() <= 1e-9 * np.abs(grad).max()

"""Where J has no minimum a SeparationWarning says so, and nowhere else."""

import functools
import warnings

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.special import expit
from sklearn.datasets import load_svmlight_file

import fastlr
from fastlr import ConvergenceWarning, SeparationWarning

pytestmark = [pytest.mark.compiles, pytest.mark.usefixtures("samples_of_few_rows")]

each_solver = pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
# "auto" takes samples of the largest.
each_solver_and_size = pytest.mark.parametrize(("solver", "size"), [("auto", (60, 2)), ("auto", (6000, 8)), ("newton", (400, 6)),
                                                                    ("lbfgs", (400, 6))])


def is_separable(X, y, fit_intercept=True):
    """Whether some direction moves no margin the wrong way, and some the right one: a linear program."""
    spread = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1) if fit_intercept else X
    right = np.column_stack([Z, np.full(len(y), float(fit_intercept))]) * np.where(y, 1.0, -1.0)[:, None]
    best = linprog(-right.mean(axis=0), A_ub=-right, b_ub=np.zeros(len(y)), bounds=(-1, 1), method="highs")
    assert best.status == 0
    assert -best.fun < 1e-9 or (-best.fun > 1e-6 and (right @ best.x).min() > -1e-9)    # no doubt either way
    return -best.fun > 1e-9


def each_kernel(options):
    """With the kernel that is named, or with two that "auto" may choose; Newton's method and L-BFGS have one each."""
    if "backend" in options:
        return [options]
    kernels = {"newton": ["numpy"], "lbfgs": ["fused"]}.get(options.get("solver"), ["numpy", "fused"])
    return [options | {"backend": kernel} for kernel in kernels]


def check_separated(X, y, **options):
    for of_kernel in each_kernel(options):
        with pytest.warns(SeparationWarning, match=r"separates the classes.*no minimum.*Set l2 > 0") as warned:
            model = fastlr.train(X, y, **of_kernel)
        assert [warning.category for warning in warned] == [SeparationWarning]
        assert not model.converged
        assert "separated" in model.stop_reason
        assert np.isfinite(model.w).all() and np.isfinite(model.b) and np.isfinite(model.cost)
        assert model.n_iter == model.costs.size < 1000
        costs = np.append(model.costs, model.cost)
        assert (np.diff(costs) <= 4e-15 * costs[0]).all()
    return model


def check_well_posed(X, y, **options):
    """Any warning is an error here."""
    for of_kernel in each_kernel(options):
        model = fastlr.train(X, y, **of_kernel)
        assert model.converged
        assert "separated" not in model.stop_reason
    return model


def separable(size, seed=0, bias=0.3):
    """X, labels that a plane through the data tells apart, and the margins z it does that by."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(size)
    z = X @ rng.standard_normal(size[1]) + bias
    return X, (z > 0).astype(float), z


def overlapping(size, seed=0):
    """X, and labels drawn at a model's odds."""
    X, _, z = separable(size, seed)
    return X, (np.random.default_rng(seed + 1).random(size[0]) < expit(z)).astype(float)


# ---- completely separated ---------------------------------------------------------------------------------------------

def test_separated(backend):
    X, y, _ = separable((60, 2))
    for reduction in ("mean", "sum"):
        assert check_separated(X, y, reduction=reduction, backend=backend).score(X, y) == 1.0


@pytest.mark.parametrize(("dtype", "order"), [(np.float32, "F"), (np.uint8, "C")])
def test_separated_in_other_types(dtype, order):
    X = np.asarray(np.clip(20 * separable((60, 2))[0] + 60, 0, 255), dtype, order=order)
    y = X[:, 0] + 0.5 * X[:, 1].astype(float) > 90.1
    assert check_separated(X, y, backend="numpy").score(X, y) == 1.0


@each_solver_and_size
def test_separated_by_a_plane(solver, size):
    X, y, _ = separable(size)
    assert check_separated(X, y, solver=solver).score(X, y) == 1.0
    check_separated(X * 1e6 ** np.linspace(-1, 1, size[1]) + 10.0, y, solver=solver)
    check_well_posed(X, y, solver=solver, l2=1 / size[0])       # what the warning advises


@each_solver_and_size
def test_separated_through_the_origin_or_not(solver, size):
    X, y, _ = separable(size, bias=0.0)
    assert check_separated(X, y, solver=solver, fit_intercept=False).score(X, y) == 1.0
    X, y, _ = separable(size, bias=1.0)
    check_separated(X, y, solver=solver)
    check_well_posed(X, y, solver=solver, fit_intercept=False)  # only a plane that misses the origin would do
    check_well_posed(X, y, solver=solver, fit_intercept=False, l2=1e-3)


@pytest.mark.parametrize(("solver", "size", "fit_intercept"), [
    ("auto", (20, 25), True), ("newton", (20, 25), False), ("lbfgs", (20, 25), True), ("auto", (50, 200), False),
    ("auto", (30, 1100), True)])
def test_more_features_than_rows(solver, size, fit_intercept):
    X, _, _ = separable(size)
    y = np.random.default_rng(1).random(size[0]) < 0.5
    assert check_separated(X, y, solver=solver, fit_intercept=fit_intercept).score(X, y) == 1.0
    check_well_posed(X, y, solver=solver, fit_intercept=fit_intercept, l2=0.01)


@each_solver
def test_two_rows(solver):
    check_separated([[0.0], [1.0]], [0, 1], solver=solver)
    check_well_posed([[0.0], [1.0]], [0, 1], solver=solver, l2=0.1)
    check_well_posed([[1.0], [1.0]], [0, 1], solver=solver)     # nothing tells them apart


@each_solver
@pytest.mark.parametrize(("copies", "m"), [(1, 100), (300, 100), (30, 5500)])
def test_separated_by_a_single_step(solver, copies, m):
    """The first step along many columns that say the same may end where every loss is 0, and so is the gradient."""
    y = np.arange(m) % 2
    X = np.repeat((2.0 * y - 1.0)[:, None] + 0.1 * np.random.default_rng(0).standard_normal((m, 1)), copies, axis=1)
    assert check_separated(X, y, solver=solver).score(X, y) == 1.0


@each_solver_and_size
def test_row_without_weight_does_not_overlap(solver, size):
    X, y, _ = separable(size)
    flipped = np.random.default_rng(2).choice(size[0], size[0] // 10, replace=False)
    y[flipped] = 1 - y[flipped]
    s = np.ones(size[0])
    s[flipped] = 0.0
    check_well_posed(X, y, solver=solver)
    check_separated(X, y, solver=solver, sample_weight=s)
    s[flipped] = 1e-4                                           # little is not nothing
    check_well_posed(X, y, solver=solver, sample_weight=s)
    check_well_posed(X, y, solver=solver, sample_weight=np.where(s == 1.0, 1.0, 0.0), l2=1e-3)


@each_solver_and_size
@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_offset_separates_nothing_and_mends_nothing(solver, size, spread):
    X, y, _ = separable(size)
    offset = spread * np.random.default_rng(3).standard_normal(size[0])
    check_separated(X, y, solver=solver, offset=offset)
    check_well_posed(X, y, solver=solver, offset=offset, l2=1e-3)
    X, y = overlapping(size)
    check_well_posed(X, y, solver=solver, offset=spread / 30 * np.where(y, 20.0, -20.0))


# ---- quasi-complete separation ----------------------------------------------------------------------------------------

@each_solver_and_size
@pytest.mark.parametrize(("rows", "fit_intercept"), [("one", True), ("one", False), ("half", True)])
def test_dummy_that_is_1_only_for_positives(solver, size, fit_intercept, rows):
    X, y = overlapping(size)
    positives = np.flatnonzero(y)
    count = {"one": 1, "half": len(positives) // 2}[rows]
    dummy = np.zeros(size[0])
    dummy[positives[:count]] = 1.0
    for column in (-dummy, 3.0 + 5.0 * dummy if fit_intercept else dummy):
        X_dummy = np.column_stack([X, column])
        check_separated(X_dummy, y, solver=solver, fit_intercept=fit_intercept)
        check_well_posed(X_dummy, y, solver=solver, fit_intercept=fit_intercept, l2=1e-4)

    dummy[np.flatnonzero(y == 0)[0]] = 1.0                      # and for one negative
    check_well_posed(np.column_stack([X, dummy]), y, solver=solver, fit_intercept=fit_intercept)


@each_solver
@pytest.mark.parametrize("table", [
    [(0, 0, 62), (0, 1, 11), (1, 1, 27)],                       # feature, label, rows
    [(0, 0, 9), (0, 1, 281), (1, 0, 10)],
    [(0, 0, 5000), (0, 1, 1000), (1, 1, 30)],
    [(-1, 0, 20), (0, 0, 5), (0, 1, 5), (1, 1, 20)]])
def test_tables_with_an_empty_cell(solver, table):
    x, y, times = np.array(table).T
    check_separated(np.repeat(x, times)[:, None], np.repeat(y, times), solver=solver)
    check_separated(x[:, None], y, sample_weight=times, solver=solver)
    check_well_posed(np.repeat(x, times)[:, None], np.repeat(y, times), solver=solver, l2=1e-3)


@each_solver
def test_two_dummies_of_negatives_only(solver):
    X = np.repeat([[0, 0], [0, 0], [0, 1], [1, 0]], [42, 3897, 34, 27], axis=0)
    y = np.repeat([0, 1, 0, 0], [42, 3897, 34, 27])
    turned = np.random.default_rng(0).permutation(4000)
    check_separated(X[turned], y[turned], solver=solver)


@each_solver
def test_classes_that_touch(solver):
    check_separated([[0.0], [1.0], [1.0], [3.0]], [0, 0, 1, 1], solver=solver)
    check_well_posed([[0.0], [2.0], [1.0], [3.0]], [0, 0, 1, 1], solver=solver)


@pytest.fixture(scope="module")
def mushrooms(shared_data):
    X, y = load_svmlight_file(str(shared_data / "libsvm" / "mushrooms.svm"))
    return X.toarray(), y == y.max()


@each_solver
def test_mushrooms(solver, mushrooms):
    """One-hot columns, collinear, and separated."""
    X, y = mushrooms
    assert check_separated(X.astype(np.uint8), y, solver=solver).score(X, y) == 1.0
    check_separated(X, y, solver=solver, fit_intercept=False)
    check_well_posed(X, y, solver=solver, l2=1e-4)


# ---- nearly separated: J has a minimum --------------------------------------------------------------------------------

@each_solver_and_size
def test_one_row_on_the_wrong_side(solver, size):
    X, y, z = separable(size)
    for i in (np.argmax(z), np.argmin(z), np.argmax(np.where(y, z, 0.0) < np.median(z))):
        flipped = y.copy()
        flipped[i] = 1 - flipped[i]
        if not is_separable(X, flipped):
            check_well_posed(X, flipped, solver=solver)


@each_solver
@pytest.mark.parametrize("m", [20, 2000])
def test_one_overlapping_pair(solver, m):
    x = np.linspace(-1, 1, m)[:, None]
    y = (x[:, 0] > 0).astype(float)
    y[m // 2 - 1], y[m // 2] = 1.0, 0.0
    model = check_well_posed(x, y, solver=solver)
    assert model.score(x, y) == 1 - 2 / m
    for tol in (1e-2, 1e-10):
        check_well_posed(x, y, solver=solver, tol=tol)
    check_well_posed(x, y, solver=solver, offset=np.where(y, 9.0, -9.0))
    for max_iter in (0, 9):
        with pytest.warns(ConvergenceWarning) as warned:
            fastlr.train(x, y, solver=solver, backend="numpy", max_iter=max_iter, tol=1e-12)
        assert [warning.category for warning in warned] == [ConvergenceWarning]


@each_solver
def test_large_values_tell_the_classes_apart_and_small_ones_do_not(solver):
    """One label in seven is wrong, each at a value much smaller than the largest."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        x = np.exp(2 * rng.standard_normal(1000)) * np.where(rng.random(1000) < 0.5, 1, -1)
        small = np.abs(x) < np.quantile(np.abs(x), 0.3)
        y = np.where(small, rng.random(1000) < 0.5, x > 0)
        for options in ({}, {"tol": 1e-3}):
            assert check_well_posed(x[:, None], y, solver=solver, **options).score(x[:, None], y) < 0.9


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_separated_in_a_sum_that_only_the_linear_program_finds(fit_intercept):
    """x3 is x0 - x1 in all of 3000 rows but three of one class; more rows than the first linear program has."""
    for seed in (0, 4, 8):
        rng = np.random.default_rng(seed)
        X = np.round(rng.standard_normal((3000, 3)) * 10.0 ** rng.integers(1, 4, 3))
        y = (rng.random(3000) < 0.3).astype(int)
        rows = rng.choice(np.flatnonzero(y == 1), 3, replace=False)
        X = np.column_stack([X, X[:, 0] - X[:, 1] + np.isin(np.arange(3000), rows)])
        with pytest.warns(SeparationWarning):
            fastlr.train(X, y, fit_intercept=fit_intercept, backend="numpy", tol=1e-3, max_iter=200)


@pytest.mark.parametrize("max_iter", [1, 2, 5, None])
def test_a_huge_value_hides_no_row_on_its_wrong_side(max_iter):
    """Rows 0 and 1 overlap, whatever their huge values of a column that tells nothing."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 50))
    y = (X[:, 0] > 0.0).astype(int)
    X[:, 0] += 0.5 * np.sign(X[:, 0])
    X[:2], y[:2] = 0.0, [1, 0]
    X[:2, 0], X[:2, 1] = [-1.0, 1.0], 1e14
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fastlr.train(X, y, max_iter=max_iter, backend="numpy")
    assert not any(issubclass(each.category, SeparationWarning) for each in caught)


@functools.cache
def small_problems(kind):
    """X, y and whether they are separable, by the dozen."""
    found = []
    for seed in range(15):
        rng = np.random.default_rng(seed)
        m, n = rng.choice([12, 20, 40, 100, 300]), rng.choice([1, 2, 3, 5])
        X = rng.standard_normal((m, n))
        if kind == "dummies":
            X = (X > rng.uniform(0, 2)).astype(float)
        elif kind == "heavy tails":
            X = np.exp(2 * X)
        Z = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-9)
        y = rng.random(m) < expit(10 ** rng.uniform(-1, 1.3) * Z @ rng.standard_normal(n) + rng.standard_normal())
        if 0 < y.sum() < m:
            found.append((X, y, is_separable(X, y)))
    return found


@each_solver
@pytest.mark.parametrize("kind", ["normal", "dummies", "heavy tails"])
def test_warns_where_a_linear_program_says_so(solver, kind):
    verdicts = [separated for *_, separated in small_problems(kind)]
    assert 1 < sum(verdicts) < len(verdicts) - 1                # both are there
    for X, y, separated in small_problems(kind):
        (check_separated if separated else check_well_posed)(X, y, solver=solver)


# ---- a penalty on some of the columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
@pytest.mark.parametrize("l2", [1e-6, 1e-10])
def test_a_column_that_l2_holds_separates_nothing(l2, solver):
    """J has a minimum: along the column that tells the classes apart the penalty grows."""
    X = np.random.default_rng(0).standard_normal((30, 2))
    model = check_well_posed(X, X[:, 1] > 0.0, l2=l2, penalty_factors=[0.0, 1.0], solver=solver)
    a = expit(model.decision_function(X))
    gradient = X.T @ (a - (X[:, 1] > 0.0)) / len(X) + l2 * np.array([0.0, 1.0]) * model.w
    assert np.abs(gradient).max() < 1e-8 and model.w[1] > 50.0


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "gd"])
def test_a_column_that_l2_leaves_free_separates(solver):
    X = np.random.default_rng(0).standard_normal((30, 2))
    with pytest.warns(SeparationWarning, match=r"no minimum.*Give every column a penalty factor above 0.*column 0 counts most"):
        model = fastlr.train(X, X[:, 0] > 0.0, l2=0.1, penalty_factors=[0.0, 1.0], solver=solver, backend="numpy")
    assert not model.converged and "separated" in model.stop_reason

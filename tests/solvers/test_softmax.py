"""Three classes and more: the lecture's gradient descent with K rows of w, the optimum by every solver, and what is refused."""

import warnings

import numpy as np
import pytest

import fastlr
from fastlr.backends import softmax
from fastlr.data import door
from fastlr.problem.loss import Softmax
from fastlr.problem.problem import Problem
from fastlr.solvers import Options, newton
from tests.problems import problem, weights

SOLVERS = ("auto", "newton", "lbfgs")


def classes(m=200, n=4, K=3, seed=0, spread=(1.0, 100.0, 1e-3, 1.0)):
    """X in several units, labels 0 .. K - 1 that X tells about, and the parameters they were made by."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n)) + 0.5
    W, b = rng.standard_normal((K, n)), rng.standard_normal(K)
    y = (X @ W.T + b + rng.gumbel(size=(m, K))).argmax(axis=1)
    y[:K] = np.arange(K)
    units = np.resize(spread, n)
    return X * units, y, W / units, b


def cost(X, y, w, b, l2=0.0, s=None, offset=0.0):
    """J by its definition."""
    loss, _ = softmax.loss_and_slope(y, X @ w.T + b + offset)
    return np.average(loss, weights=s) + 0.5 * l2 * np.square(w).sum()


# ---- the lecture ----------------------------------------------------------------------------------------------------

def test_cost_and_gradient_are_the_formulas():
    X, y, W, b = classes()
    s, offset = weights(len(y))[0], np.random.default_rng(1).standard_normal((len(y), 3))
    J, dW, db = fastlr.cost_and_gradient(X, y, W, b, l2=0.1, sample_weight=s, offset=offset)
    z = X @ W.T + b + offset
    e = np.exp(z - z.max(axis=1, keepdims=True))
    dz = (e / e.sum(axis=1, keepdims=True) - np.eye(3)[y]) * s[:, None] / s.sum()
    np.testing.assert_allclose(J, cost(X, y, W, b, 0.1, s, offset), rtol=1e-12)
    np.testing.assert_allclose(dW, dz.T @ X + 0.1 * W, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(db, dz.sum(axis=0), rtol=1e-10, atol=1e-13)


def test_gradient_descent_takes_the_lectures_steps(backend):
    X, y, *_ = classes(40, spread=(1.0,))
    w, b, costs = np.zeros((3, 4)), np.zeros(3), []
    for _ in range(20):
        J, dw, db = fastlr.cost_and_gradient(X, y, w, b, l2=0.01)
        w, b = w - 0.3 * dw, b - 0.3 * db
        costs.append(J)
    states = []
    model = fastlr.train(X, y, learning_rate=0.3, max_iter=20, l2=0.01, backend=backend,
                         callback=lambda state: states.append((state.w, state.b)))
    np.testing.assert_allclose(model.w, w, rtol=1e-12)
    np.testing.assert_allclose(model.b, b, rtol=1e-12)
    np.testing.assert_allclose(model.costs, costs, rtol=1e-12)
    assert costs[0] == pytest.approx(np.log(3.0), rel=1e-12)        # at zeros all classes are alike
    np.testing.assert_array_equal(states[-1][0], model.w)
    np.testing.assert_array_equal(states[-1][1], model.b)


def test_a_step_of_gradient_descent_without_a_rate_never_makes_j_larger():
    X, y, *_ = classes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastlr.ConvergenceWarning)
        costs = fastlr.train(X, y, solver="gd", max_iter=50, tol=0.0, backend="numpy").history.cost
    assert (np.diff(costs) <= 0.0).all() and costs[-1] < costs[0]


# ---- the optimum ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_the_gradient_is_0_at_the_optimum(solver, l2):
    X, y, *_ = classes()
    model = fastlr.train(X, y, solver=solver, l2=l2, backend="numpy")
    assert model.converged and model.gap_kind == "bound"
    _, dw, db = fastlr.cost_and_gradient(X, y, model.w, model.b, l2=l2)
    standardised = (dw - X.mean(axis=0) * db[:, None]) / X.std(axis=0)
    assert max(np.abs(standardised).max(), np.abs(db).max()) <= 1.1e-8
    assert np.abs(model.w.sum(axis=0) * X.std(axis=0)).max() < 1e-9         # the classes' weights sum to 0, and so do intercepts
    assert abs(model.b.sum()) < 1e-9
    assert model.cost == pytest.approx(cost(X, y, model.w, model.b, l2), rel=1e-12)


@pytest.mark.parametrize("name", ["iris", "wine", "digits"])
def test_scikit_learns_optimum(name):
    datasets, linear_model = pytest.importorskip("sklearn.datasets"), pytest.importorskip("sklearn.linear_model")
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = X[::2] if name == "digits" else X
    y = y[::2] if name == "digits" else y
    m, deviation = len(y), np.maximum(X.std(axis=0), 1e-3)
    X = (X - X.mean(axis=0)) / deviation
    theirs = linear_model.LogisticRegression(C=1.0 / (0.1 * m), tol=1e-10, max_iter=10_000, solver="newton-cg").fit(X, y)
    ours = fastlr.train(X, y, l2=0.1, backend="numpy")
    assert ours.converged
    np.testing.assert_allclose(ours.w, theirs.coef_, atol=1e-7)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-7)
    assert (ours.predict(X) == theirs.predict(X)).all() and ours.score(X, y) == theirs.score(X, y)


def test_two_classes_by_softmax_are_two_classes_with_l2_doubled():
    """w_1 = -w_0 = w / 2, so that the penalty on both rows is half of that on w."""
    X, y, *_ = problem(100, 4)
    two = fastlr.train(X, y, l2=0.01, tol=1e-10, backend="numpy")
    J = Problem(door.data(X, y), Softmax(2), *_ridge(X, 0.02))
    with np.errstate(all="ignore"):
        result = newton.solve(J, None, Options(None, None, 1e-10, None, 0.0))
    np.testing.assert_allclose(result.theta[1] - result.theta[0], np.append(two.w, two.b), atol=1e-8)
    assert result.history.cost[-1] == pytest.approx(two.cost, rel=1e-12) and result.converged


def _ridge(X, l2):
    from fastlr.problem.coordinates import Coordinates
    from fastlr.problem.penalty import Ridge

    return Ridge(l2), Coordinates.of_theta(X.shape[1]), "mean", True


def test_permuted_classes_are_the_same_model_permuted():
    X, y, *_ = classes(K=4)
    model = fastlr.train(X, np.array(list("dbac"))[y], l2=0.01, backend="numpy")
    plain = fastlr.train(X, y, l2=0.01, backend="numpy")
    order = [2, 1, 3, 0]
    assert model.classes.tolist() == list("abcd")
    np.testing.assert_allclose(model.w * X.std(axis=0), plain.w[order] * X.std(axis=0), atol=1e-7)
    np.testing.assert_allclose(model.b, plain.b[order], atol=1e-7)


def test_weights_count_rows_and_offsets_move_margins():
    X, y, *_ = classes(150)
    s = np.random.default_rng(1).integers(0, 4, len(y)).astype(float)
    s[:3] = 1.0
    offset = np.random.default_rng(2).standard_normal((len(y), 3))
    weighted = fastlr.train(X, y, l2=0.01, sample_weight=s, offset=offset, backend="numpy")
    rows = np.repeat(np.arange(len(y)), s.astype(int))
    repeated = fastlr.train(X[rows], y[rows], l2=0.01, offset=offset[rows], backend="numpy")
    np.testing.assert_allclose(weighted.w * X.std(axis=0), repeated.w * X.std(axis=0), atol=1e-7)
    moved = fastlr.train(X, y, l2=0.01, sample_weight=s, offset=offset + [1.0, 2.0, 3.0], backend="numpy")
    np.testing.assert_allclose(moved.b + [1.0, 2.0, 3.0] - 2.0, weighted.b, atol=1e-6)
    np.testing.assert_allclose(weighted.predict_proba(X, offset).sum(axis=1), 1.0, rtol=1e-12)
    with pytest.raises(ValueError, match=r"offset has shape \(150,\); with 3 classes it must have shape \(150, 3\)"):
        fastlr.train(X, y, offset=offset[:, 0])


def test_balanced_classes_count_alike():
    X, y, *_ = classes()
    balanced = fastlr.train(X, y, l2=0.01, class_weight="balanced", backend="numpy")
    of_class = len(y) / (3.0 * np.bincount(y))
    same = fastlr.train(X, y, l2=0.01, class_weight=dict(enumerate(of_class)), backend="numpy")
    np.testing.assert_allclose(balanced.w, same.w, rtol=1e-6)


def test_without_an_intercept():
    X, y, *_ = classes(spread=(1.0,))
    model = fastlr.train(X, y, fit_intercept=False, backend="numpy")
    _, dw, _ = fastlr.cost_and_gradient(X, y, model.w, model.b)
    assert model.converged and (model.b == 0.0).all() and np.abs(dw).max() < 1e-7


def test_a_start_near_the_optimum():
    X, y, *_ = classes()
    model = fastlr.train(X, y, l2=0.01, backend="numpy")
    again = fastlr.train(X, y, l2=0.01, init=model, backend="numpy")
    assert again.n_iter <= 1 and again.converged
    with pytest.raises(ValueError, match=r"^init: w has shape \(4,\) and b \(\); with 4 features and 3 classes w must"):
        fastlr.train(X, y, init=(model.w[0], 0.0))


@pytest.mark.parametrize("K, n, m", [(3, 4, 6000), (12, 60, 3000)])
def test_samples_and_hessians_of_each_class(K, n, m, threshold):
    """More rows and more parameters: the descent starts from samples, and the second has a Hessian of each class alone."""
    threshold("cheap sample", 0.5)
    X, y, *_ = classes(m, n, K, spread=(1.0, 100.0))
    model = fastlr.train(X, y, l2=1e-3, backend="numpy")
    _, dw, db = fastlr.cost_and_gradient(X, y, model.w, model.b, l2=1e-3)
    assert model.converged and model.solver == "newton"
    assert np.abs((dw - X.mean(axis=0) * db[:, None]) / X.std(axis=0)).max() < 1e-7


def test_sparse_x_has_the_dense_model():
    sparse = pytest.importorskip("scipy.sparse")
    X, y, *_ = classes(spread=(1.0,))
    X = np.where(np.abs(X) > 0.7, X, 0.0)
    dense, stored = (fastlr.train(A, y, l2=0.01, backend="numpy") for A in (X, sparse.csr_array(X)))
    np.testing.assert_allclose(stored.w, dense.w, atol=1e-8)


# ---- what is proved -------------------------------------------------------------------------------------------------

def exact_cost(X, y, model, l2):
    """J at a model, by long doubles."""
    w, b = model.w.astype(np.longdouble), model.b.astype(np.longdouble)
    z = X.astype(np.longdouble) @ w.T + b
    most = z.max(axis=1)
    loss = np.log(np.exp(z - most[:, None]).sum(axis=1)) + most - z[np.arange(len(y)), y]
    return loss.mean() + 0.5 * l2 * np.square(w).sum()


@pytest.mark.parametrize("seed", range(6))
def test_the_gap_is_never_below_the_truth(seed):
    """J at a model on the way less J at a much better one is at most the gap, and not much less near the optimum."""
    rng = np.random.default_rng(seed)
    K, n = int(rng.integers(3, 6)), int(rng.integers(1, 6))
    X, y, *_ = classes(150, n, K, seed, spread=(1.0, 100.0, 1e-3))
    l2 = (0.0, 1e-4, 0.1)[seed % 3]
    best = exact_cost(X, y, fastlr.train(X, y, l2=l2, tol=1e-11, backend="numpy"), l2)
    proved = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastlr.ConvergenceWarning)
        for max_iter in (1, 3, 5, None):
            model = fastlr.train(X, y, l2=l2, max_iter=max_iter, backend="numpy")
            if model.gap_kind == "bound":
                true = float(exact_cost(X, y, model, l2) - best)
                assert model.gap >= true - 1e-15
                proved += model.gap < model.cost and (true < 1e-12 or model.gap <= 2.0 * true)
    assert model.converged and proved > 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_separated_classes_are_named(solver):
    """One class of three can be told from the others by x1: J has no minimum without l2."""
    X, y, *_ = classes(120, spread=(1.0,))
    X[y == 1, 1] = np.abs(X[y == 1, 1]) + 10.0
    X[y != 1, 1] = -np.abs(X[y != 1, 1])
    with pytest.warns(fastlr.SeparationWarning, match=r"column 1 of class 'b' counts most in that combination"):
        model = fastlr.train(X, np.array(list("abc"))[y], solver=solver, backend="numpy")
    assert not model.converged and "separated" in model.stop_reason
    assert fastlr.train(X, y, l2=0.01, solver=solver, backend="numpy").converged


def test_collinear_columns_leave_j_with_a_minimum():
    X, y, *_ = classes(spread=(1.0,))
    X = np.column_stack([X, X[:, 0] - X[:, 1], np.full(len(y), 3.0)])
    model = fastlr.train(X, y, backend="numpy")
    plain = fastlr.train(X[:, :4], y, backend="numpy")
    assert model.converged and model.gap_kind == "bound" and model.cost == pytest.approx(plain.cost, rel=1e-10)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X[:, :4]), atol=1e-6)


# ---- rows elsewhere -------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_rows_in_files_and_on_a_cluster(tmp_path):
    pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    X, y, *_ = classes(1500)
    text = np.array(["u", "v", "w"])[y]
    s = np.random.default_rng(0).random(len(y))
    np.save(tmp_path / "X.npy", X)
    kept = fastlr.train(X, text, l2=0.01, sample_weight=s, class_weight="balanced", backend="numpy")
    order = np.argsort(y, kind="stable")                                # parts that have one label, or two
    for far, labels, weight in ((fastlr.stream(tmp_path / "X.npy", memory=50_000), text, s),
                                (da.from_array(X[order], chunks=(130, 4)), text[order], s[order])):
        model = fastlr.train(far, labels, l2=0.01, sample_weight=weight, class_weight="balanced", backend="numpy")
        assert model.converged and model.classes.tolist() == ["u", "v", "w"]
        np.testing.assert_allclose(model.w * X.std(axis=0), kept.w * X.std(axis=0), atol=1e-8)
    found = kept.predict_proba(da.from_array(X, chunks=(130, 4)))
    np.testing.assert_allclose(found.compute(), kept.predict_proba(X), rtol=1e-13)      # BLAS rounds by the rows of a part
    J = fastlr.cost_and_gradient(X, y, kept.w, kept.b)
    far = fastlr.cost_and_gradient(da.from_array(X, chunks=(130, 4)), y, kept.w, kept.b, backend="numpy")
    for found, right in zip(far, J, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)


# ---- what is not there ----------------------------------------------------------------------------------------------

def test_what_is_refused():
    X, y, *_ = classes(30)
    with pytest.raises(ValueError, match=r"y has 30 different values .* not whole numbers"):
        fastlr.train(X, np.linspace(-1.0, 3.0, 30))
    with pytest.raises(NotImplementedError, match="firth=True is for two classes, and y has 3"):
        fastlr.train(X, y, firth=True)
    model = fastlr.train(X, y, l2=0.1, backend="numpy")
    for method in (model.residuals, lambda: model.profile_interval(0), model.hosmer_lemeshow,
                   lambda: model.summary(tests="likelihood_ratio")):
        with pytest.raises(NotImplementedError, match="is for models of two classes, and this one has 3"):
            method()

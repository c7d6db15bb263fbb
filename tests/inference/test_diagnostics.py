"""Residuals, leverages, Cook's distances and the Hosmer-Lemeshow test: against statsmodels, R and what they must add up to."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

import fastlr
from tests.inference.data_sets import glm, published
from tests.problems import problem, weights

pytestmark = pytest.mark.slow

matplotlib.use("Agg")

X, Y, *_ = problem(80, 4)
RNG = np.random.default_rng(7)
N = RNG.integers(1, 9, 80).astype(float)
K = RNG.binomial(N.astype(int), 1.0 / (1.0 + np.exp(-X[:, 0] - 0.3)))
OFFSET = weights(80)[1]


def of_statsmodels(y, X=X, fit_intercept=True, **options):
    return glm(np.column_stack([X, np.ones(len(X))]) if fit_intercept else X, y, **options)


CASES = {
    "labels": (Y, {}, {}),
    "weights": (Y, {"sample_weight": N}, {"var_weights": N}),
    "offset": (Y, {"offset": OFFSET}, {"offset": OFFSET}),
    "no intercept": (Y, {"fit_intercept": False}, {"fit_intercept": False}),
    "counts": (np.column_stack([K, N - K]), {}, {}),
    "shares": (K / N, {"sample_weight": N}, {"var_weights": N}),
}


@pytest.mark.parametrize("case", CASES)
def test_statsmodels(case):
    y, options, theirs = CASES[case]
    model = fastlr.train(X, y, tol=1e-14, max_iter=100, **options)
    result = of_statsmodels(y, **theirs)
    influence = result.get_influence()
    np.testing.assert_allclose(model.residuals(), result.resid_pearson, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(model.residuals("deviance"), result.resid_deviance, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(model.leverages(), influence.hat_matrix_diag, rtol=1e-8)
    np.testing.assert_allclose(model.cooks_distances(), influence.cooks_distance[0], rtol=1e-8, atol=1e-9)
    assert (model.residuals("deviance") ** 2).sum() == pytest.approx(result.deviance, rel=1e-9)
    assert model.leverages().sum() == pytest.approx(4 + options.get("fit_intercept", True), rel=1e-12)


@pytest.mark.parametrize("name", ["spector", "admissions", "diabetes", "default"])
@pytest.mark.parametrize("weighted", [False, True])
def test_statsmodels_on_real_data(name, weighted, shared_data):
    """Columns as they are: statsmodels gets them standardised, since it squares their condition."""
    X, y = published(name, shared_data / "oracles")
    s = np.random.default_rng(1).integers(1, 5, y.size).astype(float) if weighted else None
    model = fastlr.train(X, y, sample_weight=s, tol=1e-12)
    result = of_statsmodels(y, (X - X.mean(axis=0)) / X.std(axis=0), **({"var_weights": s} if weighted else {}))
    influence = result.get_influence()
    np.testing.assert_allclose(model.residuals(), result.resid_pearson, rtol=1e-8)
    np.testing.assert_allclose(model.residuals("deviance"), result.resid_deviance, rtol=1e-8)
    np.testing.assert_allclose(model.leverages(), influence.hat_matrix_diag, rtol=1e-8)
    np.testing.assert_allclose(model.cooks_distances(), influence.cooks_distance[0], rtol=1e-8)


def kinds(tmp_path):
    import scipy.sparse

    da = pytest.importorskip("dask.array")
    np.save(tmp_path / "X.npy", X)
    return scipy.sparse.csr_array(X), np.asfortranarray(X), fastlr.stream(tmp_path / "X.npy", memory=1 << 13), \
        da.from_array(X, chunks=(30, 4))


def test_every_kind_of_rows(tmp_path):
    import dask

    known = fastlr.train(X, Y, sample_weight=N)
    with dask.config.set(scheduler="synchronous"):
        for kind in kinds(tmp_path):
            model = fastlr.train(kind, Y, sample_weight=N, init=known, backend="numpy")
            np.testing.assert_allclose(model.cooks_distances(), known.cooks_distances(), rtol=1e-5)
            np.testing.assert_allclose(model.residuals("deviance"), known.residuals("deviance"), rtol=1e-5)
            assert model.hosmer_lemeshow(5).chi2 == pytest.approx(known.hosmer_lemeshow(5).chi2, rel=1e-5)


def test_counts_without_trials_have_no_say():
    y = np.column_stack([K, N - K])
    y[[3, 79]] = 0.0
    counting = y.any(axis=1)
    model, without = fastlr.train(X, y, tol=1e-12), fastlr.train(X[counting], y[counting], tol=1e-12)
    for values, others in ((model.residuals(), without.residuals()), (model.residuals("deviance"), without.residuals("deviance")),
                           (model.leverages(), without.leverages()), (model.cooks_distances(), without.cooks_distances())):
        assert values.shape == (80,) and not values[~counting].any()
        np.testing.assert_allclose(values[counting], others, rtol=1e-8)


def test_far_columns_and_collinear_ones():
    known = fastlr.train(X, Y, tol=1e-12)
    far = fastlr.train(X + np.array([1e6, 0.0, -1e7, 0.0]), Y, tol=1e-9)
    np.testing.assert_allclose(far.leverages(), known.leverages(), rtol=1e-5)
    twice = fastlr.train(np.column_stack([X, X[:, 0] - X[:, 1]]), Y)
    np.testing.assert_allclose(twice.leverages(), known.leverages(), rtol=1e-5)
    np.testing.assert_allclose(twice.cooks_distances(), known.cooks_distances(), rtol=1e-4)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_penalty_takes_parameters_away(reduction):
    l2 = 0.1 if reduction == "mean" else 8.0
    model = fastlr.train(X, Y, l2=l2, reduction=reduction, tol=1e-12)
    p = model.predict_proba(X)[:, 1]
    A = np.column_stack([X, np.ones(80)])
    H = (A.T * (p * (1 - p))) @ A + np.diag([8.0] * 4 + [0.0])
    np.testing.assert_allclose(model.leverages(), p * (1 - p) * np.einsum("ij,jk,ik->i", A, np.linalg.inv(H), A), rtol=1e-9)
    assert model.leverages().sum() < 5.0


def test_penalty_factors_count_where_columns_are_far_from_zero():
    options = {"l2": 0.1, "penalty_factors": [0.0, 2.0, 1.0, 5.0], "backend": "numpy"}
    near, far = (fastlr.train(X + shift, Y, tol=1e-9, **options).leverages() for shift in (0.0, [1e6, 0.0, -1e7, 0.0]))
    np.testing.assert_allclose(far, near, rtol=1e-5)


def test_a_deviance_that_is_next_to_nothing():
    """Shares that are the model's own but for 1e-9: the terms of the deviance would cancel to nothing."""
    z = X @ [1.0, -0.5, 0.25, 2.0] + 0.5
    p = 1.0 / (1.0 + np.exp(-z))
    model = fastlr.train(X, p * (1.0 + 1e-9), init=([1.0, -0.5, 0.25, 2.0], 0.5), max_iter=0, tol=0)
    np.testing.assert_allclose(model.residuals("deviance"), 1e-9 * np.sqrt(p / (1 - p)), rtol=1e-5)
    np.testing.assert_allclose(model.residuals("pearson"), 1e-9 * np.sqrt(p / (1 - p)), rtol=1e-5)


def test_margins_that_are_huge():
    model = fastlr.train([[-1.0], [1.0], [1.0]], [0, 0, 1], init=([800.0], 0.0), max_iter=0, tol=0)
    np.testing.assert_allclose(model.residuals("deviance"), [0.0, -40.0, 0.0], atol=1e-12)
    assert model.residuals()[1] == -np.exp(400.0)


def test_hosmer_lemeshow_of_r(shared_data):
    """hoslem.test(admit, fitted(glm(admit ~ gre + gpa + factor(rank), binomial)))."""
    test = fastlr.train(*published("admissions", shared_data / "oracles")).hosmer_lemeshow()
    assert test.chi2 == pytest.approx(11.085, abs=5e-4) and test.df == 8 and test.p_value == pytest.approx(0.1969, abs=5e-5)


def test_hosmer_lemeshow_of_weights_is_that_of_repeated_rows():
    repeated = np.repeat(np.arange(80), N.astype(int))
    model = fastlr.train(X, Y, sample_weight=N)
    again = fastlr.train(X[repeated], Y[repeated], init=model)
    assert model.hosmer_lemeshow(6).chi2 == pytest.approx(again.hosmer_lemeshow(6).chi2, rel=1e-6)


@pytest.mark.parametrize("n", [4, 30, 203])
def test_backends(backend, n):
    X, y, *_ = problem(500, n)
    own, numpy = (fastlr.train(X, y, l2=0.1, offset=y - 0.5, tol=1e-12, backend=name) for name in (backend, "numpy"))
    np.testing.assert_allclose(own.leverages(), numpy.leverages(), rtol=1e-8)
    np.testing.assert_allclose(own.cooks_distances(), numpy.cooks_distances(), rtol=1e-8)


def test_what_is_refused():
    model = fastlr.train(X, Y)
    with pytest.raises(ValueError, match="kind must be one of 'pearson', 'deviance'"):
        model.residuals("working")
    with pytest.raises(ValueError, match="groups must be at least 3"):
        model.hosmer_lemeshow(2)
    with pytest.raises(ValueError, match="gives 1 group"):
        fastlr.train(X[:, :1] > 0, Y).hosmer_lemeshow()
    for options in ({"sample_weight": N / N.sum()}, {"class_weight": "balanced"}):
        with pytest.raises(ValueError, match=r"there is no Hosmer-Lemeshow test: (sample_weight adds up to|With class_weight)"):
            fastlr.train(X, Y, **options).hosmer_lemeshow()
    with pytest.raises(ValueError, match="y holds 2 at row 0, which is none of the classes"):
        model.plot_roc(X, np.full(80, 2))
    with pytest.raises(ValueError, match="sample_weight has the index of X in another order"):
        model.plot_roc(pd.DataFrame(X), Y, sample_weight=pd.Series(N)[::-1])
    import pickle

    with pytest.raises(ValueError, match="without the training data, which leverages reads"):
        pickle.loads(pickle.dumps(model)).leverages()


def test_pictures():
    from sklearn.metrics import roc_auc_score

    model = fastlr.train(X, np.where(Y, "yes", "no"))
    p, y = model.predict_proba(X)[:, 1], np.where(Y, "yes", "no")
    ax = model.plot_calibration(X, y, bins=5)
    line = ax.get_lines()[-1]
    assert ax.get_ylabel() == "share of 'yes'"
    assert line.get_xdata().size == 5 and np.average(line.get_ydata(), weights=[16] * 5) == pytest.approx(Y.mean())
    _, other = matplotlib.pyplot.subplots()
    ax = model.plot_roc(X, y, sample_weight=N, ax=other)
    assert ax is other and f"{roc_auc_score(Y, p, sample_weight=N):.2f}" in ax.get_legend().get_texts()[0].get_text()
    kinds = np.array(["a", "b", "c"])[np.arange(len(X)) % 3]
    model = fastlr.train(X, kinds, l2=0.1)
    ax = model.plot_calibration(X, kinds, bins=4)
    line = ax.get_lines()[-1]
    assert ax.get_ylabel() == "share that is predicted right"
    assert np.average(line.get_ydata(), weights=[20] * 4) == pytest.approx(model.score(X, kinds))
    with pytest.raises(NotImplementedError, match=r"^plot_roc\(\) is for models of two classes"):
        model.plot_roc(X, kinds)
    matplotlib.pyplot.close("all")

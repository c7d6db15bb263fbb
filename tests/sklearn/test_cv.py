"""LogisticRegression with l1, and LogisticRegressionCV: scikit-learn's optimum, choice, attributes and checks."""

import numpy as np
import pytest
import sklearn
from sklearn import linear_model
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold, PredefinedSplit, StratifiedKFold
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastlr
from fastlr import LogisticRegression, LogisticRegressionCV

pytestmark = pytest.mark.slow
CS = [0.3, 1.0, 3.0]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 8))
    return X, np.where(X[:, 0] - X[:, 1] + rng.logistic(size=120) > 0.3, "yes", "no")


@parametrize_with_checks([LogisticRegressionCV(Cs=[1.0], l1_ratios=[1.0], cv=2, refit=False, backend="numpy")])
def test_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("l1_ratio", "solver"), [(1.0, "liblinear"), (1.0, "saga"), (0.5, "saga")])
def test_the_optimum_of_scikit_learns_solvers(data, l1_ratio, solver):
    X, y = data
    fit_intercept = solver == "saga"                            # liblinear penalizes it
    ours = LogisticRegression(C=0.1, l1_ratio=l1_ratio, fit_intercept=fit_intercept, backend="numpy").fit(X, y)
    theirs = linear_model.LogisticRegression(C=0.1, l1_ratio=l1_ratio, fit_intercept=fit_intercept, solver=solver, tol=1e-10,
                                             max_iter=100_000).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-7)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-7)
    assert ours.model_.solver == "elastic_net" and 0 < np.count_nonzero(ours.coef_) < 8


def test_l1_learns_no_batches(data):
    with pytest.raises(AttributeError) as refused:
        LogisticRegression(l1_ratio=0.5).partial_fit(*data)
    assert str(refused.value.__cause__) == "l1_ratio is 0.5, and partial_fit supports only the l2 penalty, l1_ratio=0"


@pytest.mark.parametrize("options", [{}, {"scoring": "neg_log_loss"}, {"scoring": "roc_auc", "refit": False},
                                     {"scoring": "balanced_accuracy"}, {"fit_intercept": False, "class_weight": "balanced"}],
                         ids=["accuracy", "log_loss", "auc", "scorer", "balanced"])
def test_scikit_learns_choice(data, options):
    X, y = data
    common = {"Cs": CS, "l1_ratios": np.array([0.0, 0.7]), "cv": StratifiedKFold(3)} | options
    ours = LogisticRegressionCV(backend="numpy", **common).fit(X, y)
    theirs = linear_model.LogisticRegressionCV(solver="saga", tol=1e-9, max_iter=10_000, use_legacy_attributes=False,
                                               **{"scoring": None} | common).fit(X, y)
    assert ours.C_ == pytest.approx(theirs.C_) and ours.l1_ratio_ == pytest.approx(theirs.l1_ratio_)
    for name in ("Cs_", "l1_ratios_", "scores_", "coefs_paths_", "coef_", "intercept_"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        assert mine.shape == other.shape, name
        np.testing.assert_allclose(mine, other, atol=1e-5, err_msg=name)
    assert ours.n_iter_.shape == theirs.n_iter_.shape
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y))
    assert (ours.predict(X) == theirs.predict(X)).all()


@pytest.mark.parametrize("options", [{}, {"scoring": "neg_log_loss", "class_weight": "balanced"},
                                     {"scoring": "balanced_accuracy", "refit": False}, {"fit_intercept": False}],
                         ids=["accuracy", "log_loss", "scorer", "no_intercept"])
def test_scikit_learns_choice_for_three_classes(options):
    X, y = load_iris(return_X_y=True)
    X, y = scale(X), np.array(["setosa", "versicolor", "virginica"])[y]
    common = {"Cs": [0.3, 3.0], "l1_ratios": np.array([0.0, 0.7]), "cv": StratifiedKFold(2)} | options
    ours = LogisticRegressionCV(backend="numpy", **common).fit(X, y)
    theirs = linear_model.LogisticRegressionCV(solver="saga", tol=1e-11, max_iter=10_000, use_legacy_attributes=False,
                                               **{"scoring": None} | common).fit(X, y)
    assert ours.coef_.shape == (3, 4) and ours.coefs_paths_.shape[-2] == 3
    for name in ("C_", "l1_ratio_", "Cs_", "scores_", "coefs_paths_", "coef_", "intercept_"):
        mine, other = np.asarray(getattr(ours, name)), np.asarray(getattr(theirs, name))
        assert mine.shape == other.shape, name
        np.testing.assert_allclose(mine, other, atol=1e-6, err_msg=name)
    assert ours.n_iter_.shape == theirs.n_iter_.shape and (ours.predict(X) == theirs.predict(X)).all()


def test_the_area_under_a_curve_is_for_two_classes():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="scoring='roc_auc' is for two classes, and y has 3; choose 'roc_auc_ovr'"):
        LogisticRegressionCV(scoring="roc_auc").fit(X, y)


def test_a_mean_of_folds_has_compiled_nothing(data, monkeypatch):
    monkeypatch.setattr("fastlr.machine.stopwatch.seconds", lambda: 1e6)            # of other trainings
    model = LogisticRegressionCV(Cs=[1.0], cv=3, refit=False, backend="numpy").fit(*data).model_
    assert model.compile_time == 0.0 and model.elapsed > 0.0


def test_weights_judge_too(data):
    X, y = data
    s = np.arange(120) % 3 + 0.5
    ours = LogisticRegressionCV(Cs=[0.1], cv=3, backend="numpy").fit(X, y, s)
    by_hand = []
    for train, test in StratifiedKFold(3).split(X, y):
        model = LogisticRegression(C=0.1, backend="numpy").fit(X[train], y[train], s[train])
        by_hand.append(model.score(X[test], y[test], s[test]))
    np.testing.assert_allclose(ours.scores_[:, 0, 0], by_hand)
    scored = LogisticRegressionCV(Cs=[0.1], cv=3, scoring=get_scorer("accuracy"), backend="numpy").fit(X, y, s[:, None])
    np.testing.assert_array_equal(scored.scores_, ours.scores_)


@pytest.mark.parametrize("scoring", ["neg_log_loss", "balanced_accuracy"])
def test_groups_and_weights_are_routed(data, scoring):
    X, y = data
    metadata = {"groups": np.arange(120) % 5, "sample_weight": np.arange(120) % 3 + 0.5}
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer(scoring).set_score_request(sample_weight=True)
        options = {"Cs": CS, "l1_ratios": (0.0,), "cv": GroupKFold(3), "scoring": scorer}
        ours = LogisticRegressionCV(backend="numpy", **options).fit(X, y, **metadata)
        theirs = linear_model.LogisticRegressionCV(use_legacy_attributes=False, tol=1e-9, **options).fit(X, y, **metadata)
        np.testing.assert_allclose(ours.scores_, theirs.scores_, atol=1e-7)
        s = metadata["sample_weight"]
        assert ours.score(X, y, sample_weight=s) == pytest.approx(theirs.score(X, y, sample_weight=s))
        without = ours.set_params(scoring=get_scorer(scoring).set_score_request(sample_weight=False)).fit(X, y, **metadata)
        with pytest.raises(TypeError, match=r"unexpected argument\(s\) {'sample_weight'}, which are not routed to any object"):
            without.score(X, y, sample_weight=s)
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            LogisticRegressionCV(cv=GroupKFold(3)).fit(X, y, **metadata)
    with pytest.raises(ValueError, match=r"keyword arguments to LogisticRegressionCV\.fit is only supported if enable_metadata"):
        ours.fit(X, y, groups=metadata["groups"])


def test_splits_and_numbers_of_cs(data):
    X, y = data
    folds = list(GroupKFold(3).split(X, y, np.arange(120) % 5))
    estimator = LogisticRegressionCV(Cs=4, cv=folds, backend="numpy").fit(X, y)
    np.testing.assert_allclose(estimator.Cs_, np.logspace(-4, 4, 4))
    assert estimator.scores_.shape == (3, 1, 4) and estimator.model_.converged
    assert not hasattr(estimator, "partial_fit") and hasattr(fastlr.LogisticRegression(), "partial_fit")


@pytest.mark.parametrize("refit", [True, False])
def test_a_single_split(data, refit):
    options = {"Cs": CS, "cv": PredefinedSplit(np.where(np.arange(120) < 80, -1, 0)), "refit": refit}
    ours = LogisticRegressionCV(backend="numpy", **options).fit(*data)
    theirs = linear_model.LogisticRegressionCV(l1_ratios=(0.0,), scoring="accuracy", tol=1e-9, max_iter=10_000,
                                               use_legacy_attributes=False, **options).fit(*data)
    assert ours.C_ == pytest.approx(theirs.C_)
    np.testing.assert_allclose(ours.scores_, theirs.scores_)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)


def test_models_of_folds_that_have_not_converged(data):
    with pytest.warns(ConvergenceWarning, match="^9 of the 9 models of folds have not converged after max_iter=1 updates; raise"):
        LogisticRegressionCV(Cs=CS, cv=3, max_iter=1, refit=False, backend="numpy").fit(*data)


@pytest.mark.parametrize(("options", "text"), [
    ({"Cs": CS, "scoring": lambda estimator, X, y: np.nan}, r"is nan in fold 0, for C=0\.3 and l1_ratio=0, and no C is the best"),
    ({"Cs": [1.0, np.inf]}, "Cs must be finite and at least 1e-300, not inf"), ({"Cs": 0}, "Cs must be at least 1"),
    ({"Cs": [1e-310]}, "Cs must be finite and at least 1e-300, not 1e-310"),
    ({"Cs": []}, "Cs must be a number of values, or a list that holds one"),
    ({"l1_ratios": []}, "l1_ratios must be a list that holds one"), ({"l1_ratios": 0.5}, r"one ratio at least, not 0\.5"),
    ({"l1_ratios": [2.0]}, r"l1_ratios must be between 0 and 1, not 2\.0"),
    ({"solver": "newton"}, "solver must be 'auto'"),
])
def test_what_is_refused(data, options, text):
    with pytest.raises(ValueError, match=text):
        LogisticRegressionCV(backend="numpy", **options).fit(*data)


def test_a_list_of_scores_is_refused(data):
    with pytest.raises(TypeError, match=r"scoring must be the name of a score, or callable, not \['accuracy'\]"):
        LogisticRegressionCV(scoring=["accuracy"], backend="numpy").fit(*data)

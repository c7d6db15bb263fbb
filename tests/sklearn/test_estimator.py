"""fastlr.LogisticRegression: scikit-learn's optimum, its checks, and the tools people put an estimator into."""

import gc
import inspect
import os
import pickle
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression as Theirs
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastlr
from fastlr import LogisticRegression
from fastlr.machine.limits import processors
from tests.problems import problem, weights

pytestmark = pytest.mark.slow


def impossible(estimator):
    """Checks that ask for what the optimum of the objective is not."""
    if not estimator.fit_intercept:
        return {"check_class_weight_classifiers": "classes of weight 1000 and 0.0001, all of which an intercept would take up"}
    return {}


@pytest.mark.parametrize(("parameters", "error", "text"), [
    ({"penalty": None}, TypeError, "^fastlr.LogisticRegression has no penalty; .* C=numpy.inf for penalty=None"),
    ({"multi_class": "ovr"}, TypeError, "^fastlr.LogisticRegression has no multi_class; leave it out; "),
    ({"solver": "liblinear"}, ValueError, "^solver='liblinear' is unknown; .* and 'auto' finds the same optimum$"),
])
def test_parameters_of_scikit_learn_are_translated(parameters, error, text):
    with pytest.raises(error, match=text):
        fastlr.LogisticRegression(**parameters).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])


def test_a_subclass_may_have_a_parameter_that_only_scikit_learns_class_has():
    class WithPenalty(LogisticRegression):
        def __init__(self, *, penalty="l2", C=1.0):
            super().__init__(C=C, backend="numpy")
            self.penalty = penalty

    estimator = clone(WithPenalty(penalty="own", C=2.0)).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    assert estimator.penalty == "own" and estimator.model_.converged
    assert list(inspect.signature(LogisticRegression).parameters)[:2] == ["C", "l1_ratio"]


@parametrize_with_checks([
    LogisticRegression(backend="numpy"),
    LogisticRegression(l1_ratio=0.5, fit_intercept=False, class_weight="balanced", warm_start=True, n_jobs=-1, backend="numpy"),
], expected_failed_checks=impossible)
def test_checks(estimator, check):
    check(estimator)


@pytest.mark.long
def test_scikit_learns_own_tests(tmp_path):
    """Its module for both classes with ours in their place; sklearn_own.py says what is left out and why."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider",
         "-p", "tests.sklearn.sklearn_own", "--pyargs", "sklearn.linear_model.tests.test_logistic"], cwd=tmp_path, text=True,
        capture_output=True, check=False, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"})
    assert run.returncode == 0, run.stdout[-5000:]
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) >= 41


# ---- the optimum ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def data():
    X, y, *_ = problem(300, 5, seed=3)
    return X, y.astype(int), weights(300)[0]


def wide():
    X, y, *_ = problem(30, 50)
    return X, y


def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.mark.parametrize("data", [lambda: problem(300, 5, seed=3)[:2], wide, cancer], ids=["normal", "wide", "cancer"])
@pytest.mark.parametrize("options", [{}, {"C": 0.01}, {"C": 100.0}, {"fit_intercept": False}, {"class_weight": "balanced"},
                                     {"class_weight": {0: 3.0, 1: 0.5}}], ids=repr)
def test_the_optimum_is_scikit_learns(data, options):
    X, y = data()
    for s in (None, weights(y.size)[0]):
        ours = LogisticRegression(**options).fit(X, y, sample_weight=s)
        theirs = Theirs(**options, solver="newton-cholesky", tol=1e-13, max_iter=1000).fit(X, y, sample_weight=s)
        size = max(np.abs(theirs.coef_).max(), abs(theirs.intercept_[0]))
        assert np.abs(ours.coef_ - theirs.coef_).max() <= 1e-6 * size
        assert abs(ours.intercept_[0] - theirs.intercept_[0]) <= 1e-6 * size
        assert (ours.coef_.shape, ours.intercept_.shape, ours.n_iter_.shape) == ((1, X.shape[1]), (1,), (1,))
        assert np.array_equal(ours.classes_, theirs.classes_)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_no_penalty_with_infinite_C(data, solver):
    X, y, _ = data
    ours = LogisticRegression(C=np.inf, solver=solver).fit(X, y)
    theirs = Theirs(C=np.inf, solver="newton-cholesky", tol=1e-13).fit(X, y)
    assert np.allclose(ours.coef_, theirs.coef_, rtol=1e-6, atol=1e-9) and ours.model_.solver == solver


def test_probabilities_are_accurate_at_both_ends():
    classifier = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
    classifier.coef_[:], classifier.intercept_[:] = 1.0, 0.0                # what is written there predicts
    z = np.array([[-1e4], [-50.0], [0.0], [50.0], [1e4]])
    assert np.array_equal(classifier.decision_function(z), z[:, 0])
    with np.errstate(all="raise"):
        logs = classifier.predict_log_proba(z)
    e = np.exp(-50.0)                                                        # log1p(e) is e here
    assert np.allclose(logs[:, 1], [-1e4, -50.0, -np.log(2.0), -e, 0.0], rtol=1e-15, atol=0.0)
    assert np.array_equal(logs[:, 0], logs[::-1, 1])
    assert np.allclose(classifier.predict_proba(z)[:, 0], [1.0, 1.0, 0.5, e, 0.0], rtol=1e-15, atol=0.0)
    assert classifier.predict(z).tolist() == [0, 0, 0, 1, 1]


def test_warm_start(data):
    X, y, _ = data
    classifier = LogisticRegression(warm_start=True).fit(X, y)
    cold = classifier.n_iter_[0]
    assert classifier.fit(X, y).n_iter_[0] == 0 < cold
    classifier.set_params(fit_intercept=False).fit(X, y)                   # the old intercept is no start for none
    assert classifier.intercept_[0] == 0.0
    with pytest.raises(ValueError, match=r"init: w has shape \(5,\), and X has 4 features"):
        classifier.fit(X[:, :4], y)


# ---- parameters ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("options", "error", "message"), [
    ({"C": 0.0}, ValueError, "C must be finite and above 0, not 0.0"),
    ({"C": "1"}, TypeError, "C must be a number, not '1'"),
    ({"C": 1e-310}, ValueError, "C must be at least 1e-300"),
    ({"l1_ratio": 1.5}, ValueError, "l1_ratio must be between 0 and 1, not 1.5"),
    ({"l1_ratio": None}, TypeError, "l1_ratio must be a number, not None"),
    ({"l1_ratio": 0.5, "solver": "newton"}, ValueError, "take no solver='newton'"),
    ({"tol": None}, TypeError, "tol must be a number, not None"),
    ({"max_iter": None}, TypeError, "max_iter must be an integer"),
    ({"solver": "saga"}, ValueError, "solver='saga' is unknown; there are 'auto'"),
    ({"warm_start": 1}, TypeError, "warm_start must be True or False"),
    ({"n_jobs": 0}, ValueError, r"n_jobs must be .* not 0"),
    ({"n_jobs": 1.5}, TypeError, "n_jobs must be an integer, not 1.5"),
    ({"backend": "gpu"}, ValueError, "backend='gpu' is unknown"),
], ids=repr)
def test_refused_parameters(options, error, message, data):
    with pytest.raises(error, match=message):
        LogisticRegression(**options).fit(*data[:2])


def test_n_jobs_are_threads(data, monkeypatch):
    asked = []
    train = fastlr.train
    monkeypatch.setattr(fastlr.sklearn.estimator, "train", lambda *args, **options: asked.append(options["n_threads"]) or
                        train(*args, **options))
    for n_jobs in (None, 1, 3, -1, -1000):
        LogisticRegression(n_jobs=n_jobs).fit(*data[:2])
    assert asked == [None, 1, 3, processors(), 1]


@pytest.mark.parametrize("category", [ConvergenceWarning, fastlr.ConvergenceWarning])
def test_the_warning_is_both_packages(category, data):
    with pytest.warns(category, match="did not converge: after 1 updates.*raise max_iter") as caught:
        LogisticRegression(max_iter=1).fit(*data[:2])
    assert caught[0].filename == __file__
    with pytest.warns(category, match="Here l2 is 1/C: set a finite C") as caught:
        LogisticRegression(C=np.inf).fit([[0.0], [1.0]], [0, 1])
    assert issubclass(caught[0].category, fastlr.SeparationWarning)


def test_an_estimator_keeps_none_of_its_data():
    X, y, *_ = problem(5_000, 20)
    s, _ = weights(5_000)

    def trained():
        return [getattr(LogisticRegression(backend="numpy"), method)(form(X), y.copy(), sample_weight=s.copy())
                for method, form in (("fit", np.array), ("fit", pd.DataFrame), ("fit", sparse.csr_array),
                                     ("partial_fit", np.array))]

    trained()                                   # what is imported and remembered on first use
    gc.collect()
    tracemalloc.start()
    try:
        estimators = trained()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 0.1 * X.nbytes
    for estimator in estimators:
        with pytest.raises(ValueError, match=r"an estimator's fit or partial_fit, without the training data, .*; train with"):
            estimator.model_.summary()


def test_trains_warning_names_the_callers_line():
    with pytest.warns(fastlr.SeparationWarning) as caught:
        fastlr.train([[0.0], [1.0]], [0, 1])
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("X", "error", "ours", "theirs"), [
    ([[1j], [2.0]], ValueError, "X must hold real numbers, not complex128", "Complex data not supported"),
    (np.array([[{}], [2.0]], object), TypeError, r"X holds \{\} at row 0, column 0", "argument must be a string or a real num"),
    (np.empty((2, 0)), ValueError, "X is empty", r"0 feature\(s\) \(shape=\(2, 0\)\) while a minimum of 1 is required"),
    ([1.0, 2.0], ValueError, "X must have two dimensions", "Reshape your data"),
], ids=["complex", "dict", "no columns", "1-d"])
def test_scikit_learns_words_beside_ours(X, error, ours, theirs):
    """Its checks of estimators ask for them; all other refusals are those of `fastlr.train`, see test_check.py."""
    with pytest.raises(ValueError, match=r"^y has 3 values, and X has 2 rows\.  Found input variables with inconsistent number"):
        LogisticRegression().fit([[1.0], [2.0]], [0, 1, 1])
    with pytest.raises(error, match=f"^{ours}.*{theirs}"):
        LogisticRegression().fit(X, [0, 1])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_score_refuses_missing_labels(missing, data):
    X, y, _ = data
    with pytest.raises(ValueError, match=r"^y has 1 missing or infinite label\(s\); the first is .* at row 3\."):
        LogisticRegression().fit(X, y).score(X, pd.Series([*y[:3], missing, *y[4:]], dtype=object))


def test_a_column_of_labels(data):
    X, y, _ = data
    with pytest.warns(sklearn.exceptions.DataConversionWarning, match="^A column-vector y was passed") as caught:
        ours = LogisticRegression().fit(X, y[:, None])
    assert caught[0].filename == __file__
    assert np.array_equal(ours.coef_, LogisticRegression().fit(X, y).coef_)


def test_more_than_two_classes(data):
    X, y, _ = data
    y = y + (X[:, 0] > 1.0)
    theirs = Theirs(C=0.5, tol=1e-8, max_iter=1000, solver="newton-cg").fit(X, y)
    ours = LogisticRegression(C=0.5, warm_start=True).fit(X, y)
    assert ours.coef_.shape == theirs.coef_.shape == (3, X.shape[1]) and ours.intercept_.shape == (3,)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-6)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-5)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-5)
    assert (ours.predict(X) == theirs.predict(X)).all() and ours.score(X, y) == theirs.score(X, y)
    assert ours.fit(X, y).n_iter_[0] <= 1                   # a warm start
    with pytest.raises(ValueError, match=r"^init: .*  With warm_start=True init is coef_ and intercept_, .* warm_start=False"):
        ours.fit(X, y > 0)
    assert OneVsRestClassifier(LogisticRegression()).fit(X, y).score(X, y) > 0.5


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
def test_sparse(data, form):
    X = np.where(np.abs(data[0]) > 1.0, data[0], 0.0)
    dense, other = (LogisticRegression(tol=1e-11).fit(A, data[1], data[2]) for A in (X, form(X)))
    np.testing.assert_allclose(other.coef_, dense.coef_, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(other.predict_proba(form(X)), dense.predict_proba(X), rtol=1e-7)
    assert (other.predict(form(X)) == dense.predict(X)).all()


# ---- data frames ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_frames_keep_their_names(frame, data):
    X, y, _ = data
    names = [*"abcde"]
    X = frame(dict(zip(names, X.T, strict=True)))
    classifier = LogisticRegression().fit(X, np.where(y, "yes", "no"))
    assert classifier.feature_names_in_.tolist() == names
    assert classifier.model_.feature_names == tuple(names)
    assert set(classifier.predict(X)) == {"no", "yes"}
    with pytest.raises(ValueError, match="Feature names must be in the same order"):
        classifier.predict(X.select(names[::-1]) if frame is pa.table else X[names[::-1]])
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        classifier.predict(X.select(names[:4]) if frame is pa.table else X[names[:4]])


# ---- the tools ---------------------------------------------------------------------------------------------------------

def test_copies_predict_the_same(data, tmp_path):
    X, y, _ = data
    classifier = LogisticRegression(C=0.3).fit(X, y)
    joblib.dump(classifier, tmp_path / "classifier")
    for copy in (pickle.loads(pickle.dumps(classifier)), joblib.load(tmp_path / "classifier"), clone(classifier).fit(X, y)):
        assert np.array_equal(copy.predict_proba(X), classifier.predict_proba(X))


def test_pipelines_and_other_estimators(data):
    X, y, s = data
    frame = pd.DataFrame(X, columns=[*"abcde"]).assign(kind=np.where(s > 0.5, "p", "q"))
    columns = make_column_transformer((StandardScaler(), [*"abcde"]), (OneHotEncoder(), ["kind"]))
    piped = make_pipeline(columns, LogisticRegression()).fit(frame, y)
    reference = make_pipeline(columns, Theirs(tol=1e-10)).fit(frame, y)
    assert np.allclose(piped.predict_proba(frame), reference.predict_proba(frame), atol=1e-5)
    assert np.all(cross_val_score(piped, frame, y, cv=3, scoring="neg_log_loss") < 0.0)

    assert CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, y).predict_proba(X).shape == (300, 2)
    stack = StackingClassifier([("lr", LogisticRegression()), ("tree", DecisionTreeClassifier(max_depth=2))],
                               LogisticRegression(), cv=2).fit(X, y)
    assert stack.score(X, y) > 0.5
    importance = permutation_importance(LogisticRegression().fit(X, y), X, y, n_repeats=2, random_state=0)
    assert importance.importances.shape == (5, 2)


def test_sample_weight_is_routed(data):
    X, y, s = data
    with sklearn.config_context(enable_metadata_routing=True):
        piped = make_pipeline(StandardScaler().set_fit_request(sample_weight=False),
                              LogisticRegression().set_fit_request(sample_weight=True)).fit(X, y, sample_weight=s)
    expected = LogisticRegression().fit(StandardScaler().fit_transform(X), y, sample_weight=s)
    assert np.array_equal(piped[-1].coef_, expected.coef_)


@pytest.mark.parametrize("parallel", ["loky", "threading"])
def test_grid_search_in_workers(parallel, data):
    X, y, _ = data
    Cs = {"C": [0.01, 1.0, 100.0]}
    alone = GridSearchCV(LogisticRegression(), Cs, cv=3, scoring="neg_log_loss").fit(X, y)
    with joblib.parallel_backend(parallel):
        shared = GridSearchCV(LogisticRegression(), Cs, cv=3, scoring="neg_log_loss", n_jobs=2).fit(X, y)
    assert np.allclose(alone.cv_results_["mean_test_score"], shared.cv_results_["mean_test_score"], rtol=1e-8)


# ---- to scikit-learn ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"], [False, True]])
def test_to_sklearn_predicts_the_same(labels, data):
    X, y, _ = data
    model = fastlr.train(X, np.array(labels)[y])
    estimator = model.to_sklearn()
    assert type(estimator) is Theirs
    assert np.allclose(estimator.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    assert np.array_equal(estimator.predict(X), model.predict(X))
    assert estimator.classes_.dtype == model.classes.dtype
    assert (estimator.n_iter_[0], estimator.n_features_in_) == (model.n_iter, 5)
    estimator.coef_[:] = 0.0                            # a copy: the model is frozen
    assert not hasattr(estimator, "feature_names_in_") and model.w.any()


@pytest.mark.parametrize("K", [2, 3])
def test_to_sklearn_becomes_onnx(K, data):
    skl2onnx, onnxruntime = pytest.importorskip("skl2onnx"), pytest.importorskip("onnxruntime")
    X, y, _ = data
    model = fastlr.train(X, np.array(["a", "b", "c"])[y + (K == 3) * (X[:, 0] > 0.0)], backend="numpy")
    made = skl2onnx.to_onnx(model.to_sklearn(), X[:1], options={"zipmap": False})
    labels, probabilities = onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"X": X})
    assert np.array_equal(labels, model.predict(X)) and probabilities.shape == (300, K)
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-14)


def test_to_sklearn_keeps_names_and_refuses_an_offset(data):
    X, y, _ = data
    frame = pd.DataFrame(X, columns=[*"abcde"])
    estimator = fastlr.train(frame, y).to_sklearn()
    assert estimator.feature_names_in_.tolist() == [*"abcde"]
    with pytest.raises(ValueError, match="same order"):
        estimator.predict(frame[[*"edcba"]])
    with pytest.raises(ValueError, match="trained with an offset"):
        fastlr.train(X, y, offset=np.ones(300)).to_sklearn()

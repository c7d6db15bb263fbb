"""A pytest plugin that puts fastlr's two classes in the place of scikit-learn's, for scikit-learn's own tests of them:

    pytest -p tests.sklearn.sklearn_own --pyargs sklearn.linear_model.tests.test_logistic

The tests of LEFT_OUT are expected to fail, strictly: one that passes is an error, so that the list can't be too long.
"""

import re

import pytest
import sklearn.linear_model

import fastlr.sklearn.cv
import fastlr.sklearn.estimator

_OTHERS = "(liblinear|saga?)"

LEFT_OUT = {
    "a solver that fastlr doesn't have": (
        rf"test_logistic_regression_sample_weights\[.*{_OTHERS}-single",
        rf"test_(max_iter|n_iter|warm_start|large_sparse_matrix)\[.*{_OTHERS}",
        rf"test_(c_inf_no_warning|zero_max_iter|logistic_regression_solver_class_weights)\[.*{_OTHERS}",
        r"test_(consistency_path|logistic_cv|logistic_regression_solvers)(\[|$)",
        r"test_(check_solver_option|liblinear_multiclass_raises)\[", r"test_warm_start_converge_LR",
        r"test_(liblinear_decision_function_zero|liblinear_with_large_values)",
        r"test_(newton_cholesky_fallback_to_lbfgs|logisticregression_liblinear_sample_weight)", r"test_saga_vs_liblinear",
        r"test_(logistic_regression_solvers_multiclass|logistic_regression_class_weights)",
        r"test_elastic_net_(coeffs|versus_sgd|vs_l1_l2)", r"test_LogisticRegression(CV_GridSearchCV)?_elastic_net",
        r"test_(logreg_l1|logistic_regression_cv_refit|scores_attribute_layout_elasticnet)",
        r"test_sample_and_class_weight_equivalence_liblinear"),
    "private functions and methods of scikit-learn's class": (
        r"test_(logistic_cv_multinomial_score|logreg_predict_proba_multinomial|get_default_scorer)",),
    "a method that doesn't exist: sparsify": (r"test_sparsify",),
    "different on purpose: a class weight of 0 is refused": (r"test_multinomial_logistic_regression_string_inputs",),
    "different on purpose: n_iter_ is 0 where a warm start is the optimum": (r"test_warm_start_newton_solver",),
    "a parameter that doesn't exist: penalty (deprecated), dual, intercept_scaling": (
        r"test_elasticnet_l1_ratio_err_helpful\[", r"test_penalty_(none|deprecated\[)",
        r"test_elastic_net_l1_l2_equivalence", r"test_l1_ratio_non_elasticnet",
        r"test_(lr_penalty_l1ratio_incompatible|liblinear_dual_random_state|liblinear_not_stuck)"),
    "the old shapes of the attributes of LogisticRegressionCV, use_legacy_attributes=True": (
        r"test_(multinomial_cv_iris|LogisticRegressionCV_(no_refit|elasticnet_attribute_shapes|on_folds))",
        r"test_n_iter\[True-(lbfgs|newton)", r"test_lr_cv_scores_differ", r"test_logisticregressioncv_warns_with_use_legacy"),
    "the warning that a later default of LogisticRegressionCV's scoring is another": (r"test_lr_scoring_warns",),
    "different on purpose: a fold that trains without one of the classes is refused": (
        r"test_logistic_cv_folds_with_classes_missing",),
    "callbacks of scikit-learn 1.9": (r"test_logistic_regression_callback",),
    "different on purpose: float64 whatever X is": (r"test_dtype_match",),
    "different on purpose: NaN is refused in fastlr's words, with its place": (r"test_nan$",),
    "different on purpose: the warning that training did not converge has fastlr's words": (r"test_max_iter\[.*(lbfgs|newton)",),
    "different on purpose: Newton starts from the best model with w = 0, which max_iter=0 returns": (
        r"test_zero_max_iter\[newton",),
    "different on purpose: n_jobs has a meaning, and no l1_ratio=None": (
        r"test_logisticregression_warns_with_n_jobs", r"test_l1_ratio_None_deprecated"),
}

_trainings = 0
_train, _follow = fastlr.sklearn.estimator.train, fastlr.sklearn.cv.follow


def _counted(*args, **options):
    """Scikit-learn's names for Newton's method are taken for ours here, so that its tests of them count."""
    global _trainings
    _trainings += 1
    solver = options.pop("solver")
    return _train(*args, solver="newton" if solver in ("newton-cholesky", "newton-cg") else solver, **options)


def _followed(*args, **options):
    global _trainings
    _trainings += 1
    return _follow(*args, **options)


def _cv(*, use_legacy_attributes=False, solver="auto", l1_ratios=None, **options):
    """A LogisticRegressionCV of ours for the arguments of scikit-learn's, whose solvers and old defaults it doesn't have."""
    if use_legacy_attributes is True:
        raise TypeError("fastlr.LogisticRegressionCV has no use_legacy_attributes")
    return fastlr.LogisticRegressionCV(l1_ratios=(0.0,) if l1_ratios is None else l1_ratios, **options)


_cv.__name__ = "LogisticRegressionCV"


def pytest_configure():
    sklearn.linear_model.LogisticRegression = fastlr.LogisticRegression     # before the module of tests imports it
    sklearn.linear_model.LogisticRegressionCV = _cv
    fastlr.sklearn.cv.follow = _followed
    fastlr.sklearn.estimator.train = _counted


def pytest_collection_modifyitems(items):
    unused = {pattern for patterns in LEFT_OUT.values() for pattern in patterns}
    for item in items:
        for reason, patterns in LEFT_OUT.items():
            matching = [pattern for pattern in patterns if re.match(pattern, item.name)]
            if matching:
                unused -= set(matching)
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
                break
    assert not unused, f"no test has the name {unused}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Tests that pass without ever training our classes, such as those of helpers, are counted as skipped."""
    global _trainings
    report = yield
    if report.when == "call":
        if report.passed and _trainings == 0:
            report.outcome, report.longrepr = "skipped", (str(item.path), 0, "Skipped: trains neither class")
        _trainings = 0
    return report

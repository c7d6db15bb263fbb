"""The trained model and what people do with it."""

import dataclasses
import json
import pickle
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest

import fastlr

mpl.use("Agg")

M, N = 60, 3
RNG = np.random.default_rng(1)
X = RNG.standard_normal((M, N)).astype(np.float32).astype(np.float64)       # float32 holds these values
Y = (X @ [1.0, -2.0, 0.5] + RNG.logistic(size=M) > 0.8).astype(int)         # about one third of ones
WEIGHTS = RNG.uniform(0.5, 2.0, M)
OFFSET = RNG.uniform(-1.0, 1.0, M)


def train(A=X, y=Y, **options):
    return fastlr.train(A, y, **{"backend": "numpy", "learning_rate": 0.5, "max_iter": 10} | options)


def model_with(w, b, classes=(0, 1)):
    """A model of chosen parameters: no update is made."""
    return train(np.zeros((2, len(w))), list(classes), init=(w, b), max_iter=0)


@pytest.fixture(scope="module")
def model():
    return train()


@pytest.fixture(scope="module")
def framed():
    return train(pd.DataFrame(X, columns=["age", "height", "mass"]))


# ---- predicting -----------------------------------------------------------------------------------------------------

def test_margins_probabilities_and_classes(model):
    z, p = model.decision_function(X), model.predict_proba(X)
    np.testing.assert_allclose(z, X @ model.w + model.b, rtol=1e-13)
    assert p.shape == (M, 2) and p.dtype == np.float64
    np.testing.assert_allclose(p[:, 1], 1.0 / (1.0 + np.exp(-z)), rtol=1e-14)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(model.predict(X), p.argmax(axis=1))
    assert set(model.predict(X)) == {0, 1}


def test_small_probabilities_keep_their_digits_and_those_far_out_are_exact():
    """Warnings are errors here."""
    model, tiny = model_with([1.0], 0.0), 5e-324
    p = model.predict_proba([[50.0], [-50.0], [700.0]])
    np.testing.assert_allclose([p[0, 0], p[1, 1], p[2, 0]], np.exp([-50.0, -50.0, -700.0]), rtol=1e-14)
    np.testing.assert_array_equal(model.predict_proba([[1e4], [-1e4], [1e150]]), [[0, 1], [1, 0], [0, 1]])
    np.testing.assert_array_equal(model.predict([[0.0], [tiny], [-tiny]]), [0, 1, 0])


@pytest.mark.parametrize("labels", [np.array(["no", "yes"]), np.array(["no", "yes"], object), np.array([False, True]),
                                    np.array([-1, 1]), np.array([1, 2], np.uint8), np.array([0.5, 1.5])],
                         ids=["text", "objects", "bool", "-1 and 1", "uint8", "float"])
def test_labels_come_back(labels):
    model = train(y=labels[Y])
    predicted = model.predict(X)
    assert predicted.dtype == labels.dtype
    np.testing.assert_array_equal(predicted, labels[(X @ model.w + model.b > 0).astype(int)])
    np.testing.assert_array_equal(model.classes, labels)
    assert {*train(y=pd.Categorical(labels[Y])).predict(X).tolist()} == {*labels.tolist()}


@pytest.mark.parametrize("method", ["decision_function", "predict_proba", "predict"])
@pytest.mark.parametrize("change", [
    lambda A: A.astype(np.float32), np.asfortranarray, lambda A: np.repeat(A, 2, axis=0)[::2], lambda A: A.astype(">f8"),
    lambda A: A.astype(object), np.ndarray.tolist, pd.DataFrame, pl.DataFrame,
], ids=["float32", "Fortran", "strided", ">f8", "object", "lists", "pandas", "polars"])
def test_predicts_for_odd_X(model, method, change):
    np.testing.assert_allclose(getattr(model, method)(change(X)), getattr(model, method)(X), rtol=1e-12)


def test_predicting_leaves_X_alone(model):
    A, read_only = X.copy(), X.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(model.predict_proba(A), model.predict_proba(read_only))
    np.testing.assert_array_equal(A, X)
    assert A.flags.writeable


@pytest.mark.parametrize(("A", "text"), [
    (np.zeros((5, 2)), r"^X has 2 features, and the model was trained on 3$"),
    (np.zeros((5, 4)), r"^X has 4 features, and the model was trained on 3$"),
    (np.where(np.arange(24).reshape(8, 3) == 23, np.nan, 0.0), r"nan at row 7, column 2\b"), (X[0], r"X\.reshape\(1, -1\)")])
def test_what_can_not_be_predicted(model, A, text):
    with pytest.raises(ValueError, match=text):
        model.predict(A)


# ---- score ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("weights", [None, WEIGHTS, WEIGHTS.tolist()], ids=["none", "array", "list"])
def test_score(model, weights):
    expected = np.average(model.predict(X) == Y, weights=weights)
    assert 0.5 < expected < 1.0
    assert model.score(X, Y, sample_weight=weights) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("kind", [list, pd.Series, pl.Series, lambda y: y[:, None]], ids=["list", "pandas", "polars", "column"])
def test_score_of_odd_y(kind):
    y = np.array(["no", "yes"])[Y]
    model = train(y=y)
    assert model.score(X, kind(y)) == model.score(X, y)


@pytest.mark.parametrize("unknown", [7, None, pd.NA, np.nan], ids=str)
def test_score_counts_an_unknown_label_as_wrong(model, unknown):
    y = model.predict(X).astype(object)
    y[:15] = unknown
    assert model.score(X, y) == 0.75


@pytest.mark.parametrize("unknown", [[0, 1] * 30, [1] * 60, [None] * 60, ["a", "b"] * 30], ids=["0, 1", "1", "None", "text"])
def test_score_refuses_labels_of_other_classes(unknown):
    with pytest.raises(ValueError, match=r"^y holds .* at row 0, which is none of the classes \['no', 'yes'\]$"):
        train(y=np.array(["no", "yes"])[Y]).score(X, unknown)
    assert train(y=np.array(["no", "yes"])[Y]).score(X[:1], ["maybe"]) == 0.0


def test_score_counts_trials():
    """Counts, shares and one row for each trial have the same accuracy."""
    counts = np.random.default_rng(0).integers(0, 5, (M, 2))
    counts[0] = 0
    n = counts.sum(axis=1)
    share = counts[:, 0] / np.maximum(n, 1)
    model = train(y=counts)
    each, y = np.repeat(np.repeat(X, 2, axis=0), counts.ravel(), axis=0), np.repeat(np.tile([1, 0], M), counts.ravel())
    right = model.score(each, y)
    assert 0.4 < right < 1.0
    assert model.score(X, counts) == model.score(X, pd.DataFrame(counts)) == pytest.approx(right, rel=1e-14)
    assert model.score(X, share, sample_weight=n) == pytest.approx(right, rel=1e-14)
    assert model.score(X, counts, sample_weight=WEIGHTS) == pytest.approx(
        model.score(each, y, sample_weight=np.repeat(np.repeat(WEIGHTS, 2), counts.ravel())), rel=1e-14)
    with pytest.raises(ValueError, match=r"one-hot"):
        model.score(X, np.eye(2)[Y])
    for given in (counts, share):
        with pytest.raises(ValueError, match=r"^y holds counts or shares of successes, and the model's classes are \['no'"):
            train(y=np.array(["no", "yes"])[Y]).score(X, given)
    halves = train(y=np.array([0.5, 1.5])[Y])
    assert halves.score(X[:2], [0.5, 0.5]) == np.mean(halves.predict(X[:2]) == 0.5)


def test_score_of_what_has_only_array(model):
    class OnlyArray:
        def __array__(self, dtype=None, copy=None):
            return X.copy()

    assert model.score(OnlyArray(), Y) == model.score(X, Y)


def test_score_refuses_short_y_and_negative_weights(model):
    with pytest.raises(ValueError, match=r"^y has 59 values, and X has 60 rows$"):
        model.score(X, Y[:-1])
    with pytest.raises(ValueError, match=r"^sample_weight .* -1\.0 at row 0$"):
        model.score(X, Y, sample_weight=-np.ones(M))


# ---- offset ---------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def shifted():
    return train(offset=OFFSET)


def test_an_offset_is_required(shifted):
    again = pickle.loads(pickle.dumps(shifted))
    for call in (shifted.decision_function, shifted.predict_proba, shifted.predict, lambda A: shifted.score(A, Y), again.predict):
        with pytest.raises(ValueError, match=r"trained with an offset.*pass offset="):
            call(X)


def test_an_offset_is_added_to_the_margin(shifted, model):
    np.testing.assert_allclose(shifted.decision_function(X, OFFSET), X @ shifted.w + shifted.b + OFFSET, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(model.decision_function(X, OFFSET), model.decision_function(X) + OFFSET, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(shifted.predict(X, np.full(M, 100.0)), 1)
    np.testing.assert_array_equal(shifted.predict(X, np.full(M, -100.0)), 0)
    assert shifted.score(X, Y, offset=100.0 * (2 * Y - 1)) == 1.0


def test_constant_offsets_are_an_intercept(model):
    np.testing.assert_array_equal(train(offset=np.zeros(M)).w, model.w)
    np.testing.assert_allclose(train(offset=np.full(M, 0.7)).w, train(init=(np.zeros(N), 0.7)).w, rtol=1e-12)


# ---- data frames ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_names_are_kept(framed, model, kind):
    A = kind({"age": X[:, 0], "height": X[:, 1], "mass": X[:, 2]})
    assert train(A).feature_names == ("age", "height", "mass") and model.feature_names is None
    np.testing.assert_allclose(framed.predict_proba(A), framed.predict_proba(X), rtol=1e-12)


def test_an_array_is_given_names():
    model = train(feature_names=["age", "height", "mass"])
    assert model.feature_names == ("age", "height", "mass")
    assert "height" in str(model.summary())
    with pytest.raises(ValueError, match=r"^X has other columns than the model was trained on"):
        model.predict(pd.DataFrame(X, columns=[*"abc"]))


@pytest.mark.parametrize(("X", "names", "message"), [
    (X, ["age", "mass"], r"^feature_names has shape \(2,\), and X has 3 features: it must have shape \(3,\)"),
    (X, [*"aba"], r"^feature_names has 2 columns called 'a'; rename all but one"),
    (X, [1, 2, 3], r"^feature_names must hold text; feature_names\[0\] is 1"),
    (pd.DataFrame(X, columns=[*"abc"]), [*"abc"], r"^feature_names is for an X without names"),
])
def test_names_that_are_refused(X, names, message):
    with pytest.raises((TypeError, ValueError), match=message):
        train(X, feature_names=names)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(("columns", "text"), [
    (["age", "mass", "height"], r"another order; pass X\[\['age', 'height', 'mass'\]\]"),
    (["age", "height", "size"], r"missing \['mass'\], unknown \['size'\]"),
    (["age", "height"], r"missing \['mass'\], unknown \[\]"),
    (["age", "height", "mass", "size"], r"missing \[\], unknown \['size'\]"),
], ids=["order", "other", "missing", "more"])
def test_frame_of_other_columns(framed, kind, columns, text):
    with pytest.raises(ValueError, match=text):
        framed.predict(kind(dict.fromkeys(columns, X[:, 0])))


# ---- what a Model is ------------------------------------------------------------------------------------------------

def test_attributes(model):
    assert model.w.shape == (N,) and model.w.dtype == np.float64
    assert type(model.b) is float and type(model.cost) is float
    assert model.costs.shape == (10,) and model.n_iter == 10
    assert (model.solver, model.backend, model.n_threads) == ("gd", "numpy", 1)
    assert model.gap is None and np.isnan(model.grad_norm) and not model.converged and not model.has_offset
    assert model.elapsed > 0.0 and model.compile_time >= 0.0


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["none", "weights"])
def test_cost_is_the_log_loss_of_the_probabilities(backend, weights):
    model = train(backend=backend, sample_weight=weights)
    log_loss = np.average(-np.log(model.predict_proba(X)[np.arange(M), Y]), weights=weights)
    assert model.cost == pytest.approx(log_loss, rel=1e-12)


def test_frozen(model):
    for field in dataclasses.fields(fastlr.Model):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(model, field.name, None)


def test_a_pickle_is_the_same_and_arrays_are_read_only(framed):
    again = pickle.loads(pickle.dumps(framed))
    np.testing.assert_array_equal(again.predict_proba(X), framed.predict_proba(X))
    assert repr(again) == repr(framed)
    assert again.feature_names == framed.feature_names
    for array in (each for made in (framed, again) for each in (made.w, made.classes, made.costs)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("labels", [[0, 1], ["no", "yes"], [False, True], np.array([np.int64(3), np.int64(4)], object)],
                         ids=["int", "text", "bool", "objects"])
def test_dict_is_json(labels):
    model = train(y=np.asarray(labels)[Y])
    values = model.to_dict()
    assert set(values) == {field.name for field in dataclasses.fields(fastlr.Model) if not field.name.startswith("_")}
    assert np.isnan(values["grad_norm"]) and np.isnan(values["history"]["grad_norm"]).all()
    values["history"]["grad_norm"] = None
    again = json.loads(json.dumps(values | {"grad_norm": None}, allow_nan=False))
    assert again["history"]["cost"] == [*model.costs, model.cost]
    assert again["w"] == model.w.tolist() and again["b"] == model.b
    assert again["costs"] == model.costs.tolist() and again["cost"] == model.cost
    assert again["classes"] == list(labels)


def test_dict_keeps_names(framed):
    assert json.loads(json.dumps(framed.to_dict()))["feature_names"] == ["age", "height", "mass"]


def test_repr(model):
    assert repr(model) == (f"<fastlr.Model: 3 features, J = {model.cost:.6g} after 10 updates, tol = 0, solver 'gd', "
                           "backend 'numpy'>")
    assert ", converged, " in repr(train(tol=0.1, max_iter=1000))
    with pytest.warns(fastlr.ConvergenceWarning):
        assert ", not converged, " in repr(train(tol=1e-8))


@pytest.fixture
def axes():
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_plot_costs(model, axes):
    assert model.plot_costs(axes) is axes
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(11))
    np.testing.assert_array_equal(line.get_ydata(), [*model.costs, model.cost])
    assert axes.get_xlabel() and axes.get_ylabel()


def test_plot_costs_makes_its_own_figure(model, axes):
    import matplotlib.pyplot as plt

    own = model.plot_costs()
    try:
        assert own is not axes and len(own.lines[0].get_xdata()) == 11
    finally:
        plt.close(own.figure)


# ---- class weights and warm starts ----------------------------------------------------------------------------------

def assert_close(model, other, rtol=1e-13):
    np.testing.assert_allclose(np.append(model.w, model.b), np.append(other.w, other.b), rtol=rtol)
    np.testing.assert_allclose(np.append(model.costs, model.cost), np.append(other.costs, other.cost), rtol=rtol)


def test_balanced():
    balanced = train(class_weight="balanced")
    assert_close(balanced, train(sample_weight=(M / (2 * np.bincount(Y)))[Y]))
    assert not np.allclose(balanced.w, train().w, rtol=1e-3)


def test_balanced_gives_both_classes_the_same_total():
    total = np.array([WEIGHTS[Y == 0].sum(), WEIGHTS[Y == 1].sum()])
    equal = WEIGHTS * (total.sum() / (2 * total))[Y]
    assert_close(train(class_weight="balanced", sample_weight=WEIGHTS), train(sample_weight=equal))


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alone", "with sample_weight"])
def test_class_weight_dict(weights):
    each = np.where(Y == 1, 3.0, 0.5)
    model = train(class_weight={0: 0.5, 1: 3.0}, sample_weight=weights)
    assert_close(model, train(sample_weight=each if weights is None else each * weights))


def test_class_weight_of_text_labels():
    y = np.array(["no", "yes"])[Y]
    assert_close(train(y=y, class_weight={"yes": 3}), train(sample_weight=1.0 + 2.0 * Y))


def test_class_left_out_of_the_dict_weighs_1():
    assert_close(train(class_weight={1: 3.0}), train(class_weight={0: 1.0, 1: 3.0}), rtol=0)


@pytest.mark.parametrize("again", [lambda model: model, lambda model: (model.w, model.b),
                                   lambda model: pickle.loads(pickle.dumps(model))], ids=["Model", "(w, b)", "unpickled"])
def test_warm_start_continues(backend, again):
    whole = train(backend=backend, max_iter=10)
    first = train(backend=backend, max_iter=5)
    second = train(backend=backend, max_iter=5, init=again(first))
    np.testing.assert_allclose(np.append(second.w, second.b), np.append(whole.w, whole.b), rtol=1e-15)
    np.testing.assert_allclose([*first.costs, *second.costs, second.cost], [*whole.costs, whole.cost], rtol=1e-15)
    assert first.cost == second.costs[0]


def test_warm_start_of_other_features(model):
    with pytest.raises(ValueError, match=r"\(3,\).*2 features"):
        train(X[:, :2], init=model)


@pytest.mark.parametrize(("module", "call", "text"), [
    ("matplotlib.pyplot", lambda model: model.plot_costs(), r"^plot_costs\(\) needs matplotlib, .* pip install matplotlib$"),
    ("matplotlib", lambda model: model.plot_roc([[0.0]], [0]), r"^plot_roc\(\) needs matplotlib, .* pip install matplotlib"),
    ("sklearn.linear_model", lambda model: model.to_sklearn(), r"^to_sklearn\(\) needs scikit-learn, .* install scikit-learn$"),
    ("pandas", lambda model: model.summary().to_frame(), r"^to_frame\(\) needs pandas, .* pip install pandas$"),
])
def test_a_missing_package_is_named_with_the_way_to_install_it(monkeypatch, module, call, text):
    model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1], backend="numpy")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=text):
        call(model)


def test_one_feature_and_one_update_are_singular():
    model = fastlr.train([[0.0], [1.0]], [0, 1], learning_rate=0.1, max_iter=1, backend="numpy")
    assert repr(model).startswith("<fastlr.Model: 1 feature, J = ") and " after 1 update, " in repr(model)
    with pytest.raises(ValueError, match=r"^X has 2 features, and the model was trained on 1$"):
        model.predict([[1.0, 2.0]])

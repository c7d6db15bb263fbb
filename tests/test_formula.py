"""Training by a formula: against statsmodels' formulas, on frames of every kind, and what is refused."""

import copy
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import fastlr

pytestmark = pytest.mark.slow

M = 400
FORMULA = "bought ~ age + C(city) + log(income) + age:income"


def made():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40.0, 10.0, M), "city": rng.choice(["Oslo", "Paris", "Rome"], M),
                          "income": 0.1 + rng.exponential(size=M), "count": rng.integers(1, 4, M), "other": np.nan})
    z = 0.05 * (frame["age"] - 40.0) + (frame["city"] == "Paris") + np.log(frame["income"])
    return frame.assign(bought=np.where(z + rng.logistic(size=M) > 0.0, "yes", "no"))


FRAME = made()


def with_missing():
    frame = FRAME.copy()
    frame.loc[3:5, "income"] = np.nan
    frame.loc[5:9, "city"] = None
    return frame


def train(formula=FORMULA, frame=FRAME, **options):
    return fastlr.formula.train(formula, frame, backend="numpy", **options)


def statsmodels(formula, frame=FRAME, **options):
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    frame = frame.assign(bought=(frame["bought"] == "yes") * 1.0)
    return GLM.from_formula(formula.replace("log(", "np.log("), frame, family=Binomial(), **options).fit(tol=1e-14)


@pytest.mark.parametrize("formula", [FORMULA, "bought ~ city * age", "bought ~ 0 + C(city) + age", "bought ~ age"])
def test_statsmodels(formula):
    trained, result = train(formula, tol=1e-12), statsmodels(formula)
    summary = trained.model.summary()
    known = {name.replace("np.", ""): value for name, value in result.params.items()}
    known["(intercept)"] = known.pop("Intercept", None)
    assert set(summary.names) == {name for name, value in known.items() if value is not None}
    np.testing.assert_allclose(summary.estimate, [known[name] for name in summary.names], rtol=1e-7)
    np.testing.assert_allclose(trained.predict_proba(FRAME)[:, 1], result.fittedvalues, rtol=1e-8)
    assert trained.model.classes.tolist() == ["no", "yes"]
    assert trained.score(FRAME) == np.mean(trained.predict(FRAME) == FRAME["bought"])


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "dict", "categories"])
def test_every_kind_of_frame(kind):
    used = FRAME[["age", "city", "income", "bought"]]
    frame = {"polars": lambda: pytest.importorskip("polars").from_pandas(used),
             "pyarrow": lambda: pytest.importorskip("pyarrow").Table.from_pandas(used),
             "dict": lambda: used.to_dict("list"),
             "categories": lambda: used.astype({"city": "category", "bought": "category"})}[kind]()
    trained, known = train(frame=frame), train()
    np.testing.assert_array_equal(trained.model.w, known.model.w)
    np.testing.assert_array_equal(trained.predict_proba(frame), known.predict_proba(FRAME))


def test_categories_and_moments_are_those_of_training():
    trained = train("bought ~ center(age) + C(city)")
    few = FRAME[FRAME["city"] == "Rome"].head(2)
    np.testing.assert_allclose(trained.predict_proba(few), trained.predict_proba(FRAME)[few.index], rtol=1e-12)
    for other in (pickle.loads(pickle.dumps(trained)), copy.deepcopy(trained)):
        np.testing.assert_array_equal(other.predict_proba(few), trained.predict_proba(few))


def test_weights_and_offsets_by_name_or_value():
    trained = train("bought ~ age", sample_weight="count", offset="income", tol=1e-12)
    result = statsmodels("bought ~ age", freq_weights=FRAME["count"], offset=FRAME["income"])
    assert trained.model.w[0] == pytest.approx(result.params["age"], rel=1e-7)
    again = train("bought ~ age", sample_weight=FRAME["count"].to_numpy(), offset=FRAME["income"].tolist(), tol=1e-12)
    np.testing.assert_array_equal(trained.model.w, again.model.w)
    assert trained.predict(FRAME, FRAME["income"]).shape == (M,)


def test_counts():
    frame = pd.DataFrame({"dose": [1.0, 2.0, 4.0, 8.0], "died": [1, 3, 6, 9], "lived": [9, 7, 4, 1]})
    trained = train("died + lived ~ log(dose)", frame, tol=1e-12)
    known = fastlr.train(np.log(frame[["dose"]].to_numpy()), frame[["died", "lived"]], tol=1e-12)
    np.testing.assert_allclose(trained.model.w, known.w, rtol=1e-12)


def test_other_left_hand_sides():
    trained = train("{income > 1} ~ age")
    known = fastlr.train(FRAME[["age"]], FRAME["income"] > 1, backend="numpy")
    np.testing.assert_allclose(trained.model.w, known.w, rtol=1e-12)
    everything = train("bought ~ .", FRAME.drop(columns="other"))
    assert everything.model.feature_names == ("age", "city[T.Paris]", "city[T.Rome]", "income", "count")
    assert train(frame=FRAME, firth=True).model.solver == "firth"


def test_missing_values_are_counted_or_dropped():
    frame = with_missing()
    with pytest.raises(ValueError, match=r"missing values in 7 of 400 rows, by column: city 5, income 3\.  missing='drop'"):
        train(frame=frame)
    weight = np.arange(1.0, M + 1)
    dropped = train(frame=frame, missing="drop", sample_weight=weight)
    kept = FRAME.drop(index=range(3, 10))
    np.testing.assert_array_equal(dropped.model.w, train(frame=kept, sample_weight=weight[kept.index]).model.w)
    with pytest.raises(ValueError, match=r"of 12 rows, by column: city 5, income 3\.  Drop or impute them"):
        dropped.predict(frame.head(12))
    frame["count"] = frame["count"].where(frame.index > 0)
    with pytest.raises(ValueError, match=r"in 8 of 400 rows, by column: city 5, income 3, count 1\."):
        train(frame=frame, sample_weight="count")
    with pytest.raises(ValueError, match="No row is left"):
        train("bought ~ other", missing="drop")
    assert train("bought ~ bs(age, df=4)", FRAME.assign(df=np.nan)).model.converged      # an argument's name, and no column used


def test_dropping_keeps_rows_paired():
    """A vector of the frame in another order is refused, and an offset of K classes has a column for each."""
    frame = with_missing()
    with pytest.raises(ValueError, match="sample_weight has the index of frame in another order"):
        train("bought ~ income", frame, missing="drop", sample_weight=frame["count"][::-1])
    offset = np.linspace(-1.0, 1.0, 3 * M).reshape(M, 3)
    kept = FRAME.drop(index=range(3, 6))
    dropped = train("city ~ income", frame.assign(city=FRAME["city"]), missing="drop", offset=offset)
    np.testing.assert_array_equal(dropped.model.w, train("city ~ income", kept, offset=offset[kept.index]).model.w)


@pytest.mark.parametrize(("formula", "options", "text"), [
    ("age + city", {}, "formula must be labels ~ features, such as"),
    ("bought ~ age | city", {}, "formula must be labels ~ features"),
    ("bought ~ age +", {}, r"formula='bought ~ age \+': Operator"),
    ("bought ~ 1", {}, "formula='bought ~ 1' names no feature on its right-hand side"),
    ("bought ~ nosuch", {}, "frame lacks 'nosuch', from which"),
    ("nosuch ~ age", {}, "formula names 'nosuch', which is not a column of the frame: age, city"),
    ("bought ~ log(age - 100)", {}, "null values after evaluation.; leave out the rows"),
    ("bought ~ age", {"sample_weight": "nosuch"}, "sample_weight names 'nosuch'"),
    ("bought ~ age", {"missing": "ignore"}, "missing must be one of 'raise', 'drop'"),
    ("bought ~ age", {"missing": "drop", "offset": [1.0]}, r"offset has shape \(1,\), and the frame has 400 rows"),
])
def test_what_is_refused(formula, options, text):
    with pytest.raises(ValueError, match=text):
        train(formula, **options)


def test_other_refusals():
    with pytest.raises(TypeError, match="fit_intercept can't be passed, since the formula decides"):
        train(fit_intercept=False)
    with pytest.raises(ValueError, match="frame has 2 columns called 'age'; rename all but one"):
        train("bought ~ age", pd.concat([FRAME, FRAME[["age"]]], axis=1))
    with pytest.raises(TypeError, match="frame must be a DataFrame"):
        train(frame=[1, 2])
    trained = train()
    with pytest.raises(ValueError, match="did not have: 'Bergen'"):
        trained.predict(FRAME.head(3).assign(city=["Oslo", "Bergen", "Oslo"]))
    with pytest.raises(ValueError, match=r"frame lacks 'city', from which formula='bought ~ .*' computes features; it has age, "):
        trained.predict(FRAME.head(3).drop(columns="city"))
    for formula in ("bought ~ age + C(town)", "bought ~ log(town)", "bought ~ town"):
        with pytest.raises(ValueError, match=r"frame lacks 'town', from which formula=.* computes features; it has age, "):
            train(formula)
    with pytest.raises(TypeError, match=r"fastlr\.formula\.train"):
        fastlr.train(FRAME[["age", "city"]].astype({"city": "category"}), FRAME["bought"])


def test_a_formula_may_call_what_python_has():
    trained = train("bought ~ I(abs(age - 40)) + {round(income, 1)}")
    np.testing.assert_array_equal(trained.predict(FRAME), trained.model.predict(trained.design(FRAME)))


def test_columns_are_what_they_hold():
    """pandas' nullable text is text, and objects that are numbers are numbers."""
    expected = train(l2=0.1).model.w
    decimals = FRAME.assign(age=[Decimal(repr(value)) for value in FRAME["age"].tolist()])
    for frame in (FRAME.convert_dtypes(), FRAME.astype({"age": object}), FRAME.astype({"city": "string"}), decimals):
        np.testing.assert_array_equal(train(frame=frame, l2=0.1).model.w, expected)
    for column in (pd.date_range("2020", periods=M), [[1]] * M):
        with pytest.raises(ValueError, match="columns must hold numbers, text or categories"):
            train("bought ~ age + when", FRAME.assign(when=column))
    with pytest.raises(ValueError, match="a column called 'Intercept'"):
        train("bought ~ Intercept + age", FRAME.assign(Intercept=FRAME["income"]))


def test_numbers_where_categories_were_and_the_other_way_round():
    """What is refused leaves the model as it was."""
    trained = train("bought ~ age + zone", FRAME.assign(zone=FRAME["count"].astype(str)))
    expected = trained.predict_proba(FRAME.assign(zone=FRAME["count"].astype("string")))
    with pytest.raises(ValueError, match=r"frame has categories that the training frame did not have: [123], "):
        trained.predict_proba(FRAME.assign(zone=FRAME["count"]))
    with pytest.raises(ValueError, match=r"generated \['age\[x\]'\], expecting \['age'\]"):
        trained.predict_proba(FRAME.assign(age="x", zone="1"))
    np.testing.assert_array_equal(trained.predict_proba(FRAME.assign(zone=FRAME["count"].astype(str))), expected)
    as_numbers = train("bought ~ zone", FRAME.assign(zone=FRAME["count"].astype("category")))
    assert as_numbers.predict(FRAME.assign(zone=FRAME["count"])).tolist() == as_numbers.predict(
        FRAME.assign(zone=FRAME["count"].astype("category"))).tolist()


def test_predictions_take_vectors_by_name():
    trained = train("bought ~ age", offset="income")
    np.testing.assert_array_equal(trained.predict_proba(FRAME, "income"), trained.predict_proba(FRAME, FRAME["income"]))
    assert trained.score(FRAME, "count", "income") == trained.score(FRAME, FRAME["count"], FRAME["income"])
    with pytest.raises(ValueError, match="offset names 'incom', which is not a column of the frame"):
        trained.predict(FRAME, "incom")

"""Training by a formula: categories, transformations and interactions of a frame's columns (pip install formulaic).

>>> import fastlr, pandas as pd
>>> frame = pd.DataFrame({"bought": ["no", "yes", "no", "yes", "yes", "no"], "age": [21, 35, 49, 30, 52, 41],
...                       "city": ["Rome", "Oslo", "Oslo", "Rome", "Oslo", "Rome"]})
>>> trained = fastlr.formula.train("bought ~ age + C(city)", frame)
>>> trained.model.feature_names
('age', 'C(city)[T.Rome]')
>>> trained.predict(pd.DataFrame({"age": [30, 60], "city": ["Oslo", "Rome"]}))
array(['yes', 'no'], dtype=object)
"""

import builtins
import copy
import re
import warnings
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelSpec
from formulaic.errors import DataMismatchWarning, FormulaicError

from fastlr import _train
from fastlr.data import arguments, frames
from fastlr.machine.wording import listed
from fastlr.model.model import Model

__all__ = ["FormulaModel", "train"]

# The set of categories in a message of formulaic's.
_CATEGORIES = re.compile(r"\{(.*?)\}")


def __dir__() -> list[str]:
    return [*__all__, "__doc__"]


@dataclass(frozen=True, eq=False)
class FormulaModel:
    """A model with the formula that makes its features from a frame.

    Attributes
    ----------
    formula : str
    model : Model
        The trained model, with `summary()` and all else; its features are the columns of `design`.
    labels : formulaic.Formula
        The left-hand side.
    spec : formulaic.ModelSpec
        The right-hand side, with the categories, contrasts and moments of the training frame.
    """

    formula: str
    model: Model
    labels: Formula
    spec: ModelSpec

    def design(self, frame: Any) -> pd.DataFrame:
        """Return the features of a frame as the model takes them, (m, n), without the intercept.

        Raises
        ------
        ValueError
            Columns or values are missing, or a category occurs that the training frame did not have.
        """
        frame = _pandas(frame)
        needed = self.spec.required_variables
        _refuse_absent(needed, frame, self.formula)
        _refuse_missing(_missing(frame, _columns(needed, frame)), len(frame), "Drop or impute them")
        return _features(self.spec, frame, self.formula)

    def decision_function(self, frame: Any, offset: Any = None) -> np.ndarray:
        """Return the margins of a frame's rows, (m,) or (m, K); the offset may be the name of a column, as for `train`."""
        frame = _pandas(frame)
        return self.model.decision_function(self.design(frame), _vector("offset", offset, frame))

    def predict_proba(self, frame: Any, offset: Any = None) -> np.ndarray:
        """Return the probability of each class in a frame's rows, (m, 2) or (m, K)."""
        frame = _pandas(frame)
        return self.model.predict_proba(self.design(frame), _vector("offset", offset, frame))

    def predict(self, frame: Any, offset: Any = None) -> np.ndarray:
        """Return the most probable class of a frame's rows, (m,)."""
        frame = _pandas(frame)
        return self.model.predict(self.design(frame), _vector("offset", offset, frame))

    def score(self, frame: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Return the share of a frame's rows whose label, by the left-hand side, is predicted."""
        frame = _pandas(frame)
        return self.model.score(self.design(frame), _labels(self.labels, frame, self.formula),
                                _vector("sample_weight", sample_weight, frame), _vector("offset", offset, frame))


def train(formula: str, frame: Any, *, missing: str = "raise", sample_weight: Any = None, offset: Any = None,
          **options: Any) -> FormulaModel:
    """Train logistic regression on the columns of a frame that a formula names.

    Parameters
    ----------
    formula : str
        Labels ~ features, in the language of R and formulaic: ``bought ~ age + C(city) + log(income) + age:income``.  Columns
        of text and of categories become indicators of all values but the first.  ``0 +`` leaves the intercept out, ``.``
        is every other column, and ``{...}`` is Python.  Two columns on the left, ``died + lived ~ dose``, are counts of successes
        and failures.
    frame : DataFrame of pandas or polars, pyarrow Table, or dict of columns
    missing : {"raise", "drop"}
        What to do about rows that lack a value in a used column: an error, or leave them out.
    sample_weight, offset : str or array_like, (m,), optional
        The name of a column, or numbers; as for `fastlr.train`.
    **options
        Other arguments of `fastlr.train`, such as `l2`, `firth` or `solver`.

    Returns
    -------
    FormulaModel
        It predicts for frames; its `model` is the Model.

    Raises
    ------
    ValueError
        The formula can't be read or computed; or values are missing, which the text counts by column.
    TypeError
        `frame` is not a frame, or `fit_intercept` is given, which the formula decides.

    Examples
    --------
    >>> import fastlr, pandas as pd
    >>> frame = pd.DataFrame({"dose": [1.0, 2.0, 4.0, 8.0, None], "died": [1, 3, 6, 9, 5], "lived": [9, 7, 4, 1, 5]})
    >>> trained = fastlr.formula.train("died + lived ~ log(dose)", frame, missing="drop")
    >>> trained.model.feature_names, trained.model.w.round(3)
    (('log(dose)',), array([2.054]))
    """
    if "fit_intercept" in options:
        raise TypeError("fit_intercept can't be passed, since the formula decides: write 0 + ... on its right-hand side "
                        "to leave the intercept out")
    arguments.one_of("missing", missing, ("raise", "drop"))
    frame = _pandas(frame)
    frames.refuse_other_order(frame=frame, sample_weight=sample_weight, offset=offset)
    parsed = _parsed(formula, frame)
    vectors = {"sample_weight": sample_weight, "offset": offset}
    given = {name: _vector(name, value, frame) for name, value in vectors.items()}
    _refuse_absent(parsed.rhs.required_variables.difference(dir(builtins)), frame, formula)    # I(abs(age)) calls one of these
    used = _columns(parsed.lhs.required_variables | parsed.rhs.required_variables, frame)
    frames.refuse_twice("frame has", tuple(used))
    if "Intercept" in used:
        raise ValueError("frame has a column called 'Intercept', as formulas call their own; rename it")
    lacking = _missing(frame, [*used, *(value for value in vectors.values() if isinstance(value, str))])
    if missing == "drop":
        kept = ~lacking.any(axis=1).to_numpy()
        if not kept.any():
            _refuse_missing(lacking, len(frame), "No row is left without them; impute some")
        frame, given = frame[kept], {name: _kept(name, value, kept) for name, value in given.items()}
    else:
        _refuse_missing(lacking, len(frame), "missing='drop' leaves out the rows that have some")
    y = _labels(parsed.lhs, frame, formula)
    design = _computed(formula, parsed.rhs.get_model_matrix, frame, na_action="raise")
    X = _without_intercept(design)
    if X.shape[1] == 0:
        raise ValueError(f"formula={formula!r} names no feature on its right-hand side; name one column at least")
    model = _train.train(X, y, fit_intercept="Intercept" in design, **given, **options)
    return FormulaModel(formula, model, parsed.lhs, design.model_spec)


def _parsed(formula: str, frame: pd.DataFrame) -> Any:
    """The formula with a left-hand and one right-hand side."""
    parsed = _computed(formula, Formula, formula, _context={"__formulaic_variables_available__": list(map(str, frame.columns))})
    if getattr(parsed, "lhs", None) is None or isinstance(parsed.rhs, tuple):
        raise ValueError(f"formula must be labels ~ features, such as 'bought ~ age + C(city)', not {formula!r}")
    return parsed


def _labels(left: Any, frame: pd.DataFrame, formula: str) -> Any:
    """The labels: a column as it is, whatever its labels are, or what an expression says, or two columns of counts."""
    factors = [factor for term in left for factor in term.factors]
    if len(factors) == 1 and factors[0].eval_method.value == "lookup":
        return frame[_column("formula", factors[0].expr, frame)]
    values = _computed(formula, left.get_model_matrix, frame, na_action="raise").to_numpy()
    return values[:, 0] if values.shape[1] == 1 else values


def _features(spec: ModelSpec, frame: pd.DataFrame, formula: str) -> pd.DataFrame:
    """The features of another frame, with the categories and moments of the training frame.

    formulaic writes what it finds into a spec, and takes numbers for themselves where the training frame had categories.
    """
    trained = [name for name, (kind, _) in spec.encoder_state.items() if kind.value == "categorical" and name in frame]
    frame = frame.astype({name: "category" for name in trained if pd.api.types.is_numeric_dtype(frame[name])})
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataMismatchWarning)
        try:
            return _without_intercept(_computed(formula, copy.deepcopy(spec).get_model_matrix, frame, na_action="raise"))
        except DataMismatchWarning as mismatch:
            unseen = ", ".join(_CATEGORIES.findall(str(mismatch)))
            raise ValueError(f"frame has categories that the training frame did not have: {unseen}.  "
                             "Leave those rows out, or train with some that have them") from None


def _without_intercept(design: Any) -> pd.DataFrame:
    return pd.DataFrame(design).drop(columns="Intercept", errors="ignore")


def _computed(formula: str, compute: Any, *arguments: Any, **options: Any) -> Any:
    """What formulaic computes, with its errors as ValueError that names the formula."""
    try:
        with np.errstate(all="ignore"):         # what is no number afterwards is an error
            return compute(*arguments, **options)
    except (FormulaicError, SyntaxError, TypeError, ValueError) as error:
        first_line, *_ = str(error).strip().partition("\n")
        hint = ("; columns must hold numbers, text or categories: make these of dates" if isinstance(error, TypeError) else
                "; leave out the rows that have no such value" if "null values" in first_line else "")
        raise ValueError(f"formula={formula!r}: {first_line}{hint}") from error


def _pandas(frame: Any) -> pd.DataFrame:
    """The frame with columns of the types that formulaic takes for numbers and for text."""
    if hasattr(frame, "to_pandas"):
        frame = frame.to_pandas()
    elif isinstance(frame, Mapping):
        frame = pd.DataFrame(frame)
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"frame must be a DataFrame, a pyarrow Table or a dict of columns, not {type(frame).__name__}")
    text = {name: object for name, dtype in frame.dtypes.items() if dtype.type is str and dtype != "str"}
    frame = frame.astype(text).infer_objects()
    objects = [name for name, dtype in frame.dtypes.items() if pd.api.types.is_object_dtype(dtype)]
    return frame.astype({name: float for name in objects if pd.api.types.infer_dtype(frame[name]) == "decimal"})


def _vector(name: str, value: Any, frame: pd.DataFrame) -> Any:
    """A vector beside the frame, or the column of the frame that it names."""
    return frame[_column(name, value, frame)] if isinstance(value, str) else value


def _column(name: str, column: str, frame: pd.DataFrame) -> str:
    if column not in frame:
        raise ValueError(f"{name} names {column!r}, which is not a column of the frame: {listed(list(map(str, frame.columns)))}")
    return column


def _refuse_absent(needed: Set[str], frame: pd.DataFrame, formula: str) -> None:
    absent = sorted(needed - set(frame.columns))
    if absent:
        raise ValueError(f"frame lacks {listed(absent, write=repr)}, from which formula={formula!r} computes features; "
                         f"it has {listed(list(map(str, frame.columns)))}")


def _columns(needed: Set[str], frame: pd.DataFrame) -> list[str]:
    """The columns of the frame that are needed, in the order of the frame."""
    return [column for column in frame.columns if column in needed]


def _missing(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Which values of some columns are missing, (m, k)."""
    return frame[list(dict.fromkeys(columns))].isna()


def _refuse_missing(lacking: pd.DataFrame, rows: int, way_out: str) -> None:
    counts = lacking.sum()
    if counts.any():
        by_column = listed([f"{name} {count}" for name, count in counts[counts > 0].items()])
        raise ValueError(f"frame has missing values in {int(lacking.any(axis=1).sum())} of {rows} rows, by column: {by_column}.  "
                         f"{way_out}")


def _kept(name: str, values: Any, kept: np.ndarray) -> Any:
    """The entries of a vector beside the frame in the rows that are kept."""
    if values is None:
        return None
    values = np.asarray(values)
    if values.shape[:1] != kept.shape:
        raise ValueError(f"{name} has shape {values.shape}, and the frame has {kept.size} rows")
    return values[kept]

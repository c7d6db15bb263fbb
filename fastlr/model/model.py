"""The trained model: what is known of it, and its files."""

import copy
import os
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from fastlr.inference import plots
from fastlr.inference.statistics import Statistics, Training
from fastlr.machine.arrays import plain
from fastlr.machine.distribution import needed
from fastlr.machine.wording import counted
from fastlr.model import file
from fastlr.model.inference import Inference
from fastlr.solvers.history import History


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Model(Inference):
    """A trained logistic regression.

    Attributes
    ----------
    w : (n,) or (K, n) float64
        The weights; with three or more classes, one row for each.
    b : float or (K,) float64
        The intercept; with three or more classes, one for each.
    classes : (2,) or (K,)
        The labels that stand for y = 0 and y = 1, or 0 .. K - 1.
    cost : float
        J at (w, b), as it was minimized: reduction, weights and penalties included.
    costs : (n_iter,) float64
        costs[i] is J before update i.
    history : History
        The cost, the gradient's norm and the seconds after every update, and each step.
    n_iter : int
        The number of updates on all rows; 0 where the start, which samples may have given, was good enough.
    converged : bool
        Whether `grad_norm` is at most `tol` and the gap is small enough; False where `tol` was 0.
    stop_reason : str
        The reason why training ended, in words.
    grad_norm : float
        The largest of |db| and |dw_j - mu_j db| / sd_j on the mean scale: the gradient in standardized coordinates, or with l1
        the least subgradient.  NaN where tol was 0.
    gap : float or None
        An upper bound on J - J*, or an estimate of it; None where `tol` was 0 and the solver knows nothing of it.
    gap_kind : {"bound", "estimate"} or None
        "bound" if J - J* has been proved to be at most `gap`, up to rounding.  "estimate" if a proof would have taken too
        long, or with Firth's penalty, where none is known: then `gap` is half of g^T M g, with the gradient g and the solver's
        inverse Hessian M.
    solver, backend : str
        The names of what really ran, with "auto" resolved; the solver is "newton" if a Hessian took part, "firth" with Firth's
        penalty, and "elastic_net" with l1.
    n_threads : int
        The most threads that the kernel used; 1 for backends without threads of their own.
    elapsed : float
        The seconds that `train` took, without `compile_time`.
    compile_time : float
        The seconds of importing Numba, compiling, and loading compiled code.
    feature_names : tuple of str, or None
        The names of the columns, from a data frame, a table or `feature_names`.
    has_offset : bool
        Whether the model was trained with an offset; then it predicts only with one.
    """

    w: np.ndarray
    b: Any
    classes: np.ndarray
    cost: float
    costs: np.ndarray
    history: History
    n_iter: int
    converged: bool
    stop_reason: str
    grad_norm: float
    gap: float | None
    solver: str
    backend: str
    n_threads: int
    elapsed: float
    compile_time: float
    feature_names: tuple[str, ...] | None
    has_offset: bool
    gap_kind: str | None = None
    _training: Training | None = field(default=None)
    _statistics: Statistics | None = field(default=None)

    def __post_init__(self) -> None:
        for array in (self.w, self.classes, self.costs, *self.history, *([self.b] if isinstance(self.b, np.ndarray) else [])):
            array.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_training": None}          # for pickle: copies keep the training data, as below

    def __copy__(self) -> "Model":
        return replace(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Model":
        own = {field.name: copy.deepcopy(getattr(self, field.name), memo) for field in fields(self) if field.name != "_training"}
        return replace(self, **own)                         # the training data are shared: nobody writes to them

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()                                # NumPy doesn't pickle that an array is read-only

    def __repr__(self) -> str:
        features, updates = counted(self.w.shape[-1], "feature"), counted(self.n_iter, "update")
        return (f"<fastlr.Model: {features}, J = {self.cost:.6g} after {updates}, "
                f"{'converged' if self.converged else 'not converged' if self.grad_norm == self.grad_norm else 'tol = 0'}, "
                f"solver {self.solver!r}, backend {self.backend!r}>")

    def to_dict(self) -> dict[str, Any]:
        """Return all attributes by name, with arrays as lists of Python numbers and the history as a dict of lists."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if not field.name.startswith("_")}
        values["history"] = self.history._asdict()
        return {name: _in_lists(value) for name, value in values.items()}

    def plot_costs(self, ax: Any = None) -> Any:
        """Draw J against the number of updates; needs matplotlib (pip install matplotlib).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            The axes to draw in; by default those of a new figure.

        Returns
        -------
        matplotlib Axes
        """
        return plots.costs(self.history.cost, ax)

    def save(self, path: str | os.PathLike) -> None:
        """Write the model to a JSON file that `fastlr.load` reads, with every bit of every number.

        An older file of that name is replaced once the new one is complete.  If saving fails, the older file is as it was.

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        OSError
            The file can't be written.
        TypeError
            Labels are of another type than bool, int, float, str or NumPy's versions of these: bytes or an Enum, for example.
        ValueError
            JSON in UTF-8 can't hold a label or name, such as half a surrogate pair; the file would have more than
            256 MiB; or the path is that of something else than a regular file.

        Examples
        --------
        >>> import fastlr, os, tempfile
        >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(os.path.join(folder, "model.json"))
        ...     fastlr.load(os.path.join(folder, "model.json")).b == model.b
        True
        """
        file.write(values_of(self), path)

    def to_sklearn(self) -> Any:
        """Make a fitted scikit-learn LogisticRegression that predicts the same; needs scikit-learn (pip install scikit-learn).

        It has `coef_`, `intercept_`, `classes_`, `n_iter_`, `n_features_in_`, and `feature_names_in_` if X was a data frame.
        Nothing else is carried over.  Its parameters, such as `C`, are scikit-learn's defaults, so training it again would not
        give this model.

        Returns
        -------
        sklearn.linear_model.LogisticRegression

        Raises
        ------
        ValueError
            The model was trained with an offset, which scikit-learn's class doesn't know.

        Examples
        --------
        >>> import fastlr
        >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"])
        >>> model.to_sklearn().predict([[2.5]])
        array(['yes'], dtype='<U3')
        """
        if self.has_offset:
            raise ValueError("the model was trained with an offset, which scikit-learn's LogisticRegression doesn't know")
        estimator = needed("sklearn.linear_model", "scikit-learn", "to_sklearn()").LogisticRegression()
        estimator.coef_ = np.atleast_2d(self.w).copy()
        estimator.intercept_ = np.atleast_1d(self.b).copy()
        estimator.classes_ = self.classes.copy()
        estimator.n_iter_ = np.array([self.n_iter], np.int32)
        estimator.n_features_in_ = self.w.shape[-1]
        if self.feature_names is not None:
            estimator.feature_names_in_ = np.array(self.feature_names, object)
        return estimator


def load(path: str | os.PathLike) -> Model:
    """Read a model that `Model.save` has written, with every bit as it was.

    The file is JSON and all of it is checked, so nothing in it can run.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        The file is not a model that this version of fastlr can read; the text says what is wrong, and where.
    FileNotFoundError, PermissionError
        The file can't be opened.

    Examples
    --------
    >>> import fastlr, os, tempfile
    >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.json")
    ...     model.save(path)
    ...     again = fastlr.load(path)
    >>> again.predict([[0.0], [3.0]])
    array(['no', 'yes'], dtype='<U3')
    >>> (again.w == model.w).all() and again.b == model.b
    True
    """
    return model_of(file.read(path))


def values_of(model: Model) -> dict[str, Any]:
    """What a file holds of a model, see `fastlr.model.file`."""
    values = {field.name.removeprefix("_"): getattr(model, field.name) for field in fields(model) if field.name != "_training"}
    values["history"] = {name: value for name, value in model.history._asdict().items() if name != "cost"}
    values["statistics"] = None if model._statistics is None else model._statistics._asdict()
    return values


def model_of(values: dict[str, Any]) -> Model:
    """Make the model that a file holds."""
    history = History(np.append(values["costs"], values["cost"]), **values.pop("history"))
    found = values.pop("statistics")
    return Model(**values, history=history, _statistics=None if found is None else Statistics(**found))


def _in_lists(value: Any) -> Any:
    """Convert arrays to lists of Python's own values; arrays of objects may hold NumPy scalars."""
    if isinstance(value, dict):
        return {name: _in_lists(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    return value

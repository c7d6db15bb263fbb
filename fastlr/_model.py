"""The trained model, and what people do with one."""

import os
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastlr import _check
from fastlr.backends.numpy_vectorized import margins, sigmoid


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Model:
    """Logistic regression with its parameters found.

    Attributes
    ----------
    w : (n,) float64
    b : float
    classes : (2,)
        The labels that stand for y = 0 and y = 1.
    cost : float
        J at (w, b), on the scale that was trained on: reduction, weights and l2 included.
    costs : (n_iter,) float64
        costs[i] is J before update i.
    n_iter : int
        Updates on all rows; 0 where the start, perhaps found on samples, was good enough.
    converged : bool
        Whether `grad_norm` is at most the `tol` of `train`; False where none was asked for (tol = 0).
    stop_reason : str
        One readable sentence.
    grad_norm : float
        The largest of |db| and |dw_j - mu_j db| / sd_j on the mean scale: the gradient in standardised coordinates.
        NaN where tol was 0.
    gap : float or None
        Estimate of J - J*: half of g^T M g with the gradient g and the inverse Hessian M, or what the solver has in its place
        (for "lbfgs" an approximation from its last steps).  None for "gd".
    solver, backend : str
        What really ran, "auto" resolved; "newton" if a Hessian took part.
    n_threads : int
        The most threads that the kernel used; 1 for backends without threads of their own.
    elapsed : float
        Seconds in `train`, without `compile_time`.
    compile_time : float
        Seconds of importing Numba, compiling, and loading compiled code.
    feature_names : tuple of str, or None
        The columns, if X was a data frame.
    has_offset : bool
        Whether it was trained with an offset; then it predicts only with one.
    """

    w: np.ndarray
    b: float
    classes: np.ndarray
    cost: float
    costs: np.ndarray
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

    def __post_init__(self) -> None:
        for name in ("w", "classes", "costs"):
            getattr(self, name).flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()                                # NumPy doesn't pickle that an array is read-only

    def __repr__(self) -> str:
        return (f"<fastlr.Model: {self.w.size} features, J = {self.cost:.6g} after {self.n_iter} updates, "
                f"{'converged' if self.converged else 'not converged' if self.grad_norm == self.grad_norm else 'tol = 0'}, "
                f"solver {self.solver!r}, backend {self.backend!r}>")

    @np.errstate(all="ignore")
    def decision_function(self, X: Any, offset: Any = None) -> np.ndarray:
        """z = X w + b (+ offset), the log-odds of the second class.

        Parameters
        ----------
        X : array_like or SciPy sparse matrix, (m, n)
            A data frame must have the columns of the training frame, in their order.
        offset : array_like, (m,), optional
            Required if the model was trained with one.

        Returns
        -------
        (m,) float64

        Raises
        ------
        ValueError
            Another number of features, other columns, values that are not finite, a missing offset.
        """
        X, _ = _check.matrix(X, names=self.feature_names, n_features=self.w.size)
        if self.has_offset and offset is None:
            raise ValueError("the model was trained with an offset, so predicting needs one too: pass offset= (zeros for none)")
        return margins(X, _check.vector_of_offsets(offset, X.shape[0]), np.append(self.w, self.b))

    @np.errstate(all="ignore")
    def predict_proba(self, X: Any, offset: Any = None) -> np.ndarray:
        """Probability of each class, (m, 2) float64, columns in the order of `classes`.

        Parameters and errors are those of `decision_function`.

        Examples
        --------
        >>> import fastlr
        >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"], learning_rate=0.1, max_iter=100)
        >>> model.predict_proba([[2.5]]).round(4)
        array([[0.3241, 0.6759]])
        """
        z = self.decision_function(X, offset)
        return np.column_stack([sigmoid(-z), sigmoid(z)])

    def predict(self, X: Any, offset: Any = None) -> np.ndarray:
        """The more probable class of each row, as the original label, (m,).

        Parameters and errors are those of `decision_function`.  A margin of exactly 0 is the first class.
        """
        return self.classes[(self.decision_function(X, offset) > 0.0).astype(np.intp)]

    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Accuracy: the (weighted) share of rows whose label is predicted, between 0 and 1.

        Parameters
        ----------
        X, offset
            As for `decision_function`.
        y : array_like, (m,)
            Original labels; one that the model does not know counts as predicted wrongly.
        sample_weight : array_like, (m,), optional
        """
        predicted = self.predict(X, offset)
        right = predicted == _check.labels_as_given(y, predicted.size)
        weights = _check.vector_of_weights(sample_weight, right.size)
        return float(np.average(right, weights=weights if weights.size else None))

    def to_dict(self) -> dict[str, Any]:
        """Every attribute under its name; arrays as lists of Python numbers."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _plain_list(value) if isinstance(value, np.ndarray) else value for name, value in values.items()}

    def plot_costs(self, ax: Any = None) -> Any:
        """Draw J against the number of updates; needs matplotlib (pip install fastlr[plot]).

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib Axes
        """
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots()[1]
        ax.plot(np.arange(self.n_iter + 1), np.append(self.costs, self.cost))
        ax.set_xlabel("updates")
        ax.set_ylabel("cost J")
        return ax

    def summary(self) -> Any:
        """Not there yet: coefficients with standard errors."""
        raise NotImplementedError("Model.summary is not there yet; w, b, cost, converged and grad_norm are, as attributes")

    def save(self, path: str | os.PathLike) -> None:
        """Write the model to a file, which `fastlr.load` reads; JSON, with every bit of every number.

        An older file of that name is replaced once the new one is complete: if saving fails, it is as it was.

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        OSError
            The file can't be written.
        TypeError
            Labels of a type of their own, such as an Enum.
        ValueError
            Labels or names that JSON in UTF-8 can't hold: infinity, half a surrogate pair; a file of more than 256 MiB; a path
            to something else than a regular file.

        Examples
        --------
        >>> import fastlr, os, tempfile
        >>> model = fastlr.train([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(os.path.join(folder, "model.json"))
        ...     fastlr.load(os.path.join(folder, "model.json")).b == model.b
        True
        """
        from fastlr import _model_file

        _model_file.save(self, path)

    def to_sklearn(self) -> Any:
        """Not there yet: the same model as a scikit-learn estimator."""
        raise NotImplementedError("Model.to_sklearn is not there yet; coef_ is w[None], intercept_ is [b], classes_ is classes")


def _plain_list(A: np.ndarray) -> list[Any]:
    """Python values also where A is an array of objects, which may be NumPy scalars."""
    return [value.item() if isinstance(value, np.generic) else value for value in A.tolist()]

"""scikit-learn's conventions for an estimator: its parameters, its words in errors, its warnings."""

import contextlib
import math
import re
import sys
from collections.abc import Iterator
from numbers import Real
from typing import Any

import numpy as np
from sklearn import exceptions

from fastlr.backends.csr import Csr
from fastlr.data import arguments, arrays
from fastlr.data.dataset import Dataset
from fastlr.data.tables.columns import Named
from fastlr.machine import warnings
from fastlr.machine.limits import processors

# The smallest C whose inverse is finite.
SMALLEST_C = 1e-300
# The parameters that scikit-learn's class has, or had, and this one hasn't, with what to do without them.
WITHOUT = {
    "penalty": "leave out penalty='l2', write C=numpy.inf for penalty=None, and l1_ratio for penalty='l1' or 'elasticnet'",
    "multi_class": "leave it out; for one class against the rest, wrap the estimator in sklearn.multiclass.OneVsRestClassifier",
    "dual": "leave it out: X with more columns than rows needs no other formulation here",
    "intercept_scaling": "leave it out: the intercept is not penalized here",
}
# The beginnings of fastlr's errors, each with the type and the words that scikit-learn's checks, or its users, need beside them.
_PRESCRIBED: tuple[tuple[str, type[Exception], str], ...] = (
    (r"X must hold real numbers, not complex", ValueError, "Complex data not supported"),
    (r"X holds \{", TypeError, "The argument must be a string or a real number"),
    (r"X is empty: it has shape (\(.*, 0\))", ValueError, r"There are 0 feature(s) (shape=\1) while a minimum of 1 is required."),
    (r"y has \d+ different values", ValueError, "Unknown label type: continuous"),
    (r"y has \d+ values, and X has", ValueError, "Found input variables with inconsistent numbers of samples"),
    (r"init: ", ValueError, "With warm_start=True init is coef_ and intercept_, which fit the same columns and as many classes "
                            "alone; set warm_start=False, or fit a clone"),
)


class ConvergenceWarning(warnings.ConvergenceWarning, exceptions.ConvergenceWarning):
    """The ConvergenceWarning of fastlr and of scikit-learn at once, so that a filter for either finds it."""


class SeparationWarning(warnings.SeparationWarning, ConvergenceWarning):
    """The SeparationWarning of fastlr, which is scikit-learn's ConvergenceWarning too."""


def as_scikit_learns(warning: Warning) -> Warning:
    if isinstance(warning, warnings.SeparationWarning):
        return SeparationWarning(f"{warning}.  Here l2 is 1/C: set a finite C")
    return ConvergenceWarning(str(warning))


@contextlib.contextmanager
def in_scikit_learns_words() -> Iterator[None]:
    """Add to fastlr's errors the words, and give them the type, that scikit-learn's checks of estimators ask for."""
    try:
        yield
    except (TypeError, ValueError, NotImplementedError) as error:
        text = str(error)
        for ours, kind, theirs in _PRESCRIBED:
            found = re.match(ours, text)
            if found:
                raise kind(f"{text}.  {found.expand(theirs)}") from error
        raise


def warn_of_a_column(y: Any) -> None:
    if getattr(y, "ndim", 1) == 2:
        warnings.warn(exceptions.DataConversionWarning("A column-vector y was passed when a 1d array was expected; "
                                                       "pass y.ravel()"))


def refuse_counts(data: Dataset) -> None:
    """Raise ValueError for grouped labels, which scikit-learn's classifiers don't have."""
    if data.example_of_rows is not None:
        raise ValueError("y holds counts or shares of successes, which fastlr.train takes; an estimator takes labels.  "
                         "Numbers between 0 and 1 that are labels go in as text: y.astype(str)")


def refuse_dask(**given: Any) -> None:
    """Refuse Dask collections, which scikit-learn's checks would bring into memory whole and in silence."""
    for name, value in given.items():
        if arrays.is_dask(value):
            raise TypeError(f"{name} is a Dask collection, and LogisticRegression takes arrays in memory; fastlr.train trains on "
                            f"Dask collections where they lie, or pass {name}.compute()")


def named(A: np.ndarray | Csr, names: tuple[str, ...] | None) -> Any:
    """Give checked X its names again, for `fastlr.train` or a Model."""
    return A if names is None or isinstance(A, Csr) else Named(A, names)


def strength_of(C: Any) -> float:
    """The strength of the penalty of `fastlr.train`, beside a sum of losses, that stands for C."""
    if isinstance(C, Real) and C == math.inf:
        return 0.0
    C = arguments.number("C", C, above=0.0)
    if C < SMALLEST_C:
        raise ValueError(f"C must be at least {SMALLEST_C:g}, not {C!r}")
    return 1.0 / C


def n_threads_of(n_jobs: Any) -> int | None:
    """The most threads by joblib's way of counting: -1 is all processors, -2 all but one."""
    if n_jobs is None:
        return None
    n_jobs = arguments.integer("n_jobs", n_jobs, at_least=-sys.maxsize)
    if n_jobs == 0:
        raise ValueError("n_jobs must be None, a number of threads, or negative (-1 is all processors), not 0")
    return n_jobs if n_jobs > 0 else max(1, processors() + 1 + n_jobs)
